"""Schematics of models: boxes, circles, pixels and arrows, in SVG that takes the page's colours.

Lines and words have the colour of the text around them and fills are translucent, so that one
drawing reads on a light and on a dark page, and in print.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gdmlib.plotting._style import COLOURS

_FONT = 15


@dataclass(frozen=True)
class Node:
    """A shape of a diagram: its centre, half its width and height, and whether it is round."""

    x: float
    y: float
    half_width: float
    half_height: float
    round: bool = False

    def edge(self, towards: tuple[float, float], gap: float = 3.0) -> tuple[float, float]:
        """Return where the line from the centre to a point leaves the shape, and a little on."""
        dx, dy = towards[0] - self.x, towards[1] - self.y
        length = math.hypot(dx, dy) or 1.0
        if self.round:
            inside = self.half_width / length
        else:
            inside = min(
                self.half_width / abs(dx) if dx else math.inf,
                self.half_height / abs(dy) if dy else math.inf,
            )
        share = min(inside + gap / length, 1.0)
        return self.x + share * dx, self.y + share * dy


class Diagram:
    """A drawing of a model, shown when it is the last value of a notebook's cell.

    Words between dollars are set as symbols, with ``_`` and ``^`` for what stands lower or higher:
    ``"$h_{<i}$"``. Colours are indices into `COLOURS`.

    Args:
        width, height: Size in pixels; x runs to the right, y runs down.
        alt: What there is to see, for those who do not see it.

    Examples:
        >>> chain = Diagram(200, 60, alt="x1 with an arrow to x2")
        >>> first, second = chain.circle(30, 30, "$x_1$"), chain.circle(120, 30, "$x_2$")
        >>> chain.arrow(first, second)
    """

    def __init__(self, width: float, height: float, *, alt: str) -> None:
        if not alt.strip():
            raise ValueError("alt: expected a sentence that says what there is to see, got nothing")
        self.width, self.height, self.alt = width, height, alt
        self._parts: list[str] = []

    def box(
        self, x: float, y: float, words: str = "", *, width: float = 90, height: float = 36,
        colour: int | None = None,
    ) -> Node:  # fmt: skip
        """Draw a box around the point (x, y) and return it, for arrows."""
        self._parts.append(
            f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" '
            f'height="{height:g}" rx="6" {_paint(colour)}/>'
        )
        self.text(x, y, words)
        return Node(x, y, width / 2, height / 2)

    def circle(
        self, x: float, y: float, words: str = "", *, radius: float = 19, colour: int | None = None
    ) -> Node:
        """Draw a circle around the point (x, y) and return it, for arrows."""
        self._parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" {_paint(colour)}/>')
        self.text(x, y, words)
        return Node(x, y, radius, radius, round=True)

    def grid(
        self, x: float, y: float, colours: Sequence[Sequence[int | None]], *, cell: float = 22
    ) -> list[list[Node]]:
        """Draw pixels from the upper left corner (x, y) on, and return them row by row."""
        return [
            [
                self._pixel(x + (column + 0.5) * cell, y + (row + 0.5) * cell, cell, colour)
                for column, colour in enumerate(line)
            ]
            for row, line in enumerate(colours)
        ]

    def _pixel(self, x: float, y: float, cell: float, colour: int | None) -> Node:
        corner = f'x="{x - cell / 2:g}" y="{y - cell / 2:g}"'
        self._parts.append(f'<rect {corner} width="{cell:g}" height="{cell:g}" {_paint(colour)}/>')
        return Node(x, y, cell / 2, cell / 2)

    def arrow(
        self, start: Node, end: Node, words: str = "", *, bend: float = 0.0, dashed: bool = False
    ) -> None:
        """Draw an arrow between two shapes; ``bend`` pixels to its right, with words beside it."""
        dx, dy = end.x - start.x, end.y - start.y
        length = math.hypot(dx, dy) or 1.0
        control = (
            (start.x + end.x) / 2 - bend * dy / length,
            (start.y + end.y) / 2 + bend * dx / length,
        )
        # A straight arrow aims at the other centre: its middle may lie inside of a wide box.
        (x1, y1) = start.edge(control if bend else (end.x, end.y))
        (x2, y2) = end.edge(control if bend else (start.x, start.y), gap=5.0)
        if not bend:
            control = ((x1 + x2) / 2, (y1 + y2) / 2)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<path d="M{x1:.1f} {y1:.1f} Q{control[0]:.1f} {control[1]:.1f} {x2:.1f} {y2:.1f}" '
            f'fill="none" stroke="currentColor" stroke-width="1.5"{dash}/>'
        )
        self._parts.append(_head(control, (x2, y2)))
        if words:
            side = 12.0 if bend >= 0 else -12.0
            middle = ((x1 + x2) / 4 + control[0] / 2, (y1 + y2) / 4 + control[1] / 2)
            self.text(
                middle[0] - side * dy / length, middle[1] + side * dx / length, words, size=13
            )

    def text(
        self, x: float, y: float, words: str, *, size: float = _FONT, align: str = "middle"
    ) -> None:
        """Write words at (x, y); ``align`` is ``"start"``, ``"middle"`` or ``"end"``."""
        if words:
            self._parts.append(
                f'<text x="{x:g}" y="{y + 0.35 * size:g}" font-size="{size:g}" '
                f'text-anchor="{align}" fill="currentColor">{_spans(words, size)}</text>'
            )

    def _repr_html_(self) -> str:
        return (
            f'<svg class="schematic" xmlns="http://www.w3.org/2000/svg" role="img" '
            f'aria-label="{escape(self.alt)}" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'style="width:{self.width:g}px;max-width:100%;height:auto;display:block;margin:auto;'
            f'font-family:sans-serif">{"".join(self._parts)}</svg>'
        )

    def __repr__(self) -> str:
        return f"Diagram: {self.alt}"


def _paint(colour: int | None) -> str:
    line = 'stroke="currentColor" stroke-width="1.3"'
    if colour is None:
        return f'fill="none" {line}'
    return f'fill="{COLOURS[colour]}" fill-opacity="0.3" {line}'


def _head(before: tuple[float, float], tip: tuple[float, float]) -> str:
    """Return the triangle at the end of an arrow that comes from ``before``."""
    angle = math.atan2(tip[1] - before[1], tip[0] - before[0])
    corners = [
        (tip[0] - 9 * math.cos(angle + turn), tip[1] - 9 * math.sin(angle + turn))
        for turn in (-0.4, 0.4)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, *corners))
    return f'<polygon points="{points}" fill="currentColor"/>'


def _spans(words: str, size: float) -> str:
    """Return words as SVG, symbols between dollars in italics with lower and upper indices."""
    parts = words.split("$")
    if len(parts) % 2 == 0:
        raise ValueError(f"words: expected dollars in pairs, got {words!r}")
    return "".join(_symbols(part, size) if n % 2 else escape(part) for n, part in enumerate(parts))


def _symbols(formula: str, size: float) -> str:
    spans, back = [], 0.0  # how far the text has to go up again after an index
    for mark, group, single, plain in re.findall(r"([_^])(?:\{([^}]*)\}|(.))|([^_^]+)", formula):
        shift = {"_": 0.28, "^": -0.42}.get(mark, 0.0) * size
        small = f' font-size="{0.75 * size:g}"' if mark else ""
        inner = escape(group or single or plain)
        # Letters are slanted, digits and signs are not.
        inner = re.sub(
            r"(?<!&)\b([^\W\d_]+)\b(?!;)", r'<tspan font-style="italic">\1</tspan>', inner
        )
        spans.append(f'<tspan dy="{shift - back:.1f}"{small}>{inner}</tspan>')
        back = shift
    if back:
        spans.append(f'<tspan dy="{-back:.1f}">\u200b</tspan>')
    return "".join(spans)
