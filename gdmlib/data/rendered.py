"""Glyphs: characters drawn with Matplotlib's own fonts, an offline stand-in for MNIST.

Every glyph comes with what is true about it: its character, its font, whether that font is bold,
italic, serif or monospaced, and how it was turned, sheared, scaled and shifted. Two sets with the
same seed that differ only in ``styles`` show the same characters in the same positions: pairs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from gdmlib._checks import check_count
from gdmlib.data import declare, reading
from gdmlib.data.checksums import read_arrays
from gdmlib.data.dataset import CacheError, Dataset, check_name, check_seed
from gdmlib.data.files import cache_folder, keep
from gdmlib.data.fonts import FAMILIES, FONTS, STYLES, Ink, choose_fonts, ink

GLYPH_SPLITS: tuple[str, ...] = ("train", "valid", "test")

_INK_HEIGHT = 20 / 28  # of a digit, relative to the picture: MNIST's own
_MARGIN = 1 / 28  # that a glyph keeps from the border
_OVERSAMPLING = 2  # pictures are drawn this much larger, then averaged
_DRAWING_VERSION = 1  # counts up when the drawing changes, so that old cache files are not read

_ROTATION = 12.0  # degrees, to either side
_SHEAR = 0.12
_SCALE = (0.85, 1.1)
_SHIFT = 0.06  # of the picture's size, to either side


@declare.rendered(
    content=f"characters in {len(FONTS)} fonts, any size",
    licence="pictures CC0; fonts are free",
    arguments="n",
)
def glyphs(
    n: int = 10_000,
    size: int = 28,
    characters: Sequence[str] = "0123456789",
    styles: Sequence[str] | None = None,
    affine: bool = True,
    seed: int = 0,
    split: str = "train",
    families: Sequence[str] | None = None,
) -> Dataset:
    """Draw ``n`` characters in 21 fonts, white ink on black, centred as MNIST's digits are.

    The first call with some arguments draws (well under a millisecond a glyph) and keeps the
    result in the cache; later calls read it.

    Args:
        n: Number of glyphs. A larger set begins with the smaller one.
        size: Height and width in pixels, at least 8.
        characters: The characters, each equally probable; the label is the position in this
            sequence.
        styles: Out of :data:`STYLES`; None takes all four.
        affine: Turn (up to 12°), shear (0.12), scale (0.85 to 1.1 along each axis) and shift (6 %
            of the size) every glyph at random; otherwise all stand upright, their centre of mass in
            the middle.
        seed: Chooses the random draws, a whole number of at least 0.
        split: ``"train"``, ``"valid"`` or ``"test"``: independent draws with the same seed.
        families: Out of :data:`FAMILIES`; None takes all seven.

    Returns:
        ``x`` ``(n, 1, size, size)`` in [0, 1] (steps of 1/255); ``y`` ``(n,)``. Attributes, one row
        a glyph: ``bold``, ``italic``, ``serif``, ``mono`` (Boolean); ``font`` (index into
        :data:`FONTS`); ``rotation`` (degrees, anticlockwise), ``shear``, ``scale`` ``(n, 2)``. With
        the same seed and families that have all the styles in question (DejaVu and STIX do), sets
        that differ in ``styles`` alone are pairs.

    Warns:
        UserWarning: If the cache folder cannot be written; the glyphs are returned all the same.
    """
    n, size, seed = check_count(n), check_count(size, "size", least=8), check_seed(seed)
    check_name(split, GLYPH_SPLITS, "split of glyphs")
    wanted, fonts = _check_selection(characters, styles, families)

    import matplotlib
    import PIL

    settings = [n, size, wanted, fonts, bool(affine), seed, split]
    versions = [_DRAWING_VERSION, PIL.__version__, matplotlib.__version__]
    key = hashlib.sha256(json.dumps([settings, versions]).encode()).hexdigest()[:16]
    path = cache_folder() / "glyphs" / f"{n}x{size}-{split}-{key}.npz"
    arrays = _read_cache(path, n, size)
    if arrays is None:
        stream = GLYPH_SPLITS.index(split)
        arrays = _render(n, size, wanted, fonts, affine, stream, seed)
        _write_cache(path, arrays)

    chosen = arrays["font"]
    flags = {
        name: torch.from_numpy(np.array([getattr(f, name) for f in FONTS])[chosen])
        for name in ("bold", "italic", "serif", "mono")
    }
    numbers = {k: torch.from_numpy(arrays[k]) for k in ("font", "rotation", "shear", "scale")}
    return Dataset(
        name=f"glyphs ({split})",
        x=reading.images(arrays["x"][:, None]),
        y=torch.from_numpy(arrays["y"]),
        classes=wanted,
        source="drawn by gdmlib with the fonts that Matplotlib ships: DejaVu (Bitstream, Inc. and "
        "the DejaVu team), STIX (STI Pub Companies), Computer Modern (D. E. Knuth; B. K. Malyshev)",
        licence="pictures: CC0 1.0; fonts: Bitstream Vera and DejaVu licence, SIL Open Font "
        "License 1.1 (STIX), AMS and BaKoMa licences (Computer Modern)",
        attributes={**flags, **numbers},
    )


def _check_selection(
    characters: Sequence[str], styles: Sequence[str] | None, families: Sequence[str] | None
) -> tuple[tuple[str, ...], list[int]]:
    wanted = tuple(characters)
    if not wanted or any(len(c) != 1 for c in wanted) or len(set(wanted)) < len(wanted):
        raise ValueError(f"characters: expected different single characters, got {characters!r}")
    for name, given in (("styles", styles), ("families", families)):
        if isinstance(given, str) or (given is not None and not len(given)):
            raise ValueError(f"{name}: expected a sequence of names or None, got {given!r}")
    kept_styles = [check_name(s, STYLES, "glyph style") for s in styles or STYLES]
    kept_families = [check_name(f, FAMILIES, "font family") for f in families or FAMILIES]
    fonts = [i for i, f in enumerate(FONTS) if f.style in kept_styles and f.family in kept_families]
    if not fonts:
        raise ValueError(f"no font of the families {kept_families} has a style of {kept_styles}")
    return wanted, fonts


def _render(
    n: int,
    size: int,
    characters: Sequence[str],
    fonts: Sequence[int],
    affine: bool,
    stream: int,
    seed: int,
) -> dict[str, np.ndarray]:
    # RandomState, unlike default_rng, promises the same stream in every numpy. One row of draws
    # a glyph: a larger set begins with the smaller one.
    uniform = np.random.RandomState([seed, stream]).random_sample((n, 9))
    labels = (uniform[:, 0] * len(characters)).astype(np.int64)
    unit = max(24, round(size * _INK_HEIGHT * _OVERSAMPLING * 1.25))
    chosen = choose_fonts(labels, uniform[:, 1:3], characters, fonts, unit)

    either_side = (2 * uniform[:, 3:7] - 1) * float(affine)
    rotation = _ROTATION * either_side[:, 0]
    shear = _SHEAR * either_side[:, 1]
    shift = _SHIFT * size * either_side[:, 2:4]
    scale = _SCALE[0] + (_SCALE[1] - _SCALE[0]) * uniform[:, 7:9] if affine else np.ones((n, 2))
    angle = np.deg2rad(rotation)
    # Rows point down in a picture, so this turns anticlockwise and leans to the right.
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], 1)
    lean = np.stack([np.ones(n), -shear, np.zeros(n), np.ones(n)], 1)
    linear = turn.reshape(n, 2, 2) @ lean.reshape(n, 2, 2) * scale[:, None, :]

    x = np.empty((n, size, size), dtype=np.uint8)
    for i in range(n):
        upright = ink(FONTS[chosen[i]].file, characters[labels[i]], unit)
        assert upright is not None
        x[i] = _render_one(upright, size, linear[i], shift[i])
    return {
        "x": x,
        "y": labels,
        "font": chosen,
        "rotation": rotation.astype(np.float32),
        "shear": shear.astype(np.float32),
        "scale": scale.astype(np.float32),
    }


def _render_one(upright: Ink, size: int, linear: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Draw one glyph: ``linear`` (2, 2) turns and scales it, ``shift`` (2,) moves it, in pixels."""
    from PIL import Image

    centre = np.array(upright.centre)
    left, top, right, bottom = upright.box
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]]) - centre
    matrix = linear * (size * _INK_HEIGHT / upright.unit)
    extent = corners @ matrix.T
    # Wide characters are made to fit, and the shift ends where the margin begins.
    room = size * (1 - 2 * _MARGIN)
    shrink = min(1.0, float(room / np.ptp(extent, axis=0).max()))
    matrix, extent = matrix * shrink, extent * shrink
    half = size / 2
    low = -half + size * _MARGIN - extent.min(0)
    high = half - size * _MARGIN - extent.max(0)
    offset = np.clip(shift, low, high)

    # Pillow wants the way back: from a pixel of the picture to one of the drawing.
    back = np.linalg.inv(matrix)
    origin = centre - back @ (offset + half)
    back = back / _OVERSAMPLING
    coefficients = (back[0, 0], back[0, 1], origin[0], back[1, 0], back[1, 1], origin[1])
    large = upright.image.transform(
        (size * _OVERSAMPLING, size * _OVERSAMPLING),
        Image.Transform.AFFINE,
        coefficients,
        resample=Image.Resampling.BICUBIC,
    )
    return np.asarray(large.reduce(_OVERSAMPLING))


def _read_cache(path: Path, n: int, size: int) -> dict[str, np.ndarray] | None:
    """Read a rendering; None, and no file, where it is missing or damaged."""
    try:
        arrays = read_arrays(path)
        if arrays["x"].shape == (n, size, size) and all(len(a) == n for a in arrays.values()):
            return arrays
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception:  # a damaged file may break its reader anywhere
        logging.getLogger(__name__).debug("%s is damaged and drawn anew", path)
    with contextlib.suppress(OSError):
        path.unlink()
    return None


def _write_cache(path: Path, arrays: dict[str, np.ndarray]) -> None:
    def write(part: Path) -> None:
        with part.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]

    try:
        keep(path, write)
    except CacheError as reason:
        # The glyphs are drawn already; without a cache they are drawn anew next time.
        warnings.warn(f"the glyphs are not kept for next time: {reason}", stacklevel=3)
