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
from gdmlib.reproduce.catalogue import EXPERIMENTS
from gdmlib.reproduce.records import Record
from gdmlib.reproduce.runner import run
from gdmlib.training.files import CheckpointError
from gdmlib.training.processes import MissingFabricError, find_device, is_first


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
    try:
        if options.threads is not None:
            threads = check_count(options.threads, "threads")
            os.environ["OMP_NUM_THREADS"] = str(threads)  # for the processes to be started
            torch.set_num_threads(threads)
        record = run(
            options.name,
            out,
            smoke=options.smoke,
            device=options.device,
            processes=_processes(options),
            nodes=options.nodes,
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
    if is_first():
        _show(record, out)
    return 0


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
    except ValueError:
        return key, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gdmlib.reproduce",
        description=reproduce.__doc__,
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
    add("--nodes", type=int, default=1, metavar="N", help="how many machines, each started so")
    add("--threads", type=int, metavar="N", help="threads of each process")
    add("--resume", action="store_true", help="go on after an interruption")
    add("--out", type=Path, metavar="DIR", help="folder of the record (default: results)")
    add("--work", type=Path, metavar="DIR", help="keeps the run (default: build/reproduce/NAME)")
    add(
        "--set", type=_setting, action="append", default=[], metavar="KEY=VALUE",
        help="change a setting; the record shows it",
    )  # fmt: skip
    return parser
