"""Points with classes, and the curves of a training run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from gdmlib._checks import check_labels
from gdmlib.plotting._style import COLOURS, MARKERS, given_or_new, to_tensor

if TYPE_CHECKING:
    from gdmlib.training import History


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
) -> Axes:
    """Draw points in the plane; each class has its own colour and its own marker.

    Args:
        x: Points, shape ``(N, 2)``.
        y: Classes ``0 .. K-1``, shape ``(N,)``, at most eight. Without them all points look alike.
        classes: Names of the classes, for the legend.
        labels: What stands at the two axes, units included.
        colour: Of points without classes.
        size, alpha: Area of a marker in square points, and its opacity.
    """
    x = to_tensor(x, "x", shape=("N", 2))
    ax = given_or_new(ax, (5.0, 4.2))
    dots: dict[str, Any] = {"s": size, "alpha": alpha, "linewidths": 0.4, "edgecolors": "white"}
    if y is None:
        ax.scatter(x[:, 0], x[:, 1], color=colour or COLOURS[0], **dots)
    else:
        known = len(COLOURS) if classes is None else len(classes)
        if known > len(COLOURS):
            raise ValueError(f"classes: at most {len(COLOURS)} can be told apart, got {known}")
        y = check_labels(to_tensor(y, "y"), "y", num_classes=known, length=len(x))
        for label in range(int(y.max()) + 1 if classes is None else known):
            chosen = x[y == label]
            name = None if classes is None else classes[label]
            dots |= {"color": COLOURS[label], "marker": MARKERS[label], "label": name}
            ax.scatter(chosen[:, 0], chosen[:, 1], **dots)
        if classes is not None:
            ax.legend()
    if labels is not None:
        ax.set(xlabel=labels[0], ylabel=labels[1])
    return ax


def training_curves(
    history: History,
    ax: Axes | None = None,
    *,
    keys: Sequence[str] | None = None,
    ylabel: str = "loss",
    convert: Callable[[float], float] = float,
    baseline: float | None = None,
    baseline_label: str = "baseline",
) -> Axes:
    """Draw what :func:`gdmlib.training.fit` recorded: training solid, validation dashed.

    Args:
        keys: Which quantities; by default all of them.
        ylabel: Name and unit of what is drawn, for instance ``"negative log-likelihood (nats)"``.
        convert: From a recorded value to the one that is drawn, as from nats to bits.
        baseline, baseline_label: A value to compare with, drawn as a horizontal line.
    """
    known = list(dict.fromkeys([*history.metrics, *history.valid]))
    keys = known if keys is None else list(keys)
    unknown = [key for key in keys if key not in known]
    if unknown or not keys:
        raise ValueError(f"keys: expected some of {known}, got {keys}")
    ax = given_or_new(ax)
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
                [convert(value) for value in values],
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
