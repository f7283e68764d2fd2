"""The first page is light and soon usable; pages load what they use, and say what they are."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from bs4 import BeautifulSoup
from coursebook import light, previews
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError

from tests.book.screen import open_page
from tools.serve import Handler, open_server

MOST_BYTES, MOST_SECONDS = 300_000, 1.0

USABLE = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


class Quiet(Handler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def served(html: Path) -> Iterator[str]:
    """Return the address of the book as `make serve` serves it: text is compressed."""
    import threading

    server = open_server(html, "0", Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def weigh(browser, address: str) -> dict[str, int]:
    """Return what a page and all that it loads weigh, in bytes on the wire, by address."""
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    try:
        open_page(browser, address)
        time.sleep(0.3)  # what scripts ask for after the page has been loaded
        entries = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    finally:
        browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
    asked, found = {}, {}
    for entry in entries:
        params = entry["params"]
        if entry["method"] == "Network.requestWillBeSent":
            asked[params["requestId"]] = params["request"]["url"]
        elif entry["method"] == "Network.loadingFinished" and params["requestId"] in asked:
            found[asked[params["requestId"]]] = params["encodedDataLength"]
    return found


def test_the_first_page_is_light(browser, served: str):
    found = weigh(browser, f"{served}/book/index.html")
    heaviest = sorted(found.items(), key=lambda pair: -pair[1])[:5]
    assert any("landing" in address for address in found), found
    assert len(found) > 15
    assert 50_000 < sum(found.values()) < MOST_BYTES, heaviest


def test_a_page_with_formulas_is_heavier_so_that_the_scale_works(browser, served: str):
    found = weigh(browser, f"{served}/notebooks/02_gaussian_mle.html")
    assert sum(found.values()) > MOST_BYTES


def test_the_first_page_is_usable_within_a_second(browser, served: str):
    seconds = []
    for _ in range(3):  # a busy machine is slow at times
        browser.get(f"{served}/book/index.html")
        seconds.append(browser.execute_script(USABLE) / 1000)
    assert 0 < min(seconds) < MOST_SECONDS, seconds


def test_pages_load_what_they_use(html: Path):
    pages = [*html.glob("book/**/*.html"), *html.glob("notebooks/*.html"), html / "search.html"]
    wrong = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        sources = re.findall(r'<script[^>]* src="([^"]*)"', text)
        formulas = re.search(r'class="(math|[^"]* math)[ "]', text) is not None
        if any("tex-chtml" in source for source in sources) != formulas:
            wrong.append(f"{page.name}: MathJax, with formulas: {formulas}")
        if any("searchindex" in source for source in sources) != (page.name == "search.html"):
            wrong.append(f"{page.name}: index of the search")
        if any("fontawesome" in source for source in sources):
            wrong.append(f"{page.name}: icons as a script")
    assert wrong == []


def test_icons_that_are_shown_are_in_the_font(html: Path):
    static = html / "_static"
    there = set(TTFont(static / light.FONT).getBestCmap())
    style = (static / light.THEME).read_text(encoding="utf-8")
    pages = [page.read_text(encoding="utf-8") for page in html.glob("*/*.html")]
    wanted = light.icons(style, pages)
    assert len(wanted) > 8 and wanted <= there
    assert len(there) < 60 and (static / light.FONT).stat().st_size < 6000


def test_icons_by_name_and_by_code_point_are_found():
    style = '.fa-bars:before,.fa-navicon:before{content:"\\f0c9"}.fa-x:before{content:"\\f00d"}'
    assert light.icons(
        style, ['<i class="fa-solid fa-navicon">', 'a:before{content:"\\f107"}']
    ) == {
        0xF0C9,
        0xF107,
    }


def test_a_script_that_the_theme_no_longer_has_is_an_error():
    other = '<script src="b.js"></script>'
    page = f'<p></p>\n  <script defer src="a/fontawesome.js?digest=1"></script>{other}'
    assert light.without_scripts(page, "fontawesome.js") == f"<p></p>{other}"
    with pytest.raises(ExtensionError, match=r"loads no searchtools\.js"):
        light.without_scripts(page, "searchtools.js")


@pytest.mark.parametrize(
    ("tex", "html"),
    [
        ("p(x)", "<i>p</i>(<i>x</i>)"),
        (
            r"p(x_i \mid x_{<i})",
            "<i>p</i>(<i>x</i><sub><i>i</i></sub> ∣ <i>x</i><sub>&lt;<i>i</i></sub>)",
        ),
        (r"\prod_i x_i = 2", "∏<sub><i>i</i></sub><i>x</i><sub><i>i</i></sub> = 2"),
        (r"\mathrm{d}z", "d<i>z</i>"),
    ],
)
def test_small_formulas_become_letters(tex: str, html: str):
    assert light.plain(fromstring(tex2mathml(tex))) == html


def test_a_formula_that_letters_cannot_set_is_an_error():
    with pytest.raises(ExtensionError, match="sets no mfrac"):
        light.plain(fromstring(tex2mathml(r"\frac{1}{2}")))


# --- what is shown of a page where its address is shared


def heads(html: Path) -> dict[str, dict[str, str]]:
    found = {}
    for page in [*html.glob("book/**/*.html"), *html.glob("notebooks/*.html")]:
        head = page.read_text(encoding="utf-8").partition("</head>")[0]
        soup = BeautifulSoup(head, "html.parser")
        tags = [tag for tag in soup.find_all("meta") if tag.get("content")]
        found[page.stem] = {t.get("property") or t.get("name", ""): t["content"] for t in tags}
    return found


def test_every_page_says_what_it_is(html: Path):
    found = heads(html)
    silent = [name for name, head in found.items() if not head.get("og:title")]
    lessons = [name for name in found if re.match(r"\d\d_", name)]
    assert len(lessons) >= 18 and silent == []
    assert [name for name in lessons if len(found[name].get("og:description", "")) < 60] == []
    says = [head.get("og:description") for head in found.values() if head.get("og:description")]
    assert [text for text in says if "\\" in text or "$" in text or len(text) > 200] == []


def test_absolute_addresses_are_given_where_they_are_known(small_book, tmp_path: Path, html: Path):
    says = "The first paragraph of this page is long enough to say what it is about: $x$."
    page = f"# A page\n\n{says}\n"
    made = small_book(tmp_path, {"book/index.md": page}, "https://github.com/Some/course")
    assert made.returncode == 0, made.log[-2000:]
    head = heads(made.html)["index"]
    assert head["og:title"] == "A page"
    assert head["og:description"] == says.replace("$", "")
    assert head["og:url"] == "https://some.github.io/course/book/index.html"
    assert head["og:image"] == "https://some.github.io/course/_static/preview.png"
    assert (made.html / "_static" / "preview.png").is_file()


@pytest.mark.parametrize(
    "address",
    ["https://github.com/OWNER/course", "https://other.org/a/course", "", "https://github.com/a"],
)
def test_no_absolute_address_is_given_where_none_is_known(address: str):
    assert previews.site_of(address) is None
    tags = previews.tags("T", "says", "Book", "a.html", None)
    assert "og:url" not in tags and "og:image" not in tags and 'content="summary"' in tags


def test_a_short_first_paragraph_and_lists_are_passed_over():
    page = nodes.section("", nodes.title("", "T"), nodes.paragraph("", "Short."))
    page += nodes.bullet_list("", nodes.list_item("", nodes.paragraph("", "in a list " * 20)))
    page += nodes.paragraph("", "words " * 60)
    text = previews.description(nodes.section("", page))
    assert text.startswith("words words") and text.endswith(" …") and len(text) <= previews.MOST
    assert previews.description(nodes.section("", nodes.paragraph("", "Short."))) == ""


def test_what_stands_in_a_tag_is_escaped():
    assert 'content="&quot;A&quot; &lt; B"' in previews.tags('"A" < B', "", "Book", "a.html", None)
