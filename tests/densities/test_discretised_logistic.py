"""The discretised logistic mixture: its bins, its edges, and float32."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch

from gdmlib.densities.discretised_logistic import (
    DiscretisedLogisticMixture,
    logistic_bin_log_prob,
)

LEVELS = torch.arange(256)


def mixture(dtype=torch.float32):
    weights, means, scales = [0.2, 0.5, 0.3], [-3.0, 100.0, 254.0], [2.0, 15.0, 0.3]
    values = (torch.tensor(v, dtype=dtype) for v in (weights, means, scales))
    return DiscretisedLogisticMixture(*values)


def sigmoid_difference(k, mean, scale, levels=256):
    """The definition, in float64, with the edges that reach to infinity."""
    upper = torch.where(k == levels - 1, math.inf, k + 0.5)
    lower = torch.where(k == 0, -math.inf, k - 0.5)
    return torch.sigmoid((upper - mean) / scale) - torch.sigmoid((lower - mean) / scale)


def test_it_is_the_difference_of_two_sigmoids():
    k = LEVELS.double()
    for mean, scale in [(127.3, 4.0), (0.0, 1.0), (255.0, 30.0), (-20.0, 8.0), (60.0, 0.2)]:
        m, s = torch.tensor([mean, scale], dtype=torch.float64)
        found = logistic_bin_log_prob(k, m, s.log(), 256)
        expected = sigmoid_difference(k, m, s)
        torch.testing.assert_close(found.exp(), expected, rtol=1e-9, atol=1e-14)


def test_a_bin_agrees_with_scipy():
    model = DiscretisedLogisticMixture(
        *(torch.tensor([v]).double() for v in (1.0, 10.0, 3.0)), levels=21
    )
    logistic = scipy.stats.logistic(10, 3)
    expected = logistic.cdf(4.5) - logistic.cdf(3.5)
    assert float(model.log_prob(torch.tensor([4])).exp()) == pytest.approx(expected, rel=1e-12)
    # The edges take what is left on their side.
    assert float(model.probs[0]) == pytest.approx(logistic.cdf(0.5), rel=1e-12)
    assert float(model.probs[20]) == pytest.approx(logistic.sf(19.5), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_levels_sum_to_one_whatever_the_parameters(dtype):
    means = torch.tensor([-1e6, -300.0, -0.5, 0.0, 0.5, 127.0, 127.37, 254.5, 255.0, 1e3, 1e6])
    log_scales = torch.tensor([-100.0, -30.0, -10.0, -3.0, 0.0, 2.0, 5.0, 10.0, 30.0, 100.0])
    grid = torch.cartesian_prod(means, log_scales).to(dtype)
    log_prob = logistic_bin_log_prob(LEVELS.to(dtype)[:, None], *grid.T, 256)
    assert bool(log_prob.isfinite().all())
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    total = log_prob.double().exp().sum(dim=0)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=tolerance)


def test_without_edge_bins_the_sum_falls_short():
    mean, scale = torch.tensor(250.0), torch.tensor(10.0)
    k = LEVELS.float()
    # An interior bin everywhere: pretend that there are more levels on either side.
    shifted = logistic_bin_log_prob(k + 1, mean + 1, scale.log(), 258)
    assert float(shifted.exp().sum()) < 0.7
    assert float(logistic_bin_log_prob(k, mean, scale.log(), 256).exp().sum()) == pytest.approx(1)


def test_far_tails_are_finite_in_float32_and_right():
    # σ(a) - σ(b) is 0 in float32 here; its logarithm is about -(100 - 3) / 0.1.
    k, mean, scale = torch.tensor(3.0), torch.tensor(100.0), torch.tensor(0.1)
    found = float(logistic_bin_log_prob(k, mean, scale.log(), 256))
    assert found == pytest.approx(-(100 - 3.5) / 0.1, rel=1e-5)
    wide = torch.tensor(1e6)
    found = float(logistic_bin_log_prob(torch.tensor(128.0), mean, wide.log(), 256))
    assert found == pytest.approx(math.log(0.25 / 1e6), rel=1e-5)


def test_gradients_are_finite_at_the_extremes_and_right_in_between():
    extremes = torch.tensor([-1e6, 0.0, 300.0]).requires_grad_()
    log_scales = torch.tensor([-40.0, -5.0, 40.0]).requires_grad_()
    logistic_bin_log_prob(LEVELS.float()[:, None], extremes, log_scales, 256).sum().backward()
    assert extremes.grad is not None and bool(extremes.grad.isfinite().all())
    assert log_scales.grad is not None and bool(log_scales.grad.isfinite().all())
    mean = torch.tensor([2.2, 6.1]).double().requires_grad_()
    scale = torch.tensor([-0.5, 1.0]).double().requires_grad_()
    k = torch.arange(8).double()[:, None]
    assert torch.autograd.gradcheck(lambda m, s: logistic_bin_log_prob(k, m, s, 8), (mean, scale))


def test_float32_agrees_with_float64():
    narrow, wide = mixture(), mixture(torch.float64)
    found, expected = narrow.log_prob(LEVELS).double(), wide.log_prob(LEVELS)
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-4)
    assert float(narrow.probs.sum()) == pytest.approx(1, abs=1e-5)


def test_samples_have_the_frequencies_of_the_levels(generator):
    model = DiscretisedLogisticMixture(
        torch.tensor([0.4, 0.6]), torch.tensor([0.0, 5.0]), torch.tensor([1.0, 0.5]), levels=8
    )
    x = model.sample(20_000, generator)
    assert x.dtype == torch.int64 and x.shape == (20_000,)
    counts = torch.bincount(x, minlength=8).double()
    expected = model.probs.double() / model.probs.double().sum() * 20_000
    assert scipy.stats.chisquare(counts.numpy(), expected.numpy()).pvalue > 1e-6
    assert torch.equal(x[:5], model.sample(20_000, torch.Generator().manual_seed(0))[:5])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": torch.tensor([0.5, 0.6])}, "weights: expected a sum of 1"),
        ({"means": torch.zeros(3)}, r"means: expected shape \(2,\), got \(3,\)"),
        ({"means": torch.zeros(2).double()}, "means: expected torch.float32"),
        ({"means": torch.zeros(2).long()}, "means: expected a floating-point tensor"),
        ({"scales": torch.ones(3)}, r"scales: expected shape \(2,\), got \(3,\)"),
        ({"scales": torch.tensor([1.0, 0.0])}, "scales: expected positive numbers, got 0"),
        ({"levels": 1}, "levels: expected at least 2, got 1"),
        ({"levels": 2.5}, "levels: expected an integer"),
    ],
)
def test_bad_parameters(change, says):
    good = {"weights": torch.full((2,), 0.5), "means": torch.zeros(2), "scales": torch.ones(2)}
    with pytest.raises(ValueError, match=says):
        DiscretisedLogisticMixture(**{**good, **change})


def test_weights_that_are_off_by_rounding_are_normalised():
    weights = torch.tensor([0.50004, 0.5]).double()
    model = DiscretisedLogisticMixture(weights, torch.zeros(2).double(), torch.ones(2).double())
    assert float(model.weights.sum()) == pytest.approx(1, abs=1e-12)
    assert model.event_shape == ()


def test_two_levels_are_enough():
    half = torch.full((2,), 0.5).double()
    assert float(DiscretisedLogisticMixture(half, half, half, levels=2).probs.sum()) == 1


def test_bad_levels():
    with pytest.raises(ValueError, match="x: expected labels 0 to 255, got values from 256 to 256"):
        mixture().log_prob(torch.tensor([256]))
    with pytest.raises(ValueError, match="x: expected integers"):
        mixture().log_prob(torch.tensor([0.5]))
