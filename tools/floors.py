"""Print the oldest versions that the library promises to work with, as constraints for pip.

    python tools/floors.py > floors.txt
    python -m pip install -c floors.txt .

They are the lower bounds in ``pyproject.toml``, of the core or of the core and named extras.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOUND = re.compile(r"([A-Za-z0-9._-]+)>=([0-9][0-9.]*)(,<[0-9.]+)?")


def floors(requirements: Iterable[str]) -> list[str]:
    """Return ``name==version`` for each requirement that has a lower bound.

    Raises:
        ValueError: If one is written otherwise than ``name>=version`` or ``name``.
    """
    found: dict[str, str] = {}
    for line in requirements:
        bound = BOUND.fullmatch(line)
        if bound is not None:
            found[bound[1]] = bound[2]
        elif not re.fullmatch(r"[A-Za-z0-9._-]+", line):
            raise ValueError(f"{line!r}: expected name>=version, or a name alone")
    return [f"{name}=={version}" for name, version in found.items()]


def main(arguments: list[str] | None = None) -> int:
    """Print the constraints; return 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("extras", nargs="*", help="extras whose bounds are wanted, too")
    options = parser.parse_args(arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in options.extras:
        wanted += project["optional-dependencies"][extra]
    print(*floors(wanted), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
