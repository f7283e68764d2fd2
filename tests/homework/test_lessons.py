"""Every lesson's homework: the source earns everything, the release nothing, mistakes are named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from tests.homework.courses import answers, solutions, submit
from tools import homework

LESSONS = [path.stem for path in homework.lessons()]
WRONG = Path(__file__).parent / "wrong"


def wrong_answers(stem: str) -> dict[str, str]:
    """Return the planted wrong answers of a lesson, by the grade_id of the solution cell."""
    return json.loads((WRONG / f"{stem}.json").read_text())


def secrets(source: str) -> list[str]:
    """Return the lines of a cell that no student may see."""
    regions = re.findall(
        r"### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.*?)### END", source, flags=re.DOTALL
    )
    lines = [line.strip() for region in regions for line in region.splitlines()]
    return [line for line in lines if len(line) >= 20 and not line.startswith("#")]


def leaks(release: str, lines: list[str]) -> list[str]:
    """Return the secret lines that stand in a release."""
    return [line for line in lines if line in release]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lessons")
    homework.build(folder)
    return folder


@pytest.mark.parametrize("stem", LESSONS)
def test_no_solution_stands_in_the_release(course: Path, root: Path, stem: str) -> None:
    source = nbformat.read(root / "notebooks" / f"{stem}.ipynb", as_version=4)
    elsewhere = "\n".join(cell.source for cell in source.cells if "nbgrader" not in cell.metadata)
    hidden = [line for cell in source.cells for line in secrets(cell.source)]
    # A line that the lesson itself shows, outside its exercises, is no secret.
    hidden = [line for line in hidden if line not in elsewhere]
    assert hidden, "the lesson hides nothing: are its solutions marked?"
    released = nbformat.read(course / "release" / stem / f"{stem}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in released.cells)
    assert leaks(text, hidden) == []
    assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text
    assert all(not cell.get("outputs") for cell in released.cells)
    assert "### BEGIN" not in json.dumps(released)


def test_a_leak_would_be_noticed() -> None:
    answer = "return x.square().mean().sqrt()"
    cell = f"def f(x):\n    ### BEGIN SOLUTION\n    {answer}\n    ### END SOLUTION"
    assert leaks(f"answer: {answer}", secrets(cell))
    assert not leaks("def f(x):\n    raise RuntimeError", secrets(cell))


@pytest.mark.parametrize("stem", LESSONS)
def test_every_exercise_has_a_planted_wrong_answer(root: Path, stem: str) -> None:
    assert set(wrong_answers(stem)) == set(solutions(root / "notebooks" / f"{stem}.ipynb"))


@pytest.mark.parametrize("stem", LESSONS)
def test_every_answer_earns_what_it_deserves(
    course: Path, root: Path, grader: ModuleType, stem: str
) -> None:
    submit(course, "right", stem, answers(solutions(root / "notebooks" / f"{stem}.ipynb")))
    submit(course, "empty", stem)
    submit(course, "wrong", stem, answers(wrong_answers(stem)))
    results = {result.student: result for result in grader.grade_all(course, lesson=stem)}
    assert {result.reason for result in results.values()} == {""}, results
    right = (course / "feedback" / "right" / f"{stem}.md").read_text()
    assert results["right"].score == results["right"].max_score > 0, right
    assert results["empty"].score == 0
    assert results["wrong"].score == 0
    wrong = (course / "feedback" / "wrong" / f"{stem}.md").read_text()
    for line in wrong.splitlines()[2:]:
        assert re.search(r"\blaw\b", line, flags=re.IGNORECASE), f"names no law: {line}"
