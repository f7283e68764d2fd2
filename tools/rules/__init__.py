"""The rules that each lesson must keep.

A rule is a function from a :class:`tools.notebooks.Notebook` to a list of problems, each one
sentence that names the cell and says what to do. :data:`RULES` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.notebooks import Notebook, lessons, read
from tools.rules.code import check_claims, check_code, check_tags, count_code_lines
from tools.rules.exercises import check_exercises
from tools.rules.file import check_addresses, check_format, check_headings, check_opening
from tools.rules.outputs import (
    check_budget,
    check_figures,
    check_freshness,
    check_outputs,
    check_pictures,
    output_kilobytes,
)
from tools.rules.prose import (
    check_equations,
    check_inline_mathematics,
    check_links,
    check_markdown,
    check_prose_length,
    count_words,
)

Rule = Callable[[Notebook], list[str]]

RULES: tuple[Rule, ...] = (
    check_format,
    check_opening,
    check_headings,
    check_addresses,
    check_markdown,
    check_equations,
    check_inline_mathematics,
    check_prose_length,
    check_links,
    check_code,
    check_tags,
    check_claims,
    check_figures,
    check_outputs,
    check_freshness,
    check_budget,
    check_pictures,
    check_exercises,
)


def problems(notebook: Notebook) -> list[str]:
    """Return every problem of a notebook under every rule."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(notebook)]


def main(arguments: list[str]) -> int:
    """Print the problems of the notebooks that are given, or of all lessons."""
    paths = [Path(argument) for argument in arguments] or lessons()
    bad = 0
    for path in paths:
        try:
            notebook = read(path)
        except (OSError, ValueError) as error:
            print(f"{path}: {error}")
            bad += 1
            continue
        found = problems(notebook)
        bad += len(found)
        for what in found:
            print(f"{path.name}: {what}")
        print(
            f"{path.name}: {len(found)} problems; {count_words(notebook)} words, "
            f"{count_code_lines(notebook)} lines of code, "
            f"{output_kilobytes(notebook):.0f} KB of output"
        )
    return int(bad > 0)
