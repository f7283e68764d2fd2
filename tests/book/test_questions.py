"""The questions at the end of each lesson: sound, answerable, and right in every number."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from coursebook import questions

from tests.book.claims.registry import CLAIMS, problems

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / questions.FOLDER).glob("*.yml"))
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
for part in sorted((ROOT / "tests/book/claims").glob("part_*.py")):
    import_module(f"tests.book.claims.{part.stem}")
ALL = {(path.stem[:2], q.name): q for path in FILES for q in questions.read_questions(path)}


def has_number(question: questions.Question) -> bool:
    """Tell whether an answer states a number."""
    return any(re.search(r"(?<![A-Za-z])\d", option.text) for option in question.options)


def test_every_lesson_has_three_questions() -> None:
    counts = {path.stem: len(questions.read_questions(path)) for path in FILES}
    assert counts == {path.stem: 3 for path in LESSONS}


def test_the_right_answers_are_spread() -> None:
    places = Counter(question.right for question in ALL.values())
    assert all(places[place] > len(ALL) / 8 for place in range(4)), places
    assert max(places.values()) < len(ALL) * 0.4, places
    for path in FILES:
        assert len({q.right for q in questions.read_questions(path)}) > 1, path.name


def test_the_longest_answer_is_not_the_right_one() -> None:
    lengths = [([len(option.text) for option in q.options], q.right) for q in ALL.values()]
    longest = sum(own[right] == max(own) for own, right in lengths)
    assert longest < len(ALL) / 2


def test_every_answer_has_a_reason_of_its_own() -> None:
    for key, question in ALL.items():
        reasons = [option.reason for option in question.options]
        assert len(set(reasons)) == len(reasons), key
        assert all(len(reason.split()) >= 8 for reason in reasons), key
        assert len({option.text for option in question.options}) == len(question.options), key


def test_every_number_is_computed() -> None:
    assert set(CLAIMS) <= set(ALL), "a claim of no question"
    assert [
        key for key, question in ALL.items() if has_number(question) and key not in CLAIMS
    ] == []


@pytest.mark.parametrize("key", sorted(CLAIMS), ids=" ".join)
def test_an_answer_is_right(key: tuple[str, str]) -> None:
    phrases = CLAIMS[key]()
    question = ALL[key]
    right = question.options[question.right].text
    wrong = [option.text for option in question.options if not option.right]
    assert not phrases or problems(right, wrong, phrases) == []
