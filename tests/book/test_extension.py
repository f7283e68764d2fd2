"""The parts of the book's Sphinx extension, one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from bs4 import BeautifulSoup
from coursebook import address, cells, docstrings, equations, links, mathjax, names, tables
from docutils.core import publish_doctree

ALIGNED = r"""\begin{aligned}
a &= b \\

  &= c
\end{aligned}
\tag{2.1}"""


class Row(NamedTuple):
    experiment: str
    data: str
    ours: str
    published: str
    gap: str
    source: str
    note: str
    run: str = ""
    better: str = ""


# --- equations


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (ALIGNED, True),
        ("a = b\n\nc = d \\tag{1}", True),
        (r"a = b \tag{2.1}", False),
        (r"\begin{pmatrix} a \\ b \end{pmatrix}", False),
        (r"\begin{align} a &= b \tag{1} \\ c &= d \end{align}", False),
    ],
)
def test_which_displays_are_wrapped(tex: str, expected: bool):
    assert equations.needs_wrapping(tex) is expected


def test_wrapped_display_keeps_its_text_and_has_no_blank_line():
    lines = equations.wrap(ALIGNED).splitlines()
    assert lines[0] == r"\begin{equation*}"
    assert lines[-1] == r"\end{equation*}"
    assert all(lines)
    assert [line for line in ALIGNED.splitlines() if line] == lines[1:-1]


def test_tags_are_read():
    assert equations.tags(ALIGNED + r" \tag*{(A)}") == ["2.1", "(A)"]


@pytest.mark.parametrize(
    ("after", "kept"),
    [(", so", ","), (". So", "."), (").", ")."), (" and", None), (".5", None), (", $b$", ",")],
)
def test_which_punctuation_stays_with_a_formula(after: str, kept: str | None):
    found = equations.PUNCTUATION.match(after)
    assert (found[0] if found else None) == kept


# --- links


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('href="02_gaussian_mle.ipynb"', 'href="02_gaussian_mle.html"'),
        ('xlink:href="02_gaussian_mle.ipynb#a"', 'xlink:href="02_gaussian_mle.html#a"'),
        ("href='../book/lessons.md#lesson-04'", "href='../book/lessons.html#lesson-04'"),
        ('href="../book/lessons.html#lesson-04"', 'href="../book/lessons.html#lesson-04"'),
        ('href="https://example.org/a.ipynb"', 'href="https://example.org/a.ipynb"'),
        ('href="//example.org/a.md"', 'href="//example.org/a.md"'),
        ('href="#a.md"', 'href="#a.md"'),
        ("open 02_gaussian_mle.ipynb", "open 02_gaussian_mle.ipynb"),
    ],
)
def test_source_links_become_page_links(before: str, after: str):
    assert links.rewrite_source_links(f"<a {before}>x</a>") == f"<a {after}>x</a>"


def test_public_name_prefers_the_nearest_and_refuses_a_tie():
    known = ["gdmlib.data.Dataset", "gdmlib.densities.Normal", "gdmlib.a.Twin", "gdmlib.b.Twin"]
    assert links.public_name("gdmlib.data.dataset.Dataset", known) == "gdmlib.data.Dataset"
    assert links.public_name("gdmlib.densities.gaussian.Normal", known) == "gdmlib.densities.Normal"
    assert links.public_name("gdmlib.c.Twin", known) is None
    assert links.public_name("gdmlib.data.Missing", known) is None


def test_anchors_of_a_page_are_its_identifiers():
    document = publish_doctree(".. _here:\n\nA title\n=======\n\nText\n")
    found = links.anchors(document)
    assert found["here"][1:] == ("here", "A title")


def test_only_names_that_exist_count():
    assert links.exists("gdmlib.data.Dataset")
    assert links.exists("Dataset", "gdmlib.data")
    assert not links.exists("gdmlib.data.Datasett")
    assert not links.exists("os.path")


def test_repository_addresses():
    url = "https://host/owner/name"
    assert links.repository_url(url, "main", "LICENSE") == f"{url}/blob/main/LICENSE"
    assert links.repository_url(url, "main", "results/") == f"{url}/tree/main/results"
    assert links.repository_url(url, "main", "") == url


def test_the_plan_leads_to_lessons_that_exist_and_marks_the_others():
    html = '<a href="../book/lessons.html#lesson-04" aria-label="Lesson 4: NADE">NADE</a>'
    assert links.follow_plan(html, {"04": "04_fvsbn.html"}) == (
        '<a href="04_fvsbn.html" aria-label="Lesson 4: NADE">NADE</a>'
    )
    planned = links.follow_plan(html, {"05": "05_mcgsm.html"})
    assert planned.startswith('<a class="gdm-planned" href="../book/lessons.html#lesson-04" ')
    assert 'aria-label="Lesson 4: NADE, planned"' in planned
    assert planned.endswith(links.PLANNED)
    assert (
        links.follow_plan("<a href='lessons.html'>all</a>", {}) == "<a href='lessons.html'>all</a>"
    )


# --- names


def test_arrows_of_the_side_bar_are_named():
    bar = "<ul><li><a>The library</a><details><summary><i></i></summary></details></li></ul>"
    soup = names.name_arrows(BeautifulSoup(bar, "html.parser"))
    assert soup.summary["aria-label"] == "Pages below The library"
    named = "<li><a>A</a><details><summary>More</summary></details></li>"
    assert "aria-label" not in names.name_arrows(BeautifulSoup(named, "html.parser")).summary.attrs


def test_signatures_are_no_lists_of_definitions():
    assert names.without_terms("<dl><dd>x</dd></dl>") == (
        '<div class="gdm-parameters"><div>x</div></div>'
    )


# --- address


def test_only_the_placeholder_leads_nowhere():
    assert address.is_placeholder("https://mybinder.org/v2/gh/OWNER/course/main")
    assert not address.is_placeholder("https://github.com/HOMEOWNER/course")


# --- docstrings


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("shape (B, *event_shape).", r"shape (B, \*event_shape)."),
        ("``(B, *event_shape)`` and (n, *s)", r"``(B, *event_shape)`` and (n, \*s)"),
        ("an *important* word, *two*", "an *important* word, *two*"),
    ],
)
def test_stars_of_shapes_are_escaped(before: str, after: str):
    assert docstrings.escape_stars(before) == after


def test_signatures_are_tidied():
    raw = "(attributes: dict[str, ~torch.Tensor] = <factory>)"
    assert docstrings.tidy_signature(raw) == "(attributes: dict[str, ~torch.Tensor] = ...)"


def test_only_docstrings_of_values_can_read_as_a_type():
    assert docstrings.reads_as_type("data", ["The colours: eight."])
    assert not docstrings.reads_as_type("function", ["Return: a thing."])
    assert not docstrings.reads_as_type("data", [])


# --- cells


def test_exercise_cells_are_told_apart():
    assert cells.cell_class({"nbgrader": {"solution": True, "grade": False}}) == cells.SOLUTION
    assert cells.cell_class({"nbgrader": {"solution": False, "grade": True}}) == cells.TESTS
    assert cells.cell_class({"tags": ["hide-input"]}) is None


# --- mathjax


def test_mathjax_copy_holds_script_and_fonts(tmp_path: Path):
    written = mathjax.copy_mathjax(mathjax.source_folder(), tmp_path)
    assert tmp_path / "tex-chtml-full.js" in written
    assert sum(path.suffix == ".woff" for path in written) > 20
    assert sum(path.stat().st_size for path in written) < 2_500_000


# --- tables


def notebook(folder: Path, stem: str, metadata: dict[str, object]) -> Path:
    path = folder / f"{stem}.ipynb"
    cell = {"cell_type": "markdown", "source": ["# A | title\n", "text"], "metadata": {}}
    path.write_text(json.dumps({"cells": [cell], "metadata": metadata}), encoding="utf-8")
    return path


def test_execution_times_come_from_the_metadata(tmp_path: Path):
    measured = notebook(tmp_path, "01_a", {"gdm": {"seconds": 12.34, "peak_memory_mb": 1234.5}})
    missing = notebook(tmp_path, "02_b", {})
    table = tables.execution_markdown([tables.read_execution(p) for p in (measured, missing)])
    lines = table.splitlines()
    assert lines[2] == r"| [A \| title](../notebooks/01_a.ipynb) | 12.3 | 1,234 |"
    assert lines[3].endswith("| – | – |")
    assert lines[4] == "| **All** | 12.3 | 1,234 (most) |"


def test_no_lesson_is_said_so():
    assert "No lesson" in tables.execution_markdown([])


def test_results_show_what_is_missing_and_its_note():
    row = Row("A fit", "wine", "missing", "-13.18 nats", "", "A paper", "Not yet run.")
    lines = tables.results_markdown([row]).replace(tables.GAP, " ").splitlines()
    assert (
        lines[2] == "| A fit [^results-1] | wine | **missing** | -13.18 nats [^results-2] | – | – |"
    )
    assert lines[4::2] == ["[^results-1]: Not yet run.", "[^results-2]: A paper"]
    beer = row._replace(data="beer", ours="1 ± 2 nats (3 folds)", run="CPU", better="lower")
    shared = tables.results_markdown([row, beer]).replace(tables.GAP, " ").splitlines()
    assert "| **1 ± 2 nats** (3 folds), lower is better | -13.18 nats [^results-2] |" in shared[3]
    assert shared[3].startswith("| A fit [^results-1] |")
    assert len(shared) == len(lines) + 1
    assert "No experiment" in tables.results_markdown([])


def test_a_text_has_one_footnote():
    notes = tables.Footnotes()
    assert [notes.mark(text)[-3:-1] for text in ("a", "b", "a")] == ["-1", "-2", "-1"]
    assert notes.mark("") == ""
    assert notes.markdown().splitlines()[::2] == ["[^results-1]: a", "[^results-2]: b"]


def test_results_table_of_the_library_fits(tmp_path: Path):
    from gdmlib import reproduce

    text = tables.results_markdown(reproduce.results_table(tmp_path))
    assert "missing" in text
