"""The benchmarks of flows: each piece of work runs, on both sides, and the record is whole."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks import apart, flows
from benchmarks.timing import SIDES


class MLP(nn.Sequential):
    def __init__(self, sizes, init_zeros):
        super().__init__(*[nn.Linear(a, b) for a, b in pairwise(sizes)])


class Layer(nn.Module):
    """Stands for any of the peer's layers."""

    def __init__(self, *parts, mode=None):
        super().__init__()
        self.parts = nn.ModuleList(p for p in parts if isinstance(p, nn.Module))


class Model(nn.Module):
    def __init__(self, base, layers):
        super().__init__()
        self.d, self.layers = base, nn.ModuleList(layers)

    def forward_kld(self, x):
        return sum(p.sum() for p in self.parameters()) * 0 + x.mean()

    def sample(self, n):
        return torch.zeros(n, self.d), None


PEER = SimpleNamespace(
    nets=SimpleNamespace(MLP=MLP),
    flows=SimpleNamespace(
        MaskedAffineFlow=Layer, AffineCouplingBlock=Layer, Permute=Layer, ActNorm=Layer
    ),
    distributions=SimpleNamespace(DiagGaussian=lambda d, trainable: d),
    NormalizingFlow=Model,
)


@pytest.mark.parametrize("case", flows.CASES, ids=lambda case: case.name)
def test_each_piece_of_work_runs(case, monkeypatch):
    monkeypatch.setitem(sys.modules, flows.NAME, PEER)
    for side in SIDES:
        work = case.build(side, 4)
        work.check(work.run())
        assert work.parameters > 0


def test_blocks_have_our_number_of_parameters(monkeypatch):
    monkeypatch.setitem(sys.modules, flows.NAME, PEER)
    actnorms = 2 * 16 * flows.LAYERS  # the stand-in's have none
    theirs = sum(p.numel() for p in flows.their_block_flow(4).parameters())
    assert flows.our_flow(4).num_parameters == theirs + actnorms


def test_a_record_is_made(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, flows.NAME, PEER)
    monkeypatch.setattr(apart, "find_spec", lambda name: object())
    small = tuple(replace(case, size=4, growth=(4,)) for case in flows.CASES[:1])
    broken = replace(small[0], name="broken", theirs=lambda size: 1 / 0)
    monkeypatch.setattr(flows, "CASES", (*small, broken))
    target = tmp_path / "flows.json"
    assert flows.main(["--turns", "1", "--output", str(target)]) == 1
    made = json.loads(target.read_text())
    assert made["speed"][0]["ratio"] > 0
    assert made["speed"][1]["ratio"] is None
    assert [row["reason"] for row in made["failures"]] == ["ZeroDivisionError: division by zero"]


def test_without_the_peer_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(apart, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        flows.main(["--output", str(tmp_path / "flows.json")])
    assert not (tmp_path / "flows.json").exists()


def test_the_record_holds_every_case_and_both_sides():
    record = json.loads(flows.RESULTS.read_text())
    assert [row["case"] for row in record["speed"]] == [case.name for case in flows.CASES]
    assert record["failures"] == []
    for row in record["speed"]:
        assert row["ratio"] == pytest.approx(
            row["theirs"]["seconds"] / row["ours"]["seconds"], rel=1e-2
        )
    for curve in record["growth"]:
        assert [p["pixels"] for p in curve["points"]] == [size**2 for size in flows.GROWTH]
    assert {"torch", "gdmlib", flows.NAME} <= set(record["versions"])
