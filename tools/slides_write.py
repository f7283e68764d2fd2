"""Write decks as pages of reveal.js: everything they need lies beside them, and nothing outside."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

from tools.slides_choose import Lesson, Slide

ENDINGS = {"image/svg+xml": "svg", "image/png": "png"}
MATHJAX = """{
  tex: {inlineMath: [['\\\\(', '\\\\)']], displayMath: [['\\\\[', '\\\\]']]},
  options: {menuOptions: {settings: {inTabOrder: false}}},
  startup: {typeset: false}
}"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<link rel="stylesheet" href="reveal/reveal.css"><link rel="stylesheet" href="slides.css">
<script>window.MathJax = {mathjax};</script>
<script defer src="mathjax/tex-chtml-full.js"></script>
<script defer src="reveal/reveal.js"></script><script defer src="reveal/notes.js"></script>
<script defer src="slides.js"></script>
</head><body><div class="reveal"><div class="slides">
{slides}
</div></div></body></html>
"""

INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
<title>Slides · Deep Generative Models</title><link rel="stylesheet" href="slides.css">
</head><body class="index"><main><h1>Slides</h1>
<p>A deck for each lesson, made from its notebook, its questions and its teaching page.
Arrow keys and space move; <kbd>S</kbd> opens the speaker’s window with notes and a clock;
<kbd>O</kbd> shows all slides, <kbd>F</kbd> fills the screen, <kbd>D</kbd> changes between light
and dark, <kbd>?</kbd> lists all keys.</p>
{parts}
<p>Text and figures: CC BY 4.0. Shown by reveal.js (MIT licence, <a href="reveal/LICENSE">its
text</a>).</p></main></body></html>
"""


def _formula(content: str, options: dict[str, Any]) -> str:
    """Return a formula for MathJax."""
    signs = r"\[{}\]" if options.get("display_mode") else r"\({}\)"
    return signs.format(html.escape(content.strip()))


def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    deflist_plugin(parser)  # as the book has it: "question", then ": answer"
    dollarmath_plugin(parser, double_inline=True, renderer=_formula)
    return parser


PARSER = _markdown()


def rendered(text: str) -> str:
    """Return Markdown with formulas as HTML."""
    return str(PARSER.render(text))


def inline(text: str) -> str:
    """Return one paragraph of Markdown as HTML, without its tags."""
    return str(PARSER.renderInline(text))


def write_figure(figure: tuple[str, str, str, str], folder: Path, name: str) -> str:
    """Write a figure's file where it has one; return the HTML that shows it."""
    caption, alt, kind, data = figure
    if kind == "text/html":
        drawing = re.search(r"<svg.*</svg>", data, re.DOTALL)
        shown = f'<div class="drawing">{drawing[0] if drawing else ""}</div>'
    else:
        file = folder / f"{name}.{ENDINGS[kind]}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if kind == "image/svg+xml" else base64.b64decode(data))
        address = file.relative_to(folder.parents[1]).as_posix()
        shown = f'<img src="{address}" alt="{html.escape(alt, quote=True)}">'
    return f"<figure>{shown}<figcaption>{inline(caption)}</figcaption></figure>"


def _title(slide: Slide, lesson: Lesson) -> str:
    return (
        f'<p class="kicker">Lesson {lesson.number} · {html.escape(lesson.part)}</p>'
        f"<h1>{inline(slide.title)}</h1><div class='lead'>{rendered(slide.parts['lead'])}</div>"
        '<p class="course">Deep Generative Models, an executable course</p>'
    )


def _question(slide: Slide) -> str:
    question = slide.parts["question"]
    options = "".join(
        f'<li class="{"right" if option.right else "wrong"}"><span>{letter}</span>'
        f"<div>{inline(option.text)}</div></li>"
        for letter, option in zip("ABCD", question.options, strict=False)
    )
    right = question.options[question.right]
    answer = f"<b>{'ABCD'[question.right]}.</b> {inline(right.reason)}"
    return (
        f"<div class='asked'>{rendered(question.text)}</div><ol class='options'>{options}</ol>"
        f'<p class="answer fragment" data-fragment-index="1">{answer}</p>'
        '<span class="fragment marker" data-fragment-index="1"></span>'
    )


def body(slide: Slide, lesson: Lesson, folder: Path, number: int) -> str:
    """Return what stands on a slide, in HTML."""
    parts = slide.parts
    said = "".join(f"<li>{inline(sentence)}</li>" for sentence in parts.get("said", []))
    said = f"<ul class='said'>{said}</ul>" if said else ""
    heading = f"<h2>{inline(slide.title)}</h2>"
    match slide.kind:
        case "title":
            return _title(slide, lesson)
        case "idea":
            lead = f"<div class='lead'>{rendered(parts['lead'])}</div>" if parts["lead"] else ""
            tail = f"<p>{inline(parts['tail'])}</p>" if parts["tail"] else ""
            formula = f"<div class='formula'>{rendered(parts['formula'])}</div>"
            return heading + lead + formula + tail + said
        case "figure":
            return heading + said + write_figure(parts["figure"], folder, f"{number:02}")
        case "question":
            return heading + _question(slide)
        case "list":
            return f"{heading}<div class='points'>{rendered(parts['list'])}</div>"
    table = f"<pre>{html.escape(parts['table'])}</pre>" if parts.get("table") else ""
    return heading + said + table


def write_deck(lesson: Lesson, slides: list[Slide], target: Path) -> Path:
    """Write a deck, `NN_name.html`, and its figures below `figures`; return its file."""
    folder = target / "figures" / lesson.name
    written = []
    for number, slide in enumerate(slides, 1):
        notes = rendered("\n\n".join(note for note in slide.notes if note))
        aside = f'<aside class="notes">{notes}</aside>' if notes else ""
        content = body(slide, lesson, folder, number)
        written.append(
            f'<section class="{slide.kind}"><div class="fit">{content}</div>{aside}</section>'
        )
    title = html.escape(f"{lesson.number} · {re.sub('[$`*]', '', lesson.title)}")
    page = PAGE.format(title=title, mathjax=MATHJAX, slides="\n".join(written))
    file = target / f"{lesson.name}.html"
    file.write_text(page, encoding="utf-8")
    return file


def write_index(lessons: list[Lesson], target: Path) -> None:
    """Write the page that lists the decks."""
    parts: dict[str, list[str]] = {}
    for lesson in lessons:
        link = f'<a href="{lesson.name}.html">{inline(lesson.title)}</a>'
        parts.setdefault(lesson.part, []).append(f'<li value="{lesson.number}">{link}</li>')
    shown = "".join(
        f"<h2>{html.escape(part)}</h2><ol>{''.join(rows)}</ol>" for part, rows in parts.items()
    )
    (target / "index.html").write_text(INDEX.format(parts=shown), encoding="utf-8")
