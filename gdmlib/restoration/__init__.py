"""Pictures mended, with the truth at hand to measure by: each task has pairs that we make.

- Old photographs: `age` does what nobody saw, `imitate` what we imagine; a `Restorer` maps codes of
  old photographs to codes of clean ones, and `alignment` makes codes of both kinds look alike.
- Frames: `optical_flow` by scikit-image, `flows_from` any time, `warp`, and `FrameBetween`, which
  learns the rest; `moving_scenes` have a true middle.
- Matting: `composite` and its inverse, `solve_alpha`; `trimap`, `estimate_colours`, `MattingNet`,
  and `matting_errors`; `soft_shapes` have a true opacity.
"""

from gdmlib.restoration.damage import age, imitate
from gdmlib.restoration.frames import FrameBetween, flows_from, optical_flow, warp
from gdmlib.restoration.matting import (
    MattingNet,
    composite,
    estimate_colours,
    matting_errors,
    solve_alpha,
    spread_colours,
    trimap,
)
from gdmlib.restoration.network import SmallUNet
from gdmlib.restoration.old_photos import PictureVAE, Restorer, alignment
from gdmlib.restoration.scenes import moving_scenes, soft_shapes

__all__ = [
    "FrameBetween",
    "MattingNet",
    "PictureVAE",
    "Restorer",
    "SmallUNet",
    "age",
    "alignment",
    "composite",
    "estimate_colours",
    "flows_from",
    "imitate",
    "matting_errors",
    "moving_scenes",
    "optical_flow",
    "soft_shapes",
    "solve_alpha",
    "spread_colours",
    "trimap",
    "warp",
]
