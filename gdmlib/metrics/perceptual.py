r"""How far two pictures are apart for a network that has learned to see, and not pixel by pixel.

PSNR compares pixels, and so prefers a blur to a texture that is drawn a pixel too far to the left.
Features of a classifier agree better with what people say (Zhang et al. 2018, LPIPS,
https://arxiv.org/abs/1801.03924). The features here are those of `PhotoFeatures` that no loss of
this library uses. No gradient goes through, so that nothing can be trained to please them.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from gdmlib._checks import check_tensor, check_values
from gdmlib.nn.photo_features import PhotoFeatures

EPSILON = 1e-3
"""Added to the length of a feature vector: where nothing is seen, nothing is compared."""


@lru_cache(maxsize=4)
def _network(device: str) -> PhotoFeatures:
    with torch.inference_mode(False):
        return PhotoFeatures.load("metric").to(device, torch.float32)


def _parts(x: Tensor) -> tuple[Tensor, ...]:
    """Return a few pictures at a time, in one layout, so that sums are made in one order."""
    return x.float().contiguous().split(16)


@torch.no_grad()
def perceptual_distance(x: Tensor, y: Tensor) -> Tensor:
    r"""Return the distance of each pair of pictures in features, lower is more alike.

    .. math:: d(x, y) = \sum_l \frac{1}{h_l w_l} \sum_{ij}
        \Big\| \frac{f^l_{ij}(x)}{\|f^l_{ij}(x)\|} - \frac{f^l_{ij}(y)}{\|f^l_{ij}(y)\|} \Big\|^2

    with the features f of the stages l of a small classifier: LPIPS, equation (1), without its
    weights that were fitted to opinions. Zhang et al. (2018), arXiv:1801.03924.

    Args:
        x, y: Pictures in [0, 1], shape (N, 3, H, W), or (N, 1, H, W) for grey ones.

    Returns:
        Shape (N,), float64; 0 for equal pictures.
    """
    for pictures, name in ((x, "x"), (y, "y")):
        check_tensor(pictures, name, ndim=4, floating=True)
        fits = (pictures >= -1e-3) & (pictures <= 1 + 1e-3)
        check_values(pictures, name, fits, "pictures in [0, 1]", f"; use {name}.clamp(0, 1)")
    check_tensor(y, "y", shape=tuple(x.shape))
    network = _network(str(x.device))
    totals = []
    with torch.autocast(x.device.type, enabled=False):  # a measure does not depend on who measures
        for a, b in zip(_parts(x), _parts(y), strict=True):
            total = x.new_zeros(len(a), dtype=torch.float64, device="cpu")
            for f, g in zip(network.each(a), network.each(b), strict=True):
                f, g = (h / (h.square().sum(1, keepdim=True).sqrt() + EPSILON) for h in (f, g))
                total += (f - g).double().square().sum(1).mean((1, 2)).cpu()
            totals.append(total)
    return torch.cat(totals).to(x.device)
