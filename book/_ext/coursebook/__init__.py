"""The Sphinx extension of this book; one module a concern.

``sources``    Which files are pages.
``mathjax``    MathJax from the book itself, so that formulas need no network.
``numbers``    The number of a lesson, which is that of its file.
``equations``  Several-line displayed equations that carry a ``\\tag``.
``links``      Links in notebook outputs, in docstrings, and to the repository.
``address``    No dead buttons and links while the repository has no address.
``docstrings`` Repairs that let plain docstrings pass through reStructuredText.
``cells``      Marks for solutions and tests of exercises.
``names``      What a screen reader says of folds and of the side bar.
``figures``    Pictures of twice the pixels, at their own size.
``light``      Pages that load fast: no unused scripts, and only the icons that occur.
``moved``      Addresses that readers may have kept: each is a page, or leads to one.
``previews``   What is shown of a page where its address is shared.
``editions``   Which versions are published beside this one, and pages in another language.
``pictures``   Pictures that open at full size; animations that stand still until played.
``demos``      Moving figures, and the still pictures that stand for them.
``frames``     Sliders over frames that were made beforehand.
``ranking``    The order of what the search finds.
``tables``     Tables made from records and from the notebooks' metadata.
``questions``  Questions to check oneself by, at the end of each lesson.
``teaching``   What a teacher's page takes from its lesson.
``speed``      The tables and the figure of the page on speed.
``speed_apart``  Those of its comparisons with a peer of their own.
``seconds``    The figure, the table and the samples of the page on quality against seconds.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import (
    address,
    cells,
    demos,
    docstrings,
    editions,
    equations,
    figures,
    frames,
    light,
    links,
    mathjax,
    moved,
    names,
    numbers,
    pictures,
    previews,
    questions,
    ranking,
    seconds,
    sources,
    speed,
    speed_apart,
    tables,
    teaching,
)

__version__ = "1.0"

PARTS = (
    sources,
    mathjax,
    numbers,
    equations,
    links,
    address,
    docstrings,
    cells,
    names,
    figures,
    pictures,
    light,
    moved,
    previews,
    editions,
    demos,
    frames,
    ranking,
    tables,
    questions,
    teaching,
    speed,
    speed_apart,
    seconds,
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register every part of the extension."""
    for part in PARTS:
        part.setup(app)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
