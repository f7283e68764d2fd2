"""Code without what a copier changes: names, comments, white space, texts, annotations."""

from __future__ import annotations

import ast
import copy
import keyword
import re
from collections.abc import Iterable
from functools import lru_cache

from gdmlib.handin.code import tree

SHINGLE = 6  # words and signs in a row that are compared as one
_TOKEN = re.compile(r"\w+|[^\w\s]")
_COMMENT = re.compile(r"#.*$", flags=re.MULTILINE)
_TEXT = re.compile(r"(\"\"\"|''').*?\1|\"[^\"\n]*\"|'[^'\n]*'", flags=re.DOTALL)


@lru_cache(maxsize=8192)
def lines(source: str) -> tuple[str, ...]:
    """Return a text's statements, one a line, without what a copier changes.

    Names that the text itself binds are all the same; what it uses of the lesson and of libraries
    stays. What is not Python is treated word by word.
    """
    parsed = tree(source)
    if parsed is None:
        return _without_a_tree(source)
    plain = _Plain(_bound(parsed)).visit(copy.deepcopy(parsed))
    text = ast.unparse(ast.fix_missing_locations(plain))
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def shingles(sources: Iterable[str], known: frozenset[str]) -> frozenset[tuple[str, ...]]:
    """Return the runs of words and signs in some texts, lines that are known left out."""
    kept = [line for source in sources for line in lines(source) if line not in known]
    tokens = [token for line in kept for token in (*_TOKEN.findall(line), "\n")]
    runs = range(max(1, len(tokens) - SHINGLE + 1)) if tokens else range(0)
    return frozenset(tuple(tokens[i : i + SHINGLE]) for i in runs)


def _bound(parsed: ast.Module) -> frozenset[str]:
    """Return every name that a text binds, at whatever depth."""
    found: set[str | None] = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler
        ):
            found.add(node.name)
    return frozenset(name for name in found if name)


class _Plain(ast.NodeTransformer):
    """Gives bound names one name, texts one text, and drops docstrings and annotations."""

    def __init__(self, bound: frozenset[str]) -> None:
        self.bound = bound

    def visit(self, node: ast.AST) -> ast.AST:
        """Change a node and what is in it."""
        for field in ("id", "arg", "name"):
            # The keyword of a call belongs to what is called.
            if getattr(node, field, None) in self.bound and not isinstance(node, ast.keyword):
                setattr(node, field, "v")
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None and not isinstance(node, ast.AnnAssign):
                setattr(node, field, None)
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1 and _is_docstring(body[0]):
            del body[0]
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            node = ast.Assign([node.target], node.value, lineno=node.lineno)
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            return ast.Constant("s")
        return self.generic_visit(node)


def _is_docstring(node: ast.AST) -> bool:
    """Return whether a statement is a text alone."""
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _without_a_tree(source: str) -> tuple[str, ...]:
    text = _COMMENT.sub("", _TEXT.sub("'s'", source))
    found = []
    for line in text.splitlines():
        words = [
            "v" if word.isidentifier() and not keyword.iskeyword(word) else word
            for word in _TOKEN.findall(line)
        ]
        if words:
            found.append(" ".join(words))
    return tuple(found)
