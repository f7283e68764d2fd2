"""A file of questions that is not sound is refused, and says where and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from coursebook import questions

from tests.book.claims.registry import problems

GOOD = {
    "name": "one",
    "question": "Which?",
    "options": [
        {"wrong": "This.", "because": "It tempts."},
        {"right": "That.", "because": "It is so."},
        {"wrong": "Both.", "because": "They exclude each other."},
    ],
}


def written(folder: Path, content: object) -> Path:
    """Write a file of questions."""
    path = folder / "04_test.yml"
    text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    return path


def changed(**changes: object) -> list[dict]:
    """Return the good question with other entries; None removes one."""
    entry = {key: value for key, value in (GOOD | changes).items() if value is not None}
    return [entry]


def with_option(option: object) -> list[dict]:
    """Return the good question with another last option."""
    return changed(options=[*GOOD["options"][:2], option])


BAD = {
    "no YAML": ("- question: a: b: c\n", "a text with a colon goes below a bar"),
    "empty": ("", "expected a list of questions"),
    "a mapping": (GOOD, "expected a list of questions"),
    "a key is missing": (changed(name=None), "expected the keys name, question, options"),
    "a key too many": (changed(hint="h"), "expected the keys name, question, options"),
    "two options": (changed(options=GOOD["options"][:2]), "expected 3 or 4 options"),
    "five options": (changed(options=[GOOD["options"][0]] * 5), "expected 3 or 4 options"),
    "no options": (changed(options="none"), "expected 3 or 4 options"),
    "none right": (changed(options=[GOOD["options"][0]] * 3), "0 options are marked 'right'"),
    "two right": (changed(options=[GOOD["options"][1]] * 3), "3 options are marked 'right'"),
    "no reason": (with_option({"wrong": "None."}), "'because: reason'"),
    "an empty reason": (with_option({"wrong": "None.", "because": " "}), "C: 'because' is ' '"),
    "a number": (with_option({"wrong": 7, "because": "Why."}), "a number goes in quotes"),
    "no question": (changed(question=""), "question 1: 'question' is ''"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_is_named(fault: str, tmp_path: Path) -> None:
    content, message = BAD[fault]
    with pytest.raises(ValueError, match=r"04_test\.yml") as error:
        questions.read_questions(written(tmp_path, content))
    assert message in str(error.value)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    (found,) = questions.read_questions(written(tmp_path, [GOOD]))
    assert (found.name, found.text, found.right) == ("one", "Which?", 1)
    assert found.options[1] == questions.Option("That.", "It is so.", True)


def lesson(*sources: str) -> str:
    """Return a notebook of Markdown cells, as JSON."""
    cells = [
        {"cell_type": "markdown", "id": f"c{n}", "metadata": {}, "source": source}
        for n, source in enumerate(sources)
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def sources_of(notebook: str) -> list[str]:
    """Return the text of each cell."""
    return [cell["source"] for cell in json.loads(notebook)["cells"]]


@pytest.mark.parametrize(
    "last", ["## Summary\n\nSo.\n\n## References\n\n- A", "## References and what comes next\n\nB"]
)
def test_the_section_stands_before_the_references(last: str) -> None:
    first, changed_last = sources_of(questions.add_section(lesson("# Title", last)))
    assert first == "# Title"
    section = f"## {questions.HEADING}\n\n```{{self-check}}\n```\n\n"
    before, after = changed_last.split(section)
    assert after.startswith("## References")
    assert (before + after).split() == last.split()


def test_a_bad_file_stops_the_build_and_a_good_one_is_shown(tmp_path: Path, small_book) -> None:
    folder = tmp_path / "source" / "book" / "questions"
    folder.mkdir(parents=True)
    written(folder, [GOOD]).rename(folder / "01_good.yml")
    written(folder, changed(question="")).rename(folder / "02_bad.yml")
    pages = {
        "book/index.md": "# A book\n",
        "notebooks/01_good.ipynb": lesson("# Good\n\nText."),
        "notebooks/02_bad.ipynb": lesson("# Bad\n\nText."),
        "notebooks/03_none.ipynb": lesson("# None\n\nText."),
    }
    built = small_book(tmp_path, pages)
    assert built.returncode != 0
    assert "02_bad.yml, question 1: 'question' is ''" in " ".join(built.log.split())
    assert "01_good.yml" not in built.log
    good, none = (
        (built.html / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        for name in ("01_good", "03_none")
    )
    assert good.count('<details class="gdm-answer') == 3
    assert "Check yourself" not in none


def test_without_references_the_section_is_the_last() -> None:
    made = sources_of(questions.add_section(lesson("# Title", "The end.")))
    assert made[:2] == ["# Title", "The end."]
    assert made[2].startswith(f"## {questions.HEADING}")


@pytest.mark.parametrize(
    ("right", "wrong", "phrases"),
    [
        ("0.50", ["0.25"], ("0.05",)),  # another number
        ("0.50", ["0.25"], ("0.5",)),  # a part of a number
        ("$-0.7$", ["1"], ("0.7",)),  # another sign
        ("0.50", ["0.50 or so"], ("0.50",)),  # a wrong answer says it as well
        ("0.50", ["0.25"], ("0.50", "0.75")),  # what the mistake gives is not there
    ],
)
def test_a_wrong_number_is_found(right: str, wrong: list[str], phrases: tuple[str, ...]) -> None:
    assert problems(right, wrong, phrases)


def test_right_numbers_pass() -> None:
    assert problems("0.50: half", ["0.25", "$-0.50$"], ("0.50", "0.25")) == []
