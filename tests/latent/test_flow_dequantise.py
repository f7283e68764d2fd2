"""Dequantisation bounds the probability of levels, which a small flow gives exactly."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Generator, nn

from gdmlib import training
from gdmlib.latent.coupling import AffineCoupling
from gdmlib.latent.dequantise import (
    Dequantised,
    Logit,
    UniformDequantiser,
    VariationalDequantiser,
)
from gdmlib.latent.flow import Flow
from gdmlib.latent.flow_layers import ActNorm

LEVELS = 3
EVERY = torch.tensor(list(product(range(LEVELS), repeat=2))).double() / (LEVELS - 1)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def randomise(model: nn.Module, size: float = 0.5) -> nn.Module:
    generator = seeded(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator))
    return model.double()


def flow() -> Flow:
    parts = [Logit(2), AffineCoupling(2, hidden=4, generator=seeded()), ActNorm(2)]
    return randomise(Flow(2, parts), 0.15).requires_grad_(False)


def exact(density: Flow) -> torch.Tensor:
    """Return log P of every event of levels, by quadrature over its cell."""
    n = 60
    nodes = (torch.arange(n).double() + 0.5) / n
    grid = torch.cartesian_prod(nodes, nodes)
    found = []
    for x in EVERY:
        y = (x * (LEVELS - 1) + grid) / LEVELS
        found.append(density.log_prob(y).logsumexp(0) - math.log(len(grid) * LEVELS**2))
    return torch.stack(found)


def test_probabilities_of_levels_sum_to_one():
    assert float(exact(flow()).exp().sum()) == pytest.approx(1, abs=2e-3)


class TooSmall(UniformDequantiser):
    """Forgets how large a cell is."""

    def forward(self, x, generator=None):
        y, log_q = super().forward(x, generator)
        return y, log_q * 0


def noise(kind):
    made = kind(2, LEVELS)
    if kind is VariationalDequantiser:
        made = kind(2, LEVELS, generator=seeded())
    return randomise(made, 0.05).requires_grad_(False)


def law_of_bounds(model: Dequantised) -> None:
    """In expectation bound <= importance bounds, which rise with k, <= log P."""
    truth, draws = exact(model.density), 4000
    many = EVERY.repeat(draws, 1)
    previous = torch.full((len(EVERY),), -math.inf).double()
    for k in (1, 4, 16):
        each = model.importance_bound(many[: len(EVERY) * draws // k], k, seeded(k))
        each = each.unflatten(0, (-1, len(EVERY)))
        mean, error = each.mean(0), each.std(0) / math.sqrt(len(each))
        assert bool((mean <= truth + 5 * error + 1e-3).all()), "law 5: a bound is above log P"
        assert bool((mean >= previous - 5 * error).all()), "law 5: bounds fall with k"
        previous = mean
    assert float((truth - previous).max()) < 0.2, "law 5: the bounds do not reach log P"


@pytest.mark.parametrize("kind", [UniformDequantiser, VariationalDequantiser])
def test_bounds_are_below_and_come_close(kind):
    law_of_bounds(Dequantised(flow(), noise(kind)))


def test_a_broken_dequantiser_is_rejected():
    with pytest.raises(AssertionError, match="law 5: a bound is above log P"):
        law_of_bounds(Dequantised(flow(), noise(TooSmall)))


def test_samples_have_the_probabilities_of_levels():
    model, n = Dequantised(flow(), noise(UniformDequantiser)), 20_000
    x = model.sample(n, seeded())
    code = (x * (LEVELS - 1)).round() @ torch.tensor([LEVELS, 1.0]).double()
    share = torch.bincount(code.long(), minlength=9) / n
    assert float((share - exact(model.density).exp()).abs().max()) < 5 * 0.5 / math.sqrt(n)


def test_learned_noise_makes_the_bound_tighter():
    density = flow()
    uniform = Dequantised(density, UniformDequantiser(2, LEVELS).double())
    learned = Dequantised(density, VariationalDequantiser(2, LEVELS, generator=seeded()).double())
    x = density.sample(500, seeded())
    x = (x * LEVELS).floor() / (LEVELS - 1)
    torch.manual_seed(0)  # the bound of training draws by the global generator
    training.train(learned, x, epochs=20, lr=5e-3, generator=seeded(), progress=False)

    def gap(model):
        return float((exact(density) - model.bound(EVERY, 2000, seeded()).detach()).mean())

    assert 0 < gap(learned) < 0.6 * gap(uniform)


def test_noise_stays_in_its_cell():
    x = torch.tensor([[0.0, 1.0]]).repeat(5000, 1)
    for kind in (UniformDequantiser, VariationalDequantiser):
        y, _ = kind(2, 256)(x, generator=seeded())
        assert bool(((y > 0) & (y < 1)).all())
        assert bool(((y * 256).floor() == x * 255).all())


def test_the_flow_sees_its_first_batch():
    density = Flow(2, [Logit(2), ActNorm(2)])
    model = Dequantised(density, UniformDequantiser(2, LEVELS))
    model.loss(EVERY.float())
    assert bool(density.transforms[1].ready)


# --- the logit ------------------------------------------------------------------------------------


def test_the_logit_is_that_of_a_share():
    x = torch.tensor([[0.2, 0.5], [0.9, 0.01]])
    torch.testing.assert_close(Logit(2)(x)[0], torch.logit(x))
    margin = Logit(2, margin=0.05)
    torch.testing.assert_close(margin(x)[0], torch.logit(0.05 + 0.9 * x))


@pytest.mark.parametrize("value", [0.0, 1.0, -0.2, 1.5, 200.0])
def test_numbers_outside_of_0_to_1_are_refused(value):
    x = torch.tensor([[0.5, value]])
    says = "x: expected numbers above -?0 and below 1, got values from .*; dequantise levels first"
    for function in (Logit(2), flow().float().log_prob):
        with pytest.raises(ValueError, match=says):
            function(x)
    if value in (0.0, 1.0):  # a margin keeps them from infinity
        assert bool(Logit(2, margin=1e-3)(x)[0].isfinite().all())


@pytest.mark.parametrize("value", [0.5, -0.1, math.nan])
def test_a_margin_has_bounds(value):
    with pytest.raises(ValueError, match=r"margin: expected at least 0 and below 0.5"):
        Logit(2, margin=value)


def test_far_noise_becomes_a_number_that_the_logit_takes():
    layer = Logit(2)
    y = torch.tensor([[200.0, -200.0]])
    x, log_det = layer.inverse(y)
    assert bool(layer(x)[0].isfinite().all())
    assert float(log_det) == pytest.approx(-400)


# --- what is refused ------------------------------------------------------------------------------


def test_levels_are_checked():
    noise = UniformDequantiser(2, 4)
    with pytest.raises(ValueError, match=r"x: expected 4 levels, k / 3 for k = 0 to 3, got 0.5"):
        noise(torch.tensor([[0.5, 1.0]]))
    with pytest.raises(ValueError, match="levels: expected at least 2, got 1"):
        UniformDequantiser(2, 1)
    with pytest.raises(ValueError, match="x: expected a floating-point tensor"):
        noise(torch.tensor([[1, 0]]))
    with pytest.raises(ValueError, match=r"event_shape: expected \(channels, height, width\)"):
        VariationalDequantiser(2, channels=3)


def test_flow_and_noise_must_fit():
    with pytest.raises(ValueError, match=r"dequantiser: expected events of shape \(2,\), got \(3,"):
        Dequantised(flow(), UniformDequantiser(3))
    model = Dequantised(flow(), noise(UniformDequantiser))
    with pytest.raises(ValueError, match="k: expected at least 1, got 0"):
        model.importance_bound(EVERY, 0)
    with pytest.raises(ValueError, match="samples: expected at least 1, got 0"):
        model.bound(EVERY, 0)


def test_images_may_have_a_network_of_convolutions():
    layer = VariationalDequantiser((1, 2, 2), 4, channels=3, generator=seeded())
    x = torch.randint(4, (5, 1, 2, 2), generator=seeded()) / 3
    y, log_q = layer(x, generator=seeded())
    assert y.shape == x.shape and log_q.shape == (5,)
