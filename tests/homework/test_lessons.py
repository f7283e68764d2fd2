"""Every lesson's homework: the source earns everything, the release nothing, mistakes are named."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from grading.official import official
from nbformat.v4 import new_code_cell, new_notebook, new_output

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
        submit(course, "empty", stem, repeat_tests)
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

# The release has to run from top to bottom while its exercises are open. It is not run for that
# alone, but within the empty submission, which is graded anyhow: the lesson's own cells are the
# same in both, and what the release has otherwise (its tests, and the check before handing in)
# stands there once more, as cells of the student.
AGAIN = "# As it stands in the release.\n"
END = "the last cell has run"


def is_test(cell: nbformat.NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))


def repeat_tests(notebook: nbformat.NotebookNode) -> None:
    """Repeat the tests of each exercise below them, and at the end the check before handing in."""
    cells, waiting = [], []
    for cell in notebook.cells:
        if not is_test(cell):
            cells += waiting
            waiting = []
        else:
            waiting.append(new_code_cell(AGAIN + cell.source))
        cells.append(cell)
    check = next(cell.source for cell in reversed(cells) if cell.cell_type == "code")
    notebook.cells = [*cells, *waiting, new_code_cell(f"{check}\nprint({END!r})")]


def stops(graded: nbformat.NotebookNode, tests: int) -> list[str]:
    """Return what kept the release that was graded from running with every exercise open."""
    codes = [cell for cell in graded.cells if cell.cell_type == "code"]
    shown = [cell for cell in codes if not is_test(cell)]
    errors = [
        f"{output.ename}: {output.evalue}: {cell.source[:60]}"
        for cell in shown
        for output in cell.outputs
        if output.output_type == "error"
    ]
    printed = ["".join(o.get("text", "") for o in cell.outputs) for cell in shown]
    again = [text for cell, text in zip(shown, printed, strict=True) if AGAIN in cell.source]
    closed = [text for text in again if not re.match(r"Exercise \d+\.\d+ is open: ", text)]
    if len(again) != tests:
        errors.append(f"{len(again)} tests of {tests} ran as the release has them")
    if not printed or END not in printed[-1]:
        errors.append("the last cell did not run")
    return errors + [f"a test does not say that its exercise is open: {text!r}" for text in closed]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stem", LESSONS)
def test_a_release_runs_from_top_to_bottom_with_every_exercise_open(
    course: Path, graded: dict, stem: str
) -> None:
    cells = official(course, stem).cells
    found = nbformat.read(course / "autograded" / "empty" / stem / f"{stem}.ipynb", as_version=4)
    others = [c.visible for c in cells if c.kind == "given" and c.source != c.visible]
    assert [text for text in others if text not in found.cells[-1].source] == []
    assert stops(found, sum(cell.kind == "test" for cell in cells)) == []


def test_a_release_that_stops_would_be_noticed() -> None:
    opened = new_output("stream", name="stdout", text="Exercise 1.1 is open: write your answer")
    wrong = new_output("error", ename="NameError", evalue="name 'x' is not defined", traceback=[])
    last = new_code_cell(f"print({END!r})", outputs=[new_output("stream", text=END)])
    given, again = new_code_cell("x = 1"), new_code_cell(f"{AGAIN}x", outputs=[opened])
    stopped = new_code_cell("x", outputs=[wrong])
    assert stops(new_notebook(cells=[given, again, last]), 1) == []
    for cells, tests in (
        ([stopped, again, last], 1),
        ([given, again], 1),
        ([given, again, last], 2),
        ([given, new_code_cell(f"{AGAIN}x"), last], 1),
        ([given, new_code_cell(f"{AGAIN}x", outputs=[wrong]), last], 1),
    ):
        assert stops(new_notebook(cells=cells), tests)


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
