"""The questions on the pages: each choice opens its reason, by mouse and by key, on paper too."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from coursebook import questions
from selenium.webdriver.common.keys import Keys

from tests.book.screen import NARROW, PAPER, WIDE, open_page, resize, set_theme, wait_for

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [path.stem for path in sorted((ROOT / questions.FOLDER).glob("*.yml"))]
PAGES = ("04_fvsbn", "17_linear_inverse_problems")  # those that the browser opens
SHOWN = "return arguments[0].checkVisibility()"


def page_of(html: Path, lesson: str) -> BeautifulSoup:
    """Return the parsed page of a lesson."""
    text = (html / "notebooks" / f"{lesson}.html").read_text(encoding="utf-8")
    return BeautifulSoup(text, "html.parser")


def shown_problems(soup: BeautifulSoup, wanted: list[questions.Question]) -> list[str]:
    """Return what a page's questions lack against those of their file."""
    blocks = soup.select("section#check-yourself .gdm-question")
    problems = [] if len(blocks) == len(wanted) else [f"{len(blocks)} questions"]
    for block, question in zip(blocks, wanted, strict=False):
        folds = block.select("details.gdm-answer")
        if [("gdm-right" in fold["class"]) for fold in folds] != [
            o.right for o in question.options
        ]:
            problems.append(f"{question.name}: other answers, or another one is right")
        for fold in folds:
            if fold.has_attr("open") or not fold.select_one(".gdm-reason").get_text(strip=True):
                problems.append(f"{question.name}: an answer is open, or has no reason")
    return problems


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_shows_its_questions(html: Path, lesson: str) -> None:
    soup = page_of(html, lesson)
    wanted = questions.read_questions(ROOT / questions.FOLDER / f"{lesson}.yml")
    assert shown_problems(soup, wanted) == []
    key = soup.select_one(".gdm-key").get_text()
    assert all(f"{n}: {questions.LETTERS[q.right]}." in key for n, q in enumerate(wanted, 1))
    link = soup.select_one(f'section#check-yourself a[href="../book/teach/{lesson}.html"]')
    assert link is not None
    headings = [h.get_text().strip("# ") for h in soup.select("article h2")]
    assert headings.index(questions.HEADING) > 3


def test_missing_parts_are_found(html: Path) -> None:
    lesson = LESSONS[0]
    wanted = questions.read_questions(ROOT / questions.FOLDER / f"{lesson}.yml")
    faults = {
        ".gdm-question": lambda tag: tag.decompose(),
        "details.gdm-answer": lambda tag: tag.decompose(),
        "details.gdm-right": lambda tag: tag.__setitem__("class", ["gdm-answer"]),
        ".gdm-reason": lambda tag: tag.clear(),
    }
    for selector, spoil in faults.items():
        soup = page_of(html, lesson)
        spoil(soup.select_one(selector))
        assert shown_problems(soup, wanted), selector


@pytest.mark.parametrize("lesson", PAGES)
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_choice_reveals_its_reason(browser, site: str, lesson: str, size) -> None:
    resize(browser, size)
    open_page(browser, f"{site}/notebooks/{lesson}.html")
    folds = browser.find_elements("css selector", "details.gdm-answer")
    assert len(folds) >= 9
    for number, fold in enumerate(folds):
        reason = fold.find_element("css selector", ".gdm-reason")
        summary = fold.find_element("css selector", "summary")
        assert not browser.execute_script(SHOWN, reason)
        centre = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
        browser.execute_script(centre, summary)
        if number % 2:
            summary.click()
        else:  # by the keyboard
            browser.execute_script("arguments[0].focus()", summary)
            summary.send_keys(Keys.ENTER)
        wait_for(browser, SHOWN, reason)
        verdict = "Right." if "gdm-right" in fold.get_attribute("class") else "No."
        assert reason.text.startswith(verdict)
    resize(browser, WIDE)


def test_no_script_is_needed(browser, site: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{site}/notebooks/{PAGES[0]}.html")
        summary = browser.find_element("css selector", "details.gdm-answer > summary")
        summary.send_keys(Keys.ENTER)
        assert browser.find_element("css selector", "details.gdm-answer[open] .gdm-reason").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_paper_lists_the_right_answers(browser, site: str) -> None:
    resize(browser, WIDE)
    open_page(browser, f"{site}/notebooks/{PAGES[0]}.html")
    key = browser.find_element("css selector", ".gdm-key")
    assert not browser.execute_script(SHOWN, key)
    resize(browser, PAPER, "print")
    assert browser.execute_script(SHOWN, key)
    resize(browser, WIDE)


def test_right_and_wrong_differ_in_both_looks(browser, site: str) -> None:
    open_page(browser, f"{site}/notebooks/{PAGES[0]}.html")
    edge = "return ['.gdm-right', '.gdm-wrong'].map(k => getComputedStyle("
    edge += "document.querySelector(k + ' .gdm-reason')).borderLeftColor)"
    seen = []
    for theme in ("light", "dark"):
        set_theme(browser, theme)
        seen += browser.execute_script(edge)
    assert len(set(seen)) == 4
