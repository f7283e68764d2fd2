"""The denoiser that is told its noise: what it is at the start, what it learns, what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gdmlib.inverse.denoiser import FAINTEST, JUDGED_AT, ConvDenoiser
from gdmlib.training import train


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(seed: int = 0, **options: object) -> ConvDenoiser:
    """Return a small denoiser whose last layer is not 0, in float64."""
    sizes = {"features": (4, 6), "blocks": 1} | options
    model = ConvDenoiser(**sizes, generator=seeded(seed)).double()
    with torch.no_grad():
        model.last.weight.copy_(0.1 * torch.randn(model.last.weight.shape, generator=seeded(1)))
    return model.eval().requires_grad_(False)


def noisy(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)


def test_at_first_it_returns_what_it_sees() -> None:
    model = ConvDenoiser(features=(4, 6), blocks=1, generator=seeded())
    y = torch.rand(2, 1, 9, 7, generator=seeded())
    torch.testing.assert_close(model.denoise(y, 0.2), y)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 12), (8, 8), (13, 5)])
def test_takes_pictures_of_any_size(shape: tuple[int, int]) -> None:
    y = noisy(2, 1, *shape)
    made = small().denoise(y, 0.1)
    assert made.shape == y.shape
    assert not torch.equal(made, y)


def test_padding_is_that_of_the_last_pixels() -> None:
    model, y = small(), noisy(1, 1, 7, 8)
    larger = torch.cat([y, y[:, :, -1:]], dim=2)
    torch.testing.assert_close(model.denoise(y, 0.1), model.denoise(larger, 0.1)[:, :, :7])


def test_leading_dimensions_are_a_batch_and_each_picture_may_have_its_level() -> None:
    model, y = small(), noisy(2, 3, 1, 8, 8)
    levels = torch.linspace(0, 0.2, 6, dtype=torch.float64).view(2, 3)
    made = model.denoise(y, levels)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(made[i, j], model.denoise(y[i, j], float(levels[i, j])))
    assert torch.equal(made[0, 0], y[0, 0])  # without noise nothing is removed


def scales(denoise, y: Tensor, sigma: float, factor: float) -> bool:
    """Return whether D(cy, cσ) = c D(y, σ)."""
    once, other = denoise(y, sigma), denoise(factor * y, factor * sigma)
    return bool(torch.allclose(other, factor * once, rtol=1e-9, atol=1e-12))


def test_nothing_but_the_level_says_what_is_small() -> None:
    model, y = small(), noisy(2, 1, 8, 8)
    assert scales(model.denoise, y, 0.1, 3.7)
    assert scales(model.denoise, y, 0.1, 0.01)
    assert not scales(lambda y, s: model.denoise(y, s) + 0.01, y, 0.1, 3.7)  # a bias


def test_colour_pictures() -> None:
    y = noisy(2, 3, 8, 10)
    assert small(channels=3).denoise(y, 0.1).shape == y.shape


def test_the_same_generator_draws_the_same_weights() -> None:
    one, same = small(3).state_dict(), small(3).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["first.weight"], small(4).state_dict()["first.weight"])


def test_loss_divides_the_error_by_the_level() -> None:
    model, x = small(), noisy(5, 1, 8, 8)
    found = model.loss(x, seeded(3))
    generator = seeded(3)
    sigma = model.largest * torch.rand(5, generator=generator).double().square()
    noise = torch.randn(5, 1, 8, 8, generator=generator, dtype=torch.float64)
    made = model.denoise(x + sigma[:, None, None, None] * noise, sigma)
    errors = (made - x).square().mean((1, 2, 3)) / (sigma + FAINTEST)
    torch.testing.assert_close(found, errors.mean())


def test_score_is_the_mean_over_fixed_levels_and_does_not_change() -> None:
    model = ConvDenoiser(features=4, blocks=1, generator=seeded())  # returns what it sees
    x = torch.zeros(3, 1, 40, 40)
    expected = sum(s**2 / (s + FAINTEST) for s in JUDGED_AT) / len(JUDGED_AT)
    assert torch.equal(model.score(x), model.score(x))
    torch.testing.assert_close(model.score(x), torch.full((3,), expected), rtol=0.05, atol=0)


# --- Tweedie --------------------------------------------------------------------------------------

MEANS, SPREADS, SHARES = (torch.tensor(v).double() for v in ([0.1, 0.8], [0.05, 0.1], [0.3, 0.7]))


class Exact(ConvDenoiser):
    """The mean of each pixel, whose density is a mixture of two Gaussians."""

    def forward(self, y: Tensor, sigma: Tensor) -> Tensor:
        variance = sigma[:, None, None, None, None].square()
        total = SPREADS.square() + variance
        mean = MEANS + SPREADS.square() / total * (y[..., None] - MEANS)
        return (weights(y, total).softmax(-1) * mean).sum(-1)


def weights(y: Tensor, total: Tensor) -> Tensor:
    square = (y[..., None] - MEANS).square() / total
    return SHARES.log() - 0.5 * (square + (2 * math.pi * total).log())


def score_by_autograd(y: Tensor, sigma: float) -> Tensor:
    y = y.clone().requires_grad_()
    log_prob = weights(y, SPREADS.square() + sigma**2).logsumexp(-1).sum()
    return torch.autograd.grad(log_prob, y)[0]


@pytest.mark.parametrize("sigma", [0.01, 0.1, 1.0])
def test_tweedie_is_exact_where_the_denoiser_is(sigma: float) -> None:
    model, y = Exact(features=2, blocks=1, generator=seeded()).double(), noisy(2, 1, 3, 4)
    expected = score_by_autograd(y, sigma)
    torch.testing.assert_close(model.score_function(y, sigma), expected, rtol=1e-7, atol=1e-7)
    broken = (model.denoise(y, sigma) - y) / sigma
    assert (broken - expected).abs().max() > 1e-3 or sigma == 1.0


def test_tweedie_takes_a_level_for_each_picture() -> None:
    model, y = Exact(features=2, blocks=1, generator=seeded()).double(), noisy(2, 1, 3, 4)
    found = model.score_function(y, torch.tensor([0.1, 0.3]).double())
    for i, sigma in enumerate((0.1, 0.3)):
        torch.testing.assert_close(found[i], score_by_autograd(y[i], sigma), rtol=1e-7, atol=1e-7)


# --- what it learns -------------------------------------------------------------------------------


def test_trained_on_gaussian_pictures_it_comes_near_wieners_filter() -> None:
    side, spread = 8, 0.15
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side)).double()
    covariance = spread**2 * torch.exp(-torch.cdist(places, places) / 3)
    root = torch.linalg.cholesky(covariance).float()

    def draw(n: int, seed: int) -> Tensor:
        z = torch.randn(n, side**2, generator=seeded(seed))
        return (z @ root.T).view(n, 1, side, side)

    torch.manual_seed(0)
    model = ConvDenoiser(features=(16, 16), blocks=1, generator=seeded())
    train(
        model, draw(6000, 0), epochs=6, batch_size=50, lr=3e-3, clip=0.5,
        generator=seeded(), progress=False,
    )  # fmt: skip
    x, generator = draw(2000, 1), seeded(2)
    for sigma in (25 / 255, 50 / 255):
        y = x + sigma * torch.randn(x.shape, generator=generator)
        with torch.no_grad():
            error = float((model.denoise(y, sigma) - x).square().mean())
        inverse = torch.linalg.inv(covariance + sigma**2 * torch.eye(side**2).double())
        floor = float((covariance - covariance @ inverse @ covariance).diagonal().mean())
        assert 0.98 * floor < error < 1.2 * floor, (sigma, error / floor)
        assert sigma**2 > 1.6 * floor  # what it returned at first is far from that


def test_faint_noise_is_seen_under_mixed_precision() -> None:
    model, y = small().float(), noisy(1, 1, 16, 16).float() / 255 + 0.7
    with torch.autocast("cpu", torch.bfloat16):
        rough = model.denoise(y, 1 / 255) - y
    exact = model.denoise(y, 1 / 255) - y
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() < 0.1 * exact.norm()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "sigma", "message"),
    [
        (torch.rand(8, 8), 0.1, r"y: expected shape \(\.\.\., 1, height, width\)"),
        (torch.rand(2, 3, 8, 8), 0.1, r"y: expected shape \(\.\.\., 1, height, width\)"),
        (torch.full((1, 8, 8), torch.nan), 0.1, "y: 64 of 64 values are NaN"),
        (torch.rand(1, 8, 8).double(), 0.1, "y: expected torch.float32 like the model"),
        (torch.rand(1, 8, 8), -0.1, "sigma: expected standard deviations"),
        (torch.rand(1, 8, 8), math.nan, "sigma: expected a finite number, got nan"),
        (torch.rand(2, 1, 8, 8), torch.rand(3), r"sigma: expected one number, or one for each"),
    ],
)
def test_bad_pictures_and_levels(y: Tensor, sigma: float, message: str) -> None:
    model = ConvDenoiser(features=4, blocks=1, generator=seeded())
    with pytest.raises(ValueError, match=message):
        model.denoise(y, sigma)


def test_a_score_needs_noise() -> None:
    model = ConvDenoiser(features=4, blocks=1, generator=seeded())
    with pytest.raises(ValueError, match=r"sigma: .* finite numbers above 0"):
        model.score_function(torch.rand(1, 8, 8), 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 0}, "channels: expected at least 1"),
        ({"features": ()}, "features: expected at least one number of features"),
        ({"blocks": 0}, "blocks: expected at least 1"),
        ({"largest": 0.0}, "largest: expected a positive number"),
    ],
)
def test_bad_sizes(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvDenoiser(**options)
