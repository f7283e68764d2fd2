"""From numbers to levels: what a model of pixels asks of its images."""

from __future__ import annotations

from torch import Tensor

from gdmlib._checks import check_count, check_tensor


def quantise(x: Tensor, levels: int) -> Tensor:
    """Round values in [0, 1] to the nearest of the levels k / (levels - 1).

    Args:
        x: Of any shape, floating-point.
        levels: Their number, at least 2.
    """
    steps = check_count(levels, "levels", least=2) - 1
    check_tensor(x, "x", floating=True)
    low, high = float(x.min()), float(x.max())
    if low < 0 or high > 1:
        raise ValueError(f"x: expected values in [0, 1], got values from {low:.6g} to {high:.6g}")
    return (x * steps).round() / steps
