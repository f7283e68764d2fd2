r"""Densities of images by causal neighbourhoods, as probabilities of levels.

A density of real numbers has no bits: a real number takes infinitely many. A pixel has L levels,
though, and level k stands for the interval from k/L to (k+1)/L:

.. math::

    P(k \mid \text{past}) = \int_{k/L}^{(k+1)/L} p(y \mid \text{past})\, dy
        = \sum_{c,s} p(c, s)\, \bigl[\Phi(z_{k+1}) - \Phi(z_k)\bigr],

where the first and the last level take the tails. The past is seen at the middle of its intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gdmlib._checks import check_count, check_event_shape
from gdmlib._random import pick
from gdmlib.autoregressive.causal_image import CausalImage
from gdmlib.autoregressive.chain_rule import WholePass
from gdmlib.autoregressive.mcgsm_images import MCGSMImage
from gdmlib.autoregressive.ride import RIDE
from gdmlib.densities.density import Levels
from gdmlib.nn.precision import full_precision


class DiscretisedImage(WholePass):
    """Probabilities of images of L levels, k / (L - 1), from an `MCGSMImage` or a `RIDE`.

    Args:
        model: A density of images in [0, 1], as `gdmlib.data.crops.dequantise` makes them.
        levels: The number L of levels, at least 2.
        event_shape: Of what ``sample`` draws, (1, H, W); that of the model if it is None. Images
            of any size have a probability.
    """

    def __init__(
        self, model: CausalImage, *, levels: int = 256, event_shape: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        if not isinstance(model, MCGSMImage | RIDE):
            raise ValueError(f"model: expected an MCGSMImage or a RIDE, got {type(model).__name__}")
        self.model: MCGSMImage | RIDE = model
        self.levels = check_count(levels, "levels", least=2)
        shape = model.event_shape if event_shape is None else event_shape
        self.event_shape = check_event_shape(shape, image=True, channels=1)
        self.support = Levels(self.levels)

    def check(self, x: Tensor, name: str = "images") -> Tensor:
        """Return images, (B, 1, H, W) of any size, if they are valid."""
        if self._like().dtype in (torch.float16, torch.bfloat16):
            raise ValueError(
                f"{name}: a level of 256 is lost in {self._like().dtype}; use model.float()"
            )
        return self.support.check(x, name, (1, "H", "W"), self._like())

    def pixel_distribution(self, x: Tensor) -> Tensor:
        """Return p(level | all before) of each pixel, (B, 1, H, W) -> (B, 1, H, W, L)."""
        return self._cells(self.check(x)).exp()

    @full_precision
    def _cells(self, x: Tensor) -> Tensor:
        """Return the log-probability of each level of each pixel, (B, 1, H, W, L)."""
        model, steps = self.model, self.levels - 1
        # Level k / (L - 1) is the middle of the k-th interval, (k + 1/2) / L.
        seen = (x[:, 0] * steps + 0.5) / self.levels
        nearby = model.neighbourhood.pad(seen, model.padding)
        head = model.head if isinstance(model, RIDE) else model.conditional
        whitening = model.whitening if isinstance(model, RIDE) else head.whitening
        context = whitening.context(model.neighbourhood.contexts(nearby))
        edges = torch.arange(1, self.levels).to(x) / self.levels
        linear = whitening.output_mean + context @ whitening.regression
        residual = (edges - linear[..., None]) / whitening.output_std  # (B, H, W, L - 1)
        features = model.hidden(context) if isinstance(model, RIDE) else context
        rows = features.flatten(0, 2)
        z = (residual.reshape(len(rows), 1, -1) - head.means(rows)[..., None])[:, :, None]
        z = z * torch.exp(0.5 * head.alpha)[..., None]  # (N, C, S, L - 1)
        log_cell = _log_cells(z) + head.log_gate(rows)[..., None]
        return torch.logsumexp(log_cell.flatten(1, 2), dim=1).reshape(*x.shape, self.levels)

    def _conditional_log_prob(self, x: Tensor) -> Tensor:
        level = (x * (self.levels - 1)).round().long()
        return self._cells(x).gather(-1, level[..., None])[..., 0]

    def _draw_one(self, x: Tensor, place: int, noise: Any, labels: Tensor | None) -> Tensor:
        log_probs = self._cells(x).flatten(1, -2)[:, place]
        return pick(log_probs, noise.flatten(1)[:, place]).to(x) / (self.levels - 1)

    def _sweep(self, x: Tensor, known: Tensor, noise: Tensor) -> Tensor:
        drawn = x.clone()
        flat, fixed = drawn.view(len(x), -1), known.reshape(len(x), -1)
        for place in range(flat.shape[1]):
            value = self._draw_one(drawn, place, noise, None)
            flat[:, place] = torch.where(fixed[:, place], flat[:, place], value)
        return drawn


def _log_cells(z: Tensor) -> Tensor:
    """Return log[Φ(z_{k+1}) - Φ(z_k)] of the cells between edges, (..., L - 1) -> (..., L)."""
    # Both ends of a cell far on the right have Φ = 1: there, mirrored, the digits are on the left.
    log_cdf = torch.special.log_ndtr
    low, high = z[..., :-1], z[..., 1:]
    mirror = low + high > 0
    a = log_cdf(torch.where(mirror, -low, high))  # the larger one
    b = log_cdf(torch.where(mirror, -high, low))
    inner = a + torch.log(-torch.expm1((b - a).clamp(max=-1e-30)))
    return torch.cat([log_cdf(z[..., :1]), inner, log_cdf(-z[..., -1:])], dim=-1)
