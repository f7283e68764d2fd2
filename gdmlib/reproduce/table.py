"""The table of results, made of records."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from gdmlib.reproduce.catalogue import EXPERIMENTS
from gdmlib.reproduce.experiment import Experiment
from gdmlib.reproduce.records import Metric, Published, Record, load_records

_CHANGED = "* not the settings of the full run (a smaller budget, say): see the page of results"


class Row(NamedTuple):
    """One line of the table of results, all of it text."""

    experiment: str
    data: str
    ours: str
    published: str = ""
    gap: str = ""
    source: str = ""
    note: str = ""
    run: str = ""
    better: str = ""


def results_table(folder: str | Path) -> list[Row]:
    """Return a row for each metric of each experiment; one without a record is shown as missing.

    ``ours`` is the mean ± its standard error, ``better`` which direction is, ``gap`` ours minus
    published and what that means, ``run`` the device and the time it took. A published value that
    was not seen in the paper itself is marked as quoted.
    """
    records = _full_size(folder)
    names = [*EXPERIMENTS, *sorted(records.keys() - EXPERIMENTS.keys())]
    return [row for name in names for row in _rows(name, records.get(name))]


def results_text(folder: str | Path, *patterns: str, measure: str | None = None) -> str:
    """Return records beside published numbers, and which direction is better; "" if none is there.

    Args:
        folder: Holds the records.
        patterns: Names, where ``*`` stands for anything: ``"fvsbn_*"``.
        measure: Only metrics called so and by a case, ``"PSNR"`` of ``"PSNR, rate 0.40"``.

    Returns:
        One line a metric, in the order of the experiments; with a measure one line an experiment,
        a column a case, and a last line of what is published.
    """
    records = _full_size(folder)
    shown = [
        (experiment, records[name])
        for name, experiment in EXPERIMENTS.items()
        if name in records and any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
    if measure is not None:
        return _grid(shown, measure)
    directions = {m.better for _, r in shown for m in (r.metric, *(o.metric for o in r.others))}
    lines = [f"{directions.pop()} is better"] if len(directions) == 1 else []
    each, others = bool(directions), False
    for experiment, record in shown:
        changed = bool(_changes(experiment, record))
        others = others or changed
        name = experiment.name + " *" * changed
        for number, row in enumerate(_rows(experiment.name, record)):
            label = f"  {row.experiment.rsplit(': ', 1)[1]}" if number else name
            line = f"{label:<26}{row.ours.split(' (')[0]:>22}"
            line += f"   published {row.published}" if row.published else ""
            lines.append(line + f"   {row.better} is better" * each)
    return "\n".join([*lines, *[_CHANGED] * others])


def _grid(shown: list[tuple[Experiment, Record]], measure: str) -> str:
    """Return one measure as a table: a line an experiment, a column a case."""
    cells: dict[str, dict[str, str]] = {}
    published: dict[str, str] = {}
    about = set()
    for experiment, record in shown:
        label = experiment.name + " *" * bool(_changes(experiment, record))
        found = [(record.metric, experiment.published)]
        found += [(other.metric, other.published) for other in record.others]
        for metric, goal in found:
            name, _, case = metric.name.partition(", ")
            if name != measure:
                continue
            about.add(f"{measure} ({metric.unit}), {metric.better} is better")
            row = cells.setdefault(label, {})
            row[case] = f"{metric.value:.{experiment.digits}f}"
            if goal is not None:
                published[case] = f"{goal.value:.{experiment.digits}f}"
    cases = list(dict.fromkeys(case for row in cells.values() for case in row))
    rows = cells | ({"published": published} if published else {})
    wide = max(map(len, rows), default=0)
    lines = [
        f"{name:<{wide}}" + "".join(f"{row.get(c, '–'):>{len(c) + 3}}" for c in cases)
        for name, row in {"": {c: c for c in cases}, **rows}.items()
    ]
    changed = any(name.endswith("*") for name in cells)
    return "\n".join([*sorted(about), *lines, *[_CHANGED] * changed]) if cells else ""


def _full_size(folder: str | Path) -> dict[str, Record]:
    """Return the records of a folder by name, without trials."""
    return {record.name: record for record in load_records(folder) if not record.smoke}


def _rows(name: str, record: Record | None) -> list[Row]:
    """Return the row of an experiment, and one for each further metric of its record."""
    experiment = EXPERIMENTS.get(name)
    if record is None:
        assert experiment is not None
        note = f"Not yet run: `python -m gdmlib.reproduce run {name}`"
        goal = _goal(experiment.published, experiment.digits)
        return [Row(experiment.title, experiment.dataset, "missing", note=note, **goal)]
    if experiment is None:
        title, data, digits, published = record.title, record.data.name, 2, record.published
        note = f"No longer an experiment of the course. {record.protocol}"
    else:
        title, data, digits = experiment.title, experiment.dataset, experiment.digits
        published = experiment.published  # what is known of the paper may have grown since the run
        note = " ".join([experiment.protocol, *_changes(experiment, record)])
    measured = [(title, record.metric, published, note)]
    measured += [(f"{title}: {o.metric.name}", o.metric, o.published, "") for o in record.others]
    return [
        Row(
            label,
            data,
            f"{metric.value:.{digits}f} ± {metric.stderr:.{digits}f} {metric.unit} "
            f"({metric.count:,} {metric.over})",
            gap="" if goal is None else _gap(metric, goal, digits),
            note=note,
            run=_where(record),
            better=metric.better,
            **_goal(goal, digits),
        )
        for label, metric, goal, note in measured
    ]


def _goal(published: Published | None, digits: int) -> dict[str, str]:
    """Return the entries of a row that say what a paper reports."""
    if published is None:
        return {}
    quoted = "" if published.verified else ", quoted"
    value = f"{published.value:.{digits}f} {published.unit}{quoted}"
    return {"published": value, "source": published.source}


def _changes(experiment: Experiment, record: Record) -> list[str]:
    """Say which settings of a record are not those of the full size."""
    full = experiment.settings(smoke=False, changes={})
    used = {"seeds": record.seeds, **record.config}
    changed = [
        f"{key} {used.get(key)} instead of {full.get(key)}"
        for key in sorted(full.keys() | used.keys())
        if full.get(key) != used.get(key)
    ]
    return [f"Not the settings of the full run: {', '.join(changed)}."] if changed else []


def _gap(metric: Metric, published: Published, digits: int) -> str:
    gap = metric.value - published.value
    if abs(gap) <= metric.stderr:
        meaning = "within the error"
    else:
        meaning = "better" if (gap < 0) == (metric.better == "lower") else "worse"
    return f"{gap:+.{digits + 1}f} ({meaning})"


def _where(record: Record) -> str:
    """Return where a record was made and the budget it had."""
    units = record.threads * record.processes
    if record.device != "cpu":
        return f"{record.device}, {_time(record.seconds)}"
    time = record.cpu_seconds * record.processes  # of a process; the clock counts the neighbours
    return f"CPU only, {units} thread{'s' * (units > 1)}, {_time(time)} of processor time"


def _time(seconds: float) -> str:
    """Return a duration with its unit, to the digits that another run would repeat."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
