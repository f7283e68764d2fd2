"""The house style, and what every helper needs: axes, tensors to draw, limits that make sense."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib import rcParams
from matplotlib.axes import Axes
from torch import Tensor

from gdmlib._checks import check_tensor

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""The colours of Okabe and Ito (2008), the most legible on white first: blue, vermilion, green,
purple, orange, sky blue, black, yellow."""

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
"""One marker a class, in the order of :data:`COLOURS`."""

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


def given_or_new(ax: Axes | None, figsize: tuple[float, float] | None = None) -> Axes:
    """Return ``ax``, or the axes of a new figure if it is None."""
    return plt.subplots(figsize=figsize)[1] if ax is None else ax


def to_tensor(x: Tensor | np.ndarray, name: str, **expected: Any) -> Tensor:
    """Return ``x`` as a checked tensor on the CPU, without a gradient."""
    x = torch.as_tensor(x) if isinstance(x, np.ndarray) else x
    return check_tensor(x, name, **expected).detach().cpu()


def check_limits(limits: tuple[float, float], name: str) -> tuple[float, float]:
    low, high = float(limits[0]), float(limits[1])
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{name}: expected two finite numbers, low < high, got {limits}")
    return low, high
