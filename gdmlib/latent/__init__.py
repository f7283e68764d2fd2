"""Models with a hidden code: what is seen comes out of fewer, or simpler, numbers.

- autoencoders say their input again through a code: `LinearAutoencoder`, `DeepAutoencoder`,
  `ConvAutoencoder`; they are no densities, and are trained by their squared error.
"""

from gdmlib.latent.autoencoder import (
    Autoencoder,
    ConvAutoencoder,
    DeepAutoencoder,
    LinearAutoencoder,
)

__all__ = [
    "Autoencoder",
    "ConvAutoencoder",
    "DeepAutoencoder",
    "LinearAutoencoder",
]
