"""Where files are kept, and how they are written: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from gdmlib.data.dataset import CacheError, ChecksumError, DataNotFoundError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

DATA_VARIABLE = "GDMLIB_DATA"
CACHE_VARIABLE = "GDMLIB_CACHE"

_UNFINISHED = ".unfinished-"  # how the names of folders for downloads begin
_NEW = 10.0  # seconds in which such a folder may not be locked yet
_STALE = 24 * 3600.0  # seconds after which nobody writes there, wherever there are no locks


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
        tidy(path.parent)
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=_UNFINISHED))
        held = _lock(folder)  # until this process ends, however it does
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if held is not None:
                os.close(held)


def keep(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file of the cache: whole or not at all."""
    with folder_beside(path) as folder:
        part = folder / path.name
        write(part)
        part.replace(path)


@lru_cache(maxsize=256)
def tidy(folder: Path) -> None:
    """Once a process, remove what others left in a folder that were killed while they wrote."""
    for left in [*folder.glob(f"{_UNFINISHED}*")]:
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Return whether nobody writes there any more: the lock is free, or a day has gone by."""
    with contextlib.suppress(OSError):  # another process may have removed it
        age = time.time() - folder.stat().st_mtime
        if age > _STALE or age < _NEW:
            return age > _STALE
        held = _lock(folder)
        if held is not None:
            os.close(held)
            return True
    return False


def _lock(folder: Path) -> int | None:
    """Lock a folder, where the system can, and return what is to be closed; None if it is not."""
    if fcntl is None:
        return None
    held = None
    try:
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process holds it, or the file system knows no locks
        if held is not None:
            os.close(held)
        return None
    return held
