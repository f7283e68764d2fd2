"""The course folder: releases without solutions, a syllabus, private tests, nothing lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from tests.homework.courses import DOUBLE, HALF, TINY, answers, submit
from tools import homework


@pytest.fixture(scope="module")
def course(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    homework.build(folder, root=tiny_root)
    return folder


def read(course: Path, kind: str) -> nbformat.NotebookNode:
    return nbformat.read(course / kind / TINY / f"{TINY}.ipynb", as_version=4)


def test_the_release_shows_neither_solutions_nor_hidden_tests(course: Path) -> None:
    text = (course / "release" / TINY / f"{TINY}.ipynb").read_text()
    assert "2 * x" not in text and "hidden: also below zero" not in text
    assert "this exercise is open" in text


def test_the_release_is_unfolded(course: Path) -> None:
    for cell in read(course, "release").cells:
        assert "hide-input" not in cell.metadata.get("tags", [])
        assert "jupyter" not in cell.metadata and "mystnb" not in cell.metadata


def test_the_syllabus_lists_every_exercise(course: Path) -> None:
    with (course / "syllabus.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["grade_id"], float(row["points"])) for row in rows] == [
        ("double-test", 2),
        ("half-test", 3),
    ]
    assert rows[1]["title"] == "Exercise 1.2 · Halve it"


def test_rebuilding_keeps_submissions(course: Path, tiny_root: Path) -> None:
    path = submit(course, "ada", TINY)
    homework.build(course, root=tiny_root)
    assert path.is_file()


def test_private_tests_are_hidden_and_count(
    tiny_root: Path, grader: ModuleType, tmp_path: Path
) -> None:
    private = tmp_path / "private" / TINY
    private.mkdir(parents=True)
    (private / "double-test.py").write_text("assert double(10) == 20, 'private: ten'\n")
    (private / "half-test.py").write_text("assert half(10) == 5, 'private: half of ten'\n")
    course = tmp_path / "course"
    homework.build(course, root=tiny_root, private=private.parent)
    assert "private" not in json.dumps(read(course, "release"))
    cheat = "def double(x):\n    return {2: 4, -3: -6}.get(x)"
    submit(course, "ada", TINY, answers({"double-solution": cheat, "half-solution": HALF}))
    submit(course, "bob", TINY, answers({"double-solution": DOUBLE, "half-solution": HALF}))
    assert [result.score for result in grader.grade_all(course)] == [3, 5]
    assert "private: ten" in (course / "feedback" / "ada" / f"{TINY}.md").read_text()


def test_a_private_test_for_no_cell_is_refused(tiny_root: Path, tmp_path: Path) -> None:
    private = tmp_path / "private" / TINY
    private.mkdir(parents=True)
    (private / "dubble-test.py").write_text("pass\n")
    with pytest.raises(homework.HomeworkError, match=r"no test cell 'dubble-test'.*double"):
        homework.build(tmp_path / "course", root=tiny_root, private=private.parent)


def test_a_missing_private_folder_is_said(tiny_root: Path, tmp_path: Path) -> None:
    with pytest.raises(homework.HomeworkError, match="no such folder of private tests"):
        homework.build(tmp_path / "course", root=tiny_root, private=tmp_path / "nowhere")


def test_no_lessons_is_said(tmp_path: Path) -> None:
    with pytest.raises(homework.HomeworkError, match="there are no lessons"):
        homework.build(tmp_path / "course", root=tmp_path)
