"""No address of a page vanishes: each that readers may have kept is a page, or leads to one.

``book/addresses.txt`` lists them, one a line. A page that was renamed, or became part of another,
keeps its line, with the new place behind an arrow::

    book/records.html -> book/results.html#all

A small page at the old address then leads to the new one. An address that is neither a page nor
leads to one is a warning, with which a strict build fails.
"""

from __future__ import annotations

import os
import re
from html import escape
from pathlib import Path, PurePosixPath

from sphinx.application import Sphinx
from sphinx.util import logging

LIST = Path("book/addresses.txt")
_LINE = re.compile(r"(?P<old>[\w./-]+\.html)(?:\s+->\s+(?P<new>[\w./-]+\.html(?:#[\w-]+)?))?")

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>This page has moved: {old}</title>
<link rel="canonical" href="{new}">
<script>location.replace("{new}"{part});</script>
<meta http-equiv="refresh" content="0; url={new}">
</head>
<body><p>This page has <a href="{new}">moved</a>.</p></body>
</html>
"""

logger = logging.getLogger(__name__)


def read_addresses(text: str) -> dict[str, str | None]:
    """Return each address of a list with the place to which it leads, or None.

    Raises:
        ValueError: If a line is none, an address occurs twice, or one leads to itself or, by way
            of another, on.
    """
    found: dict[str, str | None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(
                f"{LIST}:{number}: expected `page.html` or `old.html -> new.html`, got {line!r}"
            )
        if match["old"] in found:
            raise ValueError(f"{LIST}:{number}: {match['old']} is there already")
        found[match["old"]] = match["new"]
    for old, new in found.items():
        if new and (new.partition("#")[0] == old or found.get(new.partition("#")[0])):
            raise ValueError(f"{LIST}: {old} leads to {new}, which is no page: name the last one")
    return found


def redirect(old: str, new: str) -> str:
    """Return the page at an old address that leads to the new one, below the same folder.

    A part of the page that was asked for stays asked for, unless the new address names one.
    """
    place, mark, part = new.partition("#")
    way = os.path.relpath(place, PurePosixPath(old).parent).replace(os.sep, "/") + mark + part
    return PAGE.format(old=escape(old), new=escape(way), part="" if part else " + location.hash")


def _write(app: Sphinx, exception: Exception | None) -> None:
    source = Path(app.srcdir, LIST)
    if exception is not None or app.builder.format != "html" or not source.is_file():
        return
    folder = Path(app.outdir)
    try:
        addresses = read_addresses(source.read_text(encoding="utf-8"))
    except ValueError as error:
        logger.warning("%s", error)
        return
    built = {name + ".html" for name in app.env.found_docs}
    for old, new in addresses.items():
        place = (new or old).partition("#")[0]
        if place not in built and not (folder / place).is_file():
            way = "add ` -> ` and where its contents are now" if new is None else "name a page"
            logger.warning("%s: there is no page %s: %s", LIST, place, way)
        elif new is not None and old in built:
            logger.warning("%s: %s is a page, and leads nowhere else: remove the arrow", LIST, old)
        elif new is not None:
            (folder / old).parent.mkdir(parents=True, exist_ok=True)
            (folder / old).write_text(redirect(old, new), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register the pages, once all others are there."""
    app.connect("build-finished", _write)
