"""Where files are kept, and how they are written: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gdmlib.data.dataset import CacheError, ChecksumError, DataNotFoundError

DATA_VARIABLE = "GDMLIB_DATA"
CACHE_VARIABLE = "GDMLIB_CACHE"


def data_folder() -> Path | None:
    """Return the folder that ``$GDMLIB_DATA`` names, or None if the variable is not set."""
    folder = os.environ.get(DATA_VARIABLE, "")
    return Path(folder).expanduser() if folder else None


def cache_folder() -> Path:
    """Return the folder for downloads and renderings: ``$GDMLIB_CACHE``, or the system's own."""
    folder = os.environ.get(CACHE_VARIABLE, "")
    if folder:
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("gdmlib"))


def cache_error(path: Path, reason: OSError) -> CacheError:
    """Return the error that says that ``path`` cannot be written, and the way out."""
    return CacheError(
        f"cannot write {path} ({reason.strerror or reason}); make the folder writable, free some "
        f"space, or set {CACHE_VARIABLE} to a folder that you may write to"
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn trouble with writing ``path`` into an error that says the way out."""
    try:
        yield
    except (CacheError, ChecksumError, DataNotFoundError):
        raise
    except OSError as reason:
        raise cache_error(path, reason) from reason


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Give a temporary folder in the folder of ``path``, and remove it at the end.

    Raises:
        CacheError: If the folder cannot be made or written.
    """
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix="."))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path, and move it to ``path`` if the block ends well.

    Whoever reads ``path`` meanwhile sees the old file or the new one, never half of one.

    Raises:
        CacheError: If the folder cannot be made or written.
    """
    with folder_beside(path) as folder:
        part = folder / path.name
        yield part
        part.replace(path)
