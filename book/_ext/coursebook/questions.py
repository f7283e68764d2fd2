"""Three questions at the end of each lesson, by which a reader checks what was understood.

They are kept in ``book/questions``, one file a lesson, as plain Markdown in YAML. The notebooks
stay as they are: when the book reads one, a section *Check yourself* is put before its references.
An answer is a fold of HTML that holds its reason, so that a choice needs no script, no network and
no mouse; on paper the right answers are listed below the questions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxTranslator

FOLDER = "book/questions"
LETTERS = "ABCD"
HEADING = "Check yourself"
BEFORE = "## References"
KEYS = ("name", "question", "options")
SHAPE = "expected 'right: answer' or 'wrong: answer', and 'because: reason'"


@dataclass(frozen=True)
class Option:
    """One answer to choose, and why it is right, or why it tempts and is wrong."""

    text: str
    reason: str
    right: bool


@dataclass(frozen=True)
class Question:
    """A question of a lesson, known by a short name."""

    name: str
    text: str
    options: tuple[Option, ...]

    @property
    def right(self) -> int:
        """Return the place of the right answer, from 0."""
        return next(place for place, option in enumerate(self.options) if option.right)


def read_questions(path: Path) -> list[Question]:
    """Return the questions of one file; a fault is a ValueError that says where and what to do."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(
            f"{path.name}: no YAML ({error}); a text with a colon goes below a bar, '|'"
        ) from error
    if not isinstance(found, list) or not found:
        raise ValueError(f"{path.name}: got {type(found).__name__}, expected a list of questions")
    return [_question(entry, f"{path.name}, question {n}") for n, entry in enumerate(found, 1)]


def _question(entry: Any, where: str) -> Question:
    if not isinstance(entry, dict) or set(entry) != set(KEYS):
        got = sorted(entry) if isinstance(entry, dict) else entry
        raise ValueError(f"{where}: got {got}, expected the keys {', '.join(KEYS)}")
    answers = entry["options"]
    if not isinstance(answers, list) or not 3 <= len(answers) <= len(LETTERS):
        raise ValueError(f"{where}: expected 3 or 4 options, got {answers!r:.60}")
    options = tuple(_option(answer, f"{where}, {LETTERS[n]}") for n, answer in enumerate(answers))
    right = sum(option.right for option in options)
    if right != 1:
        raise ValueError(f"{where}: {right} options are marked 'right'; mark exactly one")
    return Question(_text(entry, "name", where), _text(entry, "question", where), options)


def _option(answer: Any, where: str) -> Option:
    kinds = [{"right", "because"}, {"wrong", "because"}]
    if not isinstance(answer, dict) or set(answer) not in kinds:
        raise ValueError(f"{where}: got {answer!r:.60}; {SHAPE}")
    right = "right" in answer
    text = _text(answer, "right" if right else "wrong", where)
    return Option(text, _text(answer, "because", where), right)


def _text(entry: dict[str, Any], key: str, where: str) -> str:
    text = entry[key]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where}: '{key}' is {text!r}; write text (a number goes in quotes)")
    return text.strip()


def add_section(notebook: str) -> str:
    """Return a notebook, as JSON, with the section of questions before its references."""
    data = json.loads(notebook)
    section = f"## {HEADING}\n\n```{{self-check}}\n```\n"
    for cell in reversed(data["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and f"\n{BEFORE}" in f"\n{source}":
            before, after = f"\n{source}".split(f"\n{BEFORE}", 1)
            cell["source"] = f"{before.lstrip()}\n\n{section}\n{BEFORE}{after}".lstrip()
            return json.dumps(data)
    data["cells"].append(
        {"cell_type": "markdown", "id": "check", "metadata": {}, "source": section}
    )
    return json.dumps(data)


def _read_source(app: Sphinx, docname: str, source: list[str]) -> None:
    path = Path(app.srcdir, FOLDER, f"{Path(docname).name}.yml")
    if docname.startswith("notebooks/") and path.is_file():
        source[0] = add_section(source[0])


class Choice(nodes.General, nodes.Element):
    """A question with its answers."""


class Answer(nodes.General, nodes.Element):
    """One answer: what can be chosen, then the reason."""


class Label(nodes.Part, nodes.TextElement):
    """What can be chosen, in a line."""


class Key(nodes.General, nodes.Element):
    """The right answers, for paper."""


class SelfCheck(SphinxDirective):
    """The ``self-check`` directive: the questions of the page that it stands on."""

    def run(self) -> list[nodes.Node]:
        """Return all questions, and the key for paper."""
        page = Path(self.env.docname).name
        path = Path(self.env.srcdir, FOLDER, f"{page}.yml")
        self.env.note_dependency(str(path))
        try:
            questions = read_questions(path)
        except (OSError, ValueError) as error:
            raise self.error(f"{FOLDER}: {error}") from error
        key = Key()
        for number, question in enumerate(questions, 1):
            key += self._begun(
                f"{number}: {LETTERS[question.right]}.", question.options[question.right].reason
            )
        intro = (
            "Choose an answer: it opens and says why it is right, or what makes it tempting and "
            "where it goes wrong. Nothing is counted or sent anywhere."
        )
        made = self.parse_text_to_nodes(intro)
        made += [self._choice(n, question) for n, question in enumerate(questions, 1)]
        return [*made, key, *self.parse_text_to_nodes(teaching_link(self.env.srcdir, page))]

    def _choice(self, number: int, question: Question) -> Choice:
        choice = Choice(name=f"question-{number}")
        choice += self._begun(f"{number}.", question.text)
        for letter, option in zip(LETTERS, question.options, strict=False):
            answer = Answer(right=option.right)
            label = Label(letter=letter)
            parsed = self.parse_text_to_nodes(option.text)
            if len(parsed) != 1 or not isinstance(parsed[0], nodes.paragraph):
                raise self.error(f"{question.name}, {letter}: an option is one paragraph")
            label += parsed[0].children
            label.source, label.line = parsed[0].source, parsed[0].line
            label.rawsource = parsed[0].rawsource  # which translations are made of
            answer += label
            answer += self._begun("Right." if option.right else "No.", option.reason)
            choice += answer
        return choice

    def _begun(self, start: str, text: str) -> list[nodes.Node]:
        """Return text whose first paragraph begins with strong words."""
        made = self.parse_text_to_nodes(text)
        mark = nodes.strong("", start)
        if isinstance(made[0], nodes.paragraph):
            made[0].children = [mark, nodes.Text(" "), *made[0].children]
            made[0].rawsource = f"**{start}** {made[0].rawsource}"
            for child in made[0].children:
                child.parent = made[0]
            return made
        return [nodes.paragraph("", "", mark), *made]


def teaching_link(srcdir: str | Path, page: str) -> str:
    """Return a line that leads from a lesson to its page for teachers, where there is one."""
    if not Path(srcdir, "book", "teach", f"{page}.md").is_file():
        return ""
    page_of_teacher = f"../book/teach/{page}.md"
    return f"*If you teach:* [goals, a plan and more questions]({page_of_teacher}) for this lesson."


def _tags(before: str, after: str) -> tuple[Any, Any]:
    """Return two functions that write HTML around a node."""

    def visit(self: SphinxTranslator, node: nodes.Element) -> None:
        letter = {"letter": node.get("letter", ""), "name": node.get("name", "")}
        kind = "gdm-right" if node.get("right") else "gdm-wrong"
        self.body.append(before.format(**letter, kind=kind))

    def depart(self: SphinxTranslator, node: nodes.Element) -> None:
        self.body.append(after)

    return visit, depart


def _skip(self: SphinxTranslator, node: nodes.Element) -> None:
    raise nodes.SkipNode


HTML = {
    Choice: _tags('<div class="gdm-question" id="{name}">\n', "</div>\n"),
    Answer: _tags('<details class="gdm-answer {kind}">\n', "</div></details>\n"),
    Label: _tags(
        '<summary><span class="gdm-letter">{letter}</span><span>',
        '</span></summary>\n<div class="gdm-reason">\n',
    ),
    Key: _tags('<div class="gdm-key">\n<p><strong>Answers</strong></p>\n', "</div>\n"),
}
LATEX = {  # there all reasons are seen, and no list of answers is needed
    Choice: _tags("", "\n"),
    Answer: _tags("", ""),
    Label: _tags("\n\n\\textbf{{{letter}}} \\emph{{", "}\n\n"),
    Key: (_skip, None),
}


def setup(app: Sphinx) -> None:
    """Register the section, the directive and how its parts are written."""
    app.connect("source-read", _read_source)
    app.add_directive("self-check", SelfCheck)
    for kind, html in HTML.items():
        app.add_node(kind, html=html, latex=LATEX[kind])
