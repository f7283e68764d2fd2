"""Finding a data file: in ``$GDMLIB_DATA``, else in the cache, else on the network.

Every file is known by its place in the folder layout, such as ``mnist/t10k-labels-idx1-ubyte.gz``.
``registry.txt`` has the sha256 and the size of each, and for files that are made out of others
the sha256 of their arrays, since compression differs between machines. A file whose checksum is
wrong is never used, and never left in the cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePosixPath

import numpy as np

from gdmlib.data.convert import Arrays
from gdmlib.data.dataset import CacheError, ChecksumError, DataNotFoundError
from gdmlib.data.files import (
    CACHE_VARIABLE,
    DATA_VARIABLE,
    cache_error,
    cache_folder,
    data_folder,
    folder_beside,
)

TIMEOUT = 30.0  # seconds without an answer or a byte


@dataclass(frozen=True)
class Checksum:
    """What is known about a file's content.

    Attributes:
        digests: Hexadecimal digests of the file, ``"sha256:..."`` or ``"md5:..."``; any one
            suffices. A digest that begins with ``"arrays:"`` is over the arrays in the file.
        size: Size in bytes; 0 where it is not known.
    """

    digests: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class Remote:
    """Where a file can be had.

    Attributes:
        path: Its place in the folder layout.
        urls: For a file that is published as it is: addresses, tried in order.
        originals: For a file that is made out of others: their names and addresses.
        convert: Makes the arrays of the file out of the originals.
    """

    path: str
    urls: tuple[str, ...] = ()
    originals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    convert: Callable[[Mapping[str, Path]], Arrays] | None = None


@lru_cache(maxsize=1)
def registry() -> Mapping[str, Checksum]:
    """Return what is known about every file, from the ``registry.txt`` of the package."""
    text = (resources.files("gdmlib.data") / "registry.txt").read_text(encoding="utf-8")
    known: dict[str, Checksum] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            path, size, *digests = line.split()
            known[path] = Checksum(tuple(digests), int(size))
    return known


def arrays_digest(arrays: Arrays, unordered: Sequence[str] = ()) -> str:
    """Return the sha256 over names, types, shapes and values of arrays.

    The rows of the arrays in ``unordered`` are sorted first: their order does not count.
    """
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
    from PIL import Image

    with Image.open(path) as image:
        return {"image": np.asarray(image)}


def _write_arrays(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as stream:
        if path.suffix == ".npz":
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        else:
            from PIL import Image

            Image.fromarray(arrays["image"]).save(stream, format="PNG")


def _unordered(path: str) -> tuple[str, ...]:
    # Of the two binary sets whose test part was put together again, the order is not known.
    rebuilt = ("binary_density/adult.npz", "binary_density/connect4.npz")
    return ("test",) if path in rebuilt else ()


@lru_cache(maxsize=8192)
def _digest(file: Path, algorithm: str, path: str, _stamp: tuple[int, int]) -> str:
    """Return a digest of a file; ``_stamp``, its time and size, tells whether it has changed."""
    if algorithm == "arrays":
        try:
            return arrays_digest(read_arrays(file), _unordered(path))
        except Exception as reason:  # a damaged file may break its reader anywhere
            return f"unreadable ({reason})"
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def wrong_checksum(file: Path, path: str, checksum: Checksum) -> str | None:
    """Return None if the file's content is right, or a sentence that says what is wrong."""
    status = file.stat()
    seen = []
    for expected in checksum.digests:
        algorithm, _, value = expected.partition(":")
        got = _digest(file, algorithm, path, (status.st_mtime_ns, status.st_size))
        if got == value:
            return None
        seen.append(f"{algorithm} is {got[:16]}..., expected {value[:16]}...")
    if not seen:
        return None
    return f"{'; '.join(seen)} ({status.st_size} bytes" + (
        f" of {checksum.size})" if checksum.size else ")"
    )


def find(path: str) -> Path | None:
    """Look for a file on this machine.

    Returns:
        The file in ``$GDMLIB_DATA``, else the one in the cache, checksum verified; None if there is
        none. A damaged file in the cache is thrown away.

    Raises:
        ChecksumError: If the file in ``$GDMLIB_DATA``, which is not ours to throw away, is damaged.
    """
    checksum = registry().get(path, Checksum())
    folder = data_folder()
    if folder is not None and (folder / path).is_file():
        wrong = wrong_checksum(folder / path, path, checksum)
        if wrong:
            raise ChecksumError(
                f"{folder / path} is damaged or not the expected version: {wrong}. Remove it or "
                f"put a good copy in its place; or unset {DATA_VARIABLE} to download one"
            )
        return folder / path
    cached = cache_folder() / path
    if cached.is_file():
        if wrong_checksum(cached, path, checksum) is None:
            return cached
        try:
            cached.unlink()
        except OSError as reason:
            raise cache_error(cached, reason) from reason
    return None


def is_here(path: str) -> bool:
    """Say whether a file is on this machine, without reading it."""
    folder = data_folder()
    return (folder is not None and (folder / path).is_file()) or (cache_folder() / path).is_file()


def _download_one(url: str, target: Path) -> None:
    """Download ``url`` to ``target`` as a whole. Network trouble is a ``RequestException``."""
    import pooch

    pooch.get_logger().setLevel("ERROR")
    pooch.retrieve(
        url,
        known_hash=None,
        fname=target.name,
        path=target.parent,
        downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
    )


def _download(urls: Sequence[str], target: Path, path: str, checksum: Checksum) -> None:
    """Download from the first address that gives the right content.

    Raises:
        ChecksumError: If what came was wrong.
        DataNotFoundError: If nothing came.
        CacheError: If the cache cannot be written.
    """
    import requests

    reasons = []
    came = False
    # Downloaded beside its place, and moved there when it is known to be good.
    with folder_beside(target) as folder:
        for number, url in enumerate(urls):
            part = folder / f"{number}{target.suffix}"
            try:
                _download_one(url, part)
            except requests.exceptions.RequestException as reason:
                reasons.append(f"{url}: {_in_short(reason)}")
                continue
            wrong = wrong_checksum(part, path, checksum)
            if wrong is None:
                part.replace(target)
                return
            came = True
            reasons.append(f"{url}: {wrong}")
    error = ChecksumError if came else DataNotFoundError
    raise error(_not_found(path, reasons, came))


def _in_short(reason: Exception) -> str:
    response = getattr(reason, "response", None)
    if response is not None:
        return f"the server answers {response.status_code} {response.reason}"
    # requests wraps the cause, which says more than the wrapping does.
    cause = getattr(reason.args[0], "reason", None) if reason.args else None
    text = str(cause or reason)
    text = text.partition("): ")[2] or text
    return f"{type(cause or reason).__name__}: {text if len(text) < 160 else text[:157] + '...'}"


def _not_found(path: str, reasons: Sequence[str], came: bool = False) -> str:
    folder = data_folder()
    if folder is None:
        first = f"{DATA_VARIABLE} (not set)"
    else:
        first = f"{folder / path}" + ("" if folder.is_dir() else " (there is no such folder)")
    what = "what was downloaded is not the expected file" if came else "it could not be downloaded"
    tried = "".join(f"\n  - {reason}" for reason in reasons) or "\n  - no address is known"
    return (
        f"data file {path} is not on this machine, and {what}.\n"
        f"Looked for in: {first}; {cache_folder() / path}\n"
        f"Tried:{tried}\n"
        f"Way out: connect to the network and try again; or put the file into one of these "
        f"places by hand; or set {DATA_VARIABLE} to a folder that has it. ({CACHE_VARIABLE} "
        "names the folder for downloads.)"
    )


def _convert(remote: Remote, target: Path, checksum: Checksum) -> None:
    """Download the originals of a file, and make it out of them."""
    assert remote.convert is not None
    with folder_beside(target) as folder:
        originals: dict[str, Path] = {}
        for name, urls in remote.originals.items():
            originals[name] = folder / f"{name}{PurePosixPath(urls[0]).suffix}"
            _download(urls, originals[name], remote.path, Checksum())
        made = folder / f"made{target.suffix}"
        try:
            _write_arrays(made, remote.convert(originals))
            wrong = wrong_checksum(made, remote.path, checksum)
        except Exception as reason:  # whatever a converter stumbles over in a strange file
            wrong = f"{type(reason).__name__}: {reason}"
        if wrong:
            raise ChecksumError(
                f"{remote.path} could not be made out of {_first_urls(remote)}: {wrong}. The "
                f"download is thrown away. Try again later, or set {DATA_VARIABLE} to a folder "
                "that has the file"
            )
        made.replace(target)


def _first_urls(remote: Remote) -> str:
    return ", ".join(urls[0] for urls in remote.originals.values())


def fetch(remote: Remote) -> Path:
    """Return the path of a file, downloaded (and converted) if it is not on this machine.

    Raises:
        DataNotFoundError: If the file is not here and cannot be fetched.
        ChecksumError: If its content is wrong.
        CacheError: If the cache folder cannot be written.
    """
    found = find(remote.path)
    if found is not None:
        return found
    target = cache_folder() / remote.path
    checksum = registry().get(remote.path, Checksum())
    if remote.convert is None:
        _download(remote.urls, target, remote.path, checksum)
    else:
        _convert(remote, target, checksum)
    return target


__all__ = [
    "CacheError",
    "Checksum",
    "Remote",
    "arrays_digest",
    "fetch",
    "find",
    "is_here",
    "read_arrays",
    "registry",
    "wrong_checksum",
]
