"""The sources of the book: settings, pages, references, code blocks that print what they say."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from pathlib import Path

import pytest
import yaml

BLOCK = re.compile(r"^```(python|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(r"^@(\w+)\{([^,]+),(.*?)^\}", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def config(root: Path) -> dict:
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


# --- code blocks with their output


def wrong_blocks(markdown: str) -> list[str]:
    """Run the Python blocks of a page in one namespace; say where the output differs."""
    problems: list[str] = []
    namespace: dict[str, object] = {}
    printed = ""
    for kind, text in BLOCK.findall(markdown):
        if kind == "text":
            if printed != text:
                problems.append(f"the page shows {text!r}, the code prints {printed!r}")
            printed = ""
            continue
        if printed:
            problems.append(f"the page does not show {printed!r}")
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            exec(compile(text, "block", "exec"), namespace)
        printed = stream.getvalue()
    if printed:
        problems.append(f"the page does not show {printed!r}")
    return problems


def test_the_refresher_prints_what_it_says(root: Path):
    page = (root / "book" / "refresher.md").read_text(encoding="utf-8")
    assert len(BLOCK.findall(page)) > 30
    assert wrong_blocks(page) == []


def test_every_formula_of_the_refresher_is_checked(root: Path):
    page = (root / "book" / "refresher.md").read_text(encoding="utf-8")
    displays = page.count("\n$$\n") // 2
    assert displays >= 10
    # Between the last formula of a paragraph and the next heading there is code.
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        if "\n$$\n" in section:
            assert "```python" in section[section.rindex("\n$$\n") :], section[:60]


def test_a_wrong_output_is_noticed():
    assert wrong_blocks("```python\nprint(1)\n```\n\n```text\n2\n```\n")
    assert wrong_blocks("```python\nprint(1)\n```\n")
    assert not wrong_blocks("```python\nprint(1)\n```\n\n```text\n1\n```\n")


# --- settings


def test_the_repository_is_that_of_the_package(root: Path, config: dict):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert config["repository"]["url"] == project["urls"]["Repository"]
    assert not config["repository"]["url"].endswith((".git", "/"))
    assert config["repository"]["path_to_book"] == ""
    assert config["repository"]["branch"] == "main"


def test_the_settings_that_the_book_depends_on(config: dict):
    assert config["execute"]["execute_notebooks"] == "off"
    assert "amsmath" in config["parse"]["myst_enable_extensions"]
    sphinx = config["sphinx"]["config"]
    assert "sphinx_thebe" not in sphinx["extensions"]
    assert sphinx["html_context"]["default_mode"] == "auto"
    assert ".*" in config["exclude_patterns"]


def test_no_static_folder_at_the_root(root: Path):
    assert not (root / "_static").exists(), "its scripts would be added to every page"


# --- pages


def toc_files(toc: object) -> set[str]:
    """Return every document that a table of contents names."""
    if isinstance(toc, list):
        return set().union(*map(toc_files, toc)) if toc else set()
    if not isinstance(toc, dict):
        return set()
    own = {toc[key] for key in ("root", "file") if key in toc}
    return own.union(*(toc_files(toc.get(key)) for key in ("parts", "chapters", "sections")))


def test_every_page_and_lesson_is_in_the_contents(root: Path):
    files = toc_files(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")))
    pages = [*(root / "book").rglob("*.md"), *(root / "notebooks").glob("*.ipynb")]
    here = {path.relative_to(root).with_suffix("").as_posix() for path in pages}
    assert here - files == set()
    assert files - here == set()


def test_every_lesson_has_an_anchor(root: Path):
    page = (root / "book" / "lessons.md").read_text(encoding="utf-8")
    assert re.findall(r"^\(lesson-(\d\d)\)=$", page, re.MULTILINE) == [
        name[:2] for name in lessons(root)
    ]


def lessons(root: Path) -> list[str]:
    """Return the names of the notebooks, in order."""
    return sorted(path.name for path in (root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def test_the_page_of_lessons_opens_each_of_them(root: Path):
    page = (root / "book" / "lessons.md").read_text(encoding="utf-8")
    parts = re.split(r"^\(lesson-(\d\d)\)=$", page, flags=re.MULTILINE)[1:]
    assert len(parts) == 2 * len(lessons(root))
    for number, text, name in zip(parts[::2], parts[1::2], lessons(root), strict=True):
        assert f"[Open the lesson.](../notebooks/{name})" in text, number


def test_the_landing_page_has_every_part_and_every_lesson(root: Path):
    page = (root / "book" / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\| (\d\d[\d–, ]*) \|$", page, re.MULTILINE)
    spans = [span.split("–") for row in rows for span in row.split(", ")]
    numbers = [n for span in spans for n in range(int(span[0]), int(span[-1]) + 1)]
    assert len(rows) == 6
    assert numbers == [int(name[:2]) for name in lessons(root)]
    assert re.findall(r"^\| \d\d \| \[.*\]\(\.\./notebooks/(.*?)\)", page, re.MULTILINE) == lessons(
        root
    )
    assert "[Start with lesson 01](../notebooks/01_what_is_a_generative_model.ipynb)" in page


def test_the_glossary_is_sorted_and_rich(root: Path):
    page = (root / "book" / "glossary.md").read_text(encoding="utf-8")
    body = page.split(":::{glossary}")[1].rsplit(":::", 1)[0]
    terms = re.findall(r"^(\S.*)$", body, re.MULTILINE)
    assert len(terms) >= 35
    assert len(set(terms)) == len(terms)
    assert terms == sorted(terms, key=str.lower)


def test_references_are_complete(root: Path):
    entries = ENTRY.findall((root / "book" / "references.bib").read_text(encoding="utf-8"))
    assert len(entries) >= 25
    assert len({key for _, key, _ in entries}) == len(entries)
    for _, key, fields in entries:
        assert all(f"{field} =" in fields for field in ("author", "title", "year")), key


def test_every_citation_has_a_reference(root: Path):
    keys = {key for _, key, _ in ENTRY.findall((root / "book/references.bib").read_text("utf-8"))}
    pages = [path.read_text(encoding="utf-8") for path in (root / "book").rglob("*.md")]
    cited = {key for page in pages for key in re.findall(r"\{cite:\w+\}`([^`]+)`", page)}
    assert cited and cited <= keys


def test_pictures_are_small(root: Path):
    pictures = [p for p in (root / "book/_static").iterdir() if p.suffix in {".png", ".svg"}]
    assert pictures
    assert {p.name: p.stat().st_size for p in pictures if p.stat().st_size > 150_000} == {}
