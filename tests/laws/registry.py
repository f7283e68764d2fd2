"""Every model, each on a domain small enough to be exact.

To put a model under the laws, add one ``Case`` to the file of its family:

- a name;
- ``build``, which makes the model in float64, always the same;
- ``other``, which makes a model of the same class and sizes with other numbers;
- its domain: ``finite(events)``, ``binary(d)``, ``interval(low, high)`` or ``box(low, high)``, the
  latter two wide enough to hold all but 1e-8 of the probability of ``build``'s model;
- for a conditional p(y | x), a few ``inputs`` x; the domain is then that of y.

Nothing else: a law runs over all models that have what it speaks of, see ``having``. ``CAUSAL``
lists, for law 3, the models that obey the chain rule.

Not here are densities without ``log_prob``: those that only coders ask are under law 1 and the law
of coders in ``test_coding.py``, and the bound of `gdmlib.restoration.PictureVAE` is under law 5 in
``test_bounds.py``.
"""

from __future__ import annotations

from . import (
    registry_autoregressive,
    registry_captions,
    registry_densities,
    registry_images,
    registry_latent_diffusion,
    registry_latent_flows,
    registry_pixelcnn,
    registry_sequences,
)
from .laws import Case, has

FAMILIES = [
    registry_densities,
    registry_autoregressive,
    registry_images,
    registry_pixelcnn,
    registry_latent_flows,
    registry_latent_diffusion,
    registry_sequences,
    registry_captions,
]
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]
BY_NAME = {case.name: case for case in CASES}
CAUSAL = [case for family in FAMILIES[1:] for case in family.CAUSAL]


def having(*abilities: str) -> list[Case]:
    """Return the cases whose models have all these methods."""
    return [case for case in CASES if all(has(case.model, name) for name in abilities)]
