"""Which versions are published beside this one, and what is read in another language.

``versions.json`` stands beside the first page: here it names this version alone, and the script
``editions.js`` shows nothing. ``tools.versions`` puts several books together and writes it anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

FILE = "versions.json"
WORDS = {
    "de": {
        0: "Diese Seite ist noch nicht übersetzt; sie erscheint auf Englisch.",
        1: "Diese Seite ist erst zum Teil übersetzt; der Rest erscheint auf Englisch.",
        2: "Übersetzung der englischen Seite. Programmtext, seine Ausgaben und die Schrift in den "
        "Bildern bleiben englisch.",
    },
}


def version(root: Path) -> str:
    """Return the version of the library below a folder, or nothing if there is none."""
    source = root / "gdmlib" / "__init__.py"
    text = source.read_text(encoding="utf-8") if source.is_file() else ""
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return found.group(1) if found else ""


def state(complete: bool, translated: int) -> int:
    """Return 0 for a page in English, 1 for one translated in part and 2 for one in full."""
    return 2 if complete else min(translated, 1)


class SayLanguage(SphinxTransform):
    """A translated book says at the top of each page how much of it is translated."""

    default_priority = 27  # after Sphinx has counted what it translated

    def apply(self, **kwargs: object) -> None:
        """Put one sentence behind the title."""
        words = WORDS.get(self.config.language)
        title = self.document.next_node(nodes.title)
        if words is None or title is None:
            return
        done = self.document.get("translation_progress", {}).get("translated", 0)
        complete = self.env.docname in complete_pages(Path(self.app.srcdir), self.config.language)
        note = nodes.admonition("", nodes.paragraph("", words[state(complete, done)]))
        note["classes"] = ["gdm-language"]
        if not complete and not done:
            note["lang"] = self.config.language
        title.parent.insert(title.parent.index(title) + 1, note)


def complete_pages(root: Path, language: str) -> set[str]:
    """Return the pages whose translation is said to be complete, without suffix."""
    source = root / "locale" / language / "complete.txt"
    lines = source.read_text(encoding="utf-8").splitlines() if source.is_file() else []
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        here = version(Path(app.srcdir))
        table = {"here": here, "versions": [{"name": here, "place": "./"}]}
        Path(app.outdir, FILE).write_text(json.dumps(table) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register both."""
    app.add_transform(SayLanguage)
    app.connect("build-finished", _write)
