"""Figures are listed with their words, and words are written without touching anything else."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from tools.authoring import FigureCell, describe, figures


@pytest.fixture
def notebook(tmp_path):
    picture = nbformat.v4.new_output(
        "display_data", {"image/png": "AAAA", "text/plain": "<Figure>"}
    )
    cells = [
        nbformat.v4.new_markdown_cell("# Ünïcode", id="title"),
        nbformat.v4.new_code_cell("draw()", id="contours", outputs=[picture]),
        nbformat.v4.new_code_cell("print(1)", id="numbers"),
    ]
    path = tmp_path / "02_gaussian_mle.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_figure_is_listed_and_described(notebook):
    assert figures(notebook) == [FigureCell("contours", 1, "", "", "")]
    before = notebook.read_text(encoding="utf-8")
    describe(notebook, "contours", alt="Ellipses.", caption="They tilt.", name="fig-02-tilt")
    found = figures(notebook)
    assert found == [FigureCell("contours", 1, "Ellipses.", "They tilt.", "fig-02-tilt")]
    describe(notebook, "contours", alt="Three ellipses.")
    assert figures(notebook)[0].caption == "They tilt."
    nbformat.validate(nbformat.read(notebook, as_version=4))
    after = nbformat.read(notebook, as_version=4)
    for cell in after.cells:
        cell.metadata = {}
    assert nbformat.writes(after) + "\n" == before, "nothing else may change, the layout included"
    assert list(notebook.parent.iterdir()) == [notebook]


@pytest.mark.parametrize(
    ("cell_id", "words", "message"),
    [
        ("title", {"alt": "a"}, "no code cell 'title'.*contours"),
        ("contours", {"alt": " "}, "alt: expected a text"),
        ("contours", {"alt": "a", "caption": ""}, "caption: expected a text"),
    ],
)
def test_describe_refuses_and_changes_nothing(notebook, cell_id, words, message):
    before = notebook.read_bytes()
    with pytest.raises(ValueError, match=message):
        describe(notebook, cell_id, **words)
    assert notebook.read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]", '{"cells": [{"cell_type": "code"}]}', "{}"])
def test_figures_refuse_what_is_no_notebook(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_text(content)
    with pytest.raises(ValueError, match="notebook"):
        figures(path)


def test_a_full_disk_leaves_the_notebook_as_it_was(notebook, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left on device")

    before = notebook.read_bytes()
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        describe(notebook, "contours", alt="Ellipses.")
    assert notebook.read_bytes() == before
    assert list(notebook.parent.iterdir()) == [notebook]


def test_a_file_that_is_replaced_keeps_its_permissions(notebook):
    notebook.chmod(0o750)
    describe(notebook, "contours", alt="Ellipses.")
    assert notebook.stat().st_mode & 0o777 == 0o750


def test_the_notebook_is_plain_json(notebook):
    describe(notebook, "contours", alt="Ünïcode stays.")
    assert "Ünïcode stays." in notebook.read_text(encoding="utf-8")
    json.loads(notebook.read_text(encoding="utf-8"))
