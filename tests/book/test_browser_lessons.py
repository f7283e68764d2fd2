"""The lessons in a real browser: a file of its own, to run beside that of the other pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book.survey import visit_all
from tools import homework

LESSONS = [path.stem for path in homework.lessons()]


def test_every_lesson_is_there(html: Path):
    assert len(LESSONS) >= 7
    assert sorted(path.stem for path in html.glob("notebooks/*.html")) == LESSONS


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_in_order(browser, site: str, html: Path, name: str):
    problems = visit_all(browser, site, html, [html / "notebooks" / f"{name}.html"])
    assert not problems, problems
