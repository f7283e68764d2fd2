"""The benchmark of a prior's gradient runs, and compares equal things."""

from __future__ import annotations

from benchmarks.inverse_gradient import measure


def test_both_ways_give_one_gradient():
    found = measure(side=14, repeats=1)
    assert found["apart"] < 1e-5
    assert set(found["seconds"]) == {"diagonals", "double loop"}
    assert found["ratio"] > 1
