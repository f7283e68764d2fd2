"""The order of what the search finds: by how often a lesson has the words, which Sphinx ignores."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search.en import SearchEnglish

LESSONS = "notebooks/"
LEAST = 2  # a word that a lesson has once says little about it
SCORER = Path(__file__).with_name("ranking.js")


def stem_counts(document: nodes.Node) -> dict[str, int]:
    """Return how often each stem occurs in prose and formulas of a page; code does not count."""
    language = SearchEnglish({})
    texts = [
        text.astext()
        for text in document.findall(nodes.Text)
        if not isinstance(text.parent, nodes.literal_block)
    ]
    words = Counter(language.stem(word.lower()) for text in texts for word in language.split(text))
    return {
        word: count
        for word, count in sorted(words.items())
        if count >= LEAST and word not in language.stopwords and not word.isdigit()
    }


def scorer(counts: dict[str, dict[str, int]]) -> str:
    """Return the program that orders results, with the counts of every lesson in it."""
    table = json.dumps(counts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return SCORER.read_text(encoding="utf-8").replace("/* COUNTS */ {}", table)


def _write(app: Sphinx, env: BuildEnvironment) -> None:
    lessons = sorted(name for name in env.all_docs if name.startswith(LESSONS))
    program = scorer({name: stem_counts(env.get_doctree(name)) for name in lessons})
    target = Path(app.doctreedir, "ranking.js")
    target.write_text(program, encoding="utf-8")
    app.config.html_search_scorer = str(target)


def setup(app: Sphinx) -> None:
    """Register the program once all pages have been read."""
    app.connect("env-updated", _write)
