"""What several rules need: where a cell stands, and its text without code."""

from __future__ import annotations

import re

from tools.notebooks import Cell

PROMPTS = {"code_prompt_show", "code_prompt_hide"}


def at(cell: Cell) -> str:
    return f"cell {cell.get('id', '?')!r}"


def without_code(text: str) -> str:
    """Return Markdown without fenced and inline code, in which anything may stand."""
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", without_fences(text), flags=re.DOTALL)


def without_fences(text: str) -> str:
    return re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def without_display(text: str) -> str:
    return re.sub(r"\$\$.*?\$\$", "\n\n", text, flags=re.DOTALL)
