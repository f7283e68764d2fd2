"""Schematics: well-formed SVG, arrows from edge to edge, symbols with indices, alt text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from gdmlib.plotting import Diagram
from gdmlib.plotting._diagram import Node

SVG = "{http://www.w3.org/2000/svg}"


def drawn(diagram: Diagram) -> ElementTree.Element:
    return ElementTree.fromstring(diagram._repr_html_())


def chain() -> Diagram:
    diagram = Diagram(200, 60, alt="x1 < x2 & more")
    first, second = diagram.circle(30, 30, "$x_1$"), diagram.box(150, 30, "a < b", colour=1)
    diagram.arrow(first, second, "draw")
    diagram.grid(0, 0, [[0, None], [1, 2]])
    return diagram


def test_a_diagram_is_well_formed_and_says_what_there_is_to_see() -> None:
    svg = drawn(chain())
    assert svg.get("aria-label") == "x1 < x2 & more" and svg.get("role") == "img"
    assert len(svg.findall(f"{SVG}rect")) == 5 and len(svg.findall(f"{SVG}circle")) == 1
    assert "a < b" in "".join(svg.itertext())


def test_lines_and_words_have_the_colour_of_the_page() -> None:
    for part in drawn(chain()).iter():
        assert part.get("stroke") in (None, "currentColor")
        if part.tag == f"{SVG}text":
            assert part.get("fill") == "currentColor"
        if (part.get("fill") or "").startswith("#"):
            assert float(part.get("fill-opacity", "1")) < 0.5


def test_an_arrow_goes_from_edge_to_edge() -> None:
    path = drawn(chain()).find(f"{SVG}path")
    assert path is not None
    x1, y1, *_, x2, y2 = map(float, re.findall(r"-?[\d.]+", path.get("d", "")))
    assert (y1, y2) == (30, 30)
    assert 30 + 19 < x1 < 30 + 19 + 6 and 150 - 45 - 6 < x2 < 150 - 45


def test_an_arrow_ends_before_a_wide_box() -> None:
    diagram = Diagram(300, 60, alt="a pixel and a wide box")
    diagram.arrow(diagram.circle(30, 30), diagram.box(200, 30, width=180))
    path = drawn(diagram).find(f"{SVG}path")
    assert path is not None
    x1, _, middle, _, x2, _ = map(float, re.findall(r"-?[\d.]+", path.get("d", "")))
    assert x1 < middle < x2 < 200 - 90
    head = drawn(diagram).find(f"{SVG}polygon")
    assert head is not None
    tip, *back = (float(corner.split(",")[0]) for corner in head.get("points", "").split())
    assert tip == x2 and max(back) < tip


@pytest.mark.parametrize("round_", [False, True])
def test_an_edge_lies_outside_of_its_shape(round_: bool) -> None:
    node = Node(0, 0, 20, 20 if round_ else 10, round=round_)
    for towards in ((100, 0), (0, -100), (100, 30), (-30, 100)):
        x, y = node.edge(towards)
        outside = x * x + y * y >= 400 if round_ else abs(x) >= 20 or abs(y) >= 10
        assert outside and x * towards[1] == pytest.approx(y * towards[0])
    assert node.edge((1, 1)) == (1, 1)  # a near point: never beyond it


def test_symbols_have_indices_and_come_back_to_the_line() -> None:
    diagram = Diagram(100, 40, alt="a symbol")
    diagram.text(50, 20, "$p(x_i|x_{<i})$ and $h^2$", size=10)
    text = drawn(diagram).find(f"{SVG}text")
    assert text is not None and "".join(text.itertext()).replace("\u200b", "") == "p(xi|x<i) and h2"
    shifts = [float(span.get("dy", "0")) for span in text.iter(f"{SVG}tspan")]
    assert sum(shifts) == pytest.approx(0, abs=0.21) and {2.8, -4.2} <= set(shifts)
    slanted = [s.text for s in text.iter(f"{SVG}tspan") if s.get("font-style") == "italic"]
    assert slanted == ["p", "x", "i", "x", "i", "h"]


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="what there is to see"):
        Diagram(10, 10, alt=" ")
    with pytest.raises(ValueError, match=r"dollars in pairs.*x_1"):
        Diagram(10, 10, alt="a").text(0, 0, "$x_1")
