"""Law 7: what a step of a game does to the distance from its equilibrium.

    law 7, games    the factor of a step is what the mathematics says

The closed forms here are written down once more, by hand, and do not come from the library. A law
takes the game and the rule that it is about, so that a broken one can be shown to fail.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from gdmlib.adversarial import games
from gdmlib.adversarial.games import Game, Rule

from .builders import normal, tensor
from .laws import fail_unless

LAW = "7, games"


@dataclass(frozen=True)
class Played:
    """A game, a rule and the factor of a step.

    Attributes:
        name: Shown as the name of the test.
        game, rule: What is played, and how.
        factor: By hand.
        linear: Whether a run of any size shows the factor.
    """

    name: str
    game: games.ExactGame
    rule: Rule
    factor: float
    linear: bool = True

    def __str__(self) -> str:
        return self.name


def larger_root(b: complex, c: complex) -> float:
    """Return the modulus of the larger root of λ² - bλ + c."""
    root = cmath.sqrt(b * b - 4 * c)
    return max(abs(b + root), abs(b - root)) / 2


XY = games.BilinearGame()
MATRIX = games.BilinearGame(tensor([1.2, 0.3], [-0.4, 0.9]))
TRACE, DET = 1.2**2 + 0.3**2 + 0.4**2 + 0.9**2, 1.2 * 0.9 + 0.3 * 0.4  # of A Aᵀ, and of A
SIGMAS = [math.sqrt((TRACE + sign * math.sqrt(TRACE**2 - 4 * DET**2)) / 2) for sign in (1, -1)]


def of_xy() -> list[Played]:
    played = []
    for eta in (0.1, 0.3, 0.7):
        mu = 1j * eta
        table = {
            "simultaneous": (games.simultaneous(eta), math.sqrt(1 + eta**2)),
            "alternating": (games.alternating(eta), 1.0),
            "alternating, y first": (games.alternating(eta, "y"), 1.0),
            "extragradient": (games.extragradient(eta), math.sqrt(1 - eta**2 + eta**4)),
            "optimistic": (games.optimistic(eta), larger_root(1 + 2 * mu, mu)),
            "consensus": (games.consensus(eta, 0.5), math.hypot(1 - eta * 0.5, eta)),
            "proximal": (games.proximal(eta), 1 / math.sqrt(1 + eta**2)),
            "momentum": (games.momentum(eta, 0.9), larger_root(1.9 + mu, 0.9)),
            "negative momentum": (games.momentum(eta, -0.5), larger_root(0.5 + mu, -0.5)),
        }
        played += [Played(f"xy, {k}, {eta}", XY, rule, f) for k, (rule, f) in table.items()]
    return played


def of_matrix() -> list[Played]:
    eta = 0.2
    table = {
        "simultaneous": (games.simultaneous(eta), lambda s: math.sqrt(1 + (eta * s) ** 2)),
        "extragradient": (games.extragradient(eta),
                          lambda s: math.sqrt(1 - (eta * s) ** 2 + (eta * s) ** 4)),
        "alternating": (games.alternating(eta), lambda s: 1.0),
        "optimistic": (games.optimistic(eta),
                       lambda s: larger_root(1 + 2j * eta * s, 1j * eta * s)),
        "proximal": (games.proximal(eta), lambda s: 1 / math.sqrt(1 + (eta * s) ** 2)),
        "consensus": (games.consensus(eta, 0.3),
                      lambda s: math.hypot(1 - eta * 0.3 * s * s, eta * s)),
    }  # fmt: skip
    return [
        Played(f"matrix, {name}", MATRIX, rule, max(map(factor, SIGMAS)))
        for name, (rule, factor) in table.items()
    ]


def of_dirac() -> list[Played]:
    h, played = 0.1, []
    plain, wasserstein = games.DiracGAN(), games.DiracGAN(lambda t: t)
    played += [
        Played("Dirac, simultaneous", plain, games.simultaneous(h), math.sqrt(1 + h**2 / 4), False),
        Played("Dirac, alternating", plain, games.alternating(h), 1.0, False),
        Played("Wasserstein", wasserstein, games.simultaneous(h), math.sqrt(1 + h**2)),
    ]
    for gamma in (0.3, 1.0, 2.5):
        root = cmath.sqrt(gamma**2 / 4 - 0.25)
        factor = max(abs(1 + h * (-gamma / 2 + root)), abs(1 + h * (-gamma / 2 - root)))
        game = games.DiracGAN(r1=gamma)
        name = f"Dirac, R1 {gamma}, simultaneous"
        played.append(Played(name, game, games.simultaneous(h), factor, False))
    return played


PLAYED = [*of_xy(), *of_matrix(), *of_dirac()]
ALL_RULES = [p.rule for p in of_xy()[:9]] + [games.momentum(0.1, -0.4, "x"), games.adam(0.1)]


def check_factor(played: Played) -> None:
    """The factor by hand, by autograd, in closed form, and of a run are one number."""
    game, rule, factor = played.game, played.rule, played.factor
    found = {
        "by autograd": (games.spectral_factor(game, rule), 1e-7),  # a double root keeps half
        "in closed form": (games.theory(game, rule), 1e-7),
    }
    if played.linear:
        start = normal(3, game.dim)
        path = games.run(game, rule, start, 60)
        found["of a run"] = (games.measured_factor(path, rule.memory), 1e-6)
    for how, (value, most) in found.items():
        says = f"the factor {how} is {value:.9f}, by hand {factor:.9f}"
        fail_unless(abs(value - factor) <= most, LAW, played, says)


def check_long_run(game: Game, rule: Rule, factor: float, steps: int = 400) -> None:
    """The distance from the origin grows as the factor to the power of the steps, at last."""
    size = games.run(game, rule, tensor(1, 1), steps).norm(dim=-1)
    half = steps // 2
    found = float(size[steps] / size[half]) ** (1 / (steps - half))
    says = f"the distance grows by {found:.9f} a step, by hand {factor:.9f}"
    fail_unless(abs(found - factor) <= 1e-6, LAW, rule.name, says)


def check_invariant(rule: Rule, lr: float, first: str = "x") -> None:
    """In turn, x² + y² - ηxy stays if x moves first, and x² + y² + ηxy if y does."""
    path = games.run(XY, rule, normal(4, 2), 300)
    x, y = path.unbind(-1)
    kept = x**2 + y**2 + (-lr if first == "x" else lr) * x * y
    worst = float((kept / kept[0] - 1).abs().max())
    fail_unless(worst <= 1e-11, LAW, rule.name, f"the invariant moves by {worst:.3g}, relatively")


def check_field(game: Game, first: Callable, second: Callable) -> None:
    """The field is minus the gradients of the two losses, each by its own player's numbers."""
    for z in normal(5, game.dim):
        x, y = (part.clone().requires_grad_() for part in z.split(list(game.sizes)))
        (of_x,) = torch.autograd.grad(first(x, y), x)
        (of_y,) = torch.autograd.grad(second(x, y), y)
        gap = float((game.field(z) + torch.cat([of_x, of_y])).abs().max())
        fail_unless(gap <= 1e-12, LAW, type(game).__name__, f"the field is off by {gap:.3g}")


def check_spectrum(game: games.ExactGame) -> None:
    """The eigenvalues at the equilibrium, in closed form, are those of autograd's Jacobian."""
    ordered = [sorted([complex(z) for z in found], key=lambda z: (round(z.imag, 6), z.real))
               for found in (game.spectrum(), game.exact_spectrum())]  # fmt: skip
    worst = max(abs(a - b) for a, b in zip(*ordered, strict=True))
    fail_unless(worst <= 1e-7, LAW, type(game).__name__, f"an eigenvalue is off by {worst:.3g}")


def check_threshold(rule: Callable[[float], Rule], limit: float) -> None:
    """On the game of x y a step just below the limit arrives, and one just above leaves."""
    below, above = (games.spectral_factor(XY, rule(limit * c)) for c in (0.999, 1.001))
    says = f"factors {below:.6f} and {above:.6f} below and above the step {limit:.6f}"
    fail_unless(below < 1 < above, LAW, rule(limit).name, says)


def check_critical(game: Callable[[float], Game], critical: float) -> None:
    """No other weight of the penalty lets a small step arrive as fast as the critical one."""
    rule = games.simultaneous(1e-3)

    def factor(weight: float) -> float:
        return games.spectral_factor(game(weight), rule)

    best = factor(critical)
    for share in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0):
        other = factor(share * critical)
        says = (
            f"weight {share * critical:.3g} has the factor {other:.9f}, {critical:.3g} {best:.9f}"
        )
        fail_unless(best < other, LAW, "R1", says)


def check_batch(game: Game, rule: Rule) -> None:
    """Many games at once end where each alone does."""
    start = normal(4, game.dim, seed=7)
    together = games.run(game, rule, start, 5)
    alone = torch.stack([games.run(game, rule, z, 5) for z in start], dim=1)
    gap = float((together - alone).abs().max())
    fail_unless(gap <= 1e-12, LAW, rule.name, f"a batch ends {gap:.3g} from its members")
