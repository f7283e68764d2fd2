"""Moving figures: the directive ``{demo}``, and links to one that lessons hold.

On a page of this book ``{demo}`` with the name of a figure puts it there. A lesson stays plain
Markdown: it holds a paragraph that is nothing but a link to a moving figure,
``[Words](../book/moving.md#demo-elbo)``. GitHub and Colab show the link; in the book the figure
stands above it.

Each is a still picture, and a sentence that says so, until its script has built what moves. So the
picture is what paper and readers without JavaScript get. `tools.stills` takes the pictures.
"""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective, SphinxTranslator

PAGE = "book/moving"
FOLDER = "demos"  # in book/_static
SHARED = ("demo", "panel")
STILL = (
    "This is a still picture. On a screen, and where JavaScript runs, the figure moves: its round "
    "points can be dragged, and its sliders answer to the keyboard."
)

DEMOS = {
    "gaussian": "A Gaussian over data: dots of fifty petal lengths under a bell curve that is too "
    "far left and too wide; beside it contours of the log-likelihood over mean and "
    "standard deviation, with the chosen point and the maximum.",
    "inverse_cdf": "Inverse-CDF sampling: a dashed line from the height 0.8 to a rising "
    "distribution function and down to x = 0.84; beside it the normal density over a histogram of "
    "a hundred samples.",
    "elbo": "The gap of the ELBO: densities of the prior, the exact posterior and a Gaussian q "
    "left of it; beside them bars for log p(x) and, shorter, for the bound, with the "
    "divergence as the missing piece.",
    "coupling": "A coupling layer: a square grid, and the same grid with its vertical lines slid "
    "and stretched; cells are orange where areas grow and blue where they shrink, and a "
    "small square becomes a leaning strip.",
    "score": "The score field of a mixture: arrows that point uphill over contours of three "
    "islands, and two hundred points on their way from noise to them; beside it bars of "
    "the share of each.",
    "game": "The game x y: the path of two players that spirals outwards over a field that "
    "turns about the origin; beside it the logarithm of their distance from the "
    "equilibrium, a rising line.",
}
"""What the still picture of each moving figure shows, by the name of its script."""


class demo(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes so
    """A moving figure; its children are what stands for it where it does not move."""


def demo_node(name: str) -> demo:
    """Return a moving figure with its still picture.

    Raises:
        ValueError: If there is none of this name.
    """
    if name not in DEMOS:
        raise ValueError(f"demo: expected one of {', '.join(DEMOS)}, got {name!r}")
    picture = nodes.image(uri=f"/book/_static/{FOLDER}/{name}.png", alt=DEMOS[name])
    return demo("", picture, nodes.paragraph("", STILL, classes=["gdm-still"]), name=name)


class DemoDirective(SphinxDirective):
    """The ``demo`` directive."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the figure."""
        try:
            return [demo_node(self.arguments[0])]
        except ValueError as error:
            raise self.error(str(error)) from None


class EmbedDemos(SphinxTransform):
    """Put a moving figure above each paragraph of another page that is nothing but a link to it."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Look at every paragraph."""
        for paragraph in list(self.document.findall(nodes.paragraph)):
            name = linked_demo(paragraph)
            if name and self.env.docname != PAGE:
                paragraph.parent.insert(paragraph.parent.index(paragraph), demo_node(name))


def linked_demo(paragraph: nodes.paragraph) -> str | None:
    """Return the name of the moving figure that a paragraph is a link to, or None."""
    if len(paragraph) != 1 or not isinstance(paragraph[0], pending_xref):
        return None
    link = paragraph[0]
    page, _, anchor = link.get("reftarget", "").partition("#")
    anchor = link.get("reftargetid") or anchor
    name = anchor.removeprefix("demo-").replace("-", "_")
    return name if page == PAGE and anchor.startswith("demo-") and name in DEMOS else None


def _visit(self: SphinxTranslator, node: demo) -> None:
    words = escape(DEMOS[node["name"]].partition(":")[0], quote=True)
    self.body.append(
        f'<div class="gdm-demo" data-demo="{node["name"]}" role="group" '
        f'aria-label="Moving figure: {words}">\n'
    )


def _depart(self: SphinxTranslator, node: demo) -> None:
    self.body.append("</div>\n")


def _pass(self: SphinxTranslator, node: demo) -> None:
    pass


def _add_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Let a page load the scripts of the figures that stand on it, and no other page any."""
    names = [node["name"] for node in doctree.findall(demo)] if doctree else []
    for name in [*SHARED, *dict.fromkeys(names)] if names else []:
        app.add_js_file(f"{FOLDER}/{name}.js", defer="defer")


def setup(app: Sphinx) -> None:
    """Register the directive, the transform, and what a page loads."""
    app.add_node(demo, html=(_visit, _depart), latex=(_pass, _pass), text=(_pass, _pass))
    app.add_directive("demo", DemoDirective)
    app.add_transform(EmbedDemos)
    app.connect("html-page-context", _add_scripts)
