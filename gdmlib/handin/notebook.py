"""Read the cells of whatever a student's editor wrote, or say in a sentence what it is instead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# How a file begins that is no notebook, and what it is.
_OTHERS = (
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a picture"),
    (b"<", "a web page"),
)


class UnreadableNotebook(Exception):  # noqa: N818 - it is what the file is
    """The file is no notebook; the message is a sentence for the student."""


@dataclass(frozen=True)
class StudentCell:
    """One cell of a notebook: its text and what tells where it belongs.

    Attributes:
        kind: ``"code"``, ``"markdown"`` or ``"raw"``.
        source: The text. It can always be written as UTF-8.
        grade_id: nbgrader's name of the cell, or nothing.
        cell_id: The notebook format's name of the cell, or nothing.
        grade, solution, points: nbgrader's metadata, to be believed of our own notebooks only.
    """

    kind: str
    source: str
    grade_id: str = ""
    cell_id: str = ""
    grade: bool = False
    solution: bool = False
    points: float = 0.0


def read_cells(data: bytes) -> list[StudentCell]:
    """Return the cells of a notebook file of any format, encoding and editor.

    Raises:
        UnreadableNotebook: If the file is damaged, or no notebook at all.
    """
    notebook = _parse(data)
    return [_cell(cell) for cell in _cells(notebook) if isinstance(cell, dict)]


def read_metadata(data: bytes) -> dict:
    """Return what a notebook file says of itself as a whole; nothing where it says nothing.

    Raises:
        UnreadableNotebook: If the file is damaged, or no notebook at all.
    """
    notebook = _parse(data)
    return _dict(notebook.get("metadata")) if isinstance(notebook, dict) else {}


def _parse(data: bytes) -> Any:
    """Return what the file's JSON holds."""
    if not data.strip(b"\0 \t\r\n"):
        raise UnreadableNotebook("the file is empty: save the notebook and hand it in again")
    text = _decode(data).strip("\0\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        return _load(text)
    for start, what in _OTHERS:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start):
            raise UnreadableNotebook(
                f"the file is {what}, not the notebook: hand in the .ipynb file itself"
            )
    raise UnreadableNotebook("the file is no notebook: hand in the .ipynb file itself")


def _decode(data: bytes) -> str:
    """Return the text, whichever of the encodings of JSON it has; no byte is refused."""
    try:
        return data.decode(json.detect_encoding(data), errors="surrogatepass")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _load(text: str) -> Any:
    """Return the parsed JSON, or say where it breaks off."""
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        if "\n<<<<<<< " in text:
            what = "it holds the marks of an unfinished git merge"
        elif error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg:
            what = "it is cut off"
        else:
            what = f"it is damaged in line {error.lineno}"
    except (ValueError, RecursionError):
        what = "it is damaged"
    raise UnreadableNotebook(
        f"the notebook cannot be read: {what}; open it, save it and hand it in again"
    )


def _cells(notebook: Any) -> Iterator[Any]:
    """Yield the cells; up to format 3 they stand in worksheets."""
    if not isinstance(notebook, dict) or not {"cells", "worksheets"} & notebook.keys():
        raise UnreadableNotebook(
            "the file is JSON but no notebook: hand in the .ipynb file that Jupyter saves"
        )
    for part in (notebook, *_list(notebook.get("worksheets"))):
        if isinstance(part, dict):
            yield from _list(part.get("cells"))


def _cell(cell: dict) -> StudentCell:
    """Return one cell, whatever is missing or of another type in it."""
    kind = cell.get("cell_type")
    # Format 3 calls code "input" and has cells that are headings.
    source = _text(cell.get("source") if cell.get("source") is not None else cell.get("input"))
    if kind == "heading":
        level = cell.get("level")
        source = "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1) + " " + source
    metadata = _dict(cell.get("metadata"))
    graded = _dict(metadata.get("nbgrader"))
    points = graded.get("points")
    return StudentCell(
        kind if kind in ("code", "raw") else "markdown",
        source,
        grade_id=_text(graded.get("grade_id")),
        # Colab keeps the id among the metadata.
        cell_id=_text(cell.get("id")) or _text(metadata.get("id")),
        grade=graded.get("grade") is True,
        solution=graded.get("solution") is True,
        points=float(points) if isinstance(points, int | float) else 0.0,
    )


def _text(value: Any) -> str:
    """Return a text from a text, a list of texts or nothing, without half characters."""
    parts = value if isinstance(value, list) else [value]
    text = "".join("" if part is None else str(part) for part in parts)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # A surrogate without its partner can neither be run nor written.
    return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}
