"""The peer of inverse problems: deepinv, imported from wherever Python finds it.

https://github.com/deepinv/deepinv; none of it is kept here. Of its ways to a picture of least total
variation the one by Chambolle and Pock with a hard constraint is timed: the others, of which its
examples use one, need more steps to come as near, or solve another problem.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import Tensor

from gdmlib.inverse import Operator
from gdmlib.inverse.plug_and_play import falling

NAME = "deepinv"
#: Steps of the primal and of the dual: of six pairs tried at 64 × 64 the one of fewest steps.
PRIMAL, DUAL, STEPS = 0.0125, 10.0, 150


def _physics(dinv: Any, operator: Operator) -> Any:
    """Return an operator as the peer's."""
    return dinv.physics.LinearPhysics(
        A=lambda x, **_: operator(x), A_adjoint=lambda y, **_: operator.adjoint(y)
    )


def total_variation(operator: Operator, y: Tensor) -> Callable[[], Tensor]:
    """Return the peer's search for the picture of least total variation with A x = y."""
    dinv, optim = import_module("deepinv"), import_module("deepinv.optim")
    physics = _physics(dinv, operator)
    variation = optim.prior.TVPrior()
    start = operator.pseudo_inverse(y)
    model = optim.optim_builder(
        iteration="CP",
        prior=optim.prior.L12Prior(l2_axis=-1),
        data_fidelity=optim.IndicatorL2(radius=0.0),
        early_stop=False,
        max_iter=STEPS,
        verbose=False,
        g_first=True,
        params_algo={
            "stepsize": PRIMAL,
            "stepsize_dual": DUAL,
            "lambda": 1.0,
            "K": variation.nabla,
            "K_adjoint": variation.nabla_adjoint,
            "beta": 1.0,
        },
        custom_init=lambda y, physics: {"est": (start, start, 0 * variation.nabla(start))},
    )
    return lambda: model(y, physics).detach()


def bm3d(
    operator: Operator, y: Tensor, first: float, last: float, steps: int
) -> Callable[[], Tensor]:
    """Return the peer's plug and play with BM3D, whose package it needs, and a last projection.

    Args:
        operator: With orthonormal rows, so that a gradient step of length 1 is a projection.
        y: Measurements.
        first: Level of noise of the first step; the levels fall by equal factors.
        last: That of the last.
        steps: How many.
    """
    dinv, optim = import_module("deepinv"), import_module("deepinv.optim")
    physics = _physics(dinv, operator)
    start = operator.pseudo_inverse(y)
    model = optim.optim_builder(
        iteration="PGD",
        prior=optim.prior.PnP(dinv.models.BM3D()),
        data_fidelity=optim.L2(),
        early_stop=False,
        max_iter=steps,
        verbose=False,
        params_algo={
            "stepsize": 1.0,
            "lambda": 1.0,
            "g_param": falling((first, last), steps),
        },
        custom_init=lambda y, physics: {"est": (start, start)},
    )
    return lambda: operator.project(model(y, physics).detach(), y)
