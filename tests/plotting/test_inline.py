"""Each figure is shown in one form: lines as SVG, pictures as PNG of twice the pixels."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gdmlib import plotting
from gdmlib.plotting import _inline


def lines() -> Figure:
    fig, ax = plt.subplots(figsize=(4, 3))
    ax.plot(np.arange(100.0), label="a line")
    ax.bar([0, 1], [3, 4])
    ax.legend()
    return fig


def picture() -> Figure:
    return plotting.image_grid(np.zeros((4, 1, 8, 8))).figure


def crowd() -> Figure:
    fig, ax = plt.subplots()
    ax.scatter(*np.random.default_rng(0).normal(size=(2, 5_000)))
    return fig


def mesh() -> Figure:
    fig, ax = plt.subplots()
    ax.pcolormesh(np.zeros((3, 3)))
    return fig


@pytest.mark.parametrize(
    ("draw", "vector"), [(lines, True), (picture, False), (crowd, False), (mesh, False)]
)
def test_every_figure_has_one_form(draw, vector: bool) -> None:
    fig = draw()
    assert (_inline.to_svg(fig) is not None) == vector
    assert (_inline.to_png(fig) is None) == vector


def test_an_svg_is_the_same_text_each_time() -> None:
    first, second = (_inline.to_svg(lines()) for _ in range(2))
    assert first == second
    assert first is not None and first.startswith("<svg") and "Matplotlib" not in first


def test_a_picture_has_twice_the_pixels_and_says_its_size() -> None:
    fig = picture()
    shown = _inline.to_png(fig)
    assert shown is not None
    width, height = Image.open(io.BytesIO(shown[0])).size
    assert shown[1] == {"width": round(width / 2), "height": round(height / 2)}
    plain = io.BytesIO()
    fig.savefig(plain, dpi=fig.dpi, bbox_inches="tight")
    assert Image.open(plain).size == pytest.approx((width / 2, height / 2), abs=2)


def test_a_large_photograph_has_fewer_pixels() -> None:
    fig, ax = plt.subplots()
    ax.imshow(np.random.default_rng(0).random((1000, 1000)))
    shown = _inline.to_png(fig)
    assert shown is not None
    width = Image.open(io.BytesIO(shown[0])).size[0]
    assert width < 1.6 * shown[1]["width"]


def test_an_svg_keeps_its_shape_without_its_last_decimals() -> None:
    fig = lines()
    rough = _inline.to_svg(fig)
    exact = _inline._printed(fig, "svg", metadata={"Date": None, "Creator": None}).decode()
    assert rough is not None and len(rough) < 0.75 * len(exact)
    assert "scale(0.015625" in rough  # glyphs keep their size
    for tag, key, size in (("path", "d", 0.051), ("use", "x", 6e-3), ("g", "transform", 6e-3)):
        before, after = (attributes(svg, tag, key) for svg in (exact, rough))
        assert len(before) == len(after) and before
        for first, second in zip(before, after, strict=True):
            assert numbers(second) == pytest.approx(numbers(first), abs=size)


def attributes(svg: str, tag: str, key: str) -> list[str]:
    """Return the values of one attribute, part by part."""
    parts = ElementTree.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{tag}")
    return [part.get(key, "") for part in parts if part.get(key)]


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", text)]
