"""Time the cases, the two sides in turn: ``python -m benchmarks.record`` runs this file.

On a machine that others use as well, a later minute is not like an earlier one. So the sides take
turns, case by case; and what is counted is the processor's time, not that of a clock on the wall.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache
from typing import Any

import pytest
import torch

from benchmarks import peer
from benchmarks.cases import CASES, SIDES, Case, Work, find

TURNS = int(os.environ.get("BENCH_TURNS", "3"))
SLOW = 10.0  # seconds: what takes longer has one turn
BUDGET = 0.8  # seconds for the rounds of one turn, if more than one fits
MOST = 15  # rounds in a turn

#: Seconds that one run takes, roughly, by case, side and size.
_seconds: dict[tuple[str, str, int], float] = {}


def _order() -> list[Any]:
    """Return all that is to be timed, the sides next to each other."""
    return [
        pytest.param(case, side, size, turn, id=f"{case.name}-{size}-{turn}-{side}")
        for case in CASES
        for size in case.growth
        for turn in range(TURNS)
        for side in SIDES
        if side == "ours" or case.same_as is None
    ]


@lru_cache(maxsize=2)
def _work(name: str, side: str, size: int) -> Work:
    return find(name).build(side, size)


def _warm_up(work: Work) -> float:
    """Run once, or a small part: it allocates memory and chooses algorithms; return seconds."""
    trial = work.trial or work
    start = time.process_time()
    trial.run()
    return (time.process_time() - start) * work.share / trial.share


def _rounds(seconds: float) -> int:
    return max(1, min(MOST, int(BUDGET / max(seconds, 1e-6))))


@pytest.mark.parametrize(("case", "side", "size", "turn"), _order())
def test_speed(benchmark: Any, case: Case, side: str, size: int, turn: int) -> None:
    """Time one side of one case, once or a few times."""
    torch.set_num_threads(1)
    if side == "theirs" and case.other == peer.NAME and peer.models() is None:
        pytest.skip(f"{peer.NAME} cannot be imported")
    key = case.name, side, size
    if turn > 0 and _seconds[key] > SLOW:
        pytest.skip("one turn is enough for what takes so long")
    work = _work(*key)
    if turn == 0:
        _seconds[key] = _warm_up(work)
    benchmark.extra_info.update(
        case=case.name, side=side, size=size, share=work.share, parameters=work.parameters
    )
    benchmark.pedantic(work.run, rounds=_rounds(_seconds[key]), iterations=1)
