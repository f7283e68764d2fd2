"""How figures come into a notebook: lines as SVG, pictures as PNG of twice the pixels."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.collections import Collection, QuadMesh
from matplotlib.figure import Figure

_MAX_POINTS = 4_000  # beyond, an SVG is larger than the picture it replaces
_MAX_BYTES = 150_000


def is_line_drawing(figure: Figure) -> bool:
    """Whether a figure holds lines and words only, and few enough of them."""
    points = 0
    for axes in figure.axes:
        if axes.images or any(isinstance(part, QuadMesh) for part in axes.collections):
            return False
        points += sum(np.size(line.get_xdata()) for line in axes.lines)
        points += sum(_count_points(part) for part in axes.collections)
        points += 5 * len(axes.patches)
    return points <= _MAX_POINTS


def _count_points(collection: Collection) -> int:
    paths = collection.get_paths()
    corners = sum(np.shape(path.vertices)[0] for path in paths)
    return corners * len(np.atleast_2d(collection.get_offsets())) if len(paths) == 1 else corners


def to_svg(figure: Figure) -> str | None:
    """Return a line drawing as SVG, the same text each time, and None for another figure."""
    if not is_line_drawing(figure):
        return None
    with rc_context({"svg.hashsalt": "gdmlib"}):
        svg = _printed(figure, "svg", metadata={"Date": None, "Creator": None}).decode()
    return _smaller(svg)


def _smaller(svg: str) -> str:
    """Leave out what a picture does not need, half of the file.

    That is comments, metadata, the labels of groups, line breaks, and more digits than a tenth of
    a point in paths and five elsewhere. Shorter names of parts would save more, and be wrong: a
    notebook puts all its drawings on one page, where a name must mean the same part in each.
    """
    unneeded = (
        r"<!--.*?-->|<metadata>.*?</metadata>|<!DOCTYPE.*?>|<\?xml.*?\?>|(?<=<g) id=\"[^\"]*\""
    )
    svg = re.sub(unneeded, "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s+", " ", re.sub(r">\s+<", "><", svg)).strip()
    svg = re.sub(r'(?<= d=")[^"]+', lambda path: _rounded(path[0], ".1f"), svg)
    svg = re.sub(r'(?<= (?:x|y)=")[^"]+', lambda place: _rounded(place[0], ".5g"), svg)
    return re.sub(r'(?<= transform=")[^"]+', lambda place: _rounded(place[0], ".5g"), svg)


def _rounded(numbers: str, form: str) -> str:
    """Round the numbers with a decimal point in a text; commands of a path need no spaces."""
    short = re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):{form}}", numbers)
    return re.sub(r" ?([A-Za-z]) ", r"\1", re.sub(r"\.0\b", "", short)).strip()


def to_png(figure: Figure) -> tuple[bytes, dict[str, int]] | None:
    """Return a picture as PNG with twice the pixels, and the size to show it at.

    A photograph for which that is too large has fewer.
    """
    if is_line_drawing(figure):
        return None
    for scale in (2.0, 1.5, 1.0):
        png = _printed(figure, "png", dpi=scale * figure.dpi)
        if len(png) <= _MAX_BYTES:
            break
    width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))
    return png, {"width": round(width / scale), "height": round(height / scale)}


def _printed(figure: Figure, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=kind, bbox_inches="tight", **options)
    return out.getvalue()


def prepare_inline() -> None:
    """In a notebook with inline figures, show them so from now on; elsewhere do nothing."""
    from IPython import get_ipython
    from matplotlib import get_backend

    # Asking for the backend loads it, and loading it would undo settings that were made before.
    shell = get_ipython()
    if shell is None or "inline" not in get_backend():
        return
    from matplotlib_inline.config import InlineBackend

    InlineBackend.instance().figure_formats = {"png", "svg"}  # which sets both formatters
    formatters = shell.display_formatter.formatters
    formatters["image/svg+xml"].for_type(Figure, to_svg)
    formatters["image/png"].for_type(Figure, to_png)
