"""What of a lesson's text is not for a student's copy: links to solved lessons and dead ones."""

from __future__ import annotations

import re

from tools.addresses import BADGE

# Code and formulas first: brackets in them are no links.
_LINK = re.compile(
    r"(?P<verbatim>```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$)"
    r'|(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]*)(?:\s+"[^"]*")?\)',
    flags=re.DOTALL,
)
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|#", flags=re.IGNORECASE)


def for_students(source: str, book: str | None) -> str:
    """Return a text cell whose links lead out of a student's folder, and to no solution.

    The badge goes; of a link to a lesson, whose page shows the solutions, and of a picture in a
    file the text stays; a link to a page of the book gets its address.

    Args:
        source: The Markdown.
        book: The address of the published book, or None where it has none.
    """
    badge = re.compile(rf"^{BADGE.pattern}[ \t]*\n*", flags=re.MULTILINE)
    return _LINK.sub(lambda match: _link(match, book), badge.sub("", source))


def _link(match: re.Match[str], book: str | None) -> str:
    """Return what stands in the place of a link."""
    target = match["target"]
    if match["verbatim"] or _ABSOLUTE.match(target):
        return match[0]
    path, _, anchor = target.partition("#")
    page = re.fullmatch(r"\.\./(.+)\.md", path)  # lessons lie one folder below the book's root
    if match["image"] or book is None or page is None:
        return match["text"]
    return f"[{match['text']}]({book}/{page[1]}.html{f'#{anchor}' if anchor else ''})"
