"""Densities of one and of two variables, evaluated on a grid, and the ellipses of a Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from torch import Tensor, nn

from gdmlib._checks import check_count
from gdmlib.plotting._style import COLOURS, check_limits, given_or_new, to_tensor


def _like(log_prob: Callable[[Tensor], Tensor]) -> Tensor:
    """Return a number of the model whose method ``log_prob`` is, or any number if it is none's."""
    model = getattr(log_prob, "__self__", log_prob)
    numbers = (*model.parameters(), *model.buffers()) if isinstance(model, nn.Module) else ()
    return next((t for t in numbers if t.is_floating_point()), torch.empty(()))


def _points(limits: tuple[float, float], resolution: int) -> Tensor:
    return torch.linspace(*limits, check_count(resolution, "resolution", 2), dtype=torch.float64)


def _evaluate(log_prob: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Return ``log_prob`` of all points, (N,) in float64, in batches that fit into any memory."""
    like = _like(log_prob)
    with torch.no_grad():
        batches = [log_prob(part.to(like)) for part in points.split(8192)]
    values = to_tensor(torch.cat(batches), "log_prob(x)", shape=(len(points),), finite=False)
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
) -> Axes:
    """Draw the contours of a density of two variables.

    Args:
        log_prob: From points, shape ``(N, 2)``, to log-densities in nats, shape ``(N,)``. If it is
            the method of a module, the points come in the module's dtype and on its device.
        xlim, ylim: The rectangle that is drawn.
        levels: How many contours, at equal steps of the density; or the densities at which to draw
            them.
        filled: Fill between the contours with shades of blue, or draw black lines.
        mass: Instead of ``levels``: the smallest regions that contain these parts of the
            probability, for instance ``(0.5, 0.9, 0.99)``. The density should be close to zero
            outside the rectangle.
        resolution: Points evaluated along each axis.
    """
    xlim, ylim = check_limits(xlim, "xlim"), check_limits(ylim, "ylim")
    x = _points(xlim, resolution)
    y = _points(ylim, resolution)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    density = _evaluate(log_prob, torch.stack([grid_x, grid_y], dim=-1).view(-1, 2)).exp()
    peak = float(density.max())
    if not 0 < peak < math.inf:
        raise ValueError(f"log_prob: the largest density in the picture is {peak}; move the limits")
    heights = _heights(levels, peak) if mass is None else _heights_of_mass(mass, density)
    ax = given_or_new(ax, (5.0, 4.2))
    values = density.view(resolution, resolution)
    if filled:
        ax.contourf(x, y, values, levels=[*heights, max(heights[-1], peak) * 1.001], cmap="Blues")
    else:
        ax.contour(x, y, values, levels=heights, colors=[COLOURS[6]], linewidths=1.2)
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def _heights(levels: int | Sequence[float], peak: float) -> list[float]:
    if isinstance(levels, int):
        check_count(levels, "levels")
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
    filled: bool = False,
    resolution: int = 400,
) -> Axes:
    """Draw the density of one variable as a curve.

    Args:
        log_prob: From points, shape ``(N,)``, to log-densities in nats, shape ``(N,)``.
        label: What the legend says; without it there is no legend.
        colour, filled: How it looks; by default the next colour of the house.
    """
    xlim = check_limits(xlim, "xlim")
    x = _points(xlim, resolution)
    density = _evaluate(log_prob, x).exp()
    ax = given_or_new(ax)
    (line,) = ax.plot(x, density, color=colour, label=label)
    if filled:
        ax.fill_between(x, density, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.autoscale(axis="y")  # an earlier curve may have been lower
    ax.set_ylim(bottom=0)
    ax.set(xlim=xlim, ylabel="density")
    if label is not None:
        ax.legend()
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
        n_std: Distances from the mean in standard deviations. The ellipses at 1 and 2 contain 39 %
            and 86 % of the probability.
    """
    mean = to_tensor(mean, "mean", shape=(2,)).to(torch.float64)
    covariance = to_tensor(covariance, "covariance", shape=(2, 2)).to(torch.float64)
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
    ax = given_or_new(ax, (5.0, 4.2))
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
