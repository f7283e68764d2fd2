"""Numbers that say how good a model is.

Of a likelihood: `nats`, `bits_per_dim`; of pairs of pictures: `psnr`, `ssim`, both `on_luma` where
tables want it, and `perceptual_distance`; of a classifier: `reliability_curve`,
`expected_calibration_error`; of samples on a toy: `mode_coverage`.

Samples of pictures are compared with real ones in the features of a `Judge`, a small classifier
that comes with its weights: `frechet_distance` and `kernel_distance`, always beside the value that
two sets of real pictures would get (`with_floor`), or without the bias of small sets
(`extrapolated`); `coverage` says apart what is good and what is missing; `memorisation` says
whether the training set was copied. `typicality` asks of log-probabilities whether a batch is one
of the data's kind.
"""

from gdmlib.metrics.distances import Floored, frechet_distance, kernel_distance, with_floor
from gdmlib.metrics.enlarged import on_luma
from gdmlib.metrics.extrapolate import Extrapolated, extrapolated
from gdmlib.metrics.judge import Judge
from gdmlib.metrics.measures import (
    MeanStderr,
    ModeCoverage,
    Reliability,
    bits_per_dim,
    expected_calibration_error,
    mean_and_stderr,
    mode_coverage,
    nats,
    psnr,
    reliability_curve,
    ssim,
)
from gdmlib.metrics.neighbours import Coverage, Memorisation, coverage, memorisation
from gdmlib.metrics.perceptual import perceptual_distance
from gdmlib.metrics.typical import Typicality, typicality

__all__ = [
    "Coverage",
    "Extrapolated",
    "Floored",
    "Judge",
    "MeanStderr",
    "Memorisation",
    "ModeCoverage",
    "Reliability",
    "Typicality",
    "bits_per_dim",
    "coverage",
    "expected_calibration_error",
    "extrapolated",
    "frechet_distance",
    "kernel_distance",
    "mean_and_stderr",
    "memorisation",
    "mode_coverage",
    "nats",
    "on_luma",
    "perceptual_distance",
    "psnr",
    "reliability_curve",
    "ssim",
    "typicality",
    "with_floor",
]
