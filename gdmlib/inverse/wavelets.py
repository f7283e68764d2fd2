r"""Shrinkage of wavelet coefficients: pictures are sparse there, noise is not.

An orthonormal transform of periodic pictures with Daubechies' filters (Daubechies 1988,
doi:10.1002/cpa.3160410705), soft thresholds (Donoho and Johnstone 1994,
doi:10.1093/biomet/81.3.425), and for any operator the proximal gradient method FISTA (Beck and
Teboulle 2009, doi:10.1137/080716542).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from gdmlib._checks import (
    check_above_zero,
    check_choice,
    check_count,
    check_not_negative,
    check_tensor,
)
from gdmlib.inverse.operators import Operator, check_operator
from gdmlib.inverse.restored import Restored

_ROOT3 = math.sqrt(3)
FILTERS = {
    "haar": (1 / math.sqrt(2), 1 / math.sqrt(2)),
    "db2": tuple(c / (4 * math.sqrt(2)) for c in (1 + _ROOT3, 3 + _ROOT3, 3 - _ROOT3, 1 - _ROOT3)),
}
"""The low-pass filters: two taps, and four, which also take straight slopes to zero."""


def wavelet_matrix(n: int, kind: str = "db2") -> Tensor:
    """Return one level of the transform, orthonormal, shape (n, n), n even: means, then details."""
    return _matrix(n, kind).to(torch.empty(0), copy=True)


def _matrix(n: int, kind: str) -> Tensor:
    """Return the matrix in float64, on the processor, where it is built once."""
    check_choice(kind, "kind", FILTERS)
    if check_count(n, "n", least=len(FILTERS[kind])) % 2:
        raise ValueError(f"n: each level halves the side, which must be even; got {n}")
    return _built(int(n), kind)


@cache
@torch.inference_mode(False)
def _built(n: int, kind: str) -> Tensor:
    like: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}  # whatever the default is
    taps = torch.tensor(FILTERS[kind], **like)
    signs = torch.tensor([1.0, -1.0], **like).repeat(len(taps) // 2)
    rows = torch.zeros(n, n, **like)
    for i in range(n // 2):
        at = (2 * i + torch.arange(len(taps), device="cpu")) % n
        rows[i, at] = taps
        rows[n // 2 + i, at] = signs * taps.flip(0)
    return rows


def wavelets(x: Tensor, levels: int = 3, kind: str = "db2", *, back: bool = False) -> Tensor:
    """Return the coefficients of pictures, or with ``back`` the pictures of coefficients.

    Args:
        x: Shape (..., H, W); sides that can be halved once a level.
        levels: How often the coarse corner is transformed again.
        kind: One of `FILTERS`.
        back: Whether to invert.
    """
    check_tensor(x, "x", shape=(..., "H", "W"), floating=True)
    height, width = x.shape[-2:]
    unit = 2 ** check_count(levels, "levels")
    if height % unit or width % unit:
        raise ValueError(
            f"x: expected sides that are multiples of {unit}, for {levels} levels halve them, got "
            f"{height} × {width}"
        )
    x = x.clone()
    order = range(levels)
    for level in reversed(order) if back else order:
        h, w = height >> level, width >> level
        left, right = (_matrix(n, kind).to(x) for n in (h, w))
        corner = x[..., :h, :w]
        x[..., :h, :w] = left.mT @ corner @ right if back else left @ corner @ right.mT
    return x


def shrink_wavelets(
    x: Tensor, threshold: float, levels: int = 3, kind: str = "db2", shifts: int = 1
) -> Tensor:
    r"""Return pictures whose details are nearer to zero by a threshold (soft).

    It is the proximal map of :math:`\text{threshold} \cdot \|\text{details}\|_1`.

    Args:
        x: Shape (..., H, W).
        threshold: For noise of standard deviation s, 1.5 s to 3 s.
        levels, kind: As for `wavelets`; the coarse corner is left as it is.
        shifts: Mean over shifts by 0 to shifts - 1 pixels along the diagonal, which takes away
            blocks (cycle spinning; Coifman and Donoho 1995).
    """
    check_not_negative(threshold, "threshold")
    check_tensor(x, "x", shape=(..., "H", "W"), floating=True)
    height, width = x.shape[-2:]
    means = []
    for shift in range(check_count(shifts, "shifts")):
        c = wavelets(x.roll((shift, shift), (-2, -1)), levels, kind)
        small = c.sign() * (c.abs() - threshold).clamp(min=0)
        h, w = height >> levels, width >> levels
        small[..., :h, :w] = c[..., :h, :w]
        means.append(wavelets(small, levels, kind, back=True).roll((-shift, -shift), (-2, -1)))
    return torch.stack(means).mean(0)


@torch.no_grad()
def sparse_wavelets(
    operator: Operator,
    y: Tensor,
    weight: float,
    *,
    levels: int = 3,
    kind: str = "db2",
    shifts: int = 1,
    steps: int = 200,
    tolerance: float = 1e-4,
    watch: Callable[[Tensor], None] | None = None,
) -> Restored:
    r"""Minimise :math:`\tfrac12\|A x - y\|^2 + w\|\text{details of } x\|_1` by FISTA.

    Args:
        operator: A, of pictures (C, H, W).
        y: Measurements, shape (..., *measurement_shape).
        weight: w, positive; with exact measurements, small.
        levels, kind, shifts: As for `shrink_wavelets`; with shifts it is a heuristic, a good one.
        steps: At most.
        tolerance: Ends when a step changes less than this share of the picture.
        watch: Is called with the picture after each step.
    """
    check_above_zero(weight, "weight")
    check_not_negative(tolerance, "tolerance")
    check_operator(operator)
    step_size = 1 / operator.norm() ** 2
    x = operator.pseudo_inverse(y)
    ahead, momentum, history = x, 1.0, []
    for step in range(1, check_count(steps, "steps") + 1):
        moved = ahead - step_size * operator.adjoint(operator(ahead) - y)
        new = shrink_wavelets(moved, step_size * weight, levels, kind, shifts)
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / following * (new - x)
        change = float((new - x).norm() / new.norm().clamp(min=1e-12))
        x, momentum = new, following
        history.append({"step": step, "change": change})
        if watch is not None:
            watch(x)
        if change < tolerance:
            break
    return Restored(x, len(history), tuple(history))
