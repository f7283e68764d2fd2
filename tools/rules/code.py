"""Rules on code cells: their length, their tags, the claims they make."""

from __future__ import annotations

import ast

from tools.addresses import is_setup
from tools.notebooks import Cell, Notebook, images, nbgrader, tags
from tools.rules._common import PROMPTS, at

MAX_CELL_LINES = 20
CODE_LINES = (120, 350)
MIN_CLAIMS = 3
TAGS = frozenset(
    {
        "hide-input",
        "hide-output",
        "hide-cell",
        "remove-input",
        "remove-output",
        "remove-cell",
        "nbval-check-output",
        "nbval-ignore-output",
    }
)


def count_code_lines(notebook: Notebook) -> int:
    """Return the number of lines of code that a reader of the page reads.

    Exercises and folded cells do not count, nor do comments and empty lines.
    """
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#")
        for cell in notebook.code
        if not (nbgrader(cell) or _is_folded(cell))
        for line in cell["source"].split("\n")
    )


def _is_folded(cell: Cell) -> bool:
    return bool({"hide-input", "hide-cell"} & set(tags(cell)))


def _lines(source: str) -> int:
    return sum(bool(line.strip()) for line in source.split("\n"))


def check_code(notebook: Notebook) -> list[str]:
    """Python without magic, in short cells, 120 to 350 lines that are read."""
    found = []
    for cell in notebook.code:
        if is_setup(cell):
            continue
        lines = _lines(cell["source"])
        if not lines:
            found.append(f"{at(cell)}: it is empty")
        if lines > MAX_CELL_LINES and not (nbgrader(cell) or _is_folded(cell)):
            found.append(
                f"{at(cell)}: {lines} lines; split it, move plotting into a folded cell, or keep "
                f"it to {MAX_CELL_LINES}"
            )
        try:
            ast.parse(cell["source"])
        except SyntaxError as error:
            found.append(f"{at(cell)}: not plain Python (line {error.lineno}: {error.msg})")
    lines, (low, high) = count_code_lines(notebook), CODE_LINES
    if not low <= lines <= high:
        found.append(
            f"{lines} lines of code outside of exercises and folded cells; expected {low} to {high}"
        )
    return found


def check_tags(notebook: Notebook) -> list[str]:
    """Tags and folding prompts that exist: a misspelt one is ignored without a word."""
    found = []
    for cell in notebook.code:
        for tag in tags(cell):
            if tag not in TAGS:
                hint = " (lower case)" if tag.lower() in TAGS else ""
                found.append(f"{at(cell)}: unknown tag {tag!r}{hint}; known are {sorted(TAGS)}")
        book = cell.get("metadata", {}).get("mystnb", {})
        unknown = set(book) - {"image", "figure", *PROMPTS}
        unknown |= {f"image.{key}" for key in set(book.get("image", {})) - {"alt"}}
        unknown |= {f"figure.{key}" for key in set(book.get("figure", {})) - {"caption", "name"}}
        for key in sorted(unknown):
            found.append(f"{at(cell)}: unknown key metadata.mystnb.{key}")
        if PROMPTS & set(book) and not _is_folded(cell):
            found.append(f"{at(cell)}: it has a folding prompt and no tag 'hide-input'")
        if "NBVAL_" in cell["source"]:
            found.append(f"{at(cell)}: use the tag 'nbval-check-output', not a comment")
    return found


def check_claims(notebook: Notebook) -> list[str]:
    """Some cells carry a claim that every run compares; they show no picture."""
    claims = [cell for cell in notebook.code if "nbval-check-output" in tags(cell)]
    found = []
    if len(claims) < MIN_CLAIMS:
        found.append(
            f"{len(claims)} cells have the tag 'nbval-check-output'; expected at least {MIN_CLAIMS}"
        )
    for cell in claims:
        if images(cell):
            found.append(f"{at(cell)}: a compared output holds no figure; move it to another cell")
        elif not cell.get("outputs"):
            found.append(f"{at(cell)}: it has the tag 'nbval-check-output' and no output")
    return found
