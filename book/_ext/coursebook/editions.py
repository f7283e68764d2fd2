"""Which versions are published beside this one, and what is read in another language.

``versions.json`` stands beside the first page: here it names this version alone, and the script
``editions.js`` shows nothing. ``tools.versions`` puts several books together and writes it anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.locale import init as init_locale
from sphinx.transforms import SphinxTransform

FILE = "versions.json"


def version(root: Path) -> str:
    """Return the version of the library below a folder, or nothing if there is none."""
    source = root / "gdmlib" / "__init__.py"
    text = source.read_text(encoding="utf-8") if source.is_file() else ""
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return found.group(1) if found else ""


def state(complete: bool, translated: int) -> int:
    """Return 0 for a page in English, 1 for one translated in part and 2 for one in full."""
    return 2 if complete else min(translated, 1)


@cache
def words(root: Path, language: str) -> dict[str, Any]:
    """Return what the book says by itself in a language; nothing in English."""
    source = root / "locale" / language / "words.yml"
    return yaml.safe_load(source.read_text(encoding="utf-8")) if source.is_file() else {}


class TranslateDisplays(SphinxTransform):
    """Words in displayed formulas: Sphinx would parse the translation as a paragraph."""

    default_priority = 19  # before Sphinx's own, which then finds nothing to translate

    def apply(self, **kwargs: object) -> None:
        """Replace each formula that has a translation."""
        folders = [str(Path(self.app.srcdir, folder)) for folder in self.config.locale_dirs]
        texts, found = init_locale(folders, self.config.language, self.env.docname)
        for formula in self.document.findall(nodes.math_block) if found else ():
            other = texts.gettext(formula.rawsource) if formula.rawsource else ""
            if other and other != formula.rawsource:
                formula.rawsource, formula.children = other, [nodes.Text(other)]


class SayLanguage(SphinxTransform):
    """A translated book says at the top of each page how much of it is translated."""

    default_priority = 27  # after Sphinx has counted what it translated

    def apply(self, **kwargs: object) -> None:
        """Put one sentence behind the title."""
        root, language = Path(self.app.srcdir), self.config.language
        notes, title = words(root, language).get("notes"), self.document.next_node(nodes.title)
        if not notes or title is None:
            return
        done = self.document.get("translation_progress", {}).get("translated", 0)
        complete = self.env.docname in complete_pages(root, language)
        note = nodes.admonition("", nodes.paragraph("", notes[state(complete, done)]))
        note["classes"] = ["gdm-language"]
        title.parent.insert(title.parent.index(title) + 1, note)


def _translate_captions(app: Sphinx, document: nodes.document) -> None:
    # The captions of the contents join the first page when Sphinx has already translated it.
    folders = [str(Path(app.srcdir, folder)) for folder in app.config.locale_dirs]
    texts, found = init_locale(folders, app.config.language, app.env.docname)
    for tree in document.findall(addnodes.toctree) if found else ():
        if tree.get("caption"):
            tree["caption"] = texts.gettext(tree["caption"])


def say(body: str, phrases: Mapping[str, str]) -> str:
    """Return a page in which what stands alone between two tags is translated."""
    for english, other in phrases.items():
        body = re.sub(rf">(\s*){re.escape(english)}(\s*)<", rf">\1{other}\2<", body)
    return body


def _say(
    app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None
) -> None:
    root, language = Path(app.srcdir), app.config.language
    if page in complete_pages(root, language) and "body" in context:
        context["body"] = say(context["body"], words(root, language).get("phrases", {}))


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
    """Register all five, the captions before Sphinx collects them."""
    app.add_transform(TranslateDisplays)
    app.add_transform(SayLanguage)
    app.connect("doctree-read", _translate_captions, priority=100)
    app.connect("html-page-context", _say)
    app.connect("build-finished", _write)
