"""An animation is a small GIF that a notebook shows."""

from __future__ import annotations

import base64
import io

import matplotlib.pyplot as plt
import pytest
import torch
from PIL import Image

from gdmlib import plotting


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
