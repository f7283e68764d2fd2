"""Message passing: it knows how wrong it is, because its errors are white noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gdmlib.inverse import Masking, Matrix, message_passing, plug_and_play, single_pixel
from gdmlib.inverse.camera import cosine

SIDE = 32
SHAPE = (1, SIDE, SIDE)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def powers() -> Tensor:
    """Return the variances of a stationary field's cosine coefficients, (SIDE, SIDE)."""
    k = torch.arange(SIDE).double()
    return 0.04 * SIDE**2 / (1 + (k[:, None] ** 2 + k**2)) ** 1.5 / 20


class FieldDenoiser:
    """The mean of x given x + σn, for a Gaussian field around grey; it notes what it sees."""

    def __init__(self) -> None:
        self.basis, self.seen = cosine(SIDE).double(), []

    def denoise(self, y: Tensor, sigma: Tensor) -> Tensor:
        self.seen.append((y, sigma))
        variance = torch.as_tensor(sigma)[..., None, None, None] ** 2
        c = self.basis @ (y - 0.5) @ self.basis.mT
        return 0.5 + self.basis.mT @ (powers() / (powers() + variance) * c) @ self.basis


def fields(n: int) -> Tensor:
    c = powers().sqrt() * torch.randn(n, *SHAPE, generator=seeded(5), dtype=torch.float64)
    basis = cosine(SIDE).double()
    return 0.5 + basis.mT @ c @ basis


def camera(rate: float) -> Matrix:
    made = single_pixel(SHAPE, rate=rate, generator=seeded(6))
    assert isinstance(made, Matrix)
    return made.double()


def surprises(correct: bool, noise: float = 0.0) -> list[float]:
    """Return the true error of each picture that was denoised, in units of what was said of it."""
    operator, x, denoiser = camera(0.3), fields(8), FieldDenoiser()
    y = operator.measure(x, noise=noise, generator=seeded(7))
    message_passing(
        operator, y, denoiser, noise=noise, steps=6, correct=correct, generator=seeded(8)
    )
    seen = denoiser.seen[:: 2 if correct else 1]  # the others are the probes
    return [float(((r - x).square().mean((1, 2, 3)).sqrt() / s).mean()) for r, s in seen]


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_it_says_how_strong_the_noise_is_that_it_sees(noise: float) -> None:
    assert max(abs(ratio - 1) for ratio in surprises(True, noise)) < 0.06


def test_without_the_correction_it_would_be_wrong() -> None:
    assert max(abs(ratio - 1) for ratio in surprises(False)) > 0.1


def test_what_the_denoiser_sees_differs_from_the_truth_by_white_noise() -> None:
    operator, x, denoiser = camera(0.3), fields(8), FieldDenoiser()
    message_passing(operator, operator(x), denoiser, steps=5, generator=seeded(8))
    basis = cosine(SIDE).double()
    for r, sigma in denoiser.seen[::2]:
        error = basis @ ((r - x) / sigma[:, None, None, None]) @ basis.mT
        power = error.square().mean((0, 1))
        low, high = power[:8, :8].mean(), power[16:, 16:].mean()
        assert abs(float(low - high)) < 0.25  # as strong at low frequencies as at high ones


def test_the_error_falls_and_the_measurements_are_explained() -> None:
    operator, x = camera(0.4), fields(4)
    y = operator(x)
    found = message_passing(operator, y, FieldDenoiser(), steps=10, generator=seeded(8))
    torch.testing.assert_close(operator(found.image), y)
    sigmas = [entry["sigma"] for entry in found.history]
    assert sigmas[0] > 2 * sigmas[-1]
    error = float((found.image - x).square().mean())
    plain = operator.project(torch.full_like(x, 0.5), y)
    assert error < 0.5 * float((plain - x).square().mean())


def test_it_comes_near_the_exact_posterior_mean() -> None:
    operator, x = camera(0.3), fields(8)
    y = operator(x)
    basis = torch.kron(cosine(SIDE), cosine(SIDE)).double()
    covariance = basis.mT @ (powers().flatten()[:, None] * basis)
    gain = torch.linalg.solve(operator.a @ covariance @ operator.a.mT, operator.a @ covariance)
    exact = 0.5 + ((y - operator(torch.full_like(x, 0.5))) @ gain).view(x.shape)
    best = float((exact - x).square().mean())
    found = message_passing(operator, y, FieldDenoiser(), steps=15, generator=seeded(8)).image
    assert best < float((found - x).square().mean()) < 1.1 * best
    few = plug_and_play(operator, y, FieldDenoiser(), steps=15, sigmas=(0.2, 0.01)).image
    assert float((few - x).square().mean()) > float((found - x).square().mean())


def test_batches_frames_and_the_same_generator() -> None:
    operator, x = camera(0.3), fields(4).view(2, 2, *SHAPE)
    options = {"steps": 4, "keep": 2}
    found = message_passing(operator, operator(x), FieldDenoiser(), generator=seeded(), **options)
    again = message_passing(operator, operator(x), FieldDenoiser(), generator=seeded(), **options)
    assert found.image.shape == x.shape
    assert torch.equal(found.image, again.image)
    assert [frame.shape for frame in found.frames] == [x.shape] * 2
    assert found.iterations == len(found.history) == 4


def test_bad_input() -> None:
    skew = Matrix(torch.randn(5, SIDE**2, generator=seeded(), dtype=torch.float64), SHAPE)
    with pytest.raises(ValueError, match="operator: expected orthonormal measurements"):
        message_passing(skew, torch.zeros(5, dtype=torch.float64), FieldDenoiser())
    mask = Masking(torch.ones(SIDE, SIDE, dtype=torch.bool))
    with pytest.raises(ValueError, match="steps: expected at least 1"):
        message_passing(mask, torch.zeros(SIDE**2), FieldDenoiser(), steps=0)
    with pytest.raises(ValueError, match="noise: expected a finite number"):
        message_passing(mask, torch.zeros(SIDE**2), FieldDenoiser(), noise=-1.0)
    with pytest.raises(ValueError, match=r"y: expected shape \(\.\.\., 1024\)"):
        message_passing(mask, torch.zeros(7), FieldDenoiser())
