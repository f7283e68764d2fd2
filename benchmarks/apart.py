"""Comparisons with a peer of their own: timed apart from the others, and in a record apart.

What the peer is not needed for may stand in such a record, too; a new run keeps it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks import record, timing
from benchmarks.timing import Case


def parser(description: str | None, results: Path) -> argparse.ArgumentParser:
    """Return the parser that all such commands share."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--turns", type=int, default=3, help="how often the two sides take turns")
    made.add_argument("--output", type=Path, default=results)
    return made


def check_installed(made: argparse.ArgumentParser, name: str, package: str) -> None:
    """End the command if Python does not find the peer."""
    if find_spec(package) is None:
        made.error(f"{name} was not found: put a folder that has it on PYTHONPATH")


def versions(name: str) -> dict[str, str]:
    """Return the versions of what was measured, the peer's among them."""
    known = record.versions() | {name: "a copy of the repository"}
    with suppress(PackageNotFoundError):
        known[name] = version(name)
    return {key: known[key] for key in ("python", "torch", "gdmlib", name)}


def measure(cases: Sequence[Case], name: str, turns: int, limit: float = 600.0) -> dict[str, Any]:
    """Time all cases at all sizes; what fails leaves a gap, and its reason among the failures."""
    before = record.load()
    found, failed = timing.measure(cases, turns, limit)
    return {
        "date": record.today(),
        "machine": {
            **record.machine(),
            "clock": "processor time",
            "load": [before, record.load()],
        },
        "versions": versions(name),
        "turns": turns,
        "speed": [record.speed_row(case, found) for case in cases],
        "growth": [record.growth_curve(case, found) for case in cases],
        "failures": [
            {"case": case, "side": side, "size": size, "reason": reason}
            for (case, side, size), reason in failed.items()
        ],
    }


def run(options: argparse.Namespace, cases: Sequence[Case], name: str) -> int:
    """Time and write, and keep what else the record holds; return 1 if anything failed."""
    torch.set_num_threads(1)
    made = measure(cases, name, options.turns)
    write(options.output, read(options.output) | made)
    for row in made["failures"]:
        print("failed: {case}, {size}, {side}: {reason}".format(**row), file=sys.stderr)
    return 1 if made["failures"] else 0


def read(path: Path) -> dict[str, Any]:
    """Return a record, an empty one if there is none."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def write(path: Path, made: dict[str, Any]) -> None:
    """Write a record."""
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
