"""Choose what of a lesson goes on slides: by rules, from the files that the book is made of.

The plan of the lesson's teaching page says which sections a session takes and in which order. Of
each come the formula to which lesson, summary and questions refer most, with the sentence that
leads to it and the statements in bold type, and the first figure. Before them stand the title and
the goals, after them the questions, the exercises and the summary. What the teacher says is in
the notes.

A cell may say otherwise, as Jupyter has it: ``slideshow: {slide_type: skip}`` leaves a figure or
a text out, ``slide`` prefers a figure to those before it.
"""

from __future__ import annotations

import html
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from coursebook.questions import Question, read_questions  # noqa: E402
from coursebook.teaching import EXERCISE, GOALS  # noqa: E402

FORMULA = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
TAG = re.compile(r"\\tag\{([\d.]+)\}")
HEADING = re.compile(r"^(#{1,3}) (.+)$", re.MULTILINE)
BOLD = re.compile(r"\*\*[^*]+\*\*")
PLAN = re.compile(r"^\| *(\d+) *\| *(.+?) *\| *(.+?) *\|$", re.MULTILINE)
SENTENCE = re.compile(r"(?:(?<=[.!?])|(?<=[.!?]\*\*))\s+(?=[A-Z*$“])")
# Sentences that speak of the notebook, and are out of place on a slide.
NOTEBOOK = re.compile(
    r"\b([Ww]e check|Here (is|are)|[Cc]ells?|[Ee]xercises?|library|gdmlib|[Mm]oving figure|page on"
    r"|(next|last|first) (column|row|table|figure))\b"
)
LEAD, STATEMENTS = 45, 2  # words before a formula; sentences after it
Cell = dict[str, Any]


@dataclass
class Slide:
    """A slide: its kind, its heading, and its parts in Markdown, by their names."""

    kind: str
    title: str
    parts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Section:
    """A part of a lesson below a heading: its texts, its figures, and what its cells print."""

    title: str
    level: int
    texts: list[str] = field(default_factory=list)
    figures: list[Cell] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    def paragraphs(self) -> list[str]:
        """Return its paragraphs, displayed formulas among them."""
        text = re.sub(r"<details>.*?</details>", "", "\n\n".join(self.texts), flags=re.DOTALL)
        text = FORMULA.sub(lambda found: f"\n\n$${found[1].strip()}$$\n\n", text)
        # A formula may have empty lines of its own: none has, and a paragraph ends at one.
        found = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
        return [part for part in found if not part.startswith("[Moving figure")]


@dataclass(frozen=True)
class Lesson:
    """What a deck is made of."""

    name: str
    title: str
    part: str
    lead: str
    sections: list[Section]
    goals: str
    exercises: list[str]
    questions: list[Question]
    plan: list[tuple[str, str, str]]
    teacher: str
    cited: dict[str, int]

    @property
    def number(self) -> int:
        """Return the number of the lesson."""
        return int(self.name[:2])


def source(cell: Cell) -> str:
    """Return the text of a cell."""
    return "".join(cell["source"])


def figure_of(cell: Cell) -> tuple[str, str, str, str] | None:
    """Return a figure's caption, its description, its kind and its data; or None."""
    about = cell["metadata"].get("mystnb", {})
    for output in cell.get("outputs", []):
        made = output.get("data", {})
        for kind in ("image/svg+xml", "image/png", "text/html"):
            data = "".join(made.get(kind, ""))
            if data and (kind != "text/html" or "<svg" in data):
                caption = about.get("figure", {}).get("caption", "")
                label = re.search(r'<svg[^>]*\baria-label="([^"]*)"', data)
                alt = html.unescape(label[1]) if label else about.get("image", {}).get("alt", "")
                return caption, alt, kind, data
    return None


def sections_of(cells: list[Cell]) -> list[Section]:
    """Return the sections of a notebook; those below an exercise are left out."""
    sections: list[Section] = [Section("", 1)]
    for cell in cells:
        kind = cell["metadata"].get("slideshow", {}).get("slide_type", "")
        if kind == "skip":
            continue
        if cell["cell_type"] == "code":
            figure = figure_of(cell)
            if figure and figure[0]:
                place = 0 if kind == "slide" else len(sections[-1].figures)
                sections[-1].figures.insert(place, cell)
            sections[-1].printed += [
                "".join(output["text"])
                for output in cell.get("outputs", [])
                if output["output_type"] == "stream"
            ]
            continue
        text, start = source(cell), 0
        for found in HEADING.finditer(text):
            sections[-1].texts.append(text[start : found.start()])
            sections.append(Section(found[2].strip(), len(found[1])))
            start = found.end()
        sections[-1].texts.append(text[start:])
    return sections


def read_lesson(root: Path, name: str, part: str = "") -> Lesson:
    """Read a lesson, its questions and its teaching page.

    Raises:
        FileNotFoundError: If one of them is missing.
        ValueError: If it has no title, or no plan.
    """
    questions = root / "book" / "questions" / f"{name}.yml"
    asked = questions.read_text("utf-8")
    cells = json.loads((root / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    teacher = (root / "book" / "teach" / f"{name}.md").read_text("utf-8")
    prose = "\n\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    sections = sections_of(cells)
    title = next(
        (section.title for section in sections if section.level == 1 and section.title), ""
    )
    plan = [(row[1], row[2], row[3]) for row in PLAN.finditer(teacher)]
    if not title or not plan:
        missing = "a title, '# …'" if not title else "a plan in its teaching page"
        raise ValueError(f"{name}: has not {missing}; slides are made from it")
    goals = GOALS.search(prose + "\n")
    opening = next(s for s in sections if s.title == title).paragraphs()
    lead = next((p for p in opening if not p.startswith(("[▶", "**", "-"))), "")
    return Lesson(
        name=name,
        title=title,
        part=part,
        lead=lead,
        sections=sections,
        goals=goals["list"].strip() if goals else "",
        exercises=[f"{e['name']} *({e['minutes']} minutes)*" for e in EXERCISE.finditer(prose)],
        questions=read_questions(questions),
        plan=plan,
        teacher=teacher,
        cited={tag: _weight(tag, prose, sections, asked) for tag in TAG.findall(prose)},
    )


def _weight(tag: str, prose: str, sections: list[Section], asked: str) -> int:
    """Return how much a formula matters: the summary and the questions refer to what does."""
    summary = "".join("".join(s.texts) for s in sections if s.title.startswith("Summary"))
    name = f"({tag})"
    return prose.count(name) + 3 * summary.count(name) + 2 * asked.count(name)


def sentences(paragraph: str) -> list[str]:
    """Split a paragraph into sentences; a formula stays whole."""
    parts: list[str] = []
    for part in SENTENCE.split(re.sub(r"\s+", " ", paragraph)):
        if parts and parts[-1].count("$") % 2:  # the end was one within a formula
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return [part for part in parts if part]


def below(lesson: Lesson, heading: str) -> list[Section]:
    """Return a section and those below it, without exercises."""
    places = [n for n, section in enumerate(lesson.sections) if section.title == heading]
    if not places:
        raise ValueError(f"{lesson.name}: the plan names {heading!r}, which is no heading")
    first = lesson.sections[places[0]]
    found = [first]
    for section in lesson.sections[places[0] + 1 :]:
        if section.level <= first.level:
            break
        if not section.title.startswith("Exercise"):
            found.append(section)
    return found


def teacher_part(lesson: Lesson, heading: str) -> str:
    """Return what the teaching page says below a heading."""
    found = re.search(rf"^## {heading}[^\n]*\n(.*?)(?=^## |\Z)", lesson.teacher, re.M | re.DOTALL)
    return found[1].strip() if found else ""
