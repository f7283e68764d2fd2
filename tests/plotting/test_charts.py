"""Classes and curves can be told apart and stand where they belong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from gdmlib import plotting
from gdmlib.training import History


def test_scatter_gives_each_class_its_colour_marker_and_name(generator):
    x = torch.randn(30, 2, generator=generator)
    y = torch.arange(30) % 3
    ax = plotting.scatter(x, y, classes=["a", "b", "c"], labels=("length (cm)", "width (cm)"))
    assert len(ax.collections) == 3
    for label, dots in enumerate(ax.collections):
        assert np.allclose(dots.get_offsets(), x[y == label])
        assert to_rgba(plotting.COLOURS[label])[:3] == pytest.approx(dots.get_facecolor()[0][:3])
    shapes = {dots.get_paths()[0].vertices.tobytes() for dots in ax.collections}
    assert len(shapes) == 3
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    assert ax.get_xlabel() == "length (cm)"


def test_scatter_without_classes_or_without_names():
    ax = plotting.scatter(torch.rand(5, 2))
    plotting.scatter(torch.rand(5, 2), torch.tensor([0, 1, 1, 0, 4]), ax=ax)
    assert ax.get_legend() is None


@pytest.mark.parametrize(
    ("x", "y", "classes", "message"),
    [
        (torch.rand(5, 3), None, None, "x: expected shape"),
        (torch.tensor([[0.0, float("nan")]]), None, None, "NaN"),
        (torch.rand(3, 2), torch.tensor([0, 1]), None, "expected 3 labels"),
        (torch.rand(2, 2), torch.tensor([0, 2]), ["a", "b"], "labels 0 to 1"),
        (torch.rand(2, 2), torch.tensor([0.0, 1.0]), None, "integers"),
        (torch.rand(2, 2), torch.tensor([0, 1]), list("abcdefghi"), "at most 8"),
    ],
)
def test_scatter_refuses(x, y, classes, message):
    with pytest.raises(ValueError, match=message):
        plotting.scatter(x, y, classes=classes)


@pytest.fixture
def history() -> History:
    return History(
        epoch=[1, 2, 3, 4],
        metrics={"loss": [4.0, 3.0, 2.0, 1.0], "norm": [1.0, 1.0, 1.0, 1.0]},
        valid_epoch=[2, 4],
        valid={"loss": [3.5, 1.5]},
    )


def test_curves_stand_at_their_epochs(history):
    ax = plotting.training_curves(history, keys=["loss"], ylabel="nats", baseline=2.0)
    train, valid, _ = ax.lines
    assert list(train.get_xdata()) == [1, 2, 3, 4]
    assert list(valid.get_xdata()) == [2, 4]
    assert list(valid.get_ydata()) == [3.5, 1.5]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["training", "validation", "baseline"]
    assert train.get_color() != valid.get_color()
    assert train.get_linestyle() != valid.get_linestyle()


def test_curves_are_drawn_in_the_unit_that_is_asked_for(history):
    ax = plotting.training_curves(history, keys=["loss"], convert=lambda nats: nats / 2 + 8)
    assert list(ax.lines[0].get_ydata()) == [10.0, 9.5, 9.0, 8.5]
    assert list(ax.lines[1].get_ydata()) == [9.75, 8.75]


def test_curves_draw_all_that_was_recorded_by_default(history):
    ax = plotting.training_curves(history)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["loss, training", "loss, validation", "norm, training"]


@pytest.mark.parametrize("keys", [["accuracy"], []])
def test_curves_refuse_unknown_keys(history, keys):
    with pytest.raises(ValueError, match="keys: expected some of"):
        plotting.training_curves(history, keys=keys)


def test_curves_refuse_an_empty_history():
    with pytest.raises(ValueError, match="keys"):
        plotting.training_curves(History())
