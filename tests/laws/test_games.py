"""Law 7: the factors of all rules on all games, and broken games and rules that it rejects."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gdmlib.adversarial import games

from . import games as law
from .builders import tensor


@pytest.mark.parametrize("played", law.PLAYED, ids=str)
def test_factors(played):
    law.check_factor(played)


@pytest.mark.parametrize(
    ("rule", "factor"),
    [
        (games.simultaneous(0.1), math.sqrt(1.01)),
        (games.extragradient(0.1), math.sqrt(1 - 0.1**2 + 0.1**4)),
        (games.optimistic(0.1), law.larger_root(1 + 0.2j, 0.1j)),
        (games.consensus(0.1, 0.5), math.hypot(0.95, 0.1)),
        (games.proximal(0.1), 1 / math.sqrt(1.01)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_long_runs(rule, factor):
    law.check_long_run(law.XY, rule, factor)


@pytest.mark.parametrize("lr", [0.1, 1.0, 1.9])
@pytest.mark.parametrize("first", ["x", "y"])
def test_in_turn_something_is_kept(lr, first):
    law.check_invariant(games.alternating(lr, first), lr, first)


def test_the_bilinear_field():
    a = law.MATRIX.matrix
    law.check_field(law.MATRIX, lambda x, y: x @ a @ y, lambda x, y: -(x @ a @ y))


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_field_of_the_dirac_gan(weight):
    def second(x, y):
        return torch.log1p(torch.exp(-x * y)).sum() + weight / 2 * (y**2).sum()

    law.check_field(
        games.DiracGAN(r1=weight), lambda x, y: -torch.log1p(torch.exp(-x * y)).sum(), second
    )


@pytest.mark.parametrize(
    "game",
    [law.XY, law.MATRIX, games.BilinearGame(tensor([1.0, 2.0, -1.0])), games.DiracGAN()]
    + [games.DiracGAN(r1=r) for r in (0.3, 1.0, 2.5)],
)
def test_spectra(game):
    law.check_spectrum(game)


@pytest.mark.parametrize(
    ("rule", "limit"), [(games.optimistic, 1 / math.sqrt(3)), (games.extragradient, 1.0),
                        (games.alternating, 2.0)]
)  # fmt: skip
def test_thresholds(rule, limit):
    if rule is games.alternating:  # below 2 it neither arrives nor leaves
        assert games.spectral_factor(law.XY, rule(1.99)) == pytest.approx(1, abs=1e-9)
        assert games.spectral_factor(law.XY, rule(2.01)) > 1.1
    else:
        law.check_threshold(rule, limit)


def test_critical_damping():
    law.check_critical(lambda r1: games.DiracGAN(r1=r1), 1.0)
    law.check_critical(lambda r1: games.DiracGAN(lambda t: 3 * t, r1=r1), 6.0)


@pytest.mark.parametrize("rule", law.ALL_RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("game", [law.XY, law.MATRIX, games.DiracGAN(r1=0.3)])
def test_batches(game, rule):
    law.check_batch(game, rule)


# --- Broken ones ---


def looks_back():
    """Takes the step that was right before, not ahead."""
    rule = games.extragradient(0.3)
    return replace(rule, step=lambda game, s: s + 0.3 * game.field(s - 0.3 * game.field(s)))


def forgets():
    """Expects nothing: the point before never enters."""

    def step(game, state):
        return torch.stack([state[0] + 0.3 * game.field(state[0]), state[0]])

    return replace(games.optimistic(0.3), step=step)


def repels():
    """Ascends on the length of the field."""
    return games.consensus(0.3, 0.0)


def explicit():
    """Takes the field from where it is."""
    return replace(games.proximal(0.3), step=games.simultaneous(0.3).step)


BROKEN = {
    "xy, extragradient, 0.3": looks_back,
    "xy, optimistic, 0.3": forgets,
    "xy, consensus, 0.3": repels,
    "xy, proximal, 0.3": explicit,
    "xy, simultaneous, 0.3": lambda: games.simultaneous(0.31),
    "xy, alternating, 0.3": lambda: games.simultaneous(0.3),
    "xy, momentum, 0.3": lambda: games.momentum(0.3, 0.89),
    "xy, negative momentum, 0.3": lambda: games.momentum(0.3, 0.5),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_rejected(name):
    played = next(p for p in law.PLAYED if p.name == name)
    with pytest.raises(AssertionError, match=r"law 7, games: .* factor"):
        law.check_factor(replace(played, rule=BROKEN[name]()))


def test_each_of_the_three_ways_can_fail():
    played = next(p for p in law.PLAYED if p.name == "xy, simultaneous, 0.3")
    liar = replace(played.rule, polynomial=lambda mu: [1, -1])
    with pytest.raises(AssertionError, match="in closed form"):
        law.check_factor(replace(played, rule=liar))

    class Drifts(games.BilinearGame):
        """Has the right derivatives at the origin, and no others."""

        def _turn(self, points):
            return super()._turn(points) * (1 + points.detach().abs().sum().sign())

    with pytest.raises(AssertionError, match="of a run"):
        law.check_factor(replace(played, game=Drifts()))
    with pytest.raises(AssertionError, match="by autograd"):
        law.check_factor(replace(played, factor=1.0))


class Cooperates(games.BilinearGame):
    """Both players descend on x y."""

    def _turn(self, points):
        return -points.flip(-1)


def test_a_broken_game_is_rejected():
    with pytest.raises(AssertionError, match="law 7, games: Cooperates: the field"):
        law.check_field(Cooperates(), lambda x, y: (x * y).sum(), lambda x, y: -(x * y).sum())
    with pytest.raises(AssertionError, match="law 7, games: Cooperates: an eigenvalue"):
        law.check_spectrum(Cooperates())
    with pytest.raises(AssertionError, match="law 7, games: simultaneous: the distance"):
        law.check_long_run(Cooperates(), games.simultaneous(0.1), math.sqrt(1.01))


def test_what_only_seems_kept_is_rejected():
    for rule in (games.simultaneous(0.1), games.alternating(0.1, "y")):
        with pytest.raises(AssertionError, match=r"law 7, games: .*: the invariant"):
            law.check_invariant(rule, 0.1, "x")


def test_a_wrong_threshold_is_rejected():
    with pytest.raises(AssertionError, match="law 7, games: optimistic: factors"):
        law.check_threshold(games.optimistic, 0.5)


def test_a_wrong_damping_is_rejected():
    with pytest.raises(AssertionError, match="law 7, games: R1"):
        law.check_critical(lambda r1: games.DiracGAN(r1=r1), 2.0)


def test_a_rule_that_mixes_its_batch_is_rejected():
    def step(game, state):
        return state + 0.1 * game.field(state).mean(dim=tuple(range(state.ndim - 1)), keepdim=True)

    with pytest.raises(AssertionError, match="law 7, games: simultaneous: a batch"):
        law.check_batch(law.XY, replace(games.simultaneous(0.1), step=step))
