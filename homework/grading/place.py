"""The folder in which submissions run: it holds what they need, and leads nowhere else."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from importlib import util
from pathlib import Path

from .host import environment

# The copies of these modules are all of the grader that a submission's process can see.
_NEEDED = ("__init__.py", "warm.py", "child.py", "protect.py", "held.py", "fence.py")
_IMPORT = re.compile(r"^(?:import ([\w.]+)|from ([\w.]+) import \(?([\w, ]*))", flags=re.MULTILINE)
_NAME = re.compile(r"(?:^|, *)(\w+)")
_MANY = 50_000  # so many files are too many, however small they are


def make(course: Path) -> Path:
    """Make the folder, outside the course, and return it."""
    work = Path(tempfile.mkdtemp(prefix="grading-")).resolve()
    (work / "grading").mkdir()
    for name in _NEEDED:
        shutil.copy(Path(__file__).with_name(name), work / "grading" / name)
    if (course / "checkpoints").is_dir():
        shutil.copytree(course / "checkpoints", work / "checkpoints")
    return work


def make_for_one(work: Path, assets: Path | None) -> Path:
    """Make a submission's own folder, with the files that the release has beside its notebook."""
    folder = Path(tempfile.mkdtemp(dir=work, prefix="submission-"))
    for path in sorted(assets.iterdir()) if assets is not None else ():
        if path.is_dir() and not path.name.startswith("."):
            shutil.copytree(path, folder / path.name)
        elif path.is_file() and path.suffix != ".ipynb":
            shutil.copy(path, folder)
    return folder


def written(folder: Path, most: int) -> int:
    """Return how many bytes a folder holds; at least as many as it may where they are too many."""
    total = count = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
            count += 1
            if total > most or count > _MANY:
                return most + 1
    return total


def imports(course: Path) -> list[str]:
    """Return the modules that the lessons and their tests import."""
    found: set[str] = set()
    for path in sorted(course.glob("source/*/*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                for module, source, names in _IMPORT.findall("".join(cell["source"])):
                    found.add(module or source)
                    # What is imported from a package may be a module of its own.
                    found.update(f"{source}.{name}" for name in _NAME.findall(names))
    return sorted(found)


def readable(work: Path) -> list[Path]:
    """Return what a submission may read: Python, its packages, the library, weights and data."""
    places: list[str | Path] = [sys.prefix, sys.base_prefix, sys.exec_prefix]
    places += [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    known = environment(work)
    library = util.find_spec("gdmlib")
    places += list(library.submodule_search_locations or ()) if library else []
    places += [known[n] for n in ("GDMLIB_DATA", "GDMLIB_CACHE") if n in known]
    places += [work / name for name in ("checkpoints", "matplotlib", "ipython")]
    return [Path(place).resolve() for place in places]


def remove(folder: Path) -> None:
    """Remove a folder, whatever rights its contents were given."""
    for path in [folder, *folder.rglob("*")]:
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
