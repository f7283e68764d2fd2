"""Where a file can be had: published as it is, or made out of files that others publish.

Addresses name the commit, so that what they give does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gdmlib.data.convert import Arrays

GITHUB = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class Remote:
    """Where a file can be had.

    Attributes:
        path: Its place in the folder layout.
        urls: For a file that is published as it is: addresses, tried in order.
        originals: For a file that is made out of others: their names and addresses.
        convert: Makes the arrays of the file out of the originals.
        unordered: Those of its arrays whose rows may come in any order.
    """

    path: str
    urls: tuple[str, ...] = ()
    originals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    convert: Callable[[Mapping[str, Path]], Arrays] | None = None
    unordered: tuple[str, ...] = ()


def as_published(*addresses: str) -> Callable[[str], Remote]:
    """Let files be downloaded as they are.

    Args:
        addresses: Tried in order. ``{rest}`` stands for a file's place below the first folder of
            the layout, ``{stem}`` for its name without the ending.
    """
    return lambda path: Remote(path, urls=tuple(_fill(address, path) for address in addresses))


def converted(
    convert: Callable[[Mapping[str, Path]], Arrays],
    *,
    unordered: tuple[str, ...] = (),
    **originals: str,
) -> Callable[[str], Remote]:
    """Let files be made out of others, as `Remote` says; addresses are filled in as above."""

    def remote(path: str) -> Remote:
        filled = {name: (_fill(address, path),) for name, address in originals.items()}
        return Remote(path, originals=filled, convert=convert, unordered=unordered)

    return remote


def _fill(address: str, path: str) -> str:
    return address.format(rest=path.partition("/")[2], stem=PurePosixPath(path).stem)
