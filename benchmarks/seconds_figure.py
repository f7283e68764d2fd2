"""Draw quality against seconds from ``seconds.json``: ``python -m benchmarks.seconds_figure``.

The sheets of samples are made, too, from the pictures that the runs kept. The figure carries a
digest of its data, so that a test can tell whether it was drawn from the record.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmarks import figure
from benchmarks.families import FAMILIES
from benchmarks.seconds import LESSON, RESULTS
from gdmlib import plotting
from tools import frames

TARGET = figure.STATIC / "seconds.png"
PANELS = {"frechet": "Fréchet distance of samples", "bits": "bits per pixel, held-out"}
TIMES = {5: "5 s", 15: "15 s", 60: "1 min", 600: "10 min"}
LAST = 7  # colours on white; the eighth family is grey

Run = Mapping[str, Any]


def shown(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the figure is drawn from."""
    keys = ("family", "budget", "seed", "seconds", *PANELS, "floor")
    return [{k: run[k] for k in keys if k in run} for run in record["runs"]]


def curve(runs: Sequence[Run], family: str, what: str) -> list[tuple[float, list[float]]]:
    """Return the seconds of a family's budgets, and what its seeds found."""
    found: dict[float, list[float]] = defaultdict(list)
    for run in runs:
        if run["family"] == family and run["budget"] > 0 and what in run:
            found[run["budget"]].append(run[what])
    return sorted(found.items())


def _panel(ax: Axes, runs: Sequence[Run], what: str) -> None:
    names = [name for name in FAMILIES if name != "gaussian"]
    for i, name in enumerate(names):
        colour = plotting.COLOURS[i] if i < LAST else "#777777"
        points = curve(runs, name, what)
        label = FAMILIES[name].title
        if not points:
            ax.plot([], [], color=colour, marker=plotting.MARKERS[i], label=label)
            continue
        x, means = [p[0] for p in points], [sum(p[1]) / len(p[1]) for p in points]
        ax.loglog(x, means, color=colour, marker=plotting.MARKERS[i], label=label, markersize=6)
        for budget, values in points:
            ax.plot([budget] * 2, [min(values), max(values)], color=colour, linewidth=5, alpha=0.35)
        for run in runs:
            if run["family"] == name and run["budget"] == LESSON and what in run:
                style: dict[str, Any] = {
                    "color": colour,
                    "marker": plotting.MARKERS[i],
                    "markerfacecolor": "white",
                }
                ax.plot(run["seconds"], run[what], linestyle="", zorder=3, **style)
    (gauss,) = (run for run in runs if run["family"] == "gaussian")
    ax.axhline(gauss[what], color="#555555", linestyle=":", linewidth=1.4)
    text: dict[str, Any] = {"va": "bottom", "ha": "right", "fontsize": 9, "color": "#444444"}
    ax.text(0.99, gauss[what], "Gaussian", transform=ax.get_yaxis_transform(), **text)
    if what == "frechet":
        ax.axhline(gauss["floor"], color="#555555", linestyle="--", linewidth=1.4)
        ax.text(0.01, gauss["floor"], "real glyphs", transform=ax.get_yaxis_transform(),
                **{**text, "ha": "left"})  # fmt: skip


def draw(record: Mapping[str, Any], target: Path = TARGET) -> None:
    """Draw both panels and write them with a palette, which keeps the file small."""
    runs = record["runs"]
    with plotting.style():
        drawing, axes = plt.subplots(1, 2, figsize=(7.6, 4.9))
        for ax, (what, title) in zip(axes, PANELS.items(), strict=True):
            _panel(ax, runs, what)
            ax.set_xscale("log")
            ax.set_xticks(list(TIMES), list(TIMES.values()))
            ax.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
            ax.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
            ax.set_title(title)
            ax.set_xlabel("training, processor time")
            ax.grid(alpha=0.3)
        low, high = axes[1].get_ylim()
        ticks = [tick for tick in (0.6, 0.7, 0.8, 1, 1.2, 1.5, 2, 2.5, 3, 4) if low < tick < high]
        axes[1].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes[1].yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        handles, labels = axes[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        buffer = io.BytesIO()
        drawing.savefig(buffer, format="png", dpi=220)
        plt.close(drawing)
    picture = Image.open(buffer).convert("RGB").quantize(96, dither=Image.Dither.NONE)
    note = PngInfo()
    note.add_text("Data", figure.digest(shown(record)))
    picture.save(target, optimize=True, pnginfo=note, dpi=(220, 220))
    print(f"wrote {target.name}, {target.stat().st_size} bytes")


def main() -> int:
    """Draw the figure and make the sheets of samples."""
    draw(json.loads(RESULTS.read_text(encoding="utf-8")))
    return frames.main([name for name in frames.STRIPS if name.startswith("seconds_")])


if __name__ == "__main__":
    raise SystemExit(main())
