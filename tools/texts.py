"""The texts of a page and their translations: what is missing, and what a translation has lost."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po

# What both texts must have equally often.
_DISPLAY = re.compile(r"\\tag\{|\\begin\{|^\s*\\(?!\[)")
_KEPT = {
    "formula": re.compile(r"(?<!\\)\$[^$]+\$"),
    "link": re.compile(r"\]\(([^)\s]+)\)"),
    "role": re.compile(r"(\{[\w:]+\}`[^`]*`)"),
    "code": re.compile(r"`([^`]+)`"),
    "equation number": re.compile(r"\((\d+\.\d+)\)"),
}
_TEXT = re.compile(r"\\(?:text|mathrm)\{[^}]*\}")


@dataclass
class Page:
    """What is left to do on a page: texts in English, each with the reason."""

    name: str
    total: int = 0
    missing: list[str] = field(default_factory=list)
    fuzzy: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many texts are shown in English."""
        return len(self.missing) + len(self.fuzzy) + len(self.new)


def needs_words(text: str) -> bool:
    """Tell whether a text has words; a displayed formula, or a number, is the same everywhere."""
    if "\\" not in text or "$" in text:
        return bool(re.search(r"[^\W\d_]{2,}|\$", text))
    plain = re.sub(r"\\(?:begin|end)\{[^}]*\}|\\[a-zA-Z]+", " ", text)
    return bool(re.search(r"[^\W\d_]{4,}", plain))


def lost(source: str, translation: str) -> list[str]:
    """Return what one text has and the other has not: formulas, links, roles, code, numbers."""
    problems = []
    if _DISPLAY.search(source) and "$" not in source:
        same = _TEXT.sub("", source).split() == _TEXT.sub("", translation).split()
        return [] if same else ["formula: only words within \\text{} may differ"]
    for kind, pattern in _KEPT.items():
        before, after = (
            Counter(_plain(kind, part) for part in pattern.findall(_without_roles(kind, text)))
            for text in (source, translation)
        )
        problems += [f"{kind} {part} is lost" for part in before - after]
        problems += [f"{kind} {part} is not in the source" for part in after - before]
    return problems


def _without_roles(kind: str, text: str) -> str:
    """Return a text in which the marks of a role are no marks of code."""
    return _KEPT["role"].sub(" ", text) if kind == "code" else text


def _plain(kind: str, part: str) -> str:
    """Return what must be equal: of a role its name and target, not the words before a target."""
    part = " ".join(part.split())
    if kind != "role":
        return part
    name, _, rest = part.partition("`")
    return name + "`" + (re.findall(r"<([^>]*)>", rest) or [rest.rstrip("`")])[0] + "`"


def compare(name: str, source: Catalog, translated: Catalog) -> Page:
    """Return what is left to do, from the texts of a page and their translations."""
    page = Page(name)
    for message in source:
        text = str(message.id)
        if not text or not needs_words(text):
            continue
        page.total += 1
        found = translated.get(text)
        if found is None:
            page.new.append(text)
        elif found.fuzzy:
            page.fuzzy.append(text)
        elif not found.string:
            page.missing.append(text)
        else:
            page.broken += [f"{text[:60]!r}: {p}" for p in lost(text, str(found.string))]
    return page


def read(path: Path) -> Catalog:
    """Return the texts of a file.

    Raises:
        ValueError: If it is none.
    """
    try:
        with path.open("rb") as file:
            return read_po(file, abort_invalid=True)
    except (OSError, ValueError, PoFileError) as error:
        raise ValueError(f"{path}: {error}") from None
