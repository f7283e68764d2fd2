"""Run one experiment, and write its record."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gdmlib
from gdmlib._checks import check_count
from gdmlib._files import check_writable, path_of
from gdmlib.reproduce.catalogue import EXPERIMENTS
from gdmlib.reproduce.experiment import Experiment, Outcome
from gdmlib.reproduce.folder import forgotten_if_nothing_was_kept, prepare
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.records import (
    Other,
    Record,
    RecordError,
    check_record,
    gap_of,
    load_record,
    write_record,
)
from gdmlib.reproduce.settings import as_settings, is_trial, suggestion
from gdmlib.training.processes import Processes, find_device, is_first, launch, together


def run(
    name: str,
    out: str | Path | None = None,
    *,
    smoke: bool = False,
    device: str = "auto",
    processes: int = 1,
    nodes: int = 1,
    resume: bool = False,
    work: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    say: Callable[[str], None] | None = None,
) -> Record:
    """Run an experiment and, if ``out`` is given, write ``out/NAME.json``.

    Args:
        name: A key of `EXPERIMENTS`.
        out: Folder for the record. A new record takes the old one's place only when it is complete.
        smoke: A trial of a second on stand-in data, as is any run that is told to use such data.
            Its record never takes the place of a full one.
        device: ``"auto"`` (a GPU where there is one), ``"cpu"`` or ``"cuda"``.
        processes: How many processes train together on a node; on GPUs, one for each.
        nodes: How many nodes, see `gdmlib.training.processes.launch`.
        resume: Go on with what ``work`` holds.
        work: Folder that keeps the run while it lasts; None keeps nothing.
        changes: Settings that differ from the experiment's own.
        say: Takes the lines of progress.

    Raises:
        SettingError: If a setting cannot be; nothing is loaded or written then.
        OSError: If nothing can be written to ``out`` or ``work``; nothing is trained then.
        ResumeError: If ``work`` holds an unfinished run and ``resume`` is not given, or a run with
            other settings.
        RecordError: If the result is no number, or a trial would replace a full record.
        MissingFabricError: If the experiment trains and Lightning Fabric is not installed.
        MissingBM3DError: If the experiment denoises by BM3D and its package is not installed.
        FloatingPointError: If a loss became NaN; the last good checkpoint is kept in ``work``.
    """
    smoke = smoke or is_trial(changes or {})
    with as_settings():
        if name not in EXPERIMENTS:
            raise ValueError(f"no experiment {name!r}; {suggestion(name, EXPERIMENTS)}")
        experiment = EXPERIMENTS[name]
        settings = experiment.settings(smoke, changes or {})
        device = find_device(device)
        _check_processes(experiment, device, processes, nodes)
        if resume and work is None:
            raise ValueError("work: resume needs the folder that keeps the run")
    if experiment.needs is not None:
        experiment.needs()
    _check_out(name, out, smoke)
    folder = None if work is None else path_of(work)
    main = is_first()
    earlier, remarks = (0.0, 0.0), list[str]()
    if folder is not None and main:
        where = {
            "device": device,
            "threads": torch.get_num_threads(),
            "processes": processes * nodes,
            "torch": torch.__version__,
        }
        kept = {"experiment": name, "smoke": smoke, **settings}
        earlier, remarks = prepare(folder, kept, where, resume)
    if say is not None:
        for remark in remarks:
            say(f"{name}: {remark}")
    several: Processes | None = None
    place = torch.device(device)
    with forgotten_if_nothing_was_kept(folder if main else None):
        if experiment.trains:
            several, place = launch(device, processes, nodes)
            main = several.rank == 0
        job = Job(
            name, settings, smoke=smoke, device=place, folder=folder, say=say, main=main,
            earlier=earlier,
        )  # fmt: skip
        with together(several):
            outcome = experiment.run(job)
    _check_read(job)
    record = _record(experiment, job, outcome, processes * nodes)
    if out is not None and main:
        write_record(record, out)
    job.finish()
    return record


def _check_read(job: Job) -> None:
    """Refuse a setting that changes nothing."""
    unread = sorted(job.config.unread)
    if unread:
        raise ValueError(
            f"{job.name}: nobody reads the setting {', '.join(unread)}; a setting is read by name: "
            "call it as an argument of the model, of the fit or of the data, or remove it"
        )


def _check_processes(experiment: Experiment, device: str, processes: int, nodes: int) -> None:
    check_count(processes, "processes")
    check_count(nodes, "nodes")
    if processes * nodes > 1 and not experiment.trains:
        raise ValueError(
            f"{experiment.name} is fitted in closed form or with all data at once, in one process; "
            "give it more threads (--threads), not more processes"
        )
    if device == "cuda" and processes > torch.cuda.device_count():
        raise ValueError(f"{processes} GPUs asked for, torch sees {torch.cuda.device_count()}")


def _check_out(name: str, out: str | Path | None, smoke: bool) -> None:
    if out is None:
        return
    path = path_of(out) / f"{name}.json"
    if smoke and path.is_file() and not load_record(path).smoke:
        raise RecordError(f"{path}: a full record is there; write the trial to another folder")
    check_writable(path)


def _record(experiment: Experiment, job: Job, outcome: Outcome, processes: int) -> Record:
    seconds, cpu_seconds = job.spent()
    gpu = job.device.type == "cuda"
    record = Record(
        name=experiment.name,
        title=experiment.title,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        smoke=job.smoke,
        config=dict(job.config),
        seeds=job.seeds,
        details=outcome.details,
        device=torch.cuda.get_device_name(job.device) if gpu else job.device.type,
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
        published=experiment.published,
        gap=gap_of(outcome.metric, experiment.published, job.smoke),
        data=outcome.data,
        protocol=experiment.protocol,
        others=[
            Other(metric, goal, gap_of(metric, goal, job.smoke))
            for metric in outcome.others
            for goal in [experiment.others.get(metric.name)]
        ],
    )
    check_record(record)
    return record
