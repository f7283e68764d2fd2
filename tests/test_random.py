"""Random numbers: dtypes, devices, and the inverse of a discrete cdf."""

from __future__ import annotations

import pytest
import torch

from gdmlib import _random as random


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_standard_normal(dtype):
    like = torch.zeros(()).to(dtype)
    z = random.standard_normal((2, 3), like, torch.Generator().manual_seed(0))
    expected = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    assert z.dtype == dtype
    assert torch.equal(z, expected)
    torch.manual_seed(0)
    fresh = random.standard_normal((2, 3), like, None)
    torch.manual_seed(0)
    assert torch.equal(fresh, torch.randn(2, 3, dtype=dtype))


def test_uniform_is_float64_for_any_model():
    u = random.uniform((5,), torch.zeros(()), torch.Generator().manual_seed(0))
    expected = torch.rand(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(u, expected)
    torch.manual_seed(0)
    fresh = random.uniform((5,), torch.zeros(()), None)
    torch.manual_seed(0)
    assert torch.equal(fresh, torch.rand(5, dtype=torch.float64))


def test_numbers_are_drawn_on_the_generator_s_device_and_moved_to_the_model_s():
    # The meta device stands for an accelerator: it has a shape and a dtype, but no numbers.
    like = torch.zeros((), device="meta")
    for generator in (None, torch.Generator().manual_seed(0)):
        assert random.uniform((5,), like, generator).device.type == "meta"
        assert random.standard_normal((5,), like, generator).device.type == "meta"


def test_pick_inverts_the_cdf():
    log_weights = torch.tensor([0.2, 0.0, 0.5, 0.3]).log() + 7.0
    u = torch.tensor([0.0, 0.1999, 0.2001, 0.6999, 0.7001, 1 - 2.0**-53], dtype=torch.float64)
    found = random.pick(log_weights.expand(6, 4), u)
    assert found.tolist() == [0, 0, 2, 2, 3, 3]


def test_pick_at_the_steps_and_at_the_end():
    quarters = torch.tensor([0.25, 0.25, 0.5]).log()
    u = torch.tensor([0.0, 0.2499, 0.25, 0.4999, 0.5, 1 - 2.0**-53], dtype=torch.float64)
    for log_weights in (quarters, quarters.expand(6, 3)):
        assert random.pick(log_weights, u).tolist() == [0, 0, 1, 1, 2, 2]
    columns = torch.stack([u, u], dim=1)
    crossed = quarters.expand(2, 6, 3).transpose(0, 1)
    assert random.pick(crossed, columns)[:, 1].tolist() == [0, 0, 1, 1, 2, 2]
    assert random.pick(quarters, columns[:, 1]).tolist() == [0, 0, 1, 1, 2, 2]
    # What is impossible is never picked, and rounding never leads past the last one.
    assert random.pick(torch.tensor([-torch.inf, 0.0]), u[:1]).tolist() == [1]
    assert random.pick(torch.zeros(1000), u[-1:]).tolist() == [999]
    tail = torch.cat([torch.zeros(10), torch.full((2,), -torch.inf)])
    assert random.pick(tail, u[-1:]).tolist() == [9]


def test_permutation_repeats():
    first, again = (random.permutation(9, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again) and sorted(first.tolist()) == list(range(9))
