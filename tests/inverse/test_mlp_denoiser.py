"""The perceptron on patches: averaging over patches, what it learns, what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gdmlib.inverse import MLPDenoiser
from gdmlib.training import train


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(seen: int = 5, made: int = 3) -> MLPDenoiser:
    model = MLPDenoiser(seen=seen, made=made, hidden=6, generator=seeded()).double()
    with torch.no_grad():
        last = model.network[-1]
        last.weight.copy_(0.3 * torch.randn(last.weight.shape, generator=seeded(1)))
    return model.eval().requires_grad_(False)


class Copying(MLPDenoiser):
    """Returns the middle of the patch as it is."""

    def forward(self, y: Tensor) -> Tensor:
        edge = (self.seen - self.made) // 2
        square = y.view(-1, self.seen, self.seen)
        return square[:, edge : edge + self.made, edge : edge + self.made].flatten(1)


def by_hand(model: MLPDenoiser, y: Tensor, stride: int) -> Tensor:
    """Average over all patches, pixel by pixel; the picture's sides fit the patches."""
    edge, (height, width) = (model.seen - model.made) // 2, y.shape[-2:]
    rows = torch.arange(-edge, height + edge).clamp(0, height - 1)
    columns = torch.arange(-edge, width + edge).clamp(0, width - 1)
    around = y[0][rows][:, columns]
    place = torch.arange(model.made).double() - model.made // 2
    bell = torch.exp(-0.5 * (4 * place / model.made) ** 2)
    weight = torch.outer(bell, bell)
    total, count = torch.zeros(height, width).double(), torch.zeros(height, width).double()
    for i in range(0, height - model.made + 1, stride):
        for j in range(0, width - model.made + 1, stride):
            patch = around[i : i + model.seen, j : j + model.seen].reshape(1, -1)
            here = slice(i, i + model.made), slice(j, j + model.made)
            total[here] += weight * model(patch).view(model.made, model.made)
            count[here] += weight
    return (total / count)[None]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_overlapping_patches_are_averaged_with_gaussian_weights(stride: int) -> None:
    model, y = small(), torch.rand(1, 9, 15, generator=seeded(2), dtype=torch.float64)
    torch.testing.assert_close(model.denoise(y, stride=stride), by_hand(model, y, stride))


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (10, 7), (8, 8), (13, 20)])
def test_pictures_of_any_size_come_back_whole(shape: tuple[int, int]) -> None:
    model = Copying(seen=7, made=5, hidden=2, generator=seeded())
    y = torch.rand(2, 3, 1, *shape, generator=seeded(1))
    torch.testing.assert_close(model.denoise(y, stride=3), y)


def test_it_does_not_look_at_the_level() -> None:
    model, y = small(), torch.rand(1, 9, 9, generator=seeded(2), dtype=torch.float64)
    assert torch.equal(model.denoise(y, 0.5), model.denoise(y))


def test_it_learns_the_mean_for_its_own_noise_only() -> None:
    sigma, spread = 0.2, 0.15  # each patch is one grey value: the best guess shrinks its mean

    def draw(n: int, seed: int) -> Tensor:
        grey = 0.5 + spread * torch.randn(n, 1, 1, 1, generator=seeded(seed))
        return grey.expand(n, 1, 5, 5)

    torch.manual_seed(0)
    model = MLPDenoiser(sigma=sigma, seen=5, made=3, hidden=(32,), generator=seeded())
    train(
        model, draw(20_000, 0), epochs=8, batch_size=100, lr=5e-3, generator=seeded(),
        progress=False,
    )  # fmt: skip
    x, noise = draw(4000, 1), torch.randn(4000, 1, 5, 5, generator=seeded(2))

    def error(level: float) -> float:
        with torch.no_grad():
            made = model((x + level * noise).flatten(1))
        return float((made - x[:, 0, 1:4, 1:4].flatten(1)).square().mean())

    floor = 1 / (1 / spread**2 + 25 / sigma**2)
    assert 0.95 * floor < error(sigma) < 1.15 * floor
    faint = 1 / (1 / spread**2 + 25 / 0.02**2)
    assert error(0.02) > 3 * faint  # it still shrinks as if the noise were strong


def test_loss_and_score_count_the_middle() -> None:
    model, x = small(), torch.rand(4, 1, 5, 5, generator=seeded(3), dtype=torch.float64)
    noise = torch.randn(4, 1, 5, 5, generator=seeded(4), dtype=torch.float64)
    made = model((x + model.sigma * noise).flatten(1))
    expected = (made - x[:, 0, 1:4, 1:4].flatten(1)).square().mean()
    torch.testing.assert_close(model.loss(x, seeded(4)), expected)
    assert torch.equal(model.score(x), model.score(x))
    assert model.score(x).shape == (4,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seen": 4, "made": 3}, "seen, made: expected odd sides"),
        ({"seen": 3, "made": 5}, "seen, made: expected odd sides"),
        ({"sigma": 0.0}, "sigma: expected a positive number"),
        ({"hidden": (0,)}, "hidden: expected at least 1"),
    ],
)
def test_bad_sizes(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLPDenoiser(**options)


def test_bad_input() -> None:
    model = small()
    with pytest.raises(ValueError, match=r"y: expected shape \(\.\.\., 1, height, width\)"):
        model.denoise(torch.rand(3, 8, 8).double())
    with pytest.raises(ValueError, match="stride: expected at most made = 3, got 4"):
        model.denoise(torch.rand(1, 8, 8).double(), stride=4)
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 1, 5, 5\)"):
        model.loss(torch.rand(2, 1, 6, 6).double())
