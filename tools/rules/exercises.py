"""Rules on exercises: a task, a folded solution, a folded test with points."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile

from tools.notebooks import Cell, Notebook, is_solution, is_test, nbgrader, tags
from tools.rules._common import PROMPTS, at

MIN_EXERCISES = 3
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")


def check_exercises(notebook: Notebook) -> list[str]:
    """At least three exercises, each a task, a folded solution and a folded test with points."""
    found: list[str] = []
    cells = notebook.cells
    graded = [cell for cell in cells if nbgrader(cell)]
    names = Counter(nbgrader(cell).get("grade_id", "") for cell in graded)
    found += [f"the grade_id {name!r} is used {n} times" for name, n in names.items() if n > 1]
    solutions = [cell for cell in cells if is_solution(cell)]
    if len(solutions) < MIN_EXERCISES:
        found.append(f"{len(solutions)} exercises; expected at least {MIN_EXERCISES}")
    for index, cell in enumerate(cells):
        before = cells[index - 1] if index else None
        tests = list(takewhile(is_test, cells[index + 1 :]))
        if is_solution(cell):
            found += [f"{at(cell)}: {what}" for what in _solution_problems(cell, before, tests)]
            if before is not None:
                found += [f"{at(before)}: {what}" for what in _task_problems(before, tests)]
        elif nbgrader(cell):
            found += [f"{at(cell)}: {what}" for what in _test_problems(cell, before)]
    return found + _needed_solutions(notebook)


def _grading_metadata(cell: Cell, **expected: object) -> Iterator[str]:
    found = nbgrader(cell)
    wanted = {"schema_version": 3, "task": False, "cell_type": "code", **expected}
    for key, value in wanted.items():
        if found.get(key) != value:
            yield f"metadata.nbgrader.{key} is {found.get(key)!r}; expected {value!r}"
    unknown = set(found) - {*wanted, "grade_id", "points"}
    if unknown:
        yield f"metadata.nbgrader has the unknown keys {sorted(unknown)}"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", str(found.get("grade_id"))):
        yield f"the grade_id {found.get('grade_id')!r} is not made of words joined by '-'"
    if cell["cell_type"] != "code":
        yield "a graded cell is not a code cell"
    if "hide-input" not in tags(cell):
        yield "a graded cell lacks the tag 'hide-input'"
    if PROMPTS - set(cell["metadata"].get("mystnb", {})):
        yield "a graded cell lacks code_prompt_show and code_prompt_hide in metadata.mystnb"


def _region(source: str, markers: tuple[str, str]) -> str | None:
    """Return what stands between the markers, or None if they are not there once, in order."""
    begin, end = markers
    lines = [line.strip() for line in source.split("\n")]
    if lines.count(begin) != 1 or lines.count(end) != 1 or lines.index(begin) > lines.index(end):
        return None
    rows = source.split("\n")[lines.index(begin) + 1 : lines.index(end)]
    return "\n".join(rows)


def _outside(source: str, markers: tuple[str, str], instead: str) -> str:
    """Return the source with the region replaced, at the region's own depth."""
    rows = source.split("\n")
    plain = [row.strip() for row in rows]
    begin, end = plain.index(markers[0]), plain.index(markers[1])
    indent = rows[begin][: len(rows[begin]) - len(rows[begin].lstrip())]
    return "\n".join([*rows[:begin], indent + instead, *rows[end + 1 :]])


def _solution_problems(cell: Cell, before: Cell | None, tests: list[Cell]) -> Iterator[str]:
    yield from _grading_metadata(cell, grade=False, locked=False, solution=True)
    if not cell["metadata"].get("jupyter", {}).get("source_hidden"):
        yield "a solution is not folded in JupyterLab; set metadata.jupyter.source_hidden"
    if before is None or not re.match(r"#{3,4} Exercise ", before["source"]):
        yield "the cell before a solution is not its task, '### Exercise ...'"
    if not tests:
        yield "the cell after a solution is not its test"
    elif not any(_hidden_asserts(test) for test in tests):
        yield "its tests hide nothing: other data or sizes keep an answer honest"
    source = cell["source"]
    region = _region(source, SOLUTION)
    if region is None:
        yield f"a solution has {SOLUTION[0]} and {SOLUTION[1]} once each"
        return
    if not region.strip():
        yield "the solution is empty"
    try:
        student = ast.parse(_outside(source, SOLUTION, "raise RuntimeError"))
    except SyntaxError as error:
        yield f"what the student gets is not Python: {error.msg}"
        return
    functions = [node for node in student.body if isinstance(node, ast.FunctionDef)]
    others = [
        node
        for node in student.body
        if not isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom))
    ]
    if len(functions) != 1 or others:
        yield "a solution cell defines one function and nothing else"
    elif not ast.get_docstring(functions[0]):
        yield f"the function {functions[0].name} has no docstring outside of the solution"


HEADER = re.compile(r"^\*Difficulty ([1-3]) of 3 · (\d+) minutes · (\d+) points?\*$", re.MULTILINE)
HINT = r"<details><summary>Hint {}</summary>\n\n.+?\n\n</details>"


def _task_problems(task: Cell, tests: list[Cell]) -> Iterator[str]:
    """A task says how hard it is, how long it takes and what it earns, and gives two hints."""
    header = HEADER.search(task["source"])
    points = sum(nbgrader(test).get("points", 0) for test in tests)
    if header is None:
        yield (
            "the task lacks its header, a line such as "
            f"'*Difficulty 2 of 3 · 10 minutes · {points:g} points*'"
        )
    elif int(header.group(3)) != points:
        yield f"the header promises {header.group(3)} points, its tests give {points:g}"
    for number in (1, 2):
        if not re.search(HINT.format(number), task["source"], re.DOTALL):
            yield (
                f"the task lacks hint {number}: '<details><summary>Hint {number}</summary>', an "
                "empty line, the hint, an empty line, '</details>'"
            )


def _test_problems(cell: Cell, before: Cell | None) -> Iterator[str]:
    yield from _grading_metadata(cell, grade=True, locked=True, solution=False)
    points = nbgrader(cell).get("points")
    if not isinstance(points, (int, float)) or points <= 0:
        yield f"a test is worth points; got {points!r}"
    if before is None or not (is_solution(before) or is_test(before)):
        yield "the cell before a test is not its solution"
    if SOLUTION[0] in cell["source"]:
        yield "a test holds no solution"
    if any(mark in cell["source"] for mark in HIDDEN) and _region(cell["source"], HIDDEN) is None:
        yield f"a test has {HIDDEN[0]} and {HIDDEN[1]} once each, or neither"
        return
    try:
        visible = ast.parse(visible_test(cell["source"]))
        everything = ast.parse(cell["source"])
    except SyntaxError as error:
        yield f"the test, or what the student sees of it, is not Python: {error.msg}"
        return
    if not _asserts(visible):
        yield "a test has no visible assert"
    if HIDDEN[0] in cell["source"] and not _hidden_asserts(cell):
        yield "the hidden tests assert nothing"
    for node in _asserts(everything):
        if node.msg is None:
            yield f"line {node.lineno}: an assert says nothing; name the law that is broken"


def visible_test(source: str) -> str:
    """Return what the student sees of a test."""
    return source if _region(source, HIDDEN) is None else _outside(source, HIDDEN, "pass")


def _hidden_asserts(test: Cell) -> int:
    """Return how many asserts of a test are hidden; none if it is no Python."""
    try:
        everything, visible = ast.parse(test["source"]), ast.parse(visible_test(test["source"]))
    except SyntaxError:
        return 0
    return len(_asserts(everything)) - len(_asserts(visible))


def _asserts(tree: ast.AST) -> list[ast.Assert]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def _needed_solutions(notebook: Notebook) -> list[str]:
    """A cell outside of the exercises must not need what only a solution gives."""
    found = []
    answers: dict[str, Cell] = {}
    for cell in notebook.code:
        try:
            tree = ast.parse(cell["source"])
        except SyntaxError:
            continue  # check_code says so
        if is_solution(cell):
            answers |= {n.name: cell for n in tree.body if isinstance(n, ast.FunctionDef)}
        elif not nbgrader(cell):
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            for node in tree.body:  # the lesson's own version takes the place of the answer
                if isinstance(node, ast.FunctionDef):
                    answers.pop(node.name, None)
            for name in sorted(names & set(answers)):
                found.append(
                    f"{at(cell)}: it uses {name}, the answer of {at(answers[name])}; a student "
                    "without an answer could not go on"
                )
    return found
