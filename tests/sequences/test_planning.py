"""A pendulum, its law learned, and actions found by sampling."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.sequences import GaussianDynamics, Pendulum, control, plan
from gdmlib.sequences.planning import rollout
from gdmlib.training import train
from tests.laws.builders import normal, seeded


def exact():
    return Pendulum(noise=0.0)


def test_energy_is_nearly_kept_without_torque():
    world = Pendulum(noise=0.0, dt=0.001)
    state = torch.tensor([[2.0, 0.0]]).double()

    def energy(state):
        return float(state[0, 1] ** 2 / 2 + 10 * state[0, 0].cos())

    before = energy(state)
    for _ in range(1000):
        state = world.mean(state, torch.zeros(1, 1).double())
    assert abs(energy(state) - before) < 0.05


def test_the_motor_is_weak():
    world = exact()
    state = torch.tensor([[math.pi / 2, 0.0]])
    after = world.mean(state, torch.tensor([[-1.0]]))
    assert float(after[0, 1]) > 0  # it falls, however it pushes
    strong = world.mean(state, torch.tensor([[-5.0]]))
    assert torch.equal(after, strong)  # no more than the largest torque


def test_angles_stay_within_a_turn():
    states, actions = Pendulum().explore(4, 50, seeded())
    assert states.shape == (4, 51, 2)
    assert actions.shape == (4, 50, 1)
    assert float(states[..., 0].abs().max()) <= math.pi
    assert float(actions.abs().max()) <= 1


def test_the_top_is_free():
    cost = exact().cost(torch.tensor([[0.0, 0.0], [math.pi, 0.0]]), torch.zeros(2, 1))
    assert cost.tolist() == pytest.approx([0, math.pi**2], rel=1e-5)


def test_dynamics_learn_the_world():
    world = Pendulum()
    states, actions = world.explore(60, 40, seeded())
    x = torch.cat([states[:, :-1], actions], dim=2).flatten(0, 1)
    y = states[:, 1:].flatten(0, 1)
    law = GaussianDynamics(2, 1, angles=[0], hidden=(32,), generator=seeded()).standardise(y, x)

    def score(model, x, y):
        return -model.log_prob(y, x)

    train(law, (x, y), epochs=15, batch_size=64, lr=5e-3, score=score, generator=seeded())
    mean, std = law.moments(x)
    error = (law._change(y, x) - mean).std(dim=0)
    assert float(error.max()) < 0.03  # the noise is 0.01, steps are some tenths
    assert float(std.mean()) == pytest.approx(0.01, rel=0.8)


def test_a_change_of_angle_is_the_shorter_way():
    law = GaussianDynamics(2, 1, angles=[0], generator=seeded())
    y, x = torch.tensor([[-3.1, 0.0]]), torch.tensor([[3.1, 0.0, 0.0]])
    assert float(law._change(y, x)[0, 0]) == pytest.approx(2 * math.pi - 6.2, abs=1e-5)
    with pytest.raises(ValueError, match="angles: expected numbers 0 to 1"):
        GaussianDynamics(2, 1, angles=[2])


def test_the_cheapest_actions_of_a_line():
    # The state moves by the action; the cost is the distance to 1.5: go 1, then 0.5, and stay.
    def step(state, action):
        return state + action

    def cost(state, action):
        return (state[:, 0] - 1.5).abs()

    found = plan(
        step, cost, torch.zeros(1), horizon=4, candidates=300, best=15, rounds=8,
        generator=seeded(),
    )  # fmt: skip
    states = found[:, 0].cumsum(0)
    assert states[:3].tolist() == pytest.approx([1, 1.5, 1.5], abs=0.12)
    total = rollout(step, cost, torch.zeros(1, 1), found[None])
    assert float(total) == pytest.approx(1.5 + 0.5, abs=0.25)


def test_more_rounds_are_not_worse():
    world = exact()
    state = torch.tensor([math.pi - 0.1, 0.0])
    totals = [
        float(
            rollout(
                world.mean, world.cost, state[None],
                plan(world.mean, world.cost, state, horizon=30, rounds=r, generator=seeded())[None],
            )
        )
        for r in (1, 5)
    ]  # fmt: skip
    assert totals[1] < totals[0]


def test_an_explosion_is_not_chosen():
    def step(state, action):
        return torch.where(action > 0, math.nan, state)

    found = plan(
        step, lambda s, a: s[:, 0] - a[:, 0], torch.zeros(1), horizon=2, generator=seeded()
    )
    assert float(found[0]) <= 0


def test_control_looks_again_after_each_step():
    world = exact()
    states, costs = control(
        world.mean, world.cost, lambda s: torch.zeros(1), torch.tensor([1.0, 0.0]), 5
    )
    assert states.shape == (6, 2)
    assert costs.shape == (5,)
    assert float(costs[0]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"best": 500}, "best: expected at most candidates"),
        ({"start": torch.zeros(3, 1)}, "start: expected shape"),
        ({"state": torch.zeros(1, 2)}, "state: expected 1 dimension"),
    ],
)
def test_wrong_plans(changes, what):
    world = exact()
    given = {"state": normal(2).float(), "horizon": 4, **changes}
    state = given.pop("state")
    with pytest.raises(ValueError, match=what):
        plan(world.mean, world.cost, state, **given)
