"""What is known about the content of every data file, and whether a file has it.

``registry.txt`` has the sha256 and the size of each, and for files that are made out of others
the sha256 of their arrays, since compression differs between machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from gdmlib.data.convert import Arrays, picture

_ORIGINAL = "original:"


@dataclass(frozen=True)
class Checksum:
    """What is known about a file's content.

    Attributes:
        digests: Hexadecimal digests of the file, ``"sha256:..."`` or ``"md5:..."``; any one
            suffices. A digest that begins with ``"arrays:"`` is over the arrays in the file.
        size: Size in bytes; 0 where it is not known.
        originals: Of a file that is made out of others: from the name of an original to its sha256,
            where that is known.
    """

    digests: tuple[str, ...] = ()
    size: int = 0
    originals: Mapping[str, str] = field(default_factory=dict)

    def of_original(self, name: str) -> Checksum:
        """Return what is known about one of the files that it is made out of."""
        known = self.originals.get(name)
        return Checksum((f"sha256:{known}",) if known else ())


@lru_cache(maxsize=1)
def registry() -> Mapping[str, Checksum]:
    """Return what is known about every file, from the ``registry.txt`` of the package."""
    text = (resources.files("gdmlib.data") / "registry.txt").read_text(encoding="utf-8")
    known: dict[str, Checksum] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            path, size, *words = line.split()
            digests = tuple(word for word in words if not word.startswith(_ORIGINAL))
            of = (word.removeprefix(_ORIGINAL) for word in words if word.startswith(_ORIGINAL))
            known[path] = Checksum(digests, int(size), dict(word.split("=") for word in of))
    return known


def arrays_digest(arrays: Arrays, unordered: Sequence[str] = ()) -> str:
    """Return the sha256 over names, types, shapes and values, those of ``unordered`` row-sorted."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        if name in unordered:
            array = array[np.lexsort(array.T[::-1])]
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def read_arrays(path: Path) -> Arrays:
    """Read the arrays of an npz, or the pixels of a picture as ``image``. Never unpickles."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    return picture({"all": path})


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write what `read_arrays` reads."""
    with path.open("wb") as stream:
        if path.suffix == ".npz":
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        else:
            from PIL import Image

            Image.fromarray(arrays["image"]).save(stream, format="PNG")


@lru_cache(maxsize=8192)
def _digest(file: Path, algorithm: str, unordered: tuple[str, ...], _stamp: tuple[int, int]) -> str:
    """Return a digest of a file; ``_stamp``, its time and size, tells whether it has changed."""
    if algorithm == "arrays":
        try:
            return arrays_digest(read_arrays(file), unordered)
        except Exception as reason:  # a damaged file may break its reader anywhere
            return f"unreadable ({reason})"
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def wrong_checksum(file: Path, checksum: Checksum, unordered: tuple[str, ...] = ()) -> str | None:
    """Return None if the file's content is right, or a sentence that says what is wrong."""
    status = file.stat()
    seen = []
    for expected in checksum.digests:
        algorithm, _, value = expected.partition(":")
        got = _digest(file, algorithm, unordered, (status.st_mtime_ns, status.st_size))
        if got == value:
            return None
        seen.append(f"{algorithm} is {got[:16]}..., expected {value[:16]}...")
    if not seen:
        return None
    whole = f" of {checksum.size}" if checksum.size else ""
    return f"{'; '.join(seen)} ({status.st_size} bytes{whole})"
