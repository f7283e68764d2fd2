"""Finding a data file: in ``$GDMLIB_DATA``, else in the cache, else on the network.

Every file is known by its place in the folder layout, such as ``mnist/t10k-labels-idx1-ubyte.gz``.
A file whose checksum is wrong is never used, and never left in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gdmlib.data.checksums import Checksum, registry, write_arrays, wrong_checksum
from gdmlib.data.dataset import ChecksumError, DataNotFoundError
from gdmlib.data.files import (
    CACHE_VARIABLE,
    DATA_VARIABLE,
    cache_error,
    cache_folder,
    data_folder,
    folder_beside,
)
from gdmlib.data.sources import Remote

TIMEOUT = 30.0  # seconds without an answer or a byte


def fetch(remote: Remote) -> Path:
    """Return the path of a file, downloaded (and converted) if it is not on this machine.

    Raises:
        DataNotFoundError: If the file is not here and cannot be fetched.
        ChecksumError: If its content is wrong.
        CacheError: If the cache folder cannot be written.
    """
    found = find(remote.path, remote.unordered)
    if found is not None:
        return found
    target = cache_folder() / remote.path
    checksum = registry().get(remote.path, Checksum())
    if remote.convert is None:
        _download(remote.urls, target, remote.path, checksum)
    else:
        _convert(remote, target, checksum)
    return target


def find(path: str, unordered: tuple[str, ...] = ()) -> Path | None:
    """Look for a file on this machine.

    Args:
        path: Its place in the folder layout.
        unordered: Those of its arrays whose rows may come in any order.

    Returns:
        The file in ``$GDMLIB_DATA``, else the one in the cache, checksum verified; None if there is
        none. A damaged file in the cache is thrown away.

    Raises:
        ChecksumError: If the file in ``$GDMLIB_DATA``, which is not ours to throw away, is damaged.
    """
    checksum = registry().get(path, Checksum())
    folder = data_folder()
    if folder is not None and (folder / path).is_file():
        wrong = wrong_checksum(folder / path, checksum, unordered)
        if wrong:
            raise ChecksumError(
                f"{folder / path} is damaged or not the expected version: {wrong}. Remove it or "
                f"put a good copy in its place; or unset {DATA_VARIABLE} to download one"
            )
        return folder / path
    cached = cache_folder() / path
    if cached.is_file():
        if wrong_checksum(cached, checksum, unordered) is None:
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
            write_arrays(made, remote.convert(originals))
            wrong = wrong_checksum(made, checksum, remote.unordered)
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
            wrong = wrong_checksum(part, checksum)
            if wrong is None:
                part.replace(target)
                return
            came = True
            reasons.append(f"{url}: {wrong}")
    error = ChecksumError if came else DataNotFoundError
    raise error(_not_found(path, reasons, came))


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
