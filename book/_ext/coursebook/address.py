"""While the repository has no address yet, nothing on a page leads to it; then, Kaggle does, too.

The address holds a placeholder until ``make rehost URL=...`` puts a real one in its place. Until
then the buttons that need it (repository, issue, Colab, Binder) would be dead, and so would links:
the buttons are left out and the links are plain text. After it, they are back.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform

PLACEHOLDER = "/OWNER/"


def is_placeholder(address: str) -> bool:
    """Tell whether an address of the repository, or one made from it, leads nowhere yet."""
    return PLACEHOLDER in address


def hide_buttons(app: Sphinx, config: Config) -> None:
    """Leave out the buttons whose address is not known yet."""
    options = config.html_theme_options
    if is_placeholder(options.get("repository_url", "")):
        options |= {"use_repository_button": False, "use_issues_button": False}
        options["launch_buttons"] = {}


def add_kaggle(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Put Kaggle beside the other places where a lesson can be run; the theme knows none."""
    address = app.config.html_theme_options.get("repository_url", "")
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons" and address.startswith("https://github.com/"):
            source = f"{address}/blob/main/{pagename}.ipynb"
            group["buttons"].append(
                {
                    "type": "link",
                    "text": "Kaggle",
                    "tooltip": "Launch on Kaggle",
                    "icon": "fas fa-rocket",
                    "url": f"https://www.kaggle.com/kernels/welcome?{urlencode({'src': source})}",
                }
            )


class UnlinkPlaceholder(SphinxPostTransform):
    """Turn links to the placeholder into text, and remove a paragraph that is nothing else."""

    default_priority = 900

    def run(self, **kwargs: object) -> None:
        """Look at every link of the page."""
        for link in list(self.document.findall(nodes.reference)):
            if not is_placeholder(link.get("refuri", "")):
                continue
            parent = link.parent
            if isinstance(parent, nodes.paragraph) and len(parent.children) == 1:
                parent.parent.remove(parent)
            else:
                parent.replace(link, link.children)


def setup(app: Sphinx) -> None:
    """Register all: the first after the theme's options are made, the second after its buttons."""
    app.connect("config-inited", hide_buttons, priority=900)
    app.connect("html-page-context", add_kaggle, priority=900)
    app.add_post_transform(UnlinkPlaceholder)
