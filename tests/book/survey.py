"""One look at a page: it is opened once, and every check is made on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.book.access import access_problems
from tests.book.fits import fit_problems
from tests.book.screen import (
    WIDE,
    console_problems,
    look,
    network_problems,
    open_folds,
    open_page,
    set_screen,
)

BAD_MATHS = """
const problems = [];
for (const m of document.querySelectorAll('.math')) {
  if (!m.querySelector('mjx-container'))
    problems.push('not typeset: ' + m.textContent.slice(0, 60));
}
for (const e of document.querySelectorAll('mjx-merror'))
  problems.push('error: ' + (e.getAttribute('title') || e.textContent).slice(0, 80));
for (const e of document.querySelectorAll('mjx-mtext')) {
  const c = getComputedStyle(e).color;
  if (c === 'rgb(255, 0, 0)')
    problems.push('undefined macro: ' + e.closest('mjx-container').textContent.slice(0, 60));
}
return problems;
"""

BAD_IMAGES = """
return [...document.images].filter(i => i.loading !== 'lazy' && !(i.complete && i.naturalWidth > 0))
  .map(i => i.src);
"""


def visit(browser: Any, address: str, allowed: str) -> dict[str, list[str]]:
    """Open a page, look at it in every way, and return every problem."""
    set_screen(browser, WIDE)
    open_page(browser, address)
    problems = {
        "maths": look(browser, BAD_MATHS),
        "images": look(browser, BAD_IMAGES),
        "network": network_problems(browser, allowed),
        "console": console_problems(browser),
    }
    open_folds(browser)
    problems |= access_problems(browser)
    problems |= fit_problems(browser)
    browser.get("about:blank")  # which, other than a long page, costs nothing to lay out anew
    set_screen(browser, WIDE)
    return {name: found for name, found in problems.items() if found}


def visit_all(browser: Any, site: str, html: Path, pages: list[Path]) -> str:
    """Return the problems of pages as text; an empty one means that all is well."""
    found = {}
    for page in sorted(pages):
        name = page.relative_to(html).as_posix()
        problems = visit(browser, f"{site}/{name}", site)
        if problems:
            found[name] = problems
    return json.dumps(found, indent=1) if found else ""
