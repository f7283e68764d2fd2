"""Make the deck of a lesson: title, goals, sections of the plan, exercises, questions, summary."""

from __future__ import annotations

import re

from tools.slides_choose import (
    BOLD,
    FORMULA,
    LEAD,
    NOTEBOOK,
    STATEMENTS,
    TAG,
    Lesson,
    Section,
    Slide,
    below,
    figure_of,
    sentences,
    teacher_part,
)

# A paragraph that is no formula, list, table, code or line about an exercise.
PROSE = re.compile(r"(?!\$\$|-|\||\*Difficulty|\d\.|```)")
ELSEWHERE = re.compile(r"\b(next|last) (table|figure|cell)\b")  # in a caption: not on this slide
TAIL = 28  # words with which the sentence of a formula may go on below it
SHORT, THIN = 8, 40  # words of a sentence that says little alone; of a slide that looks empty
HOOK = 55  # words below a title
FEW = 12  # decks with fewer slides get second figures


def plain(text: str) -> str:
    """Return a text without the links of the notebook."""
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)


def fit_to_say(sentence: str) -> bool:
    """Say whether a sentence may stand on a slide by itself."""
    return not NOTEBOOK.search(sentence) and not sentence.startswith(("-", "|", "1."))


def whole(parts: list[str], place: int) -> str:
    """Return a sentence, with those after it where alone it would say little.

    A paragraph may begin "**It is biased.**", "**How much style?**" or "Both have a meaning."
    """
    said = [parts[place]]
    bold = BOLD.match(said[0])
    for sentence in parts[place + 1 :]:
        words = len(" ".join(said)[bold.end() if bold else 0 :].split())
        says = words >= SHORT or (place and not bold)
        if (says and not said[-1].endswith("?")) or sentence.endswith(":"):
            break
        if words and not fit_to_say(sentence):
            break
        said.append(sentence)
    return plain(" ".join(said))


def bare(said: str) -> bool:
    """Say whether a statement is a question without its answer, or a heading without its text."""
    return said.rstrip("*").endswith("?") or (
        bool(BOLD.fullmatch(said)) and len(said.split()) < SHORT
    )


def beginning(text: str) -> str:
    """Return the first two sentences of a text, and more while they stay below a title."""
    kept: list[str] = []
    for sentence in sentences(text):
        if len(kept) >= 2 and len(" ".join([*kept, sentence]).split()) > HOOK:
            break
        kept.append(sentence)
    return " ".join(kept)


def leading(paragraph: str) -> str:
    """Return the end of a paragraph, at most LEAD words of whole sentences."""
    kept: list[str] = []
    for sentence in reversed(sentences(paragraph)):
        if kept and len(" ".join([sentence, *kept]).split()) > LEAD:
            break
        if kept and not fit_to_say(sentence):
            break
        kept.insert(0, sentence)
    return plain(" ".join(kept))


def statements(paragraphs: list[str], taken: str, most: int) -> list[str]:
    """Return the sentences that a section stresses, in their order; `taken` is shown already."""
    found = []
    for paragraph in paragraphs:
        if not PROSE.match(paragraph):
            continue
        parts = sentences(paragraph)
        for place, sentence in enumerate(parts):
            words = sum(len(bold.split()) for bold in BOLD.findall(sentence))
            if words < 3 or not fit_to_say(sentence) or plain(sentence) in taken:
                continue
            said = whole(parts, place)
            if not bare(said):
                found.append(said)
    return found[:most]


def openings(paragraphs: list[str], most: int, each: int = 1) -> list[str]:
    """Return the first sentences of paragraphs, for a section that stresses nothing."""
    found = []
    for paragraph in filter(PROSE.match, paragraphs):
        parts = sentences(paragraph)
        first = [s for s in parts[:each] if fit_to_say(s) and not s.endswith(":")]
        said = plain(" ".join(first))
        if first and bare(said):
            said = whole(parts, 0)
        found += [said] if first and not bare(said) else []
    return found[:most]


def thin(said: list[str]) -> bool:
    """Say whether so few words stand on a slide that it looks empty."""
    return len(" ".join(said).split()) < THIN


def ideas(lesson: Lesson, heading: str, paragraphs: list[str], most: int) -> list[Slide]:
    """Return slides of a section's weightiest formulas, in the order of the lesson."""
    formulas = [n for n, paragraph in enumerate(paragraphs) if FORMULA.fullmatch(paragraph)]

    def weight(place: int) -> tuple[int, int]:
        tag = TAG.search(paragraphs[place])
        return (lesson.cited.get(tag[1], 0) if tag else 0, -place)

    slides: list[Slide] = []
    places = sorted(sorted(formulas, key=weight, reverse=True)[:most])
    leads = {}
    for place in places:
        before = paragraphs[place - 1] if place and place - 1 not in formulas else ""
        leads[place] = leading(before) if PROSE.match(before) else ""
    taken = " ".join(leads.values())
    for place, lead in leads.items():
        after = paragraphs[place + 1] if place + 1 < len(paragraphs) else ""
        said = [] if slides else statements(paragraphs, taken, STATEMENTS)
        parts_after = sentences(after) if after and PROSE.match(after) else [""]
        follows, next_said = parts_after[0], whole(parts_after, 0)
        tail = plain(follows) if follows[:1].islower() and len(follows.split()) <= TAIL else ""
        new = plain(follows) not in taken and fit_to_say(follows) and follows[-1:] not in ("", ":")
        if not tail and not said and new and not bare(next_said):
            said = [next_said]
        taken = " ".join([taken, *said])
        parts = {"lead": lead, "formula": paragraphs[place], "tail": tail, "said": said}
        slides.append(Slide("idea", heading, parts))
    return slides


def pictures(parts: list[Section], most: int) -> list[Slide]:
    """Return the slides of a section's first figures."""
    found = []
    for part in parts:
        for cell in part.figures:
            figure = figure_of(cell)
            assert figure is not None
            caption = " ".join(s for s in sentences(figure[0]) if not ELSEWHERE.search(s))
            found.append(Slide("figure", part.title, {"figure": (caption, *figure[1:])}))
    return found[:most]


def table(parts: list[Section]) -> str:
    """Return the first table that a section prints and that fits on a slide."""
    for part in parts:
        for text in part.printed:
            lines = text.rstrip().splitlines() or [""]
            if "better" in lines[0] and 3 <= len(lines) <= 12 and max(map(len, lines)) <= 78:
                return text.rstrip()
    return ""


def section_slides(lesson: Lesson, heading: str, notes: list[str], figures: int) -> list[Slide]:
    """Return the slides of a section of the plan; the first has the plan's notes."""
    parts = below(lesson, heading)
    paragraphs = [paragraph for part in parts for paragraph in part.paragraphs()]
    drawn = pictures(parts, figures)
    for slide in drawn:
        slide.title = heading
    slides = ideas(lesson, heading, paragraphs, 1 if drawn else 2)
    if not slides:
        said = statements(paragraphs, "", 3) or openings(paragraphs, 3)
        if drawn:
            drawn[0].parts["said"] = said[:1]
        else:
            shown = table(parts)
            for each in () if shown else (2, 3):  # words alone: there may be more of them
                more = openings(paragraphs, 4, each)
                if thin(said) and len(" ".join(more)) > len(" ".join(said)):
                    said = more
            slides = [Slide("text", heading, {"said": said, "table": shown})]
    slides += drawn
    slides[0].notes += notes
    for slide in drawn:
        slide.notes.append(f"The figure shows: {slide.parts['figure'][1]}")
    return slides


def question_slides(lesson: Lesson) -> list[Slide]:
    """Return a slide for each question; the reasons are notes."""
    slides = []
    for number, question in enumerate(lesson.questions, 1):
        notes = [
            f"**{letter}, {'right' if option.right else 'wrong'}.** {option.reason}"
            for letter, option in zip("ABCD", question.options, strict=False)
        ]
        slides.append(Slide("question", f"Question {number}", {"question": question}, notes))
    return slides


def deck(lesson: Lesson) -> list[Slide]:
    """Return the slides of a lesson."""
    stumbles = teacher_part(lesson, "Where students may stumble")
    extra = teacher_part(lesson, "More questions")
    hook = beginning(plain(lesson.lead))
    minutes = sum(int(row[0]) for row in lesson.plan)
    start = [
        Slide("title", lesson.title, {"lead": hook}, [f"A plan for {minutes} minutes."]),
        Slide(
            "list",
            "What you will be able to do",
            {"list": plain(lesson.goals)},
            ["**Where students may stumble.**", stumbles],
        ),
    ]
    rows: dict[str, list[str]] = {}
    for time, what, heading in lesson.plan:
        rows.setdefault(heading, []).append(f"**{time} minutes.** {plain(what)}")
    middle: list[Slide] = []
    for figures in (1, 2):
        middle = [
            slide
            for heading, notes in rows.items()
            for slide in section_slides(lesson, heading, notes, figures)
        ]
        if len(middle) >= FEW:
            break
    summary = next((s for s in lesson.sections if s.title.startswith("Summary")), None)
    text = "\n".join(summary.texts) if summary else ""
    points = re.split(r"\n\s*\n", text.strip())[0]
    end = [
        *question_slides(lesson),
        Slide("list", "Exercises", {"list": "\n".join(f"- {name}" for name in lesson.exercises)}),
        Slide("list", "Summary", {"list": plain(points)}, ["**More questions.**", extra]),
    ]
    return start + middle + end
