"""Public functions of the games that take tensors, see ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gdmlib.adversarial import games

from .builders import normal, tensor
from .calls import whole

XY, DIRAC = games.BilinearGame(), games.DiracGAN(r1=0.3)
WIDE = games.BilinearGame(normal(2, 3))
MADE = games.Game.of_losses(lambda x, y: (x * y).sum(), lambda x, y: (y**2 - x * y).sum())
POINTS = normal(3, 2)
RULES = {
    "simultaneous": games.simultaneous(0.1),
    "alternating": games.alternating(0.1),
    "extragradient": games.extragradient(0.1),
    "optimistic": games.optimistic(0.1),
    "consensus": games.consensus(0.1, 0.3),
    "proximal": games.proximal(0.1),
    "momentum": games.momentum(0.1, -0.3, "x"),
    "Adam": games.adam(0.1),
}


def play(rule: games.Rule) -> Callable[..., Any]:
    return lambda start: games.run(DIRAC, rule, start, 3)


FUNCTIONS = [
    whole("BilinearGame.field", lambda points: XY.field(points), POINTS, smooth=True),
    whole("BilinearGame.field of a matrix", lambda points: WIDE.field(points), normal(3, 5)),
    whole("DiracGAN.field", lambda points: DIRAC.field(points), POINTS, smooth=True),
    whole("DiracGAN.slope", DIRAC.slope, normal(3), smooth=True),
    whole("Game.of_losses.field", lambda points: MADE.field(points), POINTS, smooth=True),
    whole("Game.jacobian", lambda point: DIRAC.jacobian(point), normal(2), smooth=True),
    whole("Game.spectrum", lambda point: torch.view_as_real(DIRAC.spectrum(point)), normal(2)),
    *[whole(f"run, {name}", play(rule), POINTS, smooth=True) for name, rule in RULES.items()],
    whole("spectral_factor", lambda at: games.spectral_factor(DIRAC, RULES["optimistic"], at),
          tensor(0, 0)),
    whole("measured_factor", lambda path: games.measured_factor(path), normal(8, 2)),
]  # fmt: skip
CONSTRUCTORS = [
    whole("BilinearGame", lambda matrix: games.BilinearGame(matrix), tensor([1, 2], [3, 5]))
]
COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "Game": (lambda sizes: games.Game(lambda z: -z, sizes).field(normal(4, 5)), (2, 3)),
    "games.run": (lambda steps: games.run(XY, games.simultaneous(0.1), POINTS, steps), 3),
    "measured_factor": (lambda memory: games.measured_factor(normal(9, 2), memory), 1),
    "proximal": (lambda most: games.run(DIRAC, games.proximal(0.1, most), POINTS, 2), 9),
}
