"""Inverse problems: what was seen is y = A x + n, what is wanted is x.

- operators say what a camera does: `Matrix`, `Masking`, `Crop`, `Grey`, `Blur`, `Separable` with
  `FlatCam`, `LiSens` and `Downsampling`, `Scrambled`, and `single_pixel`; each knows its adjoint,
  its pseudo-inverse, the projection onto what explains a measurement, and its noise;
- classical answers: `least_squares`, `ridge`, `wiener`, `total_variation` with the gap that is
  left, `sparse_wavelets`; `GaussianPosterior` is exact, with its uncertainty;
- priors say which pictures are probable: `PatchPrior`, `CausalPrior`, `PixelPrior`, `BoundPrior`
  and `ScorePrior` make them of the densities of this library; `gradient` is what solvers ask;
- the most probable picture: `map_by_projection` without noise, `proximal_map` with noise, and
  `epll` for a mixture of Gaussians on patches (`fit_patch_mixture`, `PatchDenoiser`);
- samples of all pictures that explain a measurement: `posterior_sample` by a diffusion, a
  `FlowDenoiser` or a `DenoiserDiffusion`, `langevin` by any gradient, and `mixture_posterior`,
  which is exact;
- denoisers know what pictures look like: `ConvDenoiser`, which is told the level of noise,
  `MLPDenoiser`, which knows one level, `DictionaryDenoiser`, which looks for few atoms, and
  `BM3D`, where the package is installed; `SelfEnsemble` asks one of them eight times;
- `plug_and_play` makes of a denoiser a solver for any operator, `message_passing` one for cameras
  with random patterns;
- `latent_inversion` searches among the pictures that a decoder can make.
"""

from gdmlib.inverse.autoregressive_prior import CausalPrior, PixelPrior
from gdmlib.inverse.blur import Blur
from gdmlib.inverse.bm3d import BM3D, MissingBM3DError
from gdmlib.inverse.camera import Scrambled, single_pixel
from gdmlib.inverse.classical import least_squares, power_spectrum, ridge, wiener
from gdmlib.inverse.denoiser import ConvDenoiser
from gdmlib.inverse.denoiser_diffusion import DenoiserDiffusion
from gdmlib.inverse.dictionary import DictionaryDenoiser, fit_dictionary
from gdmlib.inverse.epll import PatchDenoiser, epll
from gdmlib.inverse.flow_denoiser import FlowDenoiser
from gdmlib.inverse.gaussian import GaussianPosterior, mixture_posterior
from gdmlib.inverse.langevin import langevin
from gdmlib.inverse.latent_inversion import LatentInversion, latent_inversion
from gdmlib.inverse.latent_prior import BoundPrior, ScorePrior
from gdmlib.inverse.masking import Crop, Grey, Masking
from gdmlib.inverse.matrix import Matrix, orthonormal_rows
from gdmlib.inverse.message_passing import message_passing
from gdmlib.inverse.mlp_denoiser import MLPDenoiser
from gdmlib.inverse.operators import Operator
from gdmlib.inverse.patch_mixture import fit_patch_mixture
from gdmlib.inverse.plug_and_play import plug_and_play
from gdmlib.inverse.posterior import posterior_sample
from gdmlib.inverse.primal_dual import total_variation, variation
from gdmlib.inverse.prior import PatchPrior, Prior, gradient
from gdmlib.inverse.projection import map_by_projection, proximal_map
from gdmlib.inverse.restored import Restored
from gdmlib.inverse.separable import Downsampling, FlatCam, LiSens, Separable
from gdmlib.inverse.views import SelfEnsemble
from gdmlib.inverse.wavelets import shrink_wavelets, sparse_wavelets, wavelets

__all__ = [
    "BM3D",
    "Blur",
    "BoundPrior",
    "CausalPrior",
    "ConvDenoiser",
    "Crop",
    "DenoiserDiffusion",
    "DictionaryDenoiser",
    "Downsampling",
    "FlatCam",
    "FlowDenoiser",
    "GaussianPosterior",
    "Grey",
    "LatentInversion",
    "LiSens",
    "MLPDenoiser",
    "Masking",
    "Matrix",
    "MissingBM3DError",
    "Operator",
    "PatchDenoiser",
    "PatchPrior",
    "PixelPrior",
    "Prior",
    "Restored",
    "ScorePrior",
    "Scrambled",
    "SelfEnsemble",
    "Separable",
    "epll",
    "fit_dictionary",
    "fit_patch_mixture",
    "gradient",
    "langevin",
    "latent_inversion",
    "least_squares",
    "map_by_projection",
    "message_passing",
    "mixture_posterior",
    "orthonormal_rows",
    "plug_and_play",
    "posterior_sample",
    "power_spectrum",
    "proximal_map",
    "ridge",
    "shrink_wavelets",
    "single_pixel",
    "sparse_wavelets",
    "total_variation",
    "variation",
    "wavelets",
    "wiener",
]
