"""``python -m gdmlib.handin``: check notebooks before they are handed in.

Commands::

    python -m gdmlib.handin 02_gaussian_mle.ipynb            # what is to be mended, in words
    python -m gdmlib.handin --no-run 02_gaussian_mle.ipynb   # without running it
    python -m gdmlib.handin mine.ipynb --release fresh.ipynb # by a fresh copy of the lesson
    python -m gdmlib.handin mine.ipynb --student ada         # whether it is ada's own copy, too
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from gdmlib._command import Parser, leave
from gdmlib._files import path_of
from gdmlib.handin.checking import check_file
from gdmlib.handin.fresh import CELL_SECONDS, TOTAL_SECONDS, NoShellError
from gdmlib.handin.manifest import ManifestError
from gdmlib.handin.notebook import UnreadableNotebook


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 1 where there is something to mend."""
    parser = Parser(
        prog="python -m gdmlib.handin",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("notebooks", nargs="+", type=path_of, metavar="NOTEBOOK")
    parser.add_argument("--release", type=path_of, help="a fresh copy of the lesson")
    parser.add_argument("--student", default="", help="whose copy it must be")
    parser.add_argument("--no-run", action="store_true", help="look only; takes no time")
    parser.add_argument(
        "--cell", type=seconds, default=CELL_SECONDS, help="seconds a cell may take"
    )
    parser.add_argument("--total", type=seconds, default=TOTAL_SECONDS, help="and all of them")
    options = parser.parse_args(argv)
    # A file's name may be any text.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    wrong = 0
    for path in options.notebooks:
        wrong += not _tell(path, options)
    return int(wrong > 0)


def _tell(path: Path, options: argparse.Namespace) -> bool:
    """Check one notebook and say what came of it; return whether all is well."""
    try:
        report = check_file(
            path,
            options.release,
            student=options.student,
            run=not options.no_run,
            cell_seconds=options.cell,
            total_seconds=options.total,
        )
    except OSError as error:
        print(f"{error.filename}: {error.strerror}: name the notebook's file", file=sys.stderr)
        return False
    except (ManifestError, NoShellError, UnreadableNotebook) as error:
        print(f"{path.name} cannot be checked: {error}", file=sys.stderr)
        return False
    print(report, flush=True)
    return not report.findings


def seconds(text: str) -> float:
    """Return a positive number."""
    if not 0 < float(text) < math.inf:
        raise ValueError
    return float(text)


if __name__ == "__main__":
    leave(main)
