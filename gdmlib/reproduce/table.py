"""The table of results, made of records."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from gdmlib.reproduce.catalogue import EXPERIMENTS
from gdmlib.reproduce.experiment import Experiment
from gdmlib.reproduce.job import clock
from gdmlib.reproduce.records import Metric, Published, Record, load_records


class Row(NamedTuple):
    """One line of the table of results, all of it text."""

    experiment: str
    data: str
    ours: str
    published: str
    gap: str
    source: str
    note: str
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


def results_text(folder: str | Path, *patterns: str) -> str:
    """Return a few lines for people: records beside published numbers.

    Args:
        folder: Holds the records.
        patterns: Names, where ``*`` stands for anything: ``"fvsbn_*"``.

    Returns:
        One line a record, in the order of the experiments, and which direction is better; "" if
        there is none.
    """
    shown = [
        (experiment, record)
        for experiment, record in zip(
            EXPERIMENTS.values(), map(_full_size(folder).get, EXPERIMENTS), strict=True
        )
        if record and any(fnmatchcase(experiment.name, pattern) for pattern in patterns)
    ]
    directions = {m.better for _, r in shown for m in (r.metric, *(o.metric for o in r.others))}
    lines = [f"{directions.pop()} is better"] if len(directions) == 1 else []
    each, others = bool(directions), False
    for experiment, record in shown:
        changed = bool(_changes(experiment, record))
        others = others or changed
        for number, row in enumerate(_rows(experiment.name, record)):
            name = experiment.name + " *" * changed
            label = f"  {row.experiment.rsplit(': ', 1)[1]}" if number else name
            line = f"{label:<26}{row.ours.split(' (')[0]:>22}"
            line += f"   published {row.published}" if row.published else ""
            lines.append(line + f"   {row.better} is better" * each)
    if others:
        lines.append(
            "* other settings than registered, as a smaller budget: see the page of results"
        )
    return "\n".join(lines)


def _full_size(folder: str | Path) -> dict[str, Record]:
    """Return the records of a folder by name, without trials."""
    return {record.name: record for record in load_records(folder) if not record.smoke}


def _rows(name: str, record: Record | None) -> list[Row]:
    """Return the row of an experiment, and one for each further metric of its record."""
    experiment = EXPERIMENTS.get(name)
    digits = 2 if experiment is None else experiment.digits
    # What is known of the paper may have grown since the run.
    published = experiment.published if experiment else record.published if record else None
    title = experiment.title if experiment else record.title if record else name
    data = experiment.dataset if experiment else record.data.name if record else ""
    if record is None:
        note = f"Not yet run: `python -m gdmlib.reproduce run {name}`"
        return [_row(title, data, None, published, digits, note)]
    notes = [experiment.protocol if experiment else record.protocol]
    if experiment is None:
        notes.insert(0, "No longer registered.")
    else:
        notes.extend(_changes(experiment, record))
    where = _where(record)
    first = _row(title, data, record.metric, published, digits, " ".join(notes), where)
    return [
        first,
        *[
            _row(f"{title}: {o.metric.name}", data, o.metric, o.published, digits, "", where)
            for o in record.others
        ],
    ]


def _row(
    title: str,
    data: str,
    metric: Metric | None,
    published: Published | None,
    digits: int,
    note: str,
    where: str = "",
) -> Row:
    ours, gap = "missing", ""
    if metric is not None:
        ours = (
            f"{metric.value:.{digits}f} ± {metric.stderr:.{digits}f} {metric.unit} "
            f"({metric.count:,} {metric.over})"
        )
        gap = "" if published is None else _gap(metric, published, digits)
    return Row(
        experiment=title,
        data=data,
        ours=ours,
        published="" if published is None else _goal(published, digits),
        gap=gap,
        source="" if published is None else published.source,
        note=note,
        run=where,
        better="" if metric is None else metric.better,
    )


def _goal(published: Published, digits: int) -> str:
    quoted = "" if published.verified else ", quoted"
    return f"{published.value:.{digits}f} {published.unit}{quoted}"


def _changes(experiment: Experiment, record: Record) -> list[str]:
    """Say which settings of a record are not those of the full size."""
    full = experiment.settings(smoke=False, changes={})
    used = {"seeds": record.seeds, **record.config}
    changed = [
        f"{key} {used.get(key)} instead of {full.get(key)}"
        for key in sorted(full.keys() | used.keys())
        if full.get(key) != used.get(key)
    ]
    return [f"Other settings than registered: {', '.join(changed)}."] if changed else []


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
        return f"{record.device}, {clock(record.seconds)}"
    time = record.cpu_seconds * record.processes  # of a process; the clock counts the neighbours
    return f"CPU only, {units} thread{'s' * (units > 1)}, {clock(time)} of processor time"
