"""What the page on quality against seconds shows, made from ``benchmarks/seconds.json``.

``{seconds-figure}``   the figure, described by the numbers of the record.
``{seconds-table}``    every family after every budget.
``{seconds-samples}``  what each family draws after each budget, with one slider.
``{seconds-full}``     what the family's record of full size says, from ``results/``.
``{seconds-setup}``    machine, data, and which runs are missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from .speed import directive, duration
from .tables import GAP, MISSING, markdown_table

RESULTS = Path("benchmarks") / "seconds.json"
FIGURE = "_static/seconds.png"
LESSON = -1  # the budget of the weights that come with a lesson
FAMILIES = {
    "fvsbn": ("FVSBN", "04_fvsbn"),
    "ride": ("RIDE", "06_ride"),
    "pixelcnn": ("PixelCNN", "07_pixelcnn"),
    "vae": ("VAE", "09_vae"),
    "flow": ("flow", "10_flows"),
    "diffusion": ("diffusion", "11_diffusion"),
    "flow_matching": ("flow matching", "11_diffusion"),
    "gan": ("GAN", "13_gan"),
}
BUDGETS = {5: f"5{GAP}s", 15: f"15{GAP}s", 60: f"60{GAP}s", 600: f"10{GAP}min"}
WANTED = {5: 2, 15: 2, 60: 2, 600: 1}
"""How many seeds there should be for each budget."""

FULL = {
    "fvsbn": "fvsbn_mnist",
    "ride": "ride_bsds300_images",
    "pixelcnn": "pixelcnn_mnist",
    "vae": "vae_mnist_k50",
    "flow": "maf_mnist",
    "diffusion": "diffusion_mnist",
    "flow_matching": "flow_matching_mnist",
    "gan": "dcgan_mnist",
}
"""The record of full size of each family."""

Record = Mapping[str, Any]


def found(record: Record, family: str, budget: float) -> list[Record]:
    """Return the runs of a family for a budget."""
    return [r for r in record["runs"] if (r["family"], r["budget"]) == (family, budget)]


def mean(runs: Sequence[Record], what: str, digits: int, times: float = 1) -> str:
    """Return a mean over seeds."""
    values = [times * run[what] for run in runs if what in run]
    return f"{sum(values) / len(values):.{digits}f}" if values else MISSING


def spread(runs: Sequence[Record], what: str, digits: int) -> str:
    """Return a mean over seeds, with half of their distance where there are two."""
    values = [run[what] for run in runs if what in run]
    text = mean(runs, what, digits)
    if len(values) < 2:
        return text
    return f"{text}{GAP}±{GAP}{(max(values) - min(values)) / 2:.{digits}f}"


def percent(runs: Sequence[Record], what: str) -> str:
    """Return the mean of a share over seeds."""
    text = mean(runs, what, 0, 100)
    return text if text == MISSING else f"{text}{GAP}%"


def table_markdown(record: Record) -> str:
    """Return what every family reached after every budget."""
    header = ("Family", "Training", "Steps", "Bits per pixel", "Fréchet distance", "Right class")
    header = (*header, "Spread", "Nearer", "Apart")
    rows = []
    for family, (title, lesson) in FAMILIES.items():
        first = True
        for budget, words in [*BUDGETS.items(), (LESSON, "")]:
            runs = found(record, family, budget)
            if not runs:
                continue
            if budget == LESSON:
                words = f"lesson’s, {runs[0]['seconds']:.0f}{GAP}s"
            rows.append(
                (
                    f"[{title}](../notebooks/{lesson}.ipynb)" if first else "",
                    words,
                    f"{sum(r['steps'] for r in runs) // len(runs):,}" if budget > 0 else MISSING,
                    spread(runs, "bits", 2),
                    spread(runs, "frechet", 1 if min(r["frechet"] for r in runs) >= 10 else 2),
                    percent(runs, "right"),
                    mean(runs, "spread", 1),
                    percent(runs, "near_training"),
                    mean(runs, "distance", 2),
                )
            )
            first = False
    (gauss,) = found(record, "gaussian", 0)
    closed = f"{gauss['seconds']:.1f}{GAP}s"
    rows.append(
        ("[Gaussian](../notebooks/02_gaussian_mle.ipynb)", closed, MISSING,
         spread([gauss], "bits", 2), spread([gauss], "frechet", 2), MISSING, MISSING,
         percent([gauss], "near_training"), mean([gauss], "distance", 2))
    )  # fmt: skip
    real = f"{gauss['floor']:.2f}{GAP}±{GAP}{gauss['floor_spread']:.2f}"
    rows.append(
        ("real glyphs", MISSING, MISSING, MISSING, real, MISSING, MISSING,
         percent([gauss], "by_chance"), mean([gauss], "held_out_distance", 2))
    )  # fmt: skip
    return markdown_table(header, rows, "llrrrrrrr")


def alt(record: Record) -> str:
    """Return what the figure shows, in words."""
    clauses = []
    for family, (title, _) in FAMILIES.items():
        there = [b for b in BUDGETS if found(record, family, b)]
        if len(there) > 1:
            ends = [found(record, family, b) for b in (there[0], there[-1])]
            first, last = (sum(r["frechet"] for r in runs) / len(runs) for runs in ends)
            clauses.append(f"{title} from {first:.1f} to {last:.1f}")
    longest = max(run["budget"] for run in record["runs"])
    return (
        f"Two log-log panels over training time, from 5 to {longest:.0f} seconds. The Fréchet "
        f"distance of samples falls: {', '.join(clauses)}. The bits per pixel of held-out glyphs "
        "fall, too, and rank the families in another order."
    )


def figure_markdown(record: Record) -> str:
    """Return the figure, its description and its caption."""
    lines = [
        f"```{{figure}} {FIGURE}",
        ":name: fig-seconds",
        f':alt: "{alt(record)}"',
        "",
        "Quality against processor time, on logarithmic scales; lower is better. Left: the Fréchet "
        "distance of a thousand samples, with that of as many real glyphs (dashed). Right: bits "
        "per pixel of held-out glyphs, exact or a bound; a GAN has none. Each point is a run of "
        "its own; bars reach from one seed to the other. Open markers: the weights that come with "
        "the lessons. Dotted: a Gaussian.",
        "```",
    ]
    return "\n".join(lines)


def samples_markdown(record: Record) -> str:
    """Return the samples of all families, with one slider over the budgets."""
    names = " ".join(f"seconds_{family}" for family in FAMILIES)
    there = [words for budget, words in BUDGETS.items() if _any(record, budget)]
    return f"```{{frames}} {names}\n:words: {'; '.join(there)}\n```"


def _any(record: Record, budget: float) -> bool:
    return any(found(record, family, budget) for family in FAMILIES)


def missing(record: Record, seeds: int = 0) -> list[str]:
    """Return, in words, the budgets and families with so many seeds, where there should be more."""
    lines = []
    for budget, words in BUDGETS.items():
        lacking = [
            title
            for family, (title, _) in FAMILIES.items()
            if len(found(record, family, budget)) == seeds < WANTED[budget]
        ]
        if lacking:
            who = "all families" if len(lacking) == len(FAMILIES) else ", ".join(lacking)
            lines.append(f"{words}: {who}")
    return lines


def pace(record: Record) -> str:
    """Say how fast the runs of ten minutes went beside those of a minute, family by family."""
    speed = {
        (family, budget): sum(r["steps"] / r["seconds"] for r in runs) / len(runs)
        for family in FAMILIES
        for budget in (60, 600)
        if (runs := [r for r in found(record, family, budget) if "steps" in r])
    }
    ratios = [speed[f, 600] / speed[f, 60] for f in FAMILIES if {(f, 60), (f, 600)} <= set(speed)]
    if not ratios:
        return ""
    return (
        f" Runs of {BUDGETS[600]} took {min(ratios):.2f} to {max(ratios):.2f} times as many steps "
        f"a second as runs of {BUDGETS[60]}: the machine was shared, and not always equally fast."
    )


def setup_markdown(record: Record) -> str:
    """Return machine, data and the runs that are missing."""
    machine, about = record["machine"], record["data"]
    lacking, single = missing(record), missing(record, 1)
    gone = (
        f"**Not run yet:** {'; '.join(lacking)}. The table and the figure leave these out, and the "
        "slider shows what was there before."
        if lacking
        else "No run is missing."
    )
    if single:
        gone += f" **Run for one seed only**, where two were planned: {'; '.join(single)}."
    if WANTED[600] == 1 and _any(record, 600):
        gone += f" All runs of {BUDGETS[600]} have one seed.{pace(record)}"
    until = record.get("until", record["date"])
    when = f"on {until}" if until == record["date"] else f"between {record['date']} and {until}"
    return (
        f"Measured {when} on one thread of “{machine['processor']}” "
        f"({machine['architecture']}, {machine['vector']}), torch {record['versions']['torch']}. "
        f"{about['glyphs']:,} glyphs train, {about['held_out']:,} others are held out, and "
        f"{about['samples']:,} samples are judged. {gone}"
    )


def full_markdown(*records: Record) -> str:
    """Return what each family's record of full size says, beside what was published."""
    rows = []
    for (title, _), record in zip(FAMILIES.values(), records, strict=True):
        name, metric, published = record["title"], record["metric"], record["published"]
        unit = f"{GAP}{metric['unit']}" if metric["unit"] else ""
        rows.append(
            (
                name if title.lower() in name.lower() else f"{title}: {name}",
                record["data"]["name"],
                f"{metric['name']}, {metric['better']} is better",
                f"{metric['value']:.2f}{unit}",
                f"{published['value']:.2f}{unit}" if published else MISSING,
                duration(record["cpu_seconds"]),
            )
        )
    header = ("Family", "Data", "Measure", "Here", "Published", "Processor time")
    return markdown_table(header, rows, "lllrrr")


DIRECTIVES = (
    ("seconds-figure", figure_markdown),
    ("seconds-table", table_markdown),
    ("seconds-samples", samples_markdown),
    ("seconds-setup", setup_markdown),
)


def setup(app: Sphinx) -> None:
    """Register the directives."""
    for name, write in DIRECTIVES:
        app.add_directive(name, directive(write, RESULTS))
    full = (Path("results") / f"{name}.json" for name in FULL.values())
    app.add_directive("seconds-full", directive(full_markdown, *full))
