r"""Any density of pictures as a prior: its log-density at a picture of any size, and the gradient.

A prior is whatever has ``log_prob(x) -> (B,)`` with a right gradient, or, where nobody knows
the density, the gradient alone, ``gradient(x)``. `gradient` asks either. The densities of this
library speak of pictures of their own size, scale and levels; four wrappers make priors of them:

- `PatchPrior`: a density of small patches, looked for at every place of a large picture;
- `CausalPrior`: a pixel given its causal neighbourhood (MCGSM, RIDE), swept over a picture;
- `PixelPrior`: a PixelCNN, whose levels are joined so that there are values between them;
- `ScorePrior`: a diffusion, whose denoiser is a gradient (Tweedie), without a density.

A variational autoencoder has a bound for a density, `BoundPrior`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import unfold
from torch.utils.checkpoint import checkpoint

from gdmlib._checks import check_count, check_event_shape, check_tensor
from gdmlib.autoregressive.causal_image import CausalImage
from gdmlib.autoregressive.pixels.heads import SoftmaxHead
from gdmlib.autoregressive.pixels.model import PixelModel
from gdmlib.densities.density import Density
from gdmlib.latent.denoiser import Denoiser
from gdmlib.latent.latent_model import LatentModel
from gdmlib.latent.schedule import shaped


class Prior(Protocol):
    """What says how probable pictures are."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x), up to a constant, shape (B, *event_shape) -> (B,), in nats."""


def gradient(prior: Prior, x: Tensor) -> Tensor:
    """Return the gradient of log p at each x, in its shape, (B, *event_shape).

    Raises:
        FloatingPointError: If it is NaN or infinite.
    """
    found = value_and_gradient(prior, x)[1]
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
        self.density, self.stride = density, check_count(stride, "stride")
        self.levels = None if levels is None else check_count(levels, "levels", least=2)
        event = tuple(getattr(density, "event_shape", ()))
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


class CausalPrior(nn.Module):
    """A density of a pixel given those above and to the left, as a prior of pictures of any size.

    The pixels whose whole context lies in the picture count, given the others; colours are
    pictures of their own. Mean over the orientations: each looks at the picture from another
    corner, and none at its own border alone.

    Args:
        model: An `MCGSMImage`, `RIDE`, or another `CausalImage`.
        orientations: 1, 2 (left and right exchanged) or 4 (top and bottom, too).
        levels: See `dequantised`; 256 for models that were trained on photographs with noise.
        block: Side of the blocks into which the picture is cut, each with the context that it
            needs: bounds the memory that a gradient takes. For an MCGSM the result is the same;
            a RIDE's memory begins anew in each, as on the crops that it was trained on. None:
            the whole picture.
    """

    def __init__(
        self,
        model: CausalImage,
        *,
        orientations: int = 1,
        levels: int | None = 256,
        block: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, CausalImage):
            raise ValueError(f"model: expected an MCGSMImage or RIDE, got {type(model).__name__}")
        if orientations not in (1, 2, 4):
            raise ValueError(f"orientations: expected 1, 2 or 4, got {orientations}")
        self.model, self.orientations = model, orientations
        self.levels = None if levels is None else check_count(levels, "levels", least=2)
        self.block = None if block is None else check_count(block, "block")

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p of each picture, (B, C, H, W) -> (B,)."""
        around = self.model.neighbourhood
        top, wide = around.top, around.left + around.right
        x = check_picture(x, None, top + 1, wide + 1, "the prior's context")
        x = dequantised(x, self.levels)
        flips: list[tuple[int, ...]] = [(), (-1,), (-2,), (-2, -1)][: self.orientations]
        total = torch.stack([self._of(x.flip(dims)) for dims in flips]).mean(dim=0)
        return total

    def _of(self, x: Tensor) -> Tensor:
        grey, (height, width) = x.flatten(0, 1)[:, None], x.shape[-2:]
        around = self.model.neighbourhood
        if self.block is None:
            found = self.model.interior_log_prob(grey).sum(dim=(1, 2, 3))
        else:
            found, wide = grey.new_zeros(len(grey)), around.left + around.right
            for i in range(0, height - around.top, self.block):
                for j in range(0, width - wide, self.block):
                    rows = slice(i, i + self.block + around.top)
                    part = grey[:, :, rows, j : j + self.block + wide]
                    found = found + _bounded(self.model.interior_log_prob, part).sum(dim=(1, 2, 3))
        return found.unflatten(0, x.shape[:2]).sum(dim=1)


def _bounded(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return function(x), and keep nothing for its gradient but x."""
    if not (x.requires_grad and torch.is_grad_enabled()):
        return function(x)
    return checkpoint(function, x, use_reentrant=False)


class PixelPrior(nn.Module):
    """A PixelCNN as a prior: log-probabilities of levels, joined by straight lines between them.

    A mixture of logistic densities has values between the levels by itself. The model knows one
    size of pictures; put it into a `PatchPrior` for larger ones.

    Args:
        model: A `PixelCNN`, `GatedPixelCNN` or `RowLSTM` without classes.
    """

    def __init__(self, model: PixelModel) -> None:
        super().__init__()
        if not isinstance(model, PixelModel) or model.num_classes is not None:
            raise ValueError(
                "model: expected a PixelCNN or another PixelModel without classes, got "
                f"{type(model).__name__}"
            )
        self.model, self.event_shape = model, model.event_shape

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p of each picture, (B, C, H, W) -> (B,), with values anywhere in [0, 1]."""
        model = self.model
        check_tensor(x, "x", shape=("B", *self.event_shape), floating=True, like=model._like())
        inside = x.clamp(0, 1)
        outside = (x - inside).abs().flatten(1).sum(dim=1) * model.levels
        if not isinstance(model.head, SoftmaxHead):
            return model._log_prob(inside) - outside
        numbers, pixels = model._rows(inside, None)
        logits = torch.log_softmax(numbers.unflatten(1, (-1, model.levels)), dim=2)
        level = pixels * (model.levels - 1)
        below = level.detach().floor().clamp(0, model.levels - 2)
        share, index = level - below, below.long()[..., None]
        low, high = (logits.gather(2, index + k)[..., 0] for k in (0, 1))
        found = low + share * (high - low)
        return found.reshape(len(x), -1).sum(dim=1) - outside


class BoundPrior(nn.Module):
    """A variational autoencoder as a prior: its bound of log p(x), with codes that stay the same.

    Args:
        model: With `importance_bound`, of real-valued pictures.
        k: Codes of the bound; more are nearer to log p(x).
        seed: Of the noise that draws the codes.
    """

    def __init__(self, model: LatentModel, *, k: int = 1, seed: int = 0) -> None:
        super().__init__()
        if not isinstance(model, LatentModel):
            raise ValueError(f"model: expected a VAE, got {type(model).__name__}")
        self.model, self.k, self.seed = model, check_count(k, "k"), seed
        self.event_shape = model.event_shape

    def log_prob(self, x: Tensor) -> Tensor:
        """Return a lower bound of log p of each picture, (B, *event_shape) -> (B,)."""
        parts = [self._one(picture[None]) for picture in x]  # one noise for all
        return torch.cat(parts)

    def _one(self, x: Tensor) -> Tensor:
        return self.model.importance_bound(x, self.k, Generator().manual_seed(self.seed))


class ScorePrior(nn.Module):
    r"""A diffusion as a prior without a density: its score at one small noise level.

    With :math:`z = \sqrt{\bar\alpha_t}\, (\text{low} + (\text{high} - \text{low})\, x)` the
    gradient is that of :math:`\log q_t(z)` by x: of a density that is blurred a little.

    Args:
        model: A `Diffusion` or another `Denoiser`.
        t: The step of noise, 1 to T.
        low, high: What black and white are for the model.
    """

    def __init__(self, model: Denoiser, t: int, *, low: float = -1.0, high: float = 1.0) -> None:
        super().__init__()
        if not isinstance(model, Denoiser):
            raise ValueError(f"model: expected a Diffusion, got {type(model).__name__}")
        model.schedule.check_steps(t, 1)
        self.model, self.t, self.event_shape = model, t, model.event_shape
        self.low, self.high = low, high

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient at each picture, in its shape."""
        signal = shaped(self.model.schedule.alpha_bar[[self.t]].sqrt(), x)
        span = self.high - self.low
        with torch.no_grad():
            score = self.model.score_function(signal * (self.low + span * x), self.t)
        return signal * span * score


def check_picture(
    x: Tensor, channels: int | None, height: int, width: int, what: str = "a patch"
) -> Tensor:
    """Return pictures, (B, C, H, W), if what the prior looks at fits into them."""
    shape = ("B", "C" if channels is None else channels, "H", "W")
    x = check_tensor(x, "x", shape=shape, floating=True, finite=False)
    if x.shape[2] < height or x.shape[3] < width:
        raise ValueError(
            f"x: expected pictures of at least {height} x {width} pixels, so that {what} fits in, "
            f"got {x.shape[2]} x {x.shape[3]}"
        )
    return x
