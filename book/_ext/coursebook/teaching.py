"""What a teacher's page takes from the lesson, so that the two cannot drift apart.

``{lesson-goals}``    What a reader is able to do afterwards, as the lesson says it.
``{lesson-timing}``   Words, seconds of the run, and the exercises of the page's lesson.
``{lessons-timing}``  The same for all lessons, a row each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from .tables import MarkdownDirective, Notebook, markdown_table, number, read_execution

WORDS_A_MINUTE = 200
EXERCISE = re.compile(
    r"^### Exercise (?P<name>[\d.]+ · .+?)$.*?"
    r"^\*Difficulty (?P<difficulty>[1-3]) of 3 · (?P<minutes>\d+) minutes"
    r" · (?P<points>\d+) points?\*$",
    re.MULTILINE | re.DOTALL,
)
GOALS = re.compile(r"\*\*What you will be able to do\*\*\s*\n+(?P<list>(?:- .*\n(?:  .*\n)*)+)")
TIME = re.compile(r"^\*\*Time\.?\*\*[:.]?\s*(?P<time>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """An exercise as its heading announces it; minutes and points are whole numbers."""

    name: str
    difficulty: int
    minutes: int
    points: int


@dataclass(frozen=True)
class Timing:
    """What a lesson asks of its readers: words of prose, its own estimate, exercises, seconds."""

    title: str
    words: int
    said: str
    exercises: tuple[Exercise, ...]
    seconds: float | None

    @property
    def reading(self) -> int:
        """Return the minutes for the prose alone, rounded up."""
        return -(-self.words // WORDS_A_MINUTE)

    @property
    def minutes(self) -> int:
        """Return the minutes that all exercises together are meant to take."""
        return sum(exercise.minutes for exercise in self.exercises)

    @property
    def points(self) -> int:
        """Return the points of all exercises together."""
        return sum(exercise.points for exercise in self.exercises)


def prose(notebook: Notebook) -> str:
    """Return the Markdown of a notebook."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join("".join(cell["source"]) for cell in cells)


def count_words(markdown: str) -> int:
    """Return the words that are read: no code, no mathematics, no addresses, no folded hints."""
    text = re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text, flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$", "\n\n", text, flags=re.DOTALL)
    text = re.sub(r"<details>.*?</details>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$]*\$", " ", text)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    return len(re.findall(r"[^\W\d_][\w'’-]*", text))


def read_timing(path: Path) -> Timing:
    """Read what a lesson asks of its readers."""
    text = prose(json.loads(path.read_text(encoding="utf-8")))
    execution = read_execution(path)
    said = TIME.search(text)
    exercises = tuple(
        Exercise(found["name"], *(int(found[key]) for key in ("difficulty", "minutes", "points")))
        for found in EXERCISE.finditer(text)
    )
    return Timing(
        title=execution.title,
        words=count_words(text),
        said=said["time"].strip() if said else "",
        exercises=exercises,
        seconds=execution.seconds,
    )


def goals_markdown(path: Path) -> str:
    """Return the list of what a reader is able to do after a lesson."""
    found = GOALS.search(prose(json.loads(path.read_text(encoding="utf-8"))) + "\n")
    if not found:
        raise ValueError(
            f"{path.name}: no list follows '**What you will be able to do**'; write it"
        )
    return found["list"]


def timing_markdown(timing: Timing) -> str:
    """Return the table of a lesson's times."""
    rows = [
        ("Reading, prose alone", f"{timing.reading} minutes: {timing.words:,} words, 200 a minute"),
        ("Reading, with formulas and code", f"“{timing.said}” (the lesson’s own words)"),
        ("Running the notebook once", f"{number(timing.seconds, 0)} seconds"),
    ]
    rows += [
        (
            f"Exercise {e.name}",
            f"{e.minutes} minutes, difficulty {e.difficulty} of 3, {e.points} points",
        )
        for e in timing.exercises
    ]
    rows.append(("**All exercises**", f"**{timing.minutes} minutes, {timing.points} points**"))
    return markdown_table(("What", "How long"), rows, "ll")


def summary_markdown(timings: Sequence[tuple[str, Timing]]) -> str:
    """Return one row a lesson; each comes with the name of its notebook."""
    header = ("Teaching page", "Prose (min)", "Run (s)", "Exercises (min)", "Points")
    rows = [
        (
            f"[{stem[:2]} · {timing.title}]({stem}.md)",
            str(timing.reading),
            number(timing.seconds, 0),
            str(timing.minutes),
            str(timing.points),
        )
        for stem, timing in timings
    ]
    return markdown_table(header, rows, "lrrrr")


class _OfLesson(MarkdownDirective):
    """A directive on the teacher's page of a lesson, which has the name of its notebook."""

    def lesson(self) -> Path:
        return self.root() / "notebooks" / f"{Path(self.env.docname).name}.ipynb"


class Goals(_OfLesson):
    """The ``lesson-goals`` directive."""

    def markdown(self) -> str:
        """Return the lesson's goals."""
        try:
            return goals_markdown(self.lesson())
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error


class LessonTiming(_OfLesson):
    """The ``lesson-timing`` directive."""

    def markdown(self) -> str:
        """Return the lesson's times."""
        try:
            return timing_markdown(read_timing(self.lesson()))
        except OSError as error:
            raise self.error(f"a teacher's page is named after its notebook: {error}") from error


class LessonsTiming(MarkdownDirective):
    """The ``lessons-timing`` directive."""

    def markdown(self) -> str:
        """Return the times of every lesson that has a teacher's page."""
        pages = sorted((self.root() / "book" / "teach").glob("[0-9][0-9]_*.md"))
        folder = self.root() / "notebooks"
        return summary_markdown([(p.stem, read_timing(folder / f"{p.stem}.ipynb")) for p in pages])


DIRECTIVES: dict[str, Any] = {
    "lesson-goals": Goals,
    "lesson-timing": LessonTiming,
    "lessons-timing": LessonsTiming,
}


def setup(app: Sphinx) -> None:
    """Register the directives."""
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
