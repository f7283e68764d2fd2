r"""Mixtures of logistic densities, cut into the levels of a pixel.

A pixel has one of L levels, 0 to L - 1. A softmax over them has L numbers that know nothing of each
other; but levels 130 and 131 are neighbours. So take a continuous density, cut the line into bins
of width 1 around the levels, and let the first and the last bin reach to infinity:

.. math::

    P(k) = F(k + \tfrac12) - F(k - \tfrac12), \quad
    P(0) = F(\tfrac12), \quad P(L - 1) = 1 - F(L - \tfrac32)

whose sum is 1 exactly, whatever F is. With the logistic density, F is the sigmoid
:math:`\sigma((x - \mu) / s)`, and a mixture of some of them fits many a shape (Salimans, Karpathy,
Chen and Kingma 2017, "PixelCNN++", equation 1, https://arxiv.org/abs/1701.05517).

The difference of two sigmoids that are nearly equal loses its digits. It need not be taken:

.. math::

    \sigma(a) - \sigma(b) = \sigma(a)\, \sigma(-b)\, (1 - e^{b - a}), \qquad a - b = 1 / s

so that the logarithm of a bin is a sum of three terms, each of which is safe in float32.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import logsigmoid

from gdmlib._checks import check_count, check_positive, check_probabilities, check_shapes
from gdmlib._random import pick, uniform
from gdmlib.densities.density import Density, Labels

#: Scales are held between exp(-30) and exp(30) levels, where a bin holds all or next to nothing.
LARGEST_LOG_SCALE = 30.0


def logistic_bin_log_prob(x: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> Tensor:
    """Return the log-probability, in nats, of the bin of each level under logistic densities.

    Args:
        x: Levels as floating-point whole numbers, 0 to levels - 1. They are not checked.
        means, log_scales: Centres and logarithms of the scales s, in levels; they broadcast with x.
        levels: The number L of levels, at least 2.
    """
    log_scales = log_scales.clamp(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE)
    precision = (-log_scales).exp()
    centred = x - means
    # k ± ½ is exact in floating point, so the bins of neighbouring levels meet without a gap.
    below_upper = logsigmoid((centred + 0.5) * precision)
    above_lower = logsigmoid((0.5 - centred) * precision)
    inside = below_upper + above_lower + _log_one_minus_exp(precision)
    above_first = torch.where(x >= levels - 1.5, above_lower, inside)
    return torch.where(x < 0.5, below_upper, above_first)


def _log_one_minus_exp(d: Tensor) -> Tensor:
    """Return log(1 - exp(-d)) for d > 0, to full precision whether d is small or large."""
    small = d < math.log(2)
    # Each branch sees only numbers that are safe for it: where() would pass on its gradient's NaN.
    by_expm1 = torch.log(-torch.expm1(-torch.where(small, d, 1.0)))
    by_log1p = torch.log1p(-torch.exp(-torch.where(small, 1.0, d)))
    return torch.where(small, by_expm1, by_log1p)


class DiscretisedLogisticMixture(Density):
    """A mixture of K logistic densities over the levels 0 to L - 1 of a pixel.

    Args:
        weights: The probability of each component, shape (K,).
        means: Centres, in levels, shape (K,); they may lie outside of the levels.
        scales: Positive widths, in levels, shape (K,).
        levels: The number L of levels, at least 2.

    Examples:
        >>> half = torch.tensor([0.5, 0.5])
        >>> model = DiscretisedLogisticMixture(half, torch.tensor([0.0, 200.0]), 10 * half)
        >>> float(model.probs.sum())
        1.0
    """

    event_shape = torch.Size(())
    weights: Tensor
    means: Tensor
    scales: Tensor

    def __init__(
        self, weights: Tensor, means: Tensor, scales: Tensor, *, levels: int = 256
    ) -> None:
        super().__init__()
        check_shapes(weights=(weights, "K"), means=(means, "K"), scales=(scales, "K"))
        check_probabilities(weights, "weights")
        check_positive(scales, "scales")
        self.levels = check_count(levels, "levels", least=2)
        self.support = Labels(self.levels)
        self.register_buffer("weights", weights / weights.sum())
        self.register_buffer("means", means.clone())
        self.register_buffer("scales", scales.clone())

    @property
    def probs(self) -> Tensor:
        """The probability of each level, shape (L,)."""
        return self.log_prob(torch.arange(self.levels, device=self.means.device)).exp()

    def _log_prob(self, x: Tensor) -> Tensor:
        k = x.to(self.means.dtype)[:, None]
        bins = logistic_bin_log_prob(k, self.means, self.scales.log(), self.levels)
        return torch.logsumexp(self.weights.log() + bins, dim=1)

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return pick(self.probs.log(), uniform((n,), self.means, generator))
