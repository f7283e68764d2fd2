"""The teachers' pages: one a lesson, whose times and goals are those of the lesson."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from coursebook import teaching

from tools.notebooks import read
from tools.rules.exercises import HEADER
from tools.rules.prose import count_words

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PARTS = [
    "Goals",
    "A plan for 90 minutes",
    "Where students may stumble",
    "More questions, with short answers",
    "Timing",
]
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$", re.MULTILINE)


def source_of(lesson: Path) -> str:
    """Return the text of a teacher's page."""
    return (ROOT / "book" / "teach" / f"{lesson.stem}.md").read_text(encoding="utf-8")


def plan_problems(page: str, headings: set[str]) -> list[str]:
    """Return what is wrong with a plan: minutes that do not add up, sections that do not exist."""
    rows = ROW.findall(page)
    minutes = sum(int(row[0]) for row in rows)
    problems = [] if minutes == 90 else [f"{minutes} minutes"]
    return problems + [f"no section {row[2]!r}" for row in rows if row[2] not in headings]


def headings_of(lesson: Path) -> set[str]:
    """Return the headings of a notebook."""
    cells = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return set(re.findall(r"^##+ (.+)$", text, re.MULTILINE))


def test_every_lesson_has_a_page() -> None:
    pages = {path.stem for path in (ROOT / "book" / "teach").glob("[0-9][0-9]_*.md")}
    assert pages == {path.stem for path in LESSONS}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem[:2])
def test_a_page_is_complete(lesson: Path) -> None:
    page = source_of(lesson)
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == PARTS
    assert plan_problems(page, headings_of(lesson)) == []
    stumbles, questions = (page.split(f"## {part}")[1].split("\n## ")[0] for part in PARTS[2:4])
    assert len(re.findall(r"^- \*\*", stumbles, re.MULTILINE)) >= 3
    assert len(re.findall(r"^: .+", questions, re.MULTILINE)) >= 3


def test_a_bad_plan_is_found() -> None:
    assert plan_problems("| 80 | Look. | There |\n", {"There"}) == ["80 minutes"]
    assert plan_problems("| 90 | Look. | Nowhere |\n", {"There"}) == ["no section 'Nowhere'"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem[:2])
def test_times_are_those_of_the_lesson(lesson: Path, html: Path) -> None:
    timing, notebook = teaching.read_timing(lesson), read(lesson)
    headers = [HEADER.search(cell["source"]) for cell in notebook.prose]
    found = [tuple(map(int, header.groups())) for header in headers if header]
    assert [(e.difficulty, e.minutes, e.points) for e in timing.exercises] == found
    assert timing.words == count_words(notebook)
    assert timing.seconds == notebook.record["seconds"]
    assert timing.said
    built = html / "book" / "teach" / f"{lesson.stem}.html"
    page = BeautifulSoup(built.read_text(encoding="utf-8"), "html.parser")
    table = page.select_one("section#timing table").get_text(" ", strip=True)
    assert f"{timing.reading} minutes: {timing.words:,} words, 200 a minute" in table
    assert f"{notebook.record['seconds']:,.0f} seconds" in table
    assert f"{sum(e[1] for e in found)} minutes, {sum(e[2] for e in found)} points" in table
    goals = [item.get_text() for item in page.select("section#goals li")]
    assert len(goals) == len(teaching.goals_markdown(lesson).strip().split("\n- "))


def test_prose_is_counted_without_code_and_formulas() -> None:
    text = (
        "Two words $a b c$ and `code here`.\n\n$$\nx y\n$$\n\n```\nmore code\n```\n[link](a/b.md)"
    )
    text += "\n<details><summary>Hint</summary>\n\nfolded\n\n</details>"
    assert teaching.count_words(text) == 4


def test_a_lesson_without_goals_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "04_a.ipynb"
    path.write_text(json.dumps({"cells": []}), encoding="utf-8")
    with pytest.raises(ValueError, match="What you will be able to do"):
        teaching.goals_markdown(path)


def needs() -> dict[str, set[str]]:
    """Return which lessons each lesson needs, as the map of the lessons says."""
    text = (ROOT / "book" / "lessons.md").read_text(encoding="utf-8")
    found = {}
    for part in text.split("\n### ")[1:]:
        said = re.search(r"It\s+needs\s+((?:no|lessons?)[^.]*)\.", part)
        numbers = re.findall(r"\d\d", said[1]) if said else []
        if said and " to " in said[1]:
            numbers = [f"{n:02d}" for n in range(int(numbers[0]), int(numbers[1]) + 1)]
        found[part[:2]] = set(numbers)
    return found


def test_selections_hold_what_their_lessons_need() -> None:
    page = (ROOT / "book" / "teach" / "index.md").read_text(encoding="utf-8")
    wanted, rows = needs(), ROW.findall(page)
    assert wanted["13"] == {"11", "12"} and wanted["08"] == {"01", "02", "03"} and len(rows) >= 4
    for sessions, subject, lessons in rows:
        chosen = re.findall(r"\d\d", lessons)
        assert len(chosen) == int(sessions), subject
        missing = {n: wanted[n] - set(chosen) for n in chosen if wanted[n] - set(chosen)}
        assert missing == {}, subject
