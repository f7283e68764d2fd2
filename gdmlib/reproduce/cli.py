"""The command line: ``python -m gdmlib.reproduce list`` or ``run NAME``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from gdmlib import reproduce
from gdmlib._checks import check_count
from gdmlib._command import STOPPED, Parser, nobody_reads
from gdmlib._files import path_of
from gdmlib.inverse import MissingBM3DError
from gdmlib.reproduce.catalogue import EXPERIMENTS
from gdmlib.reproduce.folder import ResumeError, checkpoints
from gdmlib.reproduce.records import Record
from gdmlib.reproduce.runner import run
from gdmlib.reproduce.settings import SettingError, as_settings, check_size, is_trial
from gdmlib.training.files import CheckpointError
from gdmlib.training.processes import MissingFabricError, find_device, is_first

MOST_THREADS = 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 2 for settings that cannot be, 1 for worse."""
    options = _parser().parse_args(arguments)
    if options.command == "list":
        _list()
        return 0
    trial = options.smoke or is_trial(dict(options.set))
    out = options.out or (None if trial else Path("results"))
    work = options.work or (None if trial else Path("build", "reproduce", options.name))
    try:
        record = _run(options, out, work)
    except KeyboardInterrupt:
        return _stopped(options.name, "stopped", work, STOPPED)
    except SettingError as error:
        return _stopped(options.name, str(error), None, 2)
    except (ResumeError, MissingBM3DError) as error:
        return _stopped(options.name, str(error), None, 1)
    except (
        CheckpointError, FloatingPointError, MemoryError, MissingFabricError, OSError, ValueError,
        torch.cuda.OutOfMemoryError,
    ) as error:  # fmt: skip
        return _stopped(options.name, str(error), work, 1)
    if is_first():
        _show(record, out)
    return 0


def _list() -> None:
    for name, experiment in EXPERIMENTS.items():
        goal = experiment.published
        target = "" if goal is None else f" | published {goal.value} {goal.unit}"
        print(f"{name}: {experiment.title} | {experiment.dataset}{target}")


def _run(options: argparse.Namespace, out: Path | None, work: Path | None) -> Record:
    with as_settings():
        if options.threads is not None:
            threads = check_count(options.threads, "threads")
            check_size("threads", threads, 1, MOST_THREADS, "of each process")
            os.environ["OMP_NUM_THREADS"] = str(threads)  # for the processes to be started
            torch.set_num_threads(threads)
        processes = _processes(options)
        changes = dict(options.set)
        if len(changes) < len(options.set):
            raise ValueError("--set: a setting is given twice")
    return run(
        options.name,
        out,
        smoke=options.smoke,
        device=options.device,
        processes=processes,
        nodes=options.nodes,
        resume=options.resume,
        work=work,
        changes=changes,
        say=None if os.environ.get("GDMLIB_PROGRESS") == "0" else _say,
    )


def _say(line: str) -> None:
    """Write a line of progress; hours of training do not end because nobody reads it."""
    try:
        tqdm.write(line)
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads()


def _stopped(name: str, why: str, work: Path | None, status: int) -> int:
    """Say in a line why a run has ended and, where there is a way on, which; return the status."""
    if is_first():
        kept = work is not None and bool(checkpoints(work))
        way = f"; what is done is kept in {work}: --resume goes on with it" * kept
        print(f"{name}: {why}{way}", file=sys.stderr)
    return status


def _show(record: Record, out: Path | None) -> None:
    metric = record.metric
    print(
        f"{record.name}: {metric.name} {metric.value:.4f} ± {metric.stderr:.4f} {metric.unit} "
        f"(one standard error over {metric.count} {metric.over})"
    )
    if record.published is not None and record.gap is not None:
        goal = record.published
        print(f"published {goal.value} ({goal.source}), gap {record.gap:+.4f}")
    if out is not None:
        print(f"record: {out / record.name}.json")


def _processes(options: argparse.Namespace) -> int:
    """Return the number of processes: that of GPUs, or that of processes on the CPU."""
    if options.devices is None:
        return 1 if options.processes is None else int(options.processes)
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
    except (ValueError, RecursionError):
        return key, value


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m gdmlib.reproduce",
        description=reproduce.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show the experiments")
    runner = commands.add_parser("run", help="run one experiment and write its record")
    add = runner.add_argument
    add("name", metavar="NAME", help="an experiment; `list` shows them all")
    add("--smoke", action="store_true", help="a trial on stand-in data; no record unless --out")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    add("--devices", type=int, metavar="N", help="how many GPUs, one process each")
    add("--processes", type=int, metavar="N", help="how many processes on the CPU")
    add("--nodes", type=int, default=1, metavar="N", help="how many machines, each started so")
    add("--threads", type=int, metavar="N", help="threads of each process")
    add("--resume", action="store_true", help="go on after an interruption")
    add("--out", type=path_of, metavar="DIR", help="folder of the record (default: results)")
    add("--work", type=path_of, metavar="DIR", help="keeps the run (default: build/reproduce/NAME)")
    add(
        "--set", type=_setting, action="append", default=[], metavar="KEY=VALUE",
        help="change a setting; the record shows it",
    )  # fmt: skip
    return parser
