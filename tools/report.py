"""Say how the lessons ran: ``python -m tools.report _build/notebooks.xml``.

The file is what pytest writes with ``--junitxml``. A line a lesson: its cells, those whose claim
does not hold or that raise an error, and its seconds; before them, where they ran.
"""

from __future__ import annotations

import os
import platform
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path


def machine() -> str:
    """Return a line about where this runs: GPU or processor, versions, budget."""
    import torch

    import gdmlib

    where = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    budget = os.environ.get("GDMLIB_BUDGET") or "by device"
    return (
        f"{where}; Python {platform.python_version()}, torch {torch.__version__}, "
        f"gdmlib {gdmlib.__version__}; budget: {budget}"
    )


def table(path: Path) -> str:
    """Return a line a lesson from a JUnit file.

    Raises:
        ValueError: If there is no lesson in it.
    """
    cells: dict[str, int] = defaultdict(int)
    failed: dict[str, list[str]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for case in ET.parse(path).getroot().iter("testcase"):
        lesson = case.get("classname", "").replace("/", ".").removesuffix(".ipynb").split(".")[-1]
        cells[lesson] += 1
        seconds[lesson] += float(case.get("time", 0))
        if any(part.tag in ("failure", "error") for part in case):
            failed[lesson].append(case.get("name", "").rpartition("::")[2])
    if not cells:
        raise ValueError(f"{path}: expected lessons, found none")
    wide = max(map(len, ["lesson", *cells]))
    lines = [f"{'lesson':{wide}}  cells  failed  seconds"]
    for lesson in sorted(cells):
        bad = ": " + ", ".join(failed[lesson]) if failed[lesson] else ""
        lines.append(
            f"{lesson:{wide}}  {cells[lesson]:5}  {len(failed[lesson]):6}  "
            f"{seconds[lesson]:7.1f}{bad}"
        )
    whole = sum(map(len, failed.values()))
    lines.append(f"{len(cells)} lessons, {sum(cells.values())} cells, {whole} failed")
    return "\n".join(lines)


if __name__ == "__main__":
    print(machine(), table(Path(sys.argv[1])), sep="\n")
