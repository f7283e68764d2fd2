"""Inverse problems: what was seen is y = A x + n, what is wanted is x.

- operators say what a camera does: `Matrix`, `Masking`, `Crop`, `Grey`, `Blur`, `Separable` with
  `FlatCam`, `LiSens` and `Downsampling`, `Scrambled`, and `single_pixel`; each knows its adjoint,
  its pseudo-inverse, the projection onto what explains a measurement, and its noise;
- classical answers: `least_squares`, `ridge`, `wiener`, `total_variation` with the gap that is
  left, `sparse_wavelets`; `GaussianPosterior` is exact, with its uncertainty.
"""

from gdmlib.inverse.blur import Blur
from gdmlib.inverse.camera import Scrambled, single_pixel
from gdmlib.inverse.classical import least_squares, power_spectrum, ridge, wiener
from gdmlib.inverse.gaussian import GaussianPosterior
from gdmlib.inverse.masking import Crop, Grey, Masking
from gdmlib.inverse.operators import Matrix, Operator, orthonormal_rows
from gdmlib.inverse.primal_dual import total_variation, variation
from gdmlib.inverse.restored import Restored
from gdmlib.inverse.separable import Downsampling, FlatCam, LiSens, Separable
from gdmlib.inverse.wavelets import shrink_wavelets, sparse_wavelets, wavelets

__all__ = [
    "Blur",
    "Crop",
    "Downsampling",
    "FlatCam",
    "GaussianPosterior",
    "Grey",
    "LiSens",
    "Masking",
    "Matrix",
    "Operator",
    "Restored",
    "Scrambled",
    "Separable",
    "least_squares",
    "orthonormal_rows",
    "power_spectrum",
    "ridge",
    "shrink_wavelets",
    "single_pixel",
    "sparse_wavelets",
    "total_variation",
    "variation",
    "wavelets",
    "wiener",
]
