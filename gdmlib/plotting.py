"""Pictures in one house style: image grids, densities, classes, curves, small animations.

Every helper draws into the ``ax`` it is given, or into a new figure, and returns the
:class:`matplotlib.axes.Axes`. None of them calls ``plt.show()``: in a notebook the last line of the
cell does. Pictures sit on a white card, so that they read alike on a light and on a dark page;
colours are those of Okabe and Ito, which people with any common colour blindness can tell apart;
and classes differ by marker as well as by colour.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib import colormaps, rcParams
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor, nn

from gdmlib._checks import check_labels, check_tensor
from gdmlib.metrics import reliability_curve

__all__ = [
    "COLOURS",
    "MARKERS",
    "Animation",
    "animate",
    "covariance_ellipse",
    "density_contours",
    "density_curve",
    "image_grid",
    "receptive_field",
    "reliability",
    "scatter",
    "style",
    "training_curves",
]

#: The colours of Okabe and Ito (2008), the most legible on white first: blue, vermilion, green,
#: purple, orange, sky blue, black, yellow.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#F0E442",
)

#: One marker a class, in the order of :data:`COLOURS`.
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")

_MISSING = "#E69F00"  # the colour of a pixel that is NaN: no grey image contains it
_BORDER = "#9AA5B1"  # between images: told apart from black, from white and from the card

_HOUSE_STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "figure.figsize": (6.4, 4.0),
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.bbox": "tight",
    "savefig.dpi": "figure",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 11.5,
    "axes.labelsize": 10.5,
    "font.size": 10.5,
    "font.family": "DejaVu Sans",
    "legend.fontsize": 9.5,
    "legend.framealpha": 0.9,
    "lines.linewidth": 2.0,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "image.cmap": "viridis",
}


def style() -> ExitStack:
    """Apply the house style to every figure drawn from now on.

    Returns:
        Ignore it to keep the style, or use it in a ``with`` statement to have the former settings
        back at the end of the block.
    """
    undo = ExitStack()
    undo.callback(rcParams.update, {key: rcParams[key] for key in _HOUSE_STYLE})
    rcParams.update(_HOUSE_STYLE)
    return undo


def _axes(ax: Axes | None, figsize: tuple[float, float] | None = None) -> Axes:
    return plt.subplots(figsize=figsize)[1] if ax is None else ax


def _tensor(x: Tensor | np.ndarray, name: str, **expected: Any) -> Tensor:
    """Return ``x`` as a checked tensor on the CPU, without a gradient."""
    x = torch.as_tensor(x) if isinstance(x, np.ndarray) else x
    return check_tensor(x, name, **expected).detach().cpu()


def _check_limits(limits: tuple[float, float], name: str) -> tuple[float, float]:
    low, high = float(limits[0]), float(limits[1])
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{name}: expected two finite numbers, low < high, got {limits}")
    return low, high


# --- images ---------------------------------------------------------------------------------------


def _as_images(images: Tensor | np.ndarray) -> Tensor:
    """Return images as (N, C, H, W) with one or three channels."""
    images = _tensor(images, "images", finite=False)
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


def _to_rgb(
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
            screen pixels.
        titles: One short text an image, written above it.
        cmap: Colour map of grey images. For signed values, such as a principal component, take
            ``"RdBu_r"`` and ``vmin = -vmax``.
        vmin, vmax: Values drawn as the first and the last colour; what lies outside is clipped.
            ``None`` takes the smallest, or largest, finite value of all images together.
        row_labels: One text a row, written to its left.
        missing: Colour of pixels that are NaN or infinite; by default an orange, which no grey
            image holds.

    Raises:
        ValueError: If the shape is not that of images, or there are not as many titles as images or
            as many labels as rows.
    """
    images = _as_images(images)
    count, _, height, width = images.shape
    if ncols is None:
        ncols = min(count, max(1, round(math.sqrt(2.0 * count * height / width))))
    if ncols < 1:
        raise ValueError(f"ncols: expected at least 1, got {ncols}")
    ncols = min(ncols, count)
    nrows = math.ceil(count / ncols)
    if titles is not None and len(titles) != count:
        raise ValueError(f"titles: expected {count}, one an image, got {len(titles)}")
    if row_labels is not None and len(row_labels) != nrows:
        raise ValueError(f"row_labels: expected {nrows}, one a row, got {len(row_labels)}")
    rgb = _to_rgb(images, cmap, *_image_range(images, vmin, vmax), missing)

    # Screen pixels an image pixel covers; enlarged here, so that a border can be thinner than that.
    room = 640.0 if ax is None else ax.get_window_extent().width
    scale = room / (ncols * width)
    if ax is None:
        scale = min(scale, (400 if count == 1 else 200 if nrows == 1 else 130) / height)
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
        ax = _bare_axes(size[0] * shrink / dpi, size[1] * shrink / dpi)

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


def _bare_axes(width: float, height: float) -> Axes:
    """Return axes that fill a new figure of the given size in inches."""
    figure = plt.figure(figsize=(width, height))
    figure.set_layout_engine("none")
    return figure.add_axes((0.0, 0.0, 1.0, 1.0))


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
        ax: Where to draw; by default a new figure.
        pixel: Row and column of the predicted pixel, by default the one in the middle. It is
            marked.
        causal: Draw the border between the past and the future of the raster scan, and cross out
            every pixel of the future, ``pixel`` included, that has an influence nevertheless.
        label: What the colour bar says.

    Raises:
        ValueError: If ``influence`` is no such map or ``pixel`` lies outside of it.
    """
    influence = _tensor(influence, "influence", shape=("H", "W")).to(torch.float64)
    if float(influence.min()) < 0:
        raise ValueError("influence: expected no negative value; take .abs() of a gradient first")
    height, width = influence.shape
    row, column = (height // 2, width // 2) if pixel is None else pixel
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(
            f"pixel: expected a row and a column inside {(height, width)}, got {pixel}"
        )
    ax = _axes(ax, (5.0, 4.2))
    largest = float(influence.max()) or 1.0
    # A square-root scale: far pixels matter far less than near ones, and should still be seen.
    drawn = ax.imshow(influence.numpy(), cmap="Blues", norm=PowerNorm(0.5, 0.0, largest))
    ax.figure.colorbar(drawn, ax=ax, label=label, shrink=0.85)
    mark = Rectangle(
        (column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=2.5
    )
    ax.add_patch(mark)
    ax.set(xlabel="column", ylabel="row")
    if causal:
        edge_x = [-0.5, column - 0.5, column - 0.5, width - 0.5]
        edge_y = [row + 0.5, row + 0.5, row - 0.5, row - 0.5]
        ax.plot(edge_x, edge_y, color=COLOURS[6], linewidth=1.5, linestyle="--")
        _corner_text(ax, "past", (0.03, 0.97))
        _corner_text(ax, "future", (0.97, 0.03))
        future = torch.arange(height * width).view(height, width) >= row * width + column
        leaks = (future & (influence > 0)).nonzero()
        ax.plot(leaks[:, 1], leaks[:, 0], "x", color=COLOURS[1], markersize=7, markeredgewidth=2)
    return ax


def _corner_text(ax: Axes, text: str, place: tuple[float, float]) -> None:
    ax.text(
        *place,
        text,
        transform=ax.transAxes,
        ha="left" if place[0] < 0.5 else "right",
        va="bottom" if place[1] < 0.5 else "top",
        fontsize=9.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2},
    )


# --- densities and points -------------------------------------------------------------------------


def _where(log_prob: Callable[[Tensor], Tensor]) -> tuple[torch.device, torch.dtype]:
    """Return device and dtype of the model whose method ``log_prob`` is, if it is one's."""
    model = getattr(log_prob, "__self__", log_prob)
    if isinstance(model, nn.Module):
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.get_default_dtype()


def _evaluate(log_prob: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Return ``log_prob`` of all points, (N,) in float64, in batches that fit into any memory."""
    device, dtype = _where(log_prob)
    with torch.no_grad():
        batches = [log_prob(part.to(device, dtype)) for part in points.split(8192)]
    values = _tensor(torch.cat(batches), "log_prob(x)", shape=(len(points),), finite=False)
    if bool(values.isnan().any()):
        raise ValueError("log_prob: it returned NaN inside of the limits of the picture")
    return values.to(torch.float64)


def density_contours(
    log_prob: Callable[[Tensor], Tensor],
    ax: Axes | None = None,
    xlim: tuple[float, float] = (-4.0, 4.0),
    ylim: tuple[float, float] = (-4.0, 4.0),
    levels: int | Sequence[float] = 8,
    filled: bool = True,
    *,
    mass: Sequence[float] | None = None,
    resolution: int = 200,
    cmap: str = "Blues",
    colour: str = COLOURS[6],
    linewidths: float = 1.2,
) -> Axes:
    """Draw the contours of a density of two variables.

    Args:
        log_prob: From points, shape ``(N, 2)``, to log-densities in nats, shape ``(N,)``. If it is
            the method of a module, the points come in the module's dtype and on its device.
        ax: Where to draw; by default a new figure.
        xlim, ylim: The rectangle that is drawn.
        levels: How many contours, at equal steps of the density; or the densities at which to draw
            them.
        filled: Fill between the contours with the colours of ``cmap``, or draw lines in ``colour``.
        mass: Instead of ``levels``: the smallest regions that contain these parts of the
            probability, for instance ``(0.5, 0.9, 0.99)``. The density should be close to zero
            outside the rectangle.
        resolution: Points evaluated along each axis.
        cmap, colour, linewidths: How it looks.

    Raises:
        ValueError: If the limits or levels make no sense, or ``log_prob`` returns NaN, another
            shape, or no positive density at all.
    """
    xlim, ylim = _check_limits(xlim, "xlim"), _check_limits(ylim, "ylim")
    if resolution < 2:
        raise ValueError(f"resolution: expected at least 2 points an axis, got {resolution}")
    x = torch.linspace(*xlim, resolution, dtype=torch.float64)
    y = torch.linspace(*ylim, resolution, dtype=torch.float64)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    density = _evaluate(log_prob, torch.stack([grid_x, grid_y], dim=-1).view(-1, 2)).exp()
    peak = float(density.max())
    if not 0 < peak < math.inf:
        raise ValueError(f"log_prob: the largest density in the picture is {peak}; move the limits")
    heights = _heights(levels, peak) if mass is None else _heights_of_mass(mass, density)
    ax = _axes(ax, (5.0, 4.2))
    values = density.view(resolution, resolution)
    if filled:
        ax.contourf(x, y, values, levels=[*heights, max(heights[-1], peak) * 1.001], cmap=cmap)
    else:
        ax.contour(x, y, values, levels=heights, colors=[colour], linewidths=linewidths)
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def _heights(levels: int | Sequence[float], peak: float) -> list[float]:
    if isinstance(levels, int):
        if levels < 1:
            raise ValueError(f"levels: expected at least one, got {levels}")
        return [peak * (step + 0.5) / levels for step in range(levels)]
    heights = [float(level) for level in levels]
    if not heights or heights[0] < 0 or any(b <= a for a, b in pairwise(heights)):
        raise ValueError(f"levels: expected increasing densities from 0 up, got {heights}")
    return heights


def _heights_of_mass(mass: Sequence[float], density: Tensor) -> list[float]:
    """Return, in increasing order, the densities above which these parts of the mass lie."""
    parts = sorted((float(part) for part in mass), reverse=True)
    if not parts or parts[0] >= 1 or parts[-1] <= 0 or len(set(parts)) < len(parts):
        raise ValueError(f"mass: expected different numbers between 0 and 1, got {list(mass)}")
    ordered = density.sort(descending=True).values
    cumulative = ordered.cumsum(0) / ordered.sum()
    heights = [float(ordered[int(torch.searchsorted(cumulative, part))]) for part in parts]
    if any(b <= a for a, b in pairwise(heights)):
        raise ValueError(
            f"mass: the parts {list(mass)} cannot be told apart on this grid; raise resolution, "
            "or draw the density where it is not flat"
        )
    return heights


def density_curve(
    log_prob: Callable[[Tensor], Tensor],
    ax: Axes | None = None,
    xlim: tuple[float, float] = (-4.0, 4.0),
    *,
    label: str | None = None,
    colour: str | None = None,
    linestyle: str = "-",
    filled: bool = False,
    resolution: int = 400,
) -> Axes:
    """Draw the density of one variable as a curve.

    Args:
        log_prob: From points, shape ``(N,)``, to log-densities in nats, shape ``(N,)``.
        ax: Where to draw; by default a new figure.
        xlim: The interval that is drawn.
        label: What the legend says; without it there is no legend.
        colour, linestyle, filled: How it looks; by default the next colour of the house.
        resolution: Points at which the density is evaluated.

    Raises:
        ValueError: If the limits make no sense, or ``log_prob`` returns NaN or another shape.
    """
    xlim = _check_limits(xlim, "xlim")
    if resolution < 2:
        raise ValueError(f"resolution: expected at least 2 points, got {resolution}")
    x = torch.linspace(*xlim, resolution, dtype=torch.float64)
    density = _evaluate(log_prob, x).exp()
    ax = _axes(ax)
    (line,) = ax.plot(x, density, color=colour, linestyle=linestyle, label=label)
    if filled:
        ax.fill_between(x, density, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.autoscale(axis="y")  # an earlier curve may have been lower
    ax.set_ylim(bottom=0)
    ax.set(xlim=xlim, ylabel="density")
    if label is not None:
        ax.legend()
    return ax


def scatter(
    x: Tensor | np.ndarray,
    y: Tensor | np.ndarray | None = None,
    ax: Axes | None = None,
    *,
    classes: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    colour: str | None = None,
    size: float = 18.0,
    alpha: float = 0.75,
    equal: bool = False,
    legend: bool = True,
) -> Axes:
    """Draw points in the plane; each class has its own colour and its own marker.

    Args:
        x: Points, shape ``(N, 2)``.
        y: Classes ``0 .. K-1``, shape ``(N,)``, at most eight. Without them all points look alike.
        ax: Where to draw; by default a new figure.
        classes: Names of the classes, for the legend.
        labels: What stands at the two axes, units included.
        colour: Of points without classes.
        size, alpha: Area of a marker in square points, and its opacity.
        equal: Give both axes the same scale.
        legend: Draw a legend when there are names of classes.

    Raises:
        ValueError: If shapes or labels do not fit, or a point is NaN.
    """
    x = _tensor(x, "x", shape=("N", 2))
    ax = _axes(ax, (5.0, 4.2))
    dots: dict[str, Any] = {"s": size, "alpha": alpha, "linewidths": 0.4, "edgecolors": "white"}
    if y is None:
        ax.scatter(x[:, 0], x[:, 1], color=colour or COLOURS[0], **dots)
    else:
        known = len(COLOURS) if classes is None else len(classes)
        if known > len(COLOURS):
            raise ValueError(f"classes: at most {len(COLOURS)} can be told apart, got {known}")
        y = check_labels(_tensor(y, "y"), "y", num_classes=known, length=len(x))
        for label in range(int(y.max()) + 1 if classes is None else known):
            chosen = x[y == label]
            name = None if classes is None else classes[label]
            look: dict[str, Any] = {
                "color": COLOURS[label],
                "marker": MARKERS[label],
                "label": name,
            }
            ax.scatter(chosen[:, 0], chosen[:, 1], **look, **dots)
        if classes is not None and legend:
            ax.legend()
    if labels is not None:
        ax.set(xlabel=labels[0], ylabel=labels[1])
    if equal:
        ax.set_aspect("equal", adjustable="datalim")
    return ax


def covariance_ellipse(
    mean: Tensor | np.ndarray,
    covariance: Tensor | np.ndarray,
    ax: Axes | None = None,
    *,
    n_std: float | Sequence[float] = (1.0, 2.0),
    colour: str = COLOURS[1],
    label: str | None = None,
) -> Axes:
    """Draw a Gaussian as the ellipses at which its Mahalanobis distance is ``n_std``.

    Args:
        mean: Shape ``(2,)``.
        covariance: Shape ``(2, 2)``, symmetric, no negative eigenvalue.
        ax: Where to draw; by default a new figure.
        n_std: Distances from the mean in standard deviations. The ellipses at 1 and 2 contain 39 %
            and 86 % of the probability.
        colour, label: How it looks, and what a legend will say.

    Raises:
        ValueError: If the covariance is none, or a distance is not positive.
    """
    mean = _tensor(mean, "mean", shape=(2,)).to(torch.float64)
    covariance = _tensor(covariance, "covariance", shape=(2, 2)).to(torch.float64)
    if not torch.allclose(covariance, covariance.T, rtol=1e-4, atol=1e-8):
        raise ValueError("covariance: expected a symmetric matrix; take (C + C.T) / 2")
    variances, directions = torch.linalg.eigh(covariance)
    if float(variances[0]) < -1e-6 * float(variances.abs().max()):
        raise ValueError(
            f"covariance: its smallest eigenvalue is {float(variances[0]):.3g}; a covariance has "
            "none below zero"
        )
    distances = [n_std] if isinstance(n_std, (int, float)) else list(n_std)
    if not distances or min(distances) <= 0:
        raise ValueError(f"n_std: expected positive numbers, got {distances}")
    ax = _axes(ax, (5.0, 4.2))
    angle = math.degrees(math.atan2(float(directions[1, 1]), float(directions[0, 1])))
    minor, major = (2 * math.sqrt(max(0.0, float(variance))) for variance in variances)
    for number, distance in enumerate(distances):
        ellipse = Ellipse(
            (float(mean[0]), float(mean[1])),
            major * distance,
            minor * distance,
            angle=angle,
            fill=False,
            edgecolor=colour,
            linewidth=2.0,
            label=label if number == 0 else None,
        )
        ax.add_patch(ellipse)
    ax.plot(*mean, marker="+", color=colour, markersize=9, markeredgewidth=2)
    ax.autoscale_view()
    return ax


# --- curves ---------------------------------------------------------------------------------------


class _History(Protocol):
    """What :func:`training_curves` reads of a :class:`gdmlib.training.History`."""

    epoch: list[int]
    metrics: dict[str, list[float]]
    valid_epoch: list[int]
    valid: dict[str, list[float]]


def training_curves(
    history: _History,
    ax: Axes | None = None,
    *,
    keys: Sequence[str] | None = None,
    ylabel: str = "loss",
    baseline: float | None = None,
    baseline_label: str = "baseline",
) -> Axes:
    """Draw what :func:`gdmlib.training.fit` recorded: training solid, validation dashed.

    Args:
        history: As ``fit`` returns it.
        ax: Where to draw; by default a new figure.
        keys: Which quantities; by default all of them.
        ylabel: Name and unit of what is drawn, for instance ``"negative log-likelihood (nats)"``.
        baseline, baseline_label: A value to compare with, drawn as a horizontal line.

    Raises:
        ValueError: If nothing was recorded, or a key is unknown.
    """
    known = list(dict.fromkeys([*history.metrics, *history.valid]))
    keys = known if keys is None else list(keys)
    unknown = [key for key in keys if key not in known]
    if unknown or not keys:
        raise ValueError(f"keys: expected some of {known}, got {keys}")
    ax = _axes(ax)
    several = len(keys) > 1
    for number, key in enumerate(keys):
        train = (history.epoch, history.metrics.get(key, []))
        valid = (history.valid_epoch, history.valid.get(key, []))
        for second, (epochs, values) in enumerate((train, valid)):
            if not values:
                continue
            kind = "validation" if second else "training"
            ax.plot(
                epochs,
                values,
                color=COLOURS[(number if several else second) % len(COLOURS)],
                linestyle="--" if second else "-",
                marker="." if second or len(values) == 1 else None,
                label=f"{key}, {kind}" if several else kind,
            )
    if baseline is not None:
        ax.axhline(baseline, color=COLOURS[6], linestyle=":", label=baseline_label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.legend()
    return ax


def reliability(
    probs: Tensor,
    labels: Tensor,
    bins: int = 10,
    ax: Axes | None = None,
    *,
    label: str | None = None,
    colour: str = COLOURS[0],
    marker: str = "o",
) -> Axes:
    """Draw a reliability diagram: how often a prediction is right against how sure it was.

    Args:
        probs, labels, bins: As in :func:`gdmlib.metrics.reliability_curve`.
        ax: Where to draw; by default a new figure. Call it again with the same axes to compare
            models.
        label: Name of the model, for the legend.
        colour, marker: Of the curve.

    Raises:
        ValueError: If the probabilities or the labels are none.
    """
    curve = reliability_curve(probs, labels, bins)
    ax = _axes(ax, (4.6, 4.2))
    if not ax.lines:
        ax.plot([0, 1], [0, 1], color=COLOURS[6], linestyle=":", label="perfectly calibrated")
    confidence, accuracy = curve.confidence.cpu(), curve.accuracy.cpu()
    share = (curve.counts / curve.counts.sum()).cpu()
    ax.plot(confidence, accuracy, color=colour, linewidth=1.2)
    # The area of a marker says how many predictions stand behind it.
    sizes = 20 + 300 * share
    ax.scatter(confidence, accuracy, sizes, color=colour, marker=marker, label=label, zorder=3)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ax.set(xlabel="predicted probability", ylabel="observed frequency")
    ax.legend(loc="upper left", markerscale=0.6)
    return ax


# --- animations -----------------------------------------------------------------------------------


class Animation:
    """A small looping GIF that a notebook shows where it is the last value of a cell.

    Attributes:
        data: The bytes of the GIF.
        frames: Number of frames.
        alt: What there is to see, in words.
    """

    def __init__(self, data: bytes, frames: int, alt: str) -> None:
        self.data, self.frames, self.alt = data, frames, alt

    def __repr__(self) -> str:
        return f"Animation of {self.frames} frames: {self.alt}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/gif": base64.b64encode(self.data).decode(), "text/plain": repr(self)}


def animate(
    frames: Sequence[Callable[[Axes], object] | Tensor | np.ndarray],
    fps: float = 8.0,
    *,
    alt: str = "",
    hold: float = 1.0,
    figsize: tuple[float, float] = (4.2, 3.6),
    max_bytes: int = 250_000,
) -> Animation:
    """Turn drawings or images into a small looping GIF.

    Args:
        frames: Each is a function that draws into the empty axes it is given, or an image with
            values in [0, 1], shape ``(H, W)``, ``(1, H, W)`` or ``(3, H, W)``; small images are
            enlarged. Drawings should fix their limits, or the axes jump.
        fps: Frames a second, at most 50.
        alt: What there is to see, in words.
        hold: Seconds that the last frame stays.
        figsize: Of a drawing, in inches.
        max_bytes: The GIF is made with fewer colours until it is no larger than this.

    Raises:
        ValueError: If there is no frame, frames differ in size, or the GIF is too large even with 8
            colours.
    """
    if len(frames) == 0:
        raise ValueError("frames: expected at least one")
    if not 0 < fps <= 50 or hold < 0:
        raise ValueError(f"fps, hold: expected 0 < fps <= 50 and hold >= 0, got {fps} and {hold}")
    pictures = [_frame(frame, figsize) for frame in frames]
    if len({picture.size for picture in pictures}) > 1:
        sizes = sorted({picture.size for picture in pictures})
        raise ValueError(f"frames: expected one size, got {sizes} (width, height)")
    durations = [round(1000 / fps)] * len(pictures)
    durations[-1] += round(1000 * hold)
    for colours in (256, 128, 64, 32, 16, 8):
        data = _gif(pictures, durations, colours)
        if len(data) <= max_bytes:
            return Animation(data, len(pictures), alt)
    raise ValueError(
        f"frames: {len(data)} bytes with 8 colours, more than max_bytes={max_bytes}; "
        "use fewer frames, a smaller figsize or a plainer drawing"
    )


def _frame(
    frame: Callable[[Axes], object] | Tensor | np.ndarray, figsize: tuple[float, float]
) -> Image.Image:
    if isinstance(frame, (Tensor, np.ndarray)):
        image = _tensor(frame, "frame")
        image = _as_images(image[None] if image.ndim in (2, 3) else image)
        rgb = (_to_rgb(image, "gray", 0.0, 1.0)[0] * 255).round().astype(np.uint8)
        enlarge = max(1, 256 // max(rgb.shape[:2]))
        return Image.fromarray(rgb.repeat(enlarge, axis=0).repeat(enlarge, axis=1))
    if not callable(frame):
        raise ValueError(
            f"frames: expected functions of the axes or images, got {type(frame).__name__}"
        )
    # A figure of its own, unknown to pyplot: nothing of it is shown in the notebook.
    figure = Figure(figsize=figsize, dpi=100, facecolor="white", layout="constrained")
    frame(figure.add_subplot())
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", bbox_inches=None)
        return Image.open(buffer).convert("RGB")


def _gif(pictures: Sequence[Image.Image], durations: Sequence[int], colours: int) -> bytes:
    """Return a GIF in which all frames share one palette, so that still parts cost nothing."""
    width, height = pictures[0].size
    chosen = pictures[:: max(1, len(pictures) // 4)]
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for number, picture in enumerate(chosen):
        sheet.paste(picture, (0, number * height))
    palette = sheet.quantize(colours, dither=Image.Dither.NONE)
    entries = np.array(palette.getpalette()).reshape(-1, 3)
    entries[entries.min(axis=1) >= 248] = 255  # the card stays white
    palette.putpalette(entries.ravel().tolist())
    indexed = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    with io.BytesIO() as buffer:
        indexed[0].save(
            buffer,
            format="GIF",
            save_all=True,
            append_images=indexed[1:],
            duration=list(durations) if len(indexed) > 1 else durations[0],
            loop=0,
        )
        return buffer.getvalue()
