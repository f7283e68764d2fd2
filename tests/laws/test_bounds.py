"""Law 5: in expectation, ELBO ≤ IWAE_k ≤ IWAE_k+1 ≤ log p, and each is tight where theory says."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gdmlib import latent, restoration

from .builders import normal, seeded
from .functions_vae import BITS, EVENTS, binary, gaussian, linear

REPEATS = 4000
COUNTS = (1, 2, 5, 20)


def average(bound: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of a bound over many draws, and its standard error, for each event."""
    copies = x.repeat_interleave(REPEATS, dim=0)
    values = bound(copies).reshape(len(x), REPEATS)
    return values.mean(dim=1), values.std(dim=1) / REPEATS**0.5


@torch.no_grad()
def check_bounds(model: Any, x: Tensor) -> None:
    """Fail unless the bounds of a model are in the order that Jensen's inequality gives."""
    truth = latent.grid_log_prob(model, x, points=200, limit=7.0)
    elbo, error = average(lambda x: model.elbo(x, generator=seeded()), x)
    before = elbo
    for k in COUNTS:
        value, stderr = average(lambda x, k=k: model.importance_bound(x, k, seeded()), x)
        slack = 5 * (stderr + error)
        fell = float((before - slack - value).max())
        assert fell <= 0, f"law 5, bounds: with k = {k} the bound falls by {fell:.3f} nats"
        above = float((value - slack - truth).max())
        assert above <= 0, f"law 5, bounds: with k = {k} the bound is {above:.3f} nats above log p"
        before, error = value, stderr
    gap, first = (float((truth - value).mean()) for value in (before, elbo))
    assert gap < 0.7 * first, (
        f"law 5, bounds: {COUNTS[-1]} codes leave {gap:.3f} of {first:.3f} nats"
    )


MODELS = {"VAE": (binary, BITS), "VAE, Gaussian": (gaussian, EVENTS), "LinearVAE": (linear, EVENTS)}


@pytest.mark.parametrize("name", MODELS)
def test_bounds_are_in_order(name: str) -> None:
    check_bounds(*MODELS[name])


class NoEntropy(latent.VAE):
    """Forgets the proposal's density: what it calls a bound is above the truth."""

    def _log_weights(self, x: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        return self._log_likelihood(x, z)


class MeanOfLogs(latent.VAE):
    """Averages logarithms, so that more codes do not help."""

    def importance_bound(self, x: Tensor, k: int, generator: Any = None) -> Tensor:
        return self.elbo(x, k, generator) - 0.1 * k


@pytest.mark.parametrize("kind", [NoEntropy, MeanOfLogs])
def test_wrong_bounds_are_rejected(kind: type[latent.VAE]) -> None:
    broken = kind((1, 2, 2), latent=2, hidden=(3,)).double()
    broken.load_state_dict(binary.state_dict())
    with pytest.raises(AssertionError, match="law 5, bounds"):
        check_bounds(broken, BITS)


@torch.no_grad()
def check_tight(model: latent.LinearVAE, x: Tensor) -> None:
    """Fail unless one code gives log p(x), whichever: q(z | x) is the posterior."""
    gap = float((model.elbo(x, 1, seeded(), closed_form=False) - model.log_prob(x)).abs().max())
    assert gap < 1e-9, (
        f"law 5, bounds: the exact posterior should leave no gap, it leaves {gap:.1e}"
    )
    grid = float((latent.grid_log_prob(model, x, 400, 8.0) - model.log_prob(x)).abs().max())
    assert grid < 1e-9, f"law 5, bounds: the integral differs from the closed form by {grid:.1e}"


def test_the_best_linear_model_has_no_gap() -> None:
    x = normal(60, 4) @ normal(4, 4, seed=1)
    check_tight(latent.LinearVAE.fit(x, latent=2), x)


def test_another_encoder_has_one() -> None:
    x = normal(60, 4) @ normal(4, 4, seed=1)
    model = latent.LinearVAE.fit(x, latent=2)
    with torch.no_grad():
        model.code_log_variance += 0.1
    with pytest.raises(AssertionError, match="law 5, bounds"):
        check_tight(model, x)


# --- the autoencoder of pictures, which has a loss and no log_prob -------------------------------


class Overstates(restoration.PictureVAE):
    """Counts a misfit for a tenth of what it is."""

    def misfit(self, x: Tensor, z: Tensor) -> Tensor:
        return 0.1 * super().misfit(x, z)


class Free(restoration.PictureVAE):
    """Does not pay for its code, which knows the picture."""

    def sample_code(self, x: Tensor, generator: Any) -> tuple[Tensor, Tensor]:
        z, nats = super().sample_code(x, generator)
        return z, 0 * nats


def pictures_of(kind: type[restoration.PictureVAE]) -> restoration.PictureVAE:
    """Return an autoencoder of 4 × 4 pixels by two numbers, trained for a moment."""
    honest = restoration.PictureVAE(1, code=2, features=4, spread=0.1, generator=seeded()).double()
    x = squares(64)
    optimizer = torch.optim.Adam(honest.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        honest.loss(x, seeded()).backward()
        optimizer.step()
    made = kind(1, code=2, features=4, spread=0.1).double()
    made.load_state_dict(honest.state_dict())
    return made.eval().requires_grad_(False)


def squares(n: int) -> Tensor:
    """Return pictures, (n, 1, 4, 4), whose left and right half have a level each."""
    halves = 0.5 + 0.2 * normal(n, 1, 1, 2, seed=3)
    return halves.repeat_interleave(2, 3).expand(-1, -1, 4, -1).contiguous()


def check_picture_bound(model: restoration.PictureVAE) -> None:
    """Fail unless minus the loss, with its constant, is a bound of log p(x), and near to it."""
    x, side, width = squares(3), 80, 0.1
    constant = 8 * math.log(2 * math.pi * model.spread**2)
    axis = (torch.arange(side) + 0.5).double() * width - side * width / 2
    z = torch.cartesian_prod(axis, axis)[:, :, None, None]
    prior = -z.square().flatten(1).sum(1) / 2 - math.log(2 * math.pi)
    for one in x:
        copies = one.expand(len(z), -1, -1, -1)
        truth = (
            (prior - restoration.PictureVAE.misfit(model, copies, z)).logsumexp(0)
            + 2 * math.log(width)
            - constant
        )
        copies = one.expand(REPEATS, -1, -1, -1)
        code, nats = model.sample_code(copies, seeded())
        values = -model.misfit(copies, code) - nats - constant
        gap, slack = float(truth - values.mean()), 5 * float(values.std()) / REPEATS**0.5
        assert gap >= -slack, f"law 5, bounds: {-gap:.3f} nats above log p"
        assert gap < 5 + slack, f"law 5, bounds: {gap:.3f} nats below log p after training"


def test_the_loss_of_pictures_is_a_bound() -> None:
    check_picture_bound(pictures_of(restoration.PictureVAE))


@pytest.mark.parametrize("kind", [Overstates, Free])
def test_wrong_bounds_of_pictures_are_rejected(kind: type[restoration.PictureVAE]) -> None:
    with pytest.raises(AssertionError, match="above log p"):
        check_picture_bound(pictures_of(kind))
