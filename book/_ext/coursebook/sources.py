"""Sphinx reads the pages of the table of contents and no other file, wherever the course lies."""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.config import Config


def as_pattern(name: str) -> str:
    """Return a pattern that matches this document, with or without a suffix, and no other."""
    literal = re.sub(r"([*?\[])", r"[\1]", name)
    return f"{literal}.*" if re.search(r"\.(md|ipynb|rst)$", name) is None else literal


def only_contents(app: Sphinx, config: Config) -> None:
    """Name the files that are read.

    Jupyter Book's own ``only_build_toc_files`` names those that are not, by patterns that
    begin with the path of the course: brackets in that path, or in a file's name, disable it.
    """
    config.include_patterns = [as_pattern(name) for name in config.external_site_map]


def setup(app: Sphinx) -> None:
    """Register the choice, after the table of contents has been read."""
    app.connect("config-inited", only_contents, priority=950)
