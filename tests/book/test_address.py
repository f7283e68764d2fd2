"""While the repository has no address, nothing leads to it; once it has one, everything is back."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup
from coursebook import address

REAL = "https://github.com/someone/course"
NOWHERE = "https://github.com/OWNER/course"
LESSON = "notebooks/01_a.ipynb"


def pages(url: str) -> dict[str, str]:
    """Return the pages of a small book that leads to its repository in every way."""
    colab = f"https://colab.research.google.com/github{url.removeprefix('https://github.com')}"
    text = ["# A lesson\n", "\n", f"[▶ Open in Colab]({colab}/blob/main/{LESSON})\n", "\n", "Text."]
    notebook = {
        "cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": text}],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    index = f"# A book\n\nSee {{repo}}`the records <results/>` and [the host]({url}/wiki) of it.\n"
    return {"book/index.md": index, LESSON: json.dumps(notebook)}


def ways(page: Path, url: str) -> list[str]:
    """Return every link of a page that leads to the repository or starts from it."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    owner = url.removeprefix("https://github.com")
    return [a["href"] for a in soup.find_all("a", href=True) if owner in unquote(a["href"])]


@pytest.fixture(scope="module", params=[REAL, NOWHERE], ids=["real", "placeholder"])
def built(request, small_book, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    made = small_book(tmp_path_factory.mktemp("address"), pages(request.param), request.param)
    assert made.returncode == 0, made.log[-2000:]
    return request.param, made.html


def test_buttons_and_links_are_there_if_they_lead_somewhere(built: tuple[str, Path]):
    url, html = built
    lesson = ways(html / "notebooks" / "01_a.html", url)
    index = ways(html / "book" / "index.html", url)
    if url == NOWHERE:
        assert lesson == index == []
        return
    starts = [
        "https://github.com/someone/course",
        "https://github.com/someone/course/issues/new",
        "https://colab.research.google.com/github/someone/course/blob/main/notebooks/01_a.ipynb",
        "https://mybinder.org/v2/gh/someone/course/main",
        "https://www.kaggle.com/kernels/welcome?src=https%3A%2F%2Fgithub.com%2Fsomeone%2Fcourse%2F"
        "blob%2Fmain%2Fnotebooks%2F01_a.ipynb",
    ]
    assert [s for s in starts if not any(way.startswith(s) for way in lesson)] == []
    assert {f"{REAL}/tree/main/results", f"{REAL}/wiki"} <= set(index)


def test_the_words_of_a_link_stay_and_an_empty_badge_goes(built: tuple[str, Path]):
    url, html = built
    text = BeautifulSoup((html / "book/index.html").read_text("utf-8"), "html.parser").article.text
    assert "See the records and the host of it." in text
    lesson = (html / "notebooks" / "01_a.html").read_text(encoding="utf-8")
    assert ("Open in Colab" in lesson) is (url == REAL)


def test_the_book_itself_leads_nowhere_only_where_it_should(html: Path):
    dead = {}
    for page in [*html.glob("book/**/*.html"), *html.glob("notebooks/*.html")]:
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        found = [
            a["href"] for a in soup.find_all("a", href=True) if address.PLACEHOLDER in a["href"]
        ]
        if found:
            dead[page.name] = found
    assert dead == {}
