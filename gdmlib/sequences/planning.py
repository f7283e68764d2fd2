"""Planning by sampling: try many sequences of actions in a model, and do the best.

*Random shooting* draws them once. The *cross-entropy method* draws again around the best ones, a
few times (Rubinstein 1999, https://doi.org/10.1023/A:1010091220143). Only the first action is
done; then the state is looked at and all is planned anew.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import draw

Step = Callable[[Tensor, Tensor], Tensor]
Cost = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def plan(
    step: Step,
    cost: Cost,
    state: Tensor,
    *,
    horizon: int = 20,
    candidates: int = 200,
    best: int = 20,
    rounds: int = 3,
    actions: int = 1,
    start: Tensor | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return the actions, (horizon, actions) in [-1, 1], that a model finds cheapest.

    Args:
        step: From states (B, S) and actions (B, A) to next states.
        cost: What a state and an action cost, (B,).
        state: Where to start, (S,).
        horizon: How many actions.
        candidates: Sequences of actions tried in a round.
        best: How many of them the next round is drawn around.
        rounds: 1 is random shooting.
        actions: The number A.
        start: Around what the first round draws, (horizon, actions); by default 0.
        generator: Draws the candidates.
    """
    horizon, rounds = check_count(horizon, "horizon"), check_count(rounds, "rounds")
    candidates, best = check_count(candidates, "candidates", least=2), check_count(best, "best")
    if best > candidates:
        raise ValueError(f"best: expected at most candidates, {candidates}, got {best}")
    check_tensor(state, "state", ndim=1, floating=True)
    shape = (horizon, check_count(actions, "actions"))
    mean, spread = state.new_zeros(shape), state.new_ones(shape)
    if start is not None:
        mean = check_tensor(start, "start", shape=shape, floating=True, like=state)
    found, lowest = mean, torch.inf
    for _ in range(rounds):
        z = draw(torch.randn, candidates, *shape, generator=generator).to(state)
        tried = (mean + spread * z).clamp(-1, 1)
        totals = rollout(step, cost, state.expand(candidates, -1), tried)
        order = totals.nan_to_num(nan=torch.inf).argsort()
        if float(totals[order[0]]) < lowest:
            found, lowest = tried[order[0]], float(totals[order[0]])
        chosen = tried[order[:best]]
        mean, spread = chosen.mean(dim=0), chosen.std(dim=0, correction=0).clamp(min=0.05)
    return found


def rollout(step: Step, cost: Cost, state: Tensor, actions: Tensor) -> Tensor:
    """Return the summed cost of actions (B, horizon, A) from states (B, S), (B,)."""
    total = state.new_zeros(len(state))
    for action in actions.unbind(dim=1):
        total = total + cost(state, action)
        state = step(state, action)
    return total


@torch.no_grad()
def control(
    world: Step, cost: Cost, policy: Callable[[Tensor], Tensor], state: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Let a policy act in a world.

    Args:
        world: Draws next states from states (1, S) and actions (1, A).
        cost: What a state and an action cost, (1,).
        policy: From a state (S,) to an action (A,).
        state: The first one, (S,).
        steps: How many.

    Returns:
        The states, (steps + 1, S), and what each step cost, (steps,).
    """
    check_tensor(state, "state", ndim=1, floating=True)
    states, costs = [state], []
    for _ in range(check_count(steps, "steps")):
        action = policy(states[-1])[None]
        costs.append(cost(states[-1][None], action)[0])
        states.append(world(states[-1][None], action)[0])
    return torch.stack(states), torch.stack(costs)
