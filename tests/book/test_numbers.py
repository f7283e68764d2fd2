"""Page, side bar and figures give a lesson the number of its file, whatever is not written yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

LESSON = re.compile(r"(\d\d)_\w+\.html")


def wrong_numbers(page: Path) -> list[str]:
    """Return the numbers of a page that are not those of the lessons that they stand for."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    found = []
    for link in soup.select("nav.bd-links a[href]"):
        name = LESSON.fullmatch(Path(link["href"].split("#")[0] or page.name).name)
        number = re.match(r"\s*(\d+)\.", link.text)
        if (
            name
            and "teach/" not in link["href"]
            and (number is None or int(number[1]) != int(name[1]))
        ):
            found.append(f"side bar: {link.text.strip()}")
    own = LESSON.fullmatch(page.name)
    if own:
        titles = [h.text for h in soup.select("h1 .section-number")]
        figures = [f.text for f in soup.select("figcaption .caption-number")]
        for text in [*titles, *figures]:
            number = re.search(r"\d+", text)
            if number and int(number[0]) != int(own[1]):
                found.append(text.strip())
        if not titles:
            found.append("no number in the title")
    return found


def test_every_lesson_has_the_number_of_its_file(html: Path) -> None:
    pages = [*sorted(html.glob("notebooks/[0-9]*.html")), html / "book" / "index.html"]
    assert len(pages) > 18
    assert {p.name: wrong_numbers(p) for p in pages} == {p.name: [] for p in pages}


@pytest.mark.parametrize("right", ['number">22.', "Fig. 22.1", ">22. A title"])
def test_a_wrong_number_is_noticed(tmp_path: Path, right: str) -> None:
    page = tmp_path / "22_a.html"
    text = (
        '<nav class="bd-links"><a href="22_a.html">22. A title</a></nav><h1>'
        '<span class="section-number">22.</span>A title</h1><figure><figcaption>'
        '<span class="caption-number">Fig. 22.1</span></figcaption></figure>'
    )
    page.write_text(text, encoding="utf-8")
    assert wrong_numbers(page) == []
    page.write_text(text.replace(right, right.replace("22", "21")), encoding="utf-8")
    assert len(wrong_numbers(page)) == 1
