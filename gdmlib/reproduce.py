"""Published numbers, run again at full size: ``python -m gdmlib.reproduce list`` or ``run NAME``.

An experiment (they are in `gdmlib.experiments`) is a function and the number it should give. It
calls the very functions that the lessons call, with other settings. Running it leaves one JSON
record, from which the book renders its table of results.

Training goes through Lightning Fabric, so that one command serves one CPU, one GPU or many
processes::

    python -m gdmlib.reproduce run made_dna                           # a GPU where there is one
    python -m gdmlib.reproduce run made_dna --device cpu --processes 2
    python -m gdmlib.reproduce run pixelcnn_mnist --device cuda --devices 4
    python -m gdmlib.reproduce run made_dna --resume                  # after an interruption
    python -m gdmlib.reproduce run made_dna --set epochs=5 --set 'seeds=[0]'   # a smaller budget

Several processes share each batch and average their gradients: the steps are those of one process.
What a run needs to go on after an interruption is in ``build/reproduce/NAME``, or where ``--work``
says; the trained weights are there too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

import gdmlib
from gdmlib._job import Experiment, Job, Outcome, ResumeError, clock, prepare
from gdmlib.experiments import EXPERIMENTS
from gdmlib.records import (
    Data,
    Metric,
    Published,
    Record,
    RecordError,
    check_record,
    load_record,
    load_records,
    sha256_of,
    write_record,
)
from gdmlib.training.files import CheckpointError
from gdmlib.training.processes import MissingFabricError, Processes, find_device, launch, together

__all__ = [
    "EXPERIMENTS",
    "Data",
    "Experiment",
    "Job",
    "Metric",
    "MissingFabricError",
    "Outcome",
    "Published",
    "Record",
    "RecordError",
    "ResumeError",
    "Row",
    "load_record",
    "load_records",
    "main",
    "results_table",
    "results_text",
    "run",
    "sha256_of",
]


def run(
    name: str,
    out: str | Path | None = None,
    *,
    smoke: bool = False,
    device: str = "auto",
    processes: int = 1,
    resume: bool = False,
    work: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    say: Callable[[str], None] | None = None,
) -> Record:
    """Run an experiment and, if ``out`` is given, write ``out/NAME.json``.

    Args:
        name: A key of `EXPERIMENTS`.
        out: Folder for the record. A new record takes the old one's place only when it is complete.
        smoke: A trial of a second on stand-in data. Its record never takes the place of a full one.
        device: ``"auto"`` (a GPU where there is one), ``"cpu"`` or ``"cuda"``.
        processes: How many processes train together; on GPUs, one for each.
        resume: Go on with what ``work`` holds.
        work: Folder that keeps the run while it lasts; None keeps nothing.
        changes: Settings that differ from the experiment's own.
        say: Takes the lines of progress.

    Raises:
        ValueError: If there is no such experiment, setting or device.
        ResumeError: If ``work`` holds an unfinished run and ``resume`` is not given, or a run with
            other settings.
        RecordError: If the result is no number, or a trial would replace a full record.
        MissingFabricError: If the experiment trains and Lightning Fabric is not installed.
        FloatingPointError: If a loss or a parameter became NaN; the last good checkpoint is kept in
            ``work``.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"no experiment {name!r}; there are {', '.join(sorted(EXPERIMENTS))}")
    experiment = EXPERIMENTS[name]
    settings = experiment.settings(smoke, changes or {})
    device = find_device(device)
    _check_processes(experiment, device, processes)
    _check_out(name, out, smoke)
    if resume and work is None:
        raise ValueError("work: resume needs the folder that keeps the run")
    folder = None if work is None else Path(work)
    main = os.environ.get("LOCAL_RANK", "0") == "0"  # Fabric sets it for the processes it starts
    earlier, remarks = (0.0, 0.0), list[str]()
    if folder is not None and main:
        where = {
            "device": device,
            "threads": torch.get_num_threads(),
            "processes": processes,
            "torch": torch.__version__,
        }
        kept = {"experiment": name, "smoke": smoke, **settings}
        earlier, remarks = prepare(folder, kept, where, resume)
    if say is not None:
        for remark in remarks:
            say(f"{name}: {remark}")
    several: Processes | None = None
    place = torch.device(device)
    if experiment.trains:
        several, place = launch(device, processes)
        main = several.rank == 0
    job = Job(
        name,
        settings,
        smoke=smoke,
        device=place,
        folder=folder,
        say=say,
        main=main,
        earlier=earlier,
    )
    with together(several):
        outcome = experiment.run(job)
    record = _record(experiment, job, outcome, processes)
    if out is not None and main:
        write_record(record, out)
    job.finish()
    return record


def _check_processes(experiment: Experiment, device: str, processes: int) -> None:
    if processes < 1:
        raise ValueError(f"processes: expected at least 1, got {processes}")
    if processes > 1 and not experiment.trains:
        raise ValueError(
            f"{experiment.name} is fitted in closed form or with all data at once, in one process; "
            "give it more threads (--threads), not more processes"
        )
    if device == "cuda" and processes > torch.cuda.device_count():
        raise ValueError(f"{processes} GPUs asked for, torch sees {torch.cuda.device_count()}")


def _check_out(name: str, out: str | Path | None, smoke: bool) -> None:
    path = None if out is None else Path(out) / f"{name}.json"
    if path is not None and path.exists() and smoke and not load_record(path).smoke:
        raise RecordError(f"{path}: a full record is there; write the trial to another folder")


def _record(experiment: Experiment, job: Job, outcome: Outcome, processes: int) -> Record:
    published = experiment.published
    seconds, cpu_seconds = job.spent()
    device = job.device.type
    record = Record(
        name=experiment.name,
        title=experiment.title,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        smoke=job.smoke,
        config=job.config,
        seeds=job.seeds,
        details=outcome.details,
        device=torch.cuda.get_device_name(job.device) if device == "cuda" else device,
        threads=torch.get_num_threads(),
        processes=processes,
        versions={
            "gdmlib": gdmlib.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu_seconds, 3),
        metric=outcome.metric,
        published=published,
        gap=None if job.smoke or published is None else outcome.metric.value - published.value,
        data=outcome.data,
        protocol=experiment.protocol,
    )
    check_record(record)
    return record


# ---------------------------------------------------------------------------------------- the table


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


def results_table(folder: str | Path) -> list[Row]:
    """Return one row an experiment, in their order; one without a full record is shown as missing.

    ``ours`` is the mean ± its standard error, ``gap`` ours minus published and what that means,
    ``run`` the device and the time it took. A published value that was not seen in the paper itself
    is marked as quoted.
    """
    records = _full_size(folder)
    names = [*EXPERIMENTS, *sorted(records.keys() - EXPERIMENTS.keys())]
    return [_row(name, records.get(name)) for name in names]


def results_text(folder: str | Path, *patterns: str) -> str:
    """Return a few lines for people: records beside published numbers.

    Args:
        folder: Holds the records.
        patterns: Names, where ``*`` stands for anything: ``"fvsbn_*"``.

    Returns:
        One line a record, in the order of the experiments; "" if there is none.
    """
    records = _full_size(folder)
    lines, others = [], False
    for name, experiment in EXPERIMENTS.items():
        record = records.get(name)
        if record is None or not any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        row = _row(name, record)
        changed = bool(_changes(experiment, record))
        others = others or changed
        line = f"{name + (' *' if changed else ''):<26}{row.ours.split(' (')[0]:>22}"
        lines.append(line + (f"   published {row.published}" if row.published else ""))
    if others:
        lines.append(
            "* other settings than registered, as a smaller budget: see the page of results"
        )
    return "\n".join(lines)


def _full_size(folder: str | Path) -> dict[str, Record]:
    """Return the records of a folder by name, without trials."""
    return {record.name: record for record in load_records(folder) if not record.smoke}


def _row(name: str, record: Record | None) -> Row:
    experiment = EXPERIMENTS.get(name)
    digits = 2 if experiment is None else experiment.digits
    # What is known of the paper may have grown since the run.
    published = experiment.published if experiment else record.published if record else None
    protocol = experiment.protocol if experiment else record.protocol if record else ""
    notes = []
    if experiment is None:
        notes.append("No longer registered.")
    if record is None:
        notes.append(f"Not yet run: `python -m gdmlib.reproduce run {name}`")
    ours, gap, where = "missing", "", ""
    if record is not None:
        metric = record.metric
        notes.append(protocol)
        if experiment is not None:
            notes.extend(_changes(experiment, record))
        ours = (
            f"{metric.value:.{digits}f} ± {metric.stderr:.{digits}f} {metric.unit} "
            f"({metric.count:,} {metric.over})"
        )
        gap = "" if published is None else _gap(metric, published, digits)
        where = _where(record)
    return Row(
        experiment=experiment.title if experiment else record.title if record else name,
        data=experiment.dataset if experiment else record.data.name if record else "",
        ours=ours,
        published="" if published is None else _goal(published, digits),
        gap=gap,
        source="" if published is None else published.source,
        note=" ".join(notes),
        run=where,
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


# ------------------------------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "list":
        for name, experiment in EXPERIMENTS.items():
            goal = experiment.published
            target = "" if goal is None else f" | published {goal.value} {goal.unit}"
            print(f"{name}: {experiment.title} | {experiment.dataset}{target}")
        return 0
    out = options.out or (None if options.smoke else Path("results"))
    work = options.work or (None if options.smoke else Path("build", "reproduce", options.name))
    silent = os.environ.get("GDMLIB_PROGRESS") == "0"
    if options.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # for the processes to be started
        torch.set_num_threads(options.threads)
    try:
        record = run(
            options.name,
            out,
            smoke=options.smoke,
            device=options.device,
            processes=_processes(options),
            resume=options.resume,
            work=work,
            changes=dict(options.set),
            say=None if silent else tqdm.write,
        )
    except (
        CheckpointError, FloatingPointError, MissingFabricError, OSError, ValueError,
    ) as error:  # fmt: skip
        print(f"{options.name}: {error}", file=sys.stderr)
        if isinstance(error, FloatingPointError) and work is not None:
            print(f"{options.name}: what was good is kept in {work}", file=sys.stderr)
        return 1
    if os.environ.get("LOCAL_RANK", "0") == "0":
        _show(record, out)
    return 0


def _show(record: Record, out: Path | None) -> None:
    metric = record.metric
    print(
        f"{record.name}: {metric.name} {metric.value:.4f} ± {metric.stderr:.4f} {metric.unit} "
        f"(one standard error over {metric.count} {metric.over})"
    )
    if record.published is not None and record.gap is not None:
        print(
            f"published {record.published.value} ({record.published.source}), gap {record.gap:+.4f}"
        )
    if out is not None:
        print(f"record: {out / record.name}.json")


def _processes(options: argparse.Namespace) -> int:
    """Return the number of processes: that of GPUs, or that of processes on the CPU."""
    if options.devices is None and options.processes is None:
        return 1
    if options.devices is None:
        return int(options.processes)
    if find_device(options.device) == "cpu" and options.devices > 1:
        raise ValueError("--devices counts GPUs, and this runs on the CPU; use --processes")
    if options.processes not in (None, options.devices):
        raise ValueError(
            f"--devices {options.devices} means {options.devices} processes, one a GPU; "
            f"--processes {options.processes} contradicts it"
        )
    return int(options.devices)


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gdmlib.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show the experiments")
    runner = commands.add_parser("run", help="run one experiment and write its record")
    add = runner.add_argument
    runner.add_argument("name", choices=list(EXPERIMENTS), metavar="NAME")
    add("--smoke", action="store_true", help="a trial on stand-in data; no record unless --out")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    add("--devices", type=int, metavar="N", help="how many GPUs, one process each")
    add("--processes", type=int, metavar="N", help="how many processes on the CPU")
    add("--threads", type=int, metavar="N", help="threads of each process")
    add("--resume", action="store_true", help="go on after an interruption")
    add("--out", type=Path, metavar="DIR", help="folder of the record (default: results)")
    add("--work", type=Path, metavar="DIR", help="keeps the run (default: build/reproduce/NAME)")
    add(
        "--set", type=_setting, action="append", default=[], metavar="KEY=VALUE",
        help="change a setting; the record shows it",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
