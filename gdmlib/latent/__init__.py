"""Models with a hidden code: what is seen comes out of fewer, or simpler, numbers.

- autoencoders say their input again through a code: `LinearAutoencoder`, `DeepAutoencoder`,
  `ConvAutoencoder`; they are no densities, and are trained by their squared error;
- flows map data to noise one to one, and are exact densities: `RealNVP`, `SplineFlow`, `MAF` and
  `IAF`, or a `Flow` of maps of your choice; `Dequantised` makes one a probability of levels.
"""

from gdmlib.latent.autoencoder import (
    Autoencoder,
    ConvAutoencoder,
    DeepAutoencoder,
    LinearAutoencoder,
)
from gdmlib.latent.coupling import AffineCoupling, Coupling, RealNVP
from gdmlib.latent.dequantise import (
    Dequantised,
    Dequantiser,
    Logit,
    UniformDequantiser,
    VariationalDequantiser,
)
from gdmlib.latent.flow import Flow, Inverted, StandardNormal, Transform
from gdmlib.latent.flow_layers import ActNorm, InvertibleLinear, Planar, Squeeze
from gdmlib.latent.masked_flow import IAF, MAF, MaskedAutoregressive
from gdmlib.latent.spline import SplineCoupling, SplineFlow, rational_quadratic

__all__ = [
    "IAF",
    "MAF",
    "ActNorm",
    "AffineCoupling",
    "Autoencoder",
    "ConvAutoencoder",
    "Coupling",
    "DeepAutoencoder",
    "Dequantised",
    "Dequantiser",
    "Flow",
    "Inverted",
    "InvertibleLinear",
    "LinearAutoencoder",
    "Logit",
    "MaskedAutoregressive",
    "Planar",
    "RealNVP",
    "SplineCoupling",
    "SplineFlow",
    "Squeeze",
    "StandardNormal",
    "Transform",
    "UniformDequantiser",
    "VariationalDequantiser",
    "rational_quadratic",
]
