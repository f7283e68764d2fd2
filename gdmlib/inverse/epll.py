r"""EPLL: restore a picture so that each of its patches is probable under a mixture of Gaussians.

The expected patch log-likelihood of a picture (`PatchPrior`) has no closed maximum, but half-
quadratic splitting (Zoran and Weiss 2011, "From learning models of natural image patches to whole
image restoration", section 3) parts it: give each patch a clean twin :math:`z_i`, and ask

.. math:: \min_{x, z}\ \frac{1}{2 \sigma^2} \lVert A x - y \rVert^2 + \frac{1}{n} \sum_i
    \Bigl[ \frac{1}{2 s^2} \lVert P_i x - z_i \rVert^2 - \log p(z_i) \Bigr],

with n patches over each pixel. Given x, each twin is found by itself: the most probable component
of the noisy patch, then Wiener's filter of that component. Given the twins, the picture is their
average, moved towards the measurements. So s is the standard deviation of what each round takes for
noise, and it falls from round to round. The rounds are those of `plug_and_play`, the denoiser is
one of patches.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import fold, unfold

from gdmlib._checks import (
    check_above_zero,
    check_count,
    check_kind,
    check_not_negative,
    check_numbers,
    check_tensor,
)
from gdmlib.densities.mixture import GaussianMixture
from gdmlib.inverse.batches import nearest_to_grey, rows_of, shaped_as, start_of
from gdmlib.inverse.noisy import check_noisy
from gdmlib.inverse.operators import Operator
from gdmlib.inverse.plug_and_play import falling, rounds
from gdmlib.inverse.restored import Restored

_AT_ONCE = 2048  # patches that are compared with all components at once


class PatchDenoiser(nn.Module):
    """Takes noise out of pictures, patch by patch, by a mixture of Gaussians.

    Args:
        mixture: Of square patches of one colour, events (h · h,).
        mean: Give each patch its posterior mean, which has the least squared error, and not the
            Wiener filter of the one component that is most probable.
    """

    weights: Tensor
    means: Tensor
    bases: Tensor
    spectra: Tensor

    def __init__(self, mixture: GaussianMixture, *, mean: bool = False) -> None:
        super().__init__()
        check_kind(mixture, "mixture", GaussianMixture, "a GaussianMixture")
        d = mixture.means.shape[1]
        self.side, self.mean = math.isqrt(d), mean
        if self.side**2 != d:
            raise ValueError(f"mixture: expected square patches, h · h numbers, got {d}")
        spectra, bases = torch.linalg.eigh(mixture.covariances.double())
        self.register_buffer("weights", mixture.weights.clone())
        self.register_buffer("means", mixture.means.clone())
        self.register_buffer("bases", bases.to(mixture.means))
        self.register_buffer("spectra", spectra.to(mixture.means))

    def patches(self, x: Tensor, sigma: float) -> Tensor:
        """Return clean twins of noisy patches, (N, d) -> (N, d)."""
        check_tensor(x, "x", shape=("N", self.means.shape[1]), floating=True, like=self.means)
        check_above_zero(sigma, "sigma")
        return torch.cat([self._twins(part, sigma**2) for part in x.split(_AT_ONCE)])

    def _twins(self, x: Tensor, variance: float) -> Tensor:
        k, d = self.means.shape
        axes = self.bases.mT.reshape(k * d, d)  # the eigenvectors of all components, as rows
        shift = torch.einsum("kji,kj->ki", self.bases, self.means)
        turned = (x @ axes.T).unflatten(1, (k, d)) - shift
        noisy = self.spectra + variance
        energy = torch.einsum("nki,ki->nk", turned.square(), 1 / noisy)
        joint = self.weights.log() - 0.5 * (energy + noisy.log().sum(dim=1))
        gain = self.spectra / noisy
        if self.mean:
            filtered = joint.softmax(dim=1)[:, :, None] * (gain * turned + shift)
            return torch.einsum("nki,kji->nj", filtered, self.bases)
        best = joint.argmax(dim=1)
        rows = turned[torch.arange(len(x), device=x.device), best]
        found = torch.empty_like(x)
        for c in best.unique().tolist():
            mine = best == c
            found[mine] = self.means[c] + (gain[c] * rows[mine]) @ self.bases[c].T
        return found

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Return pictures with less noise, (..., C, H, W), each colour by itself.

        Args:
            x: Pictures with noise.
            sigma: Its standard deviation, one number, or one a picture, (...).
        """
        h = self.side
        x, each = check_noisy(x, sigma, name="x", side=h, like=self.means)
        size, rows = tuple(x.shape[-2:]), x.reshape(-1, *x.shape[-3:])
        levels = each.cpu().double().reshape(-1)
        count = fold(unfold(torch.ones_like(rows[:1, :1]), h), size, h)
        clean = torch.empty_like(rows)
        for level in levels.unique().tolist():
            mine = (levels == level).to(x.device)
            parts = unfold(rows[mine].flatten(0, 1)[:, None], h)
            twins = self.patches(parts.mT.flatten(0, 1), level).unflatten(0, (len(parts), -1)).mT
            clean[mine] = (fold(twins, size, h) / count).view_as(rows[mine])
        return clean.view_as(x)


def epll(
    operator: Operator,
    y: Tensor,
    mixture: GaussianMixture | PatchDenoiser,
    *,
    noise: float = 0.0,
    sigmas: Sequence[float] | None = None,
    steps: int = 30,
    start: Tensor | None = None,
    keep: Collection[int] = (),
) -> Restored:
    """Restore pictures of one colour by a mixture of Gaussians for their patches.

    Args:
        operator: A.
        y: Measurements, shape (..., *measurement_shape).
        mixture: Of square patches.
        noise: Standard deviation σ of the measurements' noise; 0 asks for A x = y.
        sigmas: s of each round; by default ``steps`` from 0.2 down to 0.003, equal in ratio.
        steps: Rounds, where no sigmas are given.
        start: Pictures to start from; by default what explains y and is as near as can be to a
            grey square, for patches know of pictures in [0, 1].
        keep: Rounds whose pictures are kept, 0 for the start.

    Returns:
        The pictures, and in ``history`` of each round ``sigma`` and ``change``, the root mean
        square of what it moved in each picture.
    """
    denoiser = mixture if isinstance(mixture, PatchDenoiser) else PatchDenoiser(mixture)
    noise = check_not_negative(noise, "noise")
    if sigmas is None:
        levels = falling((0.2, 0.003), check_count(steps, "steps"))
    else:
        levels = check_numbers(sigmas, "sigmas", positive=True)
    rows, batch = rows_of(operator, y)
    start = nearest_to_grey(operator, y) if start is None else start
    x = start_of(operator, rows, batch, start)
    history: list[dict[str, Any]] = []
    frames = [x] if 0 in keep else []
    for step, (_, new) in enumerate(rounds(operator, rows, denoiser, x, levels, noise), 1):
        change = (new - x).flatten(1).square().mean(dim=1).sqrt()
        history.append({"sigma": levels[step - 1], "change": change})
        x = new
        if step in keep:
            frames.append(x)
    found = Restored(x, len(levels), tuple(history), frames=tuple(frames))
    return shaped_as(found, batch)
