"""Time pieces of work, two sides in turn; what fails is noted with its reason, and costs no other.

On a machine that others use as well, a later minute is not like an earlier one. So the sides take
turns, case by case; and what is counted is the processor's time, not that of a clock on the wall.
"""

from __future__ import annotations

import gc
import signal
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import peer

SIDES = ("ours", "theirs")
TABLE = 28  # the size of images in the table
SLOW = 10.0  # seconds: what takes longer has one turn
BUDGET = 0.8  # seconds for the rounds of one turn, if more than one fits
MOST = 15  # rounds in a turn
REASON = 160  # characters of a reason

Key = tuple[str, str, int]  # name of a case, side, size


@dataclass(frozen=True)
class Work:
    """Something to be timed.

    Attributes:
        run: Does the work, and returns what comes out.
        parameters: The numbers of the model that count.
        check: Raises a ValueError if what came out is wrong.
        share: The part of the whole work that ``run`` does, above 0 and at most 1.
        trial: Does a small part of the work, to warm up and to see how long all of it will take.
    """

    run: Callable[[], Any]
    parameters: int
    check: Callable[[Any], None] = lambda result: None
    share: float = 1.0
    trial: Work | None = None


@dataclass(frozen=True)
class Case:
    """One piece of work, and who does it.

    Attributes:
        name, title: For programs and for people.
        ours, theirs: From a size, the work.
        other: Whom ``theirs`` belongs to.
        same_as: The case that has timed the other's work already; it is not timed again.
        goal: How many times as fast the library should be, if a goal is set.
        size: Of the images in the table.
        growth: All sizes that are timed.
        panel: Of the figure: a training step, samples, or a spatial LSTM; None keeps the case out
            of it.
        axis: What a size is: of an image of size² pixels, or the number of steps.
    """

    name: str
    title: str
    ours: Callable[[int], Work]
    theirs: Callable[[int], Work]
    other: str = peer.NAME
    same_as: str | None = None
    goal: float | None = None
    size: int = TABLE
    growth: tuple[int, ...] = (TABLE,)
    panel: str | None = None
    axis: str = "pixels"

    def extent(self, size: int) -> dict[str, int]:
        """Return what a point of the curve says of its size."""
        return {self.axis: size**2 if self.axis == "pixels" else size}

    def build(self, side: str, size: int) -> Work:
        """Return the work of one side, the same at every call."""
        torch.manual_seed(0)
        return self.ours(size) if side == "ours" else self.theirs(size)

    def sides(self) -> list[str]:
        """Return the sides that can be timed, and are not timed with another case."""
        alone = self.other == peer.NAME and not peer.installed()
        return ["ours"] if alone or self.same_as else [*SIDES]

    def key(self, side: str, size: int) -> Key:
        """Return the name under which this side was timed."""
        return (self.same_as or self.name if side == "theirs" else self.name), side, size


def measure(
    cases: Iterable[Case], turns: int = 3, limit: float = 1800.0
) -> tuple[dict[Key, dict[str, Any]], dict[Key, str]]:
    """Time both sides of all cases at all sizes.

    Args:
        cases: What is timed.
        turns: How often the sides take turns.
        limit: Seconds of one turn by a clock on the wall, after which it has failed.

    Returns:
        What was measured, and why the others failed; both by case, side and size.
    """
    found: dict[Key, dict[str, Any]] = {}
    failed: dict[Key, str] = {}
    for case in cases:
        for size in case.growth:
            keys = [(case.name, side, size) for side in case.sides()]
            runs: dict[Key, _Run] = {}
            for key in keys * turns:
                if key in failed:
                    continue
                with noted(failed, key), time_limit(limit):
                    if key not in runs:
                        runs[key] = _Run(case.build(key[1], size))
                    runs[key].turn()
            found |= {key: run.summary() for key, run in runs.items() if key not in failed}
            print(f"{case.name}, {size}:", *(_told(key, found, failed) for key in keys), sep="  ")
    return found, failed


class _Run:
    """One side of a case: it runs once, or a small part, to allocate memory and choose algorithms.

    That tells, too, how many rounds a turn has.
    """

    def __init__(self, work: Work) -> None:
        trial = work.trial or work
        start = time.process_time()
        trial.run()
        self.expected = (time.process_time() - start) * work.share / trial.share
        self.work = work
        self.seconds: list[float] = []

    def turn(self) -> None:
        """Time a few rounds, and check what came out of the last."""
        if self.seconds and self.expected > SLOW:
            return
        with no_collection():
            for _ in range(max(1, min(MOST, int(BUDGET / max(self.expected, 1e-6))))):
                start = time.process_time()
                result = self.work.run()
                self.seconds.append((time.process_time() - start) / self.work.share)
        self.work.check(result)

    def summary(self) -> dict[str, Any]:
        return {
            "seconds": digits(statistics.median(self.seconds)),
            "least": digits(min(self.seconds)),
            "most": digits(max(self.seconds)),
            "rounds": len(self.seconds),
            "share": digits(self.work.share),
            "parameters": self.work.parameters,
        }


@contextmanager
def noted(failed: dict[Key, str], key: Key) -> Iterator[None]:
    """Note why what is done meanwhile has failed, in one line, and go on."""
    try:
        yield
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        failed[key] = line if len(line) <= REASON else line[: REASON - 1] + "…"


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python from collecting garbage meanwhile, which is nobody's work."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise a TimeoutError between two lines of Python after so many seconds of the wall clock."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)


def digits(value: float) -> float:
    """Return a number with four digits."""
    return float(f"{value:.4g}")


def _told(key: Key, found: dict[Key, Any], failed: dict[Key, str]) -> str:
    what = failed[key] if key in failed else f"{found[key]['seconds']} s"
    return f"{key[1]} {what}"
