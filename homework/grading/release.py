"""What nbgrader does to a lesson on its way to the students, beyond its own."""

from __future__ import annotations

import io
import json
import tokenize
from typing import Any

from nbgrader.preprocessors import NbGraderPreprocessor

from .official import heading


class Unfold(NbGraderPreprocessor):
    """Show the exercises: on the page the solutions are folded, and nbgrader keeps the fold."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Remove what folds an exercise's cell."""
        if "nbgrader" in cell.metadata:
            tags = [tag for tag in cell.metadata.get("tags", []) if tag != "hide-input"]
            for key in ("tags", "mystnb", "jupyter"):
                cell.metadata.pop(key, None)
            if tags:
                cell.metadata["tags"] = tags
        return cell, resources


class GoOn(NbGraderPreprocessor):
    """Let "Run all" go on past an exercise that is open; see `gdmlib.lesson.exercise`."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Put every test cell below the statement that catches the open answer's error."""
        title = ""
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                title = heading(cell.source, title)
            elif is_test(cell.metadata.get("nbgrader", {})):
                cell.source = going_on(cell.source, title.split(" · ")[0] or "This exercise")
        return nb, resources


def is_test(graded: dict) -> bool:
    """Return whether a code cell with this metadata tests an answer, and is none itself."""
    return bool(graded.get("grade")) and not graded.get("solution")


def going_on(source: str, title: str) -> str:
    """Return a test that prints a line while its exercise is open."""
    within = _within_strings(source)
    lines = [
        line if number in within or not line else f"    {line}"
        for number, line in enumerate(source.rstrip().split("\n"), start=1)
    ]
    name = json.dumps(title, ensure_ascii=False)
    return "\n".join(["from gdmlib.lesson import exercise", "", f"with exercise({name}):", *lines])


def _within_strings(source: str) -> set[int]:
    """Return the lines that begin within a string; an indent would change it."""
    found: set[int] = set()
    begun: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "FSTRING_START":
            begun.append(token.start[0])
        elif kind in ("STRING", "FSTRING_END"):
            start = begun.pop() if kind == "FSTRING_END" else token.start[0]
            found |= set(range(start + 1, token.end[0] + 1))
    return found
