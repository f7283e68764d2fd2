"""Run the benchmarks and write ``results.json``: ``python -m benchmarks.record``.

It takes some minutes, most of them the peer's. A case that fails is recorded as failed, with the
reason, and the exit status is 1. Without the peer its columns stay empty, and the record of the
book is not written over.

``--only vae_step iwae_bound_4`` times some cases and keeps the rest of the record. Their lines then
say themselves when, and on what, they were measured.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gdmlib
from benchmarks import figure, memory, peer, properties, timing
from benchmarks.cases import CASES
from benchmarks.timing import SIDES, Case, Key, digits

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.json"


def ratio(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> float | None:
    """Return how many times as fast the library is, from the medians."""
    return digits(theirs["seconds"] / ours["seconds"]) if ours and theirs else None


def speed_row(case: Case, found: Mapping[Key, Any]) -> dict[str, Any]:
    """Return one line of the table; a side that was not measured is None."""
    both = {side: found.get(case.key(side, case.size)) for side in SIDES}
    return {
        "case": case.name,
        "title": case.title,
        "size": case.size,
        "other": case.other,
        "goal": case.goal,
        **both,
        "ratio": ratio(**both),
    }


def growth_curve(case: Case, found: Mapping[Key, Any]) -> dict[str, Any]:
    """Return the times of one case at all sizes."""
    return {
        "case": case.name,
        "title": case.title,
        "panel": case.panel,
        "other": case.other,
        "points": [
            {
                **case.extent(size),
                **{side: found.get((case.name, side, size)) for side in SIDES},
            }
            for size in case.growth
        ],
    }


def failures(failed: Mapping[Key, str]) -> list[dict[str, Any]]:
    """Return what failed and why, once for each case that shows it."""
    shown = [
        ((case.name, side, size), case.key(side, size))
        for case in CASES
        for size in case.growth
        for side in SIDES
    ]
    timed = {key for _, key in shown}
    shown += [(key, key) for key in failed if key not in timed]
    return [
        {"case": name, "side": side, "size": size, "reason": failed[key]}
        for (name, side, size), key in shown
        if key in failed
    ]


def processor() -> str:
    """Return the name that the processor gives itself."""
    lines = Path("/proc/cpuinfo")
    if lines.is_file():
        for line in lines.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def machine() -> dict[str, Any]:
    """Describe the machine by what matters for speed."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "threads": 1,
        "vector": torch.backends.cpu.get_cpu_capability(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what was measured."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "gdmlib": gdmlib.__version__,
        peer.NAME: peer.version(),
    }


def load() -> float | None:
    """Return how many processes want to run, averaged over the last five minutes."""
    return round(os.getloadavg()[1], 1) if hasattr(os, "getloadavg") else None


def today() -> str:
    """Return the date."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def measure(turns: int, limit: float) -> dict[str, Any]:
    """Time and describe; what fails leaves a gap, and its reason among the failures."""
    before = load()
    found, failed = timing.measure(CASES, turns, limit)
    record: dict[str, Any] = {
        "date": today(),
        "machine": {**machine(), "clock": "processor time", "load": [before, load()]},
        "versions": versions(),
        "peer": peer.sources(),
        "turns": turns,
        "speed": [speed_row(case, found) for case in CASES],
        "growth": [growth_curve(case, found) for case in CASES if case.panel],
        "memory": memory.table(failed),
        "properties": {
            "pixel": list(properties.PIXEL),
            "size": properties.SIZE,
            "blind_spot": properties.blind_spots(failed),
            "scale": properties.scales(failed),
            "residual_weight": properties.residual_weight(failed),
        },
    }
    return {**record, "failures": failures(failed)}


def update(
    kept: Mapping[str, Any], names: Sequence[str], turns: int, limit: float
) -> dict[str, Any]:
    """Time some cases anew and put them in the place of what a record says of them.

    Raises:
        ValueError: If there is no such case, or it cannot be timed apart from others.
    """
    cases = {case.name: case for case in CASES}
    for name in names:
        if name not in cases:
            raise ValueError(f"{name}: no such case; there are {', '.join(cases)}")
        if cases[name].same_as not in (None, *names):
            raise ValueError(f"{name}: needs the times of {cases[name].same_as}; name it as well")
        if cases[name].other == peer.NAME and not peer.installed():
            raise ValueError(f"{name}: {peer.NAME} was not found, with which it is compared")
    now = {**machine(), **versions()}
    then = {**kept["machine"], **kept["versions"]}
    other = [key for key in now if key != peer.NAME and now[key] != then[key]]
    chosen = [cases[name] for name in names]
    for case in chosen:
        if case.panel and other:
            raise ValueError(
                f"{case.name}: its curve stands in one figure with others, and the record was made "
                f"with another {', '.join(other)}; time all cases"
            )
    before = load()
    found, failed = timing.measure(chosen, turns, limit)
    measured = {"date": today(), **{key: now[key] for key in other}, "load": [before, load()]}

    def put(part: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        both = {row["case"]: row for row in [*kept[part], *rows]}
        return [both[name] for name in cases if name in both]

    record = {
        **kept,
        "speed": put("speed", [{**speed_row(c, found), "measured": measured} for c in chosen]),
        "growth": put("growth", [growth_curve(c, found) for c in chosen if c.panel]),
    }
    others = [row for row in kept["failures"] if row["case"] not in names]
    return {**record, "failures": [*others, *failures(failed)]}


def main(arguments: list[str] | None = None) -> int:
    """Time, describe, write, draw; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often the two sides take turns")
    parser.add_argument("--limit", type=float, default=1800, help="seconds of a turn, at most")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="+", metavar="CASE", help="time these, keep the rest")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if not (options.only or peer.installed()) and options.output == RESULTS:
        parser.error(
            f"{peer.NAME} was not found: put a copy of {peer.URL} on PYTHONPATH, or time the "
            "library alone with --output FILE"
        )
    if options.only:
        kept = json.loads(options.output.read_text(encoding="utf-8"))
        try:
            record = update(kept, options.only, options.turns, options.limit)
        except ValueError as error:
            parser.error(str(error))
    else:
        record = measure(options.turns, options.limit)
    options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.output.name}")
    if options.output == RESULTS:
        figure.draw(record["growth"])
    for row in record["failures"]:
        print("failed: {case}, {size}, {side}: {reason}".format(**row), file=sys.stderr)
    return 1 if record["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
