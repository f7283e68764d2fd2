"""Priors by the chain rule: a pixel given those before it, from any corner, at any level."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdmlib._checks import check_choice, check_count, check_kind, check_tensor
from gdmlib.autoregressive.causal_image import CausalImage
from gdmlib.autoregressive.pixels.heads import SoftmaxHead
from gdmlib.autoregressive.pixels.model import PixelModel
from gdmlib.inverse.prior import check_picture, dequantised


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
        self.model = check_kind(model, "model", CausalImage, "an MCGSMImage or RIDE")
        self.orientations = check_choice(orientations, "orientations", (1, 2, 4))
        self.levels = None if levels is None else check_count(levels, "levels", least=2)
        self.block = None if block is None else check_count(block, "block")

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p of each picture, (B, C, H, W) -> (B,)."""
        around = self.model.neighbourhood
        top, wide = around.top, around.left + around.right
        like = self.model._like()
        x = check_picture(x, "C", top + 1, wide + 1, "the prior's context", like)
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
    size of pictures; for larger ones sweep its network over them, or put it into a `PatchPrior`.

    Args:
        model: A `PixelCNN`, `GatedPixelCNN` or `RowLSTM` without classes.
        any_size: Take pictures of every size: one pass of the convolutions over all of it. Not for
            a model that learned a number for each place.
    """

    def __init__(self, model: PixelModel, *, any_size: bool = False) -> None:
        super().__init__()
        wanted = "a PixelCNN or another PixelModel without classes"
        if check_kind(model, "model", PixelModel, wanted).num_classes is not None:
            raise ValueError(f"model: expected {wanted}, got one of {model.num_classes} classes")
        self.model, self.event_shape = model, model.event_shape
        if any_size and getattr(getattr(model, "position", None), "table", None) is not None:
            raise ValueError(
                "any_size: expected a model without position=True, got one that learned a number "
                f"for each place of {self.event_shape[1]} x {self.event_shape[2]}"
            )
        self.any_size = bool(any_size)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p of each picture, (B, C, H, W) -> (B,), with values anywhere in [0, 1]."""
        model = self.model
        sides = ("H", "W") if self.any_size else self.event_shape[1:]
        shape = ("B", self.event_shape[0], *sides)
        check_tensor(x, "x", shape=shape, floating=True, like=model._like())
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
