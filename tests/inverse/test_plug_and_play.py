"""Plug and play: with the exact denoiser of a Gaussian it finds what theory says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gdmlib.inverse import Masking, Matrix, plug_and_play, single_pixel
from gdmlib.inverse.plug_and_play import falling, frames_at

SHAPE = (1, 4, 4)
N = 16


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def correlated() -> Tensor:
    places = torch.cartesian_prod(torch.arange(4), torch.arange(4)).double()
    return 0.04 * torch.exp(-torch.cdist(places, places) / 2)


class GaussianDenoiser:
    """The mean of x given x + σn, for a Gaussian x with mean 0."""

    def __init__(self, covariance: Tensor) -> None:
        self.covariance, self.asked = covariance, []

    def denoise(self, y: Tensor, sigma: float) -> Tensor:
        self.asked.append(sigma)
        total = self.covariance + sigma**2 * torch.eye(N).double()
        return (y.flatten(-3) @ torch.linalg.solve(total, self.covariance)).view(y.shape)


def rough(m: int = 7) -> Matrix:
    return Matrix(torch.randn(m, N, generator=seeded(), dtype=torch.float64), SHAPE)


def truth(batch: int = 3) -> Tensor:
    return 0.5 + 0.2 * torch.randn(batch, *SHAPE, generator=seeded(1), dtype=torch.float64)


def expected(operator: Matrix, y: Tensor, covariance: Tensor, noise: float) -> Tensor:
    a = operator.a
    total = a @ covariance @ a.T + noise**2 * torch.eye(len(a)).double()
    return torch.linalg.solve(total, y.T).T @ a @ covariance


def test_without_noise_it_is_the_posterior_mean_of_a_slightly_wider_prior() -> None:
    operator, sigma = rough(), 0.1
    y = operator(truth())
    found = plug_and_play(
        operator, y, GaussianDenoiser(correlated()), steps=400, sigmas=(sigma, sigma)
    ).image
    wide = correlated() + sigma**2 * torch.eye(N).double()
    torch.testing.assert_close(found.flatten(1), expected(operator, y, wide, 0.0))
    torch.testing.assert_close(operator(found), y)


def with_noise(noise: float, **options: float) -> tuple[Tensor, Tensor]:
    """Return what it finds, and what it should."""
    operator, sigma = rough(), 0.15
    y = operator.measure(truth(), noise=noise, generator=seeded(2))
    denoiser = GaussianDenoiser(correlated())
    found = plug_and_play(
        operator, y, denoiser, noise=noise, steps=400, sigmas=(sigma, sigma), **options
    ).image
    wide = correlated() + sigma**2 * torch.eye(N).double()
    z = expected(operator, y, wide, noise).view(found.shape)
    return found, denoiser.denoise(z, sigma)


def test_with_noise_it_is_what_the_denoiser_makes_of_that_mean() -> None:
    torch.testing.assert_close(*with_noise(0.1))
    found, other = with_noise(0.1, strength=3.0)
    assert (found - other).abs().max() > 1e-3  # a stronger prior is another problem


def test_a_faint_level_comes_near_the_exact_posterior_mean() -> None:
    operator = rough()
    y = operator(truth())
    exact = expected(operator, y, correlated(), 0.0)
    errors = []
    for last in (0.2, 0.05, 0.02):
        found = plug_and_play(
            operator, y, GaussianDenoiser(correlated()), steps=600, sigmas=(0.3, last)
        ).image
        errors.append(float((found.flatten(1) - exact).norm()))
    assert errors[0] > 3 * errors[1] > 6 * errors[2]


def test_levels_fall_by_equal_factors() -> None:
    levels = falling((0.2, 0.025), 4)
    assert levels == pytest.approx([0.2, 0.1, 0.05, 0.025])
    assert falling([0.3, 0.1, 0.2], 3) == [0.3, 0.1, 0.2]
    assert falling((0.3, 0.1), 1) == [0.3]


def test_the_denoiser_is_asked_for_these_levels_and_none_far_below_the_noise() -> None:
    operator, denoiser = Masking(torch.ones(4, 4, dtype=torch.bool)), GaussianDenoiser(correlated())
    y = truth().double().flatten(1)
    found = plug_and_play(operator, y, denoiser, noise=0.1, steps=3, sigmas=(0.4, 0.025))
    assert denoiser.asked == pytest.approx([0.4, 0.1, 0.05])
    assert [entry["sigma"] for entry in found.history] == pytest.approx([0.4, 0.1, 0.05])
    assert found.iterations == 3


def test_batches_frames_and_where_it_starts() -> None:
    operator = single_pixel(SHAPE, 6, generator=seeded()).double()
    x = truth(4).view(2, 2, *SHAPE)
    y = operator(x)
    options = {"steps": 6, "sigmas": (0.2, 0.1)}
    found = plug_and_play(operator, y, GaussianDenoiser(correlated()), keep=3, **options)
    assert found.image.shape == x.shape
    assert len(found.frames) == 3
    assert torch.equal(found.frames[-1], found.image)
    one = plug_and_play(operator, y[0, 1], GaussianDenoiser(correlated()), **options)
    torch.testing.assert_close(one.image, found.image[0, 1])
    at = plug_and_play(operator, y, GaussianDenoiser(correlated()), start=x, **options)
    assert (at.image - found.image).abs().max() > 1e-6
    assert frames_at(10, 0) == set()
    assert frames_at(10, 5) == {1, 3, 5, 7, 9}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": -1.0}, "noise: expected a finite number of at least 0"),
        ({"steps": 0}, "steps: expected at least 1"),
        ({"sigmas": (0.1, 0.0)}, "sigmas: expected positive numbers"),
        ({"sigmas": (0.1, math.nan)}, "sigmas: expected finite numbers"),
        ({"sigmas": (0.3, 0.2, 0.1)}, "sigmas: expected the first and the last level"),
        ({"strength": 0.0}, "strength: expected a positive number"),
        ({"start": torch.zeros(2, 4, 4)}, "start: expected shape"),
    ],
)
def test_bad_input(options: dict[str, object], message: str) -> None:
    operator = rough()
    with pytest.raises(ValueError, match=message):
        plug_and_play(operator, operator(truth()), GaussianDenoiser(correlated()), **options)


def test_measurements_of_another_shape() -> None:
    y = torch.zeros(3, 6, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"y: expected shape \(\.\.\., 7\)"):
        plug_and_play(rough(), y, GaussianDenoiser(correlated()))
    start = torch.zeros(3, *SHAPE, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"y: expected shape \(\.\.\., 7\)"):
        plug_and_play(rough(), y, GaussianDenoiser(correlated()), start=start)
