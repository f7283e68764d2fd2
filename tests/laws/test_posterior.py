"""Law 8, samplers of p(x | y): for normal data, whose posterior is known, its moments are met."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gdmlib.densities import GaussianMixture
from gdmlib.inverse import Matrix, langevin, mixture_posterior, posterior_sample
from gdmlib.latent import NoisedMixture, cosine_schedule, ddpm

from .builders import seeded, tensor
from .laws import fail_unless

LAW = "8, posteriors"
EYE, NOISE, N = torch.eye(2).double(), 0.3, 8000
WORLD = GaussianMixture(tensor(1.0), torch.zeros(1, 2).double(), EYE[None])
CAMERA, Y = Matrix(tensor([0.8, 0.6]), (1, 1, 2)), tensor(0.7)
MODEL = NoisedMixture(WORLD, cosine_schedule(200))
EXACT = mixture_posterior(WORLD, CAMERA, Y, noise=NOISE)


class Prior:
    def log_prob(self, x: Tensor) -> Tensor:
        return WORLD.log_prob(x.flatten(1))


def check_moments(name: str, draw: Callable[[], Tensor]) -> None:
    """Mean and covariance are those of the posterior, up to the error of 8000 draws."""
    x = draw().reshape(-1, 2)
    mean = float((x.mean(dim=0) - EXACT.means[0]).abs().max())
    covariance = float((torch.cov(x.T) - EXACT.covariances[0]).abs().max())
    # Three and a half standard errors of a variance of 1; the steps of a chain are in it.
    bound = 5 / len(x) ** 0.5
    fail_unless(mean < bound, LAW, name, f"the mean is off by {mean:.3f}, at most {bound:.3f}")
    fail_unless(
        covariance < bound,
        LAW,
        name,
        f"the covariance is off by {covariance:.3f}, at most {bound:.3f}",
    )


def guided(**options: object) -> Tensor:
    settings = {"noise": NOISE, "low": 0.0, "high": 1.0, "clip": False, "generator": seeded()}
    return posterior_sample(MODEL, CAMERA, Y, N, **settings | options).image


def walked(**options: object) -> Tensor:
    settings = {"noise": NOISE, "lr": 0.05, "steps": 150, "generator": seeded()}
    return langevin(CAMERA, Y, Prior(), N, **settings | options).image


SAMPLERS: dict[str, Callable[[], Tensor]] = {
    "draws of the exact posterior": lambda: EXACT.sample(N, seeded()),
    "chain of the exact posterior": lambda: ddpm(
        NoisedMixture(EXACT, cosine_schedule(200), variance="small"), N, generator=seeded()
    ),
    "pigdm": guided,
    "langevin": walked,
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_moments_of_the_posterior_are_met(name):
    check_moments(name, SAMPLERS[name])


BROKEN: dict[str, Callable[[], Tensor]] = {
    "pigdm that half believes": lambda: guided(scale=0.5),
    "pigdm that takes the noise for nothing": lambda: guided(noise=1e-3),
    "dps, which is biased": lambda: guided(method="dps"),
    "langevin that stops before it is there": lambda: walked(steps=2),
    "the prior": lambda: WORLD.sample(N, seeded()),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_biased_sampler_is_rejected(name):
    with pytest.raises(AssertionError, match=f"law 8, posteriors: {name}: the (mean|cov)"):
        check_moments(name, BROKEN[name])
