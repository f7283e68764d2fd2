"""Whatever a student hands in, it is graded, and the others are, too."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from tests.homework.courses import DOUBLE, HALF, TINY, answers, submit
from tools import homework

GOOD = {"double-solution": DOUBLE, "half-solution": HALF}


def duplicate(notebook: nbformat.NotebookNode) -> None:
    notebook.cells.append(copy.deepcopy(notebook.cells[2]))


def delete_test(notebook: nbformat.NotebookNode) -> None:
    answers(GOOD)(notebook)
    del notebook.cells[2]


def edit_test(notebook: nbformat.NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "pass"


@pytest.fixture(scope="module")
def graded(
    tiny_root: Path, grader: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict]:
    """Return a course and the results of a crowd of submissions."""
    course = tmp_path_factory.mktemp("robust")
    homework.build(course, root=tiny_root)
    loop = "def double(x):\n    while True:\n        pass"
    stubborn = "def double(x):\n    while True:\n        try:\n            while True:\n"
    stubborn += "                pass\n        except BaseException:\n            pass"
    submit(course, "ada", TINY, answers(GOOD))
    submit(course, "bob", TINY, answers({**GOOD, "double-solution": loop}))
    submit(course, "cat", TINY, answers({"double-solution": "import os\nos._exit(1)"}))
    submit(course, "dan", TINY, duplicate)
    submit(course, "eve", TINY, delete_test)
    submit(course, "fay", TINY, edit_test)
    submit(course, "gus", TINY, answers({**GOOD, "half-solution": "def half(x:\n"}))
    submit(course, "hal", TINY, answers({**GOOD, "half-solution": "import sys\nsys.exit()"}))
    submit(course, "ida", TINY).write_text('{"cells": [')
    submit(course, "jim", TINY).rename(course / "submitted" / "jim" / TINY / "other.ipynb")
    submit(course, "kim", TINY, answers({**GOOD, "double-solution": stubborn}))
    submit(course, "leo", TINY, answers({**GOOD, "half-solution": "half = input"}))
    submit(course, "zoe", TINY, answers(GOOD))
    results = grader.grade_all(course, timeout=3)
    return course, {result.student: result for result in results}


@pytest.mark.parametrize(
    ("student", "score", "status", "reason"),
    [
        ("ada", 5, "graded", ""),
        ("bob", 3, "graded", ""),
        ("cat", 0, "failed", "kernel died"),
        ("dan", 0, "failed", "duplicated"),
        ("fay", 0, "graded", ""),
        ("gus", 2, "graded", ""),
        ("hal", 2, "graded", ""),
        ("ida", 0, "failed", "damaged or cut off"),
        ("jim", 0, "failed", "no file"),
        ("leo", 2, "graded", ""),
        ("zoe", 5, "graded", ""),
    ],
)
def test_each_submission_gets_what_it_earned(
    graded: tuple[Path, dict], student: str, score: float, status: str, reason: str
) -> None:
    result = graded[1][student]
    assert (result.score, result.status) == (score, status), result
    assert reason in result.reason


@pytest.mark.parametrize("student", ["eve", "kim"])
def test_sabotage_earns_nothing_more_and_stops_nobody(
    graded: tuple[Path, dict], student: str
) -> None:
    result = graded[1][student]
    assert result.score <= 3, result
    assert result.status == "graded" or result.reason


def test_grades_and_feedback_are_written(graded: tuple[Path, dict]) -> None:
    course, results = graded
    with (course / "grades.csv").open(newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(results)
    assert float(rows["bob"]["score"]) == 3
    feedback = (course / "feedback" / "fay" / f"{TINY}.md").read_text()
    assert "0 of 2 points" in feedback and "0 of 3 points" in feedback
    assert "RuntimeError: this exercise is open" in feedback
    assert "kernel died" in (course / "feedback" / "cat" / f"{TINY}.md").read_text()
    assert "BEGIN HIDDEN" not in feedback


def test_the_gradebook_knows_the_reason(graded: tuple[Path, dict]) -> None:
    from nbgrader.api import Gradebook

    course, _ = graded
    with Gradebook(f"sqlite:///{course}/gradebook.db", "deep-generative-models") as gradebook:
        submission = gradebook.find_submission(TINY, "cat")
        comments = [c.auto_comment for n in submission.notebooks for c in n.comments]
        assert submission.score == 0 and not submission.needs_manual_grade
    assert comments and all("kernel died" in comment for comment in comments)


def test_grading_one_keeps_the_others_rows(graded: tuple[Path, dict], grader: ModuleType) -> None:
    course, results = graded
    assert grader.main(["--course", str(course), "--student", "zoe", "--timeout", "3"]) == 0
    with (course / "grades.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(results)


def test_nothing_to_grade_is_said(
    grader: ModuleType, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    homework.build(tmp_path, root=tiny_root)
    assert grader.main(["--course", str(tmp_path)]) == 1
    assert "submitted/<student>/<lesson>" in capsys.readouterr().out
