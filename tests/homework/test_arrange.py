"""Whatever became of a notebook's cells, every answer runs before its test and nothing is lost."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from grading.arrange import Step, arrange
from grading.match import Index
from grading.official import Cell, LessonError, Official, lessons, official

from gdmlib.handin.code import binds, statements, uses
from gdmlib.handin.notebook import read_cells
from tests.homework import deformations as d
from tests.homework.courses import solutions
from tests.homework.deformations import cell
from tools import homework

LESSONS = [path.stem for path in homework.lessons()]
SETUP = "import math\n\nbase = 10"
TABLE = "table = [base, base + 1]\nprint(len(table), 'rows')"
DOUBLE = "def double(x):\n    return 2 * x"
HALF = "rows = len(table)\n\n\ndef half(x):\n    return x / rows"
ANSWERS = {"double-solution": DOUBLE, "half-solution": HALF}


def stub(name: str) -> str:
    return f"def {name}(x):\n    # Your answer here.\n    raise RuntimeError('this is open')"


def small_lesson() -> Official:
    """Return a lesson whose second answer needs, at once, what stands below the first test."""
    ex1, ex2 = "Exercise 1.1 · Double it", "Exercise 1.2 · Halve it"
    test1 = "assert double(2) == 4, 'law of doubling'\nassert double(0) == 0, 'law of zero'"
    test2 = "assert half(2) == 1, 'law of halving'\nassert half(0) == 0, 'law of zero'"
    return Official(
        "01_small",
        (
            Cell("title", "markdown", "# Small things\n\nRead on.", "# Small things\n\nRead on."),
            Cell("setup", "given", SETUP, SETUP),
            Cell("text-1", "markdown", f"### {ex1}\n\nDo it.", f"### {ex1}\n\nDo it."),
            Cell("double-solution", "solution", DOUBLE, stub("double"), 0, ex1),
            Cell("double-test", "test", test1 + "\nassert double(-3) == -6", test1, 2, ex1),
            Cell("text-2", "markdown", "And now a table of rows.", "And now a table of rows."),
            Cell("table", "given", TABLE, TABLE),
            Cell("text-3", "markdown", f"### {ex2}\n\nDo it.", f"### {ex2}\n\nDo it."),
            Cell("half-solution", "solution", HALF, stub("half"), 0, ex2),
            Cell("half-test", "test", test2 + "\nassert half(-3) == -1.5", test2, 3, ex2),
            Cell("end", "given", "print('the end of it all')", "print('the end of it all')"),
        ),
        "",
    )


SMALL = small_lesson()


@pytest.fixture(scope="module")
def officials(lessons_course: Path) -> dict[str, Official]:
    return {name: official(lessons_course, name) for name in lessons(lessons_course)}


def faults(lesson: Official, cells: d.Cells, steps: tuple[Step, ...], answers: dict) -> list[str]:
    """Return what is wrong with the steps of a submission that holds these answers."""
    found = []
    fixed = [(c.kind, c.key, c.source) for c in lesson.cells if c.kind in ("given", "test")]
    if [(s.kind, s.key, s.source) for s in steps if s.kind != "own"] != fixed:
        found.append("the official cells do not run once each, in order")
    if len({s.key for s in steps}) != len(steps):
        found.append("two steps have the same key")
    index = Index(lesson)
    for s in index.solutions:
        test = lesson.cells[index.test_of(s)].key
        at = [step.key for step in steps].index(test)
        before = "\n".join(step.source for step in steps[:at] if step.kind == "own")
        lost = [line for line in lines(answers[lesson.cells[s].key]) if line not in lines(before)]
        if lost:
            found.append(f"before {test} this did not run: {lost}")
    own = lines("\n".join(step.source for step in steps if step.kind == "own"))
    kept = own | lines("\n".join(c.visible for c in lesson.cells))
    text = "\n".join(c["source"] or "" for c in cells if c["cell_type"] == "code")
    found += [f"lost: {line}" for line in sorted(lines(text) - kept)]
    return found


def lines(text: str) -> set[str]:
    return {line.rstrip() for line in text.splitlines() if line.strip()}


def run(steps: tuple[Step, ...]) -> dict[str, str]:
    """Run steps as plain Python and return what the tests said."""
    names: dict = {}
    said = {}
    for step in steps:
        text = "\n".join(line for line in step.source.split("\n") if not line.startswith("%"))
        text = text.replace("!ls", "None")
        try:
            exec(text, names)
            outcome = "passed"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        if step.kind == "test":
            said[step.key] = outcome
    return said


ALL_PASS = {"double-test": "passed", "half-test": "passed"}


def arranged(lesson: Official, cells: d.Cells):
    return arrange(lesson, read_cells(d.as_json(cells)))


@pytest.mark.parametrize("deform", d.ALL, ids=lambda f: f.__name__)
def test_a_right_submission_stays_right(deform: d.Deformation) -> None:
    cells = deform(SMALL, d.answered(SMALL, ANSWERS))
    result = arranged(SMALL, cells)
    assert result.reason == ""
    assert faults(SMALL, cells, result.steps, ANSWERS) == []
    assert run(result.steps) == ALL_PASS, [(s.kind, s.key, s.source) for s in result.steps]


@pytest.mark.parametrize("write", d.FILES.values(), ids=d.FILES)
@pytest.mark.parametrize("deform", [d.untouched, d.answers_at_the_end, d.tests_merged_into_answers])
def test_the_file_does_not_matter(deform: d.Deformation, write) -> None:
    cells = deform(SMALL, d.answered(SMALL, ANSWERS))
    result = arrange(SMALL, read_cells(write(cells)))
    assert run(result.steps) == ALL_PASS


def test_any_two_deformations_keep_it_right() -> None:
    second = [d.metadata_lost, d.ids_new, d.import_cells_added, bare, shuffled_texts]
    for one in d.ALL:
        for other in second:
            cells = other(SMALL, one(SMALL, d.answered(SMALL, ANSWERS)))
            result = arranged(SMALL, cells)
            assert run(result.steps) == ALL_PASS, (one.__name__, other.__name__)


def bare(lesson: Official, cells: d.Cells) -> d.Cells:
    return d.bare(cells)


def shuffled_texts(lesson: Official, cells: d.Cells) -> d.Cells:
    """Move the text cells anywhere."""
    texts = [c for c in cells if c["cell_type"] != "code" and "double" not in c["source"]]
    texts = [c for c in texts if "half" not in c["source"]]
    found = [c for c in cells if c not in texts]
    chance = random.Random(0)
    for text in texts:
        found.insert(chance.randrange(len(found) + 1), text)
    return found


@pytest.mark.parametrize("stem", LESSONS)
def test_every_lesson_survives_every_deformation(
    officials: dict[str, Official], root: Path, stem: str
) -> None:
    lesson, answers = officials[stem], solutions(root / "notebooks" / f"{stem}.ipynb")
    for deform in d.ALL:
        cells = deform(lesson, d.answered(lesson, answers))
        result = arranged(lesson, cells)
        assert result.reason == ""
        assert faults(lesson, cells, result.steps, answers) == [], deform.__name__


@pytest.mark.parametrize("stem", LESSONS)
def test_any_order_of_the_code_cells_runs_answers_before_tests(
    officials: dict[str, Official], root: Path, stem: str
) -> None:
    lesson, answers = officials[stem], solutions(root / "notebooks" / f"{stem}.ipynb")
    for seed in range(5):
        cells = d.answered(lesson, answers)
        random.Random(seed).shuffle(cells)
        assert faults(lesson, cells, arranged(lesson, cells).steps, answers) == []


@pytest.mark.parametrize("stem", LESSONS)
def test_an_untouched_release_has_nothing_to_remark(
    officials: dict[str, Official], stem: str
) -> None:
    lesson = officials[stem]
    result = arranged(lesson, d.answered(lesson, {}))
    assert result.notes == () and result.reason == ""
    own = [s for s in result.steps if s.kind == "own"]
    assert [s.key for s in own] == [c.key for c in lesson.cells if c.kind == "solution"]
    assert [s.source for s in own] == [c.visible for c in lesson.cells if c.kind == "solution"]


def test_the_check_sees_each_fault() -> None:
    cells = d.answered(SMALL, ANSWERS)
    steps = arranged(SMALL, cells).steps
    assert faults(SMALL, cells, steps, ANSWERS) == []
    assert "official" in faults(SMALL, cells, steps[1:], ANSWERS)[0]
    late = (*(s for s in steps if s.key != "double-solution"), steps[1])
    assert "before double-test" in faults(SMALL, cells, late, ANSWERS)[0]
    more = [*cells, cell("mine = 3")]
    assert faults(SMALL, more, steps, ANSWERS) == ["lost: mine = 3"]
    assert (
        "same key" in faults(SMALL, cells, (*steps, Step("own", "half-solution", "")), ANSWERS)[0]
    )


def own(result) -> list[str]:
    return [s.key for s in result.steps if s.kind == "own"]


def test_the_first_answer_has_the_exercises_key_and_title() -> None:
    cells = d.answers_split(SMALL, d.answered(SMALL, ANSWERS))
    steps = {s.key: s for s in arranged(SMALL, cells).steps}
    assert steps["double-solution"].title == steps["double-test"].title == SMALL.cells[3].title
    assert steps["double-solution/2"].source == DOUBLE


def test_students_cells_run_where_they_stand() -> None:
    cells = d.answered(SMALL, ANSWERS)
    cells.insert(2, cell("first = base"))
    cells.insert(9, cell("second = table"))
    cells.append(cell("third = 3"))
    order = [s.key for s in arranged(SMALL, cells).steps]
    assert order == [
        "setup", "own-3", "double-solution", "double-test", "table", "own-10", "half-solution",
        "half-test", "end", "own-14",
    ]  # fmt: skip


def test_a_second_answer_below_the_test_does_not_count_and_is_remarked() -> None:
    cells = d.answered(SMALL, ANSWERS)
    cells.append(cell("def double(x):\n    return x ** 3  # what if?"))
    result = arranged(SMALL, cells)
    assert run(result.steps) == ALL_PASS
    assert result.steps[-1].source.endswith("# what if?")
    assert result.notes == (
        "Below the test of Exercise 1.1 stands another answer (cell 12); the one above it counts.",
    )


@pytest.mark.parametrize("body", ["pass", "'''To do.'''", "...", "raise NotImplementedError"])
def test_a_frame_without_an_answer_gives_way_to_an_answer_below(body: str) -> None:
    cells = d.answered(SMALL, ANSWERS | {"double-solution": f"def double(x):\n    {body}"})
    cells.append(cell(DOUBLE))
    assert run(arranged(SMALL, cells).steps) == ALL_PASS


def test_an_open_exercise_runs_the_stub_and_fails_alone() -> None:
    cells = d.answered(SMALL, {"half-solution": HALF})
    cells.append(cells[3])
    result = arranged(SMALL, cells)
    assert own(result).count("double-solution") == 1 and len(own(result)) == 2
    said = {"double-test": "RuntimeError: this is open", "half-test": "passed"}
    assert run(result.steps) == said


def test_a_deleted_answer_is_remarked() -> None:
    cells = d.answered(SMALL, ANSWERS)
    del cells[3]
    result = arranged(SMALL, cells)
    assert result.notes == ("Exercise 1.1 has no answer.",)
    assert run(result.steps)["half-test"] == "passed"


@pytest.mark.parametrize(
    "deform",
    [
        d.untouched,
        d.all_merged,
        d.tests_merged_into_answers,
        d.answers_merged_into_the_tests_before,
        d.pasted_into_one_cell,
    ],
)
def test_a_wrong_answer_costs_its_own_exercise_only(deform: d.Deformation) -> None:
    wrong = ANSWERS | {"double-solution": "def double(x):\n    return x + 1"}
    said = run(arranged(SMALL, deform(SMALL, d.answered(SMALL, wrong))).steps)
    assert said == {"double-test": "AssertionError: law of doubling", "half-test": "passed"}


def test_a_changed_test_merged_with_the_next_answer_does_not_stop_it() -> None:
    cells = d.answered(SMALL, ANSWERS)
    cells[4]["source"] = "assert double(2) == 5, 'my own test'\n\n" + HALF
    del cells[8]
    assert run(arranged(SMALL, cells).steps) == ALL_PASS


def test_an_answer_that_does_not_parse_runs_in_its_place() -> None:
    cells = d.bare(d.answered(SMALL, ANSWERS | {"double-solution": "def double(x:\n  return"}))
    result = arranged(SMALL, cells)
    assert own(result) == ["double-solution", "half-solution"]
    said = run(result.steps)
    assert said["half-test"] == "passed" and "double" in said["double-test"]


def test_edited_official_cells_run_before_the_original() -> None:
    cells = d.given_edited(SMALL, d.answered(SMALL, ANSWERS))
    keys = [s.key for s in arranged(SMALL, cells).steps]
    assert keys.index("own-2") + 1 == keys.index("setup")
    assert keys.index("own-7") + 1 == keys.index("table")


@pytest.mark.parametrize(
    ("deform", "notes"),
    [
        (
            d.tests_deleted,
            [
                "The test cell of Exercise 1.1 was missing and was put back.",
                "The test cell of Exercise 1.2 was missing and was put back.",
            ],
        ),
        (d.tests_emptied, ["The test cell of Exercise 1.1 was changed; the original was run."]),
        (
            d.tests_merged_into_answers,
            ["The test cell of Exercise 1.1 was merged with another; it was cut out."],
        ),
        (
            d.answers_at_the_end,
            ["The answer to Exercise 1.1 stood below its test and was run before it."],
        ),
        (d.given_deleted, ["3 of the lesson's 3 code cells were missing and put back."]),
        (
            d.given_edited,
            ["The lesson's cell 'setup' was changed: the changed text was run, then the original."],
        ),
        (
            d.answers_turned_into_text,
            ["The answer to Exercise 1.2 stood in a text cell and was run as code."],
        ),
        (d.white_space_changed, []),
        (d.metadata_lost, []),
        (d.import_cells_added, []),
    ],
)
def test_it_is_said_what_was_mended(deform: d.Deformation, notes: list[str]) -> None:
    result = arranged(SMALL, deform(SMALL, d.answered(SMALL, ANSWERS)))
    assert set(notes) <= set(result.notes)
    assert bool(result.notes) == bool(notes)


def test_a_copy_of_official_text_within_a_students_cell_stays() -> None:
    cells = d.answered(SMALL, ANSWERS)
    mine = f"base = 3\n{TABLE}\nmine = table"
    result = arranged(SMALL, [*cells, cell(mine)])
    assert result.steps[-1].source == mine and result.notes == ()


def test_what_is_merged_below_a_test_runs_below_it() -> None:
    cells = d.answered(SMALL, ANSWERS)
    cells[4]["source"] += "\n\nmine = double(3)"
    keys = [s.key for s in arranged(SMALL, cells).steps]
    assert keys[keys.index("double-test") + 1 :][:2] == ["own-5", "table"]


def test_of_two_helpers_the_one_above_the_answer_is_moved() -> None:
    answer = "def double(x):\n    return factor * x"
    end = [cell("factor = 2"), cell(answer), cell("factor = 3")]
    result = arranged(SMALL, [*d.answered(SMALL, {"half-solution": HALF}), *end])
    assert run(result.steps) == ALL_PASS
    assert result.steps[-1].source == "factor = 3"


def test_a_star_import_comes_along() -> None:
    cells = [
        cell("from operator import *"),
        cell("def double(x):\n    return mul(2, x)"),
        cell(HALF),
    ]
    assert run(arranged(SMALL, cells).steps) == ALL_PASS


def test_a_name_that_the_lesson_binds_elsewhere_makes_no_answer() -> None:
    cells = list(SMALL.cells)
    cells[3] = replace(cells[3], source=f"base = 3\n{DOUBLE}")
    cells[4] = replace(cells[4], source="assert double(base) == 6")
    assert Index(replace(SMALL, cells=tuple(cells))).needed == {
        3: frozenset({"double"}),
        8: frozenset({"half"}),
    }


def test_names_are_found_without_running() -> None:
    source = "import a.b as c\nx: int = y\n%time z()\nfiles = !ls\ndef f(n):\n    return n + free\n"
    assert binds(source) == {"c", "x", "files", "f"}
    assert uses(source) >= {"y", "free"} and not uses(source) & {"n", "c", "f"}
    assert binds("def half(x:\n    pass") == {"half"} and binds("a == 1\nb = (") == {"b"}
    assert binds("from x import *") == {"*"}


def test_statements_keep_their_comments_and_decorators() -> None:
    source = "# one\n@cache\ndef f():\n    return 1\n    # end\n\n# two\nx = 1; y = 2"
    first, second = statements(source) or []
    assert first.endswith("    # end") and first.startswith("# one\n@cache")
    assert second == "\n# two\nx = 1; y = 2"
    assert statements("def f(:") is None and statements("%%time\nx = 1") is None


def test_what_has_nothing_of_the_lesson_has_a_reason(officials: dict[str, Official]) -> None:
    assert arranged(SMALL, []).reason == "the notebook is empty"
    assert arranged(SMALL, [cell(" "), cell("", "markdown")]).reason == "the notebook is empty"
    nothing = "the notebook holds none of this lesson's cells"
    assert arranged(SMALL, [cell("print(1)"), cell("# Hi", "markdown")]).reason == nothing
    # The cell for Colab is the same in all lessons, and tells of none.
    shared = next(c for c in officials["02_gaussian_mle"].cells if c.key == "colab")
    assert arranged(officials["03_logistic_regression"], [cell(shared.visible)]).reason == nothing


def test_a_long_notebook_takes_no_time() -> None:
    cells = d.answered(SMALL, ANSWERS) + [cell(f"x{i} = x{i - 1}") for i in range(2000)]
    assert len(arranged(SMALL, cells).steps) == 2007


def test_the_official_lesson_is_read_from_source_and_release(
    lessons_course: Path, officials: dict[str, Official]
) -> None:
    lesson = officials["02_gaussian_mle"]
    by_key = {c.key: c for c in lesson.cells}
    answer, test = by_key["laplace-solution"], by_key["laplace-test"]
    assert (answer.kind, test.kind, by_key["setup"].kind) == ("solution", "test", "given")
    assert by_key["title"].kind == "markdown" and test.points > 0
    assert answer.title == test.title == "Exercise 2.1 · Another family, another answer"
    assert "x.median()" in answer.source and "x.median()" not in answer.visible
    assert "BEGIN HIDDEN" in test.source and "BEGIN HIDDEN" not in test.visible
    assert len({lesson.digest for lesson in officials.values()}) == len(officials)
    assert official(lessons_course, "02_gaussian_mle").digest == lesson.digest


def test_a_lesson_that_is_not_there_is_said(lessons_course: Path) -> None:
    with pytest.raises(LessonError, match=r"there is no .*99_none.*make the homework again"):
        official(lessons_course, "99_none")
