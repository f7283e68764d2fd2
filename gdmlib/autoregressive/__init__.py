"""Densities by the chain rule: each pixel given those before it.

Besides ``log_prob``, ``sample`` and ``event_shape``, as every density has, these models offer

- ``conditional_log_prob(x)``, what each factor of the chain rule says about its pixel, beside
  ``logits(x)`` of the binary models and ``pixel_distribution(x)`` of the PixelCNN family;
- ``complete(x, known, generator=None)``, which draws the pixels that are not known; not by
  ``MultiscaleMCGSM``, whose factors are coefficients and not pixels.

The mixture of Bernoullis, which is not built on the chain rule, is the baseline to beat.

``FVSBN.fit``, ``BernoulliMixture.fit`` and ``MCGSM.fit`` find their models by themselves; all
others are trained by `gdmlib.training.train`.
"""

from gdmlib.autoregressive.bernoulli import BernoulliMixture
from gdmlib.autoregressive.chain_rule import plain_sample
from gdmlib.autoregressive.fvsbn import FVSBN, Strength, distances
from gdmlib.autoregressive.made import MADE
from gdmlib.autoregressive.mcgsm import MCGSM, train_mcgsm
from gdmlib.autoregressive.mcgsm_images import MCGSMImage, MCGSMPatch
from gdmlib.autoregressive.mcgsm_multiscale import MultiscaleMCGSM
from gdmlib.autoregressive.nade import NADE
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.autoregressive.pixels.dependence import dependence_map, past
from gdmlib.autoregressive.pixels.gated import GatedLayer, GatedPixelCNN
from gdmlib.autoregressive.pixels.pixelcnn import PixelCNN
from gdmlib.autoregressive.pixels.row_lstm import RowLSTM
from gdmlib.autoregressive.ride import RIDE
from gdmlib.densities.density import quantise
from gdmlib.nn.masked_conv import MaskedConv2d

__all__ = [
    "FVSBN",
    "MADE",
    "MCGSM",
    "NADE",
    "RIDE",
    "BernoulliMixture",
    "GatedLayer",
    "GatedPixelCNN",
    "MCGSMImage",
    "MCGSMPatch",
    "MaskedConv2d",
    "MultiscaleMCGSM",
    "Neighbourhood",
    "PixelCNN",
    "RowLSTM",
    "Strength",
    "dependence_map",
    "distances",
    "past",
    "plain_sample",
    "quantise",
    "train_mcgsm",
]
