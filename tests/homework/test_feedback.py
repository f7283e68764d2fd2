"""What students read: points and sentences, and of messages only what the tests' text holds."""

from __future__ import annotations

import pytest
from grading import feedback as module
from grading.arrange import Step
from grading.feedback import feedback, marks, points, shown_message
from grading.official import Cell, Official
from grading.sandbox import Limits, Run, StepResult

from gdmlib import lesson

TEST = """
value = 0.1234
why = "law of names: a message may have one"
assert value == 1, "law of doubling: double(2) must be 4"
assert value == 1, f"law of halving: half(2) is {value:.3f}, not 1"
assert value == 1, ("law of sums: " "two parts, " f"and {value} between" + " them")
assert value == 1, why
assert_close(value, 1, msg="law of libraries: they take messages")
raise ValueError("law of errors: they have words")
secret = "hidden data 4711"
"""


@pytest.mark.parametrize(
    "message",
    [
        "law of doubling: double(2) must be 4",
        "law of halving: half(2) is 0.500, not 1",
        "law of halving: half(2) is tensor([1., 2.], dtype=torch.float64), not 1",
        "law of sums: two parts, and None between them",
        "law of names: a message may have one",
        "law of libraries: they take messages",
        "law of errors: they have words",
    ],
)
def test_the_tests_own_messages_are_shown(message: str) -> None:
    assert shown_message(TEST, message) == message


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hidden data 4711",
        "assert double(-3) == -6",
        "law of doubling: double(2) must be 4; hidden data 4711",
        "my own words",
    ],
)
def test_other_messages_are_not_shown(message: str) -> None:
    assert shown_message(TEST, message) == ""


def test_of_a_long_value_only_the_tests_words_are_shown() -> None:
    long = f"law of halving: half(2) is {'hidden data 4711 ' * 10}, not 1"
    assert shown_message(TEST, long) == "law of halving: half(2) is …, not 1"
    assert shown_message(TEST, long[:300]) == "law of halving: half(2) is …, not 1"


def test_a_test_that_is_no_python_shows_nothing() -> None:
    assert shown_message("%timeit f(1)\nassert 0, 'words'", "words") == ""


def official(*tests: Cell) -> Official:
    return Official("01_x", tests, "")


def cell(key: str, title: str, worth: float, source: str = TEST) -> Cell:
    return Cell(key, "test", source, source, worth, title)


def said(test: StepResult, answer: StepResult | None = None) -> str:
    """Return what is said of one exercise."""
    lesson = official(cell("t", "Exercise 1", 2))
    steps = [Step("own", "a", "", "Exercise 1"), Step("test", "t", TEST, "Exercise 1")]
    results = (answer or StepResult("a", "passed"), test)
    (mark,) = marks(lesson, steps, Run(results), Limits(seconds=5, memory=3 << 30))
    assert mark.got == (2 if test.outcome == "passed" else 0)
    return mark.said


@pytest.mark.parametrize(
    ("test", "answer", "words"),
    [
        (StepResult("t", "passed"), None, "Passed."),
        (StepResult("t", "failed", "AssertionError", ""), None, "says no more"),
        (StepResult("t", "failed", "AssertionError", "law of names: x"), None, "says no more"),
        (StepResult("t", "error", "RuntimeError", lesson.OPEN), None, "it has no answer"),
        (StepResult("t", "error", "NameError", "name 'hidden' is"), None, "no cell above"),
        (StepResult("t", "error", "OddError", "hidden"), None, "OddError: this error"),
        (StepResult("t", "timeout"), None, "time limit of 5 seconds"),
        (StepResult("t", "memory"), None, "limit of 3 GB"),
        (StepResult("t", "output"), None, "printed more than the limit of 10 MB"),
        (StepResult("t", "died"), None, "ended the process"),
        (StepResult("t", "not-run"), None, "not run"),
        (
            StepResult("t", "error", "NameError"),
            StepResult("a", "error", "SyntaxError"),
            "Your answer: SyntaxError: the cell is not valid Python",
        ),
        (
            StepResult("t", "error", "NameError"),
            StepResult("a", "timeout"),
            "Your answer: it took longer",
        ),
        # An answer that raised after it was complete is not why its test fails.
        (
            StepResult("t", "failed", "AssertionError", "law of names: a message may have one"),
            StepResult("a", "error", "ValueError"),
            "law of names: a message may have one",
        ),
    ],
)
def test_each_ending_has_a_sentence(
    test: StepResult, answer: StepResult | None, words: str
) -> None:
    sentence = said(test, answer)
    assert words in sentence
    assert "hidden" not in sentence
    if test.outcome != "passed":
        assert "passed" not in sentence.casefold()


def test_an_exercise_of_several_tests_has_one_line() -> None:
    lesson = official(
        cell("t1", "Exercise 1", 1), cell("t2", "Exercise 1", 2), cell("t3", "Exercise 2", 3)
    )
    run = Run(
        (
            StepResult("t1", "passed"),
            StepResult("t2", "failed", "AssertionError", "law of doubling: double(2) must be 4"),
            StepResult("t3", "passed"),
        )
    )
    assert points(lesson, run) == {"t1": 1, "t2": 0, "t3": 3}
    text = feedback("01_x: 4 of 6 points", marks(lesson, (), run, Limits()), ["A note."])
    assert text == (
        "# 01_x: 4 of 6 points\n\n"
        "- Exercise 1: 1 of 3 points. law of doubling: double(2) must be 4\n"
        "- Exercise 2: 3 of 3 points. Passed.\n\nWhat was noticed:\n\n- A note.\n"
    )


def test_the_open_answer_is_known_by_the_librarys_words() -> None:
    assert module.OPEN == lesson.OPEN
