"""The last cell of every release: the check before handing in, and the list that it goes by."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from gdmlib.handin.code import binds, uses
from gdmlib.handin.manifest import KEY, Entry, Manifest, call, digest

_NUMBER = re.compile(r"^#{2,4} Exercise (\S+)", flags=re.MULTILINE)
_WORDS = """## Before you hand in

Save the notebook, then run this cell. It looks for tests that are missing, doubled or changed and
for answers without a home, runs the whole notebook once more from top to bottom in a fresh process,
and says what to do. In a terminal, `python -m gdmlib.handin {lesson}.ipynb` does the same."""


def _call(text: str) -> str:
    return f"from gdmlib import handin\n\n{call(text)}"


def add_check(notebook: NotebookNode, lesson: str) -> None:
    """Add the check to the instructor's version; the release's gets its list by `seal`."""
    notebook.cells += [
        new_markdown_cell(_WORDS.format(lesson=lesson), id="handin"),
        new_code_cell(_call(lesson), id="handin-check"),
    ]


def seal(source: Path, release: Path) -> None:
    """Write into a release what its tests and answers are, for `gdmlib.handin` to go by."""
    notebook = nbformat.read(release, as_version=4)
    put(notebook, manifest(nbformat.read(source, as_version=4), notebook, release.stem))
    nbformat.write(notebook, release)


def put(notebook: NotebookNode, manifest: Manifest) -> None:
    """Write a manifest into a release: into its last cell and its metadata."""
    text = manifest.dumps()
    next(cell for cell in notebook.cells if cell.get("id") == "handin-check").source = _call(text)
    notebook.metadata[KEY] = text


def manifest(source: NotebookNode, release: NotebookNode, lesson: str) -> Manifest:
    """Return what a release holds; only the source knows by which names an answer goes."""
    tested = frozenset[str]().union(*(uses(cell.source) for cell in _graded(source, "grade")))
    solutions = _graded(source, "solution")
    needed = {c.metadata.nbgrader.grade_id: binds(c.source) & tested for c in solutions}
    entries, exercise = [], "-"
    for cell in release.cells:
        graded = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown":
            exercise = (_NUMBER.findall(cell.source) or [exercise])[-1]
        elif graded.get("solution"):
            names = tuple(sorted(needed[graded.grade_id]))
            entries.append(
                Entry(exercise, "answer", graded.grade_id, digest(cell.source), names=names)
            )
        elif graded.get("grade"):
            sign = digest(cell.source)
            entries.append(Entry(exercise, "test", graded.grade_id, sign, float(graded.points)))
    return Manifest(lesson, tuple(entries))


def _graded(notebook: NotebookNode, what: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get(what)]
