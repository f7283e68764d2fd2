"""Scenes whose truth is known: soft things with fur, and things that move before a background."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, grid_sample, max_pool2d

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import between
from gdmlib.data.crops import random_crops

FINE = 4  # a hair is as thin as a quarter of a pixel


def soft_shapes(
    n: int, size: int, *, hairs: int = 400, generator: Generator | None = None
) -> Tensor:
    """Draw the opacity of round things with fur around them, (n, 1, size, size) in [0, 1].

    Args:
        n: How many.
        size: Height and width.
        hairs: Of each; each has a length, a direction and a bend of its own.
        generator: Draws them.
    """
    n, size = check_count(n), check_count(size, "size", least=8)
    side = FINE * size
    waves = (
        between(-1, 1, n, 4, 2, generator=generator)
        * torch.tensor([0.14, 0.08, 0.05, 0.03])[:, None]
    )
    centre = between(-0.1, 0.1, n, 2, generator=generator)
    base = between(0.42, 0.6, n, 1, generator=generator)

    def radius(angle: Tensor) -> Tensor:
        """Return how far the border is, (n, k) angles."""
        order = torch.arange(1, 5)[:, None]
        turned = angle[:, None] * order
        wave = waves[..., :1] * turned.cos() + waves[..., 1:] * turned.sin()
        return base * (1 + wave.sum(1))

    line = (torch.arange(side) + 0.5) * 2 / side - 1
    row, column = line[:, None] - centre[:, :1, None], line - centre[:, 1:, None]
    angle = torch.atan2(row, column).flatten(1)
    body = (row.square() + column.square()).sqrt().flatten(1) < radius(angle)
    fine = body.reshape(n, side, side)

    root = between(0, 2 * math.pi, n, check_count(hairs, "hairs", 0), generator=generator)
    length = between(0.05, 0.3, *root.shape, generator=generator)
    lean = between(-0.8, 0.8, *root.shape, generator=generator)
    along = torch.linspace(0, 1, 3 * FINE * 12)[:, None, None]
    reach = radius(root) * 0.97 + along * length
    bent = root + lean * along.square() * length / radius(root)
    rows = centre[:, :1] + reach * bent.sin()
    columns = centre[:, 1:] + reach * bent.cos()
    places = (torch.stack([rows, columns]) + 1) * side / 2
    i, j = places.long().clamp(0, side - 1)
    which = torch.arange(n)[:, None].expand_as(root).expand_as(i)
    fine[which, i, j] = True
    # A hair two fine pixels wide: half a pixel of the picture.
    thick = max_pool2d(fine[:, None].float(), 2, stride=1, padding=1)[..., :side, :side]
    return avg_pool2d(thick, FINE)


def moving_scenes(
    pictures: Sequence[Tensor],
    n: int,
    size: int,
    *,
    most: float = 5.0,
    generator: Generator | None = None,
) -> Tensor:
    """Film things that move before a background that moves otherwise.

    Both are taken from photographs. The background pans, turns and grows a little; the thing in
    front moves by up to ``most`` pixels in each direction from the first frame to the third.

    Args:
        pictures: Photographs, (3, H, W) each, with sides of at least twice the size.
        n, size: How many scenes, and their height and width.
        most: See above; the background moves by up to half as much.
        generator: Draws them.

    Returns:
        Three frames of each scene, at times 0, 1/2 and 1, shape (n, 3, 3, size, size).
    """
    n, size = check_count(n), check_count(size, "size", least=8)
    large = 2 * size
    for picture in pictures:
        check_tensor(picture, "pictures", shape=(3, "H", "W"), floating=True, like=pictures[0])
        if min(picture.shape[1:]) < large:
            raise ValueError(
                f"pictures: scenes of {size} pixels need sides of {large}, got "
                f"{tuple(picture.shape[1:])}"
            )
    back, front = (random_crops(pictures, n, large, generator) for _ in range(2))
    opaque = soft_shapes(n, size, hairs=40, generator=generator).to(back)
    opaque = torch.nn.functional.pad(opaque, [size // 2] * 4)
    pan = between(-most / 2, most / 2, n, 2, generator=generator)
    go = between(-most, most, n, 2, generator=generator)
    turn, grow = between(-0.04, 0.04, 2, n, generator=generator)
    frames = []
    for t in (0.0, 0.5, 1.0):
        scene = _view(back, size, t * pan, t * turn, t * grow)
        thing, alpha = (_view(x, size, t * go, 0 * turn, 0 * grow) for x in (front, opaque))
        frames.append(alpha * thing + (1 - alpha) * scene)
    return torch.stack(frames, dim=1).clamp(0, 1)


def _view(x: Tensor, size: int, shift: Tensor, turn: Tensor, grow: Tensor) -> Tensor:
    """Look at the middle of pictures, (n, C, S, S) -> (n, C, size, size), moved and turned."""
    shift, turn, grow = (value.to(x) for value in (shift, turn, grow))
    line = torch.arange(size).to(x) - (size - 1) / 2
    cosine, sine = ((1 + grow) * turn.cos(), (1 + grow) * turn.sin())
    row = cosine[:, None, None] * line[:, None] + sine[:, None, None] * line
    column = cosine[:, None, None] * line - sine[:, None, None] * line[:, None]
    places = torch.stack([column - shift[:, 1, None, None], row - shift[:, 0, None, None]], dim=-1)
    return grid_sample(x, 2 * places / x.shape[-1], mode="bicubic", align_corners=False)
