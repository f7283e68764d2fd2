"""Print the built book as one PDF: ``python -m tools.pdf [PAGE ...]``, after ``make book``.

Chromium prints each page of the table of contents; the printed chapters are joined, with a title
page, contents with page numbers, bookmarks, and links that stay inside. Moving figures are their
still pictures; code that is folded in the book is left out, as on paper; hints and solutions
stand at the end of their chapter.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.offered import offer
from tools.pdf_check import missing_glyphs
from tools.pdf_join import Joined, Printed, join, places
from tools.press import OWN, chromium, prepare, print_page, served

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "_build" / "html"
TARGET = BOOK / "deep-generative-models.pdf"
TITLE = "Deep Generative Models"
SUBTITLE = "An open, executable course"
LESSON = re.compile(r"notebooks/(\d+)_")
COLOPHON = """
<p>This is the book on paper. It is printed from the pages of the book and says what they say. Its
links stay inside the file where they can.</p>
<p>Moving figures are shown as they stand at first, animations by four of their moments. Code that
is folded in the book, which mostly draws, is left out, and so are the tests of the exercises: the
notebooks hold them. Hints and solutions stand at the end of each lesson; the answers to its three
questions stand below them, and the book says of each wrong one why it tempts.</p>
<p>Text and figures: CC BY 4.0. Code: BSD 3-Clause.</p>"""


@dataclass(frozen=True)
class Page:
    """A page of the book: its path without the ending, and the part it belongs to."""

    path: str
    part: str

    @property
    def kicker(self) -> str:
        """Return the line above a lesson's title."""
        lesson = LESSON.match(self.path)
        return f"Lesson {int(lesson[1])} · {self.part}" if lesson else ""


def pages_of(toc: Path) -> list[Page]:
    """Return the pages of the table of contents, in their order.

    Raises:
        ValueError: If it is no table of contents.
    """
    content = yaml.safe_load(toc.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or "root" not in content:
        raise ValueError(f"{toc}: expected a table of contents with 'root', got {content!r:.60}")

    def walk(entries: list[dict[str, Any]], part: str) -> list[Page]:
        found = []
        for entry in entries:
            found.append(Page(entry["file"], part))
            found += walk(entry.get("sections", []), part)
        return found

    pages = [Page(content["root"], "")]
    pages += walk(content.get("chapters", []), "")
    for part in content.get("parts", []):
        pages += walk(part.get("chapters", []), part.get("caption", ""))
    return pages


def print_chapters(
    base: str, pages: list[Page], browsers: list[Any]
) -> tuple[list[Printed], list[str]]:
    """Print the pages; return them, and what did not fit on the paper.

    While one browser prints, the other already typesets the next page; a page is printed when it
    is known how many are in front of it.
    """
    problems: list[str] = []
    free = list(browsers)
    counts: list[Future[int]] = []  # the pages up to and with each chapter

    def work(index: int) -> Printed:
        page, browser = pages[index], free.pop()
        try:
            address = f"{base}/{page.path}.html"
            headings, cut = prepare(browser, address, page.kicker)
            problems.extend(f"{page.path}: {problem}" for problem in cut)
            title = next((h.text for h in headings if h.level == 1), page.path)
            before = counts[index - 1].result() if index else 0
            pdf = print_page(browser, title, before)
            made = Printed(f"{page.path}.html", title, page.part, headings, pdf)
            counts[index].set_result(before + len(made.reader.pages))
            return made
        except BaseException as error:
            counts[index].set_exception(error)
            raise
        finally:
            free.append(browser)

    counts += [Future() for _ in pages]
    with ThreadPoolExecutor(len(browsers)) as pool:
        return list(pool.map(work, range(len(pages)))), problems


def contents(chapters: list[Printed]) -> str:
    """Return the table of contents, in HTML: parts, chapters, and the sections of lessons."""
    rows, first, part = [], 0, ""

    def row(kind: str, page: str, place: str, text: str, number: int) -> str:
        goal = f"/{page}" + (f"#{place}" if place else "")
        words = f"{html.escape(text)}<i></i><b>{number}</b>"
        return f'<p class="{kind}"><a href="{html.escape(goal)}">{words}</a></p>'

    for chapter in chapters:
        if chapter.part != part:
            part = chapter.part
            rows.append(f"<h2>{html.escape(part)}</h2>")
        lesson = LESSON.match(chapter.page)
        title = f"{int(lesson[1])} · {chapter.title}" if lesson else chapter.title
        kind = "chapter" if lesson else "chapter small"
        rows.append(row(kind, chapter.page, "", title, first + 1))
        reader = chapter.reader
        if lesson:
            found = places(reader, first)
            rows += [
                row("section", chapter.page, h.place, h.text, found[h.place][0] + 1)
                for h in chapter.headings
                if h.level == 2 and h.place in found
            ]
        first += len(reader.pages)
    return "\n".join(rows)


def front_page(chapters: list[Printed], version: str) -> str:
    """Return the title page, the colophon and the contents as one page of HTML."""
    return f"""<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<title>{TITLE}</title></head><body><article class="bd-article">
<section class="paper-title"><h1>{TITLE}</h1><p>{SUBTITLE}</p>
<img src="/_static/landing.png" alt=""><p>Version {html.escape(version)}</p></section>
<section class="paper-contents"><h1>Contents</h1>{contents(chapters)}</section>
<section class="paper-colophon"><h1>About this file</h1>
{COLOPHON}</section>
</article></body></html>"""


def make(
    book: Path, pages: list[Page], target: Path, version: str = ""
) -> tuple[int, list[str], Joined]:
    """Print and join pages of a built book.

    Returns:
        The number of pages, what does not fit on the paper, and what became of the links.

    Raises:
        FileNotFoundError: If the book is not built, or there is no Chromium.
        ValueError: If a page cannot be printed.
    """
    lost = [page.path for page in pages if not (book / f"{page.path}.html").is_file()]
    if lost:
        raise FileNotFoundError(f"{book} has no page {lost[0]}; run `make book` first")
    front_address = f"{OWN}front.html"
    given: dict[str, str] = {}
    with served(book, given) as base, chromium() as one, chromium() as other:
        chapters, problems = print_chapters(base, pages, [one, other])
        given[front_address] = front_page(chapters, version)
        headings, cut = prepare(one, base + front_address, "")
        pdf = print_page(one, "", 0, roman=True)
        front = Printed(front_address.lstrip("/"), "Title and contents", "", headings, pdf)
        about = {"/Title": f"{TITLE}. {SUBTITLE}", "/Author": "The authors of the course"}
        links = join(front, chapters, base, about, target)
    count = sum(len(printed.reader.pages) for printed in (front, *chapters))
    return count, problems + cut, links


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Print the built book as one PDF.")
    parser.add_argument("pages", nargs="*", help="such as notebooks/02_gaussian_mle; all, if none")
    parser.add_argument("--book", type=Path, default=BOOK, help="the folder of the built book")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args(arguments)
    import gdmlib

    start = time.monotonic()
    try:
        pages = pages_of(ROOT / "_toc.yml")
        unknown = sorted(set(options.pages) - {page.path for page in pages})
        if unknown:
            raise ValueError(f"the table of contents has no page {unknown[0]}")
        chosen = [page for page in pages if not options.pages or page.path in options.pages]
        count, problems, links = make(options.book, chosen, options.out, gdmlib.__version__)
    except (OSError, ValueError) as error:
        print(f"make pdf: {error}", file=sys.stderr)
        return 1
    if options.out.resolve().parent == options.book.resolve():
        offer(options.book, "pdf", options.out)
    size = options.out.stat().st_size / 1e6
    seconds = time.monotonic() - start
    print(f"{options.out}: {count} pages, {size:.1f} MB, in {seconds:.0f} seconds")
    print(f"links: {links.inside} inside, {links.outside} outside, {len(links.dropped)} taken off")
    lost = missing_glyphs(options.out)
    for what, found in (("does not fit on the paper", problems), ("glyphs are missing", lost)):
        for problem in found:
            print(f"{what}: {problem}", file=sys.stderr)
    return 1 if problems or lost else 0


if __name__ == "__main__":
    sys.exit(main())
