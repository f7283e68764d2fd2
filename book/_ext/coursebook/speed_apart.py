"""What the page on speed says of comparisons with a peer of their own, made from their records.

``{speed-flows}``          flows beside normflows, at several sizes; from ``flows.json``.
``{speed-latent}``         a VAE and diffusion beside others, at all sizes; from ``latent.json``.
``{speed-latent-growth}``  the log-log figure of all of them, described by the same numbers.
``{speed-adversarial}``    steps of adversaries beside others; from ``adversarial.json``.
``{speed-inverse}``        inverse problems beside others, at all sizes; from ``inverse.json``.
``{speed-restored}``       what answers to a single-pixel camera are worth; from ``inverse.json``.
``{speed-sequences}``      samplers of sequences beside whole passes; from ``sequences.json``.
``{speed-quality}``        what the samples of both networks are worth; from ``latent.json``.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from .speed import directive, duration, factor, measured, parameters, time_of
from .tables import GAP, MISSING, markdown_table

FLOWS = Path("benchmarks") / "flows.json"
LATENT = Path("benchmarks") / "latent.json"
ADVERSARIAL = Path("benchmarks") / "adversarial.json"
INVERSE = Path("benchmarks") / "inverse.json"
SEQUENCES = Path("benchmarks") / "sequences.json"
FIGURE = "_static/speed_latent.png"
#: What the figure shows, and how its description calls it.
SHORT = {
    "vae_step": "a training step of a VAE",
    "realnvp_step": "one of a RealNVP",
    "realnvp_sample": "samples of a RealNVP",
    "ddim_sample": "samples of DDIM",
    "ddim_steps": "DDIM",
}


def flows_markdown(record: Mapping[str, Any]) -> str:
    """Return the table of flows at all sizes, and on what it was measured."""
    return _table(record, "Numbers", lambda point: str(point["pixels"]))


def sized_markdown(record: Mapping[str, Any]) -> str:
    """Return a table of work on pictures at all sizes, and on what it was measured."""
    return _table(record, "Size", _size)


def _size(point: Mapping[str, Any]) -> str:
    if "steps" in point:
        return f"{point['steps']}{GAP}steps"
    if "batch" in point:
        return f"batch of {point['batch']}"
    if "symbols" in point:
        return f"{point['symbols']}{GAP}symbols"
    side = round(point["pixels"] ** 0.5)
    return f"{side}{GAP}×{GAP}{side}"


def _table(record: Mapping[str, Any], what: str, size: Callable[[Mapping[str, Any]], str]) -> str:
    header = ("Work", what, "gdmlib", "Other", "Faster", "Parameters")
    others = {curve["other"] for curve in record["growth"]}
    rows = []
    for curve in record["growth"]:
        title = curve["title"] + (f"; other: {curve['other']}" if len(others) > 1 else "")
        for i, point in enumerate(curve["points"]):
            ours, theirs = point["ours"], point["theirs"]
            ratio = theirs["seconds"] / ours["seconds"] if ours and theirs else None
            rows.append(
                (
                    "" if i else title,
                    size(point),
                    time_of(ours),
                    time_of(theirs),
                    f"**{factor(ratio)}**",
                    " / ".join(parameters(side) for side in (ours, theirs)),
                )
            )
    peers = [f"{name} {record['versions'][name]}" for name in record["versions"] if name in others]
    text = f"{'; '.join([measured(record), *peers])}."
    return f"{markdown_table(header, rows, 'lrrrrr')}\n\n{text}"


def shown(*records: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the curves of the figure."""
    return [curve for record in records for curve in record["growth"] if curve["case"] in SHORT]


def slope(curve: Mapping[str, Any], side: str) -> float | None:
    """Return the power of its extent by which a cost rises, from the least to the largest."""
    points = [
        (p["steps"] if "steps" in p else p["pixels"], p[side]["seconds"])
        for p in curve["points"]
        if p[side]
    ]
    if len(points) < 2:
        return None
    (low, cheap), (high, dear) = points[0], points[-1]
    return math.log(dear / cheap) / math.log(high / low)


def growth_alt(latent: Mapping[str, Any], flows: Mapping[str, Any]) -> str:
    """Return what the figure shows, in words."""
    curves = shown(latent, flows)
    pairs = [
        point["theirs"]["seconds"] > point["ours"]["seconds"]
        for curve in curves
        for point in curve["points"]
        if point["ours"] and point["theirs"]
    ]
    clauses = []
    for name in SHORT:  # in the order of the panels
        for curve in curves:
            ours, theirs = slope(curve, "ours"), slope(curve, "theirs")
            if curve["case"] != name or ours is None:
                continue
            other = "" if theirs is None else f" and {theirs:.1f} for the other"
            by = " by the number of steps" if "steps" in curve["points"][0] else ""
            clauses.append(f"{SHORT[name]}{by}, {ours:.1f} for the library{other}")
    return (
        "Three log-log panels of seconds: a training step and samples against pixels, and samples "
        "of DDIM against its steps. Solid lines are the library, dashed ones the other, which "
        f"takes longer at {sum(pairs)} of {len(pairs)} points. From left to right the costs rise "
        f"with this power: {'; '.join(clauses)}."
    )


def growth_markdown(latent: Mapping[str, Any], flows: Mapping[str, Any]) -> str:
    """Return the figure, its description and its caption."""
    return "\n".join(
        [
            f"```{{figure}} {FIGURE}",
            ":name: fig-speed-latent",
            f':alt: "{growth_alt(latent, flows)}"',
            ":width: 100%",
            "",
            "Time against the size of an event and against the steps of a sampler, on logarithmic "
            "scales. Solid with filled markers: the library; dashed with open ones: the other, "
            "which for the flow has masked layers. Dotted: a cost that grows like n, and one that "
            "grows like its square.",
            "```",
        ]
    )


def quality_markdown(record: Mapping[str, Any]) -> str:
    """Return what both networks were trained for, and how their samples were judged."""
    quality = record.get("quality")
    if not quality:
        return "This has not been measured yet: `python -m benchmarks.latent --train`."
    peer = next(c["other"] for c in record["growth"] if c["case"] == "ddim_sample")
    header = (
        "Pictures of",
        "Parameters",
        "Processor time",
        "Steps",
        "Show their class",
        "Spread within a class",
        "Time a picture",
    )
    names = {"ours": "gdmlib", "theirs": peer}
    rows = [
        (
            names[row["side"]],
            f"{row['parameters']:,}",
            f"{row['minutes']:g}{GAP}min",
            f"{row['steps']:,}",
            *_judged(row),
            duration(row["sampling"] / row["samples"]),
        )
        for row in quality["trials"]
    ]
    rows.append(("real glyphs", *[MISSING] * 3, *_judged(quality["real"]), MISSING))
    counts = sorted({row["samples"] for row in [*quality["trials"], quality["real"]]})
    text = (
        f"Trained on {quality['glyphs']:,} glyphs of {quality['size']}{GAP}×{GAP}"
        f"{quality['size']}, {' or '.join(f'{n:,}' for n in counts)} pictures judged, as many of "
        f"each class, drawn by DDIM in {quality['steps']} steps without guidance."
    )
    return f"{markdown_table(header, rows, 'lrrrrrr')}\n\n{text}"


def _judged(row: Mapping[str, Any]) -> Sequence[str]:
    return f"{100 * row['right']:.1f}{GAP}%", f"{row['spread']:.2f}"


def restored_markdown(record: Mapping[str, Any]) -> str:
    """Return what each side makes of the measurements of a single-pixel camera, best last."""
    quality = record.get("quality")
    if not quality:
        return "This has not been measured yet: `python -m benchmarks.inverse --quality`."
    names = {"ours": "gdmlib", "theirs": "deepinv"}
    rows = [
        (
            row["method"],
            names[row["side"]],
            f"{statistics.mean(row['decibels']):.2f}",
            f"{min(row['decibels']):.2f} to {max(row['decibels']):.2f}",
            duration(statistics.median(row["seconds"])),
        )
        for row in sorted(quality["rows"], key=lambda row: statistics.mean(row["decibels"]))
    ]
    header = ("Method", "Of", "PSNR in dB, mean", "PSNR in dB, range", "Processor time")
    side = round(quality["pixels"] ** 0.5)
    text = (
        f"The same {side}{GAP}×{GAP}{side} pixels of scikit-image's cameraman, "
        f"{quality['rate']:.0%} of the measurements, {len(quality['seeds'])} sets of patterns; "
        "PSNR of the whole square, higher is better; medians of times."
    )
    return f"{markdown_table(header, rows, 'llrrr')}\n\n{text}"


DIRECTIVES: Sequence[tuple[str, Callable[..., str], tuple[Path, ...]]] = (
    ("speed-flows", flows_markdown, (FLOWS,)),
    ("speed-latent", sized_markdown, (LATENT,)),
    ("speed-latent-growth", growth_markdown, (LATENT, FLOWS)),
    ("speed-adversarial", sized_markdown, (ADVERSARIAL,)),
    ("speed-inverse", sized_markdown, (INVERSE,)),
    ("speed-restored", restored_markdown, (INVERSE,)),
    ("speed-sequences", sized_markdown, (SEQUENCES,)),
    ("speed-quality", quality_markdown, (LATENT,)),
)


def setup(app: Sphinx) -> None:
    """Register the directives."""
    for name, write, paths in DIRECTIVES:
        app.add_directive(name, directive(write, *paths))
