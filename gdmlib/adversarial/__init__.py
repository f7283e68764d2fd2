"""Models that are trained by playing: no density, but samples, and an opponent that judges them.

- the losses of both players are values: `LOSSES`, and the penalties that keep a critic smooth,
  `r1_penalty` and `gradient_penalty`;
- `adversaries` makes of two networks and their losses the step of `gdmlib.training.fit`.
"""

from gdmlib.adversarial.losses import (
    LOSSES,
    AdversarialLoss,
    gradient_penalty,
    loss_named,
    r1_penalty,
)
from gdmlib.adversarial.play import adversaries, averaged

__all__ = [
    "LOSSES",
    "AdversarialLoss",
    "adversaries",
    "averaged",
    "gradient_penalty",
    "loss_named",
    "r1_penalty",
]
