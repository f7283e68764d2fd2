"""What is shown of a page where its address is shared: title, first paragraph, a picture.

A picture and the page itself can only be named by absolute addresses; they are left out while the
repository has no address. (sphinxext-opengraph does not do without one, and takes the first words
of a page, which in a lesson are a link to Colab and a list of goals.)
"""

from __future__ import annotations

import re
import textwrap
from html import escape, unescape
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx

from .address import is_placeholder

LEAST, MOST = 60, 200  # letters: of a paragraph that says something, and that are shown
PICTURE = "_static/preview.png"
SAYS = "A Gaussian mixture and Gaussians of digits: examples, what was learned from them, samples."

_FORMULA = re.compile(r"\\(?:mathbb|mathcal|mathrm|boldsymbol|text)?|[{}$]")


def description(document: nodes.document) -> str:
    """Return the first paragraph of a page that says something, shortened at a word."""
    for paragraph in document.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section) and "lead" not in _classes(paragraph):
            continue
        words = " ".join(_FORMULA.sub("", _text(paragraph)).split())
        if len(words) >= LEAST:
            return textwrap.shorten(words, MOST, placeholder=" …")
    return ""


def _text(paragraph: nodes.paragraph) -> str:
    """Return the words of a paragraph; of what is in HTML, those between the tags."""
    return "".join(
        unescape(re.sub(r"<[^>]+>", "", text)) if isinstance(text.parent, nodes.raw) else text
        for text in paragraph.findall(nodes.Text)
    )


def _classes(paragraph: nodes.paragraph) -> list[str]:
    parent = paragraph.parent
    return parent.get("classes", []) if isinstance(parent, nodes.Element) else []


def site_of(repository: str) -> str | None:
    """Return where the book is published, ending with a slash; None while nobody knows."""
    parts = urlsplit(repository)
    names = parts.path.strip("/").split("/")
    if is_placeholder(repository) or parts.netloc != "github.com" or len(names) != 2:
        return None
    return f"https://{names[0].lower()}.github.io/{names[1]}/"


def tags(title: str, says: str, book: str, page: str, site: str | None) -> str:
    """Return the lines for the head of a page.

    Args:
        title: Of the page.
        says: What its first paragraph says.
        book: The title of the book.
        page: Its address within the book, such as ``book/read.html``.
        site: Where the book is published, if that is known.
    """
    named = {"description": says, "twitter:card": "summary_large_image" if site else "summary"}
    shared = {"og:type": "article", "og:site_name": book, "og:title": title, "og:description": says}
    if site:
        shared |= {"og:url": site + page, "og:image": site + PICTURE, "og:image:alt": SAYS}
    lines = [f'<meta name="{k}" content="{escape(v)}" />' for k, v in named.items() if v]
    lines += [f'<meta property="{k}" content="{escape(v)}" />' for k, v in shared.items() if v]
    return "\n    ".join(lines)


def _add(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    if tree is None:
        return
    title = re.sub(r"<[^>]+>", "", context.get("title", ""))
    site = site_of(app.config.html_theme_options.get("repository_url", ""))
    lines = tags(title, description(tree), app.config.html_title, f"{page}.html", site)
    context["metatags"] = context.get("metatags", "") + "\n    " + lines


def setup(app: Sphinx) -> None:
    """Register the lines of every page."""
    app.connect("html-page-context", _add)
