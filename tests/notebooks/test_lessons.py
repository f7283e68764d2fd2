"""Every lesson keeps every rule. ``python -m tools.rules`` prints the same, without a test."""

from __future__ import annotations

from collections import Counter

import pytest

from tools import notebooks, rules
from tools.authoring import figures

LESSONS = notebooks.lessons()
RULES = pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)


@RULES
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_keeps_the_rule(path, rule):
    found = rule(notebooks.read(path))
    assert not found, f"{path.name}: {rule.__doc__}\n  " + "\n  ".join(found)


def test_no_notebook_hides_from_the_rules(root):
    stray = sorted(set((root / "notebooks").rglob("*.ipynb")) - set(LESSONS))
    stray = [path for path in stray if ".ipynb_checkpoints" not in path.parts]
    assert not stray, f"{stray}: a lesson is called NN_name.ipynb and lies in notebooks/"


def test_numbers_figures_and_exercises_are_unique_in_the_course():
    numbers = Counter(path.stem[:2] for path in LESSONS)
    names = Counter(figure.name for path in LESSONS for figure in figures(path) if figure.name)
    grades = Counter(
        notebooks.nbgrader(cell)["grade_id"]
        for path in LESSONS
        for cell in notebooks.read(path).cells
        if notebooks.nbgrader(cell)
    )
    for counts in (numbers, names, grades):
        assert not [name for name, times in counts.items() if times > 1]


def test_all_lessons_together_stay_within_their_time():
    seconds = [notebooks.read(path).record.get("seconds", 0) for path in LESSONS]
    assert sum(seconds) <= 50 * max(3, len(LESSONS))
