"""The built pages in a real browser that reaches this machine only; lessons have their own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.book.screen import NARROW, SETTLED, WIDE, look, open_page, resize, wait_for
from tests.book.survey import BAD_IMAGES, BAD_MATHS, visit_all

FOLDERS = ("book", "book/api", "book/teach")


def test_every_folder_is_known(html: Path):
    assert {page.parent for page in html.glob("book/**/*.html")} == {html / f for f in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_page_is_in_order(browser, site: str, html: Path, folder: str):
    problems = visit_all(browser, site, html, list((html / folder).glob("*.html")))
    assert not problems, problems


def test_made_pages_are_in_order(browser, site: str, html: Path):
    problems = visit_all(browser, site, html, [html / "genindex.html", html / "search.html"])
    assert not problems, problems


def test_index_opens_the_course(browser, site: str):
    open_page(browser, f"{site}/index.html")
    wait_for(browser, "return location.pathname === '/book/index.html'")
    assert browser.title.startswith("Deep Generative Models")


def test_the_book_opens_as_a_file(browser, html: Path):
    open_page(browser, (html / "index.html").as_uri())
    wait_for(browser, "return location.pathname.endsWith('/book/index.html')")
    browser.execute_async_script(SETTLED)
    assert look(browser, BAD_MATHS) == []
    assert look(browser, BAD_IMAGES) == []
    open_page(browser, min((html / "notebooks").glob("*.html")).as_uri())
    browser.execute_async_script(SETTLED)
    assert look(browser, BAD_MATHS) == []
    assert browser.execute_script("return document.querySelectorAll('mjx-container').length") > 3


def test_solutions_open_on_a_click(browser, site: str, html: Path):
    resize(browser, WIDE)
    lesson = min((html / "notebooks").glob("*.html"))
    open_page(browser, f"{site}/notebooks/{lesson.name}")
    folds = browser.find_elements("css selector", ".exercise-solution > details")
    assert folds
    for fold in folds:
        code = fold.find_element("css selector", ".cell_input")
        summary = fold.find_element("css selector", "summary")
        wait_for(browser, "return !arguments[0].checkVisibility()", code)
        centre = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
        browser.execute_script(centre, summary)
        summary.click()
        wait_for(browser, "return arguments[0].checkVisibility()", code)
        summary.click()
        wait_for(browser, "return !arguments[0].checkVisibility()", code)


def test_the_menu_opens_on_a_narrow_screen(browser, site: str):
    resize(browser, NARROW)
    open_page(browser, f"{site}/book/read.html")
    selector = "#pst-primary-sidebar-modal a[href], #pst-primary-sidebar a[href]"
    entry = (
        "[...document.querySelectorAll(arguments[0])].find(a => /How to run/.test(a.textContent))"
    )
    shown = f"const a = {entry}; if (!a) return false; const r = a.getBoundingClientRect();"
    shown += "return a.checkVisibility() && r.left >= 0 && r.right <= innerWidth && r.width > 0;"
    assert not browser.execute_script(shown, selector)
    buttons = browser.find_elements("css selector", ".bd-header-article button.primary-toggle")
    next(button for button in buttons if button.is_displayed()).click()
    wait_for(browser, shown, selector)
    resize(browser, WIDE)


def test_the_look_can_be_switched(browser, site: str):
    open_page(browser, f"{site}/book/read.html")
    theme = "return document.documentElement.dataset.theme"
    seen = set()
    for _ in range(3):
        buttons = browser.find_elements("css selector", "button.theme-switch-button")
        next(button for button in buttons if button.is_displayed()).click()
        seen.add(browser.execute_script(theme))
    assert seen >= {"light", "dark"}
    browser.execute_script("localStorage.clear()")


def test_where_there_is_no_browser_it_is_said_how_to_get_one(browser_search, monkeypatch):
    find, message = browser_search
    monkeypatch.setenv("CHROME", "/nowhere/chrome")
    monkeypatch.setenv("CHROMEDRIVER", "/nowhere/chromedriver")
    monkeypatch.setenv("PATH", "")
    assert find() is None
    assert "apt-get install chromium chromium-driver" in message
    assert "brew install" in message
    monkeypatch.setenv("CHROME", __file__)
    monkeypatch.setenv("CHROMEDRIVER", __file__)
    assert find() == (__file__, __file__)
