r"""A denoiser that is told how strong the noise is, and what it knows about pictures.

Of y = x + σn it learns the mean of x, by least squares over pictures, noise and its levels σ:

.. math:: D(y, \sigma) \approx \mathbb E[x \mid y], \qquad
    \nabla \log p_\sigma(y) = \frac{D(y, \sigma) - y}{\sigma^2}

where p_σ is the density of noisy pictures: the second is Tweedie's formula, by which whoever can
denoise has a prior (Robbins 1956; Vincent 2011, https://doi.org/10.1162/NECO_a_00142).

The network sees four half-size pictures made of every other pixel, and a fifth that is σ everywhere
(Zhang, Zuo and Zhang 2018, FFDNet, https://arxiv.org/abs/1710.04026). Its body looks at three sizes
and nothing in it has a bias, so that only σ says what is small: D(cy, cσ) = c D(y, σ) (Mohan et al.
2020, https://arxiv.org/abs/1906.05478; Zhang et al. 2021, https://arxiv.org/abs/2008.13751).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from gdmlib._checks import check_above_zero, check_count, check_sizes, check_tensor
from gdmlib._random import between, draw, standard_normal
from gdmlib.inverse.noisy import check_noisy
from gdmlib.nn.dense import blank
from gdmlib.nn.precision import full_precision

JUDGED_AT = (5 / 255, 15 / 255, 25 / 255, 50 / 255)
"""Levels of noise at which `ConvDenoiser.score` looks."""
FAINTEST = 1 / 255
"""Noise below one grey level counts no more than noise of one level, in the loss."""


class ConvDenoiser(nn.Module):
    """A small convolutional denoiser for pictures of any size.

    Args:
        channels: Of the pictures, 1 for grey.
        features: Of half the picture's size, and of each size below, half the one before.
        blocks: Residual blocks at each size on the way down, and as many on the way up.
        largest: The strongest noise it is trained on.
        generator: Draws the weights; at first it returns what it sees.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        features: int | Iterable[int] = (32, 64, 96),
        blocks: int = 2,
        largest: float = 75 / 255,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.channels, blocks = check_count(channels, "channels"), check_count(blocks, "blocks")
        sizes = check_sizes(features, "features")
        if not sizes:
            raise ValueError("features: expected at least one number of features, got none")
        self.largest = float(check_above_zero(largest, "largest"))
        self.unit = 2 ** len(sizes)

        def body(width: int) -> nn.Sequential:
            return nn.Sequential(*(_Block(width, generator) for _ in range(blocks)))

        pairs = list(pairwise(sizes))
        self.first = _convolution(4 * self.channels + 1, sizes[0], 3, generator)
        self.down = nn.ModuleList(body(a) for a, _ in pairs)
        self.shrink = nn.ModuleList(_convolution(a, b, 2, generator, stride=2) for a, b in pairs)
        self.middle = body(sizes[-1])
        self.grow = nn.ModuleList(_convolution(b, 4 * a, 1, generator) for a, b in pairs[::-1])
        self.up = nn.ModuleList(body(a) for a, _ in pairs[::-1])
        self.last = _convolution(sizes[0], 4 * self.channels, 3, generator, gain=0.0)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, y: Tensor, sigma: Tensor) -> Tensor:
        """Return clean pictures, (B, channels, H, W), from noisy ones at levels (B,)."""
        height, width = y.shape[-2:]
        edge = (0, -width % self.unit, 0, -height % self.unit)
        noise = self._noise(pad(y, edge, mode="replicate"), sigma)[..., :height, :width]
        return torch.where(sigma[:, None, None, None] > 0, y - noise, y)

    def _noise(self, y: Tensor, sigma: Tensor) -> Tensor:
        parts = pixel_unshuffle(y, 2)
        level = sigma[:, None, None, None].expand(-1, 1, *parts.shape[-2:])
        x = torch.cat([parts, level], dim=1).contiguous(memory_format=torch.channels_last)
        h, kept = self._precise(self.first, x), []
        for body, shrink in zip(self.down, self.shrink, strict=True):
            h = body(h)
            kept.append(h)
            h = shrink(h)
        h = self.middle(h)
        for grow, body in zip(self.grow, self.up, strict=True):
            h = body(pixel_shuffle(grow(h), 2) + kept.pop())
        return pixel_shuffle(self._precise(self.last, h.to(x.dtype)), 2).contiguous()

    @staticmethod
    def _precise(layer: nn.Module, x: Tensor) -> Tensor:
        # Faint noise is lost where pixels are rounded to three digits, by mixed precision.
        with torch.autocast(x.device.type, enabled=False):
            return cast(Tensor, layer(x))

    def denoise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the guess of the clean pictures, shaped like y.

        Args:
            y: Noisy pictures, (..., channels, H, W), of any size.
            sigma: The standard deviation of the noise, one number or one for each picture, (...).
        """
        y, levels = self._check(y, sigma)
        batch = y.reshape(-1, *y.shape[-3:])
        return self(batch, levels).view(y.shape)

    def score_function(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the gradient of log p_σ at y, by Tweedie; arguments as for `denoise`, σ > 0."""
        y, levels = self._check(y, sigma, zero=False)
        variance = levels.view(*y.shape[:-3], 1, 1, 1).square()
        return (self.denoise(y, sigma) - y) / variance

    def loss(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return what a step descends on, (): the squared error at levels drawn at random, over σ.

        The square root of a level is uniform, for half of a restoration happens at faint noise. The
        error grows about as fast as σ, so that divided by it all levels count the same in decibels.

        Args:
            x: Clean pictures, (B, channels, H, W).
            generator: Draws levels and noise.
        """
        x = self._clean(x)
        u = draw(torch.rand, len(x), generator=generator).to(x)
        sigma = self.largest * u.square()
        errors = self._errors(x, sigma, standard_normal(x.shape, x, generator))
        return (errors / (sigma + FAINTEST)).mean()

    @full_precision
    def score(self, x: Tensor) -> Tensor:
        """Return the mean over `JUDGED_AT` of each picture's squared error over σ, (B,)."""
        x = self._clean(x)
        total, generator = x.new_zeros(len(x)), Generator().manual_seed(0)
        for level in JUDGED_AT:
            noise = standard_normal((1, *x.shape[1:]), x, generator).expand_as(x)
            sigma = x.new_full((len(x),), level)
            total = total + self._errors(x, sigma, noise) / (level + FAINTEST)
        return total / len(JUDGED_AT)

    def _errors(self, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        made = self(x + sigma[:, None, None, None] * noise, sigma)
        return (made - x).square().flatten(1).mean(1)

    def _check(self, y: Tensor, sigma: float | Tensor, zero: bool = True) -> tuple[Tensor, Tensor]:
        """Return pictures, and a level for each, flat."""
        like = next(self.parameters())
        y, levels = check_noisy(y, sigma, channels=self.channels, like=like, zero=zero)
        return y, levels.to(y).reshape(-1)

    def _clean(self, x: Tensor) -> Tensor:
        shape = ("B", self.channels, "height", "width")
        return check_tensor(x, "x", shape=shape, floating=True, like=next(self.parameters()))


class _Block(nn.Module):
    """A residual block without a bias."""

    def __init__(self, features: int, generator: Generator | None) -> None:
        super().__init__()
        self.first = _convolution(features, features, 3, generator)
        self.second = _convolution(features, features, 3, generator, gain=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.first(x)))


def _convolution(
    inputs: int,
    outputs: int,
    size: int,
    generator: Generator | None,
    *,
    stride: int = 1,
    gain: float = 1.0,
) -> nn.Module:
    """Return a convolution without a bias, its weights uniform with a variance of gain² / inputs.

    One of odd size keeps the size of the picture, over whose border stand zeros.
    """
    layer = blank(
        nn.Conv2d, inputs, outputs, size, stride=stride, padding=(size - 1) // 2, bias=False
    )
    weight = cast(Tensor, layer.weight)
    bound = gain * math.sqrt(3 / weight[0].numel())
    with torch.no_grad():
        if gain:
            weight.copy_(between(-bound, bound, *weight.shape, generator=generator))
        else:
            weight.zero_()
    return layer
