"""Does everything fit? On a screen, what is too wide scrolls and says so; paper holds it all.

Formulas are looked at twice: where they stand, by their boxes, and stacked on each other, by
pixels: what is seen with every box open and not without has been cut off.
"""

from __future__ import annotations

from typing import Any

from PIL import ImageChops

from tests.book.screen import MIDDLE, NARROW, PAPER, WIDE, look, picture, resize
from tools import press

# What scrolls sideways without a fading edge, or out of reach of the keyboard; formulas in a line
# of text that are wider than the paragraph.
NO_HINT = """
const problems = [];
const name = e => e.tagName.toLowerCase() + ' ' + e.textContent.trim().slice(0, 40);
const boxes = 'div.math, pre, .pst-scrollable-table-container, div.highlight, .cell_output, dt.sig';
for (const box of document.querySelectorAll(boxes)) {
  const style = getComputedStyle(box);
  if (!box.checkVisibility() || box.scrollWidth <= box.clientWidth + 1) continue;
  if (style.overflowX === 'visible') continue;
  if (style.maskImage === 'none' || box.tabIndex < 0) problems.push('no hint: ' + name(box));
}
for (const formula of document.querySelectorAll('span.math')) {
  const line = formula.closest('p, li, td, th, dd, figcaption, h1, h2, h3, h4');
  const part = formula.querySelector('mjx-math');
  if (!line || !part || !formula.checkVisibility()) continue;
  if (part.getBoundingClientRect().right > line.getBoundingClientRect().right + 1 &&
      !line.closest('.pst-scrollable-table-container'))
    problems.push('wider than its line: ' + name(formula));
}
return [...new Set(problems)].slice(0, 8);
"""

# A page that scrolls sideways, and what makes it so.
OVERFLOW = """
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= width && document.body.scrollWidth <= width) return [];
const scrolls = e => { for (e = e.parentElement; e; e = e.parentElement)
  if (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX) && e.tagName !== 'HTML') return true;
  return false; };
return [...document.querySelectorAll('body *')]
  .filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e))
  .slice(0, 5).map(e => e.tagName + '.' + e.className).concat(['page is ' +
    document.documentElement.scrollWidth + ' wide on a screen of ' + width]);
"""

# What does not fit on the paper.
CUT = press.CUT

STACK = """
const article = document.querySelector('article');
if (!article) return null;
const stack = document.createElement('div');
stack.id = 'stack';
stack.className = article.className;
const hide = document.createElement('style');
hide.id = 'stack-hides';
hide.textContent = 'article > :not(#stack) { display: none !important }' +
  '#stack.open :is(.math, mjx-container, mjx-math, mjx-mtable, mjx-table, mjx-itable) ' +
  '{ overflow: visible !important; clip-path: none !important; mask-image: none !important }';
article.append(stack);
for (const formula of article.querySelectorAll('div.math')) stack.append(formula.cloneNode(true));
document.head.append(hide);
for (const copy of [...stack.children]) if (copy.matches('.gdm-wide')) copy.remove();
const r = stack.getBoundingClientRect();
return stack.children.length ? {x: r.x + scrollX, y: r.y + scrollY, width: r.width,
                                height: r.height} : null;
"""
OPEN = "document.getElementById('stack').classList.toggle('open', arguments[0])"
UNSTACK = "for (const id of ['stack', 'stack-hides']) document.getElementById(id)?.remove()"
WHICH = """
const [y] = arguments;
const copies = [...document.getElementById('stack').children];
const hit = copies.find(c => c.getBoundingClientRect().bottom + scrollY > y) || copies[0];
return hit.querySelector('mjx-assistive-mml, mjx-container').textContent.slice(0, 40);
"""


def clipped_formulas(browser: Any) -> list[str]:
    """Return a displayed formula of which something is cut off, found by its pixels."""
    place = browser.execute_script(STACK)
    try:
        # A picture may come before the last stroke is painted: look again for what is missing.
        found = place and _missing(browser, place) and _missing(browser, place)
        if not found:
            return []
        which = browser.execute_script(WHICH, place["y"] + found[1])
        return [f"cut off, {found[1]} pixels down the stack: {which}"]
    finally:
        browser.execute_script(UNSTACK)


def _missing(browser: Any, place: dict[str, float]) -> tuple[int, int, int, int] | None:
    """Return where more is seen with open boxes than with the boxes as they are."""
    pictures = []
    for is_open in (False, True):
        browser.execute_script(OPEN, is_open)
        pictures.append(picture(browser, place))
    return ImageChops.difference(*pictures).getbbox()


def fit_problems(browser: Any) -> dict[str, list[str]]:
    """Look at the open page on three screens and on paper; paper is what it is left on."""
    problems = {}
    # The first is the screen on which it was opened: each change costs a long page a second.
    for size in (WIDE, MIDDLE, NARROW):
        resize(browser, size)
        if size == NARROW:
            problems["narrow screen"] = look(browser, OVERFLOW)
        problems[f"wide, {size[0]}"] = look(browser, NO_HINT)
        problems[f"clipped, {size[0]}"] = clipped_formulas(browser)
    resize(browser, PAPER, "print")
    problems["paper"] = look(browser, CUT)
    return problems
