"""Facades of houses, drawn: a map of what is where, and one of the many houses that fit it.

What the map does not tell is drawn at random: colours, where the bricks begin, which windows are
lit, the light. So for one map there are many right answers, and a translator that averages over
them paints a house without bricks.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator

from gdmlib._checks import check_count
from gdmlib._random import draw
from gdmlib.data import declare
from gdmlib.data.dataset import Dataset

FACADE_CLASSES: tuple[str, ...] = ("sky", "roof", "wall", "window", "door", "balcony")
"""What a pixel of a facade's map can be."""

_SKIES = np.array([[0.45, 0.68, 0.93], [0.70, 0.80, 0.92], [0.95, 0.75, 0.62]])
_WALLS = np.array([[0.70, 0.33, 0.26], [0.85, 0.72, 0.50], [0.55, 0.62, 0.70], [0.90, 0.88, 0.82]])
_ROOFS = np.array([[0.52, 0.22, 0.18], [0.30, 0.32, 0.38]])
_DOORS = np.array([[0.40, 0.24, 0.12], [0.12, 0.32, 0.22], [0.16, 0.22, 0.42]])
_GLASS, _LIT = np.array([0.20, 0.28, 0.36]), np.array([1.0, 0.85, 0.45])


@declare.rendered(content="maps and facades of houses, any size", licence="CC0", arguments="n")
def facade_pairs(n: int, size: int = 32, generator: Generator | None = None) -> Dataset:
    """Draw ``n`` facades with the maps of what is where.

    Args:
        size: Height and width in pixels, at least 24. Bricks, frames and bars keep their size.

    Returns:
        ``x`` ``(n, 6, size, size)``, a plane of zeros and ones for each of `FACADE_CLASSES`;
        ``target`` ``(n, 3, size, size)``, the facade; ``map`` ``(n, size, size)``, the classes as
        numbers; ``wall`` ``(n,)``, the number of the wall's colour, which the map does not tell.
    """
    n, size = check_count(n), check_count(size, "size", least=24)
    seeds = draw(torch.randint, 2**31 - 1, (n,), generator=generator).tolist()
    maps = np.empty((n, size, size), dtype=np.int64)
    pictures = np.empty((n, size, size, 3), dtype=np.float32)
    walls = np.empty(n, dtype=np.int64)
    for i, seed in enumerate(seeds):
        chance = np.random.RandomState(seed)
        maps[i], windows = _plan(size, chance)
        pictures[i], walls[i] = _paint(maps[i], windows, chance)
    planes = np.eye(len(FACADE_CLASSES), dtype=np.float32)[maps]
    return Dataset(
        name="facade_pairs",
        x=torch.from_numpy(planes).movedim(-1, 1).contiguous(),
        source="drawn by gdmlib",
        licence="CC0 1.0 (no rights reserved)",
        attributes={
            "target": torch.from_numpy(pictures).movedim(-1, 1).contiguous(),
            "map": torch.from_numpy(maps),
            "wall": torch.from_numpy(walls),
        },
    )


Window = tuple[int, int, int, int]  # top, left, height, width


def _plan(size: int, chance: np.random.RandomState) -> tuple[np.ndarray, list[Window]]:
    """Return a map and where its windows are."""
    sky, roof, wall, window, door, balcony = range(6)
    plan = np.full((size, size), sky)
    unit = size / 32
    left = chance.randint(round(1 * unit), round(4 * unit) + 1)
    right = size - chance.randint(round(1 * unit), round(4 * unit) + 1)
    eaves = chance.randint(round(7 * unit), round(10 * unit) + 1)
    rise = chance.randint(round(4 * unit), round(6 * unit) + 1)
    if chance.rand() < 0.5:  # a gable, or a flat roof
        for k in range(rise + 1):
            inset = round((right - left) / 2 * k / (rise + 1))
            plan[eaves - k, left + inset : right - inset] = roof
    else:
        plan[eaves - rise + 1 : eaves + 1, max(left - 1, 0) : right + 1] = roof
    plan[eaves + 1 :, left:right] = wall
    floors = chance.randint(2, 4 if size < 48 else 5)
    columns = chance.randint(2, 4 if size < 48 else 5)
    height, width = (size - eaves - 1) / floors, (right - left) / columns
    tall, wide = max(5, round(0.55 * height)), max(5, round(0.55 * width))
    entrance, windows = chance.randint(columns), []
    for floor in range(floors):
        for column in range(columns):
            top = eaves + 1 + round(floor * height + (height - tall) / 2)
            start = left + round(column * width + (width - wide) / 2)
            if floor == floors - 1 and column == entrance:
                plan[max(top - 1, eaves + 2) :, start : start + wide] = door
                continue
            plan[top : top + tall, start : start + wide] = window
            windows.append((top, start, tall, wide))
            if chance.rand() < 0.35 and floor < floors - 1:
                plan[top + tall - 2 : top + tall + 1, start - 1 : start + wide + 1] = balcony
    return plan, windows


def _paint(
    plan: np.ndarray, windows: list[Window], chance: np.random.RandomState
) -> tuple[np.ndarray, int]:
    """Return a facade that fits a map, (size, size, 3), and the number of its wall's colour."""
    size = len(plan)
    row, column = np.mgrid[:size, :size]
    pick = [chance.randint(len(colours)) for colours in (_SKIES, _WALLS, _ROOFS, _DOORS)]

    sky = _SKIES[pick[0]] + (0.25 * row / size)[..., None]
    rows, start = chance.randint(4), chance.randint(6)
    course = (row + rows) // 4
    joint = ((row + rows) % 4 == 0) | ((column + start + 3 * (course % 2)) % 6 == 0)
    tone = chance.uniform(-0.07, 0.07, (size, size))[course % size, (column + start) // 6]
    wall = np.where(joint[..., None], 0.55 * _WALLS[pick[1]], _WALLS[pick[1]] + tone[..., None])
    tiles = (row + column * (2 * ((row // 3) % 2) - 1) + rows) % 3 == 0
    roof = _ROOFS[pick[2]] * np.where(tiles, 1.5, 0.9)[..., None]
    planks = (column + start) % 3 == 0
    door = _DOORS[pick[3]] * np.where(planks, 0.5, 1.25)[..., None]
    bars = (column + start) % 2 == 0
    balcony = np.where(bars, 0.08, 0.75)[..., None] * np.ones(3)

    found = np.choose(plan[..., None], [sky, roof, wall, np.zeros(3), door, balcony])
    for top, left, tall, wide in windows:
        place = np.s_[top : top + tall, left : left + wide]
        glass = np.empty((tall, wide, 3))
        glass[:] = _LIT if chance.rand() < 0.4 else _GLASS
        across = np.arange(tall)[:, None] + np.arange(wide)
        shine = np.abs(across - chance.randint(2, tall + wide - 2)) < 1.5
        glass += 0.22 * shine[..., None]
        glass[[0, -1]] = glass[:, [0, -1]] = glass[:, wide // 2] = 0.95  # the frame
        kept = plan[place] == 3
        found[place][kept] = glass[kept]
    slope = chance.uniform(-0.25, 0.25)
    light = 1 + slope * (column / size - 0.5) + chance.normal(0, 0.015, (size, size))
    return np.clip(found * light[..., None], 0, 1).astype(np.float32), pick[1]
