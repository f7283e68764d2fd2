"""GaussianScaleMixture, against a mixture of Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gdmlib.densities import GaussianMixture, MultivariateNormal
from gdmlib.densities.scale_mixture import GaussianScaleMixture

WEIGHTS = torch.tensor([0.3, 0.5, 0.2]).double()
SCALES = torch.tensor([0.4, 1.0, 3.0]).double()
SHAPE = torch.tensor([[1.0, 0.3], [0.3, 0.5]]).double()
MEAN = torch.tensor([1.0, -2.0]).double()


def model() -> GaussianScaleMixture:
    return GaussianScaleMixture(WEIGHTS, SCALES, SHAPE, MEAN)


def points(n: int = 2000) -> torch.Tensor:
    return model().sample(n, torch.Generator().manual_seed(0))


def test_it_is_a_mixture_of_gaussians():
    same = GaussianMixture(WEIGHTS, MEAN.expand(3, 2), SCALES[:, None, None] ** 2 * SHAPE)
    x = points(50)
    torch.testing.assert_close(model().log_joint(x), same.log_joint(x))
    torch.testing.assert_close(model().log_prob(x), same.log_prob(x))
    torch.testing.assert_close(model().responsibilities(x), same.responsibilities(x))
    assert model().event_shape == torch.Size((2,))


def test_one_scale_is_a_gaussian():
    one = GaussianScaleMixture(torch.ones(1).double(), SCALES[2:], SHAPE, MEAN)
    x = points(50)
    torch.testing.assert_close(one.log_prob(x), MultivariateNormal(MEAN, 9 * SHAPE).log_prob(x))
    assert float(one.kurtosis) == pytest.approx(3)


def test_covariance_and_kurtosis_are_those_of_samples():
    x = points(200_000)
    torch.testing.assert_close(torch.cov(x.T), model().covariance, rtol=0.02, atol=0.02)
    z = (x[:, 0] - 1) / x[:, 0].std()
    assert float((z**4).mean()) == pytest.approx(float(model().kurtosis), rel=0.05)
    assert float(model().kurtosis) > 8


def test_the_mean_is_zero_unless_given():
    assert torch.equal(GaussianScaleMixture(WEIGHTS, SCALES, SHAPE).mean, torch.zeros(2).double())


def test_far_tail_is_finite_in_float32():
    x = torch.tensor([[1e4, -1e4], [1e15, 1e15]])
    found = model().float().log_prob(x)
    torch.testing.assert_close(found.double(), model().log_prob(x.double()), rtol=1e-5, atol=0)


# --- EM


def test_em_never_falls_and_fit_recovers_the_model():
    x = points(20_000)
    fitted = GaussianScaleMixture.fit(x, scales=3, tolerance=1e-8, n_iter=1000)
    gains = -np.diff(fitted.history)
    assert (gains > -1e-10).all()
    assert fitted.converged
    assert len(fitted.history) < 1001
    assert fitted.history[-1] == pytest.approx(-float(fitted.log_prob(x).mean()), abs=1e-10)
    # The truth is no likelier than the fit, and not much less likely.
    truth = -float(model().log_prob(x).mean())
    assert truth - 1e-3 <= fitted.history[-1] <= truth + 1e-9
    torch.testing.assert_close(fitted.mean, MEAN, atol=0.03, rtol=0)
    ratio = fitted.scales / fitted.scales[1]
    torch.testing.assert_close(ratio, SCALES / SCALES[1], atol=0.0, rtol=0.25)


def test_em_step_is_stationary_at_the_maximum():
    x = points(500)
    fitted = GaussianScaleMixture.fit(x, scales=2, tolerance=0.0, n_iter=2000)
    wide = {k: v.clone().requires_grad_() for k, v in fitted.state_dict().items()}
    wide["weights"] = fitted.weights.log().requires_grad_()

    class LogProb(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = fitted

        def forward(self, x):
            return self.inner.log_prob(x).mean()

    state = {f"inner.{k}": v for k, v in wide.items()}
    state["inner.weights"] = wide["weights"].softmax(dim=0)
    value = torch.func.functional_call(LogProb(), state, (x,))
    gradients = torch.autograd.grad(value, list(wide.values()))
    worst = max(float(g.tril().abs().max() if g.ndim == 2 else g.abs().max()) for g in gradients)
    assert worst < 1e-6


def test_one_scale_is_the_gaussian_fit():
    x = points()
    fitted, gaussian = GaussianScaleMixture.fit(x, scales=1), MultivariateNormal.fit(x)
    torch.testing.assert_close(fitted.covariance, gaussian.covariance)
    torch.testing.assert_close(fitted.log_prob(x), gaussian.log_prob(x))


def test_fitted_scales_have_mean_square_one():
    fitted = GaussianScaleMixture.fit(points(), scales=3, n_iter=3, tolerance=0.0)
    assert float((fitted.weights * fitted.scales**2).sum()) == pytest.approx(1)
    assert fitted.converged is False
    assert len(fitted.history) == 4


def test_the_mean_can_be_held_at_zero():
    fitted = GaussianScaleMixture.fit(points(), scales=2, zero_mean=True)
    assert torch.equal(fitted.mean, torch.zeros(2).double())


def test_it_describes_heavy_tails_better_than_a_gaussian():
    # Student's t is a continuous mixture of scales.
    t = torch.distributions.StudentT(3.0)
    torch.manual_seed(0)
    x = t.sample((20_000, 1)).double()
    few, gaussian = GaussianScaleMixture.fit(x, scales=4), MultivariateNormal.fit(x)
    exact = -float(t.log_prob(x).mean())
    assert few.history[-1] < -float(gaussian.log_prob(x).mean()) - 0.1
    assert few.history[-1] == pytest.approx(exact, abs=0.01)


def test_a_ridge_keeps_a_scale_from_collapsing():
    x = torch.cat([torch.zeros(300, 1), torch.randn(300, 1)]).double()
    with pytest.raises(ValueError, match=r"a scale has become zero|singular"):
        GaussianScaleMixture.fit(x, scales=2, n_iter=5000, tolerance=0.0, zero_mean=True)
    fitted = GaussianScaleMixture.fit(x, scales=2, zero_mean=True, ridge=1e-4, n_iter=20)
    assert bool(fitted.log_prob(x).isfinite().all())


# --- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": WEIGHTS * 2}, "weights: expected a sum of 1"),
        ({"scales": -SCALES}, "scales: expected positive"),
        ({"scales": 0 * SCALES}, "scales: expected positive numbers, got 0"),
        ({"scales": SCALES[:2]}, "scales: expected shape"),
        ({"scales": SCALES.float()}, r"^scales: expected torch\.float64"),
        ({"scales": torch.ones(len(SCALES)).long()}, "scales: expected a floating-point tensor"),
        ({"shape": SHAPE[:1]}, "shape: expected shape"),
        ({"shape": SHAPE[0]}, r"^shape: expected shape \(d, d\), got \(2,\)"),
        ({"shape": SHAPE.long()}, "shape: expected a floating-point tensor"),
        ({"shape": SHAPE.float()}, r"shape: expected torch\.float64"),
        ({"shape": 0 * SHAPE}, "shape: singular"),
        ({"mean": MEAN[:1]}, "mean: expected shape"),
        ({"mean": MEAN.float()}, "mean: expected torch.float64"),
    ],
)
def test_bad_parameters(change, message):
    good = {"weights": WEIGHTS, "scales": SCALES, "shape": SHAPE, "mean": MEAN}
    with pytest.raises(ValueError, match=message):
        GaussianScaleMixture(**good | change)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (points(1), {}, "at least 2 points"),
        (points(5) * math.nan, {}, "NaN"),
        (points(5), {"n_iter": 0}, "n_iter"),
        (points(5), {"tolerance": -1.0}, "tolerance"),
        (points(5), {"ridge": -1.0}, "ridge"),
        (points(5)[:, 0], {}, "expected 2 dimensions"),
    ],
)
def test_bad_data(x, options, message):
    with pytest.raises(ValueError, match=message):
        GaussianScaleMixture.fit(x, scales=2, **options)
