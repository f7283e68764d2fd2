r"""Any density of pictures as a prior: its log-density at a picture of any size, and the gradient.

A prior is whatever has ``log_prob(x) -> (B,)`` with a right gradient, or, where nobody knows
the density, the gradient alone, ``gradient(x)``. `gradient` asks either. The densities of this
library speak of pictures of their own size, scale and levels; wrappers make priors of them:

- `PatchPrior`, here: a density of small patches, looked for at every place of a large picture;
- by the chain rule (``autoregressive_prior.py``): `CausalPrior`, a pixel given its causal
  neighbourhood (MCGSM, RIDE), swept over a picture, and `PixelPrior`, a PixelCNN, whose levels are
  joined so that there are values between them;
- through hidden codes (``latent_prior.py``): `BoundPrior`, the bound of a variational autoencoder,
  and `ScorePrior`, a diffusion, whose denoiser is a gradient (Tweedie), without a density.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from gdmlib._checks import check_count, check_event_shape, check_tensor
from gdmlib.densities.density import Density


class Prior(Protocol):
    """What says how probable pictures are."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), up to a constant, shape (B, *event_shape) -> (B,), in nats."""


def gradient(prior: Prior, x: Tensor) -> Tensor:
    """Return the gradient of log p at each x, in its shape, (B, *event_shape).

    Raises:
        FloatingPointError: If it is NaN or infinite.
    """
    found = value_and_gradient(prior, check_tensor(x, "x", floating=True))[1]
    if not bool(found.isfinite().all()):
        raise FloatingPointError(
            "prior: its gradient is NaN or infinite; look at the picture for values far outside "
            "of [0, 1], and at the prior's weights"
        )
    return found


def value_and_gradient(prior: Prior, x: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return log p of each x, (B,), None where the prior has no density, and the gradient.

    They are not looked at: both may be NaN.
    """
    x = check_tensor(x, "x", floating=True, finite=False).detach()
    given = getattr(prior, "gradient", None)
    if given is not None:
        return None, given(x)
    if not hasattr(prior, "log_prob"):
        raise ValueError(
            f"prior: expected something with log_prob(x), got {type(prior).__name__}; a denoiser "
            "is a prior by ScorePrior, an autoencoder by BoundPrior"
        )
    with torch.inference_mode(False), torch.enable_grad():
        at = x.clone().requires_grad_()
        value = prior.log_prob(at)
        if value.shape != x.shape[:1]:
            raise ValueError(
                f"prior: log_prob must return one number a picture, ({len(x)},), got "
                f"{tuple(value.shape)}"
            )
        if not value.requires_grad:
            raise ValueError(
                f"prior: log_prob of this {type(prior).__name__} does not depend on x for "
                "autograd; it must not detach x, nor round it to levels (see PixelPrior)"
            )
        (slope,) = torch.autograd.grad(value.sum(), at)
    return value.detach(), slope


def dequantised(x: Tensor, levels: int | None) -> Tensor:
    """Return pictures whose levels k / (L - 1) lie in the middle of the bins of width 1 / L.

    So a density that was trained on levels with uniform noise sees a level. None changes nothing.
    """
    return x if levels is None else (x * (levels - 1) + 0.5) / levels


def check_picture(
    x: Tensor,
    channels: int | str,
    height: int,
    width: int,
    what: str = "a patch",
    like: Tensor | None = None,
) -> Tensor:
    """Return pictures, (B, C, H, W), if what the prior looks at fits into them."""
    shape = ("B", channels, "H", "W")
    x = check_tensor(x, "x", shape=shape, floating=True, like=like)
    if x.shape[2] < height or x.shape[3] < width:
        raise ValueError(
            f"x: expected pictures of at least {height} x {width} pixels, so that {what} fits in, "
            f"got {x.shape[2]} x {x.shape[3]}"
        )
    return x


class PatchPrior(nn.Module):
    r"""A density of patches as a prior of pictures: the expected patch log-likelihood.

    .. math:: \log p(x) = \frac{s}{hw} \sum_i \log p_\text{patch}(P_i x),

    over all places i, ``stride`` = √s pixels apart, at which a patch of h × w pixels fits in
    (Zoran and Weiss 2011, equation 2). The factor, one over the number of patches in which a
    pixel lies, makes it comparable with the log-density of a whole picture.

    Args:
        density: Of patches, events (C, h, w), or (h · w,) of one colour.
        stride: Pixels from one place to the next; the last places touch the edge, too.
        shape: (C, h, w), for a density of vectors that are not square patches of one colour.
        levels: See `dequantised`.
    """

    def __init__(
        self,
        density: Density | Prior,
        *,
        stride: int = 1,
        shape: tuple[int, int, int] | None = None,
        levels: int | None = None,
    ) -> None:
        super().__init__()
        if not (hasattr(density, "log_prob") and hasattr(density, "event_shape")):
            raise ValueError(
                "density: expected something with log_prob(x) and an event_shape, got "
                f"{type(density).__name__}"
            )
        self.density, self.stride = density, check_count(stride, "stride")
        self.levels = None if levels is None else check_count(levels, "levels", least=2)
        event = tuple(density.event_shape)
        if shape is None:
            side = math.isqrt(event[0]) if len(event) == 1 else 0
            shape = event if len(event) == 3 else (1, side, side)
        assert shape is not None
        self.patch = check_event_shape(shape, image=True, name="shape")
        if self.patch.numel() != math.prod(event):
            raise ValueError(
                f"density: expected events (C, h, w), or of a square number of pixels, got "
                f"{event}; say what a patch is by shape=(C, h, w)"
            )
        self.vector = len(event) == 1
        if self.stride > min(self.patch[1:]):
            raise ValueError(
                f"stride: expected at most {min(self.patch[1:])}, the side of a patch, so that "
                f"every pixel is seen, got {stride}"
            )

    def patches(self, x: Tensor) -> Tensor:
        """Return all patches of pictures, (B, C, H, W) -> (B, N, C, h, w)."""
        c, h, w = self.patch
        x = check_picture(x, c, h, w)
        rows, columns = (_places(x.shape[-2 + i], (h, w)[i], self.stride) for i in range(2))
        if self.stride == 1 or (_even(rows) and _even(columns)):
            found = unfold(x, (h, w), stride=self.stride).mT.unflatten(2, (c, h, w))
            return found
        cut = [x[..., i : i + h, j : j + w] for i in rows for j in columns]
        return torch.stack(cut, dim=1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p of each picture, (B, C, H, W) -> (B,)."""
        patches = self.patches(dequantised(x, self.levels))
        flat = patches.flatten(0, 1)
        found = self.density.log_prob(flat.flatten(1) if self.vector else flat)
        return found.unflatten(0, patches.shape[:2]).sum(dim=1) * self.weight

    @property
    def weight(self) -> float:
        """One over the number of patches in which an inner pixel lies."""
        return self.stride**2 / (self.patch[1] * self.patch[2])


def _places(size: int, window: int, stride: int) -> list[int]:
    places = list(range(0, size - window + 1, stride))
    return places if places[-1] == size - window else [*places, size - window]


def _even(places: list[int]) -> bool:
    return len({b - a for a, b in pairwise(places)}) < 2
