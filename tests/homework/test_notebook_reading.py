"""Any notebook is read, whatever wrote it; what is none is called by its name."""

from __future__ import annotations

import json

import pytest

from gdmlib.handin.notebook import StudentCell, UnreadableNotebook, read_cells
from tests.homework import deformations as d
from tests.homework.deformations import cell

TEXT = "def f(x):\n    return 'ä λ 😀', x"
CELLS = [cell("# Title", "markdown"), cell(TEXT) | {"id": "answer"}]


@pytest.mark.parametrize("write", d.FILES.values(), ids=d.FILES)
def test_every_form_of_a_notebook_gives_the_same_texts(write) -> None:
    found = [(c.kind, c.source) for c in read_cells(write(CELLS)) if c.source]
    assert [kind for kind, _ in found].count("code") >= 1
    assert ("markdown", "# Title") in found
    assert any(source.startswith(TEXT) for kind, source in found if kind == "code")


def test_a_cell_is_read_whole() -> None:
    graded = {"grade_id": "answer-test", "grade": True, "solution": False, "points": 2}
    data = d.as_json([cell("x", nbgrader=graded) | {"id": "one"}])
    assert read_cells(data) == [StudentCell("code", "x", "answer-test", "one", True, False, 2.0)]


def test_colab_keeps_the_id_among_the_metadata() -> None:
    assert read_cells(d.as_json([cell("x", id="one")]))[0].cell_id == "one"


@pytest.mark.parametrize(
    "strange",
    [
        {"metadata": None},
        {"metadata": []},
        {"metadata": {"nbgrader": None}},
        {"metadata": {"nbgrader": {"grade_id": None, "points": "two", "grade": "yes"}}},
        {"metadata": {"nbgrader": {"grade_id": {"a": 1}, "points": None}}},
        {"id": None},
        {"id": 7},
        {"cell_type": None},
        {"source": ["x", None, 3]},
        {"outputs": "none"},
    ],
)
def test_what_is_strange_in_a_cell_is_left_out(strange: dict) -> None:
    (found,) = read_cells(json.dumps({"cells": [cell("x") | strange]}).encode())
    assert found.source.startswith("x") and not found.grade and found.points == 0


def test_a_text_can_always_be_written() -> None:
    data = json.dumps({"cells": [cell("a = '\ud83d'  # \ud83d\ude00 \udc80")]}).encode()
    assert read_cells(data)[0].source == "a = '\ufffd'  # 😀 \ufffd"


def test_a_heading_of_format_3_is_text() -> None:
    head = {"cell_type": "heading", "level": 3, "source": ["Exercise 1"]}
    code = {"cell_type": "code", "input": ["x\n", "y"], "language": "python"}
    old = {"nbformat": 3, "worksheets": [{"cells": [head]}, {"cells": [code]}]}
    found = read_cells(json.dumps(old).encode())
    assert [(c.kind, c.source) for c in found] == [("markdown", "### Exercise 1"), ("code", "x\ny")]


def test_bytes_that_are_no_utf8_are_read() -> None:
    data = d.as_json([cell("# \u00fc\nx = 1")]).replace("ü".encode(), b"\xfc")
    assert read_cells(data)[0].source == "# ü\nx = 1"


WHOLE = d.as_json(CELLS)
MERGE = WHOLE.replace(b', "metadata"', b',\n<<<<<<< HEAD\n"metadata"', 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n\0\0", "is empty"),
        (WHOLE[:-40], "is cut off"),
        (WHOLE[: len(WHOLE) // 2], "is cut off"),
        (b'{"cells": [', "is cut off"),
        (WHOLE.replace(b": ", b"; ", 1), "damaged in line 1"),
        (MERGE, "unfinished git merge"),
        (b"PK\x03\x04rest", "is a zip archive or an office document"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (b"\x1f\x8b\x08", "is a gzip archive"),
        (b"\x89PNG\r\n", "is a picture"),
        (b"print('hello')", "is no notebook"),
        (b"[1, 2]", "JSON but no notebook"),
        (b"{}", "JSON but no notebook"),
        (b'{"cells": {}}'.replace(b"cells", b"sells"), "JSON but no notebook"),
    ],
)
def test_what_is_no_notebook_is_called_by_its_name(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableNotebook, match=said) as caught:
        read_cells(data)
    assert "hand" in str(caught.value) and "\n" not in str(caught.value)


def test_a_notebook_without_cells_has_none() -> None:
    assert read_cells(b'{"cells": []}') == read_cells(b'{"cells": null}') == []
