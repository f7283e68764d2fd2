"""Claims of lessons 12 to 16."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch.nn.functional import logsigmoid, softplus

from gdmlib.adversarial import games
from tests.book.claims.registry import claim


@claim("12", "tiny-step")
def tiny_step() -> tuple[str, ...]:
    """Ten thousand steps, taken one by one."""
    x, y = 1.0, 1.0
    for _ in range(10_000):
        x, y = x - 0.01 * y, y + 0.01 * x
    grown = math.hypot(x, y) / math.hypot(1, 1)
    return f"{grown:.2f} times", f"{grown**2:.2f} times"


@claim("12", "average")
def average() -> None:
    """Four ways to end a run; one ends near the origin."""
    game, start = games.BilinearGame(), torch.ones(2).double()
    both, turns = (
        games.run(game, rule(0.1), start, 2_000) for rule in (games.simultaneous, games.alternating)
    )
    momentum = games.run(game, games.momentum(0.1, 0.9), start, 100)
    assert float(turns.mean(0).norm()) < 0.02 < 1 < float(turns[-1].norm())
    assert float(both.mean(0).norm()) > 10
    assert float(momentum[-1].norm()) > 1e6


@claim("12", "too-much-r1")
def too_much_r1() -> None:
    """Factors and eigenvalues of the Dirac-GAN of the library."""
    slow = games.DiracGAN(r1=4.0).exact_spectrum()
    assert float(slow.imag.abs().max()) == 0
    assert f"{float(slow.real.max()):.2f}" == "-0.06"
    assert f"{float(games.DiracGAN(r1=1.0).exact_spectrum().real.max()):.2f}" == "-0.50"
    factor = [games.theory(games.DiracGAN(r1=r), games.simultaneous(0.1)) for r in (1.0, 4.0)]
    assert factor[0] < factor[1] < 1


@claim("13", "best-judge")
def best_judge() -> tuple[str, ...]:
    """The best of many answers at two points."""
    choices = torch.linspace(0.001, 0.999, 999).double()

    def best(p: float, q: float) -> float:
        return float(choices[(p * choices.log() + q * (1 - choices).log()).argmax()])

    found = best(0.3, 0.1), best(1e-9, 1e-9)
    return f"{found[0]:.2f} and {found[1]:.2f}", "0.75 and 0", "0.30 and 0", "3.00 and 1.00"


@claim("13", "sure-judge")
def sure_judge() -> None:
    """Derivatives of both losses."""
    c = torch.tensor(-8.0).double().requires_grad_()
    (saturating,) = torch.autograd.grad(-softplus(c), c)
    (other,) = torch.autograd.grad(-logsigmoid(c), c)
    assert abs(float(saturating)) < 1e-3
    assert abs(float(other)) > 0.999


@claim("14", "mean-median")
def mean_median() -> tuple[str, ...]:
    """The best answers to 0 and 1 with the shares 0.6 and 0.4, found by trying."""
    tried = torch.linspace(0, 1, 1001).double()
    l2 = 0.6 * tried**2 + 0.4 * (1 - tried) ** 2
    l1 = 0.6 * tried + 0.4 * (1 - tried)
    best = float(tried[l2.argmin()]), float(tried[l1.argmin()])
    return (
        f"L2: {best[0]:.2f}; L1: {best[1]:g}",
        f"L2: {best[0]:.2f}; L1: {best[0]:.2f}",
        f"L2: {best[1]:g}; L1: {best[0]:.2f}",
    )


@claim("14", "wrong-answers")
def wrong_answers() -> None:
    """The value of the game, for answers alone and for pairs."""
    p = torch.rand(3, 5, generator=torch.Generator().manual_seed(0)).double()
    p = p / p.sum(1, keepdim=True) / 3
    q = p.roll(1, dims=0)

    def value(p: torch.Tensor, q: torch.Tensor) -> float:
        best = p / (p + q)
        return float((p * best.log() + q * (1 - best).log()).sum())

    assert abs(value(p.sum(0), q.sum(0)) + math.log(4)) < 1e-12
    assert value(p, q) + math.log(4) > 0.01


@claim("15", "count")
def count() -> tuple[str, ...]:
    """All pairs of maps between three points."""
    maps = list(product(range(3), repeat=3))
    onto = [g for g in maps if len(set(g)) == 3]
    undone = [(g, f) for g in onto for f in onto if all(f[g[i]] == i for i in range(3))]
    return str(len(undone)), "1", str(len(maps)), str(len(onto) ** 2)


@claim("15", "least-move")
def least_move() -> tuple[str, ...]:
    """Of the turns that carry four clusters over, the one that moves least."""
    turns = [60 + 90 * k for k in range(-3, 3)]
    least = min(turns, key=lambda t: abs(math.sin(math.radians(t) / 2)))
    return f"${least}$°", "60°, from every", "30°, half"


@claim("16", "draw-costs")
def draw_costs() -> tuple[str, ...]:
    """Errors over both truths and both draws."""
    mean = sum((truth - 0.5) ** 2 for truth in (0, 1)) / 2
    drawn = sum((truth - draw) ** 2 for truth, draw in product((0, 1), repeat=2)) / 4
    return f"The mean {mean:.2f}, the draw {drawn:.2f}", "The mean 0.50, the draw 0.50"


@claim("16", "protocol")
def protocol() -> tuple[str, ...]:
    """What the range of the luma is worth in decibels."""
    worth = 20 * math.log10(255 / 219)
    numbers = 30.1 - worth, 30.1, 30.1 + worth, 30.1 - worth / 2
    return tuple(f"{number:.1f} dB" for number in numbers)
