"""``python -m gdmlib.data``: the catalogue; one set of it; files fetched beforehand, or verified.

Commands::

    python -m gdmlib.data                  # or `list`: all sets, and whether they are here
    python -m gdmlib.data mnist            # or `show mnist`: what is known about one
    python -m gdmlib.data fetch mnist dna  # download what is not here, for hours without network
    python -m gdmlib.data verify           # check what is here, or only the sets that are named
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence

from gdmlib._command import Parser, leave
from gdmlib.data import declare, reading
from gdmlib.data.dataset import CacheError, ChecksumError, DataNotFoundError, UnknownDatasetError
from gdmlib.data.declare import Entry
from gdmlib.data.download import problem
from gdmlib.data.files import CACHE_VARIABLE, DATA_VARIABLE, cache_folder, data_folder
from gdmlib.data.listing import TIERS, catalogue, cells


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 1 where a set is damaged or cannot be had."""
    parser = Parser(
        prog="python -m gdmlib.data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", default="list", metavar="COMMAND")
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets")
    options = parser.parse_args(argv)
    command, names = options.command, options.names
    if command not in _COMMANDS:  # a name alone is to be shown
        command, names = "show", [command, *names]
    if bool(names) not in _TAKES[command]:
        parser.error(f"{command}: expected {'no names' if names else 'names of data sets'}")
    try:
        entries = [catalogue()[name] for name in dict.fromkeys(names)]
    except UnknownDatasetError as error:
        parser.error(str(error))
    return _COMMANDS[command](entries)


def _list(entries: Sequence[Entry]) -> int:
    print(catalogue())
    _print_places()
    return 0


def _show(entries: Sequence[Entry]) -> int:
    print("\n\n".join(map(_details, entries)))
    _print_places()
    return 0


def _print_places() -> None:
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


def _fetch(entries: Sequence[Entry]) -> int:
    failed = 0
    for entry in entries:
        try:
            reading.get_all(entry.paths, entry.name)
        except (CacheError, ChecksumError, DataNotFoundError) as error:
            print(f"{entry.name}: {error}", file=sys.stderr)
            failed = 1
        else:
            here = cells(entry)["size"] if entry.paths else f"{entry.kind}, nothing to download"
            print(f"{entry.name}: here ({here})", flush=True)
    return failed


def _verify(entries: Sequence[Entry]) -> int:
    failed = 0
    for entry in entries or [entry for entry in catalogue() if entry.paths]:
        found = {path: problem(declare.remote(path)) for path in entry.paths}
        for path, wrong in found.items():
            if wrong:
                print(f"{entry.name}: {path} is damaged: {wrong}", file=sys.stderr)
                failed = 1
        print(f"{entry.name}: {_verdict(list(found.values()))}", flush=True)
    return failed


def _verdict(found: Sequence[str | None]) -> str:
    """Say in short what `problem` found for the files of a set."""
    here = [wrong for wrong in found if wrong != ""]
    if not here:
        return "not here" if found else "no files to verify"
    good = f"{here.count(None)} of {len(found)} files good"
    return good + f", {len(found) - len(here)} not here" * (len(here) < len(found))


_COMMANDS: dict[str, Callable[[Sequence[Entry]], int]] = {
    "list": _list,
    "show": _show,
    "fetch": _fetch,
    "verify": _verify,
}
_TAKES = {"list": {False}, "show": {True}, "fetch": {True}, "verify": {False, True}}
"""Whether names may be given."""


if __name__ == "__main__":
    leave(main)
