"""Draw the picture of the landing page: ``python book/_figures/landing.py``.

Above, points in a plane; below, scanned digits. Left the examples, in the middle what was learned,
right what the model draws.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image, ImageOps

from gdmlib import data, plotting
from gdmlib.densities import ClassConditional, GaussianMixture, MultivariateNormal

TARGET = Path(__file__).resolve().parents[1] / "_static" / "landing.png"
PREVIEW, PREVIEW_SIZE = TARGET.with_name("preview.png"), (1200, 630)
LIMIT = 4.8
ROWS, COLUMNS = 6, 8


def _plane(ax: Axes, title: str) -> None:
    ax.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT * 0.75, LIMIT * 0.75), xticks=[], yticks=[])
    ax.set_aspect("equal")
    ax.set_title(title, fontsize=15, pad=8)


def draw_points(axes: np.ndarray, generator: torch.Generator) -> None:
    """Draw a pinwheel, the density of a mixture fitted to it, and samples."""
    x = data.toy("pinwheel", 1500, generator=generator).x
    model = GaussianMixture.fit(x, components=25, generator=generator, ridge=1e-3)
    samples = model.sample(1500, generator=generator)
    horizontal, vertical = torch.linspace(-LIMIT, LIMIT, 320), torch.linspace(-LIMIT, LIMIT, 320)
    grid = torch.cartesian_prod(horizontal, vertical)
    density = model.log_prob(grid).exp().reshape(320, 320).T.sqrt()
    axes[0].scatter(*x.T, s=5, color=plotting.COLOURS[0], linewidths=0)
    axes[1].imshow(
        density, origin="lower", extent=(-LIMIT, LIMIT) * 2, cmap="Blues", interpolation="bilinear"
    )
    axes[2].scatter(*samples.T, s=5, color=plotting.COLOURS[1], linewidths=0)
    titles = ("examples", "a model of their density", "new samples")
    for ax, title in zip(axes, titles, strict=True):
        _plane(ax, title)


def tile(images: torch.Tensor, columns: int) -> np.ndarray:
    """Lay images (n, h, w) out in rows, with a light gap between them; black ink on white."""
    padded = torch.nn.functional.pad(1 - images.clamp(0, 1), (1, 1, 1, 1), value=0.88)
    rows = padded.reshape(-1, columns, *padded.shape[1:])
    return rows.permute(0, 2, 1, 3).reshape(rows.shape[0] * padded.shape[1], -1).numpy()


def draw_digits(axes: np.ndarray, generator: torch.Generator) -> None:
    """Draw digits, the class means of a Gaussian fitted to each class, and samples."""
    digits = data.digits("all")
    assert digits.y is not None
    flat = digits.x.flatten(1)
    model = ClassConditional.fit(
        flat, digits.y, density=lambda x: MultivariateNormal.fit(x, ridge=2e-3)
    )
    count = ROWS * COLUMNS
    chosen = torch.randperm(len(digits), generator=generator)[:count]
    means = torch.stack([density.mean for density in model.densities]).reshape(10, 8, 8)
    samples = model.sample(count, generator=generator).reshape(-1, 8, 8)
    pictures = (
        tile(digits.x[chosen, 0], COLUMNS),
        tile(torch.cat([means, torch.full((2, 8, 8), 0.12)]), 4),
        tile(samples, COLUMNS),
    )
    for ax, picture in zip(axes, pictures, strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set(xticks=[], yticks=[])


def main() -> None:
    """Draw the figure and write it with a palette, which keeps it small."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(7)
    with plotting.style():
        figure, axes = plt.subplots(2, 3, figsize=(12, 6.6), layout="constrained")
        draw_points(axes[0], generator)
        draw_digits(axes[1], generator)
        for ax in axes.flat:
            for spine in ax.spines.values():
                spine.set(visible=True, color="#cccccc")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
    picture = Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    picture.save(TARGET, optimize=True)
    print(TARGET.name, picture.size, TARGET.stat().st_size, "bytes")
    # What other sites show where a page of the book is shared has a shape of its own.
    shared = ImageOps.pad(picture.convert("RGB"), PREVIEW_SIZE, color="white")
    shared.quantize(64, dither=Image.Dither.NONE).save(PREVIEW, optimize=True)


if __name__ == "__main__":
    main()
