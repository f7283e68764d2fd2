"""No helper shows anything by itself, and none leaves its style or a figure behind."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from gdmlib import plotting


@pytest.fixture(autouse=True)
def _house_style(monkeypatch):
    def show(*args, **kwargs):
        raise AssertionError("a helper called plt.show()")

    monkeypatch.setattr(plt, "show", show)
    with plotting.style():
        yield
    plt.close("all")
