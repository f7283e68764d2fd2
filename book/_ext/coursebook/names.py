"""What a screen reader says: controls are called by the words on them, lists are well formed.

Sphinx and its theme are right but for a few places; each is put right where it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxTranslator


def _visit_fold(self: SphinxTranslator, node: HideCodeCellNode) -> None:
    """Write the bar of a folded cell; the theme's own says "Toggle hidden content" of each."""
    self.body.append(
        f'<details class="admonition hide {" ".join(node["classes"])}">\n<summary>\n'
        f'<p class="collapsed admonition-title">{escape(node["prompt_show"])}</p>\n'
        f'<p class="expanded admonition-title">{escape(node["prompt_hide"])}</p>\n</summary>\n'
    )


def name_arrows(soup: BeautifulSoup) -> BeautifulSoup:
    """Give the arrows of the side bar a name: the page whose subpages they show."""
    for summary in soup.find_all("summary"):
        entry = summary.find_parent("li")
        link = entry.find("a") if entry else None
        if link and not summary.get_text(strip=True):
            summary["aria-label"] = f"Pages below {link.get_text(strip=True)}"
    return soup


def _name_side_bar(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    made: Callable[..., Any] | None = context.get("generate_toctree_html")
    if made:
        context["generate_toctree_html"] = lambda *a, **k: _named(made(*a, **k))


def _named(found: Any) -> Any:
    return name_arrows(found) if isinstance(found, BeautifulSoup) else found


def without_terms(html: str) -> str:
    """Write the lines of a signature as such; Sphinx writes a list of definitions without terms."""
    for old, new in (("dl", 'div class="gdm-parameters"'), ("dd", "div")):
        html = html.replace(f"<{old}>", f"<{new}>").replace(f"</{old}>", "</div>")
    return html


def _visit_parameters(self: SphinxTranslator, node: addnodes.desc_parameterlist) -> None:
    node["begins"] = len(self.body)
    type(self).visit_desc_parameterlist(self, node)  # type: ignore[attr-defined]


def _depart_parameters(self: SphinxTranslator, node: addnodes.desc_parameterlist) -> None:
    type(self).depart_desc_parameterlist(self, node)  # type: ignore[attr-defined]
    begins = node["begins"]
    self.body[begins:] = map(without_terms, self.body[begins:])


def _visit_citation(self: SphinxTranslator, node: nodes.citation) -> None:
    """Write an entry of the bibliography as an item of its list; docutils' role is deprecated."""
    begins = len(self.body)
    type(self).visit_citation(self, node)  # type: ignore[attr-defined]
    self.body[begins:] = [
        text.replace("doc-biblioentry", "listitem") for text in self.body[begins:]
    ]


def _depart_citation(self: SphinxTranslator, node: nodes.citation) -> None:
    type(self).depart_citation(self, node)  # type: ignore[attr-defined]


def setup(app: Sphinx) -> None:
    """Register how these parts of a page are written."""
    app.add_node(HideCodeCellNode, override=True, html=(_visit_fold, depart_HideCellInput))
    parameters = _visit_parameters, _depart_parameters
    app.add_node(addnodes.desc_parameterlist, override=True, html=parameters)
    app.add_node(nodes.citation, override=True, html=(_visit_citation, _depart_citation))
    app.connect("html-page-context", _name_side_bar, priority=900)
