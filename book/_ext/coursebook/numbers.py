"""A lesson has the number of its file, on its page, in the side bar and in its figures.

The theme counts chapters, which is another number wherever one is not written yet.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

LESSON = re.compile(r"notebooks/(\d\d)_\w+")


def renumber(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Put the number of its file first in all numbers of a lesson; pages are written after this."""
    for docname in list(env.toc_secnumbers):
        found = LESSON.fullmatch(docname)
        if found is None:
            continue
        first = int(found[1])
        env.toc_secnumbers[docname] = {
            anchor: (first, *number[1:]) if number else number
            for anchor, number in env.toc_secnumbers[docname].items()
        }
        marked = [*env.tocs[docname].findall(nodes.reference), env.titles[docname]]
        for node in marked:
            if node.get("secnumber"):
                node["secnumber"] = [first, *node["secnumber"][1:]]
        for numbers in env.toc_fignumbers.get(docname, {}).values():
            for name, number in numbers.items():
                numbers[name] = (first, *number[1:])
    return []


def setup(app: Sphinx) -> None:
    """Register it, after the numbers have been given."""
    app.connect("env-get-updated", renumber, priority=900)
