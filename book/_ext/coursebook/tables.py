"""Tables made from what was measured: no number of theirs is typed by hand.

``{execution-times}``  seconds and peak memory of every lesson, from the notebooks' metadata.
``{results-table}``    full-size results beside published ones, from the records in ``results/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

Notebook = Mapping[str, Any]
MISSING = "–"
GAP = "\u00a0"  # a space that holds a number and its unit, a text and its footnote together


@dataclass(frozen=True)
class Execution:
    """What running one lesson took: seconds of wall time and megabytes, None where not recorded."""

    stem: str
    title: str
    seconds: float | None
    peak_memory_mb: float | None


def read_execution(path: Path) -> Execution:
    """Read the title and the measurements that `make execute` left in a notebook."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    measured = notebook.get("metadata", {}).get("gdm", {})
    return Execution(
        stem=path.stem,
        title=notebook_title(notebook) or path.stem,
        seconds=measured.get("seconds"),
        peak_memory_mb=measured.get("peak_memory_mb"),
    )


def notebook_title(notebook: Notebook) -> str | None:
    """Return the first level-one heading of a notebook."""
    for cell in notebook.get("cells", []):
        if cell.get("cell_type") == "markdown":
            for line in "".join(cell["source"]).splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return None


def execution_markdown(executions: Sequence[Execution]) -> str:
    """Return the table of execution times, its total last, as Markdown."""
    if not executions:
        return "No lesson has been executed yet."
    rows = [
        (
            f"[{run.title}](../notebooks/{run.stem}.ipynb)",
            number(run.seconds, 1),
            number(run.peak_memory_mb, 0),
        )
        for run in executions
    ]
    seconds = [run.seconds for run in executions if run.seconds is not None]
    memory = [run.peak_memory_mb for run in executions if run.peak_memory_mb is not None]
    total = ("**All**", number(sum(seconds), 1), f"{number(max(memory, default=None), 0)} (most)")
    return markdown_table(("Lesson", "Run time (s)", "Peak memory (MB)"), [*rows, total], "lrr")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Return a pipe table; `align` holds one of l, c, r for every column."""
    rules = {"l": ":---", "c": ":---:", "r": "---:"}
    lines = [header, [rules[letter] for letter in align], *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def number(value: float | None, digits: int) -> str:
    """Return a number as text, or a dash where it is not recorded."""
    return MISSING if value is None else f"{value:,.{digits}f}"


class MarkdownDirective(SphinxDirective):
    """A directive whose content is Markdown made from files; it is made anew at every build."""

    has_content = False

    def root(self) -> Path:
        return Path(self.env.srcdir)

    def markdown(self) -> str:
        raise AssertionError("a subclass makes the text")

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return self.parse_text_to_nodes(self.markdown())


class ExecutionTimes(MarkdownDirective):
    """The ``execution-times`` directive."""

    def markdown(self) -> str:
        """Return the table of every lesson in the notebooks' folder."""
        paths = sorted((self.root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
        return execution_markdown([read_execution(path) for path in paths])


class ResultsTable(MarkdownDirective):
    """The ``results-table`` directive."""

    def markdown(self) -> str:
        """Return the table of every experiment, those without a record shown as missing."""
        reproduce = import_module("gdmlib.reproduce")
        return results_markdown(reproduce.results_table(self.root() / "results"))

    def run(self) -> list[nodes.Node]:
        """Return the table, as wide as the page, and its footnotes."""
        made = super().run()
        for part in made:
            for table in part.findall(nodes.table):
                table["classes"].append("gdm-whole-page")
        return made


def results_markdown(rows: Sequence[Any]) -> str:
    """Return the rows of ``gdmlib.reproduce.results_table``; notes and sources are footnotes."""
    if not rows:
        return "No experiment is registered yet."
    header = ("Experiment", "Data", "Ours", "Published", "Difference", "Run on")
    footnotes = Footnotes()
    body = [
        (
            r.experiment + footnotes.mark(r.note),
            r.data,
            _ours(r),
            r.published + footnotes.mark(r.source),
            r.gap,
            r.run,
        )
        for r in rows
    ]
    table = markdown_table(header, [[text or MISSING for text in line] for line in body], "llrrrl")
    return "\n\n".join([table, footnotes.markdown()])


class Footnotes:
    """The footnotes of a table: a text that is needed again keeps its number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        """Return what leads to the footnote with this text; nothing if there is no text."""
        if not text:
            return ""
        if text not in self.texts:
            self.texts.append(text)
        return f"{GAP}[^results-{self.texts.index(text) + 1}]"

    def markdown(self) -> str:
        """Return all footnotes."""
        return "\n\n".join(f"[^results-{n}]: {text}" for n, text in enumerate(self.texts, 1))


def _ours(row: Any) -> str:
    """Return our number, what it is over, and which direction is better."""
    number, bracket, over = row.ours.partition(" (")
    return f"**{number.replace(' ', GAP)}**{bracket}{over}" + (
        f", {row.better} is better" if row.better else ""
    )


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("execution-times", ExecutionTimes)
    app.add_directive("results-table", ResultsTable)
