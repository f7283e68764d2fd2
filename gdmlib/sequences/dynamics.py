r"""The law of a world, learned: a Gaussian for the next state, given state and action.

.. math:: p(s_{1:T} \mid s_0, a) = \prod_t \mathcal N\bigl(s_{t+1} \mid s_t + \mu(s_t, a_t),\;
    \operatorname{diag} \sigma^2(s_t, a_t)\bigr)

This is the chain rule again: a density of trajectories is one small conditional density, used
over and over. Chua et al. (2018, https://arxiv.org/abs/1805.12114) plan with such networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_sizes, check_tensor
from gdmlib._random import standard_normal
from gdmlib.densities.density import ConditionalDensity
from gdmlib.nn.dense import dense

LOWEST, HIGHEST = -7.0, 2.0  # of a log standard deviation, in units of the changes


class GaussianDynamics(ConditionalDensity):
    """p(next state | state and action), a Gaussian whose mean and spread are a network's.

    The inputs x are states and actions side by side, (B, states + actions); y is the next state.

    Args:
        states, actions: How many numbers they are.
        angles: Which numbers of a state are angles: the network is shown their sine and cosine.
        hidden: Sizes of the inner layers.
        generator: Draws the weights.

    Attributes:
        centre, scale: Mean and standard deviation of the changes of a state; set by `standardise`.
    """

    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        states: int,
        actions: int,
        *,
        angles: Iterable[int] = (),
        hidden: int | Iterable[int] = (64, 64),
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = torch.Size([check_count(states, "states")])
        self.actions = check_count(actions, "actions")
        self.angles = [check_count(i, "angles", least=0) for i in angles]
        if any(i >= states for i in self.angles):
            raise ValueError(f"angles: expected numbers 0 to {states - 1}, got {self.angles}")
        self.others = [i for i in range(states + self.actions) if i not in self.angles]
        inputs = len(self.others) + 2 * len(self.angles)
        self.network = dense(inputs, check_sizes(hidden, "hidden"), 2 * states, generator)
        self.register_buffer("centre", torch.zeros(states))
        self.register_buffer("scale", torch.ones(states))

    def standardise(self, y: Tensor, x: Tensor) -> GaussianDynamics:
        """Take the units of the changes from examples, (B, states) and (B, states + actions)."""
        y, x = self._check_pairs(y, x)
        change = self._change(y, x)
        self.centre.copy_(change.mean(dim=0))
        self.scale.copy_(change.std(dim=0).clamp(min=1e-6))
        return self

    def _change(self, y: Tensor, x: Tensor) -> Tensor:
        """Return y minus the state in x; a change of angle is the shorter way round."""
        change = y - x[:, : len(self.centre)]
        if not self.angles:
            return change
        turned = torch.zeros(len(self.centre), dtype=torch.bool, device=x.device)
        turned[self.angles] = True
        wrapped = torch.remainder(change + math.pi, 2 * math.pi) - math.pi
        return torch.where(turned, wrapped, change)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the change of state, (B, states) each."""
        return self._moments(self._check_inputs(x))

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        angles = x[:, self.angles]
        seen = torch.cat([x[:, self.others], angles.sin(), angles.cos()], dim=1)
        mean, spread = self.network(seen).chunk(2, dim=1)
        # A smooth limit on both sides: a network is sure of nothing beyond its data.
        middle, half = (HIGHEST + LOWEST) / 2, (HIGHEST - LOWEST) / 2
        log_std = middle + half * torch.tanh((spread - middle) / half)
        return self.centre + self.scale * mean, self.scale * log_std.exp()

    def _check_inputs(self, x: Tensor) -> Tensor:
        width = len(self.centre) + self.actions
        return check_tensor(x, "x", shape=("B", width), floating=True, like=self._like())

    def _log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        mean, std = self._moments(x)
        z = (self._change(y, x) - mean) / std
        return (-0.5 * z**2 - std.log() - 0.5 * math.log(2 * math.pi)).sum(dim=1)

    def _sample(self, x: Tensor, generator: Generator | None) -> Tensor:
        mean, std = self._moments(x)
        return x[:, : len(mean[0])] + mean + std * standard_normal(mean.shape, mean, generator)
