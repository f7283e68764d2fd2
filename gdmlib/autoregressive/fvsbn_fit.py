"""The exact fit of an FVSBN: one strength of the penalty after the other, and the choice of one.

Pixels stand in the order of visits in this module.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gdmlib._checks import check_not_negative
from gdmlib.autoregressive.fvsbn_solver import Regressions, check_overlap

STRENGTHS = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)  # that are tried when none is given
KEPT_BACK = 10  # one example of so many chooses the strength, if there are no validation data

Strengths = float | Sequence[float] | np.ndarray | Tensor | None


class Strength(NamedTuple):
    """One strength of the penalty: the mean loss in nats that it led to, and what it cost.

    ``train`` and ``valid`` are negative log-likelihoods, without the penalty; ``valid`` is None
    where there are no validation data. ``evaluations`` counts passes through the data.
    """

    l2: float
    train: float
    valid: float | None
    evaluations: int


Fitted = tuple[Tensor, Tensor, Tensor, list[Strength]]
"""What a fit finds: weights (n, n), biases and strengths of the pixels (n,), the path."""


def fit(
    z: Tensor,
    l2: Strengths,
    valid: Tensor | None,
    ordering: Tensor,
    per_pixel: bool,
    on_strength: Callable[[Strength], None] | None,
    **options: Any,
) -> Fitted:
    """Fit to pixels z, (N, n); see :meth:`FVSBN.fit`. The ordering serves the messages only."""
    strengths = [torch.inf, *STRENGTHS] if l2 is None else _check_strengths(l2, valid)
    whole = Regressions(z, **options)
    if strengths[-1] == 0:
        check_overlap(z, ordering)
    if l2 is not None or valid is not None:
        return _follow(whole, valid, strengths, per_pixel, on_strength)
    if len(z) < 2:
        raise ValueError("x: expected at least 2 examples to choose a strength by, got 1; give l2")
    kept_back = torch.arange(len(z), device=z.device) % KEPT_BACK == 0
    part = Regressions(z[~kept_back], **options)
    # One strength for all: what so few examples say of a single pixel is mostly chance.
    *_, chosen, path = _follow(part, z[kept_back], strengths, False, on_strength)
    weight, bias, chosen, _ = _follow(whole, None, [float(chosen[0])], False, None)
    return weight, bias, chosen, path


def _check_strengths(l2: Strengths, valid: Tensor | None) -> list[float]:
    """Return the strengths from strong to weak."""
    several = torch.as_tensor(l2, dtype=torch.float64).flatten().tolist()
    if not several:
        raise ValueError("l2: expected at least one strength, got none")
    if len(several) > 1 and valid is None:
        raise ValueError(f"valid: expected data to choose one of {len(several)} strengths by")
    return sorted({check_not_negative(s, "l2") for s in several}, reverse=True)


def _warn_if_worse(regressions: Regressions, found: float, valid: Tensor) -> None:
    """Say so if pixels that are independent would be better for the validation data."""
    none = torch.zeros_like(regressions.mean).expand(len(regressions.mean), -1)
    independent = float(regressions.loss(none, regressions.start, valid).sum())
    if found > independent:
        warnings.warn(
            f"for the validation data this fit, with {found:.6g} nats, is worse than independent "
            f"pixels, {independent:.6g}: it overfits; use a larger l2, or l2=None, which chooses",
            stacklevel=5,
        )


def _follow(
    regressions: Regressions,
    valid: Tensor | None,
    strengths: Sequence[float],
    per_pixel: bool,
    on_strength: Callable[[Strength], None] | None,
) -> Fitted:
    """Fit for each strength, from strong to weak, and let the validation data choose."""
    n = regressions.z.shape[1]
    w, c = torch.zeros(n, n).to(regressions.z), regressions.start
    best = torch.full((n,), torch.inf, dtype=torch.float64, device=w.device)
    weight, bias, chosen, path = w, c, torch.zeros_like(c), []
    for strength in strengths:
        evaluations = 0
        if strength < torch.inf:
            w, c, evaluations = regressions.minimise(w, c, strength)
        b = regressions.bias(w, c)
        train = float(regressions.loss(w, b).sum())
        seen = None if valid is None else regressions.loss(w, b, valid)
        score = torch.zeros_like(best) if seen is None else seen
        better = score < best if per_pixel else (score.sum() < best.sum()).expand(n)
        best = torch.where(better, score, best)
        weight, bias = torch.where(better[:, None], w, weight), torch.where(better, b, bias)
        chosen = torch.where(better, strength, chosen)
        path.append(
            Strength(strength, train, None if seen is None else float(seen.sum()), evaluations)
        )
        if on_strength is not None:
            on_strength(path[-1])
    if valid is not None:
        _warn_if_worse(regressions, float(best.sum()), valid)
    return weight, bias, chosen, path
