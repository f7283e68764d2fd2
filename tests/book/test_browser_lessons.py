"""The lessons in a real browser: a file of its own, to run beside that of the other pages."""

from __future__ import annotations

from pathlib import Path

from tests.book.survey import visit_all


def test_every_lesson_is_in_order(browser, site: str, html: Path):
    lessons = list(html.glob("notebooks/*.html"))
    assert len(lessons) >= 7
    problems = visit_all(browser, site, html, lessons)
    assert not problems, problems
