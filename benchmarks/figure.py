"""Draw how each cost grows with pixels and steps: ``python -m benchmarks.figure``.

One picture is drawn from ``results.json``, one of latent models from ``latent.json`` and
``flows.json``. Each carries a digest of its data, so that a test can tell whether it was drawn from
them.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gdmlib import plotting

FOLDER = Path(__file__).resolve().parent
STATIC = FOLDER.parent / "book" / "_static"
TARGET, LATENT = STATIC / "speed_growth.png", STATIC / "speed_latent.png"

TITLES = {
    "step": "one training step",
    "sample": "samples",
    "lstm": "spatial LSTM, forward and backward",
}
LATENT_TITLES = {"step": "one training step", "sample": "samples", "steps": "samples of DDIM"}
#: Cases of the second picture, by record. A flow is drawn beside the other's layer of that name.
LATENT_CASES = {
    "latent.json": ("vae_step", "ddim_sample", "ddim_steps"),
    "flows.json": ("realnvp_step", "realnvp_sample"),
}
LABELS = {
    "fvsbn": "FVSBN",
    "nade": "NADE",
    "made": "MADE",
    "pixelcnn": "PixelCNN",
    "gated": "gated PixelCNN",
    "spatial": "spatial LSTM",
    "vae": "VAE",
    "realnvp": "RealNVP",
    "ddim": "DDIM",
}  # in the order of their colours
SHOWN = 6  # models in a picture, at most: after so many, the colours begin again
#: How each side is drawn: line, and whether its markers are filled.
DRAWN = {"ours": ("-", True), "theirs": ("--", False)}


def digest(growth: Sequence[Mapping[str, Any]]) -> str:
    """Return a fingerprint of what the picture shows."""
    return hashlib.sha256(json.dumps(growth, sort_keys=True).encode()).hexdigest()


def extent(point: Mapping[str, Any]) -> int:
    """Return where a point stands: at its number of pixels, or of steps."""
    return int(point["steps"] if "steps" in point else point["pixels"])


def _curve(ax: Axes, curve: Mapping[str, Any]) -> None:
    model = curve["case"].split("_")[0]
    label, number = LABELS[model], list(LABELS).index(model) % SHOWN
    for side, (line, filled) in DRAWN.items():
        points = [(extent(p), p[side]["seconds"]) for p in curve["points"] if p[side]]
        if not points:
            continue
        who = "diagonals" if curve["panel"] == "lstm" else label
        other = "double loop" if curve["panel"] == "lstm" else f"{label}, peer"
        colour = plotting.COLOURS[number]
        ax.loglog(
            *zip(*points, strict=True),
            line,
            color=colour,
            marker=plotting.MARKERS[number],
            markerfacecolor=colour if filled else "white",
            label=who if side == "ours" else other,
        )


def _slopes(ax: Axes, left: int, right: int, powers: Iterable[int] = (1, 2)) -> None:
    """Draw how a linear and a quadratic cost would rise, faintly, from the lower left."""
    low, high = ax.get_ylim()
    for power in powers:
        word = f"$n^{power}$" if power > 1 else "$n$"
        start = low * 1.4
        top = min(start * (right / left) ** power, high)
        x = left * (top / start) ** (1 / power)
        ax.plot([left, x], [start, top], ":", color="#666666", linewidth=1.2, zorder=0)
        ax.annotate(
            word,
            (x, top),
            xytext=(5, -10 if top == high else -4),
            textcoords="offset points",
            fontsize=10,
            color="#555555",
            annotation_clip=False,
        )
    ax.set_ylim(low, high)


def _legend(ax: Axes) -> None:
    # Each model in a row, its peer beside it.
    handles, labels = ax.get_legend_handles_labels()
    order = [*range(0, len(handles), 2), *range(1, len(handles), 2)]
    ax.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.17),
        ncols=2,
        frameon=False,
        handlelength=3.4,
    )


def _ticks(values: Iterable[int]) -> list[int]:
    """Return those values that are far enough apart for their labels."""
    kept: list[int] = []
    for value in sorted(set(values)):
        if not kept or value > 1.9 * kept[-1]:
            kept.append(value)
    return kept


def draw(
    growth: Sequence[Mapping[str, Any]],
    target: Path = TARGET,
    titles: Mapping[str, str] = TITLES,
) -> None:
    """Draw the panels and write them with a palette, which keeps the file small."""
    with plotting.style():
        drawing, axes = plt.subplots(1, len(titles), figsize=(3.5 * len(titles), 5.4))
        for ax, (panel, title) in zip(axes, titles.items(), strict=True):
            curves = [curve for curve in growth if curve["panel"] == panel]
            for curve in curves:
                _curve(ax, curve)
            sizes = [extent(p) for curve in curves for p in curve["points"]]
            steps = panel == "steps"
            _slopes(ax, min(sizes), max(sizes), (1,) if steps else (1, 2))
            _legend(ax)
            ticks = _ticks(sizes)
            ax.set_xticks(ticks, [f"{n}" if steps else f"{round(n**0.5)}²" for n in ticks])
            ax.minorticks_off()
            ax.set(
                title=title,
                xlabel="steps" if steps else "pixels",
                ylabel="seconds" if panel == "step" else "",
            )
            ax.grid(alpha=0.3)
        buffer = io.BytesIO()
        drawing.savefig(buffer, format="png", dpi=110)
        plt.close(drawing)
    picture = Image.open(buffer).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    note = PngInfo()
    note.add_text("Data", digest(growth))
    picture.save(target, optimize=True, pnginfo=note)
    print(f"wrote {target.name}, {target.stat().st_size} bytes")


def read(name: str) -> list[dict[str, Any]]:
    """Return the curves of a record."""
    record = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    curves: list[dict[str, Any]] = record["growth"]
    return curves


def latent_curves() -> list[dict[str, Any]]:
    """Return the curves of the picture of latent models."""
    return [
        curve
        for name, cases in LATENT_CASES.items()
        for curve in read(name)
        if curve["case"] in cases
    ]


def draw_latent() -> None:
    """Draw the figure of latent models."""
    draw(latent_curves(), LATENT, LATENT_TITLES)


def main() -> None:
    """Draw the figures of the book from the records."""
    draw(read("results.json"))
    draw_latent()


if __name__ == "__main__":
    main()
