"""Law 5, that the bound of a chain is one, and law 8, Tweedie, with what breaks them."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.densities import GaussianMixture
from gdmlib.latent import (
    Diffusion,
    NoisedMixture,
    Schedule,
    cosine_schedule,
    ddim,
    ddpm,
    linear_schedule,
)
from gdmlib.latent import denoiser as denoiser_module
from gdmlib.nn.timed import TimedMLP

from . import noise
from .builders import normal, randomise, seeded, tensor


def mixture() -> GaussianMixture:
    covariances = tensor(
        [[0.5, 0.2], [0.2, 0.3]], [[0.2, 0.0], [0.0, 0.4]], [[0.3, -0.1], [-0.1, 0.3]]
    )
    return GaussianMixture(tensor(0.5, 0.3, 0.2), tensor([1, 0], [-1, 1], [0, -1.5]), covariances)


def line() -> GaussianMixture:
    return GaussianMixture(tensor(0.3, 0.7), tensor([-1.2], [0.8]), tensor([[0.1]], [[0.3]]))


SHORT = Schedule(torch.linspace(1, 0.3, 7, dtype=torch.float64))


def chain(parameterisation="epsilon", variance="large"):
    network = TimedMLP(1, hidden=(5,), generator=seeded())
    made = Diffusion(network, 1, SHORT, parameterisation, variance=variance)
    # A guess by the noise is far out where the noise is off: the axis must hold it.
    return randomise(made, 1, 0.1 if parameterisation == "epsilon" else 0.3)


HALFWAY = Schedule(torch.linspace(1, 0.3, 30, dtype=torch.float64))
"""It stops where the data can still be seen, and its steps are so small that the gap is, too."""


class NoPrior(NoisedMixture):
    """Forgets how far the last step is from pure noise."""

    def bound(self, *arguments, **options):
        terms = super().bound(*arguments, **options)
        terms[:, -1] = 0
        return terms


class MeansOnly(NoisedMixture):
    """Leaves out what another variance than the posterior's costs."""

    def _step_term(self, x, t, chain, ask, generator):
        found = super()._step_term(x, t, chain, ask, generator)
        if t == 1:
            return found
        ratio = float(chain.posterior(x[:1], x[:1], t)[1] / chain.beta[t])
        return found - 0.5 * (ratio - 1 - math.log(ratio))


@pytest.mark.parametrize("variance", ["large", "small"])
@pytest.mark.parametrize("parameterisation", ["epsilon", "x0", "v"])
def test_the_bound_is_one(parameterisation, variance):
    noise.check_bound("Diffusion", chain(parameterisation, variance))


@pytest.mark.parametrize("schedule", [cosine_schedule(8), HALFWAY], ids=["cosine", "halfway"])
def test_the_bound_of_the_exact_denoiser_is_one(schedule):
    noise.check_bound("NoisedMixture", NoisedMixture(line(), schedule))


def test_with_the_exact_denoiser_and_many_steps_the_bound_is_tight():
    model, x = NoisedMixture(line(), cosine_schedule(200)), line().sample(4000, seeded())
    gap = float((line().log_prob(x) - model.elbo(x, generator=seeded(1))).mean())
    assert abs(gap) < 0.06  # 3 standard errors of 4000 points, and a hundredth


@pytest.mark.parametrize("broken", [NoPrior, MeansOnly])
def test_a_broken_bound_is_rejected(broken):
    with pytest.raises(AssertionError, match="law 5, bounds: broken: at"):
        noise.check_bound("broken", broken(line(), HALFWAY))


@pytest.mark.parametrize("variance", ["large", "small"])
def test_samples_follow_the_chain(variance):
    model = chain("v", variance)
    noise.check_chain_samples("ddpm", model, lambda n: ddpm(model, n, generator=seeded(3)))


def test_with_all_its_noise_ddim_is_the_chain():
    model = chain("v", "small")
    options = {"steps": None, "eta": 1.0, "generator": seeded(3)}
    noise.check_chain_samples("ddim", model, lambda n: ddim(model, n, **options))


def test_a_broken_sampler_is_rejected():
    model = chain("v", "small")
    options = {"steps": None, "eta": 0.0, "generator": seeded(3)}
    with pytest.raises(AssertionError, match="law 2, sampling"):
        noise.check_chain_samples("broken", model, lambda n: ddim(model, n, **options))


class NoShrinking(NoisedMixture):
    """Forgets that the data shrink while noise comes in."""

    def _at(self, bar):
        eye = torch.eye(2).double()
        return GaussianMixture(
            self.mixture.weights, self.mixture.means, self.mixture.covariances + (1 - bar) * eye
        )


class NearestMean(NoisedMixture):
    """Takes the most probable component instead of weighing all."""

    def _posterior_mean(self, x, signal, variance):
        away = torch.cdist(x, signal * self.mixture.means)
        return self.mixture.means[away.argmin(dim=1)]


class WrongScore(NoisedMixture):
    """Takes the noise for the score."""

    def score_function(self, x, t, labels=None, guidance=1.0):
        return -self.noise(x, t)


SCHEDULES = [linear_schedule(5), cosine_schedule(5)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["linear", "cosine"])
def test_tweedie(schedule):
    noise.check_tweedie("NoisedMixture", NoisedMixture(mixture(), schedule), normal(20, 2))
    noise.check_tweedie("NoisedMixture, 1-D", NoisedMixture(line(), schedule), normal(20, 1))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["linear", "cosine"])
def test_the_marginal_at_every_step(schedule):
    noise.check_marginals("NoisedMixture", NoisedMixture(mixture(), schedule), normal(12, 2))


@pytest.mark.parametrize("broken", [NoShrinking, NearestMean, WrongScore])
def test_a_broken_world_fails_tweedie(broken):
    with pytest.raises(AssertionError, match="law 8, operators: broken: t = "):
        noise.check_tweedie("broken", broken(mixture(), SCHEDULES[0]), normal(20, 2))


def test_a_broken_world_fails_the_marginals():
    with pytest.raises(AssertionError, match="law 8, operators: broken: t = 1: log q_t"):
        noise.check_marginals("broken", NoShrinking(mixture(), SCHEDULES[0]), normal(12, 2))


def test_levels_have_probabilities():
    levels = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    for mean in (-3.0, -0.2, 0.9, 40.0):
        log_prob = denoiser_module._level_log_prob(levels, tensor([mean]).expand(5, 1), 0.3, 5)
        assert abs(float(log_prob.exp().sum()) - 1) < 1e-12 and bool(log_prob.isfinite().all())
