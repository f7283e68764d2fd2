"""Whatever a student hands in, right answers keep their points, and nobody else is harmed."""

from __future__ import annotations

import codecs
import copy
import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tests.homework.courses import DOUBLE, HALF, TINY, answers, submit

GOOD = {"double-solution": DOUBLE, "half-solution": HALF}

Edit = Callable[[nbformat.NotebookNode], None]


def double(body: str, before: str = "") -> Edit:
    """Return right answers with another body of the first one, and code before it."""
    text = f"{before}\ndef double(x):\n" + "\n".join(f"    {line}" for line in body.split("\n"))
    return answers({**GOOD, "double-solution": text})


def then(*edits: Edit) -> Edit:
    def edit(notebook: nbformat.NotebookNode) -> None:
        for one in edits:
            one(notebook)

    return edit


right = answers(GOOD)
wrong = answers({"double-solution": "def double(x):\n    return 4", "half-solution": "half = abs"})


def cheat(change: Edit) -> Edit:
    """Return wrong answers and a change of each test cell."""

    def edit(notebook: nbformat.NotebookNode) -> None:
        wrong(notebook)
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade"):
                change(cell)

    return edit


def duplicate(notebook: nbformat.NotebookNode) -> None:
    notebook.cells.append(copy.deepcopy(notebook.cells[1]))


def delete_tests(notebook: nbformat.NotebookNode) -> None:
    del notebook.cells[5], notebook.cells[2]


def merge(notebook: nbformat.NotebookNode) -> None:
    notebook.cells[1].source += "\n\n" + notebook.cells[2].source
    del notebook.cells[2]


def strip(notebook: nbformat.NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata = {}


def first(source: str) -> Edit:
    return lambda notebook: notebook.cells.insert(0, new_code_cell(source))


STUBBORN = """while True:
    try:
        while True:
            pass
    except BaseException:
        pass"""
PRINT_ON = "while True:\n    print('x' * 1000, end='')"
MAGICS = "%time 1 + 1\n%matplotlib inline\nawait __import__('asyncio').sleep(0)"
TIMER = "import threading\nthreading.Timer(600, print).start()"
RAISES = "raises-exception"

# What is handed in, and what it earns: 2 points for doubling, 3 for halving.
CROWD: dict[str, tuple[Edit | None, float]] = {
    "right": (right, 5),
    "open": (None, 0),
    "wrong": (wrong, 0),
    # faults of one's own cost their own exercise
    "endless loop": (double("while True:\n    pass"), 3),
    "endless loop that catches everything": (double(STUBBORN), 3),
    "endless print in one line": (double(PRINT_ON), 3),
    "ends its process": (double("return 2 * x", "import os\nos._exit(1)"), 3),
    "ends its process when asked": (double("import os\nos._exit(1)"), 3),
    "too much memory": (double("return [bytes(1 << 34), 2 * x][1]"), 3),
    "exception of thirty megabytes": (double("raise ValueError('x' * 30_000_000)"), 3),
    "endless recursion": (double("return double(x)"), 3),
    "syntax error": (answers({**GOOD, "half-solution": "def half(x:\n"}), 2),
    "sys.exit": (answers({**GOOD, "half-solution": "import sys\nsys.exit()"}), 2),
    "input": (answers({**GOOD, "half-solution": "half = input"}), 2),
    "missing module": (double("import nowhere\nreturn 2 * x"), 3),
    # what is no fault costs nothing
    "a warning": (double("import warnings\nwarnings.warn('beware')\nreturn 2 * x"), 5),
    "words on stderr": (double("import sys\nprint('x =', x, file=sys.stderr)\nreturn 2 * x"), 5),
    "a progress bar": (double("from tqdm import tqdm\nreturn sum(x for _ in tqdm([1, 2]))"), 5),
    "a log": (double("import logging\nlogging.error('x')\nreturn 2 * x"), 5),
    "a thread left running": (double("return 2 * x", TIMER), 5),
    "a missing module in a cell of one's own": (then(right, first("import nowhere")), 5),
    "magics": (then(right, first(MAGICS)), 5),
    "another folder": (then(right, first("import os\nos.chdir('/')")), 5),
    # cells
    "duplicated answer": (then(right, duplicate), 5),
    "deleted tests": (then(right, delete_tests), 5),
    "merged test": (then(right, merge), 5),
    "metadata lost": (then(right, strip), 5),
    "no source": (then(right, lambda n: n.cells[0].update(source=None)), 5),
    "long id": (then(right, lambda n: n.cells[3].update(id="a" * 100)), 5),
    # what a notebook says of its own tests counts for nothing
    "emptied tests": (cheat(lambda test: test.update(source="pass")), 0),
    "tests without grade": (cheat(lambda test: test.metadata.nbgrader.update(grade=False)), 0),
    "tests worth more": (cheat(lambda test: test.metadata.nbgrader.update(points=99)), 0),
    "tests as answers": (cheat(lambda test: test.metadata.nbgrader.update(solution=True)), 0),
    "tests as text": (cheat(lambda test: test.update(cell_type="markdown")), 0),
    "tests that may raise": (cheat(lambda test: test.metadata.update(tags=[RAISES])), 0),
}


def write(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@dataclass(frozen=True)
class Graded:
    """A course that was graded: the folder and the results by student."""

    course: Path
    results: dict
    before: dict[str, bytes]

    def feedback(self, student: str) -> str:
        return (self.course / "feedback" / student / f"{TINY}.md").read_text(encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def graded(
    tiny_course: Path, grader: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Graded:
    """Return a course and what a crowd of submissions earned in it."""
    course = shutil.copytree(tiny_course, tmp_path_factory.mktemp("robust") / "course")
    for student, (edit, _) in CROWD.items():
        submit(course, student, TINY, edit)
    write(submit(course, "byte-order mark", TINY, right), lambda b: codecs.BOM_UTF8 + b)
    write(submit(course, "utf-16", TINY, right), lambda b: b.decode().encode("utf-16"))
    write(submit(course, "cut off", TINY, right), lambda b: b[: len(b) // 2])
    write(submit(course, "a list", TINY), lambda b: b"[1, 2]")
    submit(course, "other name", TINY, right).rename(
        course / "submitted" / "other name" / TINY / f"{TINY} (1).ipynb"
    )
    submit(course, "no notebook", TINY).rename(
        course / "submitted" / "no notebook" / TINY / "essay.docx"
    )
    (course / "submitted" / "__MACOSX").mkdir()
    (course / "submitted" / "__MACOSX" / f"._{TINY}.ipynb").write_bytes(b"\0")
    # It knows where everything lies, and tries to change it.
    reach = "\n".join(
        f"try:\n    open({str(course / place)!r}, 'a').write('tampered')\nexcept OSError:\n    pass"
        for place in ("grades.csv", f"submitted/right/{TINY}/{TINY}.ipynb", "feedback/x", "new")
    )
    submit(course, "reaching out", TINY, then(right, first(reach)))
    before = contents(course / "submitted")
    results = {result.student: result for result in grader.grade_all(course, timeout=3)}
    return Graded(course, results, before)


@pytest.mark.parametrize("student", CROWD)
def test_each_submission_gets_what_it_earned(graded: Graded, student: str) -> None:
    result = graded.results[student]
    assert (result.score, result.status) == (CROWD[student][1], "graded"), graded.feedback(student)
    assert result.reason == ""


@pytest.mark.parametrize("student", ["byte-order mark", "utf-16", "other name", "reaching out"])
def test_a_good_notebook_in_an_odd_file_is_good(graded: Graded, student: str) -> None:
    assert (graded.results[student].score, graded.results[student].status) == (5, "graded")


@pytest.mark.parametrize(
    ("student", "reason"),
    [
        ("cut off", "cut off"),
        ("a list", "notebook"),
        ("no notebook", "essay.docx"),
    ],
)
def test_what_cannot_be_graded_has_its_reason_everywhere(
    graded: Graded, student: str, reason: str
) -> None:
    from nbgrader.api import Gradebook

    result = graded.results[student]
    assert (result.score, result.max_score, result.status) == (0, 5, "failed")
    assert reason in result.reason and "traceback" not in result.reason
    assert result.reason.rstrip(".") in graded.feedback(student)
    address = f"sqlite:///{graded.course}/gradebook.db"
    with Gradebook(address, "deep-generative-models") as gradebook:
        submission = gradebook.find_submission(TINY, student)
        comments = [c.auto_comment for n in submission.notebooks for c in n.comments]
        assert submission.score == 0 and not submission.needs_manual_grade
    assert comments and all(reason in comment for comment in comments)


def test_nothing_is_left_out_and_nothing_invented(graded: Graded) -> None:
    handed_in = {path.name for path in (graded.course / "submitted").iterdir()}
    assert set(graded.results) == handed_in - {"__MACOSX"}
    with (graded.course / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["student"]: float(row["score"]) for row in rows} == {
        student: result.score for student, result in graded.results.items()
    }


def test_submissions_are_as_they_were(graded: Graded) -> None:
    assert contents(graded.course / "submitted") == graded.before


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("endless loop", "time limit of 3 seconds"),
        ("endless loop that catches everything", "time limit of 3 seconds"),
        ("endless print in one line", "printed more than the limit"),
        ("ends its process", "ended the process"),
        ("too much memory", "memory"),
        ("exception of thirty megabytes", "ValueError"),
        ("syntax error", "SyntaxError: the cell is not valid Python"),
        ("open", "The exercise is open"),
        ("wrong", "law of halving: half(2) must be 1"),
        ("wrong", "hidden: also below zero"),
        ("deleted tests", "was missing and was put back"),
        ("merged test", "was merged with another"),
    ],
)
def test_the_feedback_says_what_happened(graded: Graded, student: str, words: str) -> None:
    assert words in graded.feedback(student)


def test_feedback_is_short_by_exercise_and_never_says_passed_below_full_points(
    graded: Graded,
) -> None:
    for student, result in graded.results.items():
        text = graded.feedback(student)
        assert len(text) < 2000 and "BEGIN HIDDEN" not in text and "assert double" not in text
        for line in text.splitlines():
            if line.startswith("- Exercise 1.1 · Double it: 0") or " 0 of 3 points" in line:
                assert "passed" not in line.casefold(), line
        if result.status == "graded":
            assert "- Exercise 1.1 · Double it: " in text and "- Exercise 1.2 · Halve it: " in text
    for student in CROWD:
        if CROWD[student][1] == 5:
            assert graded.feedback(student).count("Passed.") == 2


def test_grading_again_and_side_by_side_gives_the_same(graded: Graded, grader: ModuleType) -> None:
    table = (graded.course / "grades.csv").read_bytes()
    before = contents(graded.course / "feedback")
    grader.grade_all(graded.course, timeout=3, again=True, jobs=2)
    assert (graded.course / "grades.csv").read_bytes() == table
    assert contents(graded.course / "feedback") == before


# --- nbgrader -------------------------------------------------------------------------------------


def test_formgrader_finds_every_graded_notebook(graded: Graded) -> None:
    for student, result in graded.results.items():
        path = graded.course / "autograded" / student / TINY / f"{TINY}.ipynb"
        assert path.is_file() == (result.status == "graded")
        if path.is_file():
            assert path.stat().st_size < 100_000
            notebook = nbformat.read(path, as_version=4)
            nbformat.validate(notebook)
            names = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
            for name in ("double-solution", "double-test", "half-solution", "half-test"):
                assert names.count(name) == 1


def test_nbgraders_own_commands_go_on_working(graded: Graded) -> None:
    def nbgrader(*arguments: str) -> None:
        command = [sys.executable, "-m", "nbgrader", *arguments]
        done = subprocess.run(
            command,
            cwd=graded.course,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.returncode == 0, done.stderr

    nbgrader("export", "--to", "all.csv")
    with (graded.course / "all.csv").open(newline="", encoding="utf-8") as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert exported == {student: result.score for student, result in graded.results.items()}
    nbgrader("generate_feedback", TINY, "--student", "wrong")
    page = graded.course / "feedback" / "wrong" / TINY / f"{TINY}.html"
    assert "law of halving" in page.read_text(encoding="utf-8")


def test_the_terminal_shows_a_line_a_submission(graded: Graded) -> None:
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "grade.py", "--student", "right", "--again", "--timeout", "3"],
        cwd=graded.course,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
    )
    lines = done.stdout.splitlines()
    # Where the system cannot close submissions off, that is said first.
    lines = [line for line in lines if not line.startswith("On this system")]
    assert [" ".join(line.split()) for line in lines] == [
        f"right {TINY} 5/5",
        "1 submissions; the table is grades.csv",
    ]
    assert done.stderr == "" and done.returncode == 0


def test_json_of_the_crowd_is_what_it_should_be(graded: Graded) -> None:
    """The crowd must be what its names say: else the tests above prove nothing."""
    names = {
        student: [
            cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")
            for cell in json.loads(
                (graded.course / "submitted" / student / TINY / f"{TINY}.ipynb").read_text()
            )["cells"]
        ]
        for student in ("duplicated answer", "deleted tests", "merged test", "metadata lost")
    }
    assert names["duplicated answer"].count("double-solution") == 2
    assert "double-test" not in names["deleted tests"] + names["merged test"]
    assert set(names["metadata lost"]) == {None}
