"""Games of two players, small enough that all about them is known.

- a `Game` is a vector field: `BilinearGame`, `DiracGAN`, or any two losses;
- a `Rule` is a step of both players: `simultaneous`, `alternating`, `extragradient`, `optimistic`,
  `consensus`, `proximal`, `momentum` of either sign, and `adam`;
- `run` plays, and one number says how it will end, the factor of a step: `spectral_factor` has it
  by autograd, `theory` in closed form, `measured_factor` from the points of a run.
"""

from gdmlib.adversarial.games.factors import measured_factor, run, spectral_factor, theory
from gdmlib.adversarial.games.fields import BilinearGame, DiracGAN, ExactGame, Game
from gdmlib.adversarial.games.rules import (
    Rule,
    adam,
    alternating,
    consensus,
    extragradient,
    momentum,
    optimistic,
    proximal,
    simultaneous,
)

__all__ = [
    "BilinearGame",
    "DiracGAN",
    "ExactGame",
    "Game",
    "Rule",
    "adam",
    "alternating",
    "consensus",
    "extragradient",
    "measured_factor",
    "momentum",
    "optimistic",
    "proximal",
    "run",
    "simultaneous",
    "spectral_factor",
    "theory",
]
