"""NADE: values, the start, learning, errors."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.autoregressive import FVSBN, NADE, fit_likelihood, mean_nll
from gdmlib.autoregressive.nade import plain_logits


def parity(n: int = 512, seed: int = 0) -> torch.Tensor:
    """Draw three coins and their parity: no regression on single pixels can see the last one."""
    coins = (torch.rand(n, 3, generator=torch.Generator().manual_seed(seed)) < 0.5).float()
    return torch.cat([coins, coins.sum(dim=1, keepdim=True) % 2], dim=1)


def test_two_pixels_by_hand():
    model = NADE(2, 1).double()
    with torch.no_grad():
        for parameter, value in zip(
            (model.weight_in, model.weight_out, model.bias_hidden, model.bias),
            ([[3.0], [9.0]], [[2.0], [-1.0]], [0.5], [0.1, 0.2]),
            strict=True,
        ):
            parameter.copy_(torch.tensor(value))
    found = model.logits(torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double())
    sigma = torch.sigmoid(torch.tensor([0.5, 3.5]).double())
    first = float(0.1 + 2 * sigma[0])
    expected = [[first, float(0.2 - sigma[1])], [first, float(0.2 - sigma[0])]]
    assert torch.allclose(found, torch.tensor(expected).double())


def test_start():
    a, b, c = (NADE(50, 20, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(a.weight_in, b.weight_in)
    assert torch.equal(a.weight_out, b.weight_out)
    assert not torch.equal(a.weight_in, c.weight_in)
    assert 0.9 / math.sqrt(50) < float(a.weight_in.detach().abs().max()) <= 1 / math.sqrt(50)
    assert 0.9 / math.sqrt(20) < float(a.weight_out.detach().abs().max()) <= 1 / math.sqrt(20)
    assert NADE((1, 2, 3)).weight_in.shape == (6, 500)


def test_it_learns_what_a_regression_cannot():
    x = parity()
    model = NADE(4, 12, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    history = fit_likelihood(
        model, x, x[:100], epochs=100, batch_size=64, lr=0.05, final_lr=0.005, generator=generator
    )
    assert mean_nll(model, x) < 3 * math.log(2) + 0.1
    assert mean_nll(FVSBN.fit(x, 0.1), x) > 4 * math.log(2) - 0.05
    assert min(history.valid["loss"]) < history.valid["loss"][0]
    samples = model.sample(200, torch.Generator().manual_seed(1))
    assert float((samples.sum(dim=1) % 2 == 0).float().mean()) > 0.9


def test_no_gradient_is_asked_for_the_pixels():
    model = NADE(3, 2)
    with torch.no_grad():
        assert torch.equal(model.logits(torch.ones(1, 3)), plain_logits(model, torch.ones(1, 3)))


def test_the_gradient_of_some_parameters_only():
    model = NADE(3, 2)
    model.weight_in.requires_grad_(False)
    model.log_prob(torch.ones(2, 3)).sum().backward()
    assert model.weight_in.grad is None
    assert model.weight_out.grad is not None


@pytest.mark.parametrize("hidden", [0, -1, 2.5])
def test_hidden_units_are_counted(hidden):
    with pytest.raises(ValueError, match=r"^hidden: expected"):
        NADE(3, hidden)


@pytest.mark.parametrize("shape", [2.5, None, 0, -1, True, (), (2, 0), "ab"])
def test_shapes_of_events_are_whole_numbers(shape):
    with pytest.raises(ValueError, match="event_shape: expected a positive whole number"):
        NADE(shape, 2)


def test_ordering():
    with pytest.raises(ValueError, match="ordering: expected a permutation"):
        NADE(3, 2, ordering=[0, 1, 1])
