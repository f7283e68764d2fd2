"""Two domains of pictures without pairs, whose true pairing is known and kept aside.

A translator learns from two piles of pictures and is never told which belongs to which. Here each
picture was drawn from numbers, so that its true partner in the other domain can be drawn as well:
it stands in ``attributes["partner"]``, to score with and not to train on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from gdmlib._checks import check_count
from gdmlib.data import declare, reading
from gdmlib.data.dataset import Dataset, check_name, check_seed
from gdmlib.data.rendered import GLYPH_SPLITS, glyphs
from gdmlib.data.scenes import SCENES, slices

_SOURCE, _LICENCE = "drawn by gdmlib", "CC0 1.0 (no rights reserved)"
_AT_ONCE = 10  # scenes that are drawn together: few, so that their pixels stay in the cache
_PAIRED_FAMILIES = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "STIX General")
_SIDES = {
    "italic": ("upright", "italic"),
    "stripes": ("horses", "zebras"),
    "night": ("day", "night"),
}
DOMAINS: tuple[str, ...] = tuple(_SIDES)
"""Names that :func:`unpaired` knows."""


@declare.rendered(
    content={
        "italic": "upright and italic characters, unpaired",
        "stripes": "horses and zebras, unpaired",
        "night": "houses by day and by night, unpaired",
    },
    licence="CC0; fonts are free",
)
def unpaired(
    name: str, n: int = 500, size: int = 32, seed: int = 0, split: str = "train"
) -> tuple[Dataset, Dataset]:
    """Draw ``n`` pictures of each of two domains, of different scenes.

    Args:
        name: One of :data:`DOMAINS`: ``italic`` (upright and italic digits, grey), ``stripes``
            (horses and zebras), ``night`` (houses by day and by night).
        n: Pictures of each domain. A larger set begins with the smaller one.
        size: Height and width in pixels, at least 8.
        seed: Chooses the random draws, a whole number of at least 0.
        split: ``"train"``, ``"valid"`` or ``"test"``: independent draws with the same seed.

    Returns:
        Both domains. ``x`` of each has shape ``(n, channels, size, size)`` in [0, 1], and so has
        the attribute ``partner``: the same scenes in the other domain, which no training may see.
        Other attributes are what only one of the domains shows: the ``coat`` of a horse, from 0
        (light) to 1 (dark); the ``roof`` of a house, from 0 (red) to 1 (slate), by day; whether its
        ``left window`` and its ``right window`` are lit, by night.
    """
    check_name(name, DOMAINS, "pair of domains")
    n, size, seed = _check(n, size, seed, split)
    if name == "italic" and seed >= 2**31:
        raise ValueError(f"seed: expected less than 2**31, for each domain has its own, got {seed}")
    first, second = (_domain(name, n, size, seed, split, side) for side in (False, True))
    return first, second


def _check(n: int, size: int, seed: int, split: str) -> tuple[int, int, int]:
    check_name(split, GLYPH_SPLITS, "split")
    return check_count(n), check_count(size, "size", least=8), check_seed(seed)


def _numbers(n: int, count: int, seed: int, split: str, second: bool) -> np.ndarray:
    """Draw one row of uniform numbers a scene; each domain of each split has its own stream."""
    stream = 2 * GLYPH_SPLITS.index(split) + second
    return np.random.RandomState([seed, stream]).random_sample((n, count))


def _domain(name: str, n: int, size: int, seed: int, split: str, second: bool) -> Dataset:
    title = f"{_SIDES[name][second]} ({split})"
    if name == "italic":
        return _characters(title, n, size, seed, split, second)
    scene = SCENES[name]
    u = _numbers(n, scene.numbers, seed, split, second)
    here, there = (_drawn(lambda u, s=s: scene.draw(u, size, s), u) for s in (second, not second))
    hidden = {key: _float(u[:, column]) for key, column in scene.hidden.items()}
    lit = {key: value < 0.6 for key, value in hidden.items() if "window" in key}
    attributes = {"partner": there, **hidden, **lit}
    return Dataset(title, here, source=_SOURCE, licence=_LICENCE, attributes=attributes)


def _characters(title: str, n: int, size: int, seed: int, split: str, second: bool) -> Dataset:
    styles = (("regular", "bold"), ("italic", "bold italic"))
    drawn = [
        # Seeds of their own for each domain: the scenes of the two are different ones.
        glyphs(n, size, styles=s, seed=2 * seed + second, split=split, families=_PAIRED_FAMILIES)
        for s in (styles[second], styles[not second])
    ]
    here, there = drawn
    return Dataset(
        title,
        here.x,
        here.y,
        here.classes,
        here.source,
        here.licence,
        attributes={"partner": there.x, "bold": here.attributes["bold"]},
    )


@declare.rendered(content="slices of heads, some with a tumour, unpaired", licence="CC0")
def scans(
    n: int = 500,
    size: int = 32,
    sick: tuple[float, float] = (0.5, 0.5),
    seed: int = 0,
    split: str = "train",
) -> tuple[Dataset, Dataset]:
    """Draw ``n`` slices of heads as each of two scanners sees them, of different heads.

    These are drawings, not medicine: an ellipse with a bright or dark rim, fluid, and in some a
    disc, the tumour, which both scanners show.

    Args:
        sick: The share of heads with a tumour in the first domain and in the second.
        n, size, seed, split: As for :func:`unpaired`.

    Returns:
        Both domains, grey. Beside ``partner`` (of a head with a tumour, with it) the attributes are
        ``sick`` (Boolean) and ``healthy``, the partner drawn without a tumour; ``tumour`` is the
        partner drawn with one, whether there is one or not.
    """
    n, size, seed = _check(n, size, seed, split)
    pair = isinstance(sick, Sequence) and len(sick) == 2
    if not pair or not all(isinstance(s, (int, float)) and 0 <= s <= 1 for s in sick):
        raise ValueError(f"sick: expected two shares from 0 to 1, got {sick!r}")
    found = []
    for second, share in enumerate(sick):
        u = _numbers(n, 12, seed, split, bool(second))
        ill = u[:, 11] < share
        here, partner, healthy, tumour = (
            _drawn(lambda u, who, contrast=contrast: slices(u, size, contrast, who), u, who)
            for contrast, who in (
                (bool(second), ill),
                (not second, ill),
                (not second, np.zeros(n)),
                (not second, np.ones(n)),
            )
        )
        attributes = {
            "partner": partner,
            "healthy": healthy,
            "tumour": tumour,
            "sick": torch.from_numpy(ill),
        }
        title = f"{('first', 'second')[second]} scanner ({split})"
        found.append(Dataset(title, here, source=_SOURCE, licence=_LICENCE, attributes=attributes))
    return found[0], found[1]


def _drawn(draw: Callable[..., np.ndarray], *rows: np.ndarray) -> Tensor:
    """Return what ``draw`` makes of rows, some at a time."""
    parts = [draw(*(x[i : i + _AT_ONCE] for x in rows)) for i in range(0, len(rows[0]), _AT_ONCE)]
    return reading.images(np.concatenate(parts))


def _float(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32))
