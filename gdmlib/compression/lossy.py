r"""A learned code for pictures: an autoencoder whose code is whole numbers with known odds.

An encoder turns each block of 8 × 8 pixels into 64 numbers y; they are rounded, and what is written
is the rounded code with :math:`-\log_2 p(\hat y)` bits. Both are trained at once (Ballé, Laparra
and Simoncelli 2017, arXiv:1611.01704):

.. math:: \mathcal L = \underbrace{-\log_2 p(\hat y)}_{\text{rate}}
    + \lambda\, \underbrace{\|x - \hat x\|^2}_{\text{distortion}} .

Rounding has no gradient, so training adds uniform noise between -1/2 and 1/2 instead: the density
of :math:`y + u` at a whole number is exactly the probability of its cell. One network serves
several rates: before rounding, each number is multiplied by a gain of the rate, a finer or a
coarser ruler, and by another one after it (Cui et al. 2021, arXiv:2003.02150).

The model starts where JPEG is: the encoder as the principal components of blocks, which are nearly
JPEG's cosines. What it has beyond that is learned: the odds of a block given the four blocks before
it, and a decoder that looks across the borders of blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pad, silu

from gdmlib._checks import check_count, check_integer, check_numbers, check_tensor
from gdmlib._random import draw
from gdmlib.densities.discretised_logistic import logistic_bin_log_prob
from gdmlib.nn.dense import blank, fresh, start

LAMBDAS = (0.004, 0.01, 0.025, 0.07)
"""What a squared level of error costs, in bits: one for each rate, from the lowest."""
SIDE = 8
CODES = SIDE * SIDE
RANGE = 1 << 12
"""Codes are below this, and above minus this."""
BEFORE = ((-1, -1), (-1, 0), (-1, 1), (0, -1))
"""The blocks that the odds of a block depend on."""


class LossyAutoencoder(nn.Module):
    """Grey pictures to whole numbers, 64 for each block of 8 × 8 pixels, and back.

    Args:
        hidden: Units of the networks of odds and of the decoder.
        lambdas: The price of distortion at each rate, in bits a squared level.
        generator: Draws the weights to start from.

    Attributes:
        analysis, synthesis: The linear parts of encoder and decoder, (64, 64): a row each number.
    """

    def __init__(
        self,
        *,
        hidden: int = 64,
        lambdas: Sequence[float] = LAMBDAS,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        h = check_count(hidden, "hidden")
        self.lambdas = tuple(check_numbers(lambdas, "lambdas", positive=True))
        self.analysis = nn.Parameter(torch.eye(CODES))
        self.synthesis = nn.Parameter(torch.eye(CODES))
        # A step Δ of the ruler makes a squared error of Δ²/12, a quarter of it with one bit more:
        # the sum of bits and λ times the error is least where λ Δ² = 6 / log 2.
        steps = torch.tensor([value * math.log(2) / 6 for value in self.lambdas]).log() / 2
        self.log_gain = nn.Parameter(steps[:, None].repeat(1, CODES))
        self.log_inverse = nn.Parameter(-steps[:, None].repeat(1, CODES))
        self.odds_in = blank(nn.Linear, CODES * len(BEFORE) + len(self.lambdas), h)
        self.odds_out = blank(nn.Linear, h, 2 * CODES)
        self.across = blank(nn.Conv2d, CODES + len(self.lambdas), h, 3, padding=1)
        self.correction = blank(nn.Conv2d, h, CODES, 3, padding=1)
        start(self, generator)
        fresh(self.odds_out, generator, zero=True)
        fresh(self.correction, generator, zero=True)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> LossyAutoencoder:
        """Take the principal components of the blocks of pictures, (B, 1, H, W); return itself."""
        rows = _blocks(_fill(x)).permute(0, 2, 3, 1).flatten(0, 2).double() * 255
        values, vectors = torch.linalg.eigh(torch.cov(rows.T))
        basis = vectors.flip(1).T
        self.analysis.copy_(basis)
        self.synthesis.copy_(basis)
        # Logistic odds as wide as each component: its scale is √3/π standard deviations.
        deviation = values.flip(0).clamp(min=1.0).sqrt() * math.sqrt(3) / math.pi
        bias = self.odds_out.bias
        assert isinstance(bias, Tensor)
        bias[CODES:] = deviation.log().to(bias)
        return self

    def encode(self, x: Tensor, rate: int) -> Tensor:
        """Return the code before rounding, (B, 1, H, W) in [0, 1] -> (B, 64, h, w)."""
        x = self._check(x, "x", 1)
        y = torch.einsum("kp,bphw->bkhw", self.analysis, 255 * _blocks(_fill(x)) - 127.5)
        y = y * self.log_gain[self._rate(rate)].exp()[:, None, None]
        return y.clamp(1 - RANGE, RANGE - 1)

    def decode(self, y: Tensor, rate: int, size: tuple[int, int] | None = None) -> Tensor:
        """Return pictures, cut to ``size``, from codes, (B, 64, h, w)."""
        y = self._check(y, "y", CODES)
        linear = y * self.log_inverse[self._rate(rate)].exp()[:, None, None]
        seen = torch.cat([_small(y), self._which(rate, y[:, :1])], dim=1)
        better = linear + self.correction(silu(self.across(seen)))
        pixels = torch.einsum("kp,bkhw->bphw", self.synthesis, better)
        x = nn.functional.pixel_shuffle((pixels + 127.5) / 255, SIDE)
        return x if size is None else x[..., : size[0], : size[1]]

    def odds(self, before: Tensor, rate: int) -> tuple[Tensor, Tensor]:
        """Return centres and log-scales of a block's numbers given the blocks before it.

        Args:
            before: The codes of the four blocks of `BEFORE`, 0 outside, shape (N, 4 · 64).
            rate: Whose gains the codes have.

        Returns:
            Of logistic densities, (N, 64) each.
        """
        seen = torch.cat([_small(before), self._which(rate, before[:, :1])], dim=1)
        centre, log_scale = self.odds_out(silu(self.odds_in(seen))).chunk(2, dim=1)
        gain = self.log_gain[self._rate(rate)]
        return centre * gain.exp(), (log_scale + gain).clamp(-4, 8)

    def code_log_prob(self, y: Tensor, rate: int) -> Tensor:
        """Return the log-probability of the cell around each number of a code, in nats.

        Shape (B, 64, h, w) -> the same.
        """
        y = self._check(y, "y", CODES)
        height, width = y.shape[-2:]
        around = pad(y, (1, 1, 1, 0))
        parts = [around[:, :, 1 + i :][:, :, :height, 1 + j :][..., :width] for i, j in BEFORE]
        rows = torch.cat(parts, dim=1).permute(0, 2, 3, 1).flatten(0, 2)
        numbers = y.permute(0, 2, 3, 1).flatten(0, 2)
        centre, log_scale = self.odds(rows, rate)
        # The ends of the range are far away: a level in the middle has two ends.
        found = logistic_bin_log_prob(numbers + RANGE, centre + RANGE, log_scale, 2 * RANGE + 1)
        return found.unflatten(0, (len(y), height, width)).permute(0, 3, 1, 2)

    def loss(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return bits plus λ times squared levels of error, a pixel, over all rates, ().

        Args:
            x: Grey pictures in [0, 1], shape (B, 1, H, W); a share of them is used for each rate.
            generator: Draws the noise that stands for rounding.
        """
        x = self._check(x, "x", 1)
        total, parts = x.new_zeros(()), x.chunk(len(self.lambdas))
        for rate, part in enumerate(parts):
            y = self.encode(part, rate)
            y = y + draw(torch.rand, y.shape, generator=generator).to(y) - 0.5
            bits = -self.code_log_prob(y, rate).sum() / math.log(2)
            error = (255 * (self.decode(y, rate, (part.shape[2], part.shape[3])) - part)).square()
            # Divided by √λ, the losses of all rates are of one size.
            price = bits / part.numel() + self.lambdas[rate] * error.mean()
            total = total + price / self.lambdas[rate] ** 0.5
        return total / len(parts)

    def _check(self, x: Tensor, name: str, channels: int) -> Tensor:
        shape = ("B", channels, "height", "width")
        return check_tensor(x, name, shape=shape, floating=True, like=self.analysis)

    def _rate(self, rate: int) -> int:
        rate = check_integer(rate, "rate")
        if not 0 <= rate < len(self.lambdas):
            raise ValueError(f"rate: expected 0 to {len(self.lambdas) - 1}, got {rate}")
        return rate

    def _which(self, rate: int, like: Tensor) -> Tensor:
        """Return maps, or columns, that say which rate this is, 1 for it and 0 for the others."""
        shape = list(like.shape)
        shape[1] = len(self.lambdas)
        which = like.new_zeros(shape)
        which[:, self._rate(rate)] = 1
        return which


def _blocks(x: Tensor) -> Tensor:
    """Return the pixels of blocks, (B, 1, H, W) -> (B, 64, H/8, W/8)."""
    return nn.functional.pixel_unshuffle(x, SIDE)


def _small(y: Tensor) -> Tensor:
    """Return codes on a scale on which a network can see both 1 and 1000."""
    return torch.asinh(y) / 2


def _fill(x: Tensor) -> Tensor:
    """Repeat the last row and column until the sides are multiples of eight."""
    below, right = (-x.shape[-2]) % SIDE, (-x.shape[-1]) % SIDE
    return pad(x, (0, right, 0, below), mode="replicate") if below or right else x
