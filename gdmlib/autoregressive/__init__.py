"""Densities by the chain rule: each pixel given those before it.

Besides ``log_prob``, ``sample`` and ``event_shape``, as every density has, these models offer

- ``conditional_log_prob(x)``, what each factor of the chain rule says about its pixel, beside
  ``logits(x)`` of the binary models and ``pixel_distribution(x)`` of the PixelCNN family;
- ``complete(x, known, generator=None)``, which draws the pixels that are not known; not by
  ``MultiscaleMCGSM``, whose factors are coefficients and not pixels.

The mixture of Bernoullis, which is not built on the chain rule, is the baseline to beat.

``FVSBN.fit``, ``BernoulliMixture.fit`` and ``MCGSM.fit`` find their models by themselves; all
others are trained by gradient steps, for which :func:`fit_likelihood`, :func:`train_pixels`,
:func:`train_mcgsm` and :func:`train_ride` are recipes.
"""

from gdmlib.autoregressive.bernoulli import BernoulliMixture
from gdmlib.autoregressive.fitting import fit_likelihood, mean_nll
from gdmlib.autoregressive.fvsbn import FVSBN, Strength, distances
from gdmlib.autoregressive.made import MADE
from gdmlib.autoregressive.mcgsm import MCGSM, train_mcgsm
from gdmlib.autoregressive.mcgsm_images import MCGSMImage, MCGSMPatch
from gdmlib.autoregressive.mcgsm_multiscale import MultiscaleMCGSM
from gdmlib.autoregressive.nade import NADE
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.autoregressive.pixel_model import dependence_map, past, plain_sample, quantise
from gdmlib.autoregressive.pixel_training import mean_nats, train_pixels
from gdmlib.autoregressive.pixelcnn import GatedPixelCNN, PixelCNN
from gdmlib.autoregressive.ride import RIDE, mean_pixel_nats, train_ride
from gdmlib.autoregressive.row_lstm import RowLSTM

__all__ = [
    "FVSBN",
    "MADE",
    "MCGSM",
    "NADE",
    "RIDE",
    "BernoulliMixture",
    "GatedPixelCNN",
    "MCGSMImage",
    "MCGSMPatch",
    "MultiscaleMCGSM",
    "Neighbourhood",
    "PixelCNN",
    "RowLSTM",
    "Strength",
    "dependence_map",
    "distances",
    "fit_likelihood",
    "mean_nats",
    "mean_nll",
    "mean_pixel_nats",
    "past",
    "plain_sample",
    "quantise",
    "train_mcgsm",
    "train_pixels",
    "train_ride",
]
