"""The benchmarks of inverse problems: each piece of work runs, and compares equal things."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import deepinv_peer, inverse, restored
from benchmarks.timing import SIDES


@pytest.fixture(autouse=True)
def slow_but_right(monkeypatch: pytest.MonkeyPatch):
    """A peer that is the library, for the other need not be installed."""

    def search(operator, y):
        return lambda: inverse.total_variation(operator, y, steps=3_000, tolerance=1e-4).image

    monkeypatch.setattr(deepinv_peer, "total_variation", search)


@pytest.mark.parametrize("case", inverse.CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("side", SIDES)
def test_each_piece_of_work_runs(case, side):
    work = case.build(side, 12)
    work.check(work.run())


def test_what_is_wrong_is_a_failure():
    x = inverse.picture(12)[None]
    with pytest.raises(ValueError, match="dB"):
        inverse.check_restored(x, 12)  # better than least variation can be
    with pytest.raises(ValueError, match="equal gradients"):
        inverse.check_gradient(torch.zeros_like(x), 12)


def test_answers_of_both_sides_are_judged(monkeypatch):
    def blurred(operator, y, first, last, steps):
        return lambda: operator.project(operator.pseudo_inverse(y), y)

    monkeypatch.setattr(deepinv_peer, "bm3d", blurred)
    monkeypatch.setattr(restored, "STEPS", 2)
    found = restored.judge(inverse.picture(16), 0.4, seeds=(0, 1))
    assert found["pixels"] == 256 and found["seeds"] == [0, 1]
    assert {row["side"] for row in found["rows"]} == set(SIDES)
    worth = {row["method"]: row["decibels"] for row in found["rows"]}
    assert all(len(row["seconds"]) == len(row["decibels"]) == 2 for row in found["rows"])
    assert min(worth["network, eight views"]) > max(worth["BM3D, plug and play"])


def test_the_record_holds_every_case_and_both_sides():
    record = json.loads(inverse.RESULTS.read_text())
    assert record["failures"] == []
    assert [row["case"] for row in record["speed"]] == [case.name for case in inverse.CASES]
    for row, case in zip(record["speed"], inverse.CASES, strict=True):
        assert row["ratio"] >= case.goal
    for case, curve in zip(inverse.CASES, record["growth"], strict=True):
        assert [point["pixels"] for point in curve["points"]] == [n**2 for n in case.growth]
        assert all(point["ours"] and point["theirs"] for point in curve["points"])
    assert {"torch", "gdmlib", deepinv_peer.NAME} <= set(record["versions"])
