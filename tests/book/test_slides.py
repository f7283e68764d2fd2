"""Every lesson has a deck of which nobody must be ashamed; two are looked at in a browser."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.book.conftest import serve
from tests.book.screen import console_problems, network_problems, wait_for
from tools import slides
from tools.offered import offer
from tools.slides_choose import Lesson, Slide, read_lesson, sentences
from tools.slides_deck import bare, beginning, deck, thin, whole
from tools.slides_write import rendered

ROOT = Path(__file__).resolve().parents[2]
NAMES = [name for name, _ in slides.lessons_of(ROOT)]
SHOWN = ("02_gaussian_mle", "12_gan_games", "14_pix2pix")  # formulas, a table, pictures
# As npm publishes reveal.js 6.0.2.
REVEAL = {
    "reveal.js": "aa1bbbf2617b23a623b23612cb3c5bdb63de512e652bf20fcfa832b045d37844",
    "reveal.css": "615ee850cbbb98a0f688b60ed37b21819a3f54c9f3e6f20e33e63693ab74a0c0",
    "notes.js": "447c42f365876e41853de81453d0c53c580c5b2099132e8f61200de4a0ba2af3",
    "LICENSE": "b2883e4b610bfa1b4d8fff84c4d4b825cc7d553cbd9fec4777c04068a2859dc0",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all decks."""
    target = tmp_path_factory.mktemp("site") / "slides"
    slides.make(ROOT, target, [])
    return target


def repeated(made: list[Slide]) -> list[str]:
    """Return the statements that another slide of the same heading makes, too."""
    found = []
    for slide in made:
        others = [o for o in made if o is not slide and o.title == slide.title]
        texts = [[o.parts.get("lead", ""), *o.parts.get("said", [])] for o in others]
        told = " ".join(" ".join(text) for text in texts)
        found += [text for text in slide.parts.get("said", []) if text in told]
    return found


def deck_problems(made: list[Slide]) -> list[str]:
    """Return what a deck lacks."""
    kinds = [slide.kind for slide in made]
    problems = [] if 12 <= len(made) <= 25 else [f"{len(made)} slides"]
    problems += [f"{kind}: none" for kind in ("title", "figure", "idea") if kind not in kinds]
    if kinds.count("question") != 3:
        problems.append(f"{kinds.count('question')} questions")
    if kinds[:1] != ["title"] or [s.title for s in made[-2:]] != ["Exercises", "Summary"]:
        problems.append("does not begin with the title, or end with the summary")
    for slide in made:
        empty = [name for name in ("lead", "formula", "list") if slide.parts.get(name) == ""]
        if slide.kind == "text" and not slide.parts["said"]:
            empty.append("said")
        if slide.kind == "idea" and empty == ["lead"]:
            empty = []  # a formula may speak for itself
        problems += [f"{slide.title}: empty {name}" for name in empty]
        said = slide.parts.get("said", [])
        problems += [f"{slide.title}: says no more than {text!r}" for text in said if bare(text)]
        if slide.kind == "figure" and len(slide.parts["figure"][1]) < 20:
            problems.append(f"{slide.title}: a figure without a description")
        if slide.kind == "figure" and "next table" in slide.parts["figure"][0]:
            problems.append(f"{slide.title}: a caption that speaks of what is not there")
        if slide.kind == "question" and len(slide.notes) < 3:
            problems.append(f"{slide.title}: no reasons in the notes")
    problems += [f"twice: {text!r}" for text in repeated(made)]
    if sum("minutes.**" in note for slide in made for note in slide.notes) < 5:
        problems.append("the plan is not in the notes")
    return problems


@pytest.mark.parametrize("name", NAMES)
def test_a_deck_is_whole(name: str):
    assert deck_problems(deck(read_lesson(ROOT, name))) == []


def without(name: str, lesson: Lesson) -> Lesson:
    """Return a lesson that lacks something."""
    match name:
        case "figures":
            parts = [dataclasses.replace(s, figures=[]) for s in lesson.sections]
            return dataclasses.replace(lesson, sections=parts)
        case "formulas":
            parts = [
                dataclasses.replace(
                    s, texts=[re.sub(r"\$\$.*?\$\$", "", t, flags=re.S) for t in s.texts]
                )
                for s in lesson.sections
            ]
            return dataclasses.replace(lesson, sections=parts)
        case "questions":
            return dataclasses.replace(lesson, questions=lesson.questions[:2])
        case "plan":
            return dataclasses.replace(lesson, plan=lesson.plan[:1])
        case _:
            return dataclasses.replace(lesson, goals="")


@pytest.mark.parametrize("name", ["figures", "formulas", "questions", "plan", "goals"])
def test_a_deck_that_lacks_something_is_found(name: str):
    assert deck_problems(deck(without(name, read_lesson(ROOT, "02_gaussian_mle"))))


def page_problems(page: Path) -> list[str]:
    """Return what a deck's page would fetch from outside, or from a file that is not there."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    wanted = [tag.get("src") for tag in soup.find_all(["img", "script"])]
    wanted += [tag.get("href") for tag in soup.find_all(["link", "a"])]
    found = [address for address in wanted if address and not address.startswith(("data:", "#"))]
    problems = [a for a in found if "//" in a or not (page.parent / a).is_file()]
    unread = [
        p for p in soup.select(".fit, .notes") if re.search(r"\$|\*\*|\]\(|^: ", p.get_text(), re.M)
    ]
    return problems + [f"raw text: {p.get_text()[:60]}" for p in unread]


def test_decks_need_nothing_from_outside(folder: Path):
    pages = sorted(folder.glob("*.html"))
    assert len(pages) == len(NAMES) + 1
    assert [p for page in pages for p in page_problems(page)] == []
    sheets = (folder / "slides.css").read_text() + (folder / "reveal" / "reveal.css").read_text()
    assert "@import" not in sheets and not re.search(r"url\(['\"]?(http|//)", sheets)
    bad = folder.parent / "bad.html"
    bad.write_text("<img src='https://x.org/a.png'><script src='lost.js'></script><p class=fit>$x$")
    assert len(page_problems(bad)) == 3


def test_reveal_is_as_published():
    for name, checksum in REVEAL.items():
        content = (ROOT / "tools" / "reveal" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum, name


# --- in a browser ------------------------------------------------------------------------------

READY = "return document.documentElement.dataset.ready === 'yes'"
OVER = """
const problems = [], [index] = arguments;
const slide = Reveal.getSlides()[index];
const scale = Reveal.getScale(), box = slide.getBoundingClientRect();
for (const fragment of slide.querySelectorAll('.fragment')) fragment.classList.add('visible');
if (Math.abs(box.height / scale - 720) > 2) problems.push('box is ' + box.height / scale);
for (const part of slide.querySelectorAll('.fit, .fit *')) {
  if (part.closest('mjx-assistive-mml, svg svg *') || !part.checkVisibility()) continue;
  const r = part.getBoundingClientRect();
  if (!r.width || !r.height) continue;
  if (r.right > box.right - 20 * scale || r.left < box.left || r.bottom > box.bottom - 20 * scale)
    problems.push(part.tagName + ' ends at ' + [r.right, r.bottom].map(x => Math.round(x / scale)));
}
if (parseFloat(slide.dataset.size) < 0.75) problems.push('letters of ' + slide.dataset.size);
for (const image of slide.querySelectorAll('img'))
  if (!image.naturalWidth || image.getBoundingClientRect().height < 150 * scale)
    problems.push('a picture is small or missing');
for (const error of slide.querySelectorAll('mjx-merror')) problems.push(error.textContent);
return problems.slice(0, 4);
"""


def open_deck(browser, address: str) -> int:
    """Open a deck at its own size; return how many slides it has."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    size = {"width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(address)
    wait_for(browser, READY)
    return browser.execute_script("return Reveal.getTotalSlides()")


def overflows(browser, count: int) -> list[str]:
    """Return what does not fit on its slide."""
    problems = []
    for index in range(count):
        browser.execute_script(f"Reveal.slide({index})")
        found = browser.execute_script(OVER, index)
        problems += [f"slide {index + 1}: {problem}" for problem in found]
    return problems


@pytest.fixture
def site_of_decks(folder: Path):
    server = serve(folder)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("name", SHOWN)
def test_everything_fits_on_its_slide(browser, site_of_decks: str, name: str):
    count = open_deck(browser, f"{site_of_decks}/{name}.html")
    assert count >= 12
    assert overflows(browser, count) == []
    assert console_problems(browser) == []
    assert network_problems(browser, site_of_decks) == []


@pytest.mark.parametrize(
    "fault",
    [
        "<p>" + "many words " * 900 + "</p>",
        "<p style='width: 1500px'>wide</p>",
        r"<p>\(\bad\frac\)</p>",
    ],
)
def test_what_does_not_fit_is_found(browser, site_of_decks: str, folder: Path, fault: str):
    page = (folder / f"{SHOWN[0]}.html").read_text(encoding="utf-8")
    name = f"fault{hashlib.sha256(fault.encode()).hexdigest()[:6]}.html"
    (folder / name).write_text(page.replace('<div class="fit">', f'<div class="fit">{fault}', 1))
    open_deck(browser, f"{site_of_decks}/{name}")
    assert overflows(browser, 1)
    (folder / name).unlink()


def test_keys_move_show_answers_and_change_the_look(browser, site_of_decks: str):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    count = open_deck(browser, f"{site_of_decks}/{SHOWN[0]}.html")
    place = "return Reveal.getIndices().h"

    def press(key: str) -> None:
        ActionChains(browser).send_keys(key).perform()

    press(Keys.ARROW_RIGHT)
    wait_for(browser, f"{place} === 1")
    press(Keys.ARROW_LEFT)
    wait_for(browser, f"{place} === 0")
    question = count - 5
    browser.execute_script(f"Reveal.slide({question})")
    answer = f"return Reveal.getSlides()[{question}].querySelector('.answer').matches('.visible')"
    assert not browser.execute_script(answer)
    press(Keys.ARROW_RIGHT)
    wait_for(browser, answer)
    assert browser.execute_script(place) == question
    colour = "return getComputedStyle(document.querySelector('.reveal-viewport')).backgroundColor"
    light = browser.execute_script(colour)
    press("d")
    wait_for(browser, f"{colour.replace('return ', 'return (')}) !== arguments[0]", light)


def test_the_speakers_window_shows_the_plan(browser, site_of_decks: str):
    open_deck(browser, f"{site_of_decks}/{SHOWN[0]}.html#/2")
    browser.execute_script(
        "const open = window.open;"
        "window.open = (...given) => window.speaker = open.apply(window, given);"
        "Reveal.getPlugin('notes').open()"
    )
    wait_for(browser, "return speaker.document.body.innerText.includes(' minutes. ')", seconds=60)
    assert browser.execute_script("return speaker.document.querySelectorAll('iframe').length") == 2
    browser.execute_script("speaker.close()")


# --- choosing, and what comes in ---------------------------------------------------------------


def test_sentences_are_split_where_they_end():
    text = "It has $p(x. Y)$ in it. **So it never falls.** With more, it ends. e.g. nothing"
    assert sentences(text)[1:3] == ["**So it never falls.**", "With more, it ends. e.g. nothing"]


def test_a_sentence_that_says_little_brings_the_next():
    text = [
        "**What is compared?**",
        "Samples.",
        "They are as many as there are places.",
        "No more.",
    ]
    assert whole(text, 0) == " ".join(text[:3])
    text = ["**It is biased.**", "It always falls short of the truth by two.", "No more."]
    assert whole(text, 0) == " ".join(text[:2])
    text = ["**A code is a model** of what it is given to write down.", "No more."]
    assert whole(text, 0) == text[0]
    assert whole(["**How?**", "By a lot of work:"], 0) == "**How?**"  # what comes is not text
    assert (
        bare("**How?**") and bare("**The experts.**") and not bare("**So it never falls** at all.")
    )
    assert thin(["The text is a book."]) and not thin(["many words " * 30])
    assert beginning("One. Two. " + "Three " * 60 + "end.") == "One. Two."


def test_a_slide_does_not_say_what_the_next_one_says():
    made = deck(read_lesson(ROOT, "02_gaussian_mle"))
    idea = next(s for s in made if s.kind == "idea" and s.parts["said"])
    lead = idea.parts | {"lead": idea.parts["said"][0], "said": []}
    question = idea.parts | {"said": ["**Why?**"]}
    figure = next(s for s in made if s.kind == "figure")
    away = {"figure": ("It is good, as the next table shows.", *figure.parts["figure"][1:])}
    planted = ((idea, lead, "twice"), (idea, question, "says no more"), (figure, away, "not there"))
    for slide, parts, problem in planted:
        bad = [*made[:-2], dataclasses.replace(slide, parts=parts), *made[-2:]]
        assert any(problem in found for found in deck_problems(bad))


def test_notes_read_the_marks_of_the_teaching_page():
    shown = rendered("Why does it grow?\n: Because $n$ does.")
    assert "<dt>Why does it grow?</dt>" in shown and "<dd>" in shown and "\n:" not in shown


def test_cells_may_be_left_out_or_preferred(tmp_path: Path):
    for part in ("notebooks", "book/questions", "book/teach"):
        (tmp_path / part).mkdir(parents=True)
    name = "12_gan_games"
    for file in (f"book/questions/{name}.yml", f"book/teach/{name}.md"):
        (tmp_path / file).write_text((ROOT / file).read_text(encoding="utf-8"), encoding="utf-8")
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))

    def captions() -> list[str]:
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
        made = deck(read_lesson(tmp_path, name))
        return [slide.parts["figure"][0] for slide in made if slide.kind == "figure"]

    first = captions()[0]
    for cell in notebook["cells"]:
        if cell["metadata"].get("mystnb", {}).get("figure", {}).get("caption") == first:
            cell["metadata"]["slideshow"] = {"slide_type": "skip"}
    assert first not in captions()


def test_what_no_deck_can_be_made_of_is_said(tmp_path: Path, capsys):
    assert slides.main(["99_none", "--out", str(tmp_path / "slides")]) == 1
    assert "'99_none' is no lesson; expected a name such as 01_" in capsys.readouterr().err
    assert not (tmp_path / "slides").exists()
    lesson = read_lesson(ROOT, "02_gaussian_mle")
    with pytest.raises(ValueError, match="the plan names 'Nowhere', which is no heading"):
        deck(dataclasses.replace(lesson, plan=[("10", "Look.", "Nowhere")]))


def test_links_appear_when_there_is_something_to_open(tmp_path: Path, folder: Path):
    (tmp_path / "book" / "teach").mkdir(parents=True)
    goal = tmp_path / "slides"
    goal.mkdir()
    for name in ("index.html", "02_gaussian_mle.html"):
        (goal / name).write_text("")
    words = '<p><span class="gdm-made-slides">the slides</span></p>'
    (tmp_path / "book" / "read.html").write_text(words)
    (tmp_path / "book" / "teach" / "02_gaussian_mle.html").write_text(words)
    assert offer(tmp_path, "pdf", tmp_path / "book.pdf") == 0
    assert offer(tmp_path, "slides", goal) == 2
    assert 'href="../slides/index.html">the slides</a>' in (tmp_path / "book/read.html").read_text()
    lesson = (tmp_path / "book" / "teach" / "02_gaussian_mle.html").read_text()
    assert 'href="../../slides/02_gaussian_mle.html"' in lesson
    assert offer(tmp_path, "slides", goal) == 0


def test_the_book_has_words_for_the_links(html: Path):
    for page in (html / "book" / "read.html", html / "book" / "teach" / "02_gaussian_mle.html"):
        assert re.search(r'<(span|a) class="gdm-made-slides"', page.read_text(encoding="utf-8"))
    assert re.search(r'<(span|a) class="gdm-made-pdf"', (html / "book/read.html").read_text())
