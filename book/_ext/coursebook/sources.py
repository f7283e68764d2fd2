"""Sphinx reads the pages of the table of contents and no other file, wherever the course lies."""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config


def only_contents(app: Sphinx, config: Config) -> None:
    """Name the files that are read, which the contents give with or without their suffix.

    Jupyter Book's own ``only_build_toc_files`` names those that are not, by patterns that
    begin with the path of the course: brackets in that path, or in a file's name, disable it.
    """
    config.include_patterns = [
        name + suffix for name in config.external_site_map for suffix in ("", *config.source_suffix)
    ]


def setup(app: Sphinx) -> None:
    """Register the choice, after the table of contents has been read."""
    app.connect("config-inited", only_contents, priority=950)
