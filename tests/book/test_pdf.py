"""The book on paper: a part is printed, and every check is shown to find what it looks for."""

from __future__ import annotations

import re
import shutil
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.book.conftest import NO_BROWSER, find_browser
from tools import pdf
from tools.pdf_check import missing_glyphs
from tools.pdf_join import Printed, join
from tools.press import Heading, chromium, prepare, print_page, served

ROOT = Path(__file__).resolve().parents[2]
PAGES = [pdf.Page("book/moving", "Start here"), pdf.Page("notebooks/06_ride", "Part II")]
HEAD = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
MATHJAX = '<script defer src="/mathjax/tex-chtml-full.js"></script>'

needs_browser = pytest.mark.skipif(find_browser() is None, reason=NO_BROWSER)


@pytest.fixture(scope="module")
def printed(html: Path, tmp_path_factory: pytest.TempPathFactory):
    """Return a PDF of two pages of the book: its file, its reader, and what was said of it."""
    if find_browser() is None:
        pytest.skip(NO_BROWSER)
    file = tmp_path_factory.mktemp("paper") / "part.pdf"
    count, problems, links = pdf.make(html, PAGES, file, "1.2.3")
    reader = PdfReader(file)
    assert len(reader.pages) == count
    return file, reader, problems, links


def titles(entries: list) -> list:
    """Return the words of the bookmarks, those below an entry as a list after it."""
    return [titles(e) if isinstance(e, list) else e.title for e in entries]


def jumps(reader: PdfReader) -> list[tuple[int, object, str]]:
    """Return every link: its page, where it jumps to, its address."""
    found = []
    for number, page in enumerate(reader.pages):
        for reference in page.get("/Annots") or []:
            link = reference.get_object()
            found.append((number, link.get("/Dest"), str(link.get("/A", {}).get("/URI", ""))))
    return found


def contents_problems(reader: PdfReader) -> list[str]:
    """Return the lines of the contents whose page number is not that of the page they lead to."""
    places = {page.indirect_reference.idnum: n for n, page in enumerate(reader.pages)}
    labels = reader.page_labels
    front = next(n for n, label in enumerate(labels) if label == "1")
    shown, led = [], []
    for number in range(1, front):  # after the title page
        lines = reader.pages[number].extract_text().splitlines()
        shown += [found[1] for line in lines if (found := re.search(r"\D(\d+)$", line.strip()))]
    for number, goal, _ in jumps(reader):
        if number < front and goal is not None:
            led.append(labels[places[goal[0].idnum]])
    return [f"says {a}, leads to {b}" for a, b in zip(shown, led, strict=False) if a != b] + (
        [] if len(shown) == len(led) else [f"{len(shown)} numbers, {len(led)} links"]
    )


def test_nothing_is_cut_off_and_no_glyph_is_missing(printed):
    file, _, problems, _ = printed
    assert problems == []
    assert missing_glyphs(file) == []


def test_title_contents_and_page_numbers(printed):
    _, reader, _, _ = printed
    labels = reader.page_labels
    first = labels.index("1")
    assert labels[:first] == ["i", "ii", "iii"][:first]
    assert labels[first:] == [str(n + 1) for n in range(len(labels) - first)]
    assert "Deep Generative Models" in reader.pages[0].extract_text()
    assert "Version 1.2.3" in reader.pages[0].extract_text()
    assert contents_problems(reader) == []
    for place in (first, first + 3, len(labels) - 1):  # what stands at the foot of a page
        assert reader.pages[place].extract_text().rstrip().endswith(labels[place]) or re.search(
            rf"(?m)^{labels[place]}$", reader.pages[place].extract_text()
        )


def test_a_wrong_page_number_in_the_contents_is_seen(printed, monkeypatch):
    _, reader, _, _ = printed
    labels = reader.page_labels
    first = labels.index("1")
    wrong = [*labels[:first], *[str(n + 2) for n in range(len(labels) - first)]]
    wrong[first + 1] = "1"
    monkeypatch.setattr(PdfReader, "page_labels", property(lambda self: wrong))
    assert contents_problems(reader)


def test_bookmarks_follow_the_headings(printed):
    _, reader, _, _ = printed
    found = titles(reader.outline)
    flat = repr(found)
    assert found[0] == "Title and contents"
    for words in ("Start here", "Moving figures", "Part II", "Hints and solutions"):
        assert words in flat
    lesson = next(entry for entry in found if isinstance(entry, list) and "memory" in repr(entry))
    assert "Exercise 6.1" in repr(lesson) and "The wavefront" in repr(lesson)


def test_links_stay_inside(printed):
    _, reader, _, links = printed
    pages = {page.indirect_reference.idnum for page in reader.pages}
    inner = [goal for _, goal, _ in jumps(reader) if goal is not None]
    outer = [address for _, goal, address in jumps(reader) if goal is None]
    assert len(inner) == links.inside > 20 and len(outer) == links.outside
    assert all(goal[0].idnum in pages for goal in inner)
    assert all(address.startswith("http") and "127.0.0.1" not in address for address in outer)
    # Pages that were not printed lead nowhere, and say so.
    assert all(not gone.startswith(("book/moving", "notebooks/06")) for gone in links.dropped)


def test_solutions_stand_at_the_end_and_moving_figures_are_still(printed):
    _, reader, _, _ = printed
    texts = [page.extract_text() for page in reader.pages]
    where = [n for n, text in enumerate(texts) if "Hints and solutions" in text]
    hints = [n for n, text in enumerate(texts) if "Hint 1." in text]
    assert hints and min(hints) >= max(where) - 1
    assert "BEGIN SOLUTION" not in "".join(texts) and "Solution." in "".join(texts)
    moving = [n for n, text in enumerate(texts) if "This is a still picture" in text]
    assert moving and all(reader.pages[n].images for n in moving)


# --- planted faults ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def press(html: Path, tmp_path_factory: pytest.TempPathFactory):
    """Return a function that prints the body of a page: what does not fit, and the PDF."""
    if find_browser() is None:
        pytest.skip(NO_BROWSER)
    folder = tmp_path_factory.mktemp("press")
    shutil.copytree(html / "_static" / "mathjax", folder / "mathjax")
    numbers = iter(range(100))
    with served(folder, {}) as base, chromium() as browser:

        def work(body: str, head: str = "") -> tuple[list[Heading], list[str], bytes]:
            name = f"page{next(numbers)}.html"
            page = f"{HEAD}{MATHJAX}{head}</head><body><article>{body}</article></body></html>"
            (folder / name).write_text(page, encoding="utf-8")
            headings, problems = prepare(browser, f"{base}/{name}", "")
            return headings, problems, print_page(browser, "A page", 0)

        yield work


GOOD = r"<h1 id='top'>Words</h1><p>ψ → ∑ ﬁ \(x_i^2\)</p>"
GOOD += r"<div class='math'>\[ \int p(x)\,dx = 1 \]</div>"


def glyphs(content: bytes, folder: Path) -> list[str]:
    (folder / "page.pdf").write_bytes(content)
    return missing_glyphs(folder / "page.pdf")


def test_a_good_page_has_no_problems(press, tmp_path: Path):
    headings, problems, content = press(GOOD)
    assert headings == [Heading(1, "top", "Words")]
    assert problems == [] and glyphs(content, tmp_path) == []


@pytest.mark.parametrize("lost", ["\ue123", "\U00010ffd0"[:1], "<code>\uf8f0</code>"])
def test_a_missing_glyph_is_found(press, tmp_path: Path, lost: str):
    _, _, content = press(f"{GOOD}<p>before {lost} after</p>")
    found = glyphs(content, tmp_path)
    assert len(found) == 1 and found[0].startswith("page 1: 1 of ")


WIDE = r"\[ " + " + ".join(rf"\frac{{a_{{{n}}}}}{{b_{{{n}}}}}" for n in range(60)) + r" \]"
CUTS = {
    "a formula beyond the edge": (f"<div class='math'>{WIDE}</div>", ""),
    "a formula in a line": (rf"<p><span class='math'>\({WIDE[2:-2]}\)</span></p>", ""),
    "a box that hides the top of a formula": (
        r"<div class='math'>\[ \frac{\frac12}{\frac34} \]</div>",
        "<style>div.math { height: 1em; overflow: hidden !important }</style>",
    ),
    "code that cannot be broken": (f"<pre style='white-space: pre'>{'x' * 300}</pre>", ""),
    "a picture": ("<img alt='' width='2000' height='20' style='max-width: none'>", ""),
}


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_cut_off_is_found(press, cut: str):
    body, head = CUTS[cut]
    _, problems, _ = press(GOOD + body, head)
    assert problems, cut


def test_a_formula_that_is_a_little_too_wide_is_made_smaller(press):
    little = r"\[ " + " + ".join(rf"\frac{{a_{{{n}}}}}{{b_{{{n}}}}}" for n in range(21)) + r" \]"
    _, problems, _ = press(f"{GOOD}<div class='math'>{little}</div>")
    assert problems == []


# --- joining, and what comes in ----------------------------------------------------------------


@needs_browser
def test_links_of_small_chapters(press, tmp_path: Path):
    base = "http://127.0.0.1:9"
    body = "<h1 id='a'>One</h1><p><a href='{0}/two.html#b'>two</a> <a href='#a'>here</a> "
    body += "<a href='{0}/three.html'>lost</a> <a href='https://example.org/'>out</a></p>"
    headings, _, content = press(body.format(base))
    one = Printed("one.html", "One", "Part", headings, content)
    headings, _, content = press("<h1 id='b'>Two</h1><h2 id='c'>More</h2>")
    two = Printed("two.html", "Two", "Part", headings, content)
    front = Printed("front.html", "Front", "", [], content)
    links = join(front, [one, two], base, {"/Title": "T"}, tmp_path / "out" / "all.pdf")
    reader = PdfReader(tmp_path / "out" / "all.pdf")
    assert (links.inside, links.outside, links.dropped) == (2, 1, ["three.html#"])
    assert titles(reader.outline) == ["Front", "Part", ["One", "Two", ["More"]]]
    goals = [goal[0].idnum for _, goal, _ in jumps(reader) if goal is not None]
    assert goals == [
        reader.pages[2].indirect_reference.idnum,
        reader.pages[1].indirect_reference.idnum,
    ]
    assert reader.metadata.title == "T" and reader.trailer["/Root"]["/Lang"] == "en"
    assert PdfReader(BytesIO(content)).pages


def test_pages_are_those_of_the_table_of_contents(tmp_path: Path):
    pages = pdf.pages_of(ROOT / "_toc.yml")
    assert pages[0] == pdf.Page("book/index", "") and pages[-1].path == "book/licence"
    lessons = [page for page in pages if page.kicker]
    assert [page.path[10:12] for page in lessons] == [
        path.name[:2] for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    ]
    assert lessons[1].kicker == "Lesson 2 · Part I · Densities you can write down"
    (tmp_path / "toc.yml").write_text("- a\n- b\n")
    with pytest.raises(ValueError, match="expected a table of contents with 'root', got"):
        pdf.pages_of(tmp_path / "toc.yml")


def test_what_cannot_be_printed_is_said(tmp_path: Path, capsys, monkeypatch):
    assert pdf.main(["--book", str(tmp_path), "--out", str(tmp_path / "x.pdf")]) == 1
    assert "has no page book/index; run `make book` first" in capsys.readouterr().err
    assert pdf.main(["notebooks/99_none"]) == 1
    assert "the table of contents has no page notebooks/99_none" in capsys.readouterr().err
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "read.html").write_text("<p>no article</p>")
    monkeypatch.setenv("CHROMEDRIVER", "/nowhere")
    command = ["book/read", "--book", str(tmp_path), "--out", str(tmp_path / "x.pdf")]
    assert pdf.main(command) == 1
    assert "chromium" in capsys.readouterr().err
    assert not (tmp_path / "x.pdf").exists()


@needs_browser
def test_a_page_without_an_article_is_refused(tmp_path: Path):
    (tmp_path / "page.html").write_text("<p>nothing</p>")
    with (
        served(tmp_path, {}) as base,
        chromium() as browser,
        pytest.raises(ValueError, match="no article is there; is the book built"),
    ):
        prepare(browser, f"{base}/page.html", "")
