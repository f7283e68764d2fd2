"""Every model, each on a domain small enough to be exact.

To put a model under the laws, add one ``Case``:

- a name;
- ``build``, which makes the model in float64, always the same;
- ``other``, which makes a model of the same class and sizes with other numbers;
- its domain: ``finite(events)``, ``binary(d)``, ``interval(low, high)`` or ``box(low, high)``, the
  latter two wide enough to hold all but 1e-8 of the probability of ``build``'s model;
- for a conditional p(y | x), a few ``inputs`` x; the domain is then that of y.

Nothing else: all laws that apply run over it. A family of models has a file of its own, and this
one puts them together. ``CAUSAL`` lists, for law 3, the models that obey the chain rule.
"""

from __future__ import annotations

from .registry_autoregressive import BINARY_CASES, BINARY_CAUSAL
from .registry_densities import CASES as DENSITY_CASES
from .registry_densities import mixture, tensor
from .registry_images import CASES as IMAGE_CASES
from .registry_images import IMAGE_CAUSAL
from .registry_pixelcnn import CASES as PIXEL_CASES
from .registry_pixelcnn import PIXEL_CAUSAL

__all__ = ["BY_NAME", "CASES", "CAUSAL", "mixture", "tensor"]

CASES = [*DENSITY_CASES, *BINARY_CASES, *IMAGE_CASES, *PIXEL_CASES]
BY_NAME = {case.name: case for case in CASES}
CAUSAL = [*BINARY_CAUSAL, *IMAGE_CAUSAL, *PIXEL_CAUSAL]
