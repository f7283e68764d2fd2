"""Find the notebook in which a cell runs: VS Code, JupyterLab and Colab each say it their way."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gdmlib.handin.manifest import CALL
from gdmlib.handin.notebook import UnreadableNotebook, read_cells


class NotFoundError(RuntimeError):
    """Nothing tells which file the running notebook is; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """A notebook's bytes, and where they are from.

    Attributes:
        name: What people call the file.
        data: What is in it.
        folder: Where it runs.
        saved: When it was saved, such as ``"12:03:40"``; empty where it is what the editor shows.
        ran: What this session ran, cell after cell, as far as it is known.
    """

    name: str
    data: bytes = field(repr=False)
    folder: Path
    saved: str = ""
    ran: tuple[str, ...] = field(default=(), repr=False)


def read(path: Path, ran: tuple[str, ...] = ()) -> Source:
    """Return a notebook on the disk.

    Raises:
        OSError: If it cannot be read.
    """
    saved = time.strftime("%H:%M:%S", time.localtime(path.stat().st_mtime))
    return Source(path.name, path.read_bytes(), path.resolve().parent, saved, ran)


def running(lesson: str) -> Source:
    """Return the notebook that runs this very code.

    Args:
        lesson: Its lesson, to recognise the file by where the editor does not name it.

    Raises:
        NotFoundError: If nothing tells which file it is.
    """
    names = _names()
    ran = tuple(text for text in names.get("In", ()) if isinstance(text, str))
    if "google.colab" in sys.modules:
        return Source(lesson, _from_colab(), Path.cwd(), ran=ran)
    for told in (names.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")):
        if isinstance(told, str) and Path(told).suffix == ".ipynb" and Path(told).is_file():
            return read(Path(told), ran)
    fitting = [path for path in sorted(Path.cwd().glob("*.ipynb")) if _is_of(path, lesson)]
    if len(fitting) == 1:
        return read(fitting[0], ran)
    found = ", ".join(path.name for path in fitting) or "none"
    raise NotFoundError(
        f"nothing tells which file this notebook is (in {Path.cwd()}, of this lesson: {found}): "
        "save it, and run `python -m gdmlib.handin FILE.ipynb` in a terminal"
    )


def _names() -> dict[str, Any]:
    """Return what the session has defined; nothing outside of IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return {} if shell is None else shell.user_ns


def _from_colab() -> bytes:
    """Return the notebook as Colab shows it, saved or not."""
    try:
        from google.colab import _message  # type: ignore[import-not-found, unused-ignore]

        answer = _message.blocking_request("get_ipynb", timeout_sec=30)
        return json.dumps(answer["ipynb"]).encode()
    except Exception as error:  # it is no public part of Colab's, so it may change
        raise NotFoundError(
            f"Colab did not hand over the notebook ({error}): download it (File > Download), "
            "upload it into the folder at the left, and run !python -m gdmlib.handin FILE.ipynb in "
            "a cell"
        ) from None


def _is_of(path: Path, lesson: str) -> bool:
    """Return whether a file is a notebook of this lesson."""
    try:
        texts = [
            text for cell in read_cells(path.read_bytes()) for text in CALL.findall(cell.source)
        ]
    except (OSError, UnreadableNotebook):
        return False
    return any(text.split()[:1] == [lesson] for text in texts)
