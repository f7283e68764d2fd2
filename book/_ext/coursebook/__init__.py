"""The Sphinx extension of this book; one module a concern.

``sources``    Which files are pages.
``mathjax``    MathJax from the book itself, so that formulas need no network.
``equations``  Several-line displayed equations that carry a ``\\tag``.
``links``      Links in notebook outputs, in docstrings, and to the repository.
``docstrings`` Repairs that let plain docstrings pass through reStructuredText.
``cells``      Marks for solutions and tests of exercises.
``figures``    Pictures of twice the pixels, at their own size.
``tables``     Tables made from records and from the notebooks' metadata.
``speed``      The tables and the figure of the page on speed.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import cells, docstrings, equations, figures, links, mathjax, sources, speed, tables

__version__ = "1.0"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register every part of the extension."""
    for part in (sources, mathjax, equations, links, docstrings, cells, figures, tables, speed):
        part.setup(app)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
