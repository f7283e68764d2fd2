"""Everything that lies below a folder, zips opened in memory: nothing is unpacked to the disk."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

LARGEST = 50 * 2**20  # bytes of a file that is read
_LARGEST_ZIP = 500 * 2**20  # bytes of a zip within a zip
_MOST_UNPACKED = 2 * 2**30  # bytes of all zips within one zip
_MOST_MEMBERS = 50_000  # of one zip, those within it included
_DEEPEST = 3  # zips within zips
_DEEPEST_FOLDER = 30

# What systems and editors leave beside people's files.
IGNORED = frozenset(
    "__MACOSX .DS_Store .ipynb_checkpoints desktop.ini Thumbs.db __pycache__ .git .gitkeep "
    ".gitignore .Trashes .Spotlight-V100 .fseventsd".casefold().split()
)
_OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")


class ReadingError(Exception):
    """A file cannot be read; the message says why, to follow the file's name."""


@dataclass(frozen=True)
class Found:
    """A file, an empty folder, or something that is neither.

    Attributes:
        parts: Its path; a zip is a folder in it.
        when: Seconds since 1970 when it was last changed.
        problem: Why it cannot be read, to follow its name; else empty.
        empty: Whether it is a folder with nothing in it.
        read: Returns the bytes, or raises `ReadingError`.
    """

    parts: tuple[str, ...]
    when: float = 0.0
    problem: str = ""
    empty: bool = False
    read: Callable[[], bytes] = field(default=bytes, repr=False, compare=False)

    @property
    def is_notebook(self) -> bool:
        """Whether it is meant to be a notebook; browsers also save ``x.ipynb.txt``."""
        name = self.name.casefold()
        return not self.empty and (".ipynb" in name or name.endswith(".json"))

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.parts[-1]

    @property
    def place(self) -> str:
        """The path, in a form that can be written."""
        return "/".join(self.parts)


def is_zip(name: str) -> bool:
    """Return whether a name, such as ``"homework.zip (1)"``, is a zip's."""
    return name.casefold().rstrip(" ()0123456789").endswith(".zip")


def walk(folder: Path, parts: tuple[str, ...] = ()) -> Iterator[Found]:
    """Yield everything below a folder, in the order of names; links are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(parts or (folder.name,), problem=f"cannot be opened ({_why(error)})")
        return
    entries = [entry for entry in entries if not ignored(entry.name)]
    if not entries and parts:
        yield Found(parts, empty=True)
    for entry in entries:
        yield from _entry(Path(entry.path), (*parts, readable(entry.name)))


def ignored(name: str) -> bool:
    """Return whether a system or an editor made this file."""
    return name.startswith("._") or name.casefold() in IGNORED


def readable(name: str) -> str:
    """Return a file's name, which systems may hold in another encoding, as text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp1252", errors="replace")
    return name


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _entry(path: Path, parts: tuple[str, ...]) -> Iterator[Found]:
    """Yield a file, or what is in a folder or a zip."""
    try:
        status = path.lstat()
    except OSError as error:
        yield Found(parts, problem=f"cannot be opened ({_why(error)})")
        return
    if stat.S_ISLNK(status.st_mode):
        yield Found(parts, problem="is a link: hand in the file itself")
    elif stat.S_ISDIR(status.st_mode) and len(parts) > _DEEPEST_FOLDER:
        yield Found(parts, problem="lies too deep in folders")
    elif stat.S_ISDIR(status.st_mode):
        yield from walk(path, parts)
    elif not stat.S_ISREG(status.st_mode):
        yield Found(parts, problem="is no ordinary file")
    elif is_zip(path.name):
        yield from _zip(lambda: path.open("rb"), parts, status.st_mtime, _Budget())
    else:
        problem = _problem(path.name, status.st_size)
        yield Found(parts, status.st_mtime, problem, read=lambda: _read_file(path))


def _problem(name: str, size: int) -> str:
    """Return why a file is not even opened."""
    if name.casefold().endswith(_OTHER_ARCHIVES):
        return "is an archive that is not opened: hand in the notebook itself, or a zip"
    if size > LARGEST and ".ipynb" in name.casefold():
        return (
            f"has {size / 2**20:.0f} MB, more than {LARGEST / 2**20:.0f}: "
            "clear the outputs, save it and hand it in again"
        )
    return ""


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file)
    except OSError as error:
        raise ReadingError(f"cannot be opened ({_why(error)})") from error


def _bounded(file: BinaryIO, most: int = LARGEST) -> bytes:
    """Return all bytes of a file, whatever size it claims to have."""
    data = file.read(most + 1)
    if len(data) > most:
        raise ReadingError(f"has more than {most / 2**20:.0f} MB")
    return data


@dataclass
class _Budget:
    """What may still be listed and unpacked of one zip."""

    members: int = _MOST_MEMBERS
    unpacked: int = _MOST_UNPACKED
    depth: int = _DEEPEST


def _zip(
    open_zip: Callable[[], BinaryIO], parts: tuple[str, ...], when: float, budget: _Budget
) -> Iterator[Found]:
    """Yield what is in a zip, or that it cannot be opened."""
    try:
        with open_zip() as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except OSError as error:
        yield Found(parts, when, f"cannot be opened ({_why(error)})")
        return
    except ReadingError as error:
        yield Found(parts, when, str(error))
        return
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        yield Found(parts, when, "is no zip that can be opened: it is damaged or was cut off")
        return
    budget.members -= len(members)
    if budget.members < 0:
        yield Found(parts, when, f"is a zip of more than {_MOST_MEMBERS} files: hand in less")
        return
    inside = [(path, member) for member in members if (path := _path(member))]
    parents = {path[:depth] for path, _ in inside for depth in range(1, len(path))}
    found = False
    for path, member in sorted(inside, key=lambda pair: pair[0]):
        if any(map(ignored, path)) or (member.is_dir() and path in parents):
            continue
        found = True
        yield from _member(open_zip, member, (*parts, *path), budget)
    if not found:
        yield Found(parts, when, "is a zip with nothing in it")


def _path(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return the path of a member; it can never lead out of the zip."""
    name = member.filename
    if not member.flag_bits & 0x800:
        # macOS writes UTF-8 and does not say so.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    parts = name.replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", ".", ".."))


def _member(
    open_zip: Callable[[], BinaryIO],
    member: zipfile.ZipInfo,
    parts: tuple[str, ...],
    budget: _Budget,
) -> Iterator[Found]:
    """Yield a member of a zip, or what is in it where it is a zip itself."""
    # The year 1980 is what a zip without times says.
    when = time.mktime((*member.date_time, 0, 0, -1)) if member.date_time[0] > 1980 else 0.0
    if member.is_dir():
        yield Found(parts, when, empty=True)
    elif stat.S_ISLNK(member.external_attr >> 16):
        yield Found(parts, when, "is a link: hand in the file itself")
    elif member.flag_bits & 0x1:
        yield Found(parts, when, "is encrypted: make the zip without a password")
    elif not is_zip(parts[-1]):
        problem = _problem(parts[-1], member.file_size)
        yield Found(parts, when, problem, read=lambda: _read_member(open_zip, member, LARGEST))
    elif budget.depth <= 1 or member.file_size > min(_LARGEST_ZIP, budget.unpacked):
        yield Found(parts, when, "is a zip within a zip and too deep or too large: unpack it")
    else:
        budget.unpacked -= member.file_size
        budget.depth -= 1
        yield from _zip(
            lambda: io.BytesIO(_read_member(open_zip, member, _LARGEST_ZIP)), parts, when, budget
        )
        budget.depth += 1


def _read_member(open_zip: Callable[[], BinaryIO], member: zipfile.ZipInfo, most: int) -> bytes:
    try:
        with open_zip() as file, zipfile.ZipFile(file) as archive, archive.open(member) as inner:
            return _bounded(inner, most)  # type: ignore[arg-type]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ReadingError("is damaged in its zip: pack it again") from error
    except (NotImplementedError, RuntimeError) as error:
        raise ReadingError("is packed in a way that is not opened: make an ordinary zip") from error
