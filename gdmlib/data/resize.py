r"""Pictures made smaller and larger by hand, and what is counted of them.

There are two bicubic filters about, and they are not the same operation. With **antialiasing** the
kernel of Keys (1981, https://doi.org/10.1109/TASSP.1981.1163711) with a = -1/2 is stretched by the
factor, so that each small pixel is an average over all the large ones that it stands for: MATLAB's
``imresize``, Pillow, and torch's ``antialias=True``, which differ at borders only. Without, the
kernel, with a = -3/4, keeps its four pixels, and what lies between is skipped, so that fine stripes
turn into coarse ones: OpenCV, and torch's default. Papers on super-resolution make their small
pictures with the first; a network learns to undo whichever it was shown.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import draw
from gdmlib.data.crops import turned

METHODS = ("nearest", "bilinear", "bicubic")
"""How pictures are resized: by the nearest pixel, by a tent, or by Keys' kernel."""

STUDIO = (65.481, 128.553, 24.966)
"""The weights of red, green and blue in the luma of ITU-R BT.601, from 16 to 235 of 255."""


def shrink(x: Tensor, scale: int, *, method: str = "bicubic", antialias: bool = True) -> Tensor:
    """Make pictures smaller by a whole factor.

    Args:
        x: Pictures, shape (B, C, H, W); H and W are multiples of the factor, see
            `crop_to_multiple`: other sizes end on different grids in different libraries.
        scale: The factor.
        method: One of `METHODS`.
        antialias: Which of the two filters described above; "nearest" knows only one.

    Returns:
        Shape (B, C, H / scale, W / scale). Bicubic values may lie outside of [0, 1]: `to_levels`.
    """
    x = _check_pictures(x)
    scale = check_count(scale, "scale")
    height, width = x.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(
            f"x: expected a height and a width that are multiples of {scale}, got {height} × "
            f"{width}; use crop_to_multiple(x, {scale}) first"
        )
    return _resize(x, (height // scale, width // scale), method, antialias)


def enlarge(x: Tensor, scale: int, *, method: str = "bicubic", antialias: bool = True) -> Tensor:
    """Make pictures larger by a whole factor, (B, C, H, W) -> (B, C, scale · H, scale · W).

    ``antialias`` only chooses Keys' kernel with a = -1/2 (as in MATLAB and Pillow) or -3/4.
    """
    x = _check_pictures(x)
    scale = check_count(scale, "scale")
    return _resize(x, (scale * x.shape[-2], scale * x.shape[-1]), method, antialias)


def crop_to_multiple(x: Tensor, unit: int) -> Tensor:
    """Cut rows below and columns at the right, so that (..., H, W) are multiples of the unit."""
    check_tensor(x, "x")
    unit = check_count(unit, "unit")
    if x.ndim < 2 or min(x.shape[-2:]) < unit:
        raise ValueError(f"x: expected at least {unit} rows and columns, got {tuple(x.shape)}")
    height, width = (n - n % unit for n in x.shape[-2:])
    return x[..., :height, :width].clone()


def luma(x: Tensor) -> Tensor:
    """Return the luma of ITU-R BT.601 in [16/255, 235/255], (B, 3, H, W) -> (B, 1, H, W).

    It is the Y of tables on super-resolution. A grey picture is its own luma as it is: turned into
    colours first, it would be squeezed into that range, and gain 1.3 dB.
    """
    x = _check_pictures(x)
    if x.shape[1] == 1:
        return x.clone()
    check_tensor(x, "x", shape=("B", 3, "H", "W"))
    weights = x.new_tensor(STUDIO)[:, None, None] / 255
    return (weights * x).sum(1, keepdim=True) + 16 / 255


def to_levels(x: Tensor) -> Tensor:
    """Return pictures in [0, 1] as levels 0 to 255, uint8: what lies outside is cut off, first.

    A bicubic filter goes beyond black and white at each sharp edge; a conversion without the cut
    turns 256 into 0.
    """
    x = check_tensor(x, "x", floating=True)
    return (255 * (x.float() if x.element_size() < 4 else x)).round().clamp(0, 255).to(torch.uint8)


def _check_pictures(x: Tensor) -> Tensor:
    return check_tensor(x, "x", ndim=4, floating=True, finite=False)


def _resize(x: Tensor, size: tuple[int, int], method: str, antialias: bool) -> Tensor:
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    if method == "nearest":
        return interpolate(x, size=size, mode="nearest-exact")
    if antialias and size[1] == 1 < size[0]:  # PyTorch gets a single column wrong, a row right
        return _resize(x.mT, size[::-1], method, antialias).mT
    wide = x.float() if x.element_size() < 4 else x  # PyTorch has no filter for narrow numbers
    made = interpolate(wide, size=size, mode=method, align_corners=False, antialias=antialias)
    return made.to(x.dtype)


class EnlargingPairs:
    """Cuts pairs of a small and a large picture; ``prepare`` of `gdmlib.training.train`.

    What it cuts from is four numbers in [0, 1) a pair: which picture, in proportion to areas; row
    and column; whether to turn and mirror it, and how. Each batch moves all of them alike, around
    the ends, so that each epoch has other crops: ``train(model, torch.rand(n, 4), prepare=pairs)``.

    Args:
        pictures: (C, H, W) each, in [0, 1].
        size: Side of a large crop, a multiple of the scale.
        scale: How many times larger.
        antialias: How the small pictures are made, see `shrink`.
        generator: Draws how far a batch is moved.
    """

    def __init__(
        self,
        pictures: Iterable[Tensor],
        *,
        size: int,
        scale: int = 4,
        antialias: bool = True,
        generator: Generator | None = None,
    ) -> None:
        self.size, self.scale = check_count(size, "size"), check_count(scale, "scale")
        if size % scale:
            raise ValueError(f"size: expected a multiple of the scale {scale}, got {size}")
        self.high = [
            crop_to_multiple(check_tensor(x, "pictures", ndim=3, floating=True), scale)
            for x in pictures
        ]
        if not self.high:
            raise ValueError("pictures: expected at least one, got none")
        kinds = {(len(x), x.dtype) for x in self.high}
        if len(kinds) > 1:
            came = ", ".join(sorted(f"{channels} of {dtype}" for channels, dtype in kinds))
            raise ValueError(f"pictures: expected channels of one number and dtype, got {came}")
        smallest = min(min(x.shape[-2:]) for x in self.high)
        if size > smallest:
            raise ValueError(f"size: the smallest picture has {smallest} pixels a side, got {size}")
        self.low = [shrink(x[None], scale, antialias=antialias)[0] for x in self.high]
        areas = torch.tensor([float(x[0].numel()) for x in self.high]).cumsum(0)
        self.shares, self.generator = areas / areas[-1], generator

    def __call__(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return small and large crops, (B, C, size / scale, ...) and (B, C, size, size).

        Args:
            numbers: In [0, 1), shape (B, 4).
        """
        numbers = check_tensor(numbers, "numbers", shape=("B", 4), floating=True)
        moved = (numbers.cpu() + draw(torch.rand, 4, generator=self.generator).cpu()) % 1
        which = torch.searchsorted(self.shares, moved[:, 0].contiguous(), right=True)
        side, scale, lows, highs = self.size // self.scale, self.scale, [], []
        which = which.clamp(max=len(self.high) - 1)
        for k, (row, column, turn) in zip(which.tolist(), moved[:, 1:].tolist(), strict=True):
            low, high = self.low[k], self.high[k]
            i = min(int(row * (low.shape[1] - side + 1)), low.shape[1] - side)
            j = min(int(column * (low.shape[2] - side + 1)), low.shape[2] - side)
            rows, columns = (
                slice(scale * i, scale * (i + side)),
                slice(scale * j, scale * (j + side)),
            )
            lows.append(turned(low[:, i : i + side, j : j + side], int(8 * turn)))
            highs.append(turned(high[:, rows, columns], int(8 * turn)))
        return torch.stack(lows), torch.stack(highs)
