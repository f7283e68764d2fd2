"""Models with a hidden code: what is seen comes out of fewer, or simpler, numbers.

- autoencoders say their input again through a code: `LinearAutoencoder`, `DeepAutoencoder`,
  `ConvAutoencoder`; they are no densities, and are trained by their squared error;
- diffusions and flow matching walk from noise to data in small steps: `Diffusion` along a
  `Schedule` by `ddpm` or `ddim`, with a variational bound, and `FlowMatching`, an exact density;
  `NoisedMixture` is a world in which all that they learn is known;
- flows map data to noise one to one, and are exact densities: `RealNVP`, `SplineFlow`, `MAF` and
  `IAF`, or a `Flow` of maps of your choice; `Dequantised` makes one a probability of levels;
- variational autoencoders have a density that is an integral over codes, and bounds of it: `VAE`;
  `LinearVAE` is probabilistic PCA, whose density is exact; `grid_log_prob` and
  `annealed_importance` say how far a bound is from the truth.
"""

from gdmlib.latent.autoencoder import Autoencoder, DeepAutoencoder, LinearAutoencoder
from gdmlib.latent.bounds import (
    Gradients,
    annealed_importance,
    best_gaussian,
    gradient_estimates,
    grid_log_prob,
)
from gdmlib.latent.conv_autoencoder import ConvAutoencoder
from gdmlib.latent.coupling import AffineCoupling, Coupling, RealNVP
from gdmlib.latent.denoiser import Denoiser
from gdmlib.latent.dequantise import (
    Dequantised,
    Dequantiser,
    Logit,
    UniformDequantiser,
    VariationalDequantiser,
)
from gdmlib.latent.diffusion import Diffusion
from gdmlib.latent.flow import Flow, Inverted, StandardNormal, Transform
from gdmlib.latent.flow_layers import ActNorm, InvertibleLinear, Planar, Squeeze
from gdmlib.latent.flow_matching import FlowMatching, couple
from gdmlib.latent.latent_model import LatentModel, kl_to_standard
from gdmlib.latent.linear_vae import LinearVAE
from gdmlib.latent.masked_flow import IAF, MAF, MaskedAutoregressive
from gdmlib.latent.noised_mixture import NoisedMixture
from gdmlib.latent.samplers import ddim, ddpm
from gdmlib.latent.schedule import Schedule, cosine_schedule, geometric_schedule, linear_schedule
from gdmlib.latent.spline import SplineCoupling, SplineFlow, rational_quadratic
from gdmlib.latent.vae import VAE

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
    "Denoiser",
    "Dequantised",
    "Dequantiser",
    "Diffusion",
    "Flow",
    "FlowMatching",
    "Gradients",
    "Inverted",
    "InvertibleLinear",
    "LatentModel",
    "LinearAutoencoder",
    "LinearVAE",
    "Logit",
    "MaskedAutoregressive",
    "NoisedMixture",
    "Planar",
    "RealNVP",
    "Schedule",
    "SplineCoupling",
    "SplineFlow",
    "Squeeze",
    "StandardNormal",
    "Transform",
    "UniformDequantiser",
    "VariationalDequantiser",
    "annealed_importance",
    "best_gaussian",
    "cosine_schedule",
    "couple",
    "ddim",
    "ddpm",
    "geometric_schedule",
    "gradient_estimates",
    "grid_log_prob",
    "kl_to_standard",
    "linear_schedule",
    "rational_quadratic",
]
