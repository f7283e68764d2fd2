"""Where files are kept, and how they are written: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gdmlib._files import write_atomically
from gdmlib.data.dataset import CacheError, ChecksumError, DataNotFoundError

DATA_VARIABLE = "GDMLIB_DATA"
CACHE_VARIABLE = "GDMLIB_CACHE"

_UNFINISHED = ".unfinished-"  # how the names of folders for downloads begin
_STALE = 24 * 3600.0  # seconds after which nobody writes there any more


def data_folder() -> Path | None:
    """Return the folder that ``$GDMLIB_DATA`` names, or None if the variable is not set."""
    return _named_by(DATA_VARIABLE)


def cache_folder() -> Path:
    """Return the folder for downloads and renderings: ``$GDMLIB_CACHE``, or the system's own."""
    named = _named_by(CACHE_VARIABLE)
    if named is None:
        import pooch

        return Path(pooch.os_cache("gdmlib"))
    return named


def _named_by(variable: str) -> Path | None:
    folder = os.environ.get(variable, "")
    return Path(folder).expanduser() if folder else None


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn trouble with writing ``path`` into a `CacheError` that says the way out."""
    try:
        yield
    except (CacheError, ChecksumError, DataNotFoundError):
        raise
    except OSError as reason:
        raise CacheError(
            f"cannot write {path} ({reason.strerror or reason}); make the folder writable, free "
            f"some space, or set {CACHE_VARIABLE} to a folder that you may write to"
        ) from reason


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Give a temporary folder in the folder of ``path``, and remove it at the end."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path.parent)
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=_UNFINISHED))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file of the cache: whole or not at all."""
    with explained(path):
        _remove_stale(path.parent)
        write_atomically(path, write)


def _remove_stale(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote, a day ago or earlier."""
    for left in (*folder.glob(f"{_UNFINISHED}*"), *folder.glob("*.part")):
        with contextlib.suppress(OSError):  # another process may have removed it
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
