"""Small repairs that let plain docstrings pass through reStructuredText."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.*?``|`[^`]*`)")
_STARRED = re.compile(r"(?<=[\s(])\*(?=\w+[,)])")

# Lines as they were before Napoleon saw them, by the name of the object.
_before: dict[str, list[str]] = {}


def escape_stars(line: str) -> str:
    r"""Write the star of ``(n, *event_shape)`` as ``\*``, so that it does not start an emphasis."""
    parts = _LITERAL.split(line)
    parts[::2] = [_STARRED.sub(r"\\*", part) for part in parts[::2]]
    return "".join(parts)


def reads_as_type(what: str, lines: list[str]) -> bool:
    """Tell whether Napoleon would take "The colours: eight of them." for a type and a text."""
    return what in {"attribute", "data", "property"} and bool(lines) and ":" in lines[0]


def tidy_signature(signature: str) -> str:
    """Write the default of a data class's field as ``...``: Sphinx cannot read ``<factory>``."""
    return signature.replace("<factory>", "...")


def _sign(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    return signature and tidy_signature(signature), returns and tidy_signature(returns)


def _save(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    lines[:] = [escape_stars(line) for line in lines]
    if reads_as_type(what, lines):
        _before[name] = list(lines)


def _restore(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    if name in _before:
        lines[:] = _before.pop(name)


def setup(app: Sphinx) -> None:
    """Register the handlers, one before Napoleon (priority 500) and one after it."""
    app.connect("autodoc-process-signature", _sign)
    app.connect("autodoc-process-docstring", _save, priority=400)
    app.connect("autodoc-process-docstring", _restore, priority=600)
