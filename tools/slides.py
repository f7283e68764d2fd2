"""Make slides for the lessons: ``python -m tools.slides [LESSON ...]``.

A deck for each lesson and a page that lists them, in ``_build/html/slides`` beside the book. They
are shown by reveal.js, which the project carries with its licence in ``tools/reveal``; formulas are
typeset by the book's own MathJax. Nothing comes from a network.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tools.offered import offer
from tools.pdf import pages_of
from tools.slides_choose import ROOT, Lesson, read_lesson
from tools.slides_deck import deck
from tools.slides_write import write_deck, write_index

TARGET = ROOT / "_build" / "html" / "slides"
HERE = Path(__file__).resolve().parent


def lessons_of(root: Path) -> list[tuple[str, str]]:
    """Return the names of the lessons, with their parts, in the order of the book."""
    pages = pages_of(root / "_toc.yml")
    return [(Path(page.path).name, page.part) for page in pages if page.kicker]


def make(root: Path, target: Path, names: list[str]) -> list[tuple[Lesson, int]]:
    """Write the decks of some lessons, or of all; return each lesson, and how many slides it has.

    Raises:
        ValueError: If a name is no lesson, or a lesson lacks what a deck is made of.
    """
    from coursebook.mathjax import copy_mathjax, source_folder

    known = lessons_of(root)
    unknown = sorted(set(names) - {name for name, _ in known})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no lesson; expected a name such as {known[0][0]}")
    half = target.with_name(f"{target.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(HERE / "reveal", half / "reveal")
    for name in ("slides.css", "slides.js"):
        shutil.copyfile(HERE / name, half / name)
    copy_mathjax(source_folder(), half / "mathjax")
    made = []
    for name, part in known:
        if names and name not in names:
            continue
        lesson = read_lesson(root, name, part)
        slides = deck(lesson)
        write_deck(lesson, slides, half)
        made.append((lesson, len(slides)))
    write_index([lesson for lesson, _ in made], half)
    shutil.rmtree(target, ignore_errors=True)
    half.rename(target)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make slides for the lessons.")
    parser.add_argument("lessons", nargs="*", help="such as 02_gaussian_mle; all, if none")
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args(arguments)
    try:
        made = make(ROOT, options.out, options.lessons)
    except (OSError, ValueError) as error:
        print(f"make slides: {error}", file=sys.stderr)
        return 1
    offer(options.out.parent, "slides", options.out)
    count = sum(number for _, number in made)
    print(f"{options.out / 'index.html'}: {len(made)} decks, {count} slides")
    return 0


if __name__ == "__main__":
    sys.exit(main())
