"""Players of dense layers, for events of few numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from torch import Generator, nn

from gdmlib._checks import check_count, check_event_shape, check_sizes
from gdmlib.nn.dense import blank, fresh


def dense_players(
    event_shape: int | Sequence[int],
    *,
    latent: int,
    hidden: int | Iterable[int] = (128, 128),
    generator: Generator | None = None,
) -> tuple[nn.Sequential, nn.Sequential]:
    """Return a generator and a discriminator of dense layers, for events of few numbers.

    Args:
        event_shape: The shape of an event; a number d stands for (d,).
        latent: How many numbers an event is made from.
        hidden: Sizes of the hidden layers of both; a number is that of the only one.
        generator: Draws the weights to start from.
    """
    shape = check_event_shape(event_shape)
    d, widths = math.prod(shape), check_sizes(hidden, "hidden")
    maker = _dense([check_count(latent, "latent"), *widths, d], nn.ReLU(), generator)
    judge = _dense([d, *widths, 1], nn.LeakyReLU(0.2), generator)
    if len(shape) == 1:
        return nn.Sequential(*maker), nn.Sequential(*judge)
    back = nn.Unflatten(1, tuple(shape))
    return nn.Sequential(*maker, back), nn.Sequential(nn.Flatten(), *judge)


def _dense(widths: list[int], gate: nn.Module, generator: Generator | None) -> list[nn.Module]:
    """Return layers whose numbers keep their size behind a rectifier, with gates between."""
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        parts += [fresh(blank(nn.Linear, inputs, outputs), generator, gain=6**0.5), gate]
    return parts[:-1]
