"""What the laws ask of the models of binary pixels: broken ones, closed forms, completion."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from gdmlib.autoregressive import FVSBN, BernoulliMixture

from . import laws
from .builders import randomise
from .derivatives import check_gradients
from .domains import binary
from .registry import BY_NAME
from .registry_autoregressive import EVERY_ORDERING, fvsbn, made, mixture

EVENTS = binary(4).points


@pytest.mark.parametrize("mask", range(6))
def test_each_ordering_of_a_made_sums_to_one(mask):
    model = made(shape=3, orderings=EVERY_ORDERING)
    total = model.log_prob_each(binary(3).points).exp().sum(dim=0).detach()
    assert float(total[mask]) == pytest.approx(1, abs=1e-12)


# --- Broken models


class WithoutTheZeros(FVSBN):
    """Counts only the pixels that are 1."""

    def log_prob(self, x):
        return (torch.nn.functional.logsigmoid(self.logits(x)) * x).sum(dim=1)


class AverageOfLogs(BernoulliMixture):
    """Averages log-probabilities where probabilities are meant."""

    def log_prob(self, x):
        return (self.responsibilities(x) * self.log_joint(x)).sum(dim=1)


class Upside(FVSBN):
    """Draws a 1 where the logit is small."""

    def _ancestral(self, t):
        return 1 - super()._ancestral(t)


class WrongBackward(FVSBN):
    """Stops the gradient of the biases."""

    def _logits(self, z):
        return z @ self.weight.tril(-1).T + self.bias.detach()


class ByProbability(FVSBN):
    """Takes the logarithm of a probability that has been rounded."""

    def log_prob(self, x):
        p = torch.sigmoid(self.logits(x))
        return torch.where(x == 1, p, 1 - p).log().sum(dim=1)


def sharp():
    model = randomise(ByProbability(4), 0, 1.0)
    with torch.no_grad():
        model.bias += 10
    return model


@pytest.mark.parametrize(
    ("law", "name", "build", "what"),
    [
        (laws.check_normalised, "FVSBN", lambda: randomise(WithoutTheZeros(4), 0, 1.0), "1, norm"),
        (
            laws.check_normalised,
            "BernoulliMixture",
            lambda: AverageOfLogs(mixture().weights, mixture().probs),
            "1, norm",
        ),
        (laws.check_samples, "FVSBN", lambda: randomise(Upside(4), 0, 1.0), "2, sampling"),
        (
            check_gradients,
            "FVSBN",
            lambda: randomise(WrongBackward(4), 0, 1.0),
            "10, engineering",
        ),
        (laws.check_float32, "FVSBN", sharp, "10, engineering"),
    ],
)
def test_a_broken_model_is_rejected(law, name, build, what):
    with pytest.raises(AssertionError, match=f"law {what}"):
        law(replace(BY_NAME[name], build=build))


# --- Law 9: closed forms


def joint_table(x):
    """Return how often each event of ``binary(2)`` occurs in x, (4,)."""
    return torch.stack([(x == event).all(dim=1).double().mean() for event in binary(2).points])


@pytest.mark.parametrize("ordering", [[0, 1], [1, 0]])
def test_two_pixels_recover_the_joint_table(ordering):
    # Two pixels: one bias, and a bias and a weight; 3 numbers, as many as the table has.
    x = binary(2).points.repeat_interleave(torch.tensor([5, 11, 7, 3]), dim=0)
    model = FVSBN.fit(x, 0.0, ordering=ordering, tolerance=0.0)
    found = model.log_prob(binary(2).points).exp()
    assert torch.allclose(found, joint_table(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("l2", [0.0, 0.7])
def test_fit_solves_the_score_equations(l2):
    x = fvsbn().sample(2000, torch.Generator().manual_seed(0))
    model = FVSBN.fit(x, l2, ordering=[3, 1, 0, 2], tolerance=0.0)
    z = x[:, model.ordering]
    residual = (z - torch.sigmoid(model.logits(x)[:, model.ordering])).detach()
    slopes = (residual.T @ z - l2 * model.weight.detach()).tril(-1)
    assert float(residual.sum(dim=0).abs().max()) < 1e-6
    assert float(slopes.abs().max()) < 1e-6


def test_em_never_falls():
    x = mixture(1).sample(300, torch.Generator().manual_seed(0))
    laws.check_em_never_falls(mixture(), lambda model, x: model.em_step(x), x)


def test_em_that_forgets_a_component_is_rejected():
    def step(model, x):
        model.em_step(x)
        model.weights.fill_(1 / 3)
        model.log_odds[0] = 2

    x = mixture(1).sample(300, torch.Generator().manual_seed(0))
    with pytest.raises(AssertionError, match="law 9, closed forms"):
        laws.check_em_never_falls(mixture(), step, x)


def test_one_component_is_the_mean():
    x = mixture().sample(300, torch.Generator().manual_seed(0))
    model = BernoulliMixture.fit(x, components=1, smoothing=0.0)
    assert torch.allclose(model.probs[0], x.mean(dim=0), rtol=0, atol=1e-12)
    smoothed = BernoulliMixture.fit(x, components=1, smoothing=1.0)
    assert torch.allclose(smoothed.probs[0], (x.sum(dim=0) + 1) / 302, rtol=0, atol=1e-12)


# --- Completion is a draw from p(unknown | known)

COMPLETERS = {
    "FVSBN": lambda: fvsbn(),
    "FVSBN, ordering": lambda: fvsbn(ordering=[1, 0, 3, 2]),
    "NADE": lambda: BY_NAME["NADE"].build(),
    "MADE": lambda: made(),
    "MADE, several": lambda: made(orderings=[[0, 1, 2, 3], [1, 0, 3, 2], [0, 1, 3, 2]]),
    "BernoulliMixture": lambda: mixture(),
}


@pytest.mark.parametrize("name", COMPLETERS)
def test_completion_has_the_conditional_distribution(name):
    # Pixels 0 and 1 are known, and every ordering above visits them first.
    model, known = COMPLETERS[name](), torch.tensor([True, True, False, False])
    n = 20_000
    for first, second in product((0.0, 1.0), repeat=2):
        given = torch.tensor([first, second, 1.0, 0.0]).double()
        drawn = model.complete(given.expand(n, 4), known, torch.Generator().manual_seed(0))
        assert bool((drawn[:, :2] == given[:2]).all())
        rest = binary(2).points
        p = model.log_prob(torch.cat([given[:2].expand(4, 2), rest], dim=1)).exp().detach()
        p = p / p.sum()
        worst = ((joint_table(drawn[:, 2:]) - p).abs() / (p * (1 - p) / n).sqrt()).max()
        assert float(worst) < 5.5  # standard errors; 96 of these are alarmed by chance in 3e-6


def test_completion_with_all_known_or_none():
    for build in COMPLETERS.values():
        model = build()
        everything = model.complete(EVENTS, torch.ones(4, dtype=torch.bool))
        assert torch.equal(everything, EVENTS)
        nothing = torch.zeros(16, 4, dtype=torch.bool)
        a = model.complete(EVENTS, nothing, torch.Generator().manual_seed(0))
        b = model.complete(1 - EVENTS, nothing, torch.Generator().manual_seed(0))
        assert torch.equal(a, b)
