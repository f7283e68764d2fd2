"""The teacher's key: one file of the course folder, from which all that students get is drawn."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

NAME = "key"
_SHORTEST = 32
# What was made with the key, and would be other data under another one.
_MADE_WITH_IT = ("students.csv", "challenge/handout")


class KeyFileError(ValueError):
    """The key is missing or is none; the message says what to do."""


def make_key(course: Path) -> bytes:
    """Return the key of a course; the first call makes it, readable for its owner only.

    Raises:
        KeyFileError: If it is missing, and something was made with it before.
    """
    path = course / NAME
    made = next((name for name in _MADE_WITH_IT if (course / name).exists()), None)
    if path.exists() or made is not None:
        return read_key(course)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        key = secrets.token_hex(32)
        file.write(key + "\n")
    return key.encode()


def read_key(course: Path) -> bytes:
    """Return the key of a course.

    Raises:
        KeyFileError: If it is missing, empty or too short.
    """
    path = course / NAME
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError:
        made = [name for name in _MADE_WITH_IT if (course / name).exists()]
        raise KeyFileError(
            f"there is no {path}, with which {' and '.join(made) or 'everything'} was made: put it "
            "back from your backup, for another key gives other data"
            + (f"; to begin anew, remove {' and '.join(made)}" if made else "")
        ) from None
    if len(key) < _SHORTEST:
        raise KeyFileError(
            f"{path}: expected a key of {_SHORTEST} characters or more, got {len(key)}: put the "
            "right file back from your backup"
        )
    return key


def number(key: bytes, label: str) -> int:
    """Return a number below 2³¹ that only the key tells."""
    sign = hmac.new(key, label.encode(), hashlib.sha256).digest()
    return int.from_bytes(sign[:4]) >> 1
