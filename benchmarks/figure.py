"""Draw how each cost grows with the number of pixels: ``python -m benchmarks.figure``.

The data are those of ``results.json``; the picture carries a digest of them, so that a test can
tell whether it was drawn from them.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
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
TARGET = FOLDER.parent / "book" / "_static" / "speed_growth.png"

TITLES = {
    "step": "one training step",
    "sample": "samples",
    "lstm": "spatial LSTM, forward and backward",
}
LABELS = {
    "fvsbn": "FVSBN",
    "nade": "NADE",
    "made": "MADE",
    "pixelcnn": "PixelCNN",
    "gated": "gated PixelCNN",
    "spatial": "spatial LSTM",
}  # in the order of their colours
#: How each side is drawn: line, and whether its markers are filled.
DRAWN = {"ours": ("-", True), "theirs": ("--", False)}


def digest(growth: Sequence[Mapping[str, Any]]) -> str:
    """Return a fingerprint of what the picture shows."""
    return hashlib.sha256(json.dumps(growth, sort_keys=True).encode()).hexdigest()


def _curve(ax: Axes, curve: Mapping[str, Any]) -> None:
    model = curve["case"].split("_")[0]
    label, number = LABELS[model], list(LABELS).index(model)
    for side, (line, filled) in DRAWN.items():
        points = [(p["pixels"], p[side]["seconds"]) for p in curve["points"] if p[side]]
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


def _slopes(ax: Axes) -> None:
    """Draw how a linear and a quadratic cost would rise, faintly, from the lower left."""
    low, high = ax.get_ylim()
    left, right = 49, 64**2
    for power, word in ((1, "$n$"), (2, "$n^2$")):
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


def draw(growth: Sequence[Mapping[str, Any]], target: Path = TARGET) -> None:
    """Draw the three panels and write them with a palette, which keeps the file small."""
    with plotting.style():
        drawing, axes = plt.subplots(1, 3, figsize=(10.5, 5.4))
        for ax, (panel, title) in zip(axes, TITLES.items(), strict=True):
            curves = [curve for curve in growth if curve["panel"] == panel]
            for curve in curves:
                _curve(ax, curve)
            _slopes(ax)
            _legend(ax)
            sizes = sorted({p["pixels"] for curve in curves for p in curve["points"]} - {64**2})
            ax.set_xticks(sizes, [f"{round(n**0.5)}²" for n in sizes])
            ax.minorticks_off()
            ax.set(title=title, xlabel="pixels", ylabel="seconds" if panel == "step" else "")
            ax.grid(alpha=0.3)
        buffer = io.BytesIO()
        drawing.savefig(buffer, format="png", dpi=110)
        plt.close(drawing)
    picture = Image.open(buffer).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    note = PngInfo()
    note.add_text("Data", digest(growth))
    picture.save(target, optimize=True, pnginfo=note)


def main() -> None:
    """Draw the figure of the book from the record."""
    record = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))
    draw(record["growth"])
    print(f"wrote {TARGET.name}, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
