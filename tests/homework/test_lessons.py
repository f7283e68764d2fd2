"""Every lesson's homework: the source earns everything, the release nothing, mistakes are named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from grading.arrange import Step
from grading.sandbox import Limits, Run, Warm

from tests.homework.courses import answers, solutions, submit
from tools import homework

LESSONS = [path.stem for path in homework.lessons()]
WRONG = Path(__file__).parent / "wrong"


def wrong_answers(stem: str) -> dict[str, str]:
    """Return a planted wrong answer for each exercise of a lesson, by its grade_id."""
    kept = json.loads((WRONG / f"{stem}.json").read_text(encoding="utf-8"))
    # An exercise has one wrong answer, or several by the idea behind each.
    return {name: w if isinstance(w, str) else next(iter(w.values())) for name, w in kept.items()}


REGION = re.compile(
    r"### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.*?)### END (?:SOLUTION|HIDDEN TESTS)", flags=re.DOTALL
)


def secrets(source: str) -> list[str]:
    """Return the lines of a cell that no student may see."""
    lines = [line.strip() for region in REGION.findall(source) for line in region.splitlines()]
    return [line for line in lines if len(line) >= 20 and not line.startswith("#")]


def shown_of(source: str) -> str:
    """Return what of a cell everybody may see."""
    return REGION.sub("", source)


def leaks(release: str, lines: list[str]) -> list[str]:
    """Return the secret lines that stand in a release."""
    return [line for line in lines if line in release]


def released(course: Path, stem: str) -> nbformat.NotebookNode:
    return nbformat.read(course / "release" / stem / f"{stem}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def course(lessons_course: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the course folder, to grade in."""
    return shutil.copytree(lessons_course, tmp_path_factory.mktemp("lessons") / "course")


@pytest.fixture(scope="module")
def graded(course: Path, root: Path, grader: ModuleType) -> dict[tuple[str, str], object]:
    """Return what right, empty and wrong submissions of every lesson earn, in one run."""
    for stem in LESSONS:
        submit(course, "right", stem, answers(solutions(root / "notebooks" / f"{stem}.ipynb")))
        submit(course, "empty", stem)
        submit(course, "wrong", stem, answers(wrong_answers(stem)))
    return {(result.student, result.lesson): result for result in grader.grade_all(course)}


@pytest.mark.parametrize("stem", LESSONS)
def test_no_solution_stands_in_the_release(lessons_course: Path, root: Path, stem: str) -> None:
    source = nbformat.read(root / "notebooks" / f"{stem}.ipynb", as_version=4)
    shown = "\n".join(shown_of(cell.source) for cell in source.cells)
    hidden = [line for cell in source.cells for line in secrets(cell.source)]
    # A line that the lesson itself shows, such as the call in a visible test, is no secret.
    hidden = [line for line in hidden if line not in shown]
    assert hidden, "the lesson hides nothing: are its solutions marked?"
    release = released(lessons_course, stem)
    text = "\n".join(cell.source for cell in release.cells)
    assert leaks(text, hidden) == []
    assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text
    assert all(not cell.get("outputs") for cell in release.cells)
    assert "### BEGIN" not in json.dumps(release)


def test_a_leak_would_be_noticed() -> None:
    answer = "return x.square().mean().sqrt()"
    cell = f"def f(x):\n    ### BEGIN SOLUTION\n    {answer}\n    ### END SOLUTION"
    assert leaks(f"answer: {answer}", secrets(cell))
    assert not leaks("def f(x):\n    raise RuntimeError", secrets(cell))
    assert shown_of(f"a\n{cell}\nb") == "a\ndef f(x):\n    \nb"


@pytest.mark.parametrize("stem", LESSONS)
def test_every_exercise_has_a_planted_wrong_answer(root: Path, stem: str) -> None:
    assert set(wrong_answers(stem)) == set(solutions(root / "notebooks" / f"{stem}.ipynb"))


# --- links ----------------------------------------------------------------------------------------

TARGET = re.compile(r"\]\(\s*<?([^)\s>]*)|\b(?:href|src)\s*=\s*[\"']([^\"']*)|^\[[^\]]+\]:\s*(\S+)")


def bad_links(text: str) -> list[str]:
    """Return the links of a student's copy that are dead there, or lead to a solved lesson."""
    code = re.compile(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", flags=re.DOTALL)
    targets = ["".join(found) for found in TARGET.findall(code.sub("", text))]
    fine = re.compile(r"https?://|#|mailto:|attachment:")
    return [t for t in targets if not fine.match(t) or "notebooks/" in t or t.endswith(".ipynb")]


@pytest.mark.parametrize("stem", LESSONS)
def test_a_release_links_to_no_solution_and_to_nothing_dead(
    lessons_course: Path, stem: str
) -> None:
    texts = [c.source for c in released(lessons_course, stem).cells if c.cell_type == "markdown"]
    assert [link for text in texts for link in bad_links(text)] == []
    assert not any("Open in Colab" in text for text in texts)


@pytest.mark.parametrize(
    "text",
    [
        "[refresher](../book/refresher.md)",
        "![](figure.png)",
        '<img src="a.png">',
        "[next](03_logistic_regression.ipynb)",
        "[▶ Open in Colab](https://colab.research.google.com/github/o/n/blob/main/notebooks/x.ipynb)",
    ],
)
def test_a_bad_link_would_be_noticed(text: str) -> None:
    assert bad_links(text)
    assert not bad_links("[a](https://arxiv.org/abs/1) and [b](#here), `x[0](y)`")


# --- running --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warm(lessons_course: Path) -> Iterator[Warm]:
    with Warm(lessons_course, Limits(seconds=120)) as warm:
        yield warm


def run_all(warm: Warm, cells: list[nbformat.NotebookNode]) -> Run:
    """Run a notebook's code as it stands."""
    codes = [cell for cell in cells if cell.cell_type == "code"]
    return warm.run([Step("own", f"{n}: {c.id}", c.source) for n, c in enumerate(codes)])


@pytest.mark.parametrize("stem", LESSONS)
def test_a_release_runs_from_top_to_bottom_with_every_exercise_open(
    lessons_course: Path, warm: Warm, stem: str
) -> None:
    cells = released(lessons_course, stem).cells
    results = run_all(warm, cells).results
    assert [result for result in results if result.outcome != "passed"] == []
    opened = [result.output for result in results if "is open" in result.output]
    tests = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert len(opened) == len(tests)
    assert all(re.match(r"Exercise \d+\.\d+ is open: ", line) for line in opened)


def test_a_release_that_stops_would_be_noticed(lessons_course: Path, warm: Warm) -> None:
    cells = released(lessons_course, LESSONS[1]).cells
    first = next(cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade"))
    first.source = "laplace_mle(None)"
    outcomes = [result.outcome for result in run_all(warm, cells[: cells.index(first) + 1]).results]
    assert outcomes.pop() == "error" and set(outcomes) == {"passed"}


# The first of them waits until three submissions of every lesson are graded.
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stem", LESSONS)
def test_every_answer_earns_what_it_deserves(course: Path, graded: dict, stem: str) -> None:
    right, empty, wrong = (graded[who, stem] for who in ("right", "empty", "wrong"))
    feedback = {
        who: (course / "feedback" / who / f"{stem}.md").read_text(encoding="utf-8")
        for who in ("right", "empty", "wrong")
    }
    assert {result.reason for result in (right, empty, wrong)} == {""}
    assert right.score == right.max_score > 0, feedback["right"]
    assert empty.score == 0 and wrong.score <= wrong.max_score / 2, feedback["wrong"]
    assert "What was noticed" not in feedback["right"] + feedback["empty"] + feedback["wrong"]
    for line in feedback["empty"].splitlines()[2:]:
        assert "The exercise is open" in line
    for line in feedback["wrong"].splitlines()[2:]:
        assert "Passed." not in line
        assert re.search(r"\blaw\b", line, flags=re.IGNORECASE), f"names no law: {line}"
