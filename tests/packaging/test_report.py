"""`make notebooks` ends with a line a lesson: cells, failures, seconds, and where it ran."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import report

XML = """<testsuites><testsuite>
<testcase classname="notebooks/02_b.ipynb" name="notebooks/02_b.ipynb::Cell 0" time="1.5"/>
<testcase classname="notebooks/02_b.ipynb" name="notebooks/02_b.ipynb::Cell 1" time="2">
<failure message="a claim">no</failure></testcase>
<testcase classname="notebooks/01_a.ipynb" name="notebooks/01_a.ipynb::Cell 0" time="0.25"/>
</testsuite></testsuites>"""


def test_a_line_a_lesson(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(XML)
    assert report.table(path).splitlines() == [
        "lesson  cells  failed  seconds",
        "01_a        1       0      0.2",
        "02_b        2       1      3.5: Cell 1",
        "2 lessons, 3 cells, 1 failed",
    ]
    path.write_text("<testsuites/>")
    with pytest.raises(ValueError, match="expected lessons, found none"):
        report.table(path)


def test_it_says_where_it_ran(monkeypatch) -> None:
    monkeypatch.setenv("GDMLIB_BUDGET", "grade")
    assert report.machine().endswith("budget: grade") and "torch" in report.machine()


def test_it_reads_what_nbval_writes(tmp_path: Path) -> None:
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell("x / 0")],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    nbformat.write(made, tmp_path / "01_a.ipynb")
    options = ["--nbval-lax", "--junitxml=made.xml", "-q", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "01_a.ipynb", *options]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=400)
    lines = report.table(tmp_path / "made.xml").splitlines()
    assert lines[1].split()[:3] == ["01_a", "2", "1"] and lines[1].endswith(": Cell 1")
