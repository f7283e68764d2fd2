"""Run the benchmarks and write ``results.json``: ``python -m benchmarks.record``.

It takes some minutes, most of them the peer's. Without the peer its columns stay empty, and the
record of the book is not written over.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gdmlib
from benchmarks import figure, memory, peer, properties
from benchmarks.cases import CASES, SIDES, Case

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.json"
ROOT = FOLDER.parent

Key = tuple[str, str, int]


def run_timing(target: Path, turns: int) -> None:
    """Run `test_speed` in a process of its own, with one thread, and write its JSON."""
    command = [
        *(sys.executable, "-m", "pytest", str(FOLDER / "test_speed.py")),
        *("--benchmark-only", "--benchmark-timer=time.process_time", "--benchmark-min-rounds=1"),
        *("--benchmark-disable-gc", f"--benchmark-json={target}"),
        *("-q", "--timeout=0", "-p", "no:cacheprovider", "--benchmark-columns=median,rounds"),
    ]
    environment = {**os.environ, **memory.THREADS, "BENCH_TURNS": str(turns)}
    subprocess.run(command, check=True, cwd=ROOT, env=environment)


def pool(benchmarks: Iterable[Mapping[str, Any]]) -> dict[Key, dict[str, Any]]:
    """Put the rounds of all turns together; times of a part become those of the whole."""
    rounds: dict[Key, list[float]] = defaultdict(list)
    extra: dict[Key, Mapping[str, Any]] = {}
    for benchmark in benchmarks:
        info = benchmark["extra_info"]
        key = info["case"], info["side"], info["size"]
        rounds[key] += [seconds / info["share"] for seconds in benchmark["stats"]["data"]]
        extra[key] = info
    return {key: _summary(rounds[key], extra[key]) for key in rounds}


def _summary(seconds: list[float], info: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seconds": _round(statistics.median(seconds)),
        "least": _round(min(seconds)),
        "most": _round(max(seconds)),
        "rounds": len(seconds),
        "share": _round(info["share"]),
        "parameters": info["parameters"],
    }


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def ratio(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> float | None:
    """Return how many times as fast the library is, from the medians."""
    return _round(theirs["seconds"] / ours["seconds"]) if ours and theirs else None


def speed_row(case: Case, found: Mapping[Key, Any]) -> dict[str, Any]:
    """Return one line of the table."""
    both = {
        "ours": found.get((case.name, "ours", case.size)),
        "theirs": found.get((case.same_as or case.name, "theirs", case.size)),
    }
    return {
        "case": case.name,
        "title": case.title,
        "size": case.size,
        "other": case.other,
        "goal": case.goal,
        **both,
        "ratio": ratio(both["ours"], both["theirs"]),
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
                "pixels": size**2,
                **{side: found.get((case.name, side, size)) for side in SIDES},
            }
            for size in case.growth
        ],
    }


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


def main(arguments: list[str] | None = None) -> None:
    """Time, describe, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often the two sides take turns")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if peer.models() is None and options.output == RESULTS:
        parser.error(
            f"{peer.NAME} cannot be imported: put a copy of {peer.URL} on PYTHONPATH, with what it "
            "imports installed, or time the library alone with --output FILE"
        )
    before = load()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.json"
        run_timing(raw, options.turns)
        found = pool(json.loads(raw.read_text(encoding="utf-8"))["benchmarks"])
    record = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {**machine(), "clock": "processor time", "load": [before, load()]},
        "versions": versions(),
        "peer": peer.sources(),
        "turns": options.turns,
        "speed": [speed_row(case, found) for case in CASES],
        "growth": [growth_curve(case, found) for case in CASES if case.panel],
        "memory": [
            {key: _round(v) if key in memory.MEASURED else v for key, v in row.items()}
            for row in memory.table()
        ],
        "properties": {
            "pixel": list(properties.PIXEL),
            "size": properties.SIZE,
            "blind_spot": properties.blind_spots(),
            "scale": [
                {**row, "scale": [_round(s) for s in row["scale"]]} for row in properties.scales()
            ],
            "residual_weight": properties.residual_weight(),
        },
    }
    options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.output.name}")
    if options.output == RESULTS:
        figure.main()


if __name__ == "__main__":
    main()
