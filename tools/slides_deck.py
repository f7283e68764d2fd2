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
TAIL = 28  # words with which the sentence of a formula may go on below it
FEW = 12  # decks with fewer slides get second figures


def plain(text: str) -> str:
    """Return a text without the links of the notebook."""
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)


def fit_to_say(sentence: str) -> bool:
    """Say whether a sentence may stand on a slide by itself."""
    return not NOTEBOOK.search(sentence) and not sentence.startswith(("-", "|", "1."))


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
            # A short bold start of a paragraph, "**It is biased.**", says little without the next.
            if not place and BOLD.fullmatch(sentence) and len(parts) > 1:
                sentence = f"{sentence} {parts[1]}"
            found.append(plain(sentence))
    return found[:most]


def openings(paragraphs: list[str], most: int) -> list[str]:
    """Return the first sentences of paragraphs, for a section that stresses nothing."""
    first = [sentences(p)[0] for p in paragraphs if PROSE.match(p)]
    return [plain(s) for s in first if fit_to_say(s) and not s.endswith(":")][:most]


def ideas(lesson: Lesson, heading: str, paragraphs: list[str], most: int) -> list[Slide]:
    """Return slides of a section's weightiest formulas, in the order of the lesson."""
    formulas = [n for n, paragraph in enumerate(paragraphs) if FORMULA.fullmatch(paragraph)]

    def weight(place: int) -> tuple[int, int]:
        tag = TAG.search(paragraphs[place])
        return (lesson.cited.get(tag[1], 0) if tag else 0, -place)

    slides: list[Slide] = []
    for place in sorted(sorted(formulas, key=weight, reverse=True)[:most]):
        before = paragraphs[place - 1] if place and place - 1 not in formulas else ""
        after = paragraphs[place + 1] if place + 1 < len(paragraphs) else ""
        lead = leading(before) if PROSE.match(before) else ""
        said = [] if slides else statements(paragraphs, lead, STATEMENTS)
        follows = sentences(after)[0] if after and PROSE.match(after) else ""
        tail = plain(follows) if follows[:1].islower() and len(follows.split()) <= TAIL else ""
        if not tail and not said and fit_to_say(follows) and follows[-1:] not in ("", ":"):
            said = [plain(follows)]
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
            found.append(Slide("figure", part.title, {"figure": figure}))
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
            slides = [Slide("text", heading, {"said": said, "table": table(parts)})]
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
    hook = " ".join(sentences(plain(lesson.lead))[:2])
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
