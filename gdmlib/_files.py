"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class WriteError(OSError):
    """A file cannot be written; the message says why, and what can be done."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(None, reason, str(path))

    def __str__(self) -> str:
        return (
            f"cannot write {self.filename} ({self.strerror}); free some space, or choose a folder "
            "that you may write to"
        )


def path_of(path: str | Path) -> Path:
    """Return a path that somebody gave; ``~`` is the home folder, wherever the shell left it."""
    return Path(path).expanduser()


def write_atomically(
    path: Path, write: Callable[[Path], object], check: Callable[[Path], object] | None = None
) -> None:
    """Let ``write`` make a file beside ``path``; put it in its place when it is complete.

    ``check`` reads the new file and raises if it is not good: then the old file stays.

    Raises:
        WriteError: If there is no room, or the folder cannot be written.
    """
    with _told(path), _beside(path) as temporary:
        write(temporary)
        if check is not None:
            check(temporary)
        # safetensors lets nobody else read; what is replaced keeps its permissions.
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        temporary.replace(path)


def check_writable(path: Path) -> None:
    """Make the folder of ``path``, and raise a `WriteError` if no file can be written there."""
    with _told(path), _beside(path) as trial:
        if path.is_dir():
            raise IsADirectoryError(None, "a folder is in its place")
        trial.write_bytes(bytes(2**20))  # on a full disk an empty file can still be made


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give the name of a file beside ``path`` that is gone at the end, and make the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def _umask() -> int:
    """Return which permissions new files are not to have; to read them, one must set them."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
