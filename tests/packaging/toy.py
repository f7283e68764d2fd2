"""A project of the same shape as this one, small enough to set up in seconds, without network.

Its Makefile and its set-up are the real ones, and so are venv and pip; its packages and its book
are not.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# A space, an accent, a quote, and what make, pip, Sphinx or the shell could take for their own.
ODD = "a b é % [x] it's #1 $(w)"

PYPROJECT = """[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "gdmlib"
version = "1"
requires-python = ">=3.11"
[project.optional-dependencies]
book = []
homework = []
test = []
"""

BACKEND = """import pathlib, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "gdmlib-1-py3-none-any.whl", "gdmlib-1.dist-info"
    metadata = "Metadata-Version: 2.1\\nName: gdmlib\\nVersion: 1\\n"
    metadata += "".join(f"Provides-Extra: {e}\\n" for e in ("book", "homework", "test"))
    tag = "Wheel-Version: 1.0\\nGenerator: toy\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("gdmlib_here.pth", str(pathlib.Path.cwd()))
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""

# Builds a page for each source, and waits in the middle if a file says so.
BOOK = """import pathlib, time

def main(prog_name):
    html = pathlib.Path("_build/html")
    (html / "half.html").write_text("")
    if pathlib.Path("slow").exists():
        time.sleep(60)
    pages = sorted(path.name for path in pathlib.Path("notebooks").iterdir())
    (html / "index.html").write_text("\\n".join(pages))
    with open("builds", "a") as log:
        log.write("built\\n")
"""


def make_toy(root: Path, folder: Path) -> Path:
    """Write the project into a folder and return it."""
    (folder / "tools").mkdir(parents=True)
    for name in ("Makefile", "tools/__init__.py", "tools/environment.py", "tools/serve.py"):
        shutil.copy(root / name, folder / name)
    texts = {
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND,
        "jupyter_book/cli/main.py": BOOK,
        "constraints.txt": "torch==2.13.0\n",
        "gdmlib/__init__.py": "",
        "benchmarks/results.json": "{}",
        "benchmarks/flows.json": "{}",
        "benchmarks/latent.json": "{}",
        "benchmarks/adversarial.json": "{}",
        "book/index.md": "# Book\n",
        "notebooks/01.md": "# One\n",
        "results/one.json": "{}",
        **dict.fromkeys(("_config.yml", "_toc.yml", "CHANGELOG.md"), ""),
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start make there, in a process group of its own and as if not inside another make."""
    ours = (
        "MAKE",
        "MFLAGS",
        "VENV",
        "PORT",
        "TORCH_INDEX",
        "COURSE",
        "PRIVATE",
        "GDMLIB",
        "PYTHON",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.Popen(
        ["make", f"PYTHON={sys.executable}", *arguments],
        cwd=folder,
        env={**kept, "PIP_NO_INDEX": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def make(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run make there and return its exit code and what it said."""
    process = start(folder, *arguments)
    said, _ = process.communicate(timeout=300)
    return process.returncode, said


def make_until(folder: Path, there: str, *arguments: str) -> None:
    """Run make until a path is there, then kill it and all that it has started."""
    process = start(folder, *arguments)
    deadline = time.monotonic() + 120
    while not list(folder.glob(there)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
