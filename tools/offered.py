"""Links to what a reader may have made: they appear in the built book when it is there.

A page says ``[slides]{.gdm-made-slides}`` or ``[one PDF]{.gdm-made-pdf}``. In a book without them
these are words; the tool that makes them turns the words into links. On a page that has the name
of a lesson, slides are those of this lesson.
"""

from __future__ import annotations

import os
import re
from pathlib import Path


def offer(book: Path, kind: str, goal: Path) -> int:
    """Turn the words that stand for what was made into links; return how many.

    Args:
        book: The folder of the built book.
        kind: "pdf" or "slides".
        goal: A file; or a folder with an `index.html` and a file for each lesson.
    """
    words = re.compile(rf'<span class="gdm-made-{kind}">(.*?)</span>', re.DOTALL)
    count = 0
    for page in sorted((book / "book").rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        file = goal
        if goal.is_dir():
            file = goal / page.name if (goal / page.name).is_file() else goal / "index.html"
        address = Path(os.path.relpath(file, page.parent)).as_posix()
        text, found = words.subn(rf'<a class="gdm-made-{kind}" href="{address}">\1</a>', text)
        if found:
            page.write_text(text, encoding="utf-8")
        count += found
    return count
