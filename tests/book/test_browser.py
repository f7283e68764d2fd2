"""The built pages in a real browser, with no network but this machine.

A check returns a list of problems; each is shown, at the end, to find one in a planted bad page.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

CENTRE = "{block: 'center', behavior: 'instant'}"
WIDE, NARROW = (1400, 1000), (390, 844)

TYPESET = """
const done = arguments[arguments.length - 1];
const ready = window.MathJax && MathJax.startup && MathJax.startup.promise;
(ready || Promise.resolve()).then(() => setTimeout(done, 30), done);
"""

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

# Contrast as WCAG 2 defines it, for every element of the article that has text of its own.
LOW_CONTRAST = r"""
const numbers = c => (c.match(/[\d.]+/g) || []).map(Number);
const light = c => { const [r, g, b] = c.map(v => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = e => { for (; e; e = e.parentElement) {
  const c = numbers(getComputedStyle(e).backgroundColor);
  if (c.length >= 3 && (c.length < 4 || c[3] > 0.5)) return c.slice(0, 3); }
  return [255, 255, 255]; };
const problems = [];
const names = 'p,li,td,th,dt,dd,a,code,figcaption,summary,h1,h2,h3,h4,' +
  'span.pre,.caption-text,.sd-badge';
for (const e of document.querySelectorAll('article *')) {
  if (!e.matches(names) || e.closest('svg,mjx-container,.headerlink')) continue;
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.offsetParent) continue;
  const style = getComputedStyle(e);
  const a = light(numbers(style.color).slice(0, 3)), b = light(behind(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const large = parseFloat(style.fontSize) >= 24;
  if (ratio < (large ? 3 : 4.5))
    problems.push(ratio.toFixed(2) + ': ' + e.tagName + ' ' + e.textContent.trim().slice(0, 40));
}
return [...new Set(problems)].slice(0, 8);
"""


def resize(browser: Any, size: tuple[int, int]) -> None:
    """Give the page the size of a desk screen, or of a telephone."""
    width, height = size
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )


def open_page(browser: Any, address: str) -> None:
    """Open a page and wait until its formulas are typeset; forget what was logged before."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(address)
    browser.execute_async_script(TYPESET)


def console_problems(browser: Any) -> list[str]:
    """Return errors and warnings of the console since the page was opened."""
    entries = browser.get_log("browser")
    return [e["message"][:200] for e in entries if e["level"] in {"SEVERE", "WARNING"}]


def network_problems(browser: Any, allowed: str) -> list[str]:
    """Return requests that failed, or went elsewhere, since the page was opened."""
    problems, addresses = [], {}
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        method, params = message["method"], message["params"]
        if method == "Network.requestWillBeSent":
            address = params["request"]["url"]
            addresses[params["requestId"]] = address
            if not address.startswith((allowed, "data:", "blob:", "about:")):
                problems.append(f"asks for {address}")
        elif method == "Network.responseReceived" and params["response"]["status"] >= 400:
            problems.append(f"{params['response']['status']}: {params['response']['url']}")
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            problems.append(f"{params['errorText']}: {addresses.get(params['requestId'])}")
    return problems


def look(browser: Any, script: str) -> list[str]:
    """Run one of the scripts above on the open page."""
    return browser.execute_script(script)


def set_theme(browser: Any, theme: str) -> None:
    """Choose the light or the dark look, as the button in the page's head does."""
    root = "document.documentElement.dataset"
    browser.execute_script(f"{root}.theme = '{theme}'; {root}.mode = '{theme}';")


def visit(browser: Any, address: str, allowed: str) -> dict[str, list[str]]:
    """Open a page, look at it wide and narrow, light and dark, and return every problem."""
    resize(browser, WIDE)
    open_page(browser, address)
    problems = {
        "maths": look(browser, BAD_MATHS),
        "images": look(browser, BAD_IMAGES),
        "network": network_problems(browser, allowed),
        "console": console_problems(browser),
    }
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    for theme in ("light", "dark"):
        set_theme(browser, theme)
        problems[f"contrast, {theme}"] = look(browser, LOW_CONTRAST)
    resize(browser, NARROW)
    problems["narrow screen"] = look(browser, OVERFLOW)
    resize(browser, WIDE)
    return {name: found for name, found in problems.items() if found}


def test_every_page_is_in_order(browser, site: str, html: Path):
    pages = [*html.glob("book/**/*.html"), *html.glob("notebooks/*.html"), html / "genindex.html"]
    found = {}
    for page in sorted(pages):
        name = page.relative_to(html).as_posix()
        problems = visit(browser, f"{site}/{name}", site)
        if problems:
            found[name] = problems
    assert not found, json.dumps(found, indent=1)


def test_formulas_are_on_the_pages(browser, site: str, html: Path):
    for lesson in sorted((html / "notebooks").glob("*.html")):
        open_page(browser, f"{site}/notebooks/{lesson.name}")
        count = "return document.querySelectorAll('mjx-container').length"
        assert browser.execute_script(count) > 5, lesson.name


def test_index_opens_the_course(browser, site: str):
    open_page(browser, f"{site}/index.html")
    wait_for(browser, "return location.pathname === '/book/index.html'")
    assert browser.title.startswith("Deep Generative Models")


def test_the_book_opens_as_a_file(browser, html: Path):
    open_page(browser, (html / "index.html").as_uri())
    wait_for(browser, "return location.pathname.endsWith('/book/index.html')")
    browser.execute_async_script(TYPESET)
    assert look(browser, BAD_MATHS) == []
    assert look(browser, BAD_IMAGES) == []
    assert browser.execute_script("return document.querySelectorAll('mjx-container').length") > 3


def test_solutions_open_on_a_click(browser, site: str, html: Path):
    resize(browser, WIDE)
    for lesson in sorted((html / "notebooks").glob("*.html")):
        open_page(browser, f"{site}/notebooks/{lesson.name}")
        folds = browser.find_elements("css selector", ".exercise-solution > details")
        assert folds, lesson.name
        for fold in folds:
            code = fold.find_element("css selector", ".cell_input")
            summary = fold.find_element("css selector", "summary")
            wait_for(browser, "return !arguments[0].checkVisibility()", code)
            browser.execute_script(
                "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", summary
            )
            summary.click()
            wait_for(browser, "return arguments[0].checkVisibility()", code)
            summary.click()
            wait_for(browser, "return !arguments[0].checkVisibility()", code)


def test_search_finds_likelihood(browser, site: str):
    open_page(browser, f"{site}/search.html?q=likelihood")
    wait_for(browser, "return document.querySelectorAll('ul.search li a').length > 3")
    links = browser.execute_script(
        "return [...document.querySelectorAll('ul.search li a')].map(a => a.getAttribute('href'))"
    )
    assert any("notebooks/02_gaussian_mle" in link for link in links), links
    wait_for(browser, "return !!document.querySelector('ul.search li p.context')")
    assert network_problems(browser, site) == []


def test_the_menu_opens_on_a_narrow_screen(browser, site: str):
    resize(browser, NARROW)
    open_page(browser, f"{site}/book/read.html")
    selector = "#pst-primary-sidebar-modal a[href], #pst-primary-sidebar a[href]"
    entry = (
        "[...document.querySelectorAll(arguments[0])].find(a => /How to run/.test(a.textContent))"
    )
    shown = f"const a = {entry}; if (!a) return false; const r = a.getBoundingClientRect();"
    shown += "return a.checkVisibility() && r.left >= 0 && r.right <= innerWidth && r.width > 0;"
    assert not browser.execute_script(shown, selector)
    buttons = browser.find_elements("css selector", ".bd-header-article button.primary-toggle")
    next(button for button in buttons if button.is_displayed()).click()
    wait_for(browser, shown, selector)
    resize(browser, WIDE)


def test_the_look_can_be_switched(browser, site: str):
    open_page(browser, f"{site}/book/read.html")
    theme = "return document.documentElement.dataset.theme"
    seen = set()
    for _ in range(3):
        buttons = browser.find_elements("css selector", "button.theme-switch-button")
        next(button for button in buttons if button.is_displayed()).click()
        seen.add(browser.execute_script(theme))
    assert seen >= {"light", "dark"}
    browser.execute_script("localStorage.clear()")


def test_figures_stand_on_white_in_the_dark(browser, site: str, html: Path):
    style = "const look = i => { const s = getComputedStyle(i);"
    style += "return [s.filter, s.backgroundColor]; };"
    every = "return [...document.querySelectorAll('article figure img')].map(look);"
    seen = []
    lessons = [f"notebooks/{page.stem}" for page in (html / "notebooks").glob("*.html")]
    for page in ["book/index", *lessons]:
        open_page(browser, f"{site}/{page}.html")
        set_theme(browser, "dark")
        seen += browser.execute_script(style + every)
    assert seen
    assert [found for found in seen if found != ["none", "rgb(255, 255, 255)"]] == []


def wait_for(browser: Any, condition: str, *arguments: object, seconds: float = 20) -> None:
    """Wait until a script returns true."""
    end = time.monotonic() + seconds
    while not browser.execute_script(condition, *arguments):
        assert time.monotonic() < end, f"waited {seconds} s for: {condition}"
        time.sleep(0.05)


def test_where_there_is_no_browser_it_is_said_how_to_get_one(browser_search, monkeypatch):
    find, message = browser_search
    monkeypatch.setenv("CHROME", "/nowhere/chrome")
    monkeypatch.setenv("CHROMEDRIVER", "/nowhere/chromedriver")
    monkeypatch.setenv("PATH", "")
    assert find() is None
    assert "apt-get install chromium chromium-driver" in message
    assert "brew install" in message
    monkeypatch.setenv("CHROME", __file__)
    monkeypatch.setenv("CHROMEDRIVER", __file__)
    assert find() == (__file__, __file__)


# --- the checks can fail

MATHJAX = '<script src="mathjax/tex-chtml-full.js"></script>'
PLANTED = {
    "console": "<script>nothing.here()</script>",
    "network": '<script src="missing.js"></script>',
    "network, outside": '<img src="http://example.org/a.png" alt="x">',
    "images": '<img src="missing.png" alt="x">',
    "maths, no MathJax": r'<p class="math">\(a\)</p>',
    "maths, error": MATHJAX + r'<p class="math">\(\frac{1}\)</p>',
    "maths, macro": MATHJAX + r'<p class="math">\(\frobnicate{a}\)</p>',
    "maths, tag in split": MATHJAX
    + r'<div class="math">\[\begin{split}a \\ b \tag{1}\end{split}\]</div>',
    "contrast, light": '<article><p style="color: #bbb">pale</p></article>',
    "contrast, dark": '<article><p style="color: #bbb">pale</p></article>',
    "narrow screen": '<main><div style="width: 900px">wide</div></main>',
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, browser, bad_site: tuple[str, Path]):
    address, folder = bad_site
    head = '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    page = f"<!doctype html><html><head>{head}</head><body>{PLANTED[fault]}</body></html>"
    # A name of its own: the browser would take a page of the same second from its cache.
    file = folder / f"{fault.replace(', ', '-').replace(' ', '-')}.html"
    file.write_text(page, encoding="utf-8")
    problems = visit(browser, f"{address}/{file.name}", address)
    name = fault if fault.startswith("contrast") else fault.split(",")[0]
    assert problems.get(name), problems


def test_a_good_page_passes(browser, bad_site: tuple[str, Path]):
    address, folder = bad_site
    head = '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
    body = MATHJAX + r'<article><p class="math">\(\boldsymbol{a}^2\)</p><p>Text.</p></article>'
    page = f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"
    (folder / "good.html").write_text(page, encoding="utf-8")
    assert visit(browser, f"{address}/good.html", address) == {}
