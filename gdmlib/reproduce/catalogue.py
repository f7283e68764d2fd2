"""All experiments, in the order of the table."""

from gdmlib.reproduce import (
    adversaries,
    binary,
    denoising,
    densities,
    flows,
    judged,
    latent,
    lossless,
    patches,
    photographs,
    pixels,
    plug_and_play,
    priors,
    sequences,
    superres,
    translation,
)
from gdmlib.reproduce.experiment import Experiment

_ALL: tuple[Experiment, ...] = (
    densities.GAUSSIAN,
    *binary.SMALL,
    densities.MIXTURE,
    *binary.MNIST,
    pixels.PIXELCNN,
    pixels.PIXELCNNPP,
    *latent.DIGITS,
    latent.FACES,
    patches.MCGSM_PATCHES,
    patches.RIDE_PATCHES,
    photographs.MCGSM_IMAGES,
    photographs.RIDE_IMAGES,
    photographs.RIDE_STABLE,
    flows.MAF_MNIST,
    judged.DIFFUSION,
    judged.FLOW_MATCHING,
    adversaries.DCGAN,
    adversaries.CGAN,
    translation.PIX2PIX,
    superres.SRRESNET,
    superres.SRGAN_X4,
    denoising.DENOISER,
    *priors.ALL,
    *plug_and_play.ALL,
    *sequences.ALL,
    lossless.LOSSLESS_PHOTOGRAPHS,
)

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in _ALL}
