"""Every check of a page in the browser finds the fault that it is for, on a planted page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book.screen import plant
from tests.book.survey import visit

MATHJAX = '<script defer src="mathjax/tex-chtml-full.js"></script>'
STYLE = """<style>
:focus-visible { outline: 3px solid #005f96 }
h1 { font: 700 32px sans-serif } h2 { font: 600 24px sans-serif }
.pale { color: #bbb }
.kept { overflow-x: auto; mask-image: linear-gradient(to left, transparent, black 2rem) }
@media print { .kept, pre { white-space: pre-wrap; overflow-wrap: anywhere; overflow: visible } }
</style>"""
LONG = "word " * 200
# An upright stroke that sticks out of the line above and of the box below.
TALL = r"<div class='math' style='overflow: hidden; line-height: 0.3'>\[a^{b^{c^d}} \Big| x\]</div>"
WIDE_TEX = "+".join(f"a_{{{n}}}" for n in range(60))

FAULTS = {
    "console": "<script>nothing.here()</script>",
    "network": '<script src="missing.js"></script>',
    "network, outside": '<img src="http://example.org/a.png" alt="x">',
    "images": '<img src="missing.png" alt="x">',
    "maths, no MathJax": r'<p class="math">\(a\)</p>',
    "maths, error": MATHJAX + r'<p class="math">\(\frac{1}\)</p>',
    "maths, macro": MATHJAX + r'<p class="math">\(\frobnicate{a}\)</p>',
    "maths, tag in split": MATHJAX
    + r'<div class="math">\[\begin{split}a \\ b \tag{1}\end{split}\]</div>',
    "axe, light": '<p style="color: #bbb">pale</p>',
    "axe, dark": '<p style="color: #bbb">pale</p>',
    "axe, light, code": "<pre><span>fine</span> <span>fine</span> "
    '<span class="pale">pale</span></pre>',
    "axe, light, code, later": '<pre><span class="pale">(</span> <span>fine</span></pre>'
    '<pre><span>fine</span> <span class="pale">pale</span></pre>',
    "axe, dark, code in code": "<pre><span>fine</span></pre>"
    '<pre><b class="pale"><span>pale</span></b></pre>',
    "axe, light, no name": '<a href="a.html"></a>',
    "axe, light, another name": '<button aria-label="Stop">Go</button>',
    "names": "<details><summary></summary>more</details>",
    "focus, light": '<button style="outline: none">Go</button>',
    "focus, dark": '<a href="good.html" style="outline-color: #fafafa">there</a>',
    "headings": '<h2>A part</h2><h3 style="font: 700 20px sans-serif">heavier than its part</h3>',
    "headings, larger": '<h2>A part</h2><h3 style="font: 400 30px sans-serif">larger</h3>',
    "narrow screen": '<div style="width: 900px">wide</div>',
    "wide, 390": f'<pre style="overflow-x: auto">{LONG}</pre>',
    "wide, 1400": f'<pre style="overflow-x: auto">{LONG}</pre>',
    "wide, 390, in a line": MATHJAX + rf'<p><span class="math">\({WIDE_TEX}\)</span></p>',
    "wide, 1100, no key": f'<pre class="kept" tabindex="-1">{LONG}</pre>',
    "clipped, 1400": MATHJAX + TALL,
    "clipped, 1100": MATHJAX + TALL,
    "clipped, 390": MATHJAX + TALL,
    "paper": f'<pre style="white-space: pre; overflow-x: auto">{LONG}</pre>',
    "paper, formula": MATHJAX + rf"<div class='math'>\[{WIDE_TEX}\]</div>",
    "paper, table": f"<table><tr>{'<td>column</td>' * 40}</tr></table>",
    "paper, picture": '<figure><svg width="900" height="9"></svg></figure>',
}
GOOD = rf"""<main><article><h1>A page</h1><h2>A part</h2>
<p><span class="math">\(\boldsymbol{{a}}^2\)</span> and <a href="good.html">a link</a>.</p>
<div class="math" style="padding: 1em 0">\[a^{{b^c}}\]</div>
<pre class="kept" tabindex="0">{LONG}</pre></article></main>"""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, browser, bad_site: tuple[str, Path]):
    address, folder = bad_site
    body = f"<main><article><h1>A page</h1>{FAULTS[fault]}</article></main>"
    problems = visit(browser, f"{address}/{plant(folder, fault, STYLE, body)}", address)
    assert any(fault.startswith(name) for name in problems), problems


def test_a_good_page_passes(browser, bad_site: tuple[str, Path]):
    address, folder = bad_site
    assert (
        visit(browser, f"{address}/{plant(folder, 'good', STYLE + MATHJAX, GOOD)}", address) == {}
    )


def test_every_kind_of_problem_has_a_planted_fault():
    kinds = {"console", "network", "images", "maths", "names", "headings", "narrow screen", "paper"}
    kinds |= {f"{check}, {theme}" for check in ("axe", "focus") for theme in ("light", "dark")}
    kinds |= {f"{check}, {width}" for check in ("wide", "clipped") for width in (390, 1100, 1400)}
    assert {kind for kind in kinds if not any(f.startswith(kind) for f in FAULTS)} == set()
