"""ClassConditional."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from gdmlib.densities import Categorical, ClassConditional, MultivariateNormal, Normal

PRIOR = torch.tensor([0.25, 0.75])


def model() -> ClassConditional:
    return ClassConditional([Normal(-1.0, 0.5), Normal(2.0, 1.0)], PRIOR)


def test_bayes_rule():
    x = torch.linspace(-2, 3, 11)
    joint = torch.stack([Normal(-1.0, 0.5).log_prob(x), Normal(2.0, 1.0).log_prob(x)], dim=1)
    joint = joint.exp() * PRIOR
    torch.testing.assert_close(model().log_joint(x).exp(), joint)
    torch.testing.assert_close(model().log_prob(x).exp(), joint.sum(dim=1))
    posterior = joint / joint.sum(dim=1, keepdim=True)
    torch.testing.assert_close(model().posterior(x), posterior)
    assert torch.equal(model().predict(x), posterior.argmax(dim=1))


def test_far_from_all_classes_the_posterior_is_still_a_probability():
    posterior = model().posterior(torch.tensor([1e10, -1e10]))
    torch.testing.assert_close(posterior, torch.tensor([[0.0, 1.0], [0.0, 1.0]]))


def test_agrees_with_scikit_learn():
    x, y = load_iris(return_X_y=True)
    ours = ClassConditional.fit(torch.as_tensor(x), torch.as_tensor(y))
    theirs = QuadraticDiscriminantAnalysis().fit(x, y)
    assert torch.equal(ours.predict(torch.as_tensor(x)), torch.as_tensor(theirs.predict(x)))
    np.testing.assert_allclose(ours.prior, theirs.priors_)
    assert ours.prior.dtype == torch.float64


def test_fit():
    x = torch.tensor([0.0, 1.0, 10.0, 12.0, 14.0])
    ours = ClassConditional.fit(x, torch.tensor([0, 0, 1, 1, 1]), density=Normal.fit)
    torch.testing.assert_close(ours.prior, torch.tensor([0.4, 0.6]))
    assert [float(density.mean) for density in ours.densities] == [0.5, 12.0]
    assert ours.event_shape == torch.Size(())
    assert ours.prior.dtype == torch.float32


def test_fit_with_options_and_one_class():
    x, y = torch.eye(3), torch.zeros(3).long()
    ours = ClassConditional.fit(x, y, density=partial(MultivariateNormal.fit, ridge=0.1))
    torch.testing.assert_close(ours.log_prob(x), MultivariateNormal.fit(x, ridge=0.1).log_prob(x))


def test_fit_of_discrete_events():
    x, y = torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 1, 1])
    ours = ClassConditional.fit(x, y, density=partial(Categorical.fit, num_classes=3))
    torch.testing.assert_close(ours.log_prob(torch.tensor([1])).exp(), torch.tensor([0.5]))
    assert ours.prior.dtype == torch.get_default_dtype()
    assert ours.sample(5).dtype == torch.int64


def test_sample_joint():
    x, y = model().sample_joint(2000, torch.Generator().manual_seed(0))
    assert x.shape == y.shape == (2000,)
    assert y.dtype == torch.int64
    assert float(y.double().mean()) == pytest.approx(0.75, abs=0.05)
    assert float(x[y == 0].mean()) == pytest.approx(-1, abs=0.1)
    assert float(x[y == 1].mean()) == pytest.approx(2, abs=0.1)
    assert torch.equal(model().sample(2000, torch.Generator().manual_seed(0)), x)


def test_a_sample_may_miss_a_class():
    x, y = model().sample_joint(1, torch.Generator().manual_seed(0))
    assert x.shape == y.shape == (1,)


def test_events_of_any_shape():
    flat = ClassConditional([MultivariateNormal(torch.zeros(3), torch.eye(3))], torch.ones(1))
    assert flat.event_shape == torch.Size((3,))
    assert flat.sample(4).shape == (4, 3)


def test_rounding_of_the_prior_is_divided_out():
    ours = ClassConditional([Normal(0.0, 1.0)], torch.tensor([1.00005]))
    assert float(ours.prior) == 1.0


def test_errors():
    with pytest.raises(
        ValueError, match=r"^densities: expected 2, one an entry of the prior, got 1$"
    ):
        ClassConditional([Normal(0.0, 1.0)], PRIOR)
    with pytest.raises(ValueError, match=r"^prior: expected a sum of 1, got 0.5"):
        ClassConditional([Normal(0.0, 1.0)] * 2, PRIOR / 2)
    with pytest.raises(
        ValueError, match=r"^densities: expected one event_shape for all, got \[\(\), \(2,\)\]$"
    ):
        ClassConditional(
            [Normal(0.0, 1.0), MultivariateNormal(torch.zeros(2), torch.eye(2))], PRIOR
        )


def test_fit_errors():
    x = torch.arange(4.0)
    with pytest.raises(
        ValueError, match=r"^y: no example of class 1; relabel the classes from 0 without gaps$"
    ):
        ClassConditional.fit(x, torch.tensor([0, 0, 2, 2]), density=Normal.fit)
    with pytest.raises(ValueError, match=r"^y: expected 4 labels, one an example, got 3$"):
        ClassConditional.fit(x, torch.tensor([0, 0, 1]), density=Normal.fit)
    with pytest.raises(ValueError, match=r"^y: expected labels 0 to 0, got values from -1 to -1$"):
        ClassConditional.fit(x, -torch.ones(4).long(), density=Normal.fit)
    with pytest.raises(ValueError, match=r"^y: expected integers"):
        ClassConditional.fit(x, x, density=Normal.fit)
    with pytest.raises(ValueError, match=r"^y: expected 1 dimension"):
        ClassConditional.fit(x, torch.zeros(4, 1).long(), density=Normal.fit)
    with pytest.raises(ValueError, match=r"^x: 1 of 4 values are NaN"):
        ClassConditional.fit(x / x, torch.tensor([0, 0, 1, 1]), density=Normal.fit)
