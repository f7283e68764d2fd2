"""The fonts that Matplotlib ships, and one character of one of them, drawn upright and large.

The fonts are DejaVu (based on Bitstream Vera, by Bitstream, Inc. and the DejaVu team), STIX (by
the STI Pub Companies, SIL Open Font License) and Computer Modern (by Donald Knuth, TrueType
version by Basil K. Malyshev), as Matplotlib ships them.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

STYLES: tuple[str, ...] = ("regular", "bold", "italic", "bold italic")
"""Styles that :func:`glyphs` knows."""


@dataclass(frozen=True)
class Font:
    """A font file that Matplotlib ships, and what is known about it."""

    file: str
    family: str
    style: str
    serif: bool = False
    mono: bool = False

    @property
    def bold(self) -> bool:
        """Whether the strokes are heavy."""
        return "bold" in self.style

    @property
    def italic(self) -> bool:
        """Whether the letters slant."""
        return "italic" in self.style


FONTS: tuple[Font, ...] = (
    Font("DejaVuSans", "DejaVu Sans", "regular"),
    Font("DejaVuSans-Bold", "DejaVu Sans", "bold"),
    Font("DejaVuSans-Oblique", "DejaVu Sans", "italic"),
    Font("DejaVuSans-BoldOblique", "DejaVu Sans", "bold italic"),
    Font("DejaVuSerif", "DejaVu Serif", "regular", serif=True),
    Font("DejaVuSerif-Bold", "DejaVu Serif", "bold", serif=True),
    Font("DejaVuSerif-Italic", "DejaVu Serif", "italic", serif=True),
    Font("DejaVuSerif-BoldItalic", "DejaVu Serif", "bold italic", serif=True),
    Font("DejaVuSansMono", "DejaVu Sans Mono", "regular", mono=True),
    Font("DejaVuSansMono-Bold", "DejaVu Sans Mono", "bold", mono=True),
    Font("DejaVuSansMono-Oblique", "DejaVu Sans Mono", "italic", mono=True),
    Font("DejaVuSansMono-BoldOblique", "DejaVu Sans Mono", "bold italic", mono=True),
    Font("STIXGeneral", "STIX General", "regular", serif=True),
    Font("STIXGeneralBol", "STIX General", "bold", serif=True),
    Font("STIXGeneralItalic", "STIX General", "italic", serif=True),
    Font("STIXGeneralBolIta", "STIX General", "bold italic", serif=True),
    Font("cmr10", "Computer Modern Roman", "regular", serif=True),
    Font("cmb10", "Computer Modern Roman", "bold", serif=True),
    Font("cmti10", "Computer Modern Roman", "italic", serif=True),
    Font("cmss10", "Computer Modern Sans", "regular"),
    Font("cmtt10", "Computer Modern Typewriter", "regular", serif=True, mono=True),
)
"""The fonts; the attribute ``font`` of a glyph is an index into them."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(font.family for font in FONTS))
"""Font families that :func:`glyphs` knows. DejaVu and STIX have all four styles."""

# Computer Modern keeps TeX's own order: outside these it draws another character than asked for.
_SAFE_IN_TEX_ORDER = set(string.ascii_letters + string.digits + "!%()+,-./:;=?@[]")
# Matplotlib ships this font since 3.11 only. Before, the nearly equal letters of its formulas stand
# in, and other characters of another italic, so that all other glyphs stay what they are.
_YOUNG, _LETTERS, _OTHERS = "cmti10", "cmmi10", "STIXGeneralItalic"


@dataclass(frozen=True)
class Ink:
    """A character drawn upright and large: its pixels, and where its weight and its box are."""

    image: Any  # PIL.Image.Image
    centre: tuple[float, float]  # x, y of the centre of mass
    box: tuple[int, int, int, int]  # left, top, right, bottom
    unit: int  # height of a digit in pixels


def _folder() -> Path:
    """Return where Matplotlib keeps its fonts."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@lru_cache(maxsize=128)
def _open_font(file: str, unit: int) -> Any:
    """Open a font at the size at which its digits are ``unit`` pixels high."""
    from PIL import ImageFont

    path = str(_folder() / f"{file}.ttf")
    basic = ImageFont.Layout.BASIC
    trial = ImageFont.truetype(path, 200, layout_engine=basic)
    _, top, _, bottom = trial.getbbox("8")
    return ImageFont.truetype(path, 200 * unit / (bottom - top), layout_engine=basic)


def _draw(font: Any, character: str) -> Any:
    """Draw a character on a canvas that leaves room on every side."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = font.getbbox(character)
    room = 4
    canvas = Image.new("L", (int(right - left) + 2 * room, int(bottom - top) + 2 * room), 0)
    ImageDraw.Draw(canvas).text((room - left, room - top), character, fill=255, font=font)
    return canvas


@lru_cache(maxsize=4096)
def ink(file: str, character: str, unit: int) -> Ink | None:
    """Draw a character upright; None where the font does not have it."""
    if file.startswith("cm") and character not in _SAFE_IN_TEX_ORDER:
        return None
    if file == _YOUNG and not (_folder() / f"{file}.ttf").is_file():
        return ink(_LETTERS if character in string.ascii_letters else _OTHERS, character, unit)
    font = _open_font(file, unit)
    image = _draw(font, character)
    # A font draws the same box (or nothing) for every character that it lacks.
    lacking = _draw(font, "\U0010fffd")
    box = image.getbbox()
    if box is None or (image.size == lacking.size and image.tobytes() == lacking.tobytes()):
        return None
    weight = np.asarray(image, dtype=np.float64)
    total = weight.sum()
    # A pixel's centre lies half a pixel from its corner.
    x = (weight.sum(0) @ (np.arange(weight.shape[1]) + 0.5)) / total
    y = (weight.sum(1) @ (np.arange(weight.shape[0]) + 0.5)) / total
    return Ink(image, (float(x), float(y)), box, unit)


def choose_fonts(
    labels: np.ndarray,
    draws: np.ndarray,
    characters: Sequence[str],
    fonts: Sequence[int],
    unit: int,
) -> np.ndarray:
    """Choose a family, then a style of it, for each label, among the fonts that have it.

    ``draws`` ``(n, 2)`` are uniform on [0, 1). The family depends on the first alone, so that
    sets in different styles agree in it as far as the families have the styles.
    """
    chosen = np.empty(len(labels), dtype=np.int64)
    for label, character in enumerate(characters):
        having = [i for i in fonts if ink(FONTS[i].file, character, unit) is not None]
        if not having:
            raise ValueError(
                f"characters: none of the chosen fonts draws {character!r} "
                f"(U+{ord(character):04X}); leave it out or allow more styles and families"
            )
        families = list(dict.fromkeys(FONTS[i].family for i in having))
        rows = np.flatnonzero(labels == label)
        family = (draws[rows, 0] * len(families)).astype(int)
        for number, name in enumerate(families):
            members = [i for i in having if FONTS[i].family == name]
            own = rows[family == number]
            chosen[own] = np.array(members)[(draws[own, 1] * len(members)).astype(int)]
    return chosen
