"""Comparisons with a peer of their own: timed apart from the others, and in a record apart.

What the peer is not needed for may stand in such a record, too; a new run keeps it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
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
    made.add_argument("--only", nargs="+", metavar="CASE", help="time these, keep the rest")
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


def run(
    parser: argparse.ArgumentParser, options: argparse.Namespace, cases: Sequence[Case], name: str
) -> int:
    """Time and write, and keep what else the record holds; return 1 if anything failed."""
    torch.set_num_threads(1)
    kept, names = read(options.output), [case.name for case in cases]
    if options.only:
        if unknown := sorted(set(options.only) - set(names)):
            parser.error(f"{unknown[0]}: no such case; there are {', '.join(names)}")
        now, then = ({**m, "load": None} for m in (record.machine(), kept.get("machine", {})))
        now["clock"] = "processor time"
        if kept and (now != then or versions(name) != kept["versions"]):
            parser.error("the record was made on another machine or with others; time all cases")
    made = measure([c for c in cases if c.name in (options.only or names)], name, options.turns)
    failed = made["failures"]
    write(options.output, kept | (merged(kept, made, names) if options.only else made))
    for row in failed:
        print("failed: {case}, {size}, {side}: {reason}".format(**row), file=sys.stderr)
    return 1 if failed else 0


def merged(
    kept: Mapping[str, Any], made: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """Return what was measured, and of the cases that were not, what a record says of them."""
    timed = {row["case"] for row in made["growth"]}
    both = dict(made)
    for part in ("speed", "growth"):
        rows = {row["case"]: row for row in [*kept.get(part, []), *made[part]]}
        both[part] = [rows[name] for name in names if name in rows]
    others = [row for row in kept.get("failures", []) if row["case"] not in timed]
    load = [*kept.get("machine", {}).get("load", []), *made["machine"]["load"]]
    return both | {
        "failures": [*others, *made["failures"]],
        "machine": {**made["machine"], "load": load},
    }


def read(path: Path) -> dict[str, Any]:
    """Return a record, an empty one if there is none."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def write(path: Path, made: dict[str, Any]) -> None:
    """Write a record."""
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
