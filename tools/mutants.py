"""Mutation testing of densities, of the chain rule and of training: how many faults are noticed?

    python -m tools.mutants [NAME ...] [--sample N] [--seed S] [--keep]
                            [--max-children 2] [--at-least 90]

mutmut (settings in ``pyproject.toml``) makes one small change at a time, a mutant, and runs the
tests that touch the changed function, the fastest first. All mutants take many hours; NAME, such
as ``gdmlib.training.recipe.*``, takes some, and ``--sample 60`` draws 60 of each module's. The
exit code is 1 if fewer than 90 % of the mutants that were tried are killed by a failing test, or
if a single one ran out of time: a time-out is no kill. ``--keep`` goes on with the last run: what
it killed stands, the rest is tried again.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_TRIED = "not checked"


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


def candidates(patterns: Sequence[str], root: Path) -> list[str]:
    """Return the names of all mutants that match a pattern, as mutmut will make them."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.file_utils import walk_mutatable_files
    from mutmut.utils.format_utils import get_mutant_name

    found: list[str] = []
    with contextlib.chdir(root):
        for path in sorted(walk_mutatable_files()):
            module = ".".join(path.with_suffix("").parts)
            # Making mutants is slow: not of modules that no pattern can mean.
            if any(fnmatchcase(module, p) or p.startswith(f"{module}.") for p in patterns):
                made = mutate_file_contents(str(path), path.read_text(encoding="utf-8"))
                found += [get_mutant_name(path, name) for name in made.mutant_names]
    return [name for name in found if any(fnmatchcase(name, p) for p in patterns)]


def module_of(name: str) -> str:
    """Return the module of a mutant."""
    return name.rpartition(".")[0]


def sample(names: Sequence[str], size: int, seed: int) -> list[str]:
    """Draw mutants, at most ``size`` of each module; a module's do not depend on the others."""
    modules = defaultdict(list)
    for name in names:
        modules[module_of(name)].append(name)
    return [
        name
        for module, all_of_it in modules.items()
        for name in random.Random(f"{seed} {module}").sample(all_of_it, min(size, len(all_of_it)))
    ]


def outcomes(root: Path) -> dict[str, str]:
    """Return what became of each mutant of the last run: killed, survived, timeout, ..."""
    if not (root / "mutants").exists():
        return {}
    lines = mutmut("results", "--all", "True", root=root, quiet=True).splitlines()
    found = (line.strip().rpartition(": ") for line in lines)
    return {name: status for name, _, status in found if name}


def interval(killed: int, tried: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of the share, in per cent, for a sample of this size."""
    share, z2 = killed / tried, 1.96**2
    middle = (share + z2 / (2 * tried)) / (1 + z2 / tried)
    half = math.sqrt(z2 * (share * (1 - share) / tried + z2 / (4 * tried**2))) / (1 + z2 / tried)
    return 100 * (middle - half), 100 * (middle + half)


def table(statuses: dict[str, str]) -> str:
    """Return a line a module: how many of its mutants were tried and killed."""
    modules = defaultdict(list)
    for name, status in statuses.items():
        modules[module_of(name)].append(status)
    lines = []
    for module, found in sorted(modules.items()):
        tried = len(found) - found.count(NOT_TRIED)
        if tried:
            killed = found.count("killed")
            line = f"{module:45} {killed:4} of {tried:4} killed {100 * killed / tried:6.1f} %"
            if tried < len(found):
                low, high = interval(killed, tried)
                line += f"  [{low:.1f}, {high:.1f}], a sample of {len(found)}"
            lines.append(line)
    return "\n".join(lines)


def verdict(statuses: dict[str, str], at_least: float) -> tuple[str, bool]:
    """Return a line about all mutants that were tried, and whether enough were killed."""
    counts = Counter(status for status in statuses.values() if status != NOT_TRIED)
    tried, killed = counts.total(), counts.pop("killed", 0)
    share = 100 * killed / max(tried, 1)
    others = ", ".join(f"{count} {name}" for name, count in counts.items())
    line = f"{killed} of {tried} mutants killed ({share:.1f} %); {others or 'none left'}"
    return line, tried > 0 and share >= at_least and not counts["timeout"]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run mutmut, list the survivors and say whether enough mutants were killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of mutants; * is anything")
    parser.add_argument("--sample", type=int, metavar="N", help="draw N mutants of each module")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default 0)")
    parser.add_argument("--keep", action="store_true", help="try again what is not killed yet")
    parser.add_argument("--max-children", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--at-least", type=float, default=90.0, help="per cent (default 90)")
    options = parser.parse_args(arguments)
    names = options.names
    if options.sample or options.keep:
        names = candidates(names or ["*"], root)
    if options.sample:
        names = sample(names, options.sample, options.seed)
    if options.keep:
        before = outcomes(root)
        names = [name for name in names if before.get(name) != "killed"]
    else:
        shutil.rmtree(root / "mutants", ignore_errors=True)
    if names or not options.keep:
        mutmut("run", "--max-children", str(options.max_children), *names, root=root)
    statuses = outcomes(root)
    print(*(f"{n}: {s}" for n, s in statuses.items() if s not in ("killed", NOT_TRIED)), sep="\n")
    print(table(statuses))
    line, passed = verdict(statuses, options.at_least)
    print(line)
    if not passed:
        print(f"Wanted: at least {options.at_least:g} % killed and no time-out.")
        print("See one with: mutmut show NAME. See CONTRIBUTING.md.")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
