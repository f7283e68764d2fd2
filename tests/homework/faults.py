"""Faults that the check before handing in must find: each is planted in a solved notebook.

A fault takes the notebook's JSON and changes it in place; it names what must be found, by the word
that a finding has for its kind.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass

Notebook = dict


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes:
        kind: What must be found.
        plant: Plants it.
        runs: Whether it shows only when the notebook runs.
    """

    kind: str
    plant: Callable[[Notebook], None]
    runs: bool = False

    @property
    def name(self) -> str:
        return self.plant.__name__


def _graded(notebook: Notebook, what: str) -> list[int]:
    cells = enumerate(notebook["cells"])
    return [i for i, cell in cells if cell["metadata"].get("nbgrader", {}).get(what)]


def tests(notebook: Notebook) -> list[int]:
    return _graded(notebook, "grade")


def answers(notebook: Notebook) -> list[int]:
    return _graded(notebook, "solution")


def _source(notebook: Notebook, i: int) -> str:
    return "".join(notebook["cells"][i]["source"])


def own(source: str) -> dict:
    """Return a cell that a student adds."""
    empty = {"metadata": {}, "outputs": [], "execution_count": None}
    return {"cell_type": "code", "source": source, **empty}


def _append(notebook: Notebook, cell: dict) -> None:
    """Add a cell above the last two, which are the check's."""
    notebook["cells"].insert(-2, cell)


# --- tests ----------------------------------------------------------------------------------------


def test_deleted(notebook: Notebook) -> None:
    del notebook["cells"][tests(notebook)[0]]


def test_copied(notebook: Notebook) -> None:
    i = tests(notebook)[-1]
    notebook["cells"].insert(i, copy.deepcopy(notebook["cells"][i]))


def test_copied_without_metadata(notebook: Notebook) -> None:
    _append(notebook, own(_source(notebook, tests(notebook)[0])))


def assertion_taken_out(notebook: Notebook) -> None:
    i = tests(notebook)[0]
    notebook["cells"][i]["source"] = _source(notebook, i).replace("assert ", "assert True or ", 1)


def test_emptied(notebook: Notebook) -> None:
    notebook["cells"][tests(notebook)[-1]]["source"] = []


def test_lost_its_metadata(notebook: Notebook) -> None:
    notebook["cells"][tests(notebook)[0]]["metadata"] = {}


def test_turned_into_text(notebook: Notebook) -> None:
    cell = notebook["cells"][tests(notebook)[0]]
    cell["cell_type"] = "markdown"


def test_worth_more(notebook: Notebook) -> None:
    notebook["cells"][tests(notebook)[0]]["metadata"]["nbgrader"]["points"] = 50


def test_merged_into_the_answer(notebook: Notebook) -> None:
    i, j = answers(notebook)[0], tests(notebook)[0]
    text = _source(notebook, i) + "\n\n" + _source(notebook, j)
    notebook["cells"][i]["source"] = text
    del notebook["cells"][j]


# --- answers --------------------------------------------------------------------------------------


def answer_deleted(notebook: Notebook) -> None:
    del notebook["cells"][answers(notebook)[0]]


def answer_lost_its_metadata(notebook: Notebook) -> None:
    notebook["cells"][answers(notebook)[-1]]["metadata"] = {}


def answer_copied(notebook: Notebook) -> None:
    i = answers(notebook)[0]
    notebook["cells"].insert(i, copy.deepcopy(notebook["cells"][i]))


def answer_below_its_tests(notebook: Notebook) -> None:
    _append(notebook, notebook["cells"].pop(answers(notebook)[-1]))


def answer_turned_into_text(notebook: Notebook) -> None:
    notebook["cells"][answers(notebook)[0]]["cell_type"] = "raw"


def answer_emptied(notebook: Notebook) -> None:
    notebook["cells"][answers(notebook)[0]]["source"] = "\n"


def answer_cut_off(notebook: Notebook) -> None:
    i = answers(notebook)[0]
    notebook["cells"][i]["source"] = _source(notebook, i) + "\n    total = (1 +"


def answer_renamed(notebook: Notebook) -> None:
    i = answers(notebook)[0]
    bound = re.compile(r"^(def |class |)(\w+)(?=[(:]| =)", flags=re.MULTILINE)
    notebook["cells"][i]["source"] = bound.sub(r"\1my_\2", _source(notebook, i))


def answer_in_a_cell_of_its_own(notebook: Notebook) -> None:
    i = answers(notebook)[0]
    notebook["cells"].insert(i + 1, own(_source(notebook, i)))
    notebook["cells"][i]["source"] = "# see below"


# --- running --------------------------------------------------------------------------------------


def uses_what_only_the_session_knows(notebook: Notebook) -> None:
    _append(notebook, own("print(deleted_long_ago)"))


def never_ends(notebook: Notebook) -> None:
    _append(notebook, own("while True:\n    pass"))


def ends_the_kernel(notebook: Notebook) -> None:
    _append(notebook, own("import os\nos._exit(1)"))


def leaves(notebook: Notebook) -> None:
    _append(notebook, own("exit()"))


def asks(notebook: Notebook) -> None:
    _append(notebook, own("name = input('Who? ')"))


def answer_is_wrong(notebook: Notebook) -> None:
    i = answers(notebook)[0]
    notebook["cells"][i]["source"] = "def double(x):\n    return x"


STATIC = [
    Fault("test-missing", test_deleted),
    Fault("test-doubled", test_copied),
    Fault("test-doubled", test_copied_without_metadata),
    Fault("test-edited", assertion_taken_out),
    Fault("test-emptied", test_emptied),
    Fault("metadata-lost", test_lost_its_metadata),
    Fault("not-code", test_turned_into_text),
    Fault("points-changed", test_worth_more),
    Fault("test-merged", test_merged_into_the_answer),
    Fault("answer-missing", answer_deleted),
    Fault("metadata-lost", answer_lost_its_metadata),
    Fault("answer-doubled", answer_copied),
    Fault("order", answer_below_its_tests),
    Fault("not-code", answer_turned_into_text),
    Fault("answer-emptied", answer_emptied),
    Fault("answer-broken", answer_cut_off),
    Fault("answer-renamed", answer_renamed),
    Fault("answer-elsewhere", answer_in_a_cell_of_its_own),
]
RUNNING = [
    Fault("error", uses_what_only_the_session_knows, runs=True),
    Fault("timeout", never_ends, runs=True),
    Fault("died", ends_the_kernel, runs=True),
    Fault("died", leaves, runs=True),
    Fault("error", asks, runs=True),
    Fault("test-fails", answer_is_wrong, runs=True),
]
