"""Drawings or images, one after the other, as a small looping GIF."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from gdmlib.plotting._images import as_images, to_colours
from gdmlib.plotting._style import to_tensor


@dataclass(frozen=True, repr=False)
class Animation:
    """A small looping GIF that a notebook shows where it is the last value of a cell.

    Attributes:
        data: The bytes of the GIF.
        frames: Number of frames.
        alt: What there is to see, in words.
    """

    data: bytes
    frames: int
    alt: str

    def __repr__(self) -> str:
        return f"Animation of {self.frames} frames: {self.alt}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/gif": base64.b64encode(self.data).decode(), "text/plain": repr(self)}


def animate(
    frames: Sequence[Callable[[Axes], object] | Tensor | np.ndarray],
    fps: float = 8.0,
    *,
    alt: str = "",
    hold: float = 1.0,
    figsize: tuple[float, float] = (4.2, 3.6),
    max_bytes: int = 250_000,
) -> Animation:
    """Turn drawings or images into a small looping GIF.

    Args:
        frames: Each is a function that draws into the empty axes it is given, or an image with
            values in [0, 1], shape ``(H, W)``, ``(1, H, W)`` or ``(3, H, W)``; small images are
            enlarged. Drawings should fix their limits, or the axes jump.
        fps: Frames a second, at most 50.
        alt: What there is to see, in words.
        hold: Seconds that the last frame stays.
        figsize: Of a drawing, in inches.
        max_bytes: The GIF is made with fewer colours until it is no larger than this.
    """
    if len(frames) == 0:
        raise ValueError("frames: expected at least one")
    if not 0 < fps <= 50 or hold < 0:
        raise ValueError(f"fps, hold: expected 0 < fps <= 50 and hold >= 0, got {fps} and {hold}")
    pictures = [_frame(frame, figsize) for frame in frames]
    if len({picture.size for picture in pictures}) > 1:
        sizes = sorted({picture.size for picture in pictures})
        raise ValueError(f"frames: expected one size, got {sizes} (width, height)")
    durations = [round(1000 / fps)] * len(pictures)
    durations[-1] += round(1000 * hold)
    for colours in (256, 128, 64, 32, 16, 8):
        data = _gif(pictures, durations, colours)
        if len(data) <= max_bytes:
            return Animation(data, len(pictures), alt)
    raise ValueError(
        f"frames: {len(data)} bytes with 8 colours, more than max_bytes={max_bytes}; "
        "use fewer frames, a smaller figsize or a plainer drawing"
    )


def _frame(
    frame: Callable[[Axes], object] | Tensor | np.ndarray, figsize: tuple[float, float]
) -> Image.Image:
    if isinstance(frame, (Tensor, np.ndarray)):
        image = to_tensor(frame, "frame")
        image = as_images(image[None] if image.ndim in (2, 3) else image)
        rgb = (to_colours(image, "gray", 0.0, 1.0)[0] * 255).round().astype(np.uint8)
        enlarge = max(1, 256 // max(rgb.shape[:2]))
        return Image.fromarray(rgb.repeat(enlarge, axis=0).repeat(enlarge, axis=1))
    if not callable(frame):
        raise ValueError(
            f"frames: expected functions of the axes or images, got {type(frame).__name__}"
        )
    # A figure of its own, unknown to pyplot: nothing of it is shown in the notebook.
    figure = Figure(figsize=figsize, dpi=100, facecolor="white", layout="constrained")
    frame(figure.add_subplot())
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", bbox_inches=None)
        return Image.open(buffer).convert("RGB")


def _gif(pictures: Sequence[Image.Image], durations: Sequence[int], colours: int) -> bytes:
    """Return a GIF in which all frames share one palette, so that still parts cost nothing."""
    width, height = pictures[0].size
    chosen = pictures[:: max(1, len(pictures) // 4)]
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for number, picture in enumerate(chosen):
        sheet.paste(picture, (0, number * height))
    palette = sheet.quantize(colours, dither=Image.Dither.NONE)
    entries = np.array(palette.getpalette()).reshape(-1, 3)
    entries[entries.min(axis=1) >= 248] = 255  # the card stays white
    palette.putpalette(entries.ravel().tolist())
    indexed = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    with io.BytesIO() as buffer:
        indexed[0].save(
            buffer,
            format="GIF",
            save_all=True,
            append_images=indexed[1:],
            duration=list(durations) if len(indexed) > 1 else durations[0],
            loop=0,
        )
        return buffer.getvalue()
