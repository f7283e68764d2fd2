"""The list of all data sets: name, size, licence, and whether it is on this machine."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import Any

from gdmlib.data.dataset import check_name
from gdmlib.data.declare import DECLARED, Entry

TIERS: dict[str, str] = {
    "A": "a statement that allows redistribution was found",
    "A-": "probably fine, but the statement itself was not seen",
    "B": "no licence found, or for research and education only: evaluate on it, do not pass it on",
}
"""What the licence tiers mean."""


def catalogue() -> Catalogue:
    """Return the list of all data sets, which prints as a table.

    Returns:
        A sequence of `Entry`; also looks up by name, ``catalogue()["mnist"]``. ``here`` says
        whether the files are in ``$GDMLIB_DATA`` or in the cache; they are not read.
    """
    kinds = ("embedded", "rendered", "downloadable")
    return Catalogue(sorted(DECLARED.values(), key=lambda entry: kinds.index(entry.kind)))


class Catalogue(tuple[Entry, ...]):
    """All data sets, printed as a table; ``catalogue()["mnist"]`` finds one by name."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            names = [entry.name for entry in self]
            key = names.index(check_name(key, names, "data set"))
        return super().__getitem__(key)

    def __repr__(self) -> str:
        rows = [tuple(_CELLS), *(tuple(cells(entry).values()) for entry in self)]
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
        def line(texts: Iterable[str], tag: str) -> str:
            inside = "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts)
            return f"<tr>{inside}</tr>"

        body = "".join(line(cells(entry).values(), "td") for entry in self)
        notes = "; ".join(f"{tier}: {html.escape(text)}" for tier, text in TIERS.items())
        return (
            f"<table><thead>{line(_CELLS, 'th')}</thead><tbody>{body}</tbody></table>"
            f"<p>Tiers: {notes}.</p>"
        )


_CELLS: dict[str, Callable[[Entry], str]] = {
    "load with": lambda entry: entry.call,
    "kind": lambda entry: entry.kind,
    "content": lambda entry: entry.content,
    "size": lambda entry: _bytes(entry.size) if entry.size else "-",
    "here": lambda entry: "yes" if entry.here else "no",
    "checksum": lambda entry: (
        "-" if not entry.files else "sha256" if entry.verified else "unverified"
    ),
    "tier": lambda entry: entry.tier,
    "licence": lambda entry: entry.licence,
}


def cells(entry: Entry) -> dict[str, str]:
    """Return an entry as the cells of the table, by their headings."""
    return {title: text(entry) for title, text in _CELLS.items()}


def _bytes(size: int) -> str:
    """Write a size in bytes with the unit that fits it: ``28 kB``, ``11.6 MB``."""
    if size < 999_500:
        return f"{size / 1e3:.0f} kB" if size >= 999.5 else f"{size} B"
    return f"{size / 1e6:.1f} MB" if size < 999_950_000 else f"{size / 1e9:.1f} GB"
