"""Posterior samples: what is exact, and how far off the rest is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib.densities import GaussianMixture, MultivariateNormal
from gdmlib.inverse import (
    ConvDenoiser,
    DenoiserDiffusion,
    FlowDenoiser,
    Matrix,
    langevin,
    mixture_posterior,
    posterior_sample,
)
from gdmlib.latent import FlowMatching, NoisedMixture, cosine_schedule, ddpm, geometric_schedule


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tensor(*values):
    return torch.tensor(values).double()


SCHEDULE = cosine_schedule(100)
A = tensor([0.8, 0.6])
Y = tensor(0.3)
EYE = torch.eye(2).double()


def operator(a=A):
    return Matrix(a, (1, 1, 2))


def nine():
    """Return a grid of nine clusters."""
    places = tensor(*[[i, j] for i in (-1.0, 0, 1) for j in (-1.0, 0, 1)])
    return GaussianMixture(torch.full((9,), 1 / 9).double(), places, (0.02 * EYE).repeat(9, 1, 1))


def moments(mixture):
    mean = mixture.weights @ mixture.means
    each = mixture.covariances + mixture.means[:, :, None] * mixture.means[:, None]
    return mean, (mixture.weights[:, None, None] * each).sum(dim=0) - mean[:, None] * mean


def test_the_posterior_of_a_mixture_is_bayes_rule():
    prior, noise = nine(), 0.2
    post = mixture_posterior(prior, operator(), Y, noise=noise)
    x = torch.randn(50, 2, generator=seeded()).double()
    likelihood = -(((x @ A.T)[:, 0] - Y[0]) ** 2) / (2 * noise**2)
    ratio = post.log_prob(x) - prior.log_prob(x) - likelihood
    torch.testing.assert_close(ratio, ratio[:1].expand(50))


def test_the_posterior_of_one_gaussian_is_the_conditional_of_the_joint():
    prior = MultivariateNormal(tensor(1.0, 2.0), tensor([1, 0.5], [0.5, 2]))
    one = GaussianMixture(tensor(1.0), prior.mean[None], prior.covariance[None])
    a = tensor([1.0, -0.4], [0.3, 2.0])
    y = tensor(0.2, 1.0)
    post = mixture_posterior(one, operator(a), y, noise=0.3)
    cross = prior.covariance @ a.T
    joint = torch.cat(
        [
            torch.cat([prior.covariance, cross], dim=1),
            torch.cat([cross.T, a @ cross + 0.09 * EYE], dim=1),
        ]
    )
    expected = MultivariateNormal(torch.cat([prior.mean, a @ prior.mean]), joint).conditional(
        [2, 3], y
    )
    torch.testing.assert_close(post.means[0], expected.mean)
    torch.testing.assert_close(post.covariances[0], expected.covariance)


def test_pigdm_is_exact_for_standard_normal_data():
    """Its guess of p(x0 | xt), normal with variance 1 - ᾱ, is then the truth."""
    prior = GaussianMixture(tensor(1.0), torch.zeros(1, 2).double(), EYE[None])
    model = NoisedMixture(prior, cosine_schedule(300))
    found = posterior_sample(
        model, operator(), Y, 4000, noise=0.3, low=0.0, high=1.0, clip=False, generator=seeded()
    ).image.reshape(-1, 2)
    mean, covariance = moments(mixture_posterior(prior, operator(), Y, noise=0.3))
    torch.testing.assert_close(found.mean(dim=0), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(torch.cov(found.T), covariance, atol=0.06, rtol=0)


def test_the_bias_of_the_samplers_on_a_mixture():
    """The chain of the exact posterior has none but its steps'; the two guesses have, see docs."""
    prior, noise = nine(), 0.1
    post = mixture_posterior(prior, operator(), Y, noise=noise)
    mean, covariance = moments(post)
    model = NoisedMixture(prior, SCHEDULE)

    def off(x):
        x = x.reshape(-1, 2)
        return float((x.mean(0) - mean).norm()), float(torch.cov(x.T).trace() / covariance.trace())

    options = {"noise": noise, "low": 0.0, "high": 1.0, "clip": False, "generator": seeded()}
    exact = off(ddpm(NoisedMixture(post, SCHEDULE, variance="small"), 2000, generator=seeded()))
    found = {
        method: off(
            posterior_sample(model, operator(), Y, 2000, method=method, scale=s, **options).image
        )
        for method, s in (("pigdm", 1.0), ("dps", 0.3))
    }
    assert exact[0] < 0.06
    assert 0.9 < exact[1] < 1.1
    assert all(0.06 < shift < 1.0 for shift, _ in found.values())
    assert not 0.95 < found["dps"][1] < 1.05


@pytest.mark.parametrize("method", ["dps", "pigdm"])
def test_samples_agree_with_the_measurement_and_have_its_shape(method):
    model = NoisedMixture(nine(), SCHEDULE)
    y = torch.rand(2, 3, 1, generator=seeded()).double()
    found = posterior_sample(
        model, operator(), y, 5, noise=0.02, method=method,
        scale={"pigdm": 1.0, "dps": 0.2}[method], low=0.0, high=1.0, clip=False,
        keep=[100], generator=seeded(),
    )  # fmt: skip
    assert found.image.shape == (5, 2, 3, 1, 1, 2)
    assert found.frames[0].shape == found.image.shape
    assert found.history[0]["missed"].shape == (5, 2, 3)
    away = (operator()(found.image) - y).square().mean().sqrt()
    assert float(away) < {"pigdm": 0.15, "dps": 0.4}[method]
    assert float(found.history[-1]["missed"].mean()) < 0.8 * float(
        found.history[0]["missed"].mean()
    )


def test_black_and_white_may_be_any_numbers():
    """A model of -1 to 1 and one of 0 to 1 draw the same pictures of the same noise."""
    a = NoisedMixture(nine(), SCHEDULE)
    options = {"steps": 10, "clip": False}
    one = posterior_sample(
        a, operator(), Y, 3, noise=0.1, low=0.0, high=1.0, generator=seeded(), **options
    )
    two = posterior_sample(  # x = (z + 1) / 2
        a, operator(), (Y + float(A.sum())) / 2, 3, noise=0.05, generator=seeded(), **options
    )
    torch.testing.assert_close(two.image, (one.image + 1) / 2)


def test_steps_without_new_noise_are_a_function_of_the_first():
    model = NoisedMixture(nine(), SCHEDULE)
    settings = {"noise": 0.1, "low": 0.0, "high": 1.0, "clip": False}
    a, b = (
        posterior_sample(model, operator(), Y, 2, eta=0.0, generator=seeded(), **settings).image
        for _ in range(2)
    )
    assert torch.equal(a, b)
    c = posterior_sample(model, operator(), Y, 2, eta=1.0, generator=seeded(), **settings).image
    assert not torch.equal(a, c)


def test_a_walk_that_diverges_says_so():
    model = NoisedMixture(nine(), SCHEDULE)
    with pytest.raises(FloatingPointError, match="the walk diverged in step"):
        posterior_sample(
            model, operator(), Y, 2, noise=0.1, method="pigdm", scale=1e200, clip=False
        )


class Field(nn.Module):
    """The velocity of standard normal data, by hand."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x, time):
        u = time.to(x)[:, None] * self.one
        return (2 * u - 1) / (u**2 + (1 - u) ** 2) * x


def test_a_flow_is_a_denoiser():
    flow = FlowMatching(Field(), 2).double()
    prior = GaussianMixture(tensor(1.0), torch.zeros(1, 2).double(), EYE[None])
    x = torch.randn(4, 2, generator=seeded()).double()
    known, found = NoisedMixture(prior, SCHEDULE), FlowDenoiser(flow, SCHEDULE)
    t = torch.tensor([1, 30, 70, 100])
    torch.testing.assert_close(found.denoise(x, t), known.denoise(x, t))
    with pytest.raises(ValueError, match="flow: expected a FlowMatching"):
        FlowDenoiser(nn.Linear(2, 2), SCHEDULE)


def test_a_denoiser_is_a_diffusion():
    """At step t it takes away the noise of t; without biases, of any strength, by homogeneity."""
    network = ConvDenoiser(features=(2, 3), blocks=1, generator=seeded())
    for p in network.parameters():
        p.requires_grad_(False).add_(0.1 * torch.randn(p.shape, generator=seeded()))
    schedule = geometric_schedule(3, low=0.2, high=20.0)
    model = DenoiserDiffusion(network, (1, 8, 8), schedule)
    x = torch.rand(3, 1, 8, 8, generator=seeded(1))
    noise = torch.randn(x.shape, generator=seeded(2))
    t = torch.tensor([1, 2, 3])
    z = schedule.forward(2 * x - 1, t, noise)
    levels = torch.tensor([0.1, 1.0, 10.0])
    expected = network.denoise(x + levels.view(3, 1, 1, 1) * noise, levels)
    torch.testing.assert_close((model.denoise(z, t) + 1) / 2, expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="network: expected a ConvDenoiser"):
        DenoiserDiffusion(nn.Linear(2, 2), (1, 8, 8), schedule)
    with pytest.raises(ValueError, match="event_shape: expected 1 channels"):
        DenoiserDiffusion(network, (3, 8, 8), schedule)


MODEL = NoisedMixture(nine(), SCHEDULE)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"method": "guess"}, "method: expected one of"),
        ({"noise": -0.1}, "noise: expected a finite number"),
        ({"scale": float("inf")}, "scale: expected a finite number"),
        ({"eta": 1.5}, "eta: expected a number from 0 to 1"),
        ({"low": 1.0}, "low, high: expected low < high"),
        ({"n": 0}, "n: expected at least 1"),
        ({"steps": 1000}, "steps: expected at most 100"),
        ({"model": nine()}, "model: expected a Diffusion"),
        ({"y": tensor(0.1, 0.2)}, "y: expected shape"),
        (
            {"operator": Matrix(torch.ones(1, 3).double(), (1, 1, 3))},
            r"operator: expected events of .*2,",
        ),
    ],
)
def test_bad_input_is_refused(change, match):
    settings = {"model": MODEL, "operator": operator(), "y": Y, "noise": 0.1} | change
    with pytest.raises(ValueError, match=match):
        posterior_sample(**settings)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"noise": 0.0}, "noise: expected a positive number"),
        ({"y": tensor(0.1, 0.2)}, "y: expected shape"),
        (
            {"operator": Matrix(torch.ones(1, 3).double(), (1, 1, 3))},
            r"operator: expected events of .*2,",
        ),
    ],
)
def test_a_posterior_refuses_bad_input(change, match):
    settings = {"mixture": nine(), "operator": operator(), "y": Y, "noise": 0.1} | change
    with pytest.raises(ValueError, match=match):
        mixture_posterior(**settings)


# --- Langevin ---


class Normal:
    inner = MultivariateNormal(tensor(1.0, 2.0), tensor([1, 0.5], [0.5, 2]))

    def log_prob(self, x):
        return self.inner.log_prob(x.flatten(1))


def test_langevin_samples_the_posterior_of_a_normal():
    prior = Normal.inner
    one = GaussianMixture(tensor(1.0), prior.mean[None], prior.covariance[None])
    mean, covariance = moments(mixture_posterior(one, operator(), Y, noise=0.5))
    found = langevin(
        operator(), Y, Normal(), 3000, noise=0.5, lr=0.1, steps=150, generator=seeded()
    )
    x = found.image.reshape(-1, 2)
    assert found.image.shape == (3000, 1, 1, 2)
    torch.testing.assert_close(x.mean(dim=0), mean, atol=0.1, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), covariance, atol=0.15, rtol=0)
    assert 0.5 < found.history[-1]["taken"] < 1


class Score:
    """The same without a density: every step is taken, and long ones spread too far."""

    def gradient(self, x):
        away = x.flatten(1) - Normal.inner.mean
        return -torch.linalg.solve(Normal.inner.covariance, away.T).T.reshape(x.shape)


def test_without_a_density_short_steps_are_nearly_right_and_long_ones_are_not():
    settings = {"noise": 0.5, "steps": 300}
    prior = Normal.inner
    one = GaussianMixture(tensor(1.0), prior.mean[None], prior.covariance[None])
    _, covariance = moments(mixture_posterior(one, operator(), Y, noise=0.5))

    def ratio(lr):
        x = langevin(operator(), Y, Score(), 6000, lr=lr, generator=seeded(), **settings)
        assert {entry["taken"] for entry in x.history} == {1.0}
        along = (x.image.reshape(-1, 2) @ A.T).var()
        return float(along / (A @ covariance @ A.T))

    assert 0.9 < ratio(0.01) < 1.1
    assert ratio(0.35) > 1.5


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"noise": 0.0}, ValueError, "noise: expected a positive number"),
        ({"lr": -1.0}, ValueError, "lr: expected a positive number"),
        ({"steps": 0}, ValueError, "steps: expected at least 1"),
        ({"n": 0}, ValueError, "n: expected at least 1"),
        ({"prior": Score(), "lr": 1e160}, FloatingPointError, "take an lr below 1e"),
        ({"lr": 1e30, "steps": 20}, FloatingPointError, "none of 20 steps was taken"),
    ],
)
def test_langevin_refuses_bad_input(change, error, match):
    settings = {"operator": operator(), "y": Y, "prior": Normal(), "noise": 0.5, "lr": 0.1} | change
    with pytest.raises(error, match=match):
        langevin(**settings)
