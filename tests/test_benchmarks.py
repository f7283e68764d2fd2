"""The benchmarks: each piece of work runs, and what the book says of the networks holds."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import cases, memory, peer, properties
from benchmarks.cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_piece_of_work_runs(case: Case) -> None:
    if case.name.endswith("step") and "pixel" in case.name:
        pytest.skip("a step of the large networks takes seconds")
    work = case.build("ours", 7)
    work.run()
    assert work.parameters > 0
    assert work.share == 1


def test_git_names_are_those_of_git() -> None:
    assert peer.git_name(b"what is up, doc?") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_a_sampler_can_be_stopped_early() -> None:
    class Slow:
        """Draws pixel after pixel, as the peer does, and counts."""

        pixels = 0

        def _sample_fn(self, logits: torch.Tensor) -> torch.Tensor:
            return torch.bernoulli(torch.sigmoid(logits))

        def sample(self, n_samples: None, conditioned_on: torch.Tensor) -> torch.Tensor:
            for _ in range(conditioned_on[0].numel()):
                self.pixels += 1
                self._sample_fn(torch.zeros(len(conditioned_on), 1))
            return conditioned_on

    model = Slow()
    peer.sampling(model, n=2, size=5, pixels=3)()
    assert model.pixels == 3
    peer.sampling(model, n=2, size=5)()
    assert model.pixels == 3 + 25


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from Linux")
def test_the_memory_of_a_large_block_is_seen() -> None:
    # Fresh pages: a tensor may get memory that the process has had before.
    block = mmap.mmap(-1, 20_000_000)
    before = memory.resident("VmRSS")
    np.frombuffer(block, dtype=np.uint8)[:] = 1
    assert memory.resident("VmRSS") - before == pytest.approx(20, abs=5)
    now = memory.resident("VmRSS")
    assert memory.resident("VmHWM") > now - 1 > 20  # the kernel counts in lots
    assert memory.measure(16, recompute=True)["seconds"] > 0


@pytest.mark.parametrize("kernel_size, complete", [(5, True), (3, False)])
def test_the_future_is_unseen_and_the_past_seen(kernel_size: int, complete: bool) -> None:
    model = cases.our_gated(properties.SIZE, kernel_size=kernel_size).double()
    found = properties.unseen(lambda x: model._outputs(2 * x - 1, None))
    assert found["past"] == 14 * 28 + 5
    assert found["future"] == 0
    assert (found["unseen"] == 0) == complete


def test_activations_stay_in_scale() -> None:
    scale = properties.scales()[0]["scale"]
    assert len(scale) == 16
    assert max(scale) < 2 * scale[0]
    assert min(scale) > 0.5 * scale[0]
