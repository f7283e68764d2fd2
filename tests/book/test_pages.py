"""The built pages, read without a browser.

Each check returns a list of problems and is shown, below, to find one in a planted bad page.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

# Pages that Sphinx makes by itself.
MACHINE_MADE = {"search.html", "genindex.html", "py-modindex.html", "index.html"}
BEGIN_END = re.compile(r"\\(begin|end)\{([^}]+)\}")
LEAKS = (
    r"\$\$",
    r"\\begin\{",
    r"\{(doc|ref|term|cite|repo|math)[:\w]*\}",
    r"\]\(",
    r"^:::",
    r"```",
)
REMOTE_CSS = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])(?:https?:)?//", re.IGNORECASE)


@cache
def soup_of(path: Path) -> BeautifulSoup:
    """Return the parsed page."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def article_of(soup: BeautifulSoup) -> Tag:
    """Return the part of a page that an author wrote."""
    return soup.find("article") or soup


# --- checks of one page


def bad_images(soup: BeautifulSoup) -> list[str]:
    """Return images without a description, or with a path in its place."""
    problems = []
    for image in soup.find_all("img"):
        alt, source = (image.get("alt") or "").strip(), image.get("src", "")
        name = source.rsplit("/", 1)[-1]
        if not alt or alt in {source, name} or "/" in alt.split(" ")[0] or name in alt:
            problems.append(f"{source}: alt {alt!r}")
        elif image.find_parent("figure") and len(alt) < 15:
            problems.append(f"{source}: alt {alt!r} is too short to describe a figure")
    for drawing in article_of(soup).find_all("svg"):
        named = drawing.get("aria-label") or drawing.get("aria-labelledby") or drawing.find("title")
        hidden = drawing.get("aria-hidden") == "true" or drawing.find_parent("button")
        if not named and not hidden:
            problems.append(f"svg without a name: {str(drawing)[:60]}")
    return problems


def bad_figures(soup: BeautifulSoup) -> list[str]:
    """Return figures without a number, without a caption, and pictures outside of a figure."""
    problems = []
    for figure in article_of(soup).find_all("figure"):
        caption = figure.find("figcaption")
        number = figure.find(class_="caption-number")
        if caption is None or not caption.get_text(strip=True):
            problems.append(f"figure {figure.get('id')}: no caption")
        elif number is None or not re.match(r"Fig\. \d+(\.\d+)?", number.get_text(strip=True)):
            problems.append(f"figure {figure.get('id')}: no number")
    for image in article_of(soup).select(".cell_output img"):
        if not image.find_parent("figure"):
            problems.append(f"picture without caption: {image.get('alt', '')[:60]}")
    return problems


def bad_tex(soup: BeautifulSoup) -> list[str]:
    """Return formulas that cannot be typeset, and formulas or markup left as plain text."""
    problems = []
    for formula in soup.select(".math"):
        tex = formula.get_text()
        opened: list[str] = []
        for kind, name in BEGIN_END.findall(tex):
            if kind == "begin":
                opened.append(name)
            elif not opened or opened.pop() != name:
                problems.append(f"environments cross: {tex[:60]}")
                break
        if opened:
            problems.append(f"environment {opened} is not closed: {tex[:60]}")
        bare = re.sub(r"\\[{}\\]", "", tex)
        if bare.count("{") != bare.count("}"):
            problems.append(f"braces do not match: {tex[:60]}")
        if len(re.findall(r"\\left\b", tex)) != len(re.findall(r"\\right\b", tex)):
            problems.append(f"left and right do not match: {tex[:60]}")
        if re.search(r"\\(bm|newcommand|label)\b", tex):
            problems.append(f"a macro that the book does not have: {tex[:60]}")
        if re.search(r"\\begin\{split\}.*\\tag\b", tex, re.DOTALL):
            problems.append(f"tag inside of split: {tex[:60]}")
    for block in article_of(soup).find_all(["p", "li", "td", "dd", "figcaption", "h1", "h2", "h3"]):
        for text in block.find_all(string=True, recursive=False):
            problems += [
                f"left as text: {text.strip()[:60]}" for leak in LEAKS if re.search(leak, text)
            ]
    return problems


def bad_head(soup: BeautifulSoup) -> list[str]:
    """Return what is wrong with the title, the heading and the language."""
    problems = []
    headings = article_of(soup).find_all("h1")
    if len(headings) != 1:
        problems.append(f"{len(headings)} main headings")
    if not (soup.title and soup.title.get_text(strip=True)):
        problems.append("no title")
    if not (soup.html and soup.html.get("lang")):
        problems.append("no language")
    return problems


def remote_parts(soup: BeautifulSoup) -> list[str]:
    """Return scripts, styles, images, fonts and frames that come from another machine."""
    wanted = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
    addresses = [tag.get(key, "") for name, key in wanted.items() for tag in soup.find_all(name)]
    for link in soup.find_all("link"):
        if {"stylesheet", "icon", "preload", "modulepreload", "preconnect"} & set(
            link.get("rel", [])
        ):
            addresses.append(link.get("href", ""))
    problems = [a for a in addresses if re.match(r"(https?:)?//", a)]
    styles = [tag.get_text() for tag in soup.find_all("style")]
    styles += [tag["style"] for tag in soup.find_all(style=True)]
    return problems + [style[:80] for style in styles if REMOTE_CSS.search(style)]


def bad_outputs(soup: BeautifulSoup) -> list[str]:
    """Return errors, warnings and progress bars that a notebook left on the page."""
    problems = [node.get_text()[:80] for node in soup.select(".output.traceback, .output.stderr")]
    for output in soup.select(".cell_output"):
        text = output.get_text()
        if re.search(r"\d+%\|[█▏▎▍▌▋▊▉ #]*\||Traceback \(most recent|Warning:", text):
            problems.append(text.strip()[:80])
        if re.search(r"<Figure size|<Axes|\[<matplotlib|Text\(0", text):
            problems.append(f"a repr leaks: {text.strip()[:80]}")
    return problems


def doubled_numbers(soup: BeautifulSoup) -> list[str]:
    """Return headings such as "1. 01 · Title", numbered by hand and by the book."""
    found = [heading.get_text() for heading in soup.find_all(["h1", "h2"])]
    found += [link.get_text() for link in soup.select("nav a")]
    return [text for text in found if re.match(r"\s*\d+(\.\d+)*\.\s*\d+\b", text)]


# --- checks of the whole site


def broken_links(folder: Path) -> list[str]:
    """Return links within the site whose file, or whose anchor, does not exist."""
    problems = []
    for page in sorted(folder.rglob("*.html")):
        if "_static" in page.relative_to(folder).parts:
            continue
        soup = soup_of(page)
        found = [tag.get("href") for tag in soup.find_all(["a", "link"])]
        found += [tag.get("src") for tag in soup.find_all(["img", "script"])]
        found += [tag.get("xlink:href") for tag in soup.find_all("a")]
        broken = [_broken(folder, page, address) for address in found]
        problems += [f"{page.relative_to(folder)}: {problem}" for problem in broken if problem]
    return problems


def _broken(folder: Path, page: Path, address: str | None) -> str | None:
    if not address or address == "#":
        return None
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target = target / "index.html"
    if not target.is_relative_to(folder.resolve()) or not target.is_file():
        return f"{address} does not exist"
    if (
        parts.fragment
        and target.suffix == ".html"
        and unquote(parts.fragment) not in _anchors(target)
    ):
        return f"{address}: no such anchor"
    return None


@cache
def _anchors(page: Path) -> frozenset[str]:
    soup = soup_of(page)
    names = {tag["id"] for tag in soup.find_all(id=True)}
    return frozenset(names | {tag["name"] for tag in soup.find_all("a", attrs={"name": True})})


def repeated(values: list[str]) -> list[str]:
    """Return what occurs more than once."""
    return sorted({value for value in values if values.count(value) > 1})


# --- the checks on the book


CHECKS = [
    bad_images,
    bad_figures,
    bad_tex,
    bad_head,
    remote_parts,
    bad_outputs,
    doubled_numbers,
]


@pytest.fixture(scope="module")
def pages(html: Path) -> list[Path]:
    found = [*html.glob("book/**/*.html"), *html.glob("notebooks/*.html"), html / "search.html"]
    assert len(found) > 20
    return sorted(found)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_page(check, pages: list[Path], html: Path):
    checked = [page for page in pages if check is not bad_head or page.name not in MACHINE_MADE]
    checked += [html / "book" / "index.html"]
    problems = {str(page.relative_to(html)): check(soup_of(page)) for page in checked}
    assert {page: found for page, found in problems.items() if found} == {}


def test_links_lead_somewhere(html: Path):
    assert broken_links(html) == []


def test_style_sheets_ask_for_nothing_from_outside(html: Path):
    sheets = list((html / "_static").rglob("*.css"))
    assert sheets
    assert [s.name for s in sheets if REMOTE_CSS.search(s.read_text(encoding="utf-8"))] == []


def test_titles_and_figure_names_are_unique(pages: list[Path]):
    titles = [soup_of(page).title.get_text(strip=True) for page in pages]
    assert repeated(titles) == []
    figures = [f["id"] for page in pages for f in soup_of(page).find_all("figure", id=True)]
    assert repeated([name for name in figures if not re.fullmatch(r"id\d+", name)]) == []


def test_lessons_hold_formulas(html: Path):
    lessons = sorted((html / "notebooks").glob("[0-9][0-9]_*.html"))
    assert lessons
    assert [p.name for p in lessons if len(soup_of(p).select("article .math")) < 10] == []


def test_solutions_are_folded_and_marked(html: Path):
    lessons = sorted((html / "notebooks").glob("[0-9][0-9]_*.html"))
    for lesson in lessons:
        folds = soup_of(lesson).select(".exercise-solution > details.hide")
        assert len(folds) >= 3, lesson.name
        assert not any(fold.has_attr("open") for fold in folds)
        assert all("solution" in fold.summary.get_text() for fold in folds)


def test_numbered_formulas_keep_their_numbers(html: Path):
    """Every display of several lines with a tag is set as it is written."""
    tagged = []
    for lesson in (html / "notebooks").glob("[0-9][0-9]_*.html"):
        tagged += [
            m.get_text() for m in soup_of(lesson).select("div.math") if r"\tag" in m.get_text()
        ]
    assert tagged
    for tex in tagged:
        assert r"\\" not in tex or tex.strip().startswith(r"\begin{equation*}"), tex


# --- the checks can fail


BAD = {
    bad_images: [
        '<img src="_images/a.png">',
        '<img src="_images/a.png" alt="_images/a.png">',
        '<img src="x/a.png" alt="a.png">',
        '<figure><img src="a.png" alt="plot"></figure>',
        "<article><svg></svg></article>",
    ],
    bad_figures: [
        '<figure id="f"><img></figure>',
        "<figure><figcaption>No number.</figcaption></figure>",
        '<div class="cell_output"><img src="a.png" alt="a plot of things"></div>',
    ],
    bad_tex: [
        r'<div class="math">\begin{aligned} a \end{split}</div>',
        r'<div class="math">\begin{aligned} a</div>',
        r'<span class="math">\frac{1}{2</span>',
        r'<span class="math">\left( a )</span>',
        r'<span class="math">\bm{a}</span>',
        r'<div class="math">\begin{split} a \\ b \tag{1} \end{split}</div>',
        "<p>Formula $$ a = b $$</p>",
        "<p>See {doc}`x`</p>",
        "<li>[text](link.md)</li>",
    ],
    bad_head: [
        '<html lang="en"><title>t</title><article><p>x</p></article></html>',
        '<html lang="en"><article><h1>x</h1></article></html>',
        "<html><title>t</title><article><h1>x</h1></article></html>",
    ],
    remote_parts: [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/x.css">',
        '<img src="http://example.org/a.png" alt="x">',
        "<style>@import 'https://fonts.example/x';</style>",
        '<p style="background: url(https://example.org/a.png)">x</p>',
    ],
    bad_outputs: [
        '<div class="output traceback">NameError</div>',
        '<div class="output stderr">careful</div>',
        '<div class="cell_output">100%|██████████| 5/5</div>',
        '<div class="cell_output">&lt;Figure size 640x480&gt;</div>',
    ],
    doubled_numbers: ["<h1>1. 01 · Title</h1>", "<nav><a>2. 02 Title</a></nav>"],
}
PLANTED = [(check, page) for check, pages in BAD.items() for page in pages]


@pytest.mark.parametrize(("check", "page"), PLANTED)
def test_a_planted_fault_is_found(check, page: str):
    assert check(BeautifulSoup(page, "html.parser"))


def test_every_check_has_planted_faults():
    assert set(BAD) == set(CHECKS)


GOOD = r"""<html lang="en"><head><title>A page</title></head><body><article><h1>1. A page</h1>
<p>Text with <span class="math">\(\frac{1}{2} \{a\}\)</span>.</p>
<figure id="f"><img src="_images/a.png" alt="A curve that rises and then falls.">
<figcaption><span class="caption-number">Fig. 1.1 </span>A curve.</figcaption></figure>
<div class="cell_output">0.5</div></article></body></html>"""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_good_page_passes(check):
    assert check(BeautifulSoup(GOOD, "html.parser")) == []


def test_broken_links_are_found(tmp_path: Path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="b.html">b</a><a href="#gone">c</a><a href="#here">d</a>'
        '<img src="no.png" alt="x"><a href="a.html#here">e</a><a href="https://x.org">f</a></p>',
        encoding="utf-8",
    )
    assert [problem.split(": ", 1)[1] for problem in broken_links(tmp_path)] == [
        "b.html does not exist",
        "#gone: no such anchor",
        "no.png does not exist",
    ]


def test_repeated_finds_what_repeats():
    assert repeated(["a", "b", "a"]) == ["a"]
