"""Visible tests see wrong ideas: each kept one fails, with a message that names law and value.

A student who reads "passed" goes on: what only a hidden test finds is lost points without a word.
So every lesson is run once, and at each exercise its kept wrong answers meet the visible tests.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from tools import notebooks
from tools.addresses import is_setup
from tools.notebooks import Cell, is_solution, is_test, nbgrader
from tools.rules.exercises import visible_test

WRONG = Path(__file__).parent / "wrong"
LESSONS = {path.stem: path for path in notebooks.lessons()}
MIN_IDEAS = 2

Space = dict[str, Any]


def wrong_ideas(stem: str) -> dict[str, dict[str, str]]:
    """Return, by the grade_id of the solution, what each wrong idea is and its source."""
    return json.loads((WRONG / f"{stem}.json").read_text())


def exercises(path: Path) -> Iterator[tuple[Space, Cell, list[Cell]]]:
    """Run a lesson and yield, at each exercise, all names so far, the solution and its tests."""
    space: Space = {"__name__": "__main__"}
    cells = notebooks.read(path).code
    for place, cell in enumerate(cells):
        if is_solution(cell):
            tests = []
            for after in cells[place + 1 :]:
                if not is_test(after):
                    break
                tests.append(after)
            yield dict(space), cell, tests
        if not is_setup(cell):
            run(cell["source"], space)


def run(source: str, space: Space) -> None:
    """Run a cell without a word and without a picture."""
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, "<cell>", "exec"), space)
    plt.close("all")


def complaint(answer: str, space: Space, tests: list[Cell]) -> str | None:
    """Return what the visible tests say of an answer, or None if they are content."""
    space = dict(space)
    run(answer, space)
    for test in tests:
        try:
            run(visible_test(test["source"]), space)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


def shortcuts(space: Space, answer: str) -> dict[str, str]:
    """Return answers that only hand over to something that the lesson has imported."""
    head = re.match(r"def (\w+)\(.*?\)(?: -> [^\n]*)?:\n", answer, re.DOTALL)
    assert head is not None, answer
    return {
        name: f"def {head.group(1)}(*values, **named):\n    return {name}(*values, **named)"
        for name, value in space.items()
        if callable(value) and getattr(value, "__module__", "").startswith("gdmlib")
    }


@pytest.mark.parametrize("stem", LESSONS)
def test_visible_tests_see_wrong_ideas(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDMLIB_BUDGET", "grade")
    monkeypatch.setenv("GDMLIB_CHECKPOINTS", str(LESSONS[stem].parents[1] / "checkpoints"))
    ideas = wrong_ideas(stem)
    faults = []
    for space, solution, tests in exercises(LESSONS[stem]):
        name = nbgrader(solution)["grade_id"]
        kept = ideas.pop(name, {})
        if len(kept) < MIN_IDEAS:
            faults.append(f"{name}: {len(kept)} wrong ideas are kept; expected {MIN_IDEAS}")
        said = complaint(solution["source"], space, tests)
        if said is not None:
            faults.append(f"{name}: the solution itself fails: {said}")
        for idea, answer in kept.items():
            said = complaint(answer, space, tests)
            if said is None:
                faults.append(f"{name}: the visible tests pass the idea {idea!r}")
            elif not re.search(r"\blaw\b", said, re.IGNORECASE) or not re.search(r"\d", said):
                faults.append(f"{name}: of {idea!r} they say {said!r}: no law, or no value")
        for imported, answer in shortcuts(space, solution["source"]).items():
            if complaint(answer, space, tests) is None:
                faults.append(f"{name}: handing over to the imported {imported} passes")
    faults += [f"{name}: there is no such exercise" for name in ideas]
    assert not faults, "\n".join(faults)


def test_what_the_tests_cannot_see_is_noticed() -> None:
    """The broken twin: a visible test that looks at one value only."""
    test = {"source": "assert f(0) == 0, f'law of squares: f(0) is {f(0)}, not 0'"}
    assert complaint("def f(x):\n    return x", {}, [test]) is None
    assert complaint("def f(x):\n    return 1 + x", {}, [test]) == (
        "AssertionError: law of squares: f(0) is 1, not 0"
    )
    assert (
        set(shortcuts({"a": Path, "b": wrong_ideas, "c": notebooks.lessons}, "def f(x):\n"))
        == set()
    )
