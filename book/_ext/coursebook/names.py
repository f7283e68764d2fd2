"""What a screen reader says: controls are called by the words that are seen on them."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput
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


def setup(app: Sphinx) -> None:
    """Register how folds are written, and name what the theme has left without a name."""
    app.add_node(HideCodeCellNode, override=True, html=(_visit_fold, depart_HideCellInput))
    app.connect("html-page-context", _name_side_bar, priority=900)
