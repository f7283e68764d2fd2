r"""Displayed equations of several lines that carry a ``\tag``.

Sphinx puts every display that holds ``\\`` into a ``split``, where ``\tag`` is an error. Such a
display is typeset as an ``equation*`` instead, which allows it.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_TAG = re.compile(r"\\tag\*?\s*\{([^}]*)\}")
_NUMBERED = re.compile(r"\\begin\{(equation|align|gather|multline|alignat|flalign)\*?\}")


def tags(tex: str) -> list[str]:
    r"""Return the numbers that the ``\tag`` commands of a display print."""
    return _TAG.findall(tex)


def needs_wrapping(tex: str) -> bool:
    """Tell whether Sphinx would put this tagged display where its tag is an error."""
    several_lines = r"\\" in tex or "\n\n" in tex.strip()
    return bool(tags(tex)) and several_lines and not _NUMBERED.search(tex)


def wrap(tex: str) -> str:
    """Return the display as an equation environment; a blank line in it would end the formula."""
    lines = [line for line in tex.strip().splitlines() if line.strip()]
    return "\n".join([r"\begin{equation*}", *lines, r"\end{equation*}"])


class WrapTaggedEquations(SphinxTransform):
    """Typeset tagged displays of several lines as they are written."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Mark the displays that Sphinx must leave alone."""
        for node in self.document.findall(nodes.math_block):
            tex = node.astext()
            if not node.get("nowrap") and needs_wrapping(tex):
                node.children = []
                node += nodes.Text(wrap(tex))
                node["nowrap"] = True


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(WrapTaggedEquations)
