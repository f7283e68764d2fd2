"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(
    path: Path, write: Callable[[Path], object], check: Callable[[Path], object] | None = None
) -> None:
    """Let ``write`` make a file beside ``path``; put it in its place when it is complete.

    ``check`` reads the new file and raises if it is not good: then the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        if check is not None:
            check(temporary)
        # safetensors lets nobody else read; what is replaced keeps its permissions.
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Make the folder of ``path``, and raise an OSError if no file can be written beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    trial = path.with_name(f"{path.name}.{os.getpid()}.part")
    trial.touch()
    trial.unlink()


def _umask() -> int:
    """Return which permissions new files are not to have; to read them, one must set them."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
