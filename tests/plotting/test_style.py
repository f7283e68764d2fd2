"""The house style holds until it is undone, and its colours can be told apart."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb

from gdmlib import plotting


def test_style_holds_from_now_on_and_can_be_undone():
    before = plt.rcParams["axes.titlesize"], plt.rcParams["figure.dpi"]
    plt.rcParams["figure.dpi"] = 77
    with plotting.style():
        assert plt.rcParams["figure.dpi"] == 110
        assert plt.rcParams["figure.facecolor"] == "white"
    assert (plt.rcParams["axes.titlesize"], plt.rcParams["figure.dpi"]) == (before[0], 77)


def test_every_text_is_at_least_nine_points():
    sizes = [plt.rcParams[k] for k in ("font.size", "xtick.labelsize", "ytick.labelsize")]
    sizes += [plt.rcParams[k] for k in ("legend.fontsize", "axes.titlesize", "axes.labelsize")]
    assert min(sizes) >= 9


def test_classes_differ_by_colour_and_by_marker():
    assert len(set(plotting.COLOURS)) == len(set(plotting.MARKERS)) == 8


def test_the_first_three_colours_read_on_white():
    def luminance(colour):
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)
        ]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for colour in plotting.COLOURS[:3]:
        assert 1.05 / (luminance(colour) + 0.05) >= 3  # WCAG 2.2, 1.4.11
