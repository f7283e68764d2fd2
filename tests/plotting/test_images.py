"""Images are drawn as they are, and a receptive field shows every leak."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from gdmlib import plotting


def mosaic(ax) -> np.ndarray:
    (image,) = ax.get_images()
    return np.asarray(image.get_array())


def test_grid_shows_each_image_where_it_belongs_with_a_border_between():
    values = torch.tensor([0.0, 1.0, 0.25])
    ax = plotting.image_grid(values.view(3, 1, 1).expand(3, 4, 4), ncols=2)
    drawn = mosaic(ax)
    height, width = drawn.shape[0] // 2, drawn.shape[1] // 2
    centres = [drawn[h // 2, w // 2] for h, w in ((height, width), (height, 3 * width))]
    assert [c[0] for c in centres] == [0.0, 1.0]
    assert drawn[3 * height // 2, width // 2, 0] == pytest.approx(0.25, abs=0.01)
    assert np.allclose(drawn[0, 0], to_rgb("#9AA5B1"))  # a border around
    assert np.allclose(drawn[height // 2, width], to_rgb("#9AA5B1"), atol=1e-6)  # and between
    assert np.allclose(drawn[3 * height // 2, 3 * width // 2], 1.0)  # the free place is card


def test_grid_draws_colour_images_as_they_are():
    image = torch.zeros(1, 3, 5, 5)
    image[:, 0] = 1.0
    assert (mosaic(plotting.image_grid(image)) == [1.0, 0.0, 0.0]).all(axis=-1).any()


def test_grid_marks_nan_and_infinite_pixels_and_clips_the_rest():
    image = torch.full((1, 3, 3), 7.0)
    image[0, 0, 0], image[0, 2, 2] = float("nan"), float("inf")
    drawn = mosaic(plotting.image_grid(image))
    assert np.isfinite(drawn).all()
    red = mosaic(plotting.image_grid(image, missing="red"))
    assert (red == [1.0, 0.0, 0.0]).all(axis=-1).any()
    orange = np.isclose(drawn, to_rgb("#E69F00")).all(axis=-1)
    assert np.isclose(drawn, 1.0).all(axis=-1).any()
    assert orange.sum() > 0
    assert 1.9 < orange.sum() / np.isclose(drawn, 1.0).all(axis=-1).sum() * 7 < 2.1


@pytest.mark.parametrize(
    "images", [torch.full((2, 3, 3), float("nan")), torch.full((2, 3, 3), 2.0)]
)
def test_grid_finds_its_own_range_even_where_there_is_none(images):
    assert np.isfinite(mosaic(plotting.image_grid(images, vmin=None, vmax=None))).all()


def test_grid_takes_the_range_of_all_images_together():
    images = torch.tensor([-3.0, 5.0]).view(2, 1, 1).expand(2, 2, 2)
    drawn = mosaic(plotting.image_grid(images, vmin=None, vmax=None))
    assert drawn[10, 10, 0] == 0.0
    assert drawn[10, -10, 0] == 1.0


def test_grid_writes_titles_and_row_labels():
    ax = plotting.image_grid(
        torch.rand(4, 6, 6), ncols=2, titles=["a", "b", "c", "d"], row_labels=["real", "drawn"]
    )
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c", "d", "real", "drawn"]
    ax.figure.savefig(io.BytesIO(), format="png")


def test_grid_covers_whole_screen_pixels_in_a_figure_of_its_own():
    ax = plotting.image_grid(torch.rand(10, 8, 8))
    height, width = mosaic(ax).shape[:2]
    box = ax.get_window_extent()
    assert (box.width, box.height) == (pytest.approx(width), pytest.approx(height))


@pytest.mark.parametrize("nrows", [1, 2, 4])
def test_pictures_that_fit_in_width_keep_their_pixels(nrows):
    picture = torch.rand(nrows, 1, 220, 60, generator=torch.Generator().manual_seed(0))
    ax = plotting.image_grid(picture, ncols=1)
    height = ax.get_figure().get_size_inches()[1] * plt.rcParams["figure.dpi"]
    assert height == pytest.approx(len(mosaic(ax)))
    assert height >= 220 * nrows


def test_grid_draws_into_given_axes_and_shrinks_large_photographs():
    _, ax = plt.subplots(figsize=(2, 2))
    assert plotting.image_grid(np.random.default_rng(0).random((2, 3, 300, 500)), ax=ax) is ax
    ax = plotting.image_grid(torch.rand(1, 3, 900, 1600), titles=["large"])
    assert ax.figure.get_figwidth() * 110 < 700


@pytest.mark.parametrize(
    ("images", "arguments", "message"),
    [
        (torch.rand(4, 4), {}, r"expected shape \(N, H, W\).*\(4, 4\).*images\[None\]"),
        (torch.rand(2, 2, 4, 4), {}, "got .2, 2, 4, 4."),
        (torch.rand(0, 4, 4), {}, "at least one"),
        (torch.rand(2, 4, 4), {"titles": ["a"]}, "titles: expected 2"),
        (torch.rand(2, 4, 4), {"ncols": 1, "row_labels": ["a"]}, "row_labels: expected 2"),
        (torch.rand(2, 4, 4), {"ncols": 0}, "ncols"),
        (torch.rand(2, 4, 4), {"vmin": 2.0}, "vmin"),
        (torch.rand(2, 4, 4), {"cmap": "beige"}, "beige"),
    ],
)
def test_grid_refuses(images, arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.image_grid(images, **arguments)


def test_grid_refuses_what_is_no_tensor():
    with pytest.raises(TypeError, match="images: expected a torch"):
        plotting.image_grid([[1.0]])


# --- receptive fields -----------------------------------------------------------------------------


def test_receptive_field_marks_the_pixel_and_a_leak_but_not_the_past():
    influence = torch.zeros(5, 7)
    influence[0, 1] = influence[2, 2] = 1.0  # the past
    influence[2, 3] = influence[4, 6] = 0.1  # the pixel itself and the future: leaks
    ax = plotting.receptive_field(influence)
    (mark,) = ax.patches
    assert mark.get_xy() == (2.5, 1.5)
    leaks = ax.lines[-1]
    assert list(zip(leaks.get_xdata(), leaks.get_ydata(), strict=True)) == [(3, 2), (6, 4)]
    assert {text.get_text() for text in ax.texts} == {"past", "future"}


def test_receptive_field_without_a_raster_order_and_without_influence():
    ax = plotting.receptive_field(torch.zeros(4, 4), pixel=(0, 3), causal=False)
    assert not ax.texts
    assert ax.patches[0].get_xy() == (2.5, -0.5)


@pytest.mark.parametrize(
    ("influence", "pixel"),
    [
        (torch.zeros(3), None),
        (-torch.ones(3, 3), None),
        (torch.full((3, 3), float("nan")), None),
        (torch.ones(3, 3), (3, 0)),
    ],
)
def test_receptive_field_refuses(influence, pixel):
    with pytest.raises(ValueError, match=r"influence|pixel"):
        plotting.receptive_field(influence, pixel=pixel)


def test_a_picture_with_its_colours_last_is_not_many_grey_ones():
    with pytest.raises(ValueError, match=r"colours last; use torch\.as_tensor\(images\)\.movedim"):
        plotting.image_grid(np.zeros((20, 30, 3)))
    assert plotting.image_grid(np.zeros((4, 4, 3))) is not None
    assert (
        plotting.image_grid(torch.as_tensor(np.zeros((20, 30, 3))).movedim(-1, 0)[None]) is not None
    )
