"""Images side by side, and how much each pixel of one influences a prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib import colormaps, rcParams
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.patches import Rectangle
from torch import Tensor

from gdmlib._checks import check_count, check_values
from gdmlib.plotting._style import COLOURS, given_or_new, to_tensor

_MISSING = "#E69F00"  # the colour of a pixel that is NaN: no grey image contains it
_BORDER = "#9AA5B1"  # between images: told apart from black, from white and from the card


def as_images(images: Tensor | np.ndarray) -> Tensor:
    """Return images as (N, C, H, W) with one or three channels."""
    images = to_tensor(images, "images", finite=False)
    if images.ndim == 3 and images.shape[-1] == 3 and min(images.shape[:2]) > 4:
        raise ValueError(
            f"images: shape {tuple(images.shape)} is that of one picture with its colours last; "
            "use torch.as_tensor(images).movedim(-1, 0)[None]"
        )
    if images.ndim == 3:
        images = images.unsqueeze(1)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            "images: expected shape (N, H, W), (N, 1, H, W) or (N, 3, H, W), got "
            f"{tuple(images.shape)}; a single image needs images[None]"
        )
    return images.to(torch.float64)


def _image_range(images: Tensor, vmin: float | None, vmax: float | None) -> tuple[float, float]:
    seen = images[torch.isfinite(images)]
    low = float(seen.min()) if vmin is None and len(seen) else (vmin or 0.0)
    high = float(seen.max()) if vmax is None and len(seen) else (1.0 if vmax is None else vmax)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"vmin, vmax: expected finite vmin <= vmax, got {low} and {high}")
    return (low, high) if low < high else (low, low + 1.0)


def to_colours(
    images: Tensor, cmap: str, low: float, high: float, missing: str = _MISSING
) -> np.ndarray:
    """Return colours (N, H, W, 3) in [0, 1]; what is NaN or infinite becomes ``missing``."""
    holes = ~torch.isfinite(images).all(dim=1).numpy()
    scaled = ((images.nan_to_num() - low) / (high - low)).clamp(0, 1).numpy()
    if images.shape[1] == 1:
        if cmap not in colormaps:
            raise ValueError(f"cmap: Matplotlib has no colour map {cmap!r}")
        rgb = colormaps[cmap](scaled[:, 0])[..., :3]
    else:
        rgb = scaled.transpose(0, 2, 3, 1).copy()
    rgb[holes] = to_rgb(missing)
    return rgb


def image_grid(
    images: Tensor | np.ndarray,
    ncols: int | None = None,
    ax: Axes | None = None,
    titles: Sequence[str] | None = None,
    cmap: str = "gray",
    vmin: float | None = 0.0,
    vmax: float | None = 1.0,
    row_labels: Sequence[str] | None = None,
    missing: str = _MISSING,
) -> Axes:
    """Draw images side by side with a thin border between them.

    Args:
        images: Shape ``(N, H, W)``, ``(N, 1, H, W)`` (grey) or ``(N, 3, H, W)`` (colour). A NaN or
            infinite pixel is drawn in the colour ``missing``.
        ncols: Images in a row; by default a grid about twice as wide as it is high.
        ax: Where to draw; by default a new figure in which each pixel covers a whole number of
            screen pixels. Rows of more than 640 pixels are made smaller.
        titles: One short text an image, written above it.
        cmap: Colour map of grey images. For signed values, such as a principal component, take
            ``"RdBu_r"`` and ``vmin = -vmax``.
        vmin, vmax: Values drawn as the first and the last colour; what lies outside is clipped.
            ``None`` takes the smallest, or largest, finite value of all images together.
        row_labels: One text a row, written to its left.
        missing: Colour of pixels that are NaN or infinite; by default an orange, which no grey
            image holds.
    """
    images = as_images(images)
    count, _, height, width = images.shape
    if ncols is None:
        ncols = min(count, max(1, round(math.sqrt(2.0 * count * height / width))))
    ncols = min(check_count(ncols, "ncols"), count)
    nrows = math.ceil(count / ncols)
    if titles is not None and len(titles) != count:
        raise ValueError(f"titles: expected {count}, one an image, got {len(titles)}")
    if row_labels is not None and len(row_labels) != nrows:
        raise ValueError(f"row_labels: expected {nrows}, one a row, got {len(row_labels)}")
    rgb = to_colours(images, cmap, *_image_range(images, vmin, vmax), missing)

    # Screen pixels an image pixel covers; enlarged here, so that a border can be thinner than that.
    room = 640.0 if ax is None else ax.get_window_extent().width
    scale = room / (ncols * width)
    if ax is None:
        most = (400 if count == 1 else 200 if nrows == 1 else 130) / height
        scale = min(scale, max(most, 1.0))  # only what is too wide loses pixels
    enlarge = max(1, math.floor(scale))
    rgb = rgb.repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    height, width = rgb.shape[1:3]
    shrink = min(1.0, scale)
    gap = math.ceil(2 / shrink)
    dpi = rcParams["figure.dpi"]
    title_room = 0 if titles is None else math.ceil(18 * dpi / 72 / shrink)
    row_step, column_step = height + gap + title_room, width + gap
    if ax is None:
        size = (ncols * column_step + gap, nrows * row_step + gap)
        figure = plt.figure(figsize=(size[0] * shrink / dpi, size[1] * shrink / dpi))
        figure.set_layout_engine("none")
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))  # they fill it

    mosaic = np.ones((nrows * row_step + gap, ncols * column_step + gap, 3))
    corners = [
        (row * row_step + title_room + gap, column * column_step + gap)
        for row, column in (divmod(index, ncols) for index in range(count))
    ]
    for top, left in corners:  # neighbours share a border
        mosaic[top - gap : top + height + gap, left - gap : left + width + gap] = to_rgb(_BORDER)
    for (top, left), image in zip(corners, rgb, strict=True):
        mosaic[top : top + height, left : left + width] = image
    ax.imshow(mosaic, interpolation="nearest" if scale >= 1 else "antialiased")
    ax.set_axis_off()
    for (top, left), title in zip(corners, titles or (), strict=bool(titles)):
        x, y = left + width / 2, top - gap - title_room / 5
        ax.text(x, y, title, ha="center", va="bottom", fontsize=9.5)
    for (top, _), label in zip(corners[::ncols], row_labels or (), strict=bool(row_labels)):
        ax.text(-4 * gap, top + height / 2, label, ha="right", va="center", fontsize=9.5)
    return ax


def receptive_field(
    influence: Tensor | np.ndarray,
    ax: Axes | None = None,
    pixel: tuple[int, int] | None = None,
    causal: bool = True,
    label: str = "influence",
) -> Axes:
    """Draw how much each pixel influences what a model says about one pixel.

    Args:
        influence: Shape ``(H, W)``, not negative; for instance the absolute gradient of the
            prediction at ``pixel`` with respect to each pixel of the input.
        pixel: Row and column of the predicted pixel, by default the one in the middle. It is
            marked.
        causal: Draw the border between the past and the future of the raster scan, and cross out
            every pixel of the future, ``pixel`` included, that has an influence nevertheless.
    """
    influence = to_tensor(influence, "influence", shape=("H", "W")).to(torch.float64)
    advice = "; take .abs() of a gradient first"
    check_values(influence, "influence", influence >= 0, "no negative value", advice)
    height, width = influence.shape
    row, column = (height // 2, width // 2) if pixel is None else pixel
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(
            f"pixel: expected a row and a column inside {(height, width)}, got {pixel}"
        )
    ax = given_or_new(ax, (5.0, 4.2))
    largest = float(influence.max()) or 1.0
    # A square-root scale: far pixels matter far less than near ones, and should still be seen.
    drawn = ax.imshow(influence.numpy(), cmap="Blues", norm=PowerNorm(0.5, 0.0, largest))
    ax.figure.colorbar(drawn, ax=ax, label=label, shrink=0.85)
    place = column - 0.5, row - 0.5
    ax.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=2.5))
    ax.set(xlabel="column", ylabel="row")
    if causal:
        edge_x = [-0.5, column - 0.5, column - 0.5, width - 0.5]
        edge_y = [row + 0.5, row + 0.5, row - 0.5, row - 0.5]
        ax.plot(edge_x, edge_y, color=COLOURS[6], linewidth=1.5, linestyle="--")
        card = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
        corner: dict[str, Any] = {"transform": ax.transAxes, "fontsize": 9.5, "bbox": card}
        ax.text(0.03, 0.97, "past", ha="left", va="top", **corner)
        ax.text(0.97, 0.03, "future", ha="right", va="bottom", **corner)
        future = torch.arange(height * width).view(height, width) >= row * width + column
        leaks = (future & (influence > 0)).nonzero()
        ax.plot(leaks[:, 1], leaks[:, 0], "x", color=COLOURS[1], markersize=7, markeredgewidth=2)
    return ax
