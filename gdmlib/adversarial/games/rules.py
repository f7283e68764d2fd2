r"""How two players move: rules that make steps of a game's field.

A rule is a map of states. The first row of a state is the point, the others are what the rule
remembers: the point before, or Adam's averages. So the factor by which a step brings the players
nearer to an equilibrium, or drives them away, is the same thing for all rules: the largest modulus
|λ| of an eigenvalue of the map's Jacobian there. With μ an eigenvalue of that of the field, and η
the step, λ is given, or is a root of the polynomial that is given:

=================  ==================================================  ============================
rule               a step                                              λ
=================  ==================================================  ============================
``simultaneous``   θ + ηv(θ)                                           1 + ημ
``alternating``    x first, then y, which sees the new x               λ² - (2 + η²μ²)λ + 1 *
``extragradient``  θ + ηv(θ + ηv(θ))                                   1 + ημ + η²μ²
``optimistic``     θ + 2ηv(θ) - ηv(θ₋)                                 λ² - (1 + 2ημ)λ + ημ
``consensus``      θ + η(v(θ) - γ∇½‖v(θ)‖²)                            1 + ημ - ηγ|μ|² *
``proximal``       θ' = θ + ηv(θ')                                     1 / (1 - ημ)
``momentum``       θ + ηv(θ) + β(θ - θ₋)                               λ² - (1 + β + ημ)λ + β
the same in turn   x first, then y                                     (λ-1)²(λ-β)² - η²μ²λ³ *
=================  ==================================================  ============================

where θ₋ is the point before, and * holds for games that only turn (μ imaginary).

Sources: Korpelevich 1976 (extragradient); Rockafellar 1976 (proximal); Mescheder, Nowozin and
Geiger 2017, https://arxiv.org/abs/1705.10461 (consensus); Daskalakis et al. 2018,
https://arxiv.org/abs/1711.00141 (optimistic); Gidel et al. 2019, https://arxiv.org/abs/1807.04740
(negative momentum, in turn).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import jacrev, vjp, vmap

from gdmlib._checks import check_count, check_not_negative, check_share, holds
from gdmlib.adversarial.games.fields import Game, check_wide

Step = Callable[[Game, Tensor], Tensor]
Polynomial = Callable[[complex], list[complex]]


@dataclass(frozen=True)
class Rule:
    """How both players move.

    Attributes:
        name: What it is called.
        step: From a game and a state, (1 + memory, ..., d), to the next state.
        memory: How many rows of a state are remembered.
        polynomial: From an eigenvalue of the field to the coefficients, highest first, of the
            polynomial whose roots are those of a step; None where a step is not smooth.
        turning: Whether the polynomial holds for games alone that only turn.
        repeats: Whether what is remembered at the start is the point, or else zeros.
    """

    name: str
    step: Step
    memory: int = 0
    polynomial: Polynomial | None = None
    turning: bool = False
    repeats: bool = True

    def start(self, points: Tensor) -> Tensor:
        """Return the state in which the players begin at points (..., d)."""
        remembered = points if self.repeats else torch.zeros_like(points)
        return torch.stack([points, *[remembered] * self.memory])


def simultaneous(lr: float) -> Rule:
    """Both take a gradient step from the same point."""
    return _descent("simultaneous", lr)


def alternating(lr: float, first: str = "x") -> Rule:
    """The players take turns: who moves second sees where the first has gone."""
    return _descent("alternating", lr, first=first)


def momentum(lr: float, beta: float, first: str | None = None) -> Rule:
    """Keep a share β of the last step; it may be negative, which takes some of it back.

    Args:
        lr: The step η.
        beta: Between -1 and 1.
        first: None lets both move at once; "x" or "y" moves first, and then the other.
    """
    return _descent("momentum", lr, beta, first)


def _descent(name: str, lr: float, beta: float | None = None, first: str | None = None) -> Rule:
    """Return plain descent, or, with a β, that which remembers the point before."""
    check_not_negative(lr, "lr")
    kept = 0.0 if beta is None else beta
    if not -1 < kept < 1:
        raise ValueError(f"beta: expected a number between -1 and 1, got {beta}")
    _check_first(first)

    def step(game: Game, state: Tensor) -> Tensor:
        z, before = state[0], state[-1]
        moved = z
        for mine in _turns(game, first):
            there = z + lr * game.field(moved) + kept * (z - before)
            moved = torch.where(mine.to(z.device), there, moved)
        return torch.stack([moved] if beta is None else [moved, z])

    def polynomial(mu: complex) -> list[complex]:
        if first is None:
            plain = [1, -(1 + lr * mu)]
            return plain if beta is None else [1, -(1 + beta + lr * mu), beta]
        if beta is None:
            return [1, -(2 + (lr * mu) ** 2), 1]
        one = [1, -(1 + beta), beta]
        both = np.polymul(one, one).astype(complex)
        both[1] -= (lr * mu) ** 2
        return list(both)

    return Rule(name, step, int(beta is not None), polynomial, turning=first is not None)


def extragradient(lr: float) -> Rule:
    """Look a step ahead, and take the step that is right there."""
    check_not_negative(lr, "lr")

    def step(game: Game, state: Tensor) -> Tensor:
        ahead = state + lr * game.field(state)
        return state + lr * game.field(ahead)

    return Rule("extragradient", step, 0, lambda mu: [1, -(1 + lr * mu + (lr * mu) ** 2)])


def optimistic(lr: float) -> Rule:
    """Expect the field to go on changing as it did: one field a step, if the last one is kept."""
    check_not_negative(lr, "lr")

    def step(game: Game, state: Tensor) -> Tensor:
        now, before = game.field(state)
        return torch.stack([state[0] + 2 * lr * now - lr * before, state[0]])

    return Rule("optimistic", step, 1, lambda mu: [1, -(1 + 2 * lr * mu), lr * mu])


def consensus(lr: float, gamma: float) -> Rule:
    """Both also descend on half the squared length of the field, γ times."""
    check_not_negative(lr, "lr")
    check_not_negative(gamma, "gamma")

    def step(game: Game, state: Tensor) -> Tensor:
        velocity, back = vjp(game.field, state)[:2]
        return state + lr * (velocity - gamma * back(velocity)[0])

    def polynomial(mu: complex) -> list[complex]:
        return [1, -(1 + lr * mu - lr * gamma * abs(mu) ** 2)]

    return Rule("consensus", step, 0, polynomial, turning=True)


def proximal(lr: float, most: int = 50) -> Rule:
    """Go where the field, there, has brought you: an equation, solved by Newton's method.

    Args:
        lr: The step η.
        most: Newton steps, at most; a linear field takes one.
    """
    check_not_negative(lr, "lr")
    check_count(most, "most")

    def step(game: Game, state: Tensor) -> Tensor:
        z = check_wide(state, "start").reshape(-1, game.dim)
        end, identity = z, torch.eye(game.dim).to(z)
        near = 64 * torch.finfo(z.dtype).eps * (1 + z.detach().abs())
        for _ in range(most):  # one step even from a solution, which gives its derivative
            missing = end - lr * game.field(end) - z
            slopes = identity - lr * vmap(jacrev(game.field))(end)
            change, failed = torch.linalg.solve_ex(slopes, missing)
            if not holds(failed == 0):
                raise ValueError(
                    f"lr: no step of {lr:g} solves θ' = θ + {lr:g} v(θ'); take another"
                )
            end = end - change
            if holds((end - lr * game.field(end) - z).abs() <= near):
                return end.reshape(state.shape)
        raise ValueError(
            f"lr: {most} Newton steps do not solve θ' = θ + {lr:g} v(θ'); take a smaller lr"
        )

    return Rule("proximal", step, 0, lambda mu: [1 - lr * mu, -1])


def adam(
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    first: str | None = None,
    eps: float = 1e-8,
) -> Rule:
    """Steps of nearly equal length, by running means of the field and of its square.

    Kingma and Ba 2015 (https://arxiv.org/abs/1412.6980), algorithm 1: what practice uses. Its step
    has no derivative at an equilibrium, so that no factor can be given.

    Args:
        lr: The length of a step.
        betas: The shares of the two means that are kept.
        first: None lets both move at once; "x" or "y" moves first, and then the other.
        eps: What keeps the division safe.
    """
    check_not_negative(lr, "lr")
    mean_kept, square_kept = (check_share(beta, "betas") for beta in betas)
    _check_first(first)

    def step(game: Game, state: Tensor) -> Tensor:
        z, mean, square, count = state
        count = count + 1
        for mine in _turns(game, first):
            mine, velocity = mine.to(z.device), game.field(z)
            mean = torch.where(mine, torch.lerp(velocity, mean, mean_kept), mean)
            square = torch.where(mine, torch.lerp(velocity**2, square, square_kept), square)
            scale = (square / (1 - square_kept**count)).sqrt() + eps
            z = torch.where(mine, z + lr * mean / (1 - mean_kept**count) / scale, z)
        return torch.stack([z, mean, square, count])

    return Rule("Adam", step, 3, repeats=False)


def _check_first(first: str | None) -> None:
    if first not in (None, "x", "y"):
        raise ValueError(f"first: expected 'x', 'y', or None for both at once, got {first!r}")


def _turns(game: Game, first: str | None) -> Iterator[Tensor]:
    """Yield whose coordinates move, Boolean (d,), one turn after the other."""
    x = torch.arange(game.dim) < game.sizes[0]
    if first is None:
        yield torch.ones_like(x)
    else:
        yield from (x, ~x) if first == "x" else (~x, x)
