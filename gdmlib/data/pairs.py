"""Pairs of pictures, a question and an answer, for translation: from photographs and from glyphs.

Each set has the questions in ``x`` and the answers in the attribute ``target``, all in [0, 1]. Of
photographs, the upper part of each one trains and the lower part tests, so that no pixel is in
both; `gdmlib.data.facade_pairs` is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from gdmlib._checks import (
    check_count,
    check_not_negative,
    check_probabilities,
    check_tensor,
    check_values,
)
from gdmlib._random import draw
from gdmlib.data import declare
from gdmlib.data.crops import corners, crop, luminance
from gdmlib.data.dataset import Dataset, check_name
from gdmlib.data.embedded import PHOTOGRAPHS, _photograph
from gdmlib.data.reading import picture as as_picture
from gdmlib.data.rendered import glyphs

PAIR_SPLITS: tuple[str, ...] = ("train", "test")
TINTS: tuple[tuple[float, float, float], ...] = ((0.9, 0.15, 0.1), (0.1, 0.3, 0.9))
"""The colours in which `outline_pairs` may paint a glyph: a red and a blue."""

_TRAIN_ROWS = 0.62  # of a photograph, from above


@declare.embedded(
    content="edges and crops of the photographs", licence="as the photographs", arguments="n"
)
def edge_pairs(
    n: int,
    size: int = 32,
    split: str = "train",
    names: Sequence[str] = ("flower",),
    reduce: int = 2,
    sigma: float = 1.0,
    generator: Generator | None = None,
) -> Dataset:
    """Cut ``n`` squares out of photographs, with the edges that Canny's detector finds in them.

    Args:
        size: Height and width in pixels.
        split: ``"train"``, the upper 62 % of each photograph, or ``"test"``, the rest.
        names: Which photographs, out of `PHOTOGRAPHS`.
        reduce: The photographs are made so many times smaller first.
        sigma: Of the Gaussian that smooths before edges are sought, in pixels of the smaller one.

    Returns:
        ``x`` ``(n, 1, size, size)``, 1 on an edge and 0 elsewhere; ``target`` ``(n, 3, size,
        size)``; ``y`` says which photograph, ``row`` and ``column`` where in the smaller one.
    """
    from skimage.feature import canny

    check_not_negative(sigma, "sigma")

    def edges(picture: Tensor) -> Tensor:
        found = canny(_grey(picture)[0].numpy(), sigma=sigma)
        return torch.from_numpy(found).float()[None]

    return _crops("edge_pairs", edges, n, size, split, names, reduce, generator)


@declare.embedded(
    content="grey and coloured crops of the photographs", licence="as the photographs",
    arguments="n",
)  # fmt: skip
def colour_pairs(
    n: int,
    size: int = 32,
    split: str = "train",
    names: Sequence[str] = ("flower", "china", "coffee", "chelsea"),
    reduce: int = 2,
    generator: Generator | None = None,
) -> Dataset:
    """Cut ``n`` squares out of photographs, in grey and in colour; see `edge_pairs`.

    Returns:
        ``x`` ``(n, 1, size, size)``, the luma of ITU-R BT.601; ``target`` ``(n, 3, size, size)``;
        ``y``, ``row`` and ``column`` as for `edge_pairs`.
    """
    return _crops("colour_pairs", _grey, n, size, split, names, reduce, generator)


@declare.rendered(
    content="outlines and glyphs, plain or painted", licence="as the glyphs", arguments="n"
)
def outline_pairs(
    n: int,
    size: int = 16,
    split: str = "train",
    tints: Sequence[Sequence[float]] | None = None,
    shares: Sequence[float] | None = None,
    characters: Sequence[str] = "0123456789",
    seed: int = 0,
) -> Dataset:
    """Draw ``n`` glyphs and their outlines; a painted one has a colour that no outline tells.

    Args:
        size: Height and width in pixels, at least 8.
        split: ``"train"``, ``"valid"`` or ``"test"``, as for `gdmlib.data.glyphs`.
        tints: The colours, red, green and blue in [0, 1], such as `TINTS`; None paints nothing.
        shares: The probability of each colour; None for equal ones.
        characters, seed: As for `gdmlib.data.glyphs`.

    Returns:
        ``x`` ``(n, 1, size, size)``, the line just outside of the ink; ``target`` ``(n, 1, size,
        size)``, white ink on black, or ``(n, 3, size, size)``, in colour; ``y`` the character, and
        ``tint`` ``(n,)`` the number of the colour, drawn independently of all else.
    """
    drawn = glyphs(n, size, characters, seed=seed, split=split)
    grown = max_pool2d(drawn.x, 3, stride=1, padding=1)
    found, extra = drawn.x, {}
    if tints is not None:
        if {len(t) for t in tints} != {3}:
            raise ValueError(f"tints: expected colours of three numbers each, got {tints!r}")
        colours = torch.tensor([list(t) for t in tints], dtype=torch.float32)
        fits = (colours >= 0) & (colours <= 1)
        check_values(check_tensor(colours, "tints"), "tints", fits, "numbers in [0, 1]")
        if shares is None:
            shares = [1 / len(colours)] * len(colours)
        weights = check_probabilities(torch.tensor(shares, dtype=torch.float64), "shares")
        if len(weights) != len(colours):
            raise ValueError(f"shares: expected {len(colours)}, one a tint, got {len(weights)}")
        # RandomState promises the same stream in every numpy; 14 keeps it from that of the glyphs.
        u = np.random.RandomState([seed, len(split), 14]).random_sample(len(drawn))
        tint = torch.bucketize(torch.from_numpy(u), weights.cumsum(0)[:-1], right=True)
        found, extra = drawn.x * colours[tint][:, :, None, None], {"tint": tint}
    elif shares is not None:
        raise ValueError("shares: nothing is painted; give tints as well")
    return Dataset(
        name=f"outline_pairs ({split})",
        x=(grown - drawn.x).clamp(0, 1),
        y=drawn.y,
        classes=drawn.classes,
        source=drawn.source,
        licence=drawn.licence,
        attributes={"target": found, **extra},
    )


def _grey(picture: Tensor) -> Tensor:
    """Return the luma of a colour picture, (3, H, W) -> (1, H, W)."""
    return luminance(picture)[None]


def _crops(
    name: str,
    ask: object,
    n: int,
    size: int,
    split: str,
    names: Sequence[str],
    reduce: int,
    generator: Generator | None,
) -> Dataset:
    """Cut squares out of photographs and out of what ``ask`` makes of each of them."""
    assert callable(ask)
    n, size, reduce = check_count(n), check_count(size, "size"), check_count(reduce, "reduce")
    check_name(split, PAIR_SPLITS, f"split of {name}")
    if isinstance(names, str) or not len(names):
        raise ValueError(f"names: expected a sequence of names of photographs, got {names!r}")
    chosen = tuple(check_name(photo, PHOTOGRAPHS, "photograph") for photo in names)
    pictures, offsets = [], []
    for photo in chosen:
        picture = as_picture(_photograph(photo))
        if reduce > min(picture.shape[1:]):
            raise ValueError(
                f"reduce: {photo!r} has {picture.shape[1]} × {picture.shape[2]} pixels, and "
                f"{reduce} times smaller none is left"
            )
        picture = avg_pool2d(picture, reduce)
        border = math.ceil(_TRAIN_ROWS * picture.shape[1])
        offsets.append(0 if split == "train" else border)
        both = torch.cat([ask(picture), picture])
        pictures.append(both[:, :border] if split == "train" else both[:, border:])
    smallest = min(min(picture.shape[1:]) for picture in pictures)
    if size > smallest:
        raise ValueError(
            f"size: the smallest part for {split} has {smallest} pixels a side, got {size}; take "
            "a smaller reduce"
        )
    which = draw(torch.randint, len(pictures), (n,), generator=generator)
    place = draw(torch.rand, n, 2, generator=generator, dtype=torch.float64)
    corner = corners(pictures, which, place, size)
    squares = crop(pictures, which, corner, size)
    return Dataset(
        name=f"{name} ({split})",
        x=squares[:, :-3],
        y=which,
        classes=chosen,
        source="; ".join(f"{photo}: {PHOTOGRAPHS[photo]}" for photo in chosen),
        licence="each photograph has its own (see source)",
        attributes={
            "target": squares[:, -3:],
            "row": corner[:, 0] + torch.tensor(offsets)[which],
            "column": corner[:, 1],
        },
    )
