"""What a piece of code binds, uses and leaves open, found without running it."""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from functools import lru_cache

# IPython's own lines, which Python cannot parse; they become a line that it can.
_ASSIGNED = re.compile(r"^([ \t]*[\w., \t]+=[ \t]*)[%!].*$", flags=re.MULTILINE)
_MAGIC = re.compile(r"^([ \t]*)(?:[%!?].*|[\w.]+\?{1,2})$", flags=re.MULTILINE)
# Where a text does not parse, its definitions and assignments are still seen.
_BINDING = re.compile(
    r"^(?:(?:async[ \t]+)?def|class)[ \t]+(\w+)|^(\w+)[ \t]*(?::[^=\n]*)?=(?!=)", flags=re.MULTILINE
)
_NAME = re.compile(r"[^\W\d]\w*")
_STAR = re.compile(r"^[ \t]*from[ \t].*import[ \t]*\*", flags=re.MULTILINE)
# Longer texts than any cell that a person writes are looked at by pattern only.
_LONGEST = 200_000

ANY_NAME = "*"  # what `from module import *` binds


def squeeze(text: str) -> str:
    """Return a text without white space: two cells with the same are the same."""
    return "".join(text.split())


@lru_cache(maxsize=4096)
def _python(source: str) -> tuple[str, ast.Module] | None:
    """Return a cell as Python, IPython's lines left out, and its syntax tree; None if it is not."""
    if len(source) > _LONGEST:
        return None
    for text in (source, _MAGIC.sub(r"\1pass", _ASSIGNED.sub(r"\1None", source))):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
                # It finds errors that the parser does not, such as a nonlocal without its name.
                symtable.symtable(text, "<cell>", "exec")
            return text, tree
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def parses(source: str) -> bool:
    """Return whether a text is Python, IPython's magics allowed."""
    return _python(source) is not None


def tree(source: str) -> ast.Module | None:
    """Return a text's syntax tree, IPython's magics allowed; None if it is not Python."""
    python = _python(source)
    return None if python is None else python[1]


@lru_cache(maxsize=4096)
def binds(source: str) -> frozenset[str]:
    """Return the names that a cell binds at its top level."""
    python = _python(source)
    if python is None:
        found = {first or second for first, second in _BINDING.findall(source)}
    else:
        table = symtable.symtable(python[0], "<cell>", "exec")
        found = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    return frozenset(found | ({ANY_NAME} if _STAR.search(source) else set()))


@lru_cache(maxsize=4096)
def uses(source: str) -> frozenset[str]:
    """Return the names that a cell takes from other cells."""
    python = _python(source)
    if python is None:
        return frozenset(_NAME.findall(source)) - binds(source)
    found: set[str] = set()
    waiting = [symtable.symtable(python[0], "<cell>", "exec")]
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (top or symbol.is_global()):
                found.add(symbol.get_name())
    return frozenset(found) - binds(source)


def is_open(source: str, names: frozenset[str]) -> bool:
    """Return whether nothing is answered: what binds the names does nothing but raise or pass."""
    python = _python(source)
    if python is None:
        return False
    text, tree = python
    last: dict[str, ast.stmt] = {}
    for node in tree.body:
        bound = binds(ast.get_source_segment(text, node) or "")
        last |= dict.fromkeys(names & bound, node)
    return bool(last) and all(_does_nothing(node) for node in last.values())


def statements(source: str) -> list[str] | None:
    """Return the text of each top-level statement, with the comments before it, or None.

    An indented comment below a statement belongs to it.
    """
    python = _python(source)
    if python is None or source.lstrip().startswith("%%"):
        return None
    lines, nodes, parts, start = source.split("\n"), python[1].body, [], 0
    for node, following in zip(nodes, [*nodes[1:], None], strict=True):
        end = len(lines) if following is None else node.end_lineno or 0
        while end < len(lines) and lines[end][:1].isspace():
            end += 1
        # Two statements in a line stay together.
        if following is None or following.lineno > end:
            parts.append("\n".join(lines[start:end]))
            start = end
    return parts


def _does_nothing(node: ast.stmt) -> bool:
    """Return whether a statement is the frame of an answer without the answer."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return all(_does_nothing(inner) for inner in node.body)
    if isinstance(node, ast.Return):
        return node.value is None or (
            isinstance(node.value, ast.Constant) and node.value.value is None
        )
    return isinstance(node, ast.Pass | ast.Raise) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )
