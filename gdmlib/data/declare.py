"""A data set is one declaration: a decorator on the function that loads it.

The catalogue, the addresses of files and the public names of :mod:`gdmlib.data` are read from the
declarations. So a new set is one decorated function, whatever it returns, and a line of
``registry.txt`` for each of its files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar

from gdmlib.data.checksums import registry
from gdmlib.data.download import Remote, is_here

Loader = TypeVar("Loader", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """One data set.

    Attributes:
        name: Short name.
        call: How to load it.
        kind: ``"embedded"``, ``"rendered"`` or ``"downloadable"``.
        content: What is in it.
        licence, tier: On what terms it may be used; see :data:`TIERS`.
        loader: The function to call.
        files: How the places of its files in the folder layout begin; empty if it has none.
        remote: From the place of one of its files to where that can be had.
    """

    name: str
    call: str
    kind: str
    content: str
    licence: str
    tier: str
    loader: Callable[..., Any]
    files: str = ""
    remote: Callable[[str], Remote] | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The places of its files."""
        return files(self.files) if self.files else ()

    @property
    def size(self) -> int:
        """Size of its files in bytes; 0 where there are none of its own."""
        return sum(registry()[path].size for path in self.paths)

    @property
    def verified(self) -> bool:
        """Whether the checksums that we have were verified on the real files, if it has any."""
        digests = [registry()[path].digests for path in self.paths]
        return all(any(d.startswith("sha256:") for d in known) for known in digests)

    @property
    def here(self) -> bool:
        """Whether it can be loaded with the network off; files are looked for, but not read."""
        return all(is_here(path) for path in self.paths)


DECLARED: dict[str, Entry] = {}
"""All data sets by name, in the order in which they are declared."""


def _declare(
    kind: str,
    *,
    content: str | Mapping[str, str],
    licence: str,
    tier: str = "A",
    arguments: str = "",
    files: str = "",
    remote: Callable[[str], Remote] | None = None,
) -> Callable[[Loader], Loader]:
    """Declare a set, or several; ``arguments`` are those that a call must show."""

    def declare(loader: Loader) -> Loader:
        function = loader.__name__
        for name, what in ({function: content} if isinstance(content, str) else content).items():
            known = DECLARED.get(name)
            # A module that is loaded again declares its sets again.
            if known and known.loader.__module__ != loader.__module__:
                raise ValueError(f"data set {name!r} is declared twice; choose another name")
            call = f"{function}({arguments})" if name == function else f'{function}("{name}")'
            place = files.format(name=name)
            DECLARED[name] = Entry(name, call, kind, what, licence, tier, loader, place, remote)
        return loader

    return declare


embedded = partial(_declare, "embedded")
"""Declare a set that comes with a package."""

rendered = partial(_declare, "rendered")
"""Declare a set that is drawn on the spot."""


def downloadable(
    *,
    content: str | Mapping[str, str],
    licence: str,
    tier: str,
    files: str,
    remote: Callable[[str], Remote],
) -> Callable[[Loader], Loader]:
    """Declare a set whose files are downloaded, or several sets that one function loads by name.

    Args:
        content: What is in it; or, for several sets, from the name of each to what is in it.
        licence: On what terms it may be used, as far as we found.
        tier: The same in a letter, see :data:`TIERS`.
        files: How the places of its files in ``registry.txt`` begin; ``{name}`` stands for the name
            of the set.
        remote: From the place of a file to where that can be had.
    """
    return _declare(
        "downloadable", content=content, files=files, licence=licence, tier=tier, remote=remote
    )


def derived(name: str, *, content: str) -> Callable[[Loader], Loader]:
    """Declare a set that is made of the files of the one called ``name``, on the same terms."""
    of = DECLARED[name]
    same = {"licence": of.licence, "tier": of.tier, "files": of.files, "remote": of.remote}
    return _declare(of.kind, content=content, **same)  # type: ignore[arg-type]


def loaders() -> dict[str, Callable[..., Any]]:
    """Return the functions that load data sets, by name."""
    return {entry.loader.__name__: entry.loader for entry in DECLARED.values()}


def names(loader: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the sets that a function loads."""
    return tuple(name for name, entry in DECLARED.items() if entry.loader is loader)


def licence(name: str) -> str:
    """Return on what terms a set may be used."""
    return DECLARED[name].licence


@lru_cache(maxsize=64)
def files(prefix: str) -> tuple[str, ...]:
    """Return the places of all files that begin with ``prefix``, sorted."""
    return tuple(sorted(path for path in registry() if path.startswith(prefix)))


def remote(path: str) -> Remote:
    """Return where the file with this place in the folder layout can be had."""
    for entry in DECLARED.values():
        if entry.remote is not None and path.startswith(entry.files):
            return entry.remote(path)
    raise ValueError(f"no set has the file {path!r}")
