"""Sliders over frames: sheets that can be made again, keys, less motion, paper, no script."""

from __future__ import annotations

import json
import shutil
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from coursebook import frames as extension
from PIL import Image
from selenium.webdriver.common.keys import Keys

from tests.book.screen import NARROW, PAPER, WIDE, open_page, resize, wait_for
from tools import frames as tool
from tools import strips

LESSONS = {"07_pixelcnn": "pixelcnn", "10_flows": "flow", "11_diffusion": "diffusion"}
SIZE = "const s = document.querySelector('.gdm-strip-frame').getBoundingClientRect();"


# --- the sheets


def stale(name: str, folder: Path) -> list[str]:
    """Return what is wrong with a sheet."""
    sheet = extension.read_sheet(folder, name)
    problems = []
    if sheet["sources"] != tool.checksum(strips.STRIPS[name]):
        problems.append(f"{name}: out of date; python -m tools.frames {name}")
    with Image.open(folder / f"{name}.webp") as picture:
        if picture.size != (sheet["width"], sheet["height"] * len(sheet["words"])):
            problems.append(f"{name}: {picture.size}")
        pixels = np.asarray(picture.convert("L"), dtype=float)
    parts = np.split(pixels, len(sheet["words"])) if not problems else []
    if parts and not any((part != parts[-1]).any() for part in parts):
        problems.append(f"{name}: all frames are the same")
    if (folder / f"{name}.webp").stat().st_size > tool.MOST_BYTES:
        problems.append(f"{name}: too large")
    return problems


@pytest.mark.parametrize("name", strips.STRIPS)
def test_sheets_are_small_and_up_to_date(name: str):
    assert stale(name, tool.FOLDER) == []


def test_there_is_no_sheet_that_nothing_makes():
    assert {path.stem for path in tool.FOLDER.iterdir()} == set(strips.STRIPS)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [("sources", "0" * 64, "out of date"), ("height", 7, "flow: (")],
)
def test_a_sheet_out_of_date_is_noticed(key: str, value: object, problem: str, tmp_path: Path):
    for suffix in (".webp", ".json"):
        shutil.copy(tool.FOLDER / f"flow{suffix}", tmp_path)
    assert stale("flow", tmp_path) == []
    about = json.loads((tmp_path / "flow.json").read_text(encoding="utf-8"))
    (tmp_path / "flow.json").write_text(json.dumps({**about, key: value}), encoding="utf-8")
    assert any(problem in found for found in stale("flow", tmp_path))


@pytest.mark.parametrize("name", ["flow", "diffusion", "seconds_fvsbn"])
def test_sheets_can_be_made_again(name: str, tmp_path: Path):
    again, first = tool.take(name, tmp_path), tool.FOLDER / f"{name}.webp"
    with Image.open(again) as ours, Image.open(first) as theirs:
        assert ours.size == theirs.size
        apart = np.abs(np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float))
    assert apart.mean() < 1, "another machine may round a pixel to the next grey, not redraw it"
    assert again.with_suffix(".json").read_text("utf-8") == first.with_suffix(".json").read_text(
        "utf-8"
    )


def test_the_frames_of_the_pixelcnn_fill_rows_in():
    sheet = extension.read_sheet(tool.FOLDER, "pixelcnn")
    with Image.open(tool.FOLDER / "pixelcnn.webp") as picture:
        parts = np.split(np.asarray(picture.convert("RGB")), len(sheet["words"]))
    blue = [(part == strips.UNKNOWN).all(-1).sum() for part in parts]
    assert blue == sorted(blue, reverse=True)
    assert blue[-1] == 0 < blue[-2]
    for before, after in pairwise(parts):  # what is drawn stays
        drawn = ~(before[:14] == strips.UNKNOWN).all(-1)
        assert (before[:14][drawn] == after[:14][drawn]).all()


def test_a_sheet_has_frames_of_one_size_and_is_small(tmp_path: Path, monkeypatch):
    grey = np.zeros((4, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match="one shape"):
        tool.sheet([grey, grey[:2]])
    with pytest.raises(ValueError, match="at least two"):
        tool.sheet([grey])
    noise = np.random.default_rng(0).integers(0, 256, (2, 150, 150), dtype=np.uint8)
    made = strips.Strip("A", "B", "C", lambda: (list(noise), ["a", "b"]), lambda: [])
    monkeypatch.setitem(strips.STRIPS, "noise", made)
    with pytest.raises(ValueError, match=f"more than {tool.MOST_BYTES}; make fewer"):
        tool.take("noise", tmp_path)
    short = strips.Strip("A", "B", "C", lambda: ([grey, grey], ["a"]), lambda: [])
    monkeypatch.setitem(strips.STRIPS, "short", short)
    with pytest.raises(ValueError, match="2 frames, but words for 1"):
        tool.take("short", tmp_path)
    assert tool.main(["nothing"]) == 1


def test_a_missing_run_repeats_what_was_there_and_says_so(tmp_path: Path, monkeypatch):
    record = {
        "runs": [
            {"family": "a", "budget": 5, "seed": 0, "frechet": 2.0, "bits": 1.5},
            {"family": "b", "budget": 5, "seed": 0, "frechet": 3.0},
            {"family": "b", "budget": 60, "seed": 0, "frechet": 1.0},
        ]
    }
    (tmp_path / "seconds.json").write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "seconds").mkdir()
    for name in ("a-5", "b-5", "b-60"):
        Image.new("L", (4, 4), len(name)).save(tmp_path / "seconds" / f"{name}.png")
    monkeypatch.setattr(strips, "SECONDS", tmp_path / "seconds.json")
    frames, words = strips.after_seconds("a")
    assert words[0] == "1.50 bits per pixel, distance 2.0"
    assert words[1].startswith("not run; ")
    assert (frames[0] == frames[1]).all()
    assert strips.after_seconds("b")[1] == ["distance 3.0", "distance 1.0"]
    assert [path.name for path in strips.recorded("a")] == ["a-5.png"]


# --- pages


def test_lessons_hold_a_link_and_the_book_the_frames(html: Path):
    for lesson, name in LESSONS.items():
        soup = BeautifulSoup(
            (html / "notebooks" / f"{lesson}.html").read_text("utf-8"), "html.parser"
        )
        (group,) = soup.select(".gdm-frames")
        image = group.select_one("img")
        assert (html / "notebooks" / image["src"]).resolve().name == f"{name}.webp"
        assert (html / "notebooks" / image["src"]).resolve().is_file()
        assert len(image["alt"]) > 50
        assert "This is the last of" in group.get_text()
        assert len(soup.select("script[src*='frames.js']")) == 1
        (link,) = soup.select(f"a[href*='moving.html#frames-{name}']")
        assert link.find_previous(class_="gdm-frames") is group
    other = (html / "notebooks" / "02_gaussian_mle.html").read_text("utf-8")
    assert "frames.js" not in other


@pytest.mark.parametrize(
    ("directive", "problem"),
    [
        ("```{frames} nothing\n```", "expected one of diffusion"),
        ("```{frames} flow\n:words: a; b\n```", "expected 2 frames of each sheet"),
        ("```{frames} flow diffusion pixelcnn\n```", "expected 9 frames of each sheet"),
    ],
)
def test_frames_that_are_not_there_stop_the_build(
    directive: str, problem: str, tmp_path: Path, small_book
):
    bad = small_book(tmp_path, {"book/index.md": f"# A page\n\n{directive}\n"})
    assert bad.returncode != 0
    assert problem in bad.log


def test_a_broken_description_says_how_to_make_it_again(tmp_path: Path):
    for suffix in (".webp", ".json"):
        shutil.copy(tool.FOLDER / f"flow{suffix}", tmp_path)
    (tmp_path / "flow.json").write_text('{"title": "A"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"make it again by python -m tools\.frames flow"):
        extension.read_sheet(tmp_path, "flow")


# --- how they behave


def top(browser) -> float:
    """Return by how many heights of a frame the first sheet is moved up."""
    return browser.execute_script(
        SIZE + "const i = document.querySelector('.gdm-strip-frame img').getBoundingClientRect();"
        "return (s.top - i.top) / s.height"
    )


def words(browser) -> str:
    return browser.execute_script("return document.querySelector('.gdm-frames-words').textContent")


@pytest.fixture
def page(browser, site: str):
    """Return a function that opens a page in a size."""

    def opened(name: str = "notebooks/07_pixelcnn.html", size: tuple[int, int] = WIDE):
        resize(browser, size)
        open_page(browser, f"{site}/{name}")
        return browser

    yield opened
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    resize(browser, WIDE)


def test_the_slider_answers_to_the_keys(page):
    browser = page()
    last = len(extension.read_sheet(tool.FOLDER, "pixelcnn")["words"]) - 1
    assert top(browser) == pytest.approx(last, abs=0.02)
    slider = browser.find_element("css selector", ".gdm-frames input")
    assert slider.accessible_name == "Rows drawn"
    slider.send_keys(Keys.ARROW_LEFT)
    assert top(browser) == pytest.approx(last - 1, abs=0.02)
    assert slider.get_attribute("aria-valuetext") == words(browser) == "12 of 14 rows"
    slider.send_keys(Keys.HOME)
    assert top(browser) == pytest.approx(0, abs=0.02)


def test_it_plays_when_asked_and_pauses(page):
    browser = page()
    button = browser.find_element("css selector", ".gdm-frames button")
    before = words(browser)
    time.sleep(1.1)
    assert words(browser) == before, "nothing moves unasked"
    button.send_keys(Keys.ENTER)
    assert (button.text, words(browser)) == ("Pause", "0 of 14 rows")
    time.sleep(1.1)
    assert words(browser) == "2 of 14 rows"
    button.send_keys(Keys.SPACE)
    time.sleep(1.1)
    assert (button.text, words(browser)) == ("Play", "2 of 14 rows")


def test_with_less_motion_there_is_a_slider_and_nothing_to_play(page):
    browser = page()
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    wait_for(browser, "return document.querySelector('.gdm-frames button').hidden")
    assert not browser.find_element("css selector", ".gdm-frames button").is_displayed()
    slider = browser.find_element("css selector", ".gdm-frames input")
    slider.send_keys(Keys.HOME)
    assert words(browser) == "0 of 14 rows"


SHOWN = (
    "return ['.gdm-still', '.gdm-frames-controls'].map(s => {"
    "const e = document.querySelector('.gdm-frames ' + s); return !!e && e.checkVisibility()})"
)


def test_paper_gets_the_last_frame(page):
    browser = page()
    assert browser.execute_script(SHOWN) == [False, True]
    browser.find_element("css selector", ".gdm-frames input").send_keys(Keys.HOME)
    assert top(browser) == pytest.approx(0, abs=0.02)
    resize(browser, PAPER, "print")
    assert browser.execute_script(SHOWN) == [True, False]
    assert top(browser) == pytest.approx(7, abs=0.02)


def test_without_javascript_stands_the_last_frame_that_says_so(browser, site: str):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{site}/notebooks/07_pixelcnn.html")
        assert browser.execute_script(SHOWN) == [True, False]
        assert top(browser) == pytest.approx(7, abs=0.02)
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


WIDER = (
    "const room = document.documentElement.clientWidth;"
    "return [...document.querySelectorAll('.gdm-frames *')].filter("
    "e => e.checkVisibility() && e.getBoundingClientRect().right > room + 1).length"
)


@pytest.mark.parametrize("size", [WIDE, NARROW, (320, 600)])
def test_one_slider_moves_all_families_on_every_screen(size: tuple[int, int], page):
    browser = page("book/seconds.html", size)
    slider = browser.find_element("css selector", ".gdm-frames input")
    notes = "return [...document.querySelectorAll('.gdm-strip-note')].map(n => n.textContent)"
    last = browser.execute_script(notes)
    slider.send_keys(Keys.HOME)
    first = browser.execute_script(notes)
    assert len(first) == len(last) == 8
    assert all(a != b for a, b in zip(first, last, strict=True))
    assert browser.execute_script(WIDER) == 0
    browser.execute_script("document.querySelector('.gdm-frames').style.width = '2000px'")
    assert browser.execute_script(WIDER) > 0
