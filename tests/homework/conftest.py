"""Fixtures: a repository with one tiny lesson, and the course folder's grader."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from tests.homework.courses import TINY, script, tiny_notebook
from tools import homework


@pytest.fixture(scope="session")
def tiny_root(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the tiny lesson and the real course template."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "notebooks").mkdir()
    nbformat.write(tiny_notebook(), folder / "notebooks" / f"{TINY}.ipynb")
    (folder / "homework").symlink_to(root / "homework")
    return folder


@pytest.fixture(scope="session")
def tiny_course(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a course folder of the tiny lesson: to copy, for all tests share it."""
    folder = tmp_path_factory.mktemp("tiny-course")
    homework.build(folder, root=tiny_root)
    return folder


@pytest.fixture(scope="session")
def grader(root: Path) -> ModuleType:
    """Return the course folder's ``grade.py`` as a module."""
    return script("grade", root)


@pytest.fixture(scope="session")
def lessons_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a course folder of the real lessons: to read only, for all tests share it."""
    folder = tmp_path_factory.mktemp("lessons-course")
    homework.build(folder)
    return folder
