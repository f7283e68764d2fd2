"""Small scenes drawn from numbers: an animal on a meadow, a house in the hills, a slice of a head.

Each is a function of one row of uniform numbers a scene and of the domain in which it is drawn. The
same row in the other domain is the same scene: what a translator should have answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

_OVERSAMPLING = 2  # scenes are drawn this much larger, then averaged


class Canvas:
    """Pictures that are painted shape by shape, the later ones on top.

    Attributes:
        x, y: Where the pixels are, from 0 to 1, rightwards and downwards, (1, H, W).
        pixels: Red, green and blue, (n, 3, H, W).
    """

    def __init__(self, n: int, size: int) -> None:
        side = size * _OVERSAMPLING
        place = (np.arange(side, dtype=np.float32) + 0.5) / side
        self.x, self.y = place[None, None, :], place[None, :, None]
        self.width = 1 / side
        self.pixels = np.zeros((n, 3, side, side), dtype=np.float32)

    def paint(self, colour: Array | tuple[float, float, float], cover: Array) -> None:
        """Lay a colour, (3,), (n, 3) or (n, 3, H, W), over the shares ``cover``, (n, H, W)."""
        colour = np.asarray(colour, dtype=np.float32)
        if colour.ndim < 4:
            colour = np.atleast_2d(colour)[:, :, None, None]
        self.pixels += cover[:, None] * (colour - self.pixels)

    def inside(self, distance: Array, unit: Array | float = 1.0) -> Array:
        """Return how much of each pixel lies inside a shape, from the distance to its edge."""
        return np.clip(0.5 - distance * unit / self.width, 0, 1).astype(np.float32)

    def finish(self, grey: bool = False) -> Array:
        """Return the pictures at their size, as bytes (n, channels, size, size)."""
        n, channels, side, _ = self.pixels.shape
        k = _OVERSAMPLING
        small = self.pixels.reshape(n, channels, side // k, k, side // k, k).mean((3, 5))
        return (small[:, : 1 if grey else 3].clip(0, 1) * 255).round().astype(np.uint8)


def column(u: Array, low: float, high: float) -> Array:
    """Spread uniform numbers (n,) from low to high, (n, 1, 1)."""
    return (low + (high - low) * u).astype(np.float32)[:, None, None]


def _blend(a: tuple[float, ...], b: tuple[float, ...], share: Array) -> Array:
    """Return colours between two, (n, 3), or (n, 3, H, W) for shares (n, H, W)."""
    first, second = (np.array(c, dtype=np.float32) for c in (a, b))
    share = share[:, None]
    shape = (1, 3, *[1] * (share.ndim - 2))
    return first.reshape(shape) + (second - first).reshape(shape) * share


def _capsule(x: Array, y: Array, ends: tuple[float, ...], radius: float) -> Array:
    """Return the distance to a thick line from (ends[0], ends[1]) to (ends[2], ends[3])."""
    ax, ay, bx, by = ends
    dx, dy = bx - ax, by - ay
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(x - ax - along * dx, y - ay - along * dy) - radius


def _ellipse(x: Array, y: Array, a: Array | float, b: Array | float) -> Array:
    """Return about the distance to an ellipse around the origin."""
    return (np.hypot(x / a, y / b) - 1) * np.minimum(a, b)


def animals(u: Array, size: int, striped: bool) -> Array:
    """Draw horses of one colour, or zebras: place, size, direction, gait, coat and light."""
    canvas = Canvas(len(u), size)
    horizon = column(u[:, 0], 0.25, 0.5)
    sky = _blend((0.55, 0.75, 0.95), (0.9, 0.93, 0.95), canvas.y / horizon + 0 * canvas.x)
    canvas.paint(sky, np.ones((len(u), *canvas.pixels.shape[2:]), np.float32))
    grass = _blend((0.42, 0.6, 0.25), (0.72, 0.7, 0.38), u[:, 1].astype(np.float32))
    canvas.paint(grass, canvas.inside(horizon - canvas.y + 0 * canvas.x))

    scale = column(u[:, 2], 0.85, 1.1)
    facing = np.where(u[:, 3] < 0.5, -1, 1).astype(np.float32)[:, None, None]
    x = (canvas.x - column(u[:, 4], 0.42, 0.58)) / scale * facing
    y = (canvas.y - column(u[:, 5], 0.46, 0.58)) / scale
    gait = column(u[:, 6], -0.07, 0.07)
    coat = _blend((0.82, 0.6, 0.36), (0.33, 0.16, 0.08), u[:, 7].astype(np.float32))

    legs = np.full(np.broadcast_shapes(x.shape, y.shape), 9, np.float32)
    for hip, swing in ((-0.2, gait), (-0.13, -gait), (0.12, gait), (0.19, -gait)):
        shifted = x - swing * np.clip((y - 0.05) / 0.25, 0, 1)
        legs = np.minimum(legs, _capsule(shifted, y, (hip, 0.04, hip, 0.31), 0.032))
    neck = _capsule(x, y, (0.17, -0.04, 0.28, -0.24), 0.065)
    head = _capsule(x, y, (0.28, -0.25, 0.38, -0.17), 0.045)
    ear = _capsule(x, y, (0.27, -0.28, 0.26, -0.33), 0.018)
    body = np.minimum.reduce([_ellipse(x, y, 0.27, 0.135), neck, head, ear, legs])
    tail = _capsule(x, y, (-0.26, -0.05, -0.33, 0.14), 0.022)
    mane = _capsule(x, y, (0.12, -0.12, 0.235, -0.28), 0.025)
    dark = coat * 0.45
    if striped:
        wave = np.sin(2 * np.pi * (x * 9 + 3.0 * np.abs(y) * np.sign(x)))
        black = np.clip(0.5 + 2.5 * wave, 0, 1)
        coat = _blend((0.96, 0.95, 0.93), (0.08, 0.08, 0.1), black)
        dark = np.full(3, 0.1, np.float32)
    for colour, distance in ((dark, tail), (dark, mane), (coat, body)):
        canvas.paint(colour, canvas.inside(distance, scale))
    muzzle = np.hypot(x - 0.405, y + 0.15) - 0.032
    canvas.paint(dark, canvas.inside(np.maximum(muzzle, body), scale))
    return canvas.finish()


def houses(u: Array, size: int, night: bool) -> Array:
    """Draw a house in the hills by day, or by night: hills, house, roof, windows, sun or moon."""
    canvas = Canvas(len(u), size)
    flat = 0 * canvas.x
    high, low = ((0.35, 0.6, 0.92), (0.85, 0.93, 0.98))
    if night:
        high, low = ((0.03, 0.04, 0.12), (0.14, 0.16, 0.32))
    everywhere = np.ones((len(u), *canvas.pixels.shape[2:]), np.float32)
    canvas.paint(_blend(high, low, canvas.y / 0.6 + flat).clip(0, 1), everywhere)
    sun_x, sun_y = column(u[:, 0], 0.1, 0.9), column(u[:, 1], 0.1, 0.25)
    disc = np.hypot(canvas.x - sun_x, canvas.y - sun_y) - 0.07
    canvas.paint((0.9, 0.9, 0.8) if night else (1.0, 0.85, 0.25), canvas.inside(disc))

    far = column(u[:, 2], 0.42, 0.55) + 0.08 * np.sin(5 * canvas.x + column(u[:, 3], 0, 6.28))
    near = column(u[:, 4], 0.6, 0.7) + 0.05 * np.sin(4 * canvas.x + column(u[:, 5], 0, 6.28))
    canvas.paint((0.08, 0.1, 0.18) if night else (0.5, 0.68, 0.5), canvas.inside(far - canvas.y))
    green = _blend((0.3, 0.55, 0.2), (0.55, 0.62, 0.25), u[:, 6].astype(np.float32))
    ground = np.array([0.05, 0.07, 0.09]) if night else green
    canvas.paint(ground, canvas.inside(near - canvas.y))

    scale = column(u[:, 7], 0.85, 1.15)
    x = (canvas.x - column(u[:, 8], 0.25, 0.75)) / scale
    y = (canvas.y - column(u[:, 9], 0.66, 0.76)) / scale
    wall = np.maximum(np.abs(x) - 0.16, np.abs(y) - 0.12)
    canvas.paint((0.16, 0.15, 0.2) if night else (0.93, 0.88, 0.78), canvas.inside(wall, scale))
    roof = np.maximum(np.abs(x) * 0.6 - (y + 0.26) * 0.8, y + 0.11)
    roof_colour = _blend((0.75, 0.2, 0.15), (0.35, 0.3, 0.4), u[:, 10].astype(np.float32))
    canvas.paint(np.array([0.09, 0.08, 0.12]) if night else roof_colour, canvas.inside(roof, scale))
    for place, lit in ((-0.08, u[:, 11]), (0.08, u[:, 12])):
        window = np.maximum(np.abs(x - place) - 0.038, np.abs(y + 0.015) - 0.045)
        bright = _blend((0.07, 0.07, 0.11), (1.0, 0.83, 0.35), (lit < 0.6).astype(np.float32))
        canvas.paint(bright if night else (0.3, 0.38, 0.48), canvas.inside(window, scale))
    return canvas.finish()


def slices(u: Array, size: int, second: bool, sick: Array) -> Array:
    """Draw slices of a head as two scanners see them; the ``sick``, (n,), have a tumour."""
    canvas = Canvas(len(u), size)
    skull, white, fluid, tumour = (0.35, 0.45, 0.95, 0.85) if second else (0.95, 0.7, 0.15, 0.3)
    turn = column(u[:, 0], -0.3, 0.3)
    dx, dy = canvas.x - column(u[:, 1], 0.46, 0.54), canvas.y - column(u[:, 2], 0.46, 0.54)
    x, y = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    a, b = column(u[:, 3], 0.32, 0.37), column(u[:, 4], 0.38, 0.44)

    def lay(level: float, distance: Array, share: Array | float = 1.0) -> None:
        canvas.paint((level,) * 3, canvas.inside(distance) * share)

    lay(skull, _ellipse(x, y, a, b))
    lay(fluid, _ellipse(x, y, a - 0.035, b - 0.035))
    lay(white, _ellipse(x, y, a - 0.055, b - 0.055))
    lay(fluid, _capsule(x, y, (0, -0.33, 0, -0.2), 0.006))
    width, bend = column(u[:, 5], 0.03, 0.05), column(u[:, 6], 0.12, 0.2)
    for side in (-1, 1):
        lay(fluid, _ellipse(x - side * (0.07 + bend * y), y + 0.02, width, 0.12))
    place, size_of = tumours(u)
    away = np.hypot(x - place[:, :1, None], y - place[:, 1:, None]) - size_of[:, None, None]
    lay(tumour, away, np.asarray(sick, np.float32)[:, None, None])
    return canvas.finish(grey=True)


def tumours(u: Array) -> tuple[Array, Array]:
    """Return where the tumour of each slice is, or would be, (n, 2), and its radius, (n,)."""
    side = np.where(u[:, 7] < 0.5, -1, 1)
    place = np.stack([side * (0.19 + 0.03 * u[:, 8]), -0.12 + 0.26 * u[:, 9]], 1)
    return place.astype(np.float32), (0.045 + 0.02 * u[:, 10]).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """A kind of scene.

    Attributes:
        draw: From uniform numbers (n, numbers), the size, and whether in the second domain.
        numbers: How many numbers say everything about a scene.
        hidden: What only one domain shows: its name and the number that says it.
    """

    draw: Callable[[Array, int, bool], Array]
    numbers: int
    hidden: dict[str, int]


SCENES = {
    "stripes": Scene(animals, 8, {"coat": 7}),
    "night": Scene(houses, 13, {"roof": 10, "left window": 11, "right window": 12}),
}
