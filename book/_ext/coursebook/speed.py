"""The page on speed, made from records in ``benchmarks``: no number of it is typed by hand.

``{speed-setup}``   machine, versions, date: in one paragraph.
``{speed-table}``   every piece of work: our time, the other's, how many times as fast.
``{speed-growth}``  the log-log figure, with a description made from the same numbers.
``{speed-memory}``  time and memory of the gradient of a whole image.
``{speed-sight}``   which pixels of the past an image network cannot see.
``{speed-scale}``   the scale of activations, block after block.

What is compared with a peer of its own is in ``speed_apart``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from .tables import GAP, MISSING, MarkdownDirective, markdown_table

RESULTS = Path("benchmarks") / "results.json"
PEER = "pytorch-generative"
FIGURE = "_static/speed_growth.png"
WHO = {"ours": "gdmlib", "theirs": "other"}

SHORT = {
    "fvsbn_step": "FVSBN step",
    "nade_step": "NADE step",
    "made_step": "MADE step",
    "pixelcnn_step": "PixelCNN step",
    "gated_step": "gated PixelCNN step",
    "fvsbn_sample": "FVSBN samples",
    "nade_sample": "NADE samples",
    "pixelcnn_sample": "PixelCNN samples",
    "gated_sample": "gated PixelCNN samples",
    "spatial_lstm": "spatial LSTM",
}


def read_record(root: Path, path: Path = RESULTS) -> dict[str, Any]:
    """Read the record that `make bench` wrote, or another one."""
    record: dict[str, Any] = json.loads((root / path).read_text(encoding="utf-8"))
    return record


def duration(seconds: float) -> str:
    """Return a time with three digits and a fitting unit."""
    if seconds >= 1:
        return f"{_three(seconds)}{GAP}s"
    if seconds >= 1e-3:
        return f"{_three(1e3 * seconds)}{GAP}ms"
    return f"{_three(1e6 * seconds)}{GAP}µs"


def _three(value: float) -> str:
    if value >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def factor(value: float | None) -> str:
    """Return how many times as fast, to two digits: nobody should read more into it."""
    if value is None:
        return MISSING
    return f"{value:.0f}{GAP}×" if value >= 9.95 else f"{value:.1f}{GAP}×"


def setup_markdown(record: Mapping[str, Any]) -> str:
    """Return what was measured on what, as a paragraph."""
    return f"{measured(record)}; {PEER}: {peer_markdown(record)}."


def measured(record: Mapping[str, Any]) -> str:
    machine, versions = record["machine"], record["versions"]
    loads = [load for load in machine["load"] if load is not None]
    busy = ""
    if loads:
        busy = (
            f" Others used the machine as well: {min(loads):.0f} to {max(loads):.0f} processes "
            "wanted to run at the same time."
            if max(loads) >= 2
            else " Nothing else ran."
        )
    return (
        f"Measured on {record['date']} on {machine['cores']} cores of a processor that calls "
        f"itself “{machine['processor']}” ({machine['architecture']}, {machine['vector']}), no "
        f"GPU, with {machine['threads']} thread.{busy} Python {versions['python']}, PyTorch "
        f"{versions['torch']}, gdmlib {versions['gdmlib']}"
    )


def peer_markdown(record: Mapping[str, Any]) -> str:
    """Return which files of the peer were measured, by the commits that they are from."""
    files = record["peer"]
    if not files:
        return str(record["versions"][PEER])
    commits = sorted({row["commit"] for row in files if row["commit"]})
    known = [
        f"{_files(row['file'] for row in files if row['commit'] == commit)} of "
        f"[{commit[:7]}](https://github.com/EugenHotaj/pytorch-generative/commit/{commit})"
        for commit in commits
    ]
    others = _files(row["file"] for row in files if not row["commit"])
    text = f"the source files {', '.join(known)}" if known else ""
    if others:
        text += f"{'; ' if known else ''}{others} from elsewhere"
    return f"{record['versions'][PEER]}, {text}"


def _files(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def speed_markdown(record: Mapping[str, Any]) -> str:
    """Return the table of times, and notes on what it cannot show."""
    header = ("Work", "Image", "gdmlib", "Other", "Faster", "Parameters")
    failures = _failures(record)
    rows = [
        _speed_line(row, failures.pop((row["case"], row["size"]), None)) for row in record["speed"]
    ]
    titles = {row["case"]: row["title"] for row in record["speed"]}
    notes = [
        f"**{titles.get(case, case)}**, {size}{GAP}×{GAP}{size}: {text}."
        for (case, size), text in failures.items()
    ]
    notes += [
        f"**{row['title']}.** The other's time is that of the first "
        f"{row['theirs']['share']:.1%} of the pixels, scaled up."
        for row in record["speed"]
        if row["theirs"] and row["theirs"]["share"] < 1
    ]
    notes += _apart(record)
    return "\n\n".join([markdown_table(header, rows, "lrrrrr"), *notes])


def _apart(record: Mapping[str, Any]) -> list[str]:
    """Return notes on the cases that were timed apart from the others, by what differed."""
    titles: dict[str, list[str]] = {}
    for row in record["speed"]:
        if "measured" not in row:
            continue
        about = row["measured"]
        loads = [load for load in about["load"] if load is not None]
        busy = f", while up to {max(loads):.0f} processes wanted to run" if loads else ""
        known = ("date", "load", "processor")
        others = ", ".join(f"{key} {about[key]}" for key in about if key not in known)
        text = (
            f"measured apart from the others, on {about['date']}"
            + (f", on “{about['processor']}”" if "processor" in about else "")
            + (f" ({others})" if others else "")
            + busy
        )
        titles.setdefault(text, []).append(row["title"])
    return [f"**{'; '.join(rows)}:** {text}." for text, rows in titles.items()]


def _speed_line(row: Mapping[str, Any], failure: str | None) -> tuple[str, ...]:
    title = row["title"] if row["other"] == PEER else f"{row['title']}; other: {row['other']}"
    return (
        title,
        f"{row['size']}{GAP}×{GAP}{row['size']}",
        time_of(row["ours"]),
        time_of(row["theirs"]),
        failure or f"**{factor(row['ratio'])}**",
        " / ".join(parameters(row[side]) for side in ("ours", "theirs")),
    )


def _failures(record: Mapping[str, Any]) -> dict[tuple[str, int], str]:
    """Return what stands in the place of a ratio, by case and size, where a side has failed."""
    found: dict[tuple[str, int], str] = {}
    for row in record["failures"]:
        key = row["case"], row["size"]
        text = f"failed ({WHO[row['side']]}): `{row['reason'].replace('`', chr(39))}`"
        found[key] = f"{found[key]}; {text}" if key in found else text
    return found


def time_of(side: Mapping[str, Any] | None) -> str:
    return duration(side["seconds"]) if side else MISSING


def parameters(side: Mapping[str, Any] | None) -> str:
    return f"{side['parameters']:,}" if side else MISSING


def slope(curve: Mapping[str, Any], side: str) -> float | None:
    """Return the power of the number of pixels by which a cost rises from 14² to 56² of them."""
    seconds = {p["pixels"]: p[side]["seconds"] for p in curve["points"] if p[side]}
    if not {14**2, 56**2} <= set(seconds):
        return None
    return math.log(seconds[56**2] / seconds[14**2]) / math.log(16)


def growth_alt(record: Mapping[str, Any]) -> str:
    """Return what the figure shows, in words."""
    clauses = []
    pairs = [
        point["theirs"]["seconds"] > point["ours"]["seconds"]
        for curve in record["growth"]
        for point in curve["points"]
        if point["ours"] and point["theirs"]
    ]
    for curve in record["growth"]:
        ours, theirs = slope(curve, "ours"), slope(curve, "theirs")
        if ours is None:
            continue
        other = "" if theirs is None else f" and {theirs:.1f} for the other"
        clauses.append(f"{SHORT[curve['case']]}, {ours:.1f} for the library{other}")
    return (
        "Three log-log panels of seconds against pixels: a training step, samples, and a spatial "
        "LSTM. Solid lines are the library, dashed ones the other, which takes longer at "
        f"{sum(pairs)} of {len(pairs)} points. From 14² to 56² pixels the costs rise with this "
        f"power of the number of pixels: {'; '.join(clauses)}."
    )


def growth_markdown(record: Mapping[str, Any]) -> str:
    """Return the figure, its description and its caption."""
    header = ("Work", "gdmlib", "Other")
    rows = [
        (curve["title"], *(_power(slope(curve, side)) for side in ("ours", "theirs")))
        for curve in record["growth"]
    ]
    return "\n".join(
        [
            f"```{{figure}} {FIGURE}",
            ":name: fig-speed-growth",
            f':alt: "{growth_alt(record)}"',
            ":width: 100%",
            "",
            "Time against the number of pixels, both on logarithmic scales: a straight line is a "
            "power law, and its slope the power. Solid with filled markers: the library; dashed "
            "with open ones: the other. Dotted: a cost that grows like the number n of pixels, and "
            "one that grows like its square.",
            "```",
            "",
            markdown_table(header, rows, "lrr"),
        ]
    )


def _power(value: float | None) -> str:
    return MISSING if value is None else f"$n^{{{value:.1f}}}$"


def memory_markdown(record: Mapping[str, Any]) -> str:
    """Return what the gradient of a whole image costs, with and without recomputation."""
    if not record["memory"]:
        return "The memory of a process could not be read on that machine."
    found = {(row["pixels"], row["recompute"]): row for row in record["memory"]}
    rows = []
    for pixels in sorted({pixels for pixels, _ in found}):
        runs = [found.get((pixels, again)) for again in (False, True)]
        size = round(pixels**0.5)
        rows.append(
            (
                f"{size}{GAP}×{GAP}{size}",
                *(time_of(run) for run in runs),
                *(f"{run['megabytes']:,.0f}{GAP}MB" if run else MISSING for run in runs),
            )
        )
    header = ("Image", "Time", "Time, recomputed", "Memory", "Memory, recomputed")
    return markdown_table(header, rows, "lrrrr")


def sight_markdown(record: Mapping[str, Any]) -> str:
    """Return the table of unseen pixels."""
    who = {"ours": "gdmlib", "theirs": PEER}
    rows = [
        (f"{who[row['side']]}, {row['network']}", f"**{row['unseen']}** of {row['past']}")
        for row in record["properties"]["blind_spot"]
    ]
    row, column = record["properties"]["pixel"]
    header = ("Network", f"Unseen pixels of the past, at row {row}, column {column}")
    return markdown_table(header, rows, "lr")


def scale_markdown(record: Mapping[str, Any]) -> str:
    """Return the growth of the activations, and how often a block's input is added."""
    found = {row["side"]: row["scale"] for row in record["properties"]["scale"]}
    header = ("Plain PixelCNN", "into the first block", "into the last layers", "growth")
    who = {"ours": "gdmlib", "theirs": PEER}
    rows = [
        (who[side], f"{s[0]:.2f}", f"{s[-1]:,.2f}", f"**{s[-1] / s[0]:,.1f} ×**")
        for side, s in found.items()
    ]
    table = markdown_table(header, rows, "lrrr")
    weight = record["properties"]["residual_weight"]
    if weight is None:
        return table
    return (
        f"{table}\n\nWith all weights of its blocks set to zero, a block of {PEER} hands on "
        f"{weight:.1f} times its input. Once would be right: the block adds its input itself, and "
        "the network around it adds it again. So what comes first doubles with every block, and "
        "what a later block adds hardly counts in a new network."
    )


def directive(write: Callable[..., str], *paths: Path) -> type[MarkdownDirective]:
    """Return a directive that writes Markdown from the records at these paths."""

    class Made(MarkdownDirective):
        def markdown(self) -> str:
            for path in paths:
                self.env.note_dependency(str(path))
            return write(*(read_record(self.root(), path) for path in paths))

    return Made


DIRECTIVES: Sequence[tuple[str, Callable[[Mapping[str, Any]], str]]] = (
    ("speed-setup", setup_markdown),
    ("speed-table", speed_markdown),
    ("speed-growth", growth_markdown),
    ("speed-memory", memory_markdown),
    ("speed-sight", sight_markdown),
    ("speed-scale", scale_markdown),
)


def setup(app: Sphinx) -> None:
    """Register the directives."""
    for name, write in DIRECTIVES:
        app.add_directive(name, directive(write, RESULTS))
