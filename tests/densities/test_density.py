"""What every density shares."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch

from gdmlib import densities
from gdmlib.autoregressive import BernoulliMixture
from gdmlib.densities.density import ConditionalDensity, Density


def seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


X = torch.randn(60, 2, generator=seed())
Y = (X[:, 0] + torch.randn(60, generator=seed()) > 0).long()

# Each fits a model to real numbers x and labels y, with sizes of the type ``size``.
FITS = {
    "Normal": lambda x, y, size: densities.Normal.fit(x[:, 0]),
    "MultivariateNormal": lambda x, y, size: densities.MultivariateNormal.fit(x),
    "Categorical": lambda x, y, size: densities.Categorical.fit(y, num_classes=size(2)),
    "GaussianMixture": lambda x, y, size: densities.GaussianMixture.fit(
        x, components=size(2), n_iter=size(3), generator=seed()
    ),
    "GaussianScaleMixture": lambda x, y, size: densities.GaussianScaleMixture.fit(
        x, scales=size(2), n_iter=size(3)
    ),
    "ClassConditional": lambda x, y, size: densities.ClassConditional.fit(x, y),
    "LogisticRegression": lambda x, y, size: densities.LogisticRegression.fit(x, y),
    "MultinomialLogisticRegression": lambda x, y, size: densities.MultinomialLogisticRegression.fit(
        x, y, num_classes=size(2)
    ),
    "BernoulliMixture": lambda x, y, size: BernoulliMixture.fit(
        (x > 0) + 0 * x, components=size(2), n_iter=size(3), patience=size(2), generator=seed()
    ),
}


def assert_same(found: torch.nn.Module, expected: torch.nn.Module) -> None:
    wanted = expected.state_dict()
    assert wanted.keys() == found.state_dict().keys()
    for name, value in found.state_dict().items():
        assert torch.equal(value, wanted[name]), name


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_fit_is_the_same_in_every_dress_of_its_data(fit):
    plain = fit(X, Y, int)
    assert isinstance(plain, (Density, ConditionalDensity))
    carrying = fit(X.clone().requires_grad_() * 1.0, Y, int)
    assert not any(t.requires_grad for t in carrying.buffers())
    assert_same(copy.deepcopy(carrying), plain)
    with torch.no_grad():
        assert_same(fit(X, Y, int), plain)
    assert_same(fit(X, Y, np.int64), plain)
    for dtype in (torch.bool, torch.uint8, torch.int32):
        assert_same(fit(X, Y.to(dtype), int), plain)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_fit_keeps_nothing_of_its_data(fit):
    x, y = X.clone(), Y.clone()
    model = fit(x, y, int)
    before = copy.deepcopy(model)
    x.fill_(7)
    y.fill_(0)
    assert_same(model, before)


HALF, TWO, EYE = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 2.0]), torch.eye(2)
BUILDS = {
    "Normal": (densities.Normal, torch.tensor(0.0), torch.tensor(1.0)),
    "MultivariateNormal": (densities.MultivariateNormal, TWO, EYE),
    "MultivariateNormal, factor": (
        lambda mean, factor: densities.MultivariateNormal(mean, scale_tril=factor),
        TWO,
        EYE,
    ),
    "Categorical": (densities.Categorical, HALF),
    "Categorical, logits": (lambda logits: densities.Categorical(logits=logits), TWO),
    "GaussianMixture": (densities.GaussianMixture, HALF, EYE, torch.stack([EYE, EYE])),
    "GaussianScaleMixture": (densities.GaussianScaleMixture, HALF, TWO, EYE, TWO),
    "DiscretisedLogisticMixture": (densities.DiscretisedLogisticMixture, HALF, TWO, TWO),
    "ClassConditional": (
        lambda prior: densities.ClassConditional([densities.Normal(0.0, 1.0)] * 2, prior),
        HALF,
    ),
    "LogisticRegression": (densities.LogisticRegression, TWO, torch.tensor(0.0)),
    "MultinomialLogisticRegression": (densities.MultinomialLogisticRegression, EYE, TWO),
    "BernoulliMixture": (BernoulliMixture, HALF, torch.full((2, 3), 0.3)),
}


@pytest.mark.parametrize("case", BUILDS.values(), ids=BUILDS)
def test_a_model_shares_no_memory_with_what_it_is_given(case):
    build, *given = case
    given = [x.clone() for x in given]
    model = build(*given)
    before = copy.deepcopy(model)
    for x in given:
        x.fill_(0.25)
    assert_same(model, before)


def test_a_class_of_data_with_a_graph_is_fitted_by_any_function():
    x = X.clone().requires_grad_()
    fit = partial(densities.GaussianMixture.fit, components=1)
    model = densities.ClassConditional.fit(x, Y, density=fit)
    assert not model.sample(3, seed()).requires_grad


def test_printed_models_say_what_they_are():
    two, three = torch.zeros(2), torch.eye(2).expand(3, 2, 2)
    third = torch.full((3,), 1 / 3)
    assert repr(densities.Normal(0.123456, 2.0)) == "Normal(mean=0.1235, std=2)"
    assert repr(densities.MultivariateNormal(two, torch.eye(2))) == (
        "MultivariateNormal(dimensions=2)"
    )
    assert repr(densities.Categorical(third)) == "Categorical(outcomes=3)"
    mixture = densities.GaussianMixture(third, torch.zeros(3, 2), three)
    assert repr(mixture) == "GaussianMixture(components=3, dimensions=2)"
    assert repr(densities.LogisticRegression(two, torch.tensor(0.0))) == (
        "LogisticRegression(inputs=2)"
    )
    multinomial = densities.MultinomialLogisticRegression(torch.zeros(3, 2), torch.zeros(3))
    assert repr(multinomial) == "MultinomialLogisticRegression(inputs=2, classes=3)"
