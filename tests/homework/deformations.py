"""What editors, platforms and hands do to a notebook that was right: cells in, cells out.

A notebook is a list of plain cells, as its JSON has them. Each deformation keeps every answer.
"""

from __future__ import annotations

import codecs
import copy
import json
from collections.abc import Callable

import nbformat
from grading.match import Index
from grading.official import Official

Cells = list[dict]
Deformation = Callable[[Official, Cells], Cells]


def cell(source: str, kind: str = "code", **metadata: object) -> dict:
    """Return a cell as a student adds one."""
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": dict(metadata), **code}


def answered(official: Official, answers: dict[str, str]) -> Cells:
    """Return the release of a lesson with answers in it, as Jupyter has it."""
    cells = []
    for one in official.cells:
        text = answers.get(one.key, one.visible) if one.kind == "solution" else one.visible
        new = cell(text, "markdown" if one.kind == "markdown" else "code")
        new["id"] = one.key
        if one.kind in ("solution", "test"):
            graded = {"grade_id": one.key, "grade": one.kind == "test", "points": one.points}
            new["metadata"] = {"nbgrader": graded | {"solution": one.kind == "solution"}}
        cells.append(new)
    return cells


def kinds(official: Official, kind: str) -> list[int]:
    return [i for i, one in enumerate(official.cells) if one.kind == kind]


def without(official: Official, cells: Cells, *gone: str) -> Cells:
    pairs = zip(official.cells, cells, strict=True)
    return [c for one, c in pairs if one.kind not in gone]


def joined(cells: Cells) -> dict:
    """Return cells merged as JupyterLab merges them: the first one's kind and metadata stay."""
    return cells[0] | {"source": "\n\n".join(one["source"] for one in cells)}


def merged(cells: Cells, ranges: list[tuple[int, int]]) -> Cells:
    """Return the cells with those of each range [first, last] merged."""
    found, at = [], 0
    for first, last in ranges:
        found += [*cells[at:first], joined(cells[first : last + 1])]
        at = last + 1
    return found + cells[at:]


def bare(cells: Cells) -> Cells:
    return [cell(one["source"], one["cell_type"]) for one in cells]


def untouched(official, cells):
    return cells


def tests_deleted(official, cells):
    return without(official, cells, "test")


def tests_merged_into_answers(official, cells):
    tests = [Index(official).test_of(s) for s in kinds(official, "solution")]
    return merged(cells, list(zip(kinds(official, "solution"), tests, strict=True)))


def answers_merged_into_the_tests_before(official, cells):
    pairs = zip(kinds(official, "test"), kinds(official, "solution")[1:], strict=False)
    return merged(cells, list(pairs))


def answers_merged_into_the_text_before(official, cells):
    return merged(cells, [(s - 1, s) for s in kinds(official, "solution")])


def all_merged(official, cells):
    return [joined(cells[1:])]


def answers_split(official, cells):
    found = []
    for one, old in zip(official.cells, cells, strict=True):
        if one.kind == "solution":
            # JupyterLab copies the metadata to both halves.
            found.append(old | {"source": f"scale_{len(found)} = 1"})
            found.append(old | {"id": old["id"] + "-b"})
            found.append(cell(f"scale_{len(found) - 2} += 1"))
        else:
            found.append(old)
    return found


def answers_at_the_end(official, cells):
    rest = without(official, cells, "solution")
    return rest + [cells[s] for s in kinds(official, "solution")]


def answers_at_the_end_reversed(official, cells):
    rest = without(official, cells, "solution")
    return rest + [cells[s] for s in reversed(kinds(official, "solution"))]


def answers_at_the_start(official, cells):
    return [cells[s] for s in kinds(official, "solution")] + without(official, cells, "solution")


def answers_below_their_tests(official, cells):
    found = list(cells)
    for s in reversed(kinds(official, "solution")):
        found.insert(Index(official).test_of(s), found.pop(s))
    return found


def answers_swapped(official, cells):
    found, places = copy.deepcopy(cells), kinds(official, "solution")
    for place, other in zip(places, reversed(places), strict=True):
        found[place]["source"] = cells[other]["source"]
    return found


def stubs_kept_and_answers_at_the_end(official, cells):
    found = copy.deepcopy(cells)
    for s in kinds(official, "solution"):
        found[s]["source"] = official.cells[s].visible
        found.append(cells[s])
    return found


def stubs_kept_and_answers_below_without_metadata(official, cells):
    found = []
    for one, old in zip(official.cells, cells, strict=True):
        if one.kind == "solution":
            found += [old | {"source": one.visible}, cell(old["source"])]
        else:
            found.append(old)
    return found


def stubs_copied_behind_the_answers(official, cells):
    found = list(cells)
    for s in reversed(kinds(official, "solution")):
        found.insert(s + 1, cells[s] | {"source": official.cells[s].visible})
    return found


def answers_duplicated(official, cells):
    return cells + [cells[s] for s in kinds(official, "solution")]


def tests_duplicated(official, cells):
    return [cells[t] for t in kinds(official, "test")] + cells


def metadata_lost(official, cells):
    return [one | {"metadata": {}} for one in cells]


def ids_lost(official, cells):
    return [{k: v for k, v in one.items() if k != "id"} for one in cells]


def ids_new(official, cells):
    return [one | {"id": f"{i:08x}", "metadata": {}} for i, one in enumerate(cells)]


def ids_swapped(official, cells):
    names = [one["id"] for one in cells][::-1]
    return [one | {"id": name} for one, name in zip(cells, names, strict=True)]


def everything_lost(official, cells):
    return bare(cells)


def everything_lost_and_moved(official, cells):
    return bare(answers_at_the_end_reversed(official, cells))


def pasted(official, cells):
    return bare([cells[s] for s in kinds(official, "solution")])


def pasted_in_reverse(official, cells):
    return pasted(official, cells)[::-1]


def pasted_into_one_cell(official, cells):
    return [cell("\n\n\n".join(one["source"] for one in pasted(official, cells)))]


def pasted_into_one_cell_in_reverse(official, cells):
    return [cell("\n\n\n".join(one["source"] for one in pasted(official, cells)[::-1]))]


def pasted_with_imports(official, cells):
    imports = cell("import math\nimport random as chance")
    return [imports, *pasted(official, cells), cell("print(chance.random())")]


def pasted_without_its_texts(official, cells):
    return bare(without(official, cells, "markdown"))


def given_deleted(official, cells):
    return without(official, cells, "given")


def given_edited(official, cells):
    return [
        c | {"source": c["source"].replace("\n", "  # mine\n", 1)} if one.kind == "given" else c
        for one, c in zip(official.cells, cells, strict=True)
    ]


def given_extended(official, cells):
    return [
        c | {"source": c["source"] + "\nown_count = 3"} if one.kind == "given" else c
        for one, c in zip(official.cells, cells, strict=True)
    ]


def tests_emptied(official, cells):
    pairs = zip(official.cells, cells, strict=True)
    return [c | {"source": "pass"} if one.kind == "test" else c for one, c in pairs]


def tests_commented_out(official, cells):
    """The test is put in quotes, below the answer in one cell."""
    quoted = tests_merged_into_answers(official, cells)
    for s, one in zip(kinds(official, "solution"), cells, strict=False):
        test = official.cells[Index(official).test_of(s)].visible
        for one in quoted:
            if test in one["source"] and '"""' not in test and "'''" not in test:
                one["source"] = one["source"].replace(test, f"'''\n{test}\n'''")
    return quoted


def import_cells_added(official, cells):
    found = [cell("import collections")]
    for one in cells:
        found += [one, cell("import itertools as it")]
    return found


def answers_turned_into_text(official, cells):
    found = list(cells)
    for s in kinds(official, "solution"):
        found[s] = cells[s] | {"cell_type": "markdown"}
    return found


def answers_turned_into_raw_text_without_metadata(official, cells):
    return metadata_lost(official, ids_new(official, answers_turned_into_text(official, cells)))


def white_space_changed(official, cells):
    return [
        one | {"source": "\n\n" + one["source"].replace("\n", "  \n") + "\n\n"} for one in cells
    ]


def magics_added(official, cells):
    found = copy.deepcopy(cells)
    for s in kinds(official, "solution"):
        found[s]["source"] = "%%time\n" + found[s]["source"]
    return [cell("%matplotlib inline\n!ls\nfiles = !ls"), *found]


def helpers_moved_to_the_end(official, cells):
    """Each answer uses a helper of the student's that stands at the end, below a test."""
    found = copy.deepcopy(cells)
    for count, s in enumerate(kinds(official, "solution")):
        found[s]["source"] = f"step_{count} = helper_{count}()\n" + found[s]["source"]
        found.append(cell(f"def helper_{count}():\n    return depth_{count}"))
        found.append(cell(f"depth_{count} = {count}"))
    return found


ALL: list[Deformation] = [
    untouched, tests_deleted, tests_merged_into_answers, answers_merged_into_the_tests_before,
    answers_merged_into_the_text_before, all_merged, answers_split, answers_at_the_end,
    answers_at_the_end_reversed, answers_at_the_start, answers_below_their_tests,
    answers_swapped, stubs_kept_and_answers_at_the_end,
    stubs_kept_and_answers_below_without_metadata, stubs_copied_behind_the_answers,
    answers_duplicated, tests_duplicated, metadata_lost, ids_lost, ids_new, ids_swapped,
    everything_lost, everything_lost_and_moved, pasted, pasted_in_reverse, pasted_into_one_cell,
    pasted_into_one_cell_in_reverse, pasted_with_imports, pasted_without_its_texts,
    given_deleted, given_edited, given_extended, tests_emptied, tests_commented_out,
    import_cells_added, answers_turned_into_text, answers_turned_into_raw_text_without_metadata,
    white_space_changed, magics_added, helpers_moved_to_the_end,
]  # fmt: skip


def as_json(cells: Cells, **metadata: object) -> bytes:
    """Return the file that Jupyter writes."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": spec} | metadata,
        "cells": cells,
    }
    return json.dumps(notebook, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _as_format_3(cells: Cells) -> bytes:
    valid = [one | {"id": f"c{i}"} for i, one in enumerate(cells)]
    notebook = nbformat.reads(as_json(valid).decode(), as_version=4)
    return json.dumps(nbformat.convert(notebook, 3)).encode()


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _with_a_half_character(cells: Cells) -> bytes:
    marked = [one | {"source": one["source"] + "\n# \ud83d"} for one in cells if _is_code(one)]
    rest = [one for one in cells if not _is_code(one)]
    return json.dumps({"cells": [*rest, *marked], "nbformat": 4}).encode()


def _is_code(one: dict) -> bool:
    return one["cell_type"] == "code"


def _gaps(cells: Cells) -> Cells:
    strange = [None, 3, {"cell_type": "code"}, cell("x") | {"source": None, "metadata": None}]
    return [*strange, *cells]


FILES: dict[str, Callable[[Cells], bytes]] = {
    "as Jupyter writes it": as_json,
    "ASCII": lambda cells: json.dumps({"cells": cells}).encode(),
    "byte-order mark": lambda cells: codecs.BOM_UTF8 + as_json(cells),
    "UTF-16": lambda cells: as_json(cells).decode().encode("utf-16"),
    "UTF-16, no mark": lambda cells: as_json(cells).decode().encode("utf-16-be"),
    "Windows line ends": lambda cells: as_json(
        [one | {"source": one["source"].replace("\n", "\r\n")} for one in cells]
    ),
    "format 3": _as_format_3,
    "lists of lines": lambda cells: as_json([c | {"source": _lines(c["source"])} for c in cells]),
    "strange cells between": lambda cells: as_json(_gaps(cells)),
    "long ids": lambda cells: as_json([c | {"id": "i" * 99 + str(n)} for n, c in enumerate(cells)]),
    "no kernel": lambda cells: json.dumps({"cells": cells, "metadata": {}}).encode(),
    "another kernel": lambda cells: as_json(cells, kernelspec={"name": "ir", "language": "R"}),
    "half a character": _with_a_half_character,
    "zeros behind it": lambda cells: as_json(cells) + b"\0" * 512,
}
