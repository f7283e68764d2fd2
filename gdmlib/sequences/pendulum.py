"""A pendulum with a weak motor: to stand it up, one has to swing it first."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_above_zero, check_count, check_not_negative, check_tensor
from gdmlib._random import draw, standard_normal


class Pendulum:
    """The angle θ from the top and its speed; the action is a torque in [-1, 1] of the largest.

    A step: the speed changes by (g sin θ + torque) dt, then the angle by the speed times dt, and
    both get a little noise. A step costs θ² + 0.1 speed² + 0.01 action², θ in [-π, π).

    Args:
        gravity: The acceleration g of a pendulum of length 1.
        torque: The largest torque. Below g it cannot lift the pendulum from the side.
        dt: Seconds a step.
        noise: Standard deviation of the noise, of angle and speed.
    """

    def __init__(
        self, gravity: float = 10.0, torque: float = 4.0, dt: float = 0.05, noise: float = 0.01
    ) -> None:
        self.gravity = check_above_zero(gravity, "gravity")
        self.torque = check_above_zero(torque, "torque")
        self.dt = check_above_zero(dt, "dt")
        self.noise = check_not_negative(noise, "noise")

    def mean(self, state: Tensor, action: Tensor) -> Tensor:
        """Return the next state without noise, (B, 2) and (B, 1) -> (B, 2)."""
        _check(state, action)
        angle, speed = state.unbind(dim=1)
        push = self.torque * action[:, 0].clamp(-1, 1)
        speed = speed + (self.gravity * angle.sin() + push) * self.dt
        angle = angle + speed * self.dt
        return torch.stack([_wrapped(angle), speed], dim=1)

    def step(self, state: Tensor, action: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw the next state."""
        mean = self.mean(state, action)
        after = mean + self.noise * standard_normal(mean.shape, mean, generator)
        return torch.stack([_wrapped(after[:, 0]), after[:, 1]], dim=1)

    def cost(self, state: Tensor, action: Tensor) -> Tensor:
        """Return what a step costs, (B, 2) and (B, 1) -> (B,); 0 at the top, at rest."""
        _check(state, action)
        angle = _wrapped(state[:, 0])
        return angle**2 + 0.1 * state[:, 1] ** 2 + 0.01 * action[:, 0] ** 2

    def start(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n states in which the pendulum hangs down, nearly at rest, (n, 2)."""
        state = 0.1 * draw(torch.randn, check_count(n), 2, generator=generator)
        return torch.stack([_wrapped(state[:, 0] + math.pi), state[:, 1]], dim=1)

    def explore(
        self, n: int, steps: int, generator: Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw n trajectories under random torques, each held for some steps.

        Returns:
            States (n, steps + 1, 2) and actions (n, steps, 1).
        """
        steps = check_count(steps, "steps")
        hold = 5
        few = draw(torch.rand, check_count(n), -(-steps // hold), 1, generator=generator)
        actions = (2 * few - 1).repeat_interleave(hold, dim=1)[:, :steps]
        states = [self.start(n, generator)]
        for action in actions.unbind(dim=1):
            states.append(self.step(states[-1], action, generator))
        return torch.stack(states, dim=1), actions


def _check(state: Tensor, action: Tensor) -> None:
    check_tensor(state, "state", shape=("B", 2), floating=True)
    check_tensor(action, "action", shape=(len(state), 1), floating=True, like=state)


def _wrapped(angle: Tensor) -> Tensor:
    """Return angles in [-π, π)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
