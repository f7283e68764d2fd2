r"""Displayed equations of several lines with a ``\tag``, and what follows a formula in a line.

Sphinx puts every display that holds ``\\`` into a ``split``, where ``\tag`` is an error. Such a
display is typeset as an ``equation*`` instead, which allows it.

A typeset formula is a box, and a browser may break the line between it and the comma after it. The
two are kept together.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

_TAG = re.compile(r"\\tag\*?\s*\{([^}]*)\}")
PUNCTUATION = re.compile(r"[.,;:!?)\]’”–-]+(?=\s|$)")
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


class KeepPunctuation(SphinxPostTransform):
    """Keep a formula and the punctuation after it on one line."""

    default_priority = 400

    def run(self, **kwargs: Any) -> None:
        """Put both into a part of the line that does not break."""
        for formula in list(self.document.findall(nodes.math)):
            after = formula.next_node(descend=False, siblings=True)
            mark = PUNCTUATION.match(after) if isinstance(after, nodes.Text) else None
            if mark is None:
                continue
            kept = nodes.inline(classes=["gdm-kept"])
            formula.parent.replace(after, nodes.Text(after[mark.end() :]))
            formula.parent.replace(formula, kept)
            kept += [formula, nodes.Text(mark[0])]


def setup(app: Sphinx) -> None:
    """Register the transforms."""
    app.add_transform(WrapTaggedEquations)
    app.add_post_transform(KeepPunctuation)
