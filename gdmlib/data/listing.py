"""The list of all data sets: name, size, licence, and whether it is on this machine."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from gdmlib.data import benchmarks, embedded, fonts, toys
from gdmlib.data.dataset import check_name
from gdmlib.data.download import is_here, registry
from gdmlib.data.sources import files

TIERS: dict[str, str] = {
    "A": "a statement that allows redistribution was found",
    "A-": "probably fine, but the statement itself was not seen",
    "B": "no licence found, or for research and education only: evaluate on it, do not pass it on",
}
"""What the licence tiers mean."""


@dataclass(frozen=True)
class Entry:
    """One data set.

    Attributes:
        name : str: Short name.
        call : str: How to load it.
        kind : str: ``"embedded"``, ``"rendered"`` or ``"downloadable"``.
        content : str: What is in it.
        size : int: Size of its files in bytes; 0 where there are none of its own.
        licence, tier : str: On what terms it may be used; see :data:`TIERS`.
        verified : bool: Whether the checksum that we have was verified on the real files (embedded
            and rendered data need none).
        here : bool: Whether it can be loaded with the network off.
        loader : callable: The function to call.
    """

    name: str
    call: str
    kind: str
    content: str
    size: int
    licence: str
    tier: str
    verified: bool
    here: bool
    loader: Callable[..., Any]

    def row(self) -> tuple[str, ...]:
        """Return the entry as the cells of a table."""
        megabytes = f"{self.size / 1e6:.1f} MB" if self.size else "-"
        checksum = "-"
        if self.kind == "downloadable":
            checksum = "sha256" if self.verified else "unverified"
        here = "yes" if self.here else "no"
        return (
            self.call,
            self.kind,
            self.content,
            megabytes,
            here,
            checksum,
            self.tier,
            self.licence,
        )


_HEADER = ("load with", "kind", "content", "size", "here", "checksum", "tier", "licence")


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
        rows = [_HEADER, *(entry.row() for entry in self)]
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
            f"<table><thead>{line(_HEADER, 'th')}</thead><tbody>{body}</tbody></table>"
            f"<p>Tiers: {notes}.</p>"
        )


# name, how to load it, its files, what is in it, key of its licence, tier
_DOWNLOADABLE: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("mnist", "mnist()", "mnist/", "70,000 × 28×28 digits", "mnist", "A"),
    (
        "binarised_mnist",
        "binarised_mnist()",
        "mnist/",
        "the same, drawn 0 or 1 with a fixed seed",
        "mnist",
        "A",
    ),
    (
        "fashion_mnist",
        "fashion_mnist()",
        "fashion_mnist/",
        "70,000 × 28×28 clothes",
        "fashion_mnist",
        "A",
    ),
    (
        "caltech_silhouettes",
        "caltech_silhouettes()",
        "caltech101_silhouettes/",
        "8671 × 28×28 binary shapes",
        "caltech_silhouettes",
        "A-",
    ),
    *(
        (
            name,
            f'binary_density("{name}")',
            f"binary_density/{name}.npz",
            content,
            name,
            "B" if name == "nips" else "A-",
        )
        for name, content in (
            ("adult", "32,561 × 123 bits"),
            ("connect4", "67,557 × 126 bits"),
            ("dna", "3186 × 180 bits"),
            ("mushrooms", "8124 × 112 bits"),
            ("nips", "1740 × 500 bits"),
        )
    ),
    ("red_wine", "red_wine()", "red_wine/", "1599 × 11 measurements", "red_wine", "A-"),
    ("bsds500", "bsds500()", "bsds500/", "500 photographs, boundaries", "bsds500", "B"),
    *(
        (name, f'restoration("{name}")', f"restoration_sets/{name}/", content, "restoration", "B")
        for name, content in (
            ("set5", "5 pictures"),
            ("set12", "12 grey pictures"),
            ("set14", "14 pictures"),
            ("bsd68", "68 grey photographs"),
        )
    ),
    ("spc15", "spc15()", "spc15/", "15 × 256×256 grey crops", "spc15", "B"),
    ("frey_faces", "frey_faces()", "frey_faces/", "1965 × 28×20 frames", "frey_faces", "B"),
    (
        "noto_emoji",
        "noto_emoji()",
        "noto_emoji/",
        "3845 emoji, 32×32 or 72×72",
        "noto_emoji",
        "A",
    ),
    (
        "cifar10_subset",
        "cifar10_subset()",
        "cifar10_subset/",
        "11,000 × 32×32 in colour",
        "cifar10_subset",
        "B",
    ),
)


def _downloadable() -> Iterator[Entry]:
    for name, call, prefix, content, licence, tier in _DOWNLOADABLE:
        paths = files(prefix)
        checksums = [registry()[path] for path in paths]
        yield Entry(
            name=name,
            call=call,
            kind="downloadable",
            content=content,
            size=sum(checksum.size for checksum in checksums),
            licence=benchmarks.LICENCES[licence],
            tier=tier,
            verified=all(
                any(digest.startswith("sha256:") for digest in checksum.digests)
                for checksum in checksums
            ),
            here=all(is_here(path) for path in paths),
            loader=getattr(benchmarks, call.partition("(")[0]),
        )


# name, how to load it, kind, what is in it, licence, function
_ALWAYS_HERE: tuple[tuple[str, str, str, str, str, Callable[..., Any]], ...] = (
    ("iris", "iris()", "embedded", "150 × 4 lengths, 3 species", "CC BY 4.0", embedded.iris),
    ("digits", "digits()", "embedded", "1797 × 8×8 digits", "CC BY 4.0", embedded.digits),
    (
        "photographs",
        "photographs()",
        "embedded",
        f"{len(embedded.PHOTOGRAPHS)} in colour",
        "CC0, CC BY 2.0, public domain",
        embedded.photographs,
    ),
    (
        "photo_patches",
        "photo_patches(n)",
        "embedded",
        "patches of the photographs, any size",
        "as the photographs",
        embedded.photo_patches,
    ),
    ("textures", "textures()", "embedded", "3 × 512×512 grey", "CC0", embedded.textures),
    (
        "faces",
        "faces()",
        "embedded",
        "100 faces, 100 others, 25×25",
        "not stated (research)",
        embedded.faces,
    ),
    (
        "stereo",
        "stereo()",
        "embedded",
        "a stereo pair, its disparity",
        "free to use, with citation",
        embedded.stereo,
    ),
    (
        "toy",
        "toy(name, n)",
        "rendered",
        f"{len(toys.TOYS)} densities in the plane",
        "CC0",
        toys.toy,
    ),
    (
        "glyphs",
        "glyphs(n)",
        "rendered",
        "characters in 21 fonts, any size",
        "pictures CC0; fonts are free",
        fonts.glyphs,
    ),
)


def catalogue() -> Catalogue:
    """Return the list of all data sets, which prints as a table.

    Returns:
        A sequence of `Entry`; also looks up by name, ``catalogue()["mnist"]``. ``here`` says
        whether the files are in ``$GDMLIB_DATA`` or in the cache; they are not read.
    """
    always = (
        Entry(name, call, kind, content, 0, licence, "B" if name == "faces" else "A", True, True, f)
        for name, call, kind, content, licence, f in _ALWAYS_HERE
    )
    return Catalogue([*always, *_downloadable()])
