"""The rules that each lesson must keep.

A rule is a function from a :class:`tools.notebooks.Notebook` to a list of problems, each one
sentence that names the cell and says what to do. :data:`RULES` lists them all, and
``python -m tools.rules`` prints the problems of lessons.
"""

from __future__ import annotations

from collections.abc import Callable

from tools.notebooks import Notebook
from tools.rules.code import check_claims, check_code, check_tags
from tools.rules.exercises import check_exercises
from tools.rules.file import check_addresses, check_format, check_headings, check_opening
from tools.rules.outputs import (
    check_budget,
    check_figures,
    check_freshness,
    check_outputs,
    check_pictures,
)
from tools.rules.prose import (
    check_equations,
    check_inline_mathematics,
    check_links,
    check_markdown,
    check_prose_length,
)
from tools.rules.teaching import (
    check_credit,
    check_next,
    check_panels,
    check_schematic,
    check_symbols,
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
    check_schematic,
    check_panels,
    check_credit,
    check_next,
    check_symbols,
)


def problems(notebook: Notebook) -> list[str]:
    """Return every problem of a notebook under every rule."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(notebook)]
