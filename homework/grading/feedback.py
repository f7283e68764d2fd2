"""What a student reads: for each exercise the points and a sentence, never a hidden test's code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .arrange import Step
from .official import Cell, Official
from .sandbox import Limits, Run, StepResult

OPEN = "this exercise is open"  # what the answer of a release raises, see gdmlib.lesson
_LONGEST = 300
_HOLE = ".{0,80}?"  # for what a test puts into its message, such as a number
_MESSAGES = {"msg", "message", "err_msg"}  # keywords by which libraries take a message

_MARK = re.compile(r"^- (.+?): ([\d.]+) of ([\d.]+) points\. (.*)$", flags=re.MULTILINE)

# What the errors that occur most mean. Their own words may say anything, hidden tests included.
_ERRORS = {
    "AttributeError": "something is asked for that this kind of object does not have",
    "FileNotFoundError": "a file is opened that does not lie beside the lesson",
    "IndentationError": "the cell is not valid Python: look at its indentation",
    "IndexError": "an index is larger than what it points into",
    "KeyError": "a key is asked for that is not there",
    "MemoryError": "more memory was asked for than a submission may use",
    "ModuleNotFoundError": "a module is imported that the course does not use",
    "NameError": "a name is used that no cell above has defined",
    "RecursionError": "a function calls itself without an end",
    "StdinNotImplementedError": "nobody is there to answer input()",
    "SyntaxError": "the cell is not valid Python",
    "SystemExit": "the cell ended the program",
    "TypeError": "a value has the wrong kind, or a call has the wrong arguments",
    "UnboundLocalError": "a name is used before it has a value",
    "ValueError": "a value, often a shape, is not what was expected",
    "ZeroDivisionError": "something is divided by zero",
}


@dataclass(frozen=True)
class Mark:
    """What one exercise earned.

    Attributes:
        title: The exercise, as its heading says it.
        got, most: Points.
        said: A sentence on the first test that failed, or that all passed.
    """

    title: str
    got: float
    most: float
    said: str


def points(official: Official, run: Run) -> dict[str, float]:
    """Return what each test of a lesson earned, by its key."""
    passed = {result.key for result in run.results if result.outcome == "passed"}
    tests = (cell for cell in official.cells if cell.kind == "test")
    return {cell.key: cell.points if cell.key in passed else 0.0 for cell in tests}


def marks(official: Official, steps: Sequence[Step], run: Run, limits: Limits) -> list[Mark]:
    """Return a mark for each exercise, in the lesson's order."""
    results = {result.key: result for result in run.results}
    earned = points(official, run)
    exercises: dict[str, list[Cell]] = {}
    for cell in official.cells:
        if cell.kind == "test":
            exercises.setdefault(cell.title or cell.key, []).append(cell)
    found = []
    for title, tests in exercises.items():
        answers = [results[s.key] for s in steps if s.kind == "own" and s.title == title]
        got, most = sum(earned[test.key] for test in tests), sum(test.points for test in tests)
        lost = (test for test in tests if results[test.key].outcome != "passed")
        first = next(lost, None)
        said = "Passed." if first is None else _said(first, results[first.key], answers, limits)
        found.append(Mark(title, got, most, said))
    return found


def _said(test: Cell, result: StepResult, answers: Iterable[StepResult], limits: Limits) -> str:
    """Return a sentence on a test that was not passed; what stopped its answer comes first."""
    stopped = [answer for answer in answers if answer.outcome not in ("passed", "failed")]
    if stopped and result.outcome not in ("failed", "passed"):
        return f"Your answer: {_ending(stopped[0], limits)}"
    if result.message == OPEN:
        return "The exercise is open: it has no answer."
    if result.outcome in ("failed", "error"):
        shown = shown_message(test.source, result.message)
        if shown:
            return shown
    if result.outcome == "failed":
        return "AssertionError: a test found something wrong, and says no more."
    return f"The test: {_ending(result, limits)}"


def _ending(result: StepResult, limits: Limits) -> str:
    """Return in words how a step ended that did not come to its end."""
    return {
        "error": f"{result.error}: {_ERRORS.get(result.error, 'this error stopped it')}.",
        "timeout": f"it took longer than the time limit of {limits.seconds:g} seconds.",
        "memory": f"it took more memory than the limit of {limits.memory / 2**30:.2g} GB.",
        "output": f"it printed more than the limit of {limits.output / 2**20:.2g} MB.",
        "died": "it ended the process in which it ran.",
    }.get(result.outcome, "it was not run, for too much before it had to be stopped.")


def feedback(
    heading: str, marks: Iterable[Mark], notes: Iterable[str] = (), reason: str = ""
) -> str:
    """Return the feedback on one submission, as Markdown."""
    lines = [f"# {heading}", ""]
    if reason:
        lines.append(f"- Not graded: {reason}.".replace("..", "."))
    lines += [f"- {m.title}: {m.got:g} of {m.most:g} points. {m.said}" for m in marks]
    remarks = [f"- {note}" for note in notes]
    if remarks:
        lines += ["", "What was noticed:", "", *remarks]
    return "\n".join(lines) + "\n"


def read_marks(text: str) -> list[Mark]:
    """Return the marks of a feedback, as `feedback` wrote it."""
    found = _MARK.findall(text.split("\nWhat was noticed:\n")[0])
    return [Mark(title, float(got), float(most), said) for title, got, most, said in found]


# --- messages -------------------------------------------------------------------------------------


def shown_message(source: str, message: str) -> str:
    """Return of a message what a student may read: what the test's own text says.

    A message that the test does not hold, such as one that an answer made up of what it found in
    the memory, is left out; of values that are long, or may be made up, a mark stands in the place.

    Args:
        source: The test.
        message: What its error said.
    """
    message = " ".join(message.split())
    for parts in _templates(source):
        pattern = "".join(_HOLE if part is None else re.escape(part) for part in parts)
        if len(message) < _LONGEST and re.fullmatch(pattern, message):
            return message
    for parts in _templates(source):
        if parts[0] and len(parts) > 1 and message.startswith(parts[0]):
            return "".join("…" if part is None else part for part in parts)
    return ""


@lru_cache(maxsize=256)
def _templates(source: str) -> tuple[tuple[str | None, ...], ...]:
    """Return the messages of a test: what they hold, None where a value is put in."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # such as one of IPython's magics
        return ()
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    found = []
    for message in _messages(tree):
        known = assigned.get(message.id, []) if isinstance(message, ast.Name) else [message]
        found += [_squeeze(_parts(one)) for one in known]
    return tuple(parts for parts in found if any(parts))


def _messages(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions of a test that are messages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.msg is not None:
            yield node.msg
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from node.exc.args[:1]
        elif isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg in _MESSAGES)


def _parts(node: ast.expr) -> Iterator[str | None]:
    """Yield the constant parts of a text, and None for each value between them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _parts(value)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from (*_parts(node.left), *_parts(node.right))
    else:
        yield None


def _squeeze(parts: Iterable[str | None]) -> tuple[str | None, ...]:
    """Return the parts with constants joined and white space as in a one-line message."""
    joined: list[str | None] = []
    for part in parts:
        if joined and part is not None and joined[-1] is not None:
            joined[-1] += part
        elif not (joined and part is None and joined[-1] is None):
            joined.append(part)
    return tuple(part if part is None else re.sub(r"\s+", " ", part) for part in joined)
