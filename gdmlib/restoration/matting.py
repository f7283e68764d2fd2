r"""Matting: how much of each pixel belongs to the thing in front.

A pixel at a border sees both, the compositing equation (Porter and Duff 1984,
doi:10.1145/964965.808606):

.. math:: I = \alpha F + (1 - \alpha) B .

Where both colours are known, :math:`\alpha` is what fits best,

.. math:: \hat\alpha = \frac{\langle I - B,\, F - B\rangle}{\|F - B\|^2} .

In a photograph none of the three is known. A person draws a *trimap*, surely in front, surely
behind, and a band between; there a network answers, trained on composites whose opacity is known.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, max_pool2d

from gdmlib._checks import check_count, check_mask, check_tensor, check_values
from gdmlib.restoration.damage import check_pictures
from gdmlib.restoration.network import SmallUNet

UNKNOWN = 0.5
"""The value of a trimap where nobody has said."""


def composite(alpha: Tensor, front: Tensor, behind: Tensor) -> Tensor:
    """Lay pictures on pictures: alpha · front + (1 - alpha) · behind.

    Args:
        alpha: Opacity in [0, 1], shape (B, 1, H, W).
        front, behind: Colours in [0, 1] that are *not* multiplied by anything yet, (B, C, H, W).
    """
    front, behind = _check_pair(front, behind)
    alpha = _check_alpha(alpha, "alpha", front)
    return alpha * front + (1 - alpha) * behind


def solve_alpha(image: Tensor, front: Tensor, behind: Tensor) -> Tensor:
    """Return the opacity that fits best, in [0, 1], (B, C, H, W) -> (B, 1, H, W).

    Where both colours are equal any opacity fits, and the answer is 1/2.
    """
    front, behind = _check_pair(front, behind)
    image = check_tensor(image, "image", shape=tuple(front.shape), like=front)
    way = front - behind
    length = way.square().sum(1, keepdim=True)
    found = ((image - behind) * way).sum(1, keepdim=True) / length.clamp(min=1e-6)
    return torch.where(length > 1e-6, found, found.new_tensor(0.5)).clamp(0, 1)


def trimap(alpha: Tensor, width: int = 3) -> Tensor:
    """Return what a careful person would draw: 1 in front, 0 behind, 1/2 within ``width`` pixels.

    Args:
        alpha: Opacity in [0, 1], shape (B, 1, H, W).
        width: How far the band goes beyond what is neither quite 0 nor quite 1.
    """
    alpha = _check_alpha(alpha, "alpha")
    width = check_count(width, "width", 0)

    def wider(there: Tensor) -> Tensor:
        return max_pool2d(there.to(alpha), 2 * width + 1, stride=1, padding=width) > 0

    mixed = wider(alpha < 1 - 1e-3) & wider(alpha > 1e-3)
    return torch.where(mixed, alpha.new_tensor(UNKNOWN), (alpha > 0.5).to(alpha))


def spread_colours(image: Tensor, known: Tensor) -> Tensor:
    """Continue colours from where they are known, as means over squares of 2, 4, 8, ... pixels.

    Args:
        image: Pictures, shape (B, C, H, W).
        known: Where they count, Boolean, shape (B, 1, H, W); somewhere in each picture.

    Returns:
        The picture where it is known, and elsewhere the mean of what is known around.
    """
    image = check_tensor(image, "image", shape=("B", "C", "H", "W"), floating=True)
    known = check_mask(known, "known", (len(image), 1, *image.shape[2:]))
    if not bool(known.flatten(1).any(1).all()):
        raise ValueError(
            "known: some picture has no known pixel to take a colour from; draw a trimap that has "
            "both ones and zeros"
        )
    weight = known.to(image)
    return _filled(image * weight, weight)


def _filled(total: Tensor, weight: Tensor) -> Tensor:
    """Return total / weight, and where the weight is 0 what the same at half the size says."""
    if bool((weight > 0).all()):
        return total / weight
    halved = [avg_pool2d(x, 2, ceil_mode=True) for x in (total, weight)]
    coarse = _filled(halved[0], halved[1])
    larger = interpolate(coarse, size=total.shape[-2:], mode="bilinear", align_corners=False)
    return torch.where(weight > 0, total / weight.clamp(min=1e-9), larger)


def estimate_colours(image: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Return colours of the front and of what is behind, spread from where a trimap is sure."""
    image = check_pictures(image, "image")
    regions = _check_alpha(regions, "regions", image)
    return spread_colours(image, regions == 1), spread_colours(image, regions == 0)


class MattingNet(nn.Module):
    """From a picture and a trimap to opacities; what the trimap is sure of stays as it is.

    It starts as the answer of `solve_alpha` with the colours of `estimate_colours`.

    Args:
        features: Of its U-Net.
        generator: Draws the weights.
    """

    def __init__(self, *, features: int = 24, generator: Generator | None = None) -> None:
        super().__init__()
        self.network = SmallUNet(11, 1, features=features, generator=generator)

    def forward(self, image: Tensor, regions: Tensor) -> Tensor:
        """Return opacities in [0, 1], (B, 3, H, W) and (B, 1, H, W) -> (B, 1, H, W)."""
        found = self._found(image, regions).clamp(0, 1)
        return torch.where(regions == UNKNOWN, found, regions)

    def score(self, image: Tensor, regions: Tensor, alpha: Tensor) -> Tensor:
        """Return the mean absolute error in the unknown band of each picture, (B,)."""
        made, alpha = self._found(image, regions), _check_alpha(alpha, "alpha", image)
        band = (regions == UNKNOWN).to(image)
        error = (made - alpha).abs() * band
        return error.flatten(1).sum(1) / band.flatten(1).sum(1).clamp(min=1)

    def _found(self, image: Tensor, regions: Tensor) -> Tensor:
        """Return what the network says everywhere, not yet cut to [0, 1]."""
        front, behind = estimate_colours(image, regions)
        first = solve_alpha(image, front, behind)
        seen = torch.cat([image - front, image - behind, image - 0.5, regions - 0.5, first], dim=1)
        return first + self.network(seen)


def matting_errors(made: Tensor, alpha: Tensor) -> dict[str, Tensor]:
    """Return three errors of each picture, (B,) each: lower is better.

    Args:
        made, alpha: Opacities in [0, 1], found and true, shape (B, 1, H, W).

    Returns:
        "SAD", the sum of absolute differences; "MSE", the mean squared one; "gradient", the sum of
        squared differences of slopes, which sees a hair that has been smeared (after Rhemann et al.
        2009, doi:10.1109/CVPR.2009.5206503, with differences of neighbours for slopes).
    """
    alpha = _check_alpha(alpha, "alpha")
    made = _check_alpha(made, "made", alpha)
    gap = (made - alpha).flatten(1)
    slopes = alpha.new_tensor([[[[-0.5, 0, 0.5]]]])
    across = conv2d(made, slopes) - conv2d(alpha, slopes)
    down = conv2d(made, slopes.mT) - conv2d(alpha, slopes.mT)
    gradient = across.square().flatten(1).sum(1) + down.square().flatten(1).sum(1)
    return {"SAD": gap.abs().sum(1), "MSE": gap.square().mean(1), "gradient": gradient}


def _check_pair(front: Tensor, behind: Tensor) -> tuple[Tensor, Tensor]:
    front = check_pictures(front, "front")
    behind = check_tensor(behind, "behind", shape=tuple(front.shape), what="as front", like=front)
    return front, check_pictures(behind, "behind")


def _check_alpha(alpha: Tensor, name: str, of: Tensor | None = None) -> Tensor:
    """Return opacities in [0, 1] of the size of pictures."""
    shape = ("B", 1, "H", "W") if of is None else (len(of), 1, *of.shape[2:])
    alpha = check_tensor(alpha, name, shape=shape, floating=True, like=of)
    advice = "; an opacity is a share: divide levels by 255, or clamp(0, 1)"
    return check_values(alpha, name, (alpha >= 0) & (alpha <= 1), "opacities in [0, 1]", advice)
