"""Averages of weights, and players in turn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib.training import Averaged, CheckpointError, Turns, fit, gradient_step

X = torch.randn(24, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Number(nn.Module):
    def __init__(self, value=0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value, dtype=torch.float64))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))


def sgd(model, loss, lr=0.1, **options):
    return gradient_step(model, torch.optim.SGD(model.parameters(), lr=lr), loss, **options)


# --- the average ----------------------------------------------------------------------------------


def test_an_average_is_what_its_formula_says():
    model, seen = Number(), []

    def loss(batch):
        model.calls.add_(1)
        return (model.value - 1).square()

    step = Averaged(sgd(model, loss), model, 0.8)
    for _ in range(5):
        step(X)
        seen.append(float(model.value))
    expected = seen[0]
    for value in seen[1:]:
        expected = 0.8 * expected + 0.2 * value
    assert float(step.model.value) == pytest.approx(expected, abs=1e-12)
    assert int(step.model.calls) == 5  # buffers are copied
    with pytest.raises(ValueError, match="average: expected a share"):
        Averaged(sgd(model, loss), model, 1.0)


def test_a_step_tells_its_settings_to_the_steps_around_it():
    x, y = Number(), Number()
    first = Averaged(sgd(x, lambda batch: x.value, clip=2.0), x, 0.5)
    assert first.settings == {"clip": 2.0, "mixed_precision": False, "average": 0.5}
    game = Turns(a=first, b=sgd(y, lambda batch: y.value, mixed_precision=True))
    assert game.settings == {
        "every": {"a": 1, "b": 1}, "a.clip": 2.0, "a.mixed_precision": False, "a.average": 0.5,
        "b.clip": None, "b.mixed_precision": True,
    }  # fmt: skip


def test_a_step_names_what_must_outlive_an_interruption():
    noise = torch.Generator()
    assert set(game(noise=noise, average=0.5)[2].state) == {
        "turns", "noise", "first.model", "first.optimizer", "first.average", "second.model",
        "second.optimizer",
    }  # fmt: skip


def test_a_plain_function_is_a_step():
    model = Number()
    step = Averaged(lambda batch: {"loss": 0.0}, model, 0.5)
    step(X)
    assert step.state == {"average": step.average} and step.settings == {"average": 0.5}

    class Player:
        def __init__(self):
            self.state = {"model": model}

        def __call__(self, batch):
            return {"loss": 0.0}

    assert Turns(a=Player(), b=Player()).settings == {"every": {"a": 1, "b": 1}}


def test_a_loss_that_is_nan_does_not_reach_the_average():
    model = Number()
    step = Averaged(sgd(model, lambda batch: model.value * batch.sum()), model, 0.5)
    step(X)
    before = float(step.model.value)
    step(X * torch.nan)
    assert float(step.model.value) == before


# --- players --------------------------------------------------------------------------------------


def game(every=None, noise=None, average=None):
    """Return two players of min max x y, and their step."""
    x, y = Number(1.0), Number(1.0)

    def of_x(batch):
        shift = 0.0 if noise is None else float(torch.randn((), generator=noise))
        return {"loss": x.value * y.value + shift * x.value, "size": x.value.detach().abs()}

    first = sgd(x, of_x)
    if average is not None:
        first = Averaged(first, x, average)
    second = sgd(y, lambda batch: -x.value * y.value)
    return x, y, Turns(first=first, second=second, every=every, noise=noise)


def test_players_move_in_turn_on_each_batch():
    x, y, step = game()
    metrics = step(X)
    assert float(x.value) == pytest.approx(1 - 0.1)
    assert float(y.value) == pytest.approx(1 + 0.1 * 0.9)  # sees where the first has gone
    assert metrics.keys() == {"first", "first size", "second"}
    assert float(metrics["first"]) == 1.0 and float(metrics["second"]) == pytest.approx(-0.9)


def test_the_others_ask_for_no_gradient_meanwhile():
    seen = []
    x, y = Number(1.0), Number(1.0)
    y.requires_grad_(True)

    def of_x(batch):
        seen.append(("x", x.value.requires_grad, y.value.requires_grad))
        return x.value * y.value

    def of_y(batch):
        seen.append(("y", x.value.requires_grad, y.value.requires_grad))
        return -x.value * y.value

    Turns(x=sgd(x, of_x), y=sgd(y, of_y))(X)
    assert seen == [("x", True, False), ("y", False, True)]
    assert x.value.requires_grad and y.value.requires_grad
    assert x.value.grad is not None and y.value.grad is not None


def test_what_two_players_share_both_may_move():
    shared, own = Number(1.0), Number(1.0)
    both = nn.ModuleList([shared, own])
    flags = []

    def loss(batch):
        flags.append(shared.value.requires_grad)
        return shared.value * own.value

    Turns(a=sgd(shared, loss), b=sgd(both, loss))(X)
    assert flags == [True, True]


@pytest.mark.parametrize("every", [2, 3])
def test_a_player_may_move_on_every_few_batches(every):
    _, y, step = game(every={"second": every})
    moved = []
    for _ in range(7):
        before = float(y.value)
        step(X)
        moved.append(float(y.value) != before)
    assert moved == [i % every == 0 for i in range(7)]


def test_batches_are_counted_for_ever():
    _, y, step = game(every={"second": 2})
    step.batches.fill_(2**24 + 1)  # float32 counts no further than 2**24
    step(X)
    before = float(y.value)
    step(X)
    assert int(step.batches) == 2**24 + 3 and float(y.value) != before


@pytest.mark.parametrize("every", [None, {"first": 2}, {"second": 5}])
def test_a_game_that_is_interrupted_ends_like_one_that_is_not(tmp_path, every):
    def play(epochs, **options):
        noise = torch.Generator().manual_seed(5)
        x, y, step = game(every, noise, average=0.9)
        generator = torch.Generator().manual_seed(1)
        history = fit(
            step, X, epochs=epochs, batch_size=5, generator=generator, progress=False, **options
        )
        return x, y, step, history

    x, y, step, history = play(6)
    play(3, checkpoint=tmp_path / "game.pt")
    x2, y2, step2, resumed = play(6, checkpoint=tmp_path / "game.pt", resume=True)
    assert torch.equal(x.value, x2.value) and torch.equal(y.value, y2.value)
    average, average2 = (s.players["first"].model.value for s in (step, step2))
    assert torch.equal(average, average2)
    assert history.metrics == resumed.metrics


def test_a_game_is_not_resumed_with_other_rules(tmp_path):
    def play(**options):
        return fit(game(**options)[2], X, epochs=1, checkpoint=tmp_path / "game.pt", resume=True)

    play()
    with pytest.raises(CheckpointError, match=r"every of the step was .*'second': 1.*now .*3"):
        play(every={"second": 3})


def test_a_ring_of_gaussians_is_a_game(tmp_path):
    """A small GAN trains by the same loop, with an average of the generator's weights."""
    generator = torch.Generator().manual_seed(0)
    angle = torch.arange(8) * torch.pi / 4
    ring = torch.stack([angle.cos(), angle.sin()], dim=1).repeat(40, 1)
    ring = ring + 0.05 * torch.randn(ring.shape, generator=generator)
    torch.manual_seed(0)
    maker = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    critic = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
    noise = torch.Generator().manual_seed(1)

    def fake(n):
        return maker(torch.randn(n, 2, generator=noise))

    def of_critic(batch):
        return (
            nn.functional.softplus(-critic(batch)).mean()
            + nn.functional.softplus(critic(fake(len(batch)).detach())).mean()
        )

    def of_maker(batch):
        return nn.functional.softplus(-critic(fake(len(batch)))).mean()

    def adam(model, loss):
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.5, 0.9))
        return gradient_step(model, optimizer, loss)

    step = Turns(
        critic=adam(critic, of_critic), maker=Averaged(adam(maker, of_maker), maker, 0.99),
        noise=noise,
    )  # fmt: skip
    history = fit(step, ring, epochs=5, batch_size=64, progress=False)
    assert set(history.metrics) == {"critic", "maker"}
    assert history["critic"][-1] != history["critic"][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "players: expected at least two steps, got"),
        ({"a": 1}, "players: expected at least two steps, got"),
        ({"a": 1, "b": 2, "every": {"c": 2}}, r"every: there is no player \['c'\]"),
        ({"a": 1, "b": 2, "every": {"a": 0}}, "every: expected at least 1, got 0"),
    ],
)
def test_games_that_make_no_sense(arguments, says):
    with pytest.raises(ValueError, match=says):
        Turns(**arguments)
