"""Models with a hidden code: what is seen comes out of fewer, or simpler, numbers.

- autoencoders say their input again through a code: `LinearAutoencoder`, `DeepAutoencoder`,
  `ConvAutoencoder`; they are no densities, and are trained by their squared error;
- flows map data to noise one to one, and are exact densities: `RealNVP`, `SplineFlow`, `MAF` and
  `IAF`, or a `Flow` of maps of your choice; `Dequantised` makes one a probability of levels;
- variational autoencoders have a density that is an integral over codes, and bounds of it: `VAE`;
  `LinearVAE` is probabilistic PCA, whose density is exact; `grid_log_prob` and
  `annealed_importance` say how far a bound is from the truth.
"""

from gdmlib.latent.autoencoder import (
    Autoencoder,
    ConvAutoencoder,
    DeepAutoencoder,
    LinearAutoencoder,
)
from gdmlib.latent.bounds import (
    Gradients,
    annealed_importance,
    best_gaussian,
    gradient_estimates,
    grid_log_prob,
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
from gdmlib.latent.linear_vae import LinearVAE
from gdmlib.latent.masked_flow import IAF, MAF, MaskedAutoregressive
from gdmlib.latent.spline import SplineCoupling, SplineFlow, rational_quadratic
from gdmlib.latent.vae import VAE, LatentModel, kl_to_standard

__all__ = [
    "IAF",
    "MAF",
    "VAE",
    "ActNorm",
    "AffineCoupling",
    "Autoencoder",
    "ConvAutoencoder",
    "Coupling",
    "DeepAutoencoder",
    "Dequantised",
    "Dequantiser",
    "Flow",
    "Gradients",
    "Inverted",
    "InvertibleLinear",
    "LatentModel",
    "LinearAutoencoder",
    "LinearVAE",
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
    "annealed_importance",
    "best_gaussian",
    "gradient_estimates",
    "grid_log_prob",
    "kl_to_standard",
    "rational_quadratic",
]
