"""Installing gdmlib leaves torch and numpy as they are: what Colab needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

import gdmlib

TORCH = "torch==2.13.0"
# The oldest numpy that has wheels for this Python, and a newer one that is not the newest.
OLDEST = (
    "1.26.4" if sys.version_info < (3, 13) else "2.1.0" if sys.version_info < (3, 14) else "2.3.4"
)
NEWER = "2.3.5"


def pip(python: Path, *arguments: str) -> str:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def versions(python: Path) -> dict[str, str]:
    installed = {p["name"]: p["version"] for p in json.loads(pip(python, "list", "--format=json"))}
    return {name: installed[name] for name in ("torch", "numpy")}


@pytest.fixture(scope="module")
def source(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package's sources, so that the build leaves no trace in the tree."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy)
    for name in ("gdmlib", "results"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a fresh environment that holds CPU torch and the oldest numpy."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    try:
        pip(python, "install", "--quiet", TORCH, f"numpy=={OLDEST}")
    except AssertionError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no package index in reach: {str(error)[-300:]}")
    return python


@pytest.mark.parametrize("numpy", [OLDEST, NEWER])
def test_install_changes_neither_torch_nor_numpy(python: Path, source: Path, numpy: str) -> None:
    pip(python, "install", "--quiet", f"numpy=={numpy}")
    before = versions(python)
    assert Version(before["numpy"]) == Version(numpy)
    pip(python, "install", "--quiet", str(source))
    assert versions(python) == before
    check = (
        "import gdmlib, torch; from gdmlib.densities import Normal; "
        "n = Normal.fit(torch.arange(9.0)); print(bool(abs(n.mean - 4) < 1e-6), gdmlib.__version__)"
        "; from gdmlib import lesson; print(lesson.records('gaussian_*').split()[-1])"
        "; from gdmlib.metrics import Judge; print(Judge.load('digits').accuracy > 0.9)"
    )
    # From elsewhere than the repository, so that the installed package is the one that is imported.
    done = subprocess.run(
        [str(python), "-c", check], capture_output=True, text=True, cwd=python.parent
    )
    assert done.stdout.split() == ["True", gdmlib.__version__, "quoted", "True"], done.stderr
    pip(python, "uninstall", "--quiet", "--yes", "gdmlib")


def test_a_tight_bound_would_be_noticed(python: Path, source: Path, tmp_path: Path) -> None:
    tight = tmp_path / "tight"
    shutil.copytree(source, tight)
    bounds = (tight / "pyproject.toml").read_text()
    (tight / "pyproject.toml").write_text(bounds.replace('"numpy>=1.26.4"', '"numpy>=2.4"'))
    pip(python, "install", "--quiet", f"numpy=={OLDEST}")
    plan = pip(python, "install", "--dry-run", "--quiet", "--report", "-", str(tight))
    planned = {item["metadata"]["name"] for item in json.loads(plan)["install"]}
    assert "numpy" in planned
