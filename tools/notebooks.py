"""Lessons as files: reading, writing and hashing them, and what their cells are."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import nbformat.v4

from gdmlib._files import write_atomically
from tools.addresses import ROOT, is_setup

Cell = dict[str, Any]

LESSON = re.compile(r"[0-9]{2}_[a-z0-9]+(_[a-z0-9]+)*")  # what `gdmlib.lesson.start` takes

LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


# --- files ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notebook:
    """A notebook that was read: where it lies and what it holds."""

    path: Path
    data: dict[str, Any]

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def record(self) -> dict[str, Any]:
        """What the last run recorded: hash of the source, seconds, memory; empty if none did."""
        return self.data.get("metadata", {}).get("gdm", {})

    @property
    def cells(self) -> list[Cell]:
        return self.data["cells"]

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell["cell_type"] == "code"]

    @property
    def prose(self) -> list[Cell]:
        return [cell for cell in self.cells if cell["cell_type"] == "markdown"]


def lessons(root: Path = ROOT) -> list[Path]:
    """Return the lessons' files in the order of the course; a copy beside them is no lesson."""
    return lessons_in(root / "notebooks")


def lessons_in(folder: Path) -> list[Path]:
    """Return the lessons' files in a folder, as `lessons` does."""
    found = folder.glob("*.ipynb")
    return sorted(path for path in found if LESSON.fullmatch(path.stem))


def read(path: Path) -> Notebook:
    """Read a notebook of any content; the rules say what is wrong with it.

    Raises:
        OSError: If there is no such file.
        ValueError: If the file is no notebook at all.
    """
    content = path.read_bytes()
    try:
        # Not nbformat.reads: it would mend a repeated id, and the rules could not see it.
        data = nbformat.v4.reads(content.decode("utf-8"))
        if not isinstance(data.get("cells"), list):
            raise ValueError("it has no list of cells")
        if data["nbformat"] != 4:
            raise ValueError(f"its format is {data['nbformat']}, not 4")
        if not all(isinstance(cell.get("source"), str) for cell in data["cells"]):
            raise ValueError("a cell has no source")
    except Exception as error:
        raise ValueError(f"{path}: this is not a notebook ({error})") from error
    return Notebook(path, data)


def dumps(data: dict[str, Any]) -> str:
    """Return a notebook as Jupyter would lay it out in a file."""
    return nbformat.v4.writes(nbformat.from_dict(data)) + "\n"


def write_text(path: Path, text: str) -> None:
    """Replace a file at once: whoever interrupts this finds the old text or the new one."""
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


# --- cells ----------------------------------------------------------------------------------------


def tags(cell: Cell) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def nbgrader(cell: Cell) -> dict[str, Any]:
    return cell.get("metadata", {}).get("nbgrader", {})


def is_solution(cell: Cell) -> bool:
    return bool(nbgrader(cell).get("solution"))


def is_test(cell: Cell) -> bool:
    return bool(nbgrader(cell).get("grade")) and not is_solution(cell)


def source_hash(notebook: Notebook) -> str:
    """Return the hash of what the outputs depend on: the sources of the code cells, in order.

    Prose is left out, and so is the cell that installs the library in Colab: a new sentence or a
    new address does not ask for a new run. A change of `gdmlib` is not noticed here; the outputs
    that matter are compared with a fresh run by nbval.
    """
    sources = [cell["source"] for cell in notebook.code if not is_setup(cell)]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def is_fresh(notebook: Notebook) -> bool:
    """Whether the stored outputs belong to the source."""
    return notebook.record.get("source_hash") == source_hash(notebook)


def images(cell: Cell) -> list[str]:
    """Return the kinds of picture that a cell's stored outputs show, one entry a picture."""
    shown: list[str] = []
    for output in cell.get("outputs", []):
        kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
        shown += ["schematic"] if is_schematic(output) else kinds[:1]
    return shown


def is_schematic(output: Cell) -> bool:
    """Whether an output is a drawing by `gdmlib.plotting.Diagram`."""
    return '<svg class="schematic"' in output.get("data", {}).get("text/html", "")


def figure_words(cell: Cell) -> tuple[str, str, str]:
    """Return alt text, caption and name of a cell's figure; what is missing is empty.

    A schematic brings its own alt text.
    """
    book = cell.get("metadata", {}).get("mystnb", {})
    figure = book.get("figure", {})
    drawn = re.search(
        r'<svg class="schematic"[^>]*aria-label="([^"]*)"',
        "".join(out.get("data", {}).get("text/html", "") for out in cell.get("outputs", [])),
    )
    alt = unescape(drawn.group(1)) if drawn else book.get("image", {}).get("alt", "")
    return alt, figure.get("caption", ""), figure.get("name", "")


def output_text(output: Cell) -> str:
    """Return all that an output says in words."""
    texts = [output.get("text", ""), *output.get("traceback", [])]
    texts += [str(value) for kind, value in output.get("data", {}).items() if "text/" in kind]
    return "\n".join(text for text in texts if text)
