"""How the moving figures behave: keys, fingers, phones, the dark, less motion, paper, no script."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from coursebook import demos as extension
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.keys import Keys

from tests.book.screen import NARROW, PAPER, WIDE, open_page, resize, set_theme, wait_for
from tools import stills

DEMOS = sorted(extension.DEMOS)
MOVING = ("game", "score")  # those with a button to play
PHONE = (400, 800)


@pytest.fixture
def show(browser, tmp_path: Path):
    """Return the function that shows one figure alone, in a size and with parts of it replaced."""

    def opened(name: str, size: tuple[int, int] = WIDE, right: str = "", broken: str = ""):
        text = stills.page(name)
        assert right in text
        page = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}.html"
        page.write_text(text.replace(right, broken) if right else text, encoding="utf-8")
        resize(browser, size)
        open_page(browser, page.as_uri())
        return browser

    yield opened
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    resize(browser, WIDE)


def reading(browser) -> str:
    return browser.execute_script("return document.querySelector('output').textContent")


def still_for(browser, seconds: float = 0.4) -> bool:
    """Tell whether nothing that is drawn changes for a while."""
    drawn = "return [...document.querySelectorAll('.gdm-panel')].map(s => s.innerHTML).join()"
    before = browser.execute_script(drawn)
    time.sleep(seconds)
    return browser.execute_script(drawn) == before


# --- keys and fingers


def deaf(browser) -> list[str]:
    """Return controls that have no name, say no value, or do not change what the figure says."""
    problems = []
    for control in browser.find_elements("css selector", ".gdm-live :is(input, select, button)"):
        if not control.is_displayed():
            continue
        name = control.accessible_name
        if not any(letter.isalpha() for letter in name):
            problems.append(f"no name: {control.get_attribute('outerHTML')[:60]}")
        if control.tag_name != "input":
            continue
        before, value = reading(browser), control.get_attribute("aria-valuetext")
        for key in (Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_LEFT):
            control.send_keys(key)
            if reading(browser) != before and control.get_attribute("aria-valuetext") != value:
                break
        else:
            problems.append(f"keys do nothing: {name}")
    return problems


@pytest.mark.parametrize("name", DEMOS)
def test_every_slider_answers_to_the_keys(name: str, show):
    browser = show(name)
    assert len(browser.find_elements("css selector", ".gdm-live input")) >= 1
    assert deaf(browser) == []
    live = "return getComputedStyle(document.querySelector('output')).display !== 'none'"
    assert browser.execute_script(live)
    assert browser.find_element("css selector", "output").aria_role == "status"


def test_a_slider_that_does_nothing_is_noticed(show):
    browser = show("gaussian", WIDE, "now = Number(input.value);", "")
    assert any("keys do nothing" in problem for problem in deaf(browser))
    browser = show("gaussian", WIDE, "label.append(name, control)", "label.append(control)")
    assert any("no name" in problem for problem in deaf(browser))


@pytest.mark.parametrize("kind", ["mouse", "touch"])
@pytest.mark.parametrize("name", DEMOS)
def test_every_round_point_can_be_dragged(name: str, kind: str, show):
    browser = show(name, NARROW)
    for grip in browser.find_elements("css selector", ".gdm-grip"):
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", grip)
        box = browser.execute_script(
            "const r = arguments[0].getBoundingClientRect();"
            "return [Math.round(r.x + r.width / 2), Math.round(r.y + r.height / 2)]",
            grip,
        )
        before = reading(browser)
        actions = ActionBuilder(browser, mouse=PointerInput(kind, kind), duration=50)
        pointer = actions.pointer_action
        pointer.move_to_location(*box).pointer_down()
        pointer.move_to_location(box[0] + 20, box[1] + 25).move_to_location(
            box[0] + 25, box[1] + 30
        )
        pointer.pointer_up()
        actions.perform()
        assert reading(browser) != before
        ActionChains(browser).reset_actions()
        action = "return getComputedStyle(arguments[0]).touchAction"
        assert browser.execute_script(action, grip) == "none"
    assert browser.execute_script(
        "return [...document.querySelectorAll('.gdm-panel')].every("
        "p => getComputedStyle(p).touchAction === 'auto')"
    ), "a finger beside the points must scroll the page"


# --- sizes

CLIPPED = """
const problems = [], room = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > room) problems.push('the page is too wide');
for (const text of document.querySelectorAll('.gdm-panel text')) {
  const own = text.getBoundingClientRect(), box = text.ownerSVGElement.getBoundingClientRect();
  if (own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 ||
      own.bottom > box.bottom + 1) problems.push('cut off: ' + text.textContent);
  if (parseFloat(getComputedStyle(text).fontSize) < 11) problems.push('tiny: ' + text.textContent);
  for (const other of text.parentNode.querySelectorAll('text')) {
    if (other === text) break;
    const r = other.getBoundingClientRect();
    if (Math.min(own.right, r.right) - Math.max(own.left, r.left) > 1 &&
        Math.min(own.bottom, r.bottom) - Math.max(own.top, r.top) > 3)
      problems.push('overlap: ' + text.textContent + ' and ' + other.textContent);
  }
}
for (const part of document.querySelectorAll('.gdm-live :is(span, button, select, input)'))
  if (part.checkVisibility() && part.getBoundingClientRect().right > room + 1)
    problems.push('leaves: ' + part.textContent);
return problems;
"""


@pytest.mark.parametrize("size", [WIDE, PHONE, (320, 600)])
@pytest.mark.parametrize("name", DEMOS)
def test_words_are_whole_on_every_screen(name: str, size: tuple[int, int], show):
    browser = show(name, size)
    assert browser.execute_script(CLIPPED) == []
    for choice in browser.find_elements("css selector", ".gdm-live select option"):
        choice.click()
        assert browser.execute_script(CLIPPED) == [], choice.text


@pytest.mark.parametrize(
    ("right", "broken", "problem"),
    [
        ("petal length (cm)", "petal length " * 9, "cut off"),
        ("font-size: 12px", "font-size: 6px", "tiny"),
        ("/ 60)", "/ 9)", "overlap"),
        (".gdm-panels {", ".gdm-panels { min-width: 900px;", "too wide"),
        (".gdm-value {", ".gdm-value { min-width: 400px;", "leaves"),
    ],
)
def test_words_that_are_not_are_noticed(right: str, broken: str, problem: str, show):
    browser = show("gaussian", PHONE, right, broken)
    assert any(problem in found for found in browser.execute_script(CLIPPED))


# --- the dark

FAINT = """
const numbers = c => (c.match(/[\\d.]+/g) || []).map(Number);
const light = c => { const [r, g, b] = c.map(v => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const back = light(numbers(getComputedStyle(document.body).backgroundColor).slice(0, 3));
const problems = [];
const lines = '.gdm-line, .gdm-dots, .gdm-axis, .gdm-thin';
for (const [selector, key] of [[lines, 'stroke'], ['text', 'fill']])
  for (const part of document.querySelectorAll('.gdm-live :is(' + selector + ')')) {
    const own = light(numbers(getComputedStyle(part)[key]).slice(0, 3));
    const ratio = (Math.max(own, back) + 0.05) / (Math.min(own, back) + 0.05);
    if (ratio < (key === 'fill' ? 4.5 : 3))
      problems.push(part.getAttribute('class') + ' ' + ratio.toFixed(2));
  }
return [...new Set(problems)];
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_and_words_stand_out_in_both_looks(theme: str, browser, site: str):
    resize(browser, WIDE)
    open_page(browser, f"{site}/book/moving.html")
    set_theme(browser, theme)
    assert browser.execute_script(FAINT) == []
    browser.execute_script("document.body.style.setProperty('--gdm-a', '#777788')")
    browser.execute_script("document.body.style.backgroundColor = '#888888'")
    assert browser.execute_script(FAINT)


# --- motion


def emulate_less_motion(browser) -> None:
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})


def button(browser, *words: str):
    buttons = browser.find_elements("css selector", ".gdm-live button")
    return next(found for found in buttons if found.text in words)


@pytest.mark.parametrize("name", DEMOS)
def test_nothing_moves_unasked(name: str, show):
    assert still_for(show(name))


@pytest.mark.parametrize("name", MOVING)
def test_it_plays_pauses_and_steps(name: str, show):
    browser = show(name)
    button(browser, "Start again", "From the start").click()
    button(browser, "Play").send_keys(Keys.ENTER)
    assert not still_for(browser)
    live = "return document.querySelector('output').getAttribute('aria-live')"
    assert browser.execute_script(live) == "off", "a screen reader would hear every step"
    button(browser, "Pause").send_keys(Keys.SPACE)
    assert still_for(browser)
    assert browser.execute_script(live) == "polite"
    before = reading(browser)
    button(browser, "Step").click()
    assert reading(browser) != before


@pytest.mark.parametrize("name", MOVING)
def test_with_less_motion_all_steps_are_made_at_once(name: str, show):
    browser = show(name)
    emulate_less_motion(browser)
    browser.refresh()
    wait_for(browser, "return !!document.querySelector('.gdm-moves output')")
    before = reading(browser)
    button(browser, "Run").click()
    assert reading(browser) != before
    assert still_for(browser)


def test_the_flow_arrives_at_the_data(show):
    browser = show("score")
    emulate_less_motion(browser)
    button(browser, "Start again").click()
    assert "ᾱ of the data 0.000" in reading(browser)
    button(browser, "Run").click()
    assert "ᾱ of the data 1.000" in reading(browser)


# --- paper, and no script

SHOWN = (
    "return [...document.querySelectorAll('.gdm-demo')].map(d => ['img', '.gdm-still', '.gdm-live']"
    ".map(s => !!d.querySelector(s) && d.querySelector(s).checkVisibility()))"
)


def test_paper_gets_the_still_picture(browser, site: str):
    resize(browser, WIDE)
    open_page(browser, f"{site}/book/moving.html")
    assert browser.execute_script(SHOWN) == [[False, False, True]] * len(DEMOS)
    resize(browser, PAPER, "print")
    assert browser.execute_script(SHOWN) == [[True, True, False]] * len(DEMOS)
    resize(browser, WIDE)


def test_without_javascript_stands_a_picture_that_says_so(browser, site: str):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{site}/book/moving.html")
        assert browser.execute_script(SHOWN) == [[True, True, False]] * len(DEMOS)
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_script_that_fails_leaves_the_picture(show):
    browser = show("gaussian", WIDE, "const best = maths.fit(PETALS)", "const best = nothing.here")
    assert browser.execute_script("return document.querySelectorAll('.gdm-moves').length") == 0
    browser.get_log("browser")


# --- where they stand


def test_a_lesson_holds_a_link_and_the_book_the_figure(tmp_path: Path, small_book):
    link = "[Moving figure: the gap](moving.md#demo-elbo)"
    built = small_book(
        tmp_path,
        {
            "book/index.md": f"# A lesson\n\n{link}\n\nIn a sentence, {link} is a link.\n",
            "book/moving.md": "# Figures\n\n(demo-elbo)=\n## The gap\n\n```{demo} elbo\n```\n",
            "book/other.md": "# Another page\n\nNothing moves.\n",
        },
    )
    assert built.returncode == 0, built.log[-2000:]
    pages = {
        name: BeautifulSoup(
            (built.html / "book" / f"{name}.html").read_text("utf-8"), "html.parser"
        )
        for name in ("index", "moving", "other")
    }
    assert {n: len(p.select(".gdm-demo")) for n, p in pages.items()} == {
        "index": 1,
        "moving": 1,
        "other": 0,
    }
    scripts = {n: len(p.select("script[src*='demos/']")) for n, p in pages.items()}
    assert scripts == {"index": 3, "moving": 3, "other": 0}
    for name in ("index", "moving"):
        figure = pages[name].select_one(".gdm-demo")
        assert len(figure.img["alt"]) > 50
        assert (built.html / "book" / figure.img["src"]).is_file()
        assert "still picture" in figure.get_text()


def test_a_figure_that_does_not_exist_stops_the_build(tmp_path: Path, small_book):
    bad = small_book(tmp_path, {"book/index.md": "# A page\n\n```{demo} nothing\n```\n"})
    assert bad.returncode != 0
    assert "expected one of gaussian, inverse_cdf" in bad.log
