"""Time a build of the library beside an earlier one: ``python -m benchmarks.builds OLD NEW``.

OLD and NEW are checkouts. Each has a process of its own, with one thread. The two run in turns,
once each, and the order changes from pair to pair; so a minute in which the machine is busy falls
on both. A ratio is the median over the pairs of new by old: below 1, the new build is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.builds_work import WORK
from benchmarks.memory import THREADS
from benchmarks.timing import Key, digits, noted

SIDES = ("old", "new")
BUDGET = 8.0  # seconds of a build for a piece of work
LEAST, MOST = 5, 41  # pairs


class Build:
    """A checkout of the library, and the process that runs it."""

    def __init__(self, root: Path) -> None:
        if not (root / "gdmlib").is_dir():
            raise ValueError(f"expected a checkout of the library, which has a gdmlib, got {root}")
        command = [sys.executable, str(Path(__file__).with_name("builds_work.py"))]
        environment = {**os.environ, **THREADS, "PYTHONPATH": str(root.resolve())}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, env=environment, cwd=root, stdin=pipe, stdout=pipe, text=True
        )
        git = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        done = subprocess.run(git, stdout=pipe, stderr=subprocess.DEVNULL, text=True, check=False)
        self.name = done.stdout.strip() or "no commit"

    def seconds(self, work: str) -> float:
        """Run a piece of work once, and return the seconds of processor time.

        Raises:
            RuntimeError: If it failed, with its reason.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{work}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"failed": "its process ended"}')
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return float(answer["seconds"])

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def compare(builds: dict[str, Build], work: str, budget: float = BUDGET) -> dict[str, Any]:
    """Run both in turns; return medians, the ratio, its quartiles, or why it failed."""
    failed: dict[Key, str] = {}
    expected = 0.0
    for side, build in builds.items():
        with noted(failed, (work, side, 0)):
            build.seconds(work)  # allocates memory and chooses algorithms
            expected = max(expected, build.seconds(work))
    if failed:
        reasons = {side: reason for (_, side, _), reason in failed.items()}
        return {"work": work, "failed": reasons}
    found: dict[str, list[float]] = {side: [] for side in builds}
    for i in range(max(LEAST, min(MOST, int(budget / max(expected, 1e-6))))):
        for side in SIDES if i % 2 else SIDES[::-1]:
            found[side].append(builds[side].seconds(work))
    ratios = [new / old for old, new in zip(found["old"], found["new"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "work": work,
        **{side: digits(statistics.median(seconds)) for side, seconds in found.items()},
        "ratio": digits(middle),
        "quartiles": [digits(low), digits(high)],
        "pairs": len(ratios),
    }


def table(names: dict[str, str], rows: Sequence[dict[str, Any]]) -> str:
    """Return what was found as a table in Markdown."""
    lines = [
        f"| work | {names['old']} | {names['new']} | new / old | quartiles | pairs |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        if "failed" in row:
            reasons = "; ".join(f"{side}: {text}" for side, text in row["failed"].items())
            lines.append(f"| {row['work']} | | | failed: {reasons.replace('|', '/')} | | |")
            continue
        low, high = row["quartiles"]
        milliseconds = " | ".join(f"{1e3 * row[side]:.4g} ms" for side in SIDES)
        lines.append(
            f"| {row['work']} | {milliseconds} | {row['ratio']:.3f} | {low:.3f} to {high:.3f} "
            f"| {row['pairs']} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Compare, write, print; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="an earlier checkout of the library")
    parser.add_argument("new", type=Path, help="the checkout that is compared with it")
    parser.add_argument("--out", type=Path, help="write PATH.json and PATH.md")
    parser.add_argument("--only", default="", help="the work whose name holds this")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of a build for each")
    options = parser.parse_args(arguments)
    try:
        builds = {side: Build(getattr(options, side)) for side in SIDES}
    except ValueError as error:
        parser.error(str(error))
    names = {side: f"{side}, {build.name}" for side, build in builds.items()}
    rows = []
    for work in WORK:
        if options.only in work:
            rows.append(compare(builds, work, options.budget))
            print(json.dumps(rows[-1]), file=sys.stderr)
    for build in builds.values():
        build.close()
    text = table(names, rows)
    print(text, end="")
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        record = json.dumps({"builds": names, "rows": rows}, indent=1) + "\n"
        options.out.with_name(f"{options.out.name}.json").write_text(record, encoding="utf-8")
        options.out.with_name(f"{options.out.name}.md").write_text(text, encoding="utf-8")
    return 1 if any("failed" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
