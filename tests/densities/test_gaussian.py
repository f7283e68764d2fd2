"""Normal and MultivariateNormal."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.datasets import load_iris

from gdmlib.densities import MultivariateNormal, Normal
from gdmlib.densities.cholesky import cholesky, triangularise

COVARIANCE = torch.tensor([[4.0, 1.0, 0.5], [1.0, 2.0, -0.3], [0.5, -0.3, 1.0]]).double()
MEAN = torch.tensor([1.0, -2.0, 0.5]).double()


def points(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double()


# --- Normal: values


def test_normal_agrees_with_scipy():
    model, scipy_model = Normal(1.0, 2.0).double(), scipy.stats.norm(1.0, 2.0)
    x = torch.linspace(-30, 30, 61).double()
    np.testing.assert_allclose(model.log_prob(x), scipy_model.logpdf(x), rtol=1e-13)
    np.testing.assert_allclose(model.cdf(x), scipy_model.cdf(x), rtol=1e-12)
    u = torch.tensor([1e-12, 0.1, 0.5, 0.9]).double()
    np.testing.assert_allclose(model.icdf(u), scipy_model.ppf(u), rtol=1e-9)
    assert float(model.entropy()) == pytest.approx(scipy_model.entropy(), abs=1e-14)
    assert float(model.variance) == 4.0


def test_normal_takes_numbers_and_tensors():
    assert Normal(0, 1).mean.dtype == torch.get_default_dtype()
    mixed = Normal(torch.tensor(0.0).double(), 1.0)
    assert mixed.mean.dtype == mixed.std.dtype == torch.float64
    assert Normal(0, 1).event_shape == torch.Size(())


def test_normal_does_not_share_memory_with_its_arguments():
    mean, std = torch.tensor(0.0), torch.tensor(1.0)
    model = Normal(mean, std)
    mean.add_(5)
    std.add_(5)
    assert float(model.mean) == 0.0
    assert float(model.std) == 1.0


def test_normal_icdf_reaches_both_ends():
    ends = Normal(0.0, 1.0).icdf(torch.tensor([0.0, 1.0]))
    assert ends.tolist() == [-math.inf, math.inf]


def test_normal_far_tail_is_finite_in_float32():
    x = torch.tensor([1e4, -1e10, 1e18])
    found = Normal(1.0, 2.0).log_prob(x)
    expected = Normal(1.0, 2.0).double().log_prob(x.double())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)


def test_normal_kl_known_value():
    p, q = Normal(0.0, 1.0).double(), Normal(1.0, 2.0).double()
    assert float(p.kl(q)) == pytest.approx(math.log(2) + (1 + 1) / 8 - 0.5, abs=1e-15)


def test_normal_sample_shape_and_values():
    x = Normal(3.0, 0.5).sample(4, torch.Generator().manual_seed(1))
    z = torch.randn(4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(x, 3 + 0.5 * z)


# --- Normal: fit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_fit(dtype):
    x = torch.tensor([1.0, 2.0, 4.0, 9.0], dtype=dtype)
    model = Normal.fit(x)
    assert model.mean.dtype == model.std.dtype == dtype
    assert float(model.mean) == 4.0
    assert float(model.variance) == pytest.approx(9.5, rel=1e-6)


def test_normal_fit_of_two_points():
    assert float(Normal.fit(torch.tensor([0.0, 2.0])).std) == 1.0


def test_normal_fit_keeps_its_digits_far_from_zero():
    x = 1e4 + torch.tensor([-1.0, 1.0])
    assert float(Normal.fit(x).std) == 1.0


def test_normal_fit_errors():
    with pytest.raises(
        ValueError, match=r"^x: expected at least 2 observations to fit a Gaussian, got 1$"
    ):
        Normal.fit(torch.tensor([1.0]))
    with pytest.raises(
        ValueError,
        match=r"^x: all 5 observations equal 0.1: their variance is 0 and the likelihood has no",
    ):
        Normal.fit(torch.full((5,), 0.1))
    with pytest.raises(ValueError, match="x: 1 of 3 values are NaN"):
        Normal.fit(torch.tensor([1.0, math.nan, 2.0]))
    with pytest.raises(ValueError, match="x: expected at least one element"):
        Normal.fit(torch.zeros(0))
    with pytest.raises(ValueError, match="x: expected 1 dimension, got"):
        Normal.fit(torch.zeros(3, 1))
    with pytest.raises(ValueError, match="x: expected a floating-point tensor"):
        Normal.fit(torch.arange(3))


def test_normal_errors():
    with pytest.raises(ValueError, match=r"^std: expected a positive number, got 0$"):
        Normal(0.0, 0.0)
    with pytest.raises(ValueError, match=r"^std: expected a positive number, got -1.5$"):
        Normal(0.0, -1.5)
    with pytest.raises(ValueError, match=r"^mean: .* NaN or infinite"):
        Normal(math.inf, 1.0)
    with pytest.raises(ValueError, match=r"^std: .* NaN or infinite"):
        Normal(0.0, math.nan)
    with pytest.raises(ValueError, match=r"^mean: expected shape \(\), got \(1,\)"):
        Normal(torch.zeros(1), 1.0)
    with pytest.raises(ValueError, match=r"^std: expected shape \(\), got \(1,\)"):
        Normal(0.0, torch.ones(1))
    with pytest.raises(ValueError, match=r"^mean: expected a floating-point tensor"):
        Normal(torch.tensor(1), 1.0)
    with pytest.raises(ValueError, match=r"^std: expected a floating-point tensor"):
        Normal(0.0, torch.tensor(1))
    for bad in ([-0.1, 0.5], [0.5, 1.1]):
        with pytest.raises(
            ValueError,
            match=rf"^u: expected probabilities from 0 to 1, got values from {bad[0]} to {bad[1]}$",
        ):
            Normal(0.0, 1.0).icdf(torch.tensor(bad))
    for name, call in [("x", "log_prob"), ("x", "cdf"), ("u", "icdf")]:
        with pytest.raises(ValueError, match=rf"^{name}: expected shape \(B,\), got \(2, 1\)"):
            getattr(Normal(0.0, 1.0), call)(torch.zeros(2, 1))


# --- MultivariateNormal: values


def test_multivariate_agrees_with_scipy():
    model = MultivariateNormal(MEAN, COVARIANCE)
    scipy_model = scipy.stats.multivariate_normal(MEAN.numpy(), COVARIANCE.numpy())
    x = 5 * points(50, 3)
    np.testing.assert_allclose(model.log_prob(x), scipy_model.logpdf(x), rtol=1e-12)
    assert float(model.entropy()) == pytest.approx(scipy_model.entropy(), abs=1e-12)
    torch.testing.assert_close(model.covariance, COVARIANCE)
    assert model.event_shape == torch.Size((3,))


def test_one_dimension_is_the_normal():
    one = MultivariateNormal(torch.tensor([0.5]), torch.tensor([[4.0]]))
    x = torch.tensor([-1.0, 3.0])
    torch.testing.assert_close(one.log_prob(x[:, None]), Normal(0.5, 2.0).log_prob(x))
    torch.testing.assert_close(one.mahalanobis(x[:, None]), torch.tensor([0.75, 1.25]))


def test_mahalanobis():
    model = MultivariateNormal(MEAN, COVARIANCE)
    x = points(5, 3)
    centred = x - MEAN
    squared = (centred @ torch.linalg.inv(COVARIANCE) * centred).sum(dim=1)
    torch.testing.assert_close(model.mahalanobis(x), squared.sqrt())


def test_kl_agrees_with_torch_distributions():
    p = MultivariateNormal(MEAN, COVARIANCE)
    q = MultivariateNormal(MEAN + 1, COVARIANCE + torch.eye(3))
    theirs = [
        torch.distributions.MultivariateNormal(m.mean, scale_tril=m.scale_tril) for m in (p, q)
    ]
    torch.testing.assert_close(p.kl(q), torch.distributions.kl_divergence(*theirs))
    with pytest.raises(ValueError, match=r"^other.mean: expected shape \(3,\), got \(2,\)"):
        p.kl(q.marginal([0, 1]))


def test_sampling_is_an_affine_map_of_noise():
    model = MultivariateNormal(MEAN, COVARIANCE)
    x = model.sample(4, torch.Generator().manual_seed(1))
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(x, MEAN + z @ torch.linalg.cholesky(COVARIANCE).T)


def test_either_covariance_or_factor():
    factor = torch.linalg.cholesky(COVARIANCE)
    x = points(5, 3)
    torch.testing.assert_close(
        MultivariateNormal(MEAN, scale_tril=factor).log_prob(x),
        MultivariateNormal(MEAN, COVARIANCE).log_prob(x),
    )
    for arguments in ({}, {"covariance": COVARIANCE, "scale_tril": factor}):
        with pytest.raises(ValueError, match=r"^expected either a covariance or a scale_tril, and"):
            MultivariateNormal(MEAN, **arguments)


def test_multivariate_does_not_share_memory_with_its_arguments():
    mean, factor = MEAN.clone(), torch.eye(3).double()
    model = MultivariateNormal(mean, scale_tril=factor)
    mean.add_(1)
    factor.mul_(2)
    assert torch.equal(model.mean, MEAN)
    assert torch.equal(model.scale_tril, torch.eye(3).double())


def test_gradients_reach_the_covariance():
    covariance = COVARIANCE.clone().requires_grad_()
    x = points(3, 3)

    def log_prob(c):
        return MultivariateNormal(MEAN, (c + c.T) / 2).log_prob(x)

    assert torch.autograd.gradcheck(log_prob, covariance)


def test_far_tail_is_finite_in_float32():
    model = MultivariateNormal(MEAN.float(), COVARIANCE.float())
    x = torch.tensor([[1e4, 0, 0], [1e15, -1e15, 1e15]])
    expected = MultivariateNormal(MEAN, COVARIANCE).log_prob(x.double())
    torch.testing.assert_close(model.log_prob(x).double(), expected, rtol=1e-5, atol=0)


def test_log_determinant_neither_overflows_nor_underflows_in_float32():
    d = 100
    for scale in (1e-8, 1e8):
        model = MultivariateNormal(torch.zeros(d), scale * torch.eye(d))
        expected = -0.5 * d * math.log(2 * math.pi * scale)
        assert float(model.log_prob(torch.zeros(1, d))) == pytest.approx(expected, rel=1e-6)


def test_units_do_not_matter():
    # Standard deviations of 1e-6 and 1e6: no singular matrix, only odd units.
    scale = torch.tensor([1e-6, 1e6, 1.0])
    covariance = scale[:, None] * COVARIANCE.float() * scale
    model = MultivariateNormal(torch.zeros(3), covariance)
    torch.testing.assert_close(model.covariance, covariance)
    x = points(50, 3).float()
    found = MultivariateNormal.fit(x * scale).log_prob(x * scale) + scale.log().sum()
    torch.testing.assert_close(found, MultivariateNormal.fit(x).log_prob(x), rtol=1e-4, atol=1e-4)


# --- MultivariateNormal: marginal and conditional


def blocks(index, rest):
    a, b = torch.tensor(index), torch.tensor(rest)
    return COVARIANCE[a][:, a], COVARIANCE[a][:, b], COVARIANCE[b][:, b]


@pytest.mark.parametrize(("index", "rest"), [([1], [0, 2]), ([2, 0], [1]), ([0, 1], [2])])
def test_conditional_is_the_textbook_formula(index, rest):
    values = torch.arange(1.0, 1.0 + len(index)).double()
    known, cross, other = blocks(index, rest)
    gain = cross.T @ torch.linalg.inv(known)
    found = MultivariateNormal(MEAN, COVARIANCE).conditional(index, values)
    torch.testing.assert_close(found.mean, MEAN[rest] + gain @ (values - MEAN[index]))
    torch.testing.assert_close(found.covariance, other - gain @ cross)


@pytest.mark.parametrize("index", [[1], [2, 0], [0, 1, 2], [2, 1, 0]])
def test_marginal_keeps_the_order_asked_for(index):
    found = MultivariateNormal(MEAN, COVARIANCE).marginal(index)
    assert torch.equal(found.mean, MEAN[index])
    torch.testing.assert_close(found.covariance, COVARIANCE[index][:, index])


def test_chain_rule():
    model, x = MultivariateNormal(MEAN, COVARIANCE), points(1, 3)
    parts = model.marginal([2]).log_prob(x[:, 2:])
    parts = parts + model.conditional([2], x[0, 2:]).log_prob(x[:, :2])
    torch.testing.assert_close(parts, model.log_prob(x))


def test_index_may_be_a_tensor_or_a_mask():
    model = MultivariateNormal(MEAN, COVARIANCE)
    expected = model.marginal([0, 2]).covariance
    for index in ((0, 2), torch.tensor([0, 2]), torch.tensor([True, False, True])):
        assert torch.equal(model.marginal(index).covariance, expected)
        rest = model.conditional(index, torch.zeros(2).double())
        assert torch.equal(rest.mean, model.conditional([0, 2], torch.zeros(2).double()).mean)


def test_conditional_of_an_ill_conditioned_float32_model():
    # A smooth covariance, like that of neighbouring pixels: condition number about 1e7.
    d = 20
    place = torch.arange(d).double()
    covariance = torch.exp(-0.5 * ((place[:, None] - place) / 2) ** 2) + 1e-6 * torch.eye(d)
    wide = MultivariateNormal(torch.zeros(d).double(), covariance)
    known = list(range(0, d, 2))
    values = torch.sin(place[known] / 3)
    expected = wide.conditional(known, values).mean
    found = wide.float().conditional(known, values.float())
    assert float((found.mean - expected).abs().max()) < 1e-3
    assert bool(found.scale_tril.isfinite().all())


def test_index_errors():
    model = MultivariateNormal(MEAN, COVARIANCE)
    one = torch.zeros(1).double()
    with pytest.raises(ValueError, match=r"^index: expected 0 to 2, got values from -1 to 1$"):
        model.marginal([-1, 1])
    with pytest.raises(ValueError, match=r"^index: expected 0 to 2, got values from 0 to 3$"):
        model.marginal([0, 3])
    with pytest.raises(ValueError, match=r"^index: a coordinate is repeated in \[1, 1\]$"):
        model.marginal([1, 1])
    with pytest.raises(ValueError, match=r"^index: expected integers"):
        model.marginal([0.5])
    with pytest.raises(ValueError, match=r"^index: expected at least one element"):
        model.marginal(torch.zeros(0).long())
    with pytest.raises(ValueError, match=r"^index: expected at least one element"):
        model.marginal(torch.tensor([False, False, False]))
    with pytest.raises(ValueError, match=r"^index: expected shape \(3,\), got \(2,\)"):
        model.marginal(torch.tensor([True, False]))
    with pytest.raises(ValueError, match=r"^index: expected 1 dimension"):
        model.marginal(torch.tensor([[1]]))
    with pytest.raises(ValueError, match=r"^index: all 3 coordinates are known, nothing remains$"):
        model.conditional([0, 1, 2], torch.zeros(3).double())
    with pytest.raises(ValueError, match=r"^values: expected 2, one a known coordinate, got 1$"):
        model.conditional([0, 1], one)
    with pytest.raises(ValueError, match=r"^values: expected torch.float64 like the model"):
        model.conditional([0], one.float())
    with pytest.raises(ValueError, match=r"^values: 1 of 1 values are NaN"):
        model.conditional([0], one * math.nan)
    long = MultivariateNormal(torch.zeros(12), torch.eye(12))
    with pytest.raises(ValueError, match=r"repeated in \[0, 1, 2, 3, 4, 5, \.\.\.\]$"):
        long.marginal([*range(9), 0])
    with pytest.raises(ValueError, match=r"repeated in \[0, 1, 2, 3, 4, 0\]$"):
        long.marginal([*range(5), 0])


# --- MultivariateNormal: fit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_multivariate_fit(dtype):
    x = torch.as_tensor(load_iris().data, dtype=dtype)
    model = MultivariateNormal.fit(x)
    assert model.mean.dtype == model.scale_tril.dtype == dtype
    np.testing.assert_allclose(model.mean, x.double().mean(dim=0), rtol=1e-6)
    np.testing.assert_allclose(model.covariance, np.cov(x.double().T, bias=True), rtol=1e-5)


def test_ridge_is_added_to_the_diagonal():
    x = points(10, 3)
    gap = MultivariateNormal.fit(x, ridge=0.5).covariance - MultivariateNormal.fit(x).covariance
    torch.testing.assert_close(gap, 0.5 * torch.eye(3).double())


def test_ridge_makes_any_fit_possible():
    constant = torch.cat([points(5, 2), torch.ones(5, 1)], dim=1)
    assert float(MultivariateNormal.fit(constant, ridge=0.1).covariance[2, 2]) == pytest.approx(0.1)
    few = points(3, 10).float()
    model = MultivariateNormal.fit(few, ridge=1e-3)
    assert bool(model.log_prob(few).isfinite().all())
    # Far from zero the rounding of float32 data is wider than this ridge, which is still obeyed.
    far = MultivariateNormal.fit(few + 1e4, ridge=1e-6)
    assert bool(far.log_prob(few + 1e4).isfinite().all())


def test_fit_on_natural_patches_works_in_float32():
    # Smooth data in many dimensions, whose covariance float32 could hardly factor.
    smooth = points(500, 30).float().cumsum(dim=1).cumsum(dim=1)
    model = MultivariateNormal.fit(smooth)
    wide = MultivariateNormal.fit(smooth.double())
    gap = model.log_prob(smooth).mean() - wide.log_prob(smooth.double()).mean()
    assert abs(float(gap)) < 1e-3


def test_singular_fits_are_refused():
    x = points(20, 3)
    with pytest.raises(
        ValueError,
        match=r"^x: constant in columns \[1\], so the covariance is singular: rank at most 2 of 3, "
        r"smallest eigenvalue 0; drop them, or use ridge=1e-3$",
    ):
        MultivariateNormal.fit(torch.stack([x[:, 0], torch.full((20,), 0.1), x[:, 1]], dim=1))
    singular = r"^covariance of x: singular or not positive definite: rank {} of {}, smallest eigen"
    with pytest.raises(ValueError, match=singular.format(3, 4)):
        MultivariateNormal.fit(torch.cat([x, x[:, :1] + x[:, 1:2]], dim=1))
    with pytest.raises(ValueError, match=singular.format(3, 4)):
        # The sum is rounded to float32, so that the rank is 3 only up to that rounding.
        MultivariateNormal.fit(torch.cat([x.float(), (x[:, :1] + x[:, 1:2]).float()], dim=1))
    far = (x + 10).float()
    with pytest.raises(ValueError, match=singular.format(3, 4)):
        MultivariateNormal.fit(torch.cat([far, far[:, :1] + far[:, 1:2]], dim=1))
    with pytest.raises(ValueError, match=singular.format(4, 10)):
        MultivariateNormal.fit(points(5, 10))
    with pytest.raises(ValueError, match=singular.format(1, 2)):
        MultivariateNormal.fit(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))


def test_data_of_which_only_rounding_is_left_are_refused():
    x = (points(200, 2) + torch.tensor([0.0, 1e7])).float()
    with pytest.raises(ValueError, match=r"^x: column 1, with numbers up to 1e\+07, was rounded"):
        MultivariateNormal.fit(x)
    MultivariateNormal.fit(x - x.mean(dim=0))
    MultivariateNormal.fit(x, ridge=1e-2)


def test_thin_but_not_singular_data_are_accepted():
    x = points(50, 2)
    thin = torch.stack([x[:, 0], x[:, 0] + 1e-5 * x[:, 1]], dim=1)
    model = MultivariateNormal.fit(thin)
    assert float(model.covariance.det()) == pytest.approx(1e-10, rel=0.5)


def test_multivariate_fit_errors():
    with pytest.raises(
        ValueError, match=r"^x: expected at least 2 points to fit a Gaussian, got 1"
    ):
        MultivariateNormal.fit(torch.ones(1, 3), ridge=1.0)
    with pytest.raises(ValueError, match=r"^x: expected at least one element"):
        MultivariateNormal.fit(torch.ones(0, 3))
    with pytest.raises(ValueError, match=r"^x: expected 2 dimensions"):
        MultivariateNormal.fit(torch.ones(4))
    with pytest.raises(ValueError, match=r"^x: 1 of 6 values are NaN"):
        MultivariateNormal.fit(torch.tensor([[0.0, 1.0], [1.0, math.nan], [2.0, 2.0]]))
    with pytest.raises(ValueError, match=r"^x: expected a floating-point tensor"):
        MultivariateNormal.fit(torch.ones(4, 2).long())
    with pytest.raises(ValueError, match=r"^ridge: expected a finite number of at least 0, got -1"):
        MultivariateNormal.fit(points(5, 2), ridge=-1)


def test_multivariate_errors():
    eye = torch.eye(2)
    with pytest.raises(ValueError, match=r"^mean: expected shape \(d,\), got \(2, 1\)"):
        MultivariateNormal(torch.zeros(2, 1), eye)
    with pytest.raises(ValueError, match=r"^mean: expected a floating-point tensor"):
        MultivariateNormal(torch.zeros(2).long(), eye)
    with pytest.raises(ValueError, match=r"^covariance: expected shape \(3, 3\), got \(2, 2\)"):
        MultivariateNormal(torch.zeros(3), eye)
    with pytest.raises(ValueError, match=r"^covariance: expected torch.float32 like the model"):
        MultivariateNormal(torch.zeros(2), eye.double())
    with pytest.raises(ValueError, match=r"^covariance: singular.* rank 1 of 2, smallest eigen"):
        MultivariateNormal(torch.zeros(2), torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"^covariance: expected a floating-point tensor"):
        MultivariateNormal(torch.zeros(2), eye.long())
    with pytest.raises(ValueError, match=r"^scale_tril: expected torch.float32 like the model"):
        MultivariateNormal(torch.zeros(2), scale_tril=eye.double())
    with pytest.raises(ValueError, match=r"^scale_tril: expected shape \(3, 3\), got \(2, 2\)"):
        MultivariateNormal(torch.zeros(3), scale_tril=eye)
    with pytest.raises(ValueError, match=r"^scale_tril: expected a floating-point tensor"):
        MultivariateNormal(torch.zeros(2), scale_tril=eye.long())
    with pytest.raises(
        ValueError, match=r"^scale_tril: expected a lower triangle, got .* use tril$"
    ):
        MultivariateNormal(torch.zeros(2), scale_tril=torch.ones(2, 2))
    for value in ("0", "-2"):
        with pytest.raises(
            ValueError,
            match=rf"^scale_tril: expected a positive diagonal, got values from {value} to 1$",
        ):
            MultivariateNormal(
                torch.zeros(2), scale_tril=torch.tensor([[1.0, 0.0], [1.0, float(value)]])
            )
    for call in ("log_prob", "mahalanobis"):
        with pytest.raises(ValueError, match=r"^x: expected shape \(B, 2\), got \(4, 3\)"):
            getattr(MultivariateNormal(torch.zeros(2), eye), call)(torch.zeros(4, 3))


# --- cholesky and triangularise


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cholesky(dtype):
    factor = cholesky(COVARIANCE.to(dtype), "C")
    assert factor.dtype == dtype
    torch.testing.assert_close(factor.double(), torch.linalg.cholesky(COVARIANCE))


def test_cholesky_says_what_is_wrong():
    hint = (
        r"; use more points, drop dependent coordinates, or add a ridge to the diagonal "
        r"\(ridge=1e-3\)$"
    )
    with pytest.raises(
        ValueError,
        match=r"^C: singular or not positive definite: rank 1 of 2, smallest eigenvalue -1" + hint,
    ):
        cholesky(torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "C")
    with pytest.raises(ValueError, match=r"rank 1 of 2, smallest eigenvalue 0" + hint):
        cholesky(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), "C")
    with pytest.raises(ValueError, match=r"smallest eigenvalue -3" + hint):
        cholesky(torch.tensor([[2.0, 0.0], [0.0, -3.0]]), "C")
    with pytest.raises(ValueError, match=r"rank 0 of 2, smallest eigenvalue 0" + hint):
        cholesky(torch.zeros(2, 2), "C")
    with pytest.raises(
        ValueError,
        match=r"^C: expected a symmetric matrix, but it differs from its transpose by 0.5; "
        r"use \(C \+ C.T\) / 2$",
    ):
        cholesky(torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "C")


def test_cholesky_forgives_rounding_only():
    nearly = torch.tensor([[1.0, 0.5 + 1e-6], [0.5, 1.0]])
    torch.testing.assert_close(
        cholesky(nearly, "C"), torch.linalg.cholesky((nearly + nearly.T) / 2)
    )
    for scale in (1.0, 1e6):
        with pytest.raises(ValueError, match="symmetric"):
            cholesky(scale * torch.tensor([[1.0, 0.5 + 1e-4], [0.5, 1.0]]), "C")


def test_cholesky_forgives_the_rounding_of_long_sums():
    """A product of matrices may round C[i, j] and C[j, i] apart by some hundred epsilons."""
    apart = torch.eye(2).double()
    apart[0, 1] = 1e-12
    torch.testing.assert_close(cholesky(apart, "C"), torch.eye(2).double())
    apart[0, 1] = 1e-8
    with pytest.raises(ValueError, match="symmetric"):
        cholesky(apart, "C")


def test_cholesky_knows_the_rounding_of_its_dtype():
    # An eigenvalue of 1e-8 of the largest is information in float64, and rounding in float32.
    thin = torch.tensor([[1.0, 1 - 1e-8], [1 - 1e-8, 1.0]]).double()
    thin[0, 1] = thin[1, 0] = 1 - 1e-8
    assert cholesky(thin, "C").shape == (2, 2)
    with pytest.raises(ValueError, match="rank 1 of 2"):
        cholesky(thin.float(), "C")
    with pytest.raises(ValueError, match="rank 1 of 2"):
        cholesky(thin, "C", tolerance=1e-7)


def test_triangularise():
    a = points(3, 5)
    factor = triangularise(a)
    assert torch.equal(factor, factor.tril())
    assert bool((factor.diagonal() > 0).all())
    torch.testing.assert_close(factor @ factor.T, a @ a.T)
    assert triangularise(a.float()).dtype == torch.float32
