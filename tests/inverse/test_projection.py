"""Climbing log p among the pictures that agree with the measurements."""

from __future__ import annotations

import pytest
import torch

from gdmlib.densities import MultivariateNormal
from gdmlib.inverse import Matrix, map_by_projection, proximal_map


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed)).double()


D = 6
A = torch.linalg.qr(randn(D, 3, seed=1)).Q.T.contiguous()
SIGMA = randn(D, D, seed=2) @ randn(D, D, seed=2).T / D + 0.2 * torch.eye(D).double()
MEAN = randn(D, seed=3)


class Normal:
    """A normal density of pictures of 1 x 2 x 3 pixels."""

    inner = MultivariateNormal(MEAN, SIGMA)

    def log_prob(self, x):
        return self.inner.log_prob(x.flatten(1))


def operator():
    return Matrix(A, (1, 2, 3))


def exact(y, noise=0.0):
    """Return the mean of the posterior, which is its maximum."""
    seen = A @ SIGMA @ A.T + noise**2 * torch.eye(3).double()
    gain = SIGMA @ A.T @ torch.linalg.inv(seen)
    return (MEAN + (y - MEAN @ A.T) @ gain.T).reshape(*y.shape[:-1], 1, 2, 3)


def test_without_noise_it_is_the_conditional_mean_of_a_normal():
    y = randn(4, 3, seed=4)
    found = map_by_projection(operator(), y, Normal(), steps=300, lr=0.1)
    torch.testing.assert_close(found.image, exact(y), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(operator()(found.image), y)
    assert found.iterations == 300 == len(found.history)
    assert found.gap is None


def test_with_noise_it_is_the_posterior_mean_of_a_normal():
    y = randn(4, 3, seed=4)
    found = proximal_map(operator(), y, Normal(), noise=0.5, steps=300, lr=0.1)
    torch.testing.assert_close(found.image, exact(y, 0.5), atol=1e-5, rtol=1e-5)


def test_little_noise_is_nearly_none():
    y = randn(2, 3, seed=4)
    a = map_by_projection(operator(), y, Normal(), steps=200, lr=0.1).image
    b = proximal_map(operator(), y, Normal(), noise=1e-4, steps=200, lr=0.1).image
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("solve", [map_by_projection, proximal_map])
def test_each_picture_of_a_batch_goes_its_own_way(solve):
    y = randn(2, 3, 3, seed=4)
    options = {"steps": 20, "lr": 3.0} | ({"noise": 0.3} if solve is proximal_map else {})
    found = solve(operator(), y, Normal(), keep=[0, 20], **options)
    assert found.image.shape == (2, 3, 1, 2, 3)
    assert [frame.shape for frame in found.frames] == [found.image.shape] * 2
    assert torch.equal(found.frames[1], found.image)
    alone = solve(operator(), y[1, 2], Normal(), **options)
    assert alone.image.shape == (1, 2, 3)
    torch.testing.assert_close(alone.image, found.image[1, 2])


@pytest.mark.parametrize("solve", [map_by_projection, proximal_map])
@pytest.mark.parametrize("lr", [1e-3, 0.05, 1e4, 1e307])
def test_a_step_that_diverges_is_halved_and_reported(solve, lr):
    y = randn(2, 3, seed=4)
    options = {"noise": 0.3} if solve is proximal_map else {}
    found = solve(operator(), y, Normal(), steps=400 if lr < 1e5 else 1300, lr=lr, **options)
    halved = torch.stack([entry["halved"] for entry in found.history])
    first, later = halved[:8].all(), halved[:3].any()
    assert (bool(first), bool(later)) == ((lr >= 1e4,) * 2)
    assert bool((found.history[-1]["lr"] < 100).all())
    values = torch.stack([entry["log_prob"] for entry in found.history])
    assert bool((values.diff(dim=0) >= -1e-9).all())
    expected = exact(y, options.get("noise", 0.0))
    torch.testing.assert_close(found.image, expected, atol=1e-3, rtol=1e-3)


def test_growth_lets_short_steps_catch_up():
    y = randn(1, 3, seed=4)
    slow, fast = (
        map_by_projection(operator(), y, Normal(), steps=60, lr=1e-4, growth=growth).image
        for growth in (1.0, 1.2)
    )
    assert float((slow - exact(y)).norm()) > 10 * float((fast - exact(y)).norm())


def test_momentum_is_faster():
    y = randn(1, 3, seed=4)
    plain, pushed = (
        map_by_projection(
            operator(), y, Normal(), steps=30, lr=0.05, growth=1.0, momentum=momentum
        ).history[-1]["log_prob"]
        for momentum in (0.0, 0.8)
    )
    assert float(pushed) > float(plain) + 0.01


class Uphill:
    """A gradient without a density."""

    def gradient(self, x):
        return 2 * (0.5 - x)


def test_a_prior_without_a_density_is_followed():
    y = randn(2, 3, seed=4)
    found = map_by_projection(operator(), y, Uphill(), steps=300, lr=0.05)
    half = torch.full((2, 1, 2, 3), 0.5).double()
    torch.testing.assert_close(found.image, operator().project(half, y), atol=1e-5, rtol=1e-5)
    assert bool(found.history[-1]["log_prob"].isnan().all())


def test_a_start_is_moved_to_where_it_agrees():
    y, start = randn(2, 3, seed=4), randn(2, 1, 2, 3, seed=5)
    found = map_by_projection(operator(), y, Normal(), start=start, steps=1, keep=[0])
    torch.testing.assert_close(found.frames[0], operator().project(start, y))


class Downhill(Normal):
    """The gradient points the wrong way."""

    def log_prob(self, x):
        class Turned(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.clone()

            @staticmethod
            def backward(ctx, grad):
                return -grad

        return super().log_prob(Turned.apply(x))


class Lost(Normal):
    def log_prob(self, x):
        return super().log_prob(x) * torch.nan


class Pretends(Matrix):
    """Takes its rows for orthonormal, which they are not."""

    def project(self, x, y):
        return x - self.adjoint(self(x) - y)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"prior": Downhill()}, FloatingPointError, "no step raised log p, not even one of length"),
        ({"prior": Lost()}, FloatingPointError, "NaN or infinite where the search starts"),
        ({"y": randn(2, 4)}, ValueError, r"y: expected shape \(..., 3\), what the operator"),
        ({"y": randn(2, 3).long()}, ValueError, "y: expected a floating-point tensor"),
        ({"y": torch.full((2, 3), torch.nan).double()}, ValueError, "y: 6 of 6 values are NaN"),
        ({"start": randn(1, 1, 2, 3)}, ValueError, r"start: expected shape \(2, 1, 2, 3\)"),
        ({"steps": 0}, ValueError, "steps: expected at least 1"),
        ({"lr": 0.0}, ValueError, "lr: expected a positive number"),
        ({"growth": 0.9}, ValueError, "growth: expected at least 1"),
        ({"momentum": 1.0}, ValueError, "momentum: expected a share"),
        ({"operator": Pretends(2 * A, (1, 2, 3))}, ValueError, "after its projection"),
    ],
)
def test_bad_input_is_refused(change, error, match):
    settings = {"operator": operator(), "y": randn(2, 3), "prior": Normal(), "steps": 5} | change
    with pytest.raises(error, match=match):
        map_by_projection(**settings)


@pytest.mark.parametrize("noise", [0.0, -1.0, float("nan")])
def test_noise_must_be_positive(noise):
    with pytest.raises(
        ValueError,
        match=r"noise: expected a positive number, got .*; without noise use map_by_projection",
    ):
        proximal_map(operator(), randn(2, 3), Normal(), noise=noise)
