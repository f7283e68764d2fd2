"""What an author asks of a lesson: which figures it has, and words for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.notebooks import Notebook, dumps, figure_words, images, read, write_text


@dataclass(frozen=True)
class FigureCell:
    """A code cell whose stored outputs hold a picture, and the words that go with it.

    Attributes:
        cell_id: The id of the cell.
        images: Number of pictures it shows; it should be one.
        alt: What there is to see, for those who do not see it; empty where it is missing.
        caption: What there is to learn.
        name: The name under which other pages refer to it.
    """

    cell_id: str
    images: int
    alt: str
    caption: str
    name: str


def figures(path: str | Path) -> list[FigureCell]:
    """Return the cells of an executed notebook that show a picture, in order.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no notebook of format 4.5.
    """
    return [
        FigureCell(cell["id"], len(images(cell)), *figure_words(cell))
        for cell in _read(path).cells
        if images(cell)
    ]


def describe(
    path: str | Path, cell_id: str, *, alt: str, caption: str | None = None, name: str | None = None
) -> None:
    """Write alt text, caption and name of a cell's figure into the notebook.

    Args:
        path: The notebook; it is replaced at once, or not at all.
        cell_id: The id of the code cell that draws the figure.
        alt: What there is to see, in a sentence or two.
        caption, name: What there is to learn, and a name such as ``"fig-02-contours"``. What is
            None stays as it is.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no notebook of format 4.5, there is no code cell with this id, or a
            text is empty.
    """
    for what, text in (("alt", alt), ("caption", caption), ("name", name)):
        if text is not None and not text.strip():
            raise ValueError(f"{what}: expected a text, got an empty one")
    notebook = _read(path)
    codes = {cell["id"]: cell for cell in notebook.code}
    if cell_id not in codes:
        raise ValueError(
            f"cell_id: {notebook.path.name} has no code cell {cell_id!r}; it has {list(codes)}"
        )
    words = codes[cell_id].setdefault("metadata", {}).setdefault("mystnb", {})
    words.setdefault("image", {})["alt"] = alt
    for key, text in (("caption", caption), ("name", name)):
        if text is not None:
            words.setdefault("figure", {})[key] = text
    write_text(notebook.path, dumps(notebook.data))


def _read(path: str | Path) -> Notebook:
    notebook = read(Path(path))
    if not all("id" in cell for cell in notebook.cells):
        raise ValueError(f"{path}: expected a notebook of format 4.5, in which each cell has an id")
    return notebook
