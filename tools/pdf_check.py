"""Glyphs that a PDF draws and no font has: readers see empty boxes, or nothing at all.

A font's glyph 0 is what stands for a character that it lacks. Chromium draws it when no font of
the machine has the character, so that it is looked for where the pages draw text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pypdf import PdfReader
from pypdf.generic import ArrayObject, ByteStringObject, ContentStream, TextStringObject


def _bytes(text: Any) -> bytes:
    """Return the codes of a drawn string."""
    if isinstance(text, ByteStringObject):
        return bytes(text)
    return text.original_bytes if isinstance(text, TextStringObject) else b""


def _missing_codes(font: Any) -> tuple[int, set[int]]:
    """Return the bytes of a code, and the codes that draw a font's glyph 0."""
    if font["/Subtype"] == "/Type0":
        return 2, {0}
    codes, place = set(), 0
    encoding = font.get("/Encoding")
    differences = encoding.get("/Differences", []) if hasattr(encoding, "get") else []
    for entry in differences:
        if isinstance(entry, (int, float)):
            place = int(entry)
        else:
            if entry in ("/g0", "/.notdef"):
                codes.add(place)
            place += 1
    return 1, codes


def _drawn(stream: Any, resources: Any, pdf: Any) -> Iterator[tuple[Any, bytes]]:
    """Yield each string that is drawn, with its font; forms within the page count, too."""
    fonts = resources.get("/Font", {})
    forms = resources.get("/XObject", {})
    font = None
    for operands, operator in ContentStream(stream, pdf).operations:
        if operator == b"Tf":
            font = fonts[operands[0]].get_object()
        elif operator in (b"Tj", b"'"):
            yield font, _bytes(operands[0])
        elif operator == b"TJ":
            parts = [part for part in operands[0] if not isinstance(part, (int, float))]
            yield font, b"".join(map(_bytes, ArrayObject(parts)))
        elif operator == b"Do" and forms[operands[0]].get_object().get("/Subtype") == "/Form":
            form = forms[operands[0]].get_object()
            yield from _drawn(form, form.get("/Resources", resources), pdf)


def missing_glyphs(path: Path) -> list[str]:
    """Return the pages of a PDF, from 1, on which glyphs are missing: how many, of which font."""
    problems = []
    reader = PdfReader(path)
    for number, page in enumerate(reader.pages, 1):
        counts: dict[str, int] = {}
        for font, text in _drawn(page.get_contents(), page["/Resources"], reader):
            if font is None:
                continue
            size, codes = _missing_codes(font)
            drawn = [int.from_bytes(text[i : i + size]) for i in range(0, len(text), size)]
            missing = sum(code in codes for code in drawn)
            if missing:
                name = str(font.get("/BaseFont", "a font of drawings"))
                counts[name] = counts.get(name, 0) + missing
        problems += [f"page {number}: {count} of {name}" for name, count in counts.items()]
    return problems
