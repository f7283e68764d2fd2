"""Recognise a lesson, by a name that people gave a file or by what is in a notebook."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from gdmlib.handin.code import binds, squeeze
from gdmlib.handin.notebook import StudentCell

from .match import Index
from .official import Official

# What systems and people add to a name when they copy a file.
_COPY = re.compile(
    r"^(?:copy|kopie|copie|copia) (?:of|von|de|di) |[-_ ]+(?:copy|kopie|copie|copia)[-_ ]*\d*$"
    r"|[-_ ]*\(\d+\)",
    flags=re.IGNORECASE,
)
_ENDING = re.compile(
    r"(\.(ipynb|zip|json|txt|pdf|html?|py|docx?|rar|7z|tar|gz))+([ _]*\(\d+\))?$", re.IGNORECASE
)


def _pattern(lesson: str) -> re.Pattern[str]:
    """Return a pattern that finds a lesson's name, however its words are joined."""
    words = r"[\W_]*".join(re.escape(word) for word in re.split(r"[\W_]+", lesson))
    return re.compile(rf"(?<!\d){words}(?![^\W_])", flags=re.IGNORECASE)


def named(text: str, lessons: Iterable[str]) -> str:
    """Return the lesson whose name stands in a file's or folder's name, or nothing."""
    found = [lesson for lesson in lessons if _pattern(lesson).search(text)]
    return max(found, key=len, default="")


def rest_of(name: str, lessons: Iterable[str]) -> str:
    """Return what a file's name says beside the lesson: a student's name, or nothing."""
    stem = _ENDING.sub("", name)
    lesson = named(stem, lessons)
    if lesson:
        stem = _pattern(lesson).sub("\0", stem)
    # What joined the lesson to the rest goes with it.
    rest = re.sub(r"[-_.,+ ]*\0[-_.,+ ]*", " ", _COPY.sub("\0", stem)).strip(" -_.,+")
    return rest if any(map(str.isalpha, rest)) else ""


def clean(name: str) -> str:
    """Return a student's name in the one form in which it is written, fit for a folder's name."""
    name = unicodedata.normalize("NFC", name)
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]', "_", name)
    return re.sub(r"\s+", " ", name)[:120].strip(" .") or "_"


class Recogniser:
    """Tells which lesson of a course a notebook is, by what no other lesson has."""

    def __init__(self, officials: Iterable[Official]) -> None:
        signs: dict[tuple[str, str], set[str]] = {}
        for official in officials:
            index = Index(official)
            for sign in _official_signs(index):
                signs.setdefault(sign, set()).add(official.lesson)
        self._signs = {sign: next(iter(of)) for sign, of in signs.items() if len(of) == 1}

    def counts(self, cells: list[StudentCell]) -> Counter[str]:
        """Return for each lesson how many signs of it a notebook shows."""
        shown: set[tuple[str, str]] = set()
        for cell in cells:
            shown |= {("key", cell.grade_id), ("key", cell.cell_id)}
            shown.add(("text", squeeze(cell.source)))
            if cell.kind == "code":
                shown |= {("name", name) for name in binds(cell.source)}
        return Counter(self._signs[sign] for sign in shown if sign in self._signs)

    def lesson(self, cells: list[StudentCell]) -> str:
        """Return the lesson of a notebook, or nothing."""
        found = self.counts(cells).most_common(1)
        return found[0][0] if found else ""


def _official_signs(index: Index) -> Iterable[tuple[str, str]]:
    """Yield what a lesson is recognised by; what others share is left out later."""
    for i, cell in enumerate(index.cells):
        yield "key", cell.key
        yield "text", squeeze(cell.visible)
        yield from (("name", name) for name in index.needed.get(i, ()))
