"""What the laws do not say of games: known optimisers, other equilibria, wrong input."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib.adversarial import games
from gdmlib.adversarial.games import BilinearGame, DiracGAN, Game

XY = BilinearGame()
START = torch.tensor([1.0, 1.0], dtype=torch.float64)


def played_by_torch(optimizer, steps, in_turn, **options):
    """Return the points of the game of x y, played by two of torch's optimisers."""
    x, y = (torch.ones((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    of_x, of_y = optimizer([x], **options), optimizer([y], **options)
    path = [START]
    for _ in range(steps):
        x.grad, y.grad = y.detach().clone(), -x.detach().clone()
        of_x.step()
        if in_turn:
            y.grad = -x.detach().clone()
        of_y.step()
        path.append(torch.stack([x, y]).detach())
    return torch.stack(path)


@pytest.mark.parametrize("first", [None, "x"])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.99), (0.5, 0.9)])
def test_adam_is_that_of_torch(first, betas):
    found = games.run(XY, games.adam(0.1, betas, first), START, 50)
    expected = played_by_torch(torch.optim.Adam, 50, first == "x", lr=0.1, betas=betas)
    assert (found - expected).abs().max() < 1e-12


@pytest.mark.parametrize("first", [None, "x"])
def test_momentum_is_that_of_torch(first):
    found = games.run(XY, games.momentum(0.1, 0.6, first), START, 50)
    expected = played_by_torch(torch.optim.SGD, 50, first == "x", lr=0.1, momentum=0.6)
    assert (found - expected).abs().max() < 1e-12


def test_optimistic_by_hand():
    path = games.run(XY, games.optimistic(0.1), START, 2)
    first = START + 0.1 * torch.tensor([-1.0, 1.0])
    second = first + 0.2 * torch.stack([-first[1], first[0]]) - 0.1 * torch.tensor([-1.0, 1.0])
    assert torch.allclose(path, torch.stack([START, first, second]), atol=1e-15)


def test_negative_momentum_in_turn_arrives_and_together_does_not():
    assert games.spectral_factor(XY, games.momentum(0.1, -0.5, "x")) < 1
    factors = [games.theory(XY, games.momentum(0.1, beta / 10)) for beta in range(-9, 10)]
    assert min(factors) > 1


def test_who_moves_first():
    path = games.run(XY, games.alternating(0.5), START, 1)
    assert path[1].tolist() == [0.5, 1.25]
    path = games.run(XY, games.alternating(0.5, "y"), START, 1)
    assert path[1].tolist() == [0.25, 1.5]


def test_the_mean_of_turns_is_near_the_equilibrium():
    path = games.run(XY, games.alternating(0.3), START, 2000)
    assert path.norm(dim=1).max() < 1.6
    assert path.mean(dim=0).norm() < 5e-3


def test_a_matrix_that_is_not_square():
    a = torch.tensor([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    game = BilinearGame(a)
    assert game.sizes == (2, 3)
    assert sorted(game.exact_spectrum().imag.tolist()) == [-3, -1, 0, 1, 3]
    assert games.theory(game, games.proximal(0.1)) == 1  # the direction in which nothing moves
    assert games.theory(game, games.simultaneous(0.1)) == pytest.approx(math.sqrt(1.09))


def test_any_two_losses():
    def first(x, y):
        return (x**2).sum() + x[0] * y[0]

    def second(x, y):
        return (y**2).sum() / 2 - x[1] * y[0] - y[0]

    game = Game.of_losses(first, second, (2, 1))
    point = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    expected = torch.tensor([[-5.0, -4.0, 0.0], [-1.0, 0.0, 0.0]], dtype=torch.float64)
    assert torch.allclose(game.field(point), expected)
    assert game.field(point[None]).shape == (1, 2, 3)
    at = torch.tensor([-0.5, 0.0, 1.0], dtype=torch.float64)
    assert games.spectral_factor(game, games.simultaneous(0.1), at) == pytest.approx(0.9)


def test_proximal_solves_its_equation_where_the_field_is_curved():
    game, z = DiracGAN(), torch.tensor([[3.0, -2.0], [0.5, 4.0]], dtype=torch.float64)
    after = games.run(game, games.proximal(0.5), z, 1)[1]
    assert (after - z - 0.5 * game.field(after)).abs().max() < 1e-13
    with pytest.raises(ValueError, match="lr: 1 Newton steps do not solve"):
        games.run(game, games.proximal(0.5, most=1), z, 1)


def test_float32_stays_float32():
    for rule in (games.optimistic(0.1), games.proximal(0.1), games.adam(0.1)):
        assert games.run(XY, rule, START.float(), 3).dtype == torch.float32


def test_a_run_that_leaves_says_when():
    with pytest.raises(OverflowError, match=r"momentum: no longer finite at step [0-9]+"):
        games.run(XY, games.momentum(1.9, 0.9), START, 2000)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: XY.field(torch.ones(3)), r"points: expected shape \(..., 2\), 1 for x and 1"),
        (lambda: XY.field(torch.tensor(1.0)), r"points: expected shape \(..., 2\)"),
        (lambda: XY.field(torch.ones(2).long()), "points: expected a floating-point"),
        (lambda: games.run(XY, games.adam(0.1), torch.full((2,), math.nan), 1), "start: 2 of 2"),
        (lambda: games.run(XY, games.adam(0.1), START, 0), "steps: expected at least 1"),
        (lambda: BilinearGame(torch.ones(2)), r"matrix: expected shape \(n, m\), or a number"),
        (lambda: BilinearGame(torch.ones(2, 2).long()), "matrix: expected a floating-point"),
        (lambda: BilinearGame(math.inf), "matrix: 1 of 1 values are NaN or infinite"),
        (lambda: DiracGAN(r1=-1), "r1: expected a finite number of at least 0"),
        (lambda: Game(lambda z: -z, (0, 1)), "sizes: expected at least 1"),
        (lambda: XY.jacobian(torch.ones(1, 2)), "point: expected 1 dimension"),
        (lambda: games.simultaneous(-0.1), "lr: expected a finite number of at least 0"),
        (lambda: games.consensus(0.1, -1), "gamma: expected a finite"),
        (lambda: games.momentum(0.1, 1.0), "beta: expected a number between -1 and 1, got 1.0"),
        (lambda: games.momentum(0.1, 0.5, "z"), "first: expected 'x', 'y', or None"),
        (lambda: games.adam(0.1, (1.0, 0.9)), "betas: expected a share"),
        (lambda: games.adam(0.1, first="both"), "first: expected 'x', 'y', or None"),
        (lambda: games.spectral_factor(XY, games.adam(0.1)), "rule: a step of Adam has no deriv"),
        (lambda: games.theory(XY, games.adam(0.1)), "rule: a step of Adam has no derivative"),
        (lambda: games.spectral_factor(XY, games.simultaneous(0.1), START), "at: expected an equi"),
        (lambda: games.theory(Game(lambda z: -z), games.simultaneous(0.1)), "game: no closed form"),
        (lambda: games.theory(DiracGAN(r1=0.3), games.alternating(0.1)), "games that only turn"),
        (lambda: games.measured_factor(torch.ones(3, 2)), "path: expected at least 4 points"),
    ],
)
def test_wrong_input(call, says):
    with pytest.raises(ValueError, match=says):
        call()
