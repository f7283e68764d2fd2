"""BM3D, the best denoiser before networks, by the package of its authors, where it is installed.

Dabov, Foi, Katkovnik and Egiazarian 2007, https://doi.org/10.1109/TIP.2007.901238; the package,
``pip install bm3d``, is that of Mäkinen, Azzari and Foi 2020,
https://doi.org/10.1109/TIP.2020.3014721, for research and education only.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from gdmlib._checks import check_choice
from gdmlib.inverse.noisy import check_noisy, plane_by_plane


class MissingBM3DError(ImportError):
    """The optional package bm3d is not installed."""


class BM3D:
    """BM3D as a denoiser for `gdmlib.inverse.plug_and_play`.

    Args:
        stages: 2 for the whole method, 1 for its first half, hard thresholding, which is faster.

    Raises:
        MissingBM3DError: If the package bm3d is not installed.
    """

    def __init__(self, *, stages: int = 2) -> None:
        self.stages = check_choice(stages, "stages", (1, 2))
        self.package = _package()

    def denoise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the guess of the clean pictures, shaped like y, channel by channel.

        Args:
            y: Noisy pictures, (..., C, H, W).
            sigma: The standard deviation of the noise, one number or one for each picture, (...).
        """
        y, levels = check_noisy(y, sigma)
        stage = self.package.BM3DStages
        chosen = stage.ALL_STAGES if self.stages == 2 else stage.HARD_THRESHOLDING

        def of_plane(plane: Tensor, level: float) -> Tensor:
            noisy = plane.cpu().double().numpy()
            return torch.as_tensor(self.package.bm3d(noisy, level, stage_arg=chosen))

        return plane_by_plane(of_plane, y, levels)


def _package() -> Any:
    try:
        return import_module("bm3d")
    except ImportError as error:
        raise MissingBM3DError(
            "BM3D needs the package bm3d, which is not installed (pip install bm3d); its licence "
            "allows research and education only, so this library does not depend on it"
        ) from error
