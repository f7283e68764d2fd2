"""Pictures and what they are called: two coloured shapes and a sentence, or a digit and its style.

The sentence names one of the two shapes first. "A red circle above a blue square" and "a blue
square below a red circle" are the same picture: who describes it has chosen between two captions,
and no picture tells which.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from gdmlib._checks import check_count, check_probabilities
from gdmlib.data import declare
from gdmlib.data.dataset import Dataset, check_name, check_seed
from gdmlib.data.grammar import Grammar, Slot
from gdmlib.data.rendered import GLYPH_SPLITS, glyphs
from gdmlib.data.scenes import Canvas, column

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.92, 0.2, 0.16),
    "green": (0.2, 0.75, 0.3),
    "blue": (0.22, 0.42, 0.98),
    "yellow": (0.98, 0.85, 0.2),
}
SHAPES = ("circle", "square", "triangle")
RELATIONS = ("above", "below", "left of", "right of")
USUAL = (0.4, 0.1, 0.4, 0.1)
"""How often each relation is said: people begin above, or at the left, four times out of five."""

_FOUR = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "STIX General")
"""Families that have every style."""

_AT_ONCE = 50
_GROUND = (0.1, 0.1, 0.14)


def _object(which: str) -> list[str | Slot]:
    return [
        "a",
        Slot(f"{which} size", ("", "small")),
        Slot(f"{which} colour", tuple(COLOURS)),
        Slot(f"{which} shape", SHAPES),
    ]


SCENE_CAPTIONS = Grammar(*_object("first"), Slot("relation", RELATIONS), *_object("second"))
"""Captions of `captioned_scenes`: 2304, such as "a small red circle above a blue square"."""

GLYPH_CAPTIONS = Grammar(
    "a",
    Slot("weight", ("", "bold")),
    Slot("slant", ("", "italic")),
    Slot("digit", tuple("0123456789")),
)
"""Captions of `captioned_glyphs`: 40, such as "a bold italic 7"."""

_RELATION = 3
"""The place of the relation in a caption of `SCENE_CAPTIONS`."""


def turned(words: Tensor) -> Tensor:
    """Return the other caption of each scene, (B, 7) -> (B, 7): it begins at the other shape."""
    words = SCENE_CAPTIONS.check(words)
    relation = words[:, _RELATION : _RELATION + 1]
    return torch.cat([words[:, _RELATION + 1 :], relation ^ 1, words[:, :_RELATION]], dim=1)


def upright(words: Tensor) -> Tensor:
    """Return for each scene the caption that begins above, or at the left, (B, 7) -> (B, 7)."""
    odd = SCENE_CAPTIONS.check(words)[:, _RELATION : _RELATION + 1] % 2 == 1
    return torch.where(odd, turned(words), words)


@declare.rendered(content="two coloured shapes and a caption", licence="CC0", arguments="n")
def captioned_scenes(
    n: int,
    size: int = 24,
    relations: Iterable[float] = USUAL,
    seed: int = 0,
    split: str = "train",
) -> Dataset:
    """Draw ``n`` scenes of two coloured shapes, each with one of its two captions.

    Args:
        n: How many. A larger set begins with the smaller one.
        size: Height and width in pixels, at least 8.
        relations: How often each of `RELATIONS` is said.
        seed: Chooses the random draws, a whole number of at least 0.
        split: ``"train"``, ``"valid"`` or ``"test"``: independent draws with the same seed.

    Returns:
        ``x`` ``(n, 3, size, size)`` in [0, 1]; ``y`` the number of the caption in the grammar
        `SCENE_CAPTIONS`, and ``words`` ``(n, 7)`` its words: size, colour and shape of the first,
        the relation, size, colour and shape of the second.
    """
    n, size, seed = check_count(n), check_count(size, "size", least=8), check_seed(seed)
    check_name(split, GLYPH_SPLITS, "split of captioned_scenes")
    shares = check_probabilities(torch.tensor([*relations], dtype=torch.float64), "relations")
    if len(shares) != len(RELATIONS):
        raise ValueError(f"relations: expected {len(RELATIONS)} shares, got {len(shares)}")
    # RandomState promises the same stream in every numpy; 22 keeps it from other sets.
    u = np.random.RandomState([seed, GLYPH_SPLITS.index(split), 22]).random_sample((n, 13))
    words = torch.from_numpy((u[:, :7] * np.array(SCENE_CAPTIONS.sizes)).astype(np.int64))
    edges = shares.cumsum(0)[:-1]
    said = torch.from_numpy(u[:, _RELATION].copy())
    words[:, _RELATION] = torch.bucketize(said, edges, right=True)
    return _scenes(words, size, u[:, 7:], f"captioned_scenes ({split})")


def draw_scenes(words: Tensor, size: int = 24, seed: int = 0) -> Dataset:
    """Draw one scene of each caption, (B, 7), as `captioned_scenes` does."""
    words = SCENE_CAPTIONS.check(words)
    u = np.random.RandomState([check_seed(seed), 22]).random_sample((len(words), 6))
    return _scenes(words, check_count(size, "size", least=8), u, "drawn scenes")


def _scenes(words: Tensor, size: int, u: np.ndarray, name: str) -> Dataset:
    # A few at a time, so that their pixels stay in the cache.
    parts = range(0, len(words), _AT_ONCE)
    pictures = [_pictures(words[k : k + _AT_ONCE], size, u[k : k + _AT_ONCE]) for k in parts]
    return Dataset(
        name=name,
        x=torch.from_numpy(np.concatenate(pictures)).float() / 255,
        y=SCENE_CAPTIONS.number(words),
        source="drawn by gdmlib",
        licence="CC0 1.0 (no rights reserved)",
        attributes={"words": words},
    )


def _pictures(words: Tensor, size: int, u: np.ndarray) -> np.ndarray:
    """Return pictures of captions, bytes (B, 3, size, size), drawn by uniform numbers (B, 6)."""
    canvas = Canvas(len(words), size)
    canvas.paint(_GROUND, np.ones((len(words), *canvas.pixels.shape[2:]), np.float32))
    told = upright(words).numpy()
    beside = (told[:, _RELATION] == RELATIONS.index("left of"))[:, None, None]
    tints = np.array([*COLOURS.values()], dtype=np.float32)
    for which, (low, high) in enumerate(((0.25, 0.3), (0.7, 0.75))):
        small, colour, shape = told[:, 4 * which : 4 * which + 3].T
        along = column(u[:, 3 * which], low, high)
        across = column(u[:, 3 * which + 1], 0.38, 0.62)
        radius = np.where(small, 0.6, 1.0).astype(np.float32)[:, None, None]
        radius = radius * column(u[:, 3 * which + 2], 0.2, 0.22)
        x = canvas.x - np.where(beside, along, across)
        y = canvas.y - np.where(beside, across, along)
        edges = np.stack(
            [
                np.hypot(x, y) - radius,
                np.maximum(np.abs(x), np.abs(y)) - 0.88 * radius,
                np.maximum((2 * np.abs(x) - y - radius) / 5**0.5, y - 0.85 * radius),
            ]
        )
        canvas.paint(tints[colour], canvas.inside(edges[shape, np.arange(len(words))]))
    return canvas.finish()


@declare.rendered(content="digits and their style in words", licence="as the glyphs", arguments="n")
def captioned_glyphs(
    n: int, size: int = 16, styles: Iterable[str] | None = None, seed: int = 0, split: str = "train"
) -> Dataset:
    """Draw ``n`` upright digits in the families that have every style, each with a caption.

    Args:
        n, size, seed, split: As for `gdmlib.data.glyphs`.
        styles: Out of `gdmlib.data.STYLES`; None takes all four.

    Returns:
        ``x`` ``(n, 1, size, size)`` in [0, 1]; ``y`` the number of the caption in the grammar
        `GLYPH_CAPTIONS`, and ``words`` ``(n, 3)`` its words: weight, slant, digit.
    """
    n, size = check_count(n), check_count(size, "size", least=8)
    chosen = None if styles is None else tuple(styles)
    # Upright, for a turned or sheared digit may look italic; windows of larger pictures move them.
    drawn = glyphs(n, size + 2, styles=chosen, affine=False, seed=seed, split=split, families=_FOUR)
    stream = np.random.RandomState([seed, GLYPH_SPLITS.index(split), 23])
    corner = stream.randint(0, 3, (n, 2))
    x = torch.stack(
        [p[:, i : i + size, j : j + size] for p, (i, j) in zip(drawn.x, corner, strict=True)]
    )
    flags = [drawn.attributes[name].long() for name in ("bold", "italic")]
    assert drawn.y is not None
    words = torch.stack([*flags, drawn.y], dim=1)
    return Dataset(
        name=f"captioned_glyphs ({split})",
        x=x,
        y=GLYPH_CAPTIONS.number(words),
        source=drawn.source,
        licence=drawn.licence,
        attributes={"words": words},
    )
