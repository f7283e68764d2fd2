"""Translations: what is missing or broken is reported, and a page in another language is whole."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from bs4 import BeautifulSoup
from coursebook import editions

from tools import texts, translation

LESSON = "notebooks/02_gaussian_mle"


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the English texts of every page that has a translation."""
    pages = sorted({page for pages in translation.languages().values() for page in pages})
    assert LESSON in pages
    return translation.catalogue(pages, tmp_path_factory.mktemp("catalogue"))


def test_every_translation_is_sound_and_complete_where_it_says_so(english: Path):
    assert LESSON in translation.complete("de")
    for language, pages in translation.languages().items():
        found = translation.check(language, pages, english)
        assert all(page.total > 50 for page in found)
        lines, well = translation.report(language, found, translation.complete(language))
        assert well, "\n".join(lines)


def test_every_language_says_how_much_is_translated(root: Path):
    for language in translation.languages():
        words = editions.words(root, language)
        assert len(words["notes"]) == 3 and "Show solution" in words["phrases"]


# --- what one text has and the other has not

SOUND = [
    ("Put (2.1) into $x$ and see [a](b.md).", "Setzen Sie (2.1) in $x$ ein, siehe [hier](b.md)."),
    ("Use {doc}`the page <read>` and `fit`.", "{doc}`Die Seite <read>` und `fit`."),
    (r" \mathrm{KL} = \text{estimated by} \tag{2.7} ", r"\mathrm{KL} = \text{geschätzt} \tag{2.7}"),
    ("It costs 5 \\$ and $a\nb$.", "Es kostet 5 \\$ und $a b$."),
]
BROKEN = [
    ("Let $x = 1$ be.", "Es sei $x = 2$.", "formula $x = 1$ is lost"),
    ("Let $x$ be.", "Es sei x.", "formula $x$ is lost"),
    ("See [a](b.md#c).", "Siehe [a](b.md).", "link b.md#c is lost"),
    ("See [a](b.md).", "Siehe [a](b.md) und [c](d.md).", "link d.md is not in the source"),
    ("See {doc}`the page <read>`.", "Siehe {doc}`die Seite <run>`.", "role {doc}`read` is lost"),
    ("See {term}`logit`.", "Siehe {ref}`logit`.", "role {term}`logit` is lost"),
    ("Call `fit`.", "Rufen Sie fit auf.", "code fit is lost"),
    ("By (2.14).", "Nach (2.41).", "equation number 2.14 is lost"),
    (r"x = \text{old} \tag{2.1}", r"y = \text{alt} \tag{2.1}", "only words within"),
]


@pytest.mark.parametrize(("source", "other"), SOUND)
def test_a_sound_translation_passes(source: str, other: str):
    assert texts.lost(source, other) == []


@pytest.mark.parametrize(("source", "other", "problem"), BROKEN)
def test_what_a_translation_has_lost_is_named(source: str, other: str, problem: str):
    assert any(problem in found for found in texts.lost(source, other)), texts.lost(source, other)


@pytest.mark.parametrize("text", ["Run", "No.", "$x$ is", r"a = \text{valued by} \tag{1}"])
def test_words_need_a_translation(text: str):
    assert texts.needs_words(text)


@pytest.mark.parametrize("text", ["01–03", r"\mathrm{KL}(p) = \frac{1}{2} \tag{2.8}", "–", "5"])
def test_numbers_and_displayed_formulas_need_none(text: str):
    assert not texts.needs_words(text)


# --- planted faults in the files of a book


def book(folder: Path, message: str, *, text: str = "One two.", flags: tuple = ()) -> Path:
    """Write a folder whose book has one page, in German, said to be complete."""
    place = folder / "locale" / "de" / "LC_MESSAGES" / "page.po"
    place.parent.mkdir(parents=True)
    (folder / "locale" / "de" / "complete.txt").write_text("# pages\npage\n")
    english, german = Catalog(), Catalog(locale="de")
    english.add("One two.")
    german.add(text, message, flags=flags)
    (folder / "gettext").mkdir()
    for path, catalog in ((folder / "gettext" / "page.pot", english), (place, german)):
        with path.open("wb") as file:
            write_po(file, catalog)
    return folder / "gettext"


@pytest.mark.parametrize(
    ("plant", "column", "says"),
    [
        ({"message": "Eins zwei."}, None, "complete"),
        ({"message": ""}, "missing", "missing: 'One two.'"),
        ({"message": "Eins zwei.", "flags": ("fuzzy",)}, "fuzzy", "fuzzy: 'One two.'"),
        ({"message": "Eins.", "text": "One."}, "new", "changed in English"),
        ({"message": "Eins $x$."}, "broken", "formula $x$ is not in the source"),
    ],
)
def test_a_planted_fault_is_counted_and_named(tmp_path: Path, plant: dict, column, says: str):
    source = book(tmp_path, **plant)
    (page,) = translation.check("de", ["page"], source, tmp_path)
    lines, well = translation.report("de", [page], ["page"])
    assert says in "\n".join(lines)
    assert well is (column is None)
    for kind in ("missing", "fuzzy", "new", "broken"):
        assert len(getattr(page, kind)) == (kind == column), kind
    # A page that is not said to be complete may lack texts, but none may be broken.
    assert translation.report("de", [page], [])[1] is (column != "broken")


def test_the_command_fails_where_a_complete_page_lacks_a_text(tmp_path: Path, monkeypatch, capsys):
    source = book(tmp_path, "")
    for name in ("languages", "complete", "check"):
        whole = getattr(translation, name)
        few = {"languages": 0, "complete": 1, "check": 3}[name]
        monkeypatch.setattr(
            translation, name, lambda *a, whole=whole, few=few: whole(*a[:few], tmp_path)
        )
    monkeypatch.setattr(translation, "catalogue", lambda pages, folder: source)
    assert translation.main([]) == 1
    assert re.search(r"page +1 +1 +0 +0 +0 +complete", capsys.readouterr().out)


def test_files_that_are_none_and_languages_that_are_not_there(tmp_path: Path, capsys):
    source = book(tmp_path, "Eins zwei.")
    place = translation.place("de", "page", tmp_path)
    place.write_text('msgid "One"\nnonsense\n')
    with pytest.raises(ValueError, match=r"page\.po"):
        translation.check("de", ["page"], source, tmp_path)
    place.unlink()
    with pytest.raises(ValueError, match=r"complete\.txt: page has no file"):
        translation.check("de", [], source, tmp_path)
    with pytest.raises(ValueError, match="the book has no page lost"):
        (tmp_path / "locale" / "de" / "complete.txt").unlink()
        translation.check("de", ["lost"], source, tmp_path)
    assert translation.main(["build", "xx"]) == 1
    assert "xx: expected one of de" in capsys.readouterr().err


def test_an_update_keeps_translations_and_marks_what_changed(tmp_path: Path, monkeypatch):
    old = "A density is not a probability, and it may well exceed one."
    source = book(tmp_path, "Eine Dichte ist keine Wahrscheinlichkeit.", text=old)
    english = Catalog()
    english.add(old + " See (2.1).")
    english.add("Something else.")
    with (source / "page.pot").open("wb") as file:
        write_po(file, english)
    monkeypatch.setattr(translation, "catalogue", lambda pages, folder, root: source)
    translation.update("de", "page", tmp_path)
    (page,) = translation.check("de", ["page"], source, tmp_path)
    assert (len(page.fuzzy), len(page.missing), len(page.new)) == (1, 1, 0)
    with pytest.raises(ValueError, match="no page lost"):
        translation.update("de", "lost", tmp_path)


# --- the book in German


@pytest.fixture(scope="module")
def german(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small German book: the translated pages and one that is not."""
    folder = tmp_path_factory.mktemp("german")
    pages = [*translation.languages()["de"], "book/licence"]
    toc = translation.contents_of(pages, folder / "toc.yml")
    return translation.build("de", "--toc", str(toc), target=folder / "work")


def page_of(folder: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((folder / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_pages_are_in_german_and_say_how_far(german: Path, root: Path):
    notes = editions.words(root, "de")["notes"]
    for name, note in ((LESSON, 2), ("book/index", 2), ("book/licence", 0)):
        page = page_of(german, name)
        assert page.html["lang"] == "de"
        assert page.select_one(".gdm-language").get_text(strip=True) == notes[note], name
    assert "Maximum Likelihood mit Gauß" in page_of(german, LESSON).article.h1.get_text()
    side = page_of(german, "book/index").select_one(".bd-sidebar-primary").get_text()
    assert "Teil I · Dichten" in side and "Part I" not in side


def test_a_translated_lesson_has_every_formula_and_figure_of_the_english_one(
    german: Path, html: Path
):
    def parts(folder: Path) -> tuple[Counter, list, list]:
        article = page_of(folder, LESSON).article
        formulas = Counter(
            " ".join(re.sub(r"\\text\{[^}]*\}", "", m.get_text()).split())
            for m in article.select(".math")
        )
        figures = [img["src"].rpartition("/")[2] for img in article.select("img")]
        return formulas, figures, [len(f.select("summary")) for f in article.select("section")]

    ours, theirs = parts(german), parts(html)
    assert sum(theirs[0].values()) > 150
    assert ours[0] - theirs[0] == theirs[0] - ours[0] == Counter()
    assert ours[1:] == theirs[1:]


def test_no_english_is_left_on_a_translated_page(german: Path):
    article = page_of(german, LESSON).article
    for part in article.select("pre, .math, script, svg, .gdm-demo, .cell_output"):
        part.decompose()
    english = re.compile(r"\b(the|and|is|are|which|with|Show|Hide|Hint)\b")
    left = [text.strip() for text in article.find_all(string=english)]
    assert left == []


def test_an_english_phrase_within_a_sentence_is_left_alone():
    page = "<summary>Show tests</summary><p>Show tests to all.</p>"
    assert editions.say(page, {"Show tests": "Tests zeigen"}) == (
        "<summary>Tests zeigen</summary><p>Show tests to all.</p>"
    )


def test_the_contents_keep_their_captions_and_lose_other_pages(tmp_path: Path, root: Path):
    toc = yaml.safe_load(translation.contents_of([LESSON], tmp_path / "toc.yml").read_text())
    whole = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    assert [p["caption"] for p in toc["parts"]] == [p["caption"] for p in whole["parts"]]
    files = [c["file"] for part in toc["parts"] for c in part["chapters"] if "file" in c]
    assert files == [LESSON]


def test_make_takes_the_language_from_its_command_line_alone(root: Path):
    import subprocess

    if shutil.which("make") is None:
        pytest.skip("no make here")
    run = {"cwd": root, "capture_output": True, "text": True}
    environment = {"PATH": "/usr/bin:/bin", "LANGUAGE": "en_GB:de"}
    plain = subprocess.run(["make", "-n", "book"], env=environment, **run).stdout
    other = subprocess.run(["make", "-n", "book", "LANGUAGE=de"], env=environment, **run).stdout
    assert "tools.translation" not in plain and "tools.translation build" in other
