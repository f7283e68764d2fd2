"""Law 9: what the textbook derives, the code returns."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge

from gdmlib.densities import (
    Categorical,
    GaussianMixture,
    LogisticRegression,
    MultinomialLogisticRegression,
    MultivariateNormal,
    Normal,
    multinomial_log_prob,
)
from gdmlib.latent import LinearAutoencoder

from . import laws
from .builders import seeded, tensor
from .registry import BY_NAME, having
from .registry_densities import mixture

REJECTED = "law 9, closed forms"


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return torch.as_tensor(x), torch.as_tensor(y)


def clouds():
    return mixture().sample(300, torch.Generator().manual_seed(0))


# --- Gaussians


def test_gaussian_maximum(iris):
    laws.check_gaussian_maximum(MultivariateNormal.fit(iris[0]), iris[0])
    laws.check_gaussian_maximum(Normal.fit(iris[0][:, 0]), iris[0][:, 0])
    one = GaussianMixture.fit(iris[0], components=1, ridge=0.0)
    laws.check_gaussian_maximum(one, iris[0])


def test_unbiased_covariance_is_no_maximum(iris):
    with pytest.raises(AssertionError, match=REJECTED):
        model = MultivariateNormal(iris[0].mean(dim=0), torch.cov(iris[0].T))
        laws.check_gaussian_maximum(model, iris[0])


def ridge(x, y, lam):
    return torch.as_tensor(Ridge(alpha=lam, fit_intercept=False).fit(x.numpy(), y.numpy()).coef_)


def conditional_mean(joint, index, values):
    joint = MultivariateNormal(torch.zeros(len(joint)).double(), joint)
    return joint.conditional(index, values).mean


def test_ridge_is_the_gaussian_map():
    laws.check_ridge_is_map(ridge, conditional_mean)


def test_ridge_with_the_ratio_upside_down_is_rejected():
    with pytest.raises(AssertionError, match=REJECTED):
        laws.check_ridge_is_map(lambda x, y, lam: ridge(x, y, 1 / lam), conditional_mean)


# --- Logistic regression


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_logistic_optimum(iris, l2):
    x, y = iris[0][50:], iris[1][50:] - 1
    laws.check_stationary(LogisticRegression.fit(x, y, l2=l2), x, y, l2)


def test_multinomial_logistic_optimum(iris):
    x, y = iris
    laws.check_stationary(MultinomialLogisticRegression.fit(x, y, l2=0.3), x, y, 0.3)
    # Sepals alone overlap enough for the maximum to exist without a penalty once setosa is mixed.
    y = torch.where(torch.arange(150) % 7 == 0, (y + 1) % 3, y)
    laws.check_stationary(MultinomialLogisticRegression.fit(x, y), x, y)


def test_an_optimum_of_another_penalty_is_rejected(iris):
    x, y = iris[0][50:], iris[1][50:] - 1
    model = LogisticRegression.fit(x, y, l2=0.3)
    with pytest.raises(AssertionError, match=REJECTED):
        laws.check_stationary(model, x, y, 0.31)
    with torch.no_grad():
        model.bias += 1e-6
    with pytest.raises(AssertionError, match=REJECTED):
        laws.check_stationary(model, x, y, 0.3)


# --- Principal components


def test_linear_autoencoder_is_pca(iris):
    for latent in (1, 2, 3):
        laws.check_principal_subspace(LinearAutoencoder.fit(iris[0], latent=latent), iris[0])


def test_a_trained_linear_autoencoder_comes_to_pca(iris):
    model = LinearAutoencoder(4, latent=2, generator=seeded()).double()
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=500, tolerance_grad=1e-9, tolerance_change=0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = model.loss(iris[0])
        loss.backward()
        return loss

    optimizer.step(closure)
    laws.check_principal_subspace(model, iris[0])


def test_components_about_zero_are_rejected(iris):
    model = LinearAutoencoder.fit(torch.cat([iris[0], -iris[0]]), latent=2)  # their mean is 0
    with pytest.raises(AssertionError, match=f"{REJECTED}.*principal angle"):
        laws.check_principal_subspace(model, iris[0])


def test_codes_that_are_too_small_are_rejected(iris):
    model = LinearAutoencoder.fit(iris[0], latent=2)
    with torch.no_grad():  # the right span, and codes that are too small
        model.encoder[1].weight.mul_(0.99)
    with pytest.raises(AssertionError, match=f"{REJECTED}.*squared error"):
        laws.check_principal_subspace(model, iris[0])


# --- EM


def test_em_never_falls():
    x = clouds()
    start = GaussianMixture(tensor(0.5, 0.5), x[:2], torch.eye(2).double().expand(2, 2, 2))
    laws.check_em_never_falls(start, lambda model, x: model.em_step(x), x)


def test_em_that_forgets_to_divide_is_rejected():
    def step(model, x):
        model.em_step(x)
        model.scale_trils *= 0.9

    with pytest.raises(AssertionError, match=REJECTED):
        laws.check_em_never_falls(mixture(), step, clouds())


def test_history_never_rises():
    history = GaussianMixture.fit(clouds(), components=3, ridge=0.0, init="random").history
    assert all(b <= a + 1e-12 for a, b in pairwise(history))


# --- Divergence and entropy

WITH_KL = having("kl")
WITH_ENTROPY = having("entropy")


@pytest.mark.parametrize("case", WITH_KL, ids=str)
def test_kl_is_its_sum(case):
    laws.check_kl(case)


@pytest.mark.parametrize("case", WITH_ENTROPY, ids=str)
def test_entropy_is_its_sum(case):
    laws.check_entropy(case)


def test_both_laws_run_on_the_closed_forms():
    names = {type(case.build()).__name__ for case in WITH_KL}
    assert names == {"Normal", "MultivariateNormal", "Categorical"}
    assert WITH_ENTROPY == WITH_KL


class WrongConstant(Normal):
    """Forgets the -1 in the divergence, and the 1 in the entropy."""

    def kl(self, other):
        return super().kl(other) + 0.5

    def entropy(self):
        return super().entropy() - 0.5


class OtherWayRound(Categorical):
    """KL(q || p) where KL(p || q) is meant."""

    def kl(self, other):
        return other.kl(self)


class OnlyAtItself(Normal):
    """Correct on other densities, not on itself."""

    def kl(self, other):
        return super().kl(other) + (0.1 if other is self else 0.0)


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("Normal", lambda: WrongConstant(*tensor(0.5, 1.5))),
        ("Normal", lambda: OnlyAtItself(*tensor(0.5, 1.5))),
        ("Categorical", lambda: OtherWayRound(tensor(0.1, 0.2, 0.4, 0.3))),
    ],
)
def test_a_wrong_divergence_is_rejected(name, build):
    with pytest.raises(AssertionError, match=REJECTED):
        laws.check_kl(replace(BY_NAME[name], build=build))


def test_a_wrong_entropy_is_rejected():
    with pytest.raises(AssertionError, match=REJECTED):
        laws.check_entropy(
            replace(BY_NAME["Normal"], build=lambda: WrongConstant(*tensor(0.5, 1.5)))
        )


# --- Counts


def test_multinomial_sums_to_one():
    laws.check_multinomial(multinomial_log_prob)


def test_a_multinomial_without_its_coefficient_is_rejected():
    with pytest.raises(AssertionError, match=REJECTED):
        laws.check_multinomial(lambda counts, probs: torch.xlogy(counts, probs).sum(dim=1))


def test_two_outcomes_are_the_binomial():
    found = multinomial_log_prob(torch.tensor([3, 7]), tensor(0.4, 0.6))
    expected = math.log(math.comb(10, 3) * 0.4**3 * 0.6**7)
    assert float(found) == pytest.approx(expected, abs=1e-12)
