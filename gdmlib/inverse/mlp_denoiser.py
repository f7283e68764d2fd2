r"""Denoising by a plain mapping: a multi-layer perceptron from noisy patches to clean ones.

It sees a patch and returns the middle of it; patches overlap, and what they say of a pixel is
averaged with Gaussian weights (Burger, Schuler and Harmeling 2012,
https://doi.org/10.1109/CVPR.2012.6247952). It learns the mean of the clean patch given the noisy
one, for *one* level of noise, and knows nothing of another: nobody tells it which it sees.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import fold, pad, unfold

from gdmlib._checks import check_above_zero, check_count, check_sizes, check_tensor
from gdmlib._random import standard_normal
from gdmlib.inverse.noisy import check_noisy
from gdmlib.nn.dense import dense

MIDDLE, SPREAD = 0.5, 0.2
"""Patches are shifted and scaled so that their values are about standard: the paper's numbers."""
AT_ONCE = 20_000  # patches


class MLPDenoiser(nn.Module):
    """A perceptron on patches of grey pictures, for one level of noise.

    Args:
        sigma: The level, a standard deviation for pictures in [0, 1].
        seen: Side of the patches that it sees, odd.
        made: Side of the middle that it returns, odd and at most as large.
        hidden: Units of each hidden layer.
        generator: Draws the weights; at first it returns grey.
    """

    def __init__(
        self,
        *,
        sigma: float = 25 / 255,
        seen: int = 17,
        made: int = 9,
        hidden: int | Iterable[int] = (256, 256),
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.sigma = float(check_above_zero(sigma, "sigma"))
        self.seen, self.made = check_count(seen, "seen"), check_count(made, "made")
        if self.made > self.seen or self.seen % 2 == 0 or self.made % 2 == 0:
            raise ValueError(
                f"seen, made: expected odd sides, the second at most the first, got {seen}, {made}"
            )
        sizes = check_sizes(hidden, "hidden")
        self.network = dense(self.seen**2, sizes, self.made**2, generator)

    def forward(self, y: Tensor) -> Tensor:
        """Return the clean middles of noisy patches, (B, seen²) -> (B, made²)."""
        return MIDDLE + SPREAD * self.network((y - MIDDLE) / SPREAD)

    def denoise(self, y: Tensor, sigma: float | Tensor | None = None, *, stride: int = 3) -> Tensor:
        """Return the guess of the clean pictures, shaped like y.

        Args:
            y: Noisy pictures, (..., 1, H, W).
            sigma: Is not looked at: the network knows only the noise that it was trained on.
            stride: Between patches, at most ``made``.
        """
        level = self.sigma if sigma is None else sigma
        y, _ = check_noisy(y, level, channels=1, like=next(self.parameters()), zero=True)
        stride = check_count(stride, "stride")
        if stride > self.made:
            raise ValueError(f"stride: expected at most made = {self.made}, got {stride}")
        height, width = y.shape[-2:]
        edge = (self.seen - self.made) // 2
        # So many rows and columns more that the last patch ends where the picture does.
        extra = [
            max(self.made - n, 0) + -(max(n, self.made) - self.made) % stride for n in y.shape[-2:]
        ]
        batch = y.reshape(-1, 1, height, width)
        around = pad(batch, (edge, edge + extra[1], edge, edge + extra[0]), mode="replicate")
        patches = unfold(around, self.seen, stride=stride)
        flat = patches.mT.reshape(-1, self.seen**2)
        middles = torch.cat([self(part) for part in flat.split(AT_ONCE)])
        weight = self._window(y)
        columns = (middles * weight).view(len(batch), -1, self.made**2).mT
        weights = weight[None, :, None].expand(1, -1, columns.shape[-1])
        size = height + extra[0], width + extra[1]
        total, count = (fold(c, size, self.made, stride=stride) for c in (columns, weights))
        return (total / count)[..., :height, :width].reshape(y.shape)

    def _window(self, y: Tensor) -> Tensor:
        """Return Gaussian weights for the pixels of a middle, (made²,)."""
        place = torch.arange(self.made, dtype=y.dtype, device=y.device) - self.made // 2
        bell = torch.exp(-0.5 * (4 * place / self.made).square())
        return torch.outer(bell, bell).flatten()

    def loss(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return what a step descends on, (): the squared error after noise drawn anew.

        Args:
            x: Clean patches, (B, 1, seen, seen).
            generator: Draws the noise.
        """
        x = self._check(x)
        return self._errors(x, standard_normal(x.shape, x, generator)).mean()

    def score(self, x: Tensor) -> Tensor:
        """Return the mean squared error of each patch's middle after the same noise, (B,)."""
        x = self._check(x)
        noise = standard_normal((1, *x.shape[1:]), x, Generator().manual_seed(0))
        return self._errors(x, noise)

    def _errors(self, x: Tensor, noise: Tensor) -> Tensor:
        edge = (self.seen - self.made) // 2
        middle = x[..., edge : edge + self.made, edge : edge + self.made].flatten(1)
        return (self((x + self.sigma * noise).flatten(1)) - middle).square().mean(1)

    def _check(self, x: Tensor) -> Tensor:
        shape = ("B", 1, self.seen, self.seen)
        return check_tensor(x, "x", shape=shape, floating=True, like=next(self.parameters()))
