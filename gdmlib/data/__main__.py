"""``python -m gdmlib.data [NAME]``: the catalogue, or what is known about one set of it."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Sequence

from gdmlib.data.dataset import UnknownDatasetError
from gdmlib.data.declare import Entry
from gdmlib.data.files import CACHE_VARIABLE, DATA_VARIABLE, cache_folder, data_folder
from gdmlib.data.listing import TIERS, catalogue, cells


def main(argv: Sequence[str] | None = None) -> None:
    """Print the catalogue, or the details of one set, and where files are looked for."""
    parser = argparse.ArgumentParser(
        prog="python -m gdmlib.data", description="List the data sets, or show one of them."
    )
    parser.add_argument("name", nargs="?", help="a data set; without it, all are listed")
    name = parser.parse_args(argv).name
    try:
        print(catalogue() if name is None else _details(catalogue()[name]))
    except UnknownDatasetError as error:
        parser.error(str(error))
    print(f"\n{DATA_VARIABLE}: {data_folder() or 'not set'}")
    print(f"{CACHE_VARIABLE}: {cache_folder()}")


def _details(entry: Entry) -> str:
    """Return the cells of an entry one below the other, then how it is loaded."""
    rows = list(cells(entry).items())
    if entry.paths:
        rows.append(("files", f"{entry.files} ({len(entry.paths)} in all)"))
    lines = [f"{title:<10} {cell}" for title, cell in rows]
    signature = f"{entry.loader.__name__}{inspect.signature(entry.loader)}"
    meaning = f"Tier {entry.tier}: {TIERS[entry.tier]}."
    return "\n".join([*lines, "", meaning, "", signature, "", inspect.getdoc(entry.loader) or ""])


if __name__ == "__main__":
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has enough; what is still in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
