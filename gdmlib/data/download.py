"""Where a data file can be had, and finding it: in ``$GDMLIB_DATA``, the cache, or on the network.

Every file is known by its place in the folder layout, such as ``mnist/t10k-labels-idx1-ubyte.gz``.
It is published as it is, or made out of files that others publish; addresses name the commit, so
that what they give does not change. A file whose checksum is wrong is never used, and never left in
the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gdmlib.data.checksums import Checksum, registry, write_arrays, wrong_checksum
from gdmlib.data.convert import Arrays
from gdmlib.data.dataset import ChecksumError, DataNotFoundError
from gdmlib.data.files import (
    CACHE_VARIABLE,
    DATA_VARIABLE,
    cache_folder,
    data_folder,
    explained,
    folder_beside,
    tidy,
)

GITHUB = "https://raw.githubusercontent.com"
TIMEOUT = 30.0  # seconds without an answer or a byte


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


def fetch(remote: Remote) -> Path:
    """Return the path of a file, downloaded (and converted) if it is not on this machine.

    Errors are those that the page of `gdmlib.data.published` names.
    """
    cache = cache_folder()
    for folder in {cache / PurePosixPath(path).parent for path in registry()}:
        tidy(folder)
    found = find(remote.path, remote.unordered)
    if found is not None:
        return found
    target = cache / remote.path
    checksum = registry().get(remote.path, Checksum())
    if remote.convert is None:
        _download(remote.urls, target, remote.path, checksum)
    else:
        _convert(remote, target, checksum)
    return target


def find(path: str, unordered: tuple[str, ...] = ()) -> Path | None:
    """Return a file that is on this machine, its checksum verified, or None.

    A damaged file in the cache is thrown away; one in ``$GDMLIB_DATA``, which is not ours to throw
    away, is a `ChecksumError`. The order of rows does not count in the arrays of ``unordered``.
    """
    file = _locate(path)
    if file is None:
        return None
    wrong = wrong_checksum(file, registry().get(path, Checksum()), unordered)
    if wrong is None:
        return file
    folder = data_folder()
    if folder is not None and file == folder / path:
        raise ChecksumError(
            f"{file} is damaged or not the expected version: {wrong}. Remove it or put a good copy "
            f"in its place; or unset {DATA_VARIABLE} to download one"
        )
    with explained(file):
        file.unlink()
    return None


def problem(remote: Remote) -> str | None:
    """Say what is wrong with a file; nothing is touched. None: it is good; "": it is not here."""
    file = _locate(remote.path)
    if file is None:
        return ""
    known = registry().get(remote.path, Checksum())
    wrong = wrong_checksum(file, known, remote.unordered)
    return None if wrong is None else f"{file}: {wrong}"


def is_here(path: str) -> bool:
    """Say whether a file is on this machine, without reading it."""
    return _locate(path) is not None


def _locate(path: str) -> Path | None:
    folders = [folder for folder in (data_folder(), cache_folder()) if folder is not None]
    return next((folder / path for folder in folders if (folder / path).is_file()), None)


def _convert(remote: Remote, target: Path, checksum: Checksum) -> None:
    """Download the originals of a file, and make it out of them once their checksums are right."""
    assert remote.convert is not None
    with folder_beside(target) as folder:
        originals: dict[str, Path] = {}
        for name, urls in remote.originals.items():
            originals[name] = folder / f"{name}{PurePosixPath(urls[0]).suffix}"
            _download(urls, originals[name], remote.path, checksum.of_original(name))
        made = folder / f"made{target.suffix}"
        try:
            write_arrays(made, remote.convert(originals))
            wrong = wrong_checksum(made, checksum, remote.unordered)
        except Exception as reason:  # whatever a converter stumbles over in a strange file
            wrong = f"{type(reason).__name__}: {reason}"
        if wrong:
            addresses = ", ".join(urls[0] for urls in remote.originals.values())
            raise ChecksumError(
                f"{remote.path} could not be made out of {addresses}: {wrong}. The download is "
                f"thrown away. Try again later, or set {DATA_VARIABLE} to a folder that has the "
                "file"
            )
        made.replace(target)


def _download(urls: Sequence[str], target: Path, path: str, checksum: Checksum) -> None:
    """Download from the first address that gives the right content."""
    import requests

    reasons = []
    came = False
    # Downloaded beside its place, and moved there when it is known to be good.
    with folder_beside(target) as folder:
        for number, url in enumerate(urls):
            part = folder / f"{number}{target.suffix}"
            try:
                download_one(url, part)
            except requests.exceptions.RequestException as reason:
                reasons.append(f"{url}: {in_short(reason)}")
                continue
            wrong = wrong_checksum(part, checksum)
            if wrong is None:
                part.replace(target)
                return
            came = True
            reasons.append(f"{url}: {wrong}")
    raise (ChecksumError if came else DataNotFoundError)(_not_found(path, reasons, came))


def download_one(url: str, target: Path) -> None:
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


def in_short(reason: Exception) -> str:
    """Return one line that says why a download failed."""
    response = getattr(reason, "response", None)
    if response is not None:
        return f"the server answers {response.status_code} {response.reason}"
    # requests wraps the cause, which says more than the wrapping does.
    cause = getattr(reason.args[0], "reason", None) if reason.args else None
    text = str(cause or reason)
    text = text.partition("): ")[2] or text
    return f"{type(cause or reason).__name__}: {text if len(text) < 160 else text[:157] + '...'}"


def _not_found(path: str, reasons: Sequence[str], came: bool) -> str:
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
