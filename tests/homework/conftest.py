"""Fixtures: a repository with one tiny lesson, and the course folder's grader."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from tests.homework.courses import TINY, tiny_notebook
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
    spec = importlib.util.spec_from_file_location("grade", root / "homework" / "grade.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["grade"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def lessons_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a course folder of the real lessons: to read only, for all tests share it."""
    folder = tmp_path_factory.mktemp("lessons-course")
    homework.build(folder)
    return folder
