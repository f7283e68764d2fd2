"""Playing a game, and the factor by which a step brings its players nearer to an equilibrium.

The factor is the spectral radius of the Jacobian of one step, as a map of states, at the
equilibrium: below 1 the players arrive, above 1 they leave, however near they begin. It is had here
in three ways that know nothing of each other: by autograd, in closed form, and from the points of a
run.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.func import jacrev

from gdmlib._checks import check_count, check_tensor, holds
from gdmlib.adversarial.games.fields import ExactGame, Game, check_wide
from gdmlib.adversarial.games.rules import Polynomial, Rule


def run(game: Game, rule: Rule, start: Tensor, steps: int) -> Tensor:
    """Return where the players are after 0, 1, ..., steps steps, (steps + 1, ..., d).

    Args:
        game: What they play.
        rule: How they move.
        start: Where they begin, (..., d).
        steps: How often.

    Raises:
        OverflowError: If a point is no longer finite.
    """
    state = rule.start(game.check(start, "start"))
    path = [state[0].clone()]
    for t in range(1, check_count(steps, "steps") + 1):
        state = rule.step(game, state)
        if not holds(state[0].isfinite()):
            raise OverflowError(f"{rule.name}: no longer finite at step {t}; take fewer steps")
        path.append(state[0])
    return torch.stack(path)


def spectral_factor(game: Game, rule: Rule, at: Tensor | None = None) -> float:
    """Return the spectral radius of the Jacobian of one step, by autograd: below 1 it converges.

    Args:
        game: What they play.
        rule: How they move; one with derivatives.
        at: An equilibrium, (d,); by default the origin.
    """
    _smooth(rule)
    point = torch.zeros(game.dim, dtype=torch.float64) if at is None else game.check(at, "at")
    check_wide(check_tensor(point, "at", ndim=1), "at")
    speed = float(game.field(point).abs().max())
    if speed > 1e-6:
        raise ValueError(f"at: expected an equilibrium, and the field there is {speed:.3g}")
    state = rule.start(point)

    def flat(vector: Tensor) -> Tensor:
        return rule.step(game, vector.reshape(state.shape)).flatten()

    return float(torch.linalg.eigvals(jacrev(flat)(state.flatten())).abs().max())


def theory(game: ExactGame, rule: Rule) -> float:
    """Return the factor in closed form, by the table of `gdmlib.adversarial.games.rules`.

    A direction in which the field vanishes, of a matrix that is not square, has the factor 1.
    """
    polynomial = _smooth(rule)
    if not isinstance(game, ExactGame):
        raise ValueError("game: no closed form is known; use spectral_factor")
    eigenvalues = [complex(mu) for mu in game.exact_spectrum()]
    if rule.turning and any(mu.real for mu in eigenvalues):
        raise ValueError(
            f"game: the closed form of {rule.name} holds for games that only turn; here an "
            f"eigenvalue is {eigenvalues[0]:.3g}; use spectral_factor"
        )
    factors = [float(np.abs(np.roots(polynomial(mu))).max()) if mu else 1.0 for mu in eigenvalues]
    return max(factors)


def measured_factor(path: Tensor, memory: int = 0) -> float:
    """Return the factor of a run, from its points alone, for a linear field.

    The linear recurrence that explains each point by the 1 + memory points before it is found by
    least squares; its spectral radius is the factor.

    Args:
        path: Of `run`, (steps + 1, ..., d).
        memory: How many points before the last one a step looks at; `Rule.memory`.
    """
    check_wide(check_tensor(path, "path", floating=True), "path")
    rows, d = 1 + check_count(memory, "memory", least=0), path.shape[-1] if path.ndim else 1
    if path.ndim < 2 or len(path) < rows * d + rows + 1:
        raise ValueError(
            f"path: expected at least {rows * d + rows + 1} points of shape (..., d), got "
            f"{tuple(path.shape)}"
        )
    path = path.reshape(len(path), -1, d)
    states = torch.cat([path[rows - 1 - k : len(path) - k] for k in range(rows)], dim=-1)
    before, after = states[:-1].flatten(0, 1), states[1:].flatten(0, 1)
    size = before.norm(dim=1, keepdim=True)  # else late, large points would be all that counts
    moved = size[:, 0] > 0
    if not bool(moved.any()):
        raise ValueError("path: expected points that move, got 0 at every step")
    before, after = before[moved] / size[moved], after[moved] / size[moved]
    return float(torch.linalg.eigvals(torch.linalg.pinv(before) @ after).abs().max())


def _smooth(rule: Rule) -> Polynomial:
    if rule.polynomial is None:
        raise ValueError(
            f"rule: a step of {rule.name} has no derivative at an equilibrium, and so no factor"
        )
    return rule.polynomial
