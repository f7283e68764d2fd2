"""What small classifiers of pictures look with: three convolutions, the last two of which halve."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gdmlib._checks import check_event_shape, check_sizes
from gdmlib.nn.dense import blank


def halving(
    event_shape: Sequence[int], channels: Sequence[int]
) -> tuple[torch.Size, list[nn.Module], int]:
    """Return the shape of a picture, layers without weights yet, and how many numbers they make.

    Args:
        event_shape: (channels, height, width); sides that can be halved twice.
        channels: Of the first and of the next two convolutions.
    """
    shape = check_event_shape(event_shape, image=True)
    depth, height, width = shape
    if height % 4 or width % 4:
        raise ValueError(
            "event_shape: expected a height and a width that can be halved twice, multiples of "
            f"4, got {tuple(shape)}; pad the pictures with zeros"
        )
    inner = check_sizes(channels, "channels")
    if len(inner) != 2:
        raise ValueError(f"channels: expected two numbers, got {channels!r}")
    first, second = inner
    layers: list[nn.Module] = [
        blank(nn.Conv2d, depth, first, 3, padding=1),
        nn.SiLU(),
        blank(nn.Conv2d, first, second, 3, padding=1, stride=2),
        nn.SiLU(),
        blank(nn.Conv2d, second, second, 3, padding=1, stride=2),
        nn.SiLU(),
        nn.Flatten(),
    ]
    return shape, layers, second * (height // 4) * (width // 4)
