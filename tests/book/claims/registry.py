"""What the questions of the lessons state in numbers, computed anew.

A claim belongs to one question. It computes what the right answer says, and, where a wrong answer
is the result of a mistake that its reason names, what that mistake gives. It returns the phrases
that must stand in the answers, the right one first; a claim without numbers only asserts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Claim = Callable[[], tuple[str, ...] | None]

CLAIMS: dict[tuple[str, str], Claim] = {}


def claim(lesson: str, question: str) -> Callable[[Claim], Claim]:
    """Register a claim for a question, by the lesson's number and the question's name."""

    def keep(function: Claim) -> Claim:
        assert (lesson, question) not in CLAIMS, f"two claims for {lesson}, {question}"
        CLAIMS[lesson, question] = function
        return function

    return keep


def says(text: str, phrase: str) -> bool:
    """Tell whether a text holds a phrase, and not as a part of a longer number."""
    return bool(re.search(rf"(?<![\d.-]){re.escape(phrase)}(?!\d|\.\d)", text))


def problems(right: str, wrong: list[str], phrases: tuple[str, ...]) -> list[str]:
    """Return what is wrong with the answers, given the phrases that were computed."""
    first, *others = phrases
    found = [] if says(right, first) else [f"the right answer does not say {first!r}: {right!r}"]
    found += [
        f"a wrong answer says {first!r} as well: {text!r}" for text in wrong if says(text, first)
    ]
    for phrase in others:
        if not any(says(text, phrase) for text in wrong):
            found.append(f"no wrong answer says {phrase!r}")
    return found
