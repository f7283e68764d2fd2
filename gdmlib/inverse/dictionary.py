r"""Patches as sums of few atoms, out of a dictionary that was learnt from pictures.

Elad and Aharon 2006 (doi:10.1109/TIP.2006.881969): of every patch, less its mean, as few atoms are
taken as leave an error that noise can explain, and what the patches say of a pixel is averaged.
Learning and pursuit are scikit-learn's: `MiniBatchDictionaryLearning` (Mairal, Bach, Ponce and
Sapiro 2009) and `orthogonal_mp`.
"""

from __future__ import annotations

import math
import warnings

import torch
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.linear_model import orthogonal_mp
from torch import Generator, Tensor
from torch.nn.functional import fold, pad, unfold

from gdmlib._checks import check_above_zero, check_count, check_tensor, check_values
from gdmlib._random import draw
from gdmlib.inverse.noisy import check_noisy, plane_by_plane

GAIN = 1.15
"""How much longer an error may be than the noise is on average: the paper's C."""


def fit_dictionary(
    patches: Tensor,
    *,
    atoms: int = 128,
    alpha: float = 1.0,
    passes: int = 10,
    generator: Generator | None = None,
) -> Tensor:
    """Learn atoms from patches without noise.

    Args:
        patches: Shape (N, height, width), or (N, d).
        atoms: How many.
        alpha: Price of a weight, where patches have the standard deviation 1: more makes fewer.
        passes: Over the data.
        generator: Draws where the search starts.

    Returns:
        Atoms of length 1 and, like the patches that are told apart by them, without a mean:
        shape (atoms, d), less those that nothing was learnt for.
    """
    patches = check_tensor(patches, "patches", floating=True).detach()
    if patches.ndim not in (2, 3):
        raise ValueError(
            f"patches: expected shape (N, height, width) or (N, d), got {tuple(patches.shape)}"
        )
    flat = patches.flatten(1)
    flat = (flat - flat.mean(1, keepdim=True)).cpu()
    flat = flat / flat.std().clamp(min=1e-12)
    search = MiniBatchDictionaryLearning(
        check_count(atoms, "atoms"),
        alpha=float(check_above_zero(alpha, "alpha")),
        max_iter=check_count(passes, "passes"),
        batch_size=256,
        random_state=int(draw(torch.randint, 2**31, (), generator=generator)),
    )
    found = torch.as_tensor(search.fit(flat.numpy()).components_).to(patches)
    found = found - found.mean(1, keepdim=True)
    lengths = found.norm(dim=1, keepdim=True)
    return found[lengths[:, 0] > 1e-6] / lengths[lengths > 1e-6][:, None]


class DictionaryDenoiser:
    """Atoms as a denoiser for `gdmlib.inverse.plug_and_play`.

    Args:
        atoms: Shape (K, side²), of length 1; see `fit_dictionary`.
        stride: Between patches, from 1 to their side.

    Raises:
        ValueError: If the atoms are those of no square, or not of length 1.
    """

    def __init__(self, atoms: Tensor, *, stride: int = 1) -> None:
        check_tensor(atoms, "atoms", ndim=2, floating=True)
        self.side = math.isqrt(atoms.shape[1])
        if self.side**2 != atoms.shape[1]:
            raise ValueError(f"atoms: expected those of square patches, got {tuple(atoms.shape)}")
        lengths = atoms.norm(dim=1)
        check_values(lengths, "atoms", (lengths - 1).abs() < 1e-3, "atoms of length 1")
        self.atoms, self.stride = atoms.detach().clone(), check_count(stride, "stride")
        if self.stride > self.side:
            raise ValueError(f"stride: expected at most the side {self.side}, got {stride}")

    def denoise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the guess of the clean pictures, shaped like y, channel by channel.

        Args:
            y: Noisy pictures, (..., C, H, W).
            sigma: The standard deviation of the noise, one number or one for each picture, (...).
        """
        y, levels = check_noisy(y, sigma, side=self.side, like=self.atoms)
        return plane_by_plane(self._plane, y, levels)

    def _plane(self, plane: Tensor, sigma: float) -> Tensor:
        height, width = plane.shape[-2:]
        extra = [-(n - self.side) % self.stride for n in (height, width)]
        wide = pad(plane[None, None], (0, extra[1], 0, extra[0]), mode="replicate")
        patches = unfold(wide, self.side, stride=self.stride)[0]  # (side², places)
        means = patches.mean(0)
        rest = (patches - means).cpu().double().numpy()
        allowed = (GAIN * sigma) ** 2 * len(patches)
        dictionary = self.atoms.cpu().double().mT.numpy()
        with warnings.catch_warnings():  # a patch that all atoms together do not explain
            warnings.simplefilter("ignore", RuntimeWarning)
            weights = orthogonal_mp(dictionary, rest, tol=allowed)
        clean = torch.as_tensor(dictionary @ weights).to(plane) + means
        size = tuple(wide.shape[-2:])
        total = fold(clean[None], size, self.side, stride=self.stride)
        count = fold(torch.ones_like(clean)[None], size, self.side, stride=self.stride)
        return (total / count)[0, 0, :height, :width]
