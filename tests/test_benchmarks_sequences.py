"""The benchmarks of sequences: each piece of work runs, and compares equal things."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import sequences
from benchmarks.timing import SIDES


@pytest.mark.parametrize("case", sequences.CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("side", SIDES)
def test_each_piece_of_work_runs(case, side):
    work = case.build(side, 40)
    work.check(work.run())


def test_what_is_wrong_is_a_failure():
    x, found = sequences.drawn(40)
    with pytest.raises(ValueError, match="equal strings"):
        sequences.check_strings(x, lambda: 1 - x.clamp(max=1))
    with pytest.raises(ValueError, match="same sound"):
        sequences.check_sound(x + 1, 40)
    with pytest.raises(ValueError, match="equal log-probabilities"):
        sequences.check_passes(found + 0.1, 40)


def test_the_record_reaches_its_goals():
    record = json.loads(sequences.RESULTS.read_text())
    assert record["failures"] == []
    assert [row["case"] for row in record["speed"]] == [case.name for case in sequences.CASES]
    for row, case in zip(record["speed"], sequences.CASES, strict=True):
        assert row["size"] == case.size
        assert row["ratio"] >= case.goal
    assert record["machine"]["threads"] == 1
    for case, curve in zip(sequences.CASES, record["growth"], strict=True):
        assert [point["symbols"] for point in curve["points"]] == [*case.growth]


def test_a_whole_pass_is_made_for_each_symbol():
    model, calls = sequences.transformer().at_length(5), []
    whole = model._logits
    model._logits = lambda x, labels: calls.append(x.shape[1]) or whole(x, labels)
    sequences.whole_passes(model, 2)
    assert calls == [1, 2, 3, 4, 5]
    assert torch.equal(torch.tensor(sequences.places(32)), 2 * torch.arange(16) + 1)
