"""Pictures open at full size, animations wait to be played, plates are dim in the dark."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from coursebook import pictures
from PIL import Image, ImageChops
from selenium.webdriver.common.keys import Keys

from tests.book.screen import NARROW, PAPER, WIDE, open_page, resize, set_theme, wait_for

LESSONS = ("03_logistic_regression", "04_fvsbn")  # those with an animation


def gif(path: Path, frames: int = 5, size: tuple[int, int] = (30, 20)) -> Path:
    """Write an animation whose frames get lighter."""
    shades = [Image.new("RGB", size, (50 * n, 0, 0)) for n in range(frames)]
    shades[0].save(path, save_all=True, append_images=shades[1:], duration=80, loop=0)
    return path


# --- what is made of an animation


def moving_pictures(soup: BeautifulSoup) -> list[str]:
    """Return pictures of a page that move by themselves, and animations without a still one."""
    problems = [i["src"] for i in soup.find_all("img") if i.get("src", "").endswith(".gif")]
    problems += [t.name for t in soup.find_all(["marquee", "blink", "animate", "animateTransform"])]
    problems += [t.name for t in soup.find_all(["video", "audio"]) if t.has_attr("autoplay")]
    for link in soup.find_all("a", href=lambda address: (address or "").endswith(".gif")):
        place = link.find_parent(class_="gdm-animation")
        if place is None or not link.find("img") or not place.get("data-sheet"):
            problems.append(link["href"])
    return problems


def test_no_picture_moves_by_itself(html: Path):
    pages = [*html.glob("book/**/*.html"), *html.glob("notebooks/*.html")]
    soups = {p.name: BeautifulSoup(p.read_text(encoding="utf-8"), "html.parser") for p in pages}
    assert {name: found for name, s in soups.items() if (found := moving_pictures(s))} == {}
    assert sum(len(s.select(".gdm-animation")) for s in soups.values()) >= len(LESSONS)


@pytest.mark.parametrize(
    "page",
    [
        '<img src="a.gif" alt="x">',
        '<a href="a.gif"><img src="a.last.png" alt="x"></a>',
        '<span class="gdm-animation"><a href="a.gif"><img src="a.png" alt="x"></a></span>',
        '<video src="a.webm" autoplay></video>',
        '<svg><circle r="3"><animate attributeName="r" dur="1s"></animate></circle></svg>',
    ],
)
def test_a_picture_that_moves_is_noticed(page: str):
    assert moving_pictures(BeautifulSoup(page, "html.parser"))


def endless(folder: Path) -> list[str]:
    """Return pictures of several frames that are no GIF: no button would pause them."""
    found = []
    for path in folder.iterdir():
        if path.suffix in (".png", ".webp", ".avif", ".apng"):
            with Image.open(path) as picture:
                if getattr(picture, "n_frames", 1) > 1:
                    found.append(path.name)
    return found


def test_no_other_kind_of_picture_moves(html: Path, tmp_path: Path):
    folders = [html / "_images", html / "_static", html / "_static" / "frames"]
    assert [endless(folder) for folder in folders] == [[], [], []]
    shades = [Image.new("RGB", (30, 20), (50 * n, 0, 0)) for n in range(3)]
    for name in ("a.png", "b.webp"):
        shades[0].save(tmp_path / name, save_all=True, append_images=shades[1:])
    assert sorted(endless(tmp_path)) == ["a.png", "b.webp"]


def test_the_still_picture_is_the_last_frame(html: Path):
    animations = list((html / "_images").glob("*.gif"))
    assert len(animations) >= len(LESSONS)
    for path in animations:
        frames, _ = pictures.frames_of(path)
        with Image.open(pictures.derived(path)["last"]) as still:
            difference = ImageChops.difference(still.convert("RGB"), frames[-1])
        assert max(high for _, high in difference.getextrema()) < 64  # fewer colours


def test_sheet_and_moments_hold_the_frames(tmp_path: Path):
    path = gif(tmp_path / "a.gif")
    frames, duration = pictures.frames_of(path)
    assert (len(frames), duration) == (5, 80)
    sheet = pictures.sheet(frames, 1)
    assert sheet.size == (30, 100)
    assert [sheet.getpixel((5, 20 * n + 5))[0] for n in range(5)] == [0, 50, 100, 150, 200]
    moments = pictures.moments(frames)
    edge = pictures.EDGE
    assert moments.size == (4 * (30 + 2 * edge), 20 + 2 * edge)
    assert [moments.getpixel((n * (30 + 2 * edge) + 10, 12))[0] for n in range(4)][::3] == [0, 200]
    wide, _ = pictures.frames_of(gif(tmp_path / "b.gif", size=(60, 20)))
    assert pictures.moments(wide).width == 60 + 2 * edge


def test_the_page_names_what_is_written(tmp_path: Path):
    path = gif(tmp_path / "a.gif")
    pictures.write_derived(path)
    text = pictures.animation_html("../_images/a.gif", "A square.", path)
    soup = BeautifulSoup(text, "html.parser")
    assert moving_pictures(soup) == []
    assert soup.span["data-frames"] == "5"
    named = {soup.span["data-sheet"], *(image["src"] for image in soup.find_all("img"))}
    assert {Path(name).name for name in named} == {p.name for p in pictures.derived(path).values()}
    assert all(place.is_file() for place in pictures.derived(path).values())


# --- how it behaves


@pytest.mark.parametrize("lesson", LESSONS)
def test_an_animation_waits_plays_pauses_and_ends(lesson: str, browser, site: str):
    resize(browser, WIDE)
    open_page(browser, f"{site}/notebooks/{lesson}.html")
    wait_for(browser, "return !!document.querySelector('.gdm-animation canvas')")
    button = browser.find_element("css selector", ".gdm-animation button")
    slider = "return Number(document.querySelector('.gdm-animation input').value)"
    frame = "return document.querySelector('.gdm-animation canvas').toDataURL()"

    def moves() -> bool:
        before = browser.execute_script(frame)
        time.sleep(0.7)
        return browser.execute_script(frame) != before

    last = browser.execute_script(slider)
    assert button.text == "Play"
    assert not moves()
    button.send_keys(Keys.ENTER)
    assert button.text == "Pause"
    assert moves()
    button.send_keys(Keys.SPACE)
    assert button.text == "Play"
    assert not moves()
    assert 0 < browser.execute_script(slider) < last
    browser.find_element("css selector", ".gdm-animation input").send_keys(Keys.ARROW_RIGHT)
    button.click()
    wait_for(browser, f"{slider} === arguments[0]", last)
    assert button.text == "Play"
    assert not moves()


@pytest.mark.parametrize("lesson", LESSONS)
def test_with_less_motion_an_animation_waits_too(lesson: str, browser, site: str):
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    resize(browser, WIDE)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    try:
        open_page(browser, f"{site}/notebooks/{lesson}.html")
        wait_for(browser, "return !!document.querySelector('.gdm-animation canvas')")
        frame = "return document.querySelector('.gdm-animation canvas').toDataURL()"
        before = browser.execute_script(frame)
        time.sleep(0.7)
        assert browser.execute_script(frame) == before
        assert browser.find_element("css selector", ".gdm-animation button").text == "Play"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.parametrize("lesson", LESSONS)
def test_on_paper_stand_four_moments(lesson: str, browser, site: str):
    open_page(browser, f"{site}/notebooks/{lesson}.html")
    wait_for(browser, "return !!document.querySelector('.gdm-animation canvas')")
    shown = (
        "return ['.gdm-animation', 'img.gdm-moments'].map("
        "s => document.querySelector('figure ' + s).checkVisibility())"
    )
    assert browser.execute_script(shown) == [True, False]
    resize(browser, PAPER, "print")
    assert browser.execute_script(shown) == [False, True]
    resize(browser, WIDE)


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_figure_opens_at_full_size(size: tuple[int, int], browser, site: str, html: Path):
    resize(browser, size)
    open_page(browser, f"{site}/notebooks/02_gaussian_mle.html")
    link = browser.find_element("css selector", "figure a.gdm-full-size")
    browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", link)
    is_open = "const d = document.querySelector('dialog.gdm-window'); return !!d && d.open"
    wide = (
        "const i = document.querySelector('dialog.gdm-window img'), w = i.naturalWidth;"
        "return i.complete && w > 0 && i.getBoundingClientRect().width >= w"
    )
    for press in (link.click, lambda: link.send_keys(Keys.ENTER)):
        press()
        wait_for(browser, is_open)
        wait_for(browser, wide)
        browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        wait_for(browser, f"return !(() => {{ {is_open} }})()")
        assert browser.switch_to.active_element == link
    link.click()
    wait_for(browser, is_open)
    browser.find_element("css selector", "dialog.gdm-window > button").click()
    wait_for(browser, f"return !(() => {{ {is_open} }})()")
    resize(browser, WIDE)


def test_every_figure_is_a_link_to_its_picture(html: Path):
    for page in [*html.glob("notebooks/*.html"), html / "book" / "index.html"]:
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        images = soup.select("article figure img:not(.gdm-moments)")
        assert images, page.name
        for image in images:
            assert image.find_parent("a")["href"].rpartition("/")[0].endswith("_images"), image


# --- on a phone

SMALL = """
const own = (part) => parseFloat(part.style.width) || part.naturalWidth;
const problems = [];
for (const part of document.querySelectorAll('figure a.gdm-full-size img, svg.schematic')) {
  const width = part.getBoundingClientRect().width, box = part.parentElement;
  if (width < 0.74 * own(part)) problems.push('small: ' + width / own(part));
  if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).maskImage === 'none')
    problems.push('no faded edge');
}
return [document.querySelectorAll('figure a.gdm-full-size img').length, problems,
        document.documentElement.scrollWidth];
"""


@pytest.mark.parametrize("lesson", ["03_logistic_regression", "19_evaluation", "24_restoration"])
def test_figures_can_be_read_on_a_phone(lesson: str, browser, site: str):
    resize(browser, NARROW)
    open_page(browser, f"{site}/notebooks/{lesson}.html")
    wait_for(browser, "return !!document.querySelector('figure a.gdm-more-right')")
    count, problems, width = browser.execute_script(SMALL)
    assert count >= 3 and problems == [] and width <= NARROW[0]
    shrink = "document.querySelectorAll('figure img').forEach(i => i.style.zoom = 0.4)"
    browser.execute_script(shrink)
    assert browser.execute_script(SMALL)[1]
    resize(browser, WIDE)


# --- in the dark


def test_plates_are_white_and_dimmed_in_the_dark_and_drawings_follow_the_page(browser, site: str):
    look = (
        "return [...document.querySelectorAll('article figure :is(img, canvas)')]"
        ".filter(i => i.checkVisibility()).map(i => { const s = getComputedStyle(i);"
        "return [s.filter, s.backgroundColor]; })"
    )
    open_page(browser, f"{site}/book/index.html")
    assert browser.execute_script(look) == [["none", "rgba(0, 0, 0, 0)"]]
    set_theme(browser, "dark")
    seen = browser.execute_script(look)
    for lesson in ("02_gaussian_mle", "04_fvsbn"):
        open_page(browser, f"{site}/notebooks/{lesson}.html")
        set_theme(browser, "dark")
        seen += browser.execute_script(look)
    assert len(seen) > 10
    assert {tuple(found) for found in seen} == {("brightness(0.84)", "rgb(255, 255, 255)")}


def test_the_map_of_the_course_has_the_colours_of_the_page(browser, site: str):
    open_page(browser, f"{site}/notebooks/01_what_is_a_generative_model.html")
    words = (
        "const t = document.querySelector('.cell_output .text_html svg > text');"
        "const s = getComputedStyle(t), b = getComputedStyle(t.closest('.text_html'));"
        "return [s.fill === getComputedStyle(document.querySelector('article p')).color,"
        " b.backgroundColor]"
    )
    for theme in ("light", "dark"):
        set_theme(browser, theme)
        assert browser.execute_script(words) == [True, "rgba(0, 0, 0, 0)"], theme
