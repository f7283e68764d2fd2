"""What a gradient of a whole image costs in time and memory, with and without recomputation.

A RIDE reads one square image, and the gradient of its log-density by all parameters is taken. The
peak of memory is that of a process, so that each measurement has a process of its own. It is read
from Linux; elsewhere there is no such table.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks import cases
from benchmarks.timing import Key, digits, noted
from gdmlib.autoregressive import RIDE, Neighbourhood

SIZES = (128, 256, 512)
MEASURED = ("seconds", "megabytes")
ROOT = Path(__file__).resolve().parent.parent
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def resident(field: str) -> float:
    """Return how many megabytes this process holds ("VmRSS") or has held at most ("VmHWM")."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6


def measure(size: int, recompute: bool) -> dict[str, float]:
    """Take one gradient, and say how many seconds and more megabytes it needed."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    # The stable cell, which takes as much: on so large an image the paper's memory has no bound.
    model = RIDE(
        Neighbourhood.half_plane(2, 2), units=cases.UNITS, cell="stable", recompute=recompute
    )
    model.log_prob(cases.images(1, 16)).sum().backward()  # what is loaded once
    image = cases.images(1, size)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, start = resident("VmRSS"), time.process_time()
    model.log_prob(image).sum().backward()
    seconds = time.process_time() - start
    return {"seconds": seconds, "megabytes": resident("VmHWM") - before}


def measure_apart(size: int, recompute: bool) -> dict[str, float]:
    """Do so in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", str(size), *["--recompute"] * recompute]
    done = subprocess.run(
        command, check=True, cwd=ROOT, env={**os.environ, **THREADS}, stdout=subprocess.PIPE
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table(failed: dict[Key, str], times: int = 3) -> list[dict[str, Any]]:
    """Return the medians of several measurements, from small images to large ones."""
    rows: list[dict[str, Any]] = []
    if not Path("/proc/self/clear_refs").exists():
        return rows
    for size in SIZES:
        for recompute in (False, True):
            with noted(failed, ("memory, recomputed" if recompute else "memory", "ours", size)):
                found = [measure_apart(size, recompute) for _ in range(times)]
                middle = {key: digits(statistics.median(f[key] for f in found)) for key in MEASURED}
                rows.append({"pixels": size**2, "recompute": recompute, **middle})
    return rows


def main() -> None:
    """Measure one gradient and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=int)
    parser.add_argument("--recompute", action="store_true")
    options = parser.parse_args()
    print(json.dumps(measure(options.size, options.recompute)))


if __name__ == "__main__":
    main()
