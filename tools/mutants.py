"""Mutation testing of densities, of the chain rule and of training: how many faults are noticed?

    python -m tools.mutants [NAME ...] [--max-children 2] [--at-least 90] [--keep]

mutmut (settings in ``pyproject.toml``) makes one small change at a time, a mutant, and runs the
tests that touch the changed function. All of them take many hours; NAME, such as
``gdmlib.training.recipe.*``, takes some. The exit code is 1 if fewer than 90 % of the mutants
that were tried are killed by a failing test, or if a single one ran out of time: a time-out is no
kill.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATS = Path("mutants") / "mutmut-cicd-stats.json"


def mutmut(*arguments: str, root: Path, quiet: bool = False) -> str:
    """Run mutmut with one thread a process (forked children hang otherwise), return its output."""
    environment = os.environ | {
        "GDMLIB_PROGRESS": "0",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=root,
        env=environment,
        check=True,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
    )
    return done.stdout or ""


def verdict(stats: dict[str, int], at_least: float) -> tuple[str, bool]:
    """Return a line about the numbers that mutmut exports, and whether they are good enough."""
    tried = sum(n for name, n in stats.items() if name not in ("total", "score", "not_checked"))
    share = 100 * stats["killed"] / max(tried, 1)
    others = ", ".join(
        f"{count} {name.replace('_', ' ')}"
        for name, count in stats.items()
        if name not in ("killed", "total", "score", "not_checked") and count
    )
    line = f"{stats['killed']} of {tried} mutants killed ({share:.1f} %)"
    passed = tried > 0 and share >= at_least and stats["timeout"] == 0
    return f"{line}; {others or 'none left'}", passed


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run mutmut, list the survivors and say whether enough mutants were killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of mutants; * is anything")
    parser.add_argument("--max-children", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--at-least", type=float, default=90.0, help="per cent (default 90)")
    parser.add_argument("--keep", action="store_true", help="continue the last run")
    options = parser.parse_args(arguments)
    if not options.keep:
        shutil.rmtree(root / "mutants", ignore_errors=True)
    mutmut("run", "--max-children", str(options.max_children), *options.names, root=root)
    mutmut("export-cicd-stats", root=root, quiet=True)
    print(mutmut("results", root=root, quiet=True))
    stats = json.loads((root / STATS).read_text(encoding="utf-8"))
    line, passed = verdict(stats, options.at_least)
    print(line)
    if not passed:
        print(f"Wanted: at least {options.at_least:g} % killed and no time-out.")
        print("See one with: mutmut show NAME. See CONTRIBUTING.md.")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
