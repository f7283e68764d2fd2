"""What a late submission loses: a policy is a value, and a value says what a score becomes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAY = timedelta(days=1)
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)(%?)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(m|h|d)")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": _DAY}


@dataclass(frozen=True)
class Amount:
    """Points, or a share of what a lesson is worth."""

    value: float
    share: bool = False

    def of(self, most: float) -> float:
        """Return the points, for a lesson of so many."""
        return self.value * most if self.share else self.value


@dataclass(frozen=True)
class LatePolicy:
    """What a late submission loses.

    A commenced day counts as a day, from the date on which the work was due.

    Attributes:
        per_day: What each day takes off.
        grace: How late is not late: whoever is later counts from the date itself.
        cap: The most that is taken off; None: everything may be.
    """

    per_day: Amount
    grace: timedelta = timedelta(0)
    cap: Amount | None = None

    def days(self, late: timedelta) -> int:
        """Return how many days count for work that came so late; negative is early."""
        return 0 if late <= max(self.grace, timedelta(0)) else math.ceil(late / _DAY)

    def score(self, score: float, most: float, late: timedelta) -> float:
        """Return what a score becomes, never below 0 and never above itself.

        Args:
            score: What the work earned.
            most: What the lesson is worth.
            late: How long after the date it came.
        """
        off = self.per_day.of(most) * self.days(late)
        if self.cap is not None:
            off = min(off, self.cap.of(most))
        return min(score, max(0.0, round(score - off, 6)))


def amount(text: str) -> Amount:
    """Return the amount of a text, ``"2"`` points or ``"10%"``."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or (match[2] and float(match[1]) > 100):
        raise ValueError(f"expected points or a share, such as 2 or 10%, got {text!r}")
    value = float(match[1])
    return Amount(value / 100, share=True) if match[2] else Amount(value)


def span(text: str) -> timedelta:
    """Return the time of a text: ``"30m"``, ``"2h"``, ``"1d"``."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a time, such as 30m, 2h or 1d, got {text!r}")
    return float(match[1]) * _UNITS[match[2]]


def moment(text: str) -> datetime:
    """Return a date and time, in this machine's zone where it names none."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"expected a date and time, such as 2026-01-31T23:59 or 2026-01-31T23:59+01:00, "
            f"got {text!r}"
        ) from None
