"""Inverse problems: what was seen is y = A x + n, what is wanted is x.

- operators say what a camera does: `Matrix`, `Masking`, `Crop`, `Grey`, `Blur`, `Separable` with
  `FlatCam`, `LiSens` and `Downsampling`, `Scrambled`, and `single_pixel`; each knows its adjoint,
  its pseudo-inverse, the projection onto what explains a measurement, and its noise.
"""

from gdmlib.inverse.blur import Blur
from gdmlib.inverse.camera import Scrambled, single_pixel
from gdmlib.inverse.masking import Crop, Grey, Masking
from gdmlib.inverse.operators import Matrix, Operator, orthonormal_rows
from gdmlib.inverse.restored import Restored
from gdmlib.inverse.separable import Downsampling, FlatCam, LiSens, Separable

__all__ = [
    "Blur",
    "Crop",
    "Downsampling",
    "FlatCam",
    "Grey",
    "LiSens",
    "Masking",
    "Matrix",
    "Operator",
    "Restored",
    "Scrambled",
    "Separable",
    "orthonormal_rows",
    "single_pixel",
]
