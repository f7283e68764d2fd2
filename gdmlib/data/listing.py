"""The list of all data sets: name, size, licence, and whether it is on this machine."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import overload

from gdmlib.data.dataset import check_name
from gdmlib.data.declare import DECLARED, Entry

TIERS: dict[str, str] = {
    "A": "a statement that allows redistribution was found",
    "A-": "probably fine, but the statement itself was not seen",
    "B": "no licence found, or for research and education only: evaluate on it, do not pass it on",
}
"""What the licence tiers mean."""

HEADER = ("load with", "kind", "content", "size", "here", "checksum", "tier", "licence")


def catalogue() -> Catalogue:
    """Return the list of all data sets, which prints as a table.

    Returns:
        A sequence of `Entry`; also looks up by name, ``catalogue()["mnist"]``. ``here`` says
        whether the files are in ``$GDMLIB_DATA`` or in the cache; they are not read.
    """
    kinds = ("embedded", "rendered", "downloadable")
    return Catalogue(sorted(DECLARED.values(), key=lambda entry: kinds.index(entry.kind)))


class Catalogue(Sequence[Entry]):
    """All data sets, printed as a table; ``catalogue()["mnist"]`` finds one by name."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @overload
    def __getitem__(self, key: int | str) -> Entry: ...
    @overload
    def __getitem__(self, key: slice) -> Catalogue: ...
    def __getitem__(self, key: int | str | slice) -> Entry | Catalogue:
        if isinstance(key, slice):
            return Catalogue(self._entries[key])
        if isinstance(key, int):
            return self._entries[key]
        names = [entry.name for entry in self._entries]
        return self._entries[names.index(check_name(key, names, "data set"))]

    def __repr__(self) -> str:
        rows = [HEADER, *(entry.row() for entry in self)]
        # The last column, the longest, needs no padding.
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
        lines = [
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]])
            for row in rows
        ]
        lines.insert(1, "-" * max(map(len, lines)))
        notes = [f"tier {tier}: {meaning}" for tier, meaning in TIERS.items()]
        return "\n".join([*lines, "", *notes])

    def _repr_html_(self) -> str:
        def line(cells: Sequence[str], tag: str) -> str:
            inside = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{inside}</tr>"

        body = "".join(line(entry.row(), "td") for entry in self)
        notes = "; ".join(f"{tier}: {html.escape(text)}" for tier, text in TIERS.items())
        return (
            f"<table><thead>{line(HEADER, 'th')}</thead><tbody>{body}</tbody></table>"
            f"<p>Tiers: {notes}.</p>"
        )
