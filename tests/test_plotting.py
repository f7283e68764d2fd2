"""Every helper draws what it is given, refuses what makes no sense, and shows nothing by itself."""

from __future__ import annotations

import base64
import io
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb, to_rgba
from PIL import Image
from torch.distributions import MultivariateNormal, Normal

from gdmlib import plotting
from gdmlib.training import History


@pytest.fixture(autouse=True)
def _house_style(monkeypatch):
    def show(*args, **kwargs):
        raise AssertionError("a helper called plt.show()")

    monkeypatch.setattr(plt, "show", show)
    with plotting.style():
        yield
    plt.close("all")


def standard_normal(x: torch.Tensor) -> torch.Tensor:
    return -0.5 * x.square().sum(dim=-1) - math.log(2 * math.pi)


def mosaic(ax) -> np.ndarray:
    (image,) = ax.get_images()
    return np.asarray(image.get_array())


# --- style ----------------------------------------------------------------------------------------


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


# --- image grids ----------------------------------------------------------------------------------


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


# --- densities ------------------------------------------------------------------------------------


@pytest.mark.parametrize("filled", [True, False])
def test_contours_of_mass_have_the_radius_that_theory_says(filled):
    ax = plotting.density_contours(
        standard_normal, xlim=(-5, 5), ylim=(-5, 5), mass=(0.5, 0.9), filled=filled, resolution=401
    )
    heights = np.sort(ax.collections[0].levels)[:2]
    radius = np.sqrt(-2 * np.log(2 * math.pi * heights))
    # P(|x| < r) = 1 - exp(-r^2 / 2) for a standard normal in the plane
    assert radius == pytest.approx(np.sqrt(-2 * np.log([0.1, 0.5])), abs=0.02)


def test_contours_at_equal_steps_or_at_given_heights():
    ax = plotting.density_contours(standard_normal, levels=4, filled=False)
    steps = np.diff(ax.collections[0].levels)
    assert len(steps) == 3
    assert np.allclose(steps, steps[0])
    ax = plotting.density_contours(standard_normal, ax=ax, levels=[0.01, 0.1], filled=False)
    assert list(ax.collections[-1].levels) == [0.01, 0.1]
    assert ax.get_xlim() == (-4.0, 4.0)


def test_contours_ask_a_module_in_its_own_dtype_and_keep_no_gradient():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))

        def log_prob(self, x):
            assert x.dtype == torch.float64
            return standard_normal(x - self.mean)

    plotting.density_contours(Model().log_prob, resolution=20)


def test_contours_of_distributions_of_torch_and_of_a_density_with_holes():
    normal = MultivariateNormal(torch.zeros(2), torch.eye(2))
    plotting.density_contours(normal.log_prob, resolution=20)
    plotting.density_contours(
        lambda x: torch.where(x[:, 0] > 0, -x.sum(1), -math.inf), resolution=20
    )


@pytest.mark.parametrize(
    ("log_prob", "arguments", "message"),
    [
        (standard_normal, {"xlim": (1, 1)}, "xlim"),
        (standard_normal, {"ylim": (0, float("inf"))}, "ylim"),
        (standard_normal, {"resolution": 1}, "resolution"),
        (standard_normal, {"levels": 0}, "levels"),
        (standard_normal, {"levels": [0.2, 0.1]}, "levels"),
        (standard_normal, {"mass": (0.5, 1.0)}, "mass"),
        (standard_normal, {"mass": ()}, "mass"),
        (lambda x: torch.zeros(len(x)), {"mass": (0.2, 0.9)}, "cannot be told apart"),
        (lambda x: torch.zeros(len(x), 1), {}, r"log_prob\(x\): expected shape"),
        (lambda x: torch.full((len(x),), float("nan")), {}, "NaN"),
        (lambda x: torch.full((len(x),), -math.inf), {}, "largest density"),
    ],
)
def test_contours_refuse(log_prob, arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.density_contours(log_prob, **arguments)
    assert not plt.get_fignums(), "nothing is drawn when the arguments are wrong"


def test_curve_is_the_density_and_a_higher_one_still_fits():
    ax = plotting.density_curve(Normal(0.0, 1.0).log_prob, label="wide", filled=True)
    plotting.density_curve(Normal(0.0, 0.1).log_prob, ax, label="narrow")
    x, y = ax.lines[0].get_data()
    assert y == pytest.approx(np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi), rel=1e-5)
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] > 3.9
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["wide", "narrow"]


@pytest.mark.parametrize("arguments", [{"xlim": (1, 0)}, {"resolution": 0}])
def test_curve_refuses(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        plotting.density_curve(Normal(0.0, 1.0).log_prob, **arguments)


# --- points ---------------------------------------------------------------------------------------


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
    ax = plotting.scatter(torch.rand(5, 2), equal=True)
    assert ax.get_aspect() == 1
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


def test_ellipse_has_the_axes_of_the_covariance():
    angle = math.radians(30)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    covariance = turn @ torch.diag(torch.tensor([4.0, 1.0])) @ turn.T
    ax = plotting.covariance_ellipse(torch.tensor([1.0, 2.0]), covariance, label="fit")
    one, two = ax.patches
    assert (one.width, one.height) == (pytest.approx(4.0), pytest.approx(2.0))
    assert two.width == pytest.approx(8.0)
    assert one.angle % 180 == pytest.approx(30.0, abs=1e-3)
    assert one.get_label() == "fit"
    assert ax.get_xlim()[1] > 1 + 2 * 2 * math.cos(angle)


@pytest.mark.parametrize(
    ("covariance", "n_std", "message"),
    [
        (torch.eye(3), 1.0, "covariance: expected shape"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), 1.0, "symmetric"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), 1.0, "eigenvalue"),
        (torch.eye(2), [1.0, 0.0], "n_std"),
    ],
)
def test_ellipse_refuses(covariance, n_std, message):
    with pytest.raises(ValueError, match=message):
        plotting.covariance_ellipse(torch.zeros(2), covariance, n_std=n_std)


# --- curves ---------------------------------------------------------------------------------------


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


def test_reliability_of_a_calibrated_model_lies_on_the_diagonal(generator):
    probs = torch.rand(20_000, generator=generator)
    labels = (torch.rand(20_000, generator=generator) < probs).long()
    ax = plotting.reliability(probs, labels, label="model")
    plotting.reliability(probs**3, labels, ax=ax, label="cubed", colour=plotting.COLOURS[1])
    diagonal, good, bad = ax.lines
    assert list(diagonal.get_ydata()) == [0, 1]
    assert np.abs(good.get_ydata() - good.get_xdata()).max() < 0.05
    assert np.abs(bad.get_ydata() - bad.get_xdata()).max() > 0.2
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["perfectly calibrated", "model", "cubed"]


def test_reliability_refuses_logits():
    with pytest.raises(ValueError, match="probs"):
        plotting.reliability(torch.tensor([-3.0, 2.0]), torch.tensor([0, 1]))


# --- animations -----------------------------------------------------------------------------------


def dot_at(x: float):
    def draw(ax):
        ax.plot([x], [0.5], "o")
        ax.set(xlim=(0, 1), ylim=(0, 1))

    return draw


def test_animation_of_drawings_is_a_small_looping_gif_that_a_notebook_shows():
    film = plotting.animate(
        [dot_at(x) for x in (0.1, 0.5, 0.9)], fps=10, alt="a dot moves", hold=0.5
    )
    shown = film._repr_mimebundle_()
    assert base64.b64decode(shown["image/gif"]) == film.data
    assert shown["text/plain"] == "Animation of 3 frames: a dot moves"
    gif = Image.open(io.BytesIO(film.data))
    assert (gif.format, gif.n_frames, gif.info["loop"]) == ("GIF", 3, 0)
    durations = []
    for number in range(3):
        gif.seek(number)
        durations.append(gif.info["duration"])
    assert durations == [100, 100, 600]
    assert gif.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    assert len(film.data) < 30_000
    assert not plt.get_fignums(), "no figure is left for the notebook to show"


def test_animation_of_images_shows_each_of_them():
    frames = [torch.full((4, 4), value) for value in (0.0, 0.5, 1.0)]
    film = plotting.animate([frames[0], frames[1][None], frames[2].expand(3, 4, 4).numpy()])
    gif = Image.open(io.BytesIO(film.data))
    assert gif.size == (256, 256)
    seen = []
    for number in range(3):
        gif.seek(number)
        seen.append(gif.convert("RGB").getpixel((100, 100))[0])
    assert seen == pytest.approx([0, 128, 255], abs=1)


def test_animation_of_one_frame():
    assert plotting.animate([torch.rand(3, 8, 8)]).frames == 1


def test_animation_uses_fewer_colours_rather_than_growing(generator):
    frames = [torch.rand(3, 64, 64, generator=generator) for _ in range(4)]
    free = plotting.animate(frames, max_bytes=10_000_000)
    tight = plotting.animate(frames, max_bytes=len(free.data) // 2)
    assert len(tight.data) <= len(free.data) // 2
    with pytest.raises(ValueError, match="8 colours"):
        plotting.animate(frames, max_bytes=500)


@pytest.mark.parametrize(
    ("frames", "arguments", "message"),
    [
        ([], {}, "at least one"),
        ([torch.rand(4, 4)], {"fps": 0}, "fps"),
        ([torch.rand(4, 4)], {"hold": -1}, "hold"),
        ([torch.rand(4, 4), torch.rand(4, 5)], {}, "one size"),
        ([torch.rand(2, 4, 4)], {}, "images|shape"),
        ([torch.rand(4)], {}, "shape"),
        (["drawing"], {}, "got str"),
    ],
)
def test_animation_refuses(frames, arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.animate(frames, **arguments)
