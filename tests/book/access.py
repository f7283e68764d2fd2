"""Can everybody use the page? axe-core in both looks, focus that is seen, headings in order."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from selenium.webdriver.common.keys import Keys

from tests.book.screen import look, set_theme

# Formulas have a hidden description of their own and are drawn with thousands of elements; code is
# thousands of words in a dozen colours. Formulas, and code that has no colour of its own, are taken
# out of the page while axe looks at it; of other code, one word of each colour is seen, and the
# others keep their places unseen.
AXE = """
const [only, done] = arguments;
const options = {resultTypes: ['violations'],
                 rules: {'label-content-name-mismatch': {enabled: true}}};
if (only) { options.runOnly = {type: 'rule', values: only}; delete options.rules; }
const seen = new Set(), judged = new Set(), aside = [], unseen = [];
const takeOut = e => { const mark = new Comment(); e.replaceWith(mark); aside.push([mark, e]); };
// Of a word of one character axe does not judge the contrast.
const isShort = word => word.textContent.trim().length < 2;
for (const code of document.querySelectorAll('pre')) {
  const place = getComputedStyle(code).backgroundColor;
  const kind = e => e === code ? place :
    kind(e.parentElement) + '/' + e.className + (e.getAttribute('style') || '');
  const words = [...code.querySelectorAll('span')].map(word => [word, kind(word)]);
  if (words.length && words.every(([w, k]) => judged.has(k) || (isShort(w) && seen.has(k)))) {
    takeOut(code);
    continue;
  }
  for (const [word, k] of words) {
    const spare = judged.has(k) || (isShort(word) && seen.has(k));
    if (spare && !word.children.length && !word.style.length) unseen.push(word);
    seen.add(k);
    if (!isShort(word)) judged.add(k);
  }
}
for (const word of unseen) word.style.visibility = 'hidden';
document.querySelectorAll('mjx-container').forEach(takeOut);
const back = found => { aside.forEach(([mark, e]) => mark.replaceWith(e));
  unseen.forEach(e => e.removeAttribute('style')); done(found); };
axe.run(document, options).then(found => back(found.violations
  .filter(v => v.impact === 'serious' || v.impact === 'critical')
  .map(v => v.id + ' (' + v.impact + ', ' + v.nodes.length + '): ' +
            v.nodes[0].target.join(' ') + ' ' + v.nodes[0].html.slice(0, 120) + ' ' +
            (v.nodes[0].any[0] || {message: ''}).message.slice(0, 200))),
  error => back(['axe failed: ' + error]));
"""

# axe knows this rule since 4.10 only.
NAMELESS = """
return [...document.querySelectorAll('summary, button, a[href]')]
  .filter(e => e.checkVisibility() && !e.textContent.trim() && !e.getAttribute('aria-label') &&
               !e.title && ![...e.querySelectorAll('img')].some(i => i.alt))
  .map(e => e.outerHTML.slice(0, 80)).slice(0, 8);
"""

STOPS = "a[href], button, summary, input, select, textarea, [tabindex]"
# Every stop of the tab key: an outline of at least two pixels, in contrast to what is behind it.
UNSEEN_FOCUS = (
    """
const problems = [];
const numbers = c => (c.match(/[\\d.]+/g) || []).map(Number);
const light = c => { const [r, g, b] = c.map(v => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = e => { for (e = e.parentElement; e; e = e.parentElement) {
  const c = numbers(getComputedStyle(e).backgroundColor);
  if (c.length >= 3 && (c.length < 4 || c[3] > 0.5)) return c.slice(0, 3); }
  return [255, 255, 255]; };
const top = [scrollX, scrollY];
for (const e of document.querySelectorAll('"""
    + STOPS
    + """')) {
  if (e.tabIndex < 0 || e.disabled || !e.checkVisibility({visibilityProperty: true})) continue;
  if (e.closest('mjx-container')) continue;
  e.focus({preventScroll: true});
  if (document.activeElement !== e) continue;
  const style = getComputedStyle(e);
  const a = light(numbers(style.outlineColor).slice(0, 3)), b = light(behind(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2 || ratio < 3)
    problems.push((e.tagName + '.' + e.className).slice(0, 60) + ' ' +
                  e.textContent.trim().slice(0, 30));
}
document.activeElement.blur();
scrollTo(...top);
return [...new Set(problems)].slice(0, 8);
"""
)

# The heavier a heading, the higher it stands: neither weight nor size may grow downwards.
HEADINGS = """
const problems = [], seen = [];
for (const level of [1, 2, 3, 4]) {
  for (const e of document.querySelectorAll('article h' + level)) {
    const style = getComputedStyle(e);
    seen.push([level, Number(style.fontWeight), parseFloat(style.fontSize)]);
  }
}
for (const [level, weight, size] of seen)
  for (const [other, heavy, large] of seen)
    if (level < other && (weight < heavy || size <= large))
      problems.push(`h${level} (${weight}, ${size} px) beside h${other} (${heavy}, ${large} px)`);
return [...new Set(problems)].slice(0, 8);
"""


@cache
def axe_source() -> str:
    """Return the program axe-core, which a package for tests carries."""
    return (files("selenium_axe_python") / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def axe_problems(browser: Any, only: list[str] | None = None) -> list[str]:
    """Return what axe-core calls serious or critical on the open page."""
    if not browser.execute_script("return !!window.axe"):
        browser.execute_script(axe_source())
    return browser.execute_async_script(AXE, only)


def use_the_keyboard(browser: Any) -> None:
    """Press the tab key once: from now on the browser shows where the focus is."""
    browser.find_element("tag name", "body").send_keys(Keys.TAB)


def access_problems(browser: Any) -> dict[str, list[str]]:
    """Look at the open page in both looks."""
    use_the_keyboard(browser)
    problems = {}
    for theme in ("light", "dark"):
        set_theme(browser, theme)
        only = None if theme == "light" else ["color-contrast"]
        problems[f"axe, {theme}"] = axe_problems(browser, only)
        problems[f"focus, {theme}"] = look(browser, UNSEEN_FOCUS)
    problems["names"] = look(browser, NAMELESS)
    problems["headings"] = look(browser, HEADINGS)
    return problems
