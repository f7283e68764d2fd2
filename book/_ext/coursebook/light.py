"""Pages that load fast: no script that a page does not use, and a font of the icons that occur.

The theme sends 1.5 MB of icons as a script, and on each page the index of the search, which only
the page of finds reads. ``_templates/layout.html`` leaves both out. What is left of the icons is a
font, from which all that no page shows is taken away. MathJax, 1.3 MB, is loaded by pages with
formulas alone; the few small ones of the first page become letters in italics and subscripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform

from .mathjax import TARGET

ICONS = Path("vendor/fontawesome/webfonts/fa-solid-900.ttf")
THEME = Path("styles/pydata-sphinx-theme.css")
OTHERS = ("styles/sphinx-book-theme.css", "scripts/pydata-sphinx-theme.js", "togglebutton.js")
FONT = "icons.woff"

_NAMED = re.compile(r'((?:\.fa-[a-z0-9-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}')
_USED = re.compile(r"\bfa-[a-z0-9-]+")
_WRITTEN = re.compile(r'"\\(f[0-9a-f]{3})"')


def without_scripts(html: str, *names: str) -> Markup:
    """Return a piece of a page without the scripts of these file names.

    Raises:
        ExtensionError: If one is not there: the theme has changed, and the template must follow.
    """
    for name in names:
        html, found = re.subn(rf"\s*<script[^>]*\b{re.escape(name)}[^>]*></script>", "", html)
        if not found:
            raise ExtensionError(
                f"the theme's page loads no {name} any more: look at book/_templates/layout.html"
            )
    return Markup(html)


def icons(style: str, texts: Iterable[str]) -> set[int]:
    """Return the code points of the icons that occur.

    Args:
        style: The theme's style sheet, which gives each name its code point.
        texts: Pages, scripts and style sheets that show icons by name or by code point.
    """
    known = {
        name: int(code, 16)
        for names, code in _NAMED.findall(style)
        for name in _USED.findall(names)
    }
    found = set()
    for text in texts:
        found |= {known[name] for name in _USED.findall(text) if name in known}
        found |= {int(code, 16) for code in _WRITTEN.findall(text)}
    return found


def write_font(source: Path, target: Path, points: set[int]) -> None:
    """Write a font that holds these code points and no others."""
    # Loaded here: a build of one page for a test need not.
    from fontTools import subset

    options = subset.Options()
    options.flavor, options.layout_features, options.hinting = "woff", [], False
    font = subset.load_font(str(source), options)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=points)
    cut.subset(font)
    subset.save_font(font, str(target), options)


def plain(part: Element, depth: int = 0) -> str:
    """Return a small formula in HTML: letters in italics, subscripts, space about relations.

    Args:
        part: In MathML. (Set by the browser, it would lack a font on many machines.)
        depth: How far it is within subscripts, where there is no space about relations.

    Raises:
        ExtensionError: If it holds anything else, such as a fraction.
    """
    kind, text = part.tag.rpartition("}")[2], escape((part.text or "").strip())
    parts = [plain(child, depth + (i and kind != "mrow")) for i, child in enumerate(part)]
    if kind in {"math", "mrow"}:
        return "".join(plain(child, depth) for child in part)
    if kind in {"msub", "munder"}:
        return f"{parts[0]}<sub>{parts[1]}</sub>"
    if kind == "mi" and part.get("mathvariant") != "normal":
        return f"<i>{text}</i>"
    if kind == "mspace":
        return "\u2009"
    if kind == "mo" and text in {"=", "∣", "&lt;"} and not depth:
        return f" {text} "
    if kind in {"mi", "mo", "mn"}:
        return text
    raise ExtensionError(f"the first page sets no {kind}: write its formulas with less")


class SetFormulas(SphinxPostTransform):
    """The formulas of the first page, without a script."""

    default_priority = 450  # after `equations` has kept them and what follows on one line
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Replace every formula in a line; what is displayed is left to MathJax."""
        if self.env.docname != self.app.config.root_doc:
            return
        for formula in list(self.document.findall(nodes.math)):
            markup = plain(fromstring(tex2mathml(formula.astext())))
            page = f'<span class="gdm-formula">{markup}</span>'
            formula.parent.replace(formula, nodes.raw("", page, format="html"))


def needs_mathjax(body: str) -> bool:
    """Tell whether there is a formula on a page."""
    return re.search(r'class="[^"]*\bmath\b', body) is not None


def _add(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    context["without_scripts"] = without_scripts
    # Sphinx adds MathJax also where a page below this one in the contents has formulas.
    if not needs_mathjax(context.get("body", "")):
        context["script_files"] = [
            script
            for script in context["script_files"]
            if f"/{TARGET}/" not in str(getattr(script, "filename", script))
        ]


def _cut(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    files = [*Path(app.outdir).rglob("*.html"), *(static / name for name in OTHERS)]
    texts = (path.read_text(encoding="utf-8") for path in files)
    found = icons((static / THEME).read_text(encoding="utf-8"), texts)
    write_font(static / ICONS, static / FONT, found)


def setup(app: Sphinx) -> None:
    """Register all three, the second after MathJax has been added."""
    app.add_post_transform(SetFormulas)
    app.connect("html-page-context", _add, priority=900)
    app.connect("build-finished", _cut)
