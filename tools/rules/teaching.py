"""Rules on teaching: a drawn model, figures of at most two panels, one credit, steady symbols."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools.addresses import ROOT
from tools.notebooks import Cell, Notebook, is_schematic, lessons_in, nbgrader
from tools.rules._common import at, without_code

MAX_PANELS = 2
MAX_INCHES = 7.6  # the page's column at reading size

# What the notation page fixes: a use that contradicts it, and what to write.
_LOSS = r"\ell is a log-likelihood; a loss is \mathcal{L}"
_SIZE = "x has d components, i = 1, ..., d; N counts examples"
_HIDDEN = "hidden units are counted by K; H(p) is an entropy, H and W a height and a width"
FORMULAS = (
    (r"\\ell(_\w+|_\{[^}]*\}|\([^)]*\))?\s*=\s*-\s*(\\t?frac\{?1\}?\{?N\}?\s*)?\\sum", _LOSS),
    (r"\\(sum|prod)(\\limits)?_\{?[ij]\s*=\s*1\}?\^\{?[nD](?![a-z])", _SIZE),
    (r"\\mathbb\{?\s?R\}?\^\{?[nD](?![a-z])", _SIZE),
    (r"\\(sum|prod)(\\limits)?_\{?\w\s*=\s*1\}?\^\{?[HW](?![a-z])", _HIDDEN),
    (
        r"\\(mathrm|operatorname)\{[EH]\}|\\mathbb\{?\s?H\}?",
        r"an expectation is \mathbb{E}, an entropy is H(p)",
    ),
)
CODE = (
    (r"^(\w+, )*(H, W|H|D)\b(, \w+)* = ", "write height, width, d; H is an entropy, W a matrix"),
)


def check_schematic(notebook: Notebook) -> list[str]:
    """At least one schematic of the model, drawn by `plotting.Diagram`."""
    if any(is_schematic(output) for cell in notebook.code for output in cell.get("outputs", [])):
        return []
    return ["no cell shows a schematic of the model; draw one with gdmlib.plotting.Diagram"]


def check_panels(notebook: Notebook) -> list[str]:
    """At most two panels a figure, at a size that a page and a phone can show."""
    found = []
    for cell in notebook.code:
        if nbgrader(cell):
            continue
        for panels, inches in _figures(cell):
            if panels > MAX_PANELS:
                found.append(
                    f"{at(cell)}: a figure of {panels} panels; draw at most {MAX_PANELS}, at "
                    "reading size, and the rest in a figure of its own"
                )
            if inches > MAX_INCHES:
                found.append(f"{at(cell)}: a figure {inches:g} in wide; at most {MAX_INCHES:g} in")
    return found


def _figures(cell: Cell) -> Iterator[tuple[int, float]]:
    """Yield the panels and the width in inches of each `subplots` or `figure` call."""
    try:
        tree = ast.parse(cell["source"])
    except SyntaxError:
        return  # check_code says so
    for node in ast.walk(tree):
        name = node.func.attr if isinstance(node, ast.Call) and hasattr(node.func, "attr") else ""
        if not isinstance(node, ast.Call) or name not in ("subplots", "figure"):
            continue
        options = {word.arg: word.value for word in node.keywords}
        counts = [_number(arg, 1) for arg in node.args] if name == "subplots" else []
        counts += [_number(options[key], 1) for key in ("nrows", "ncols") if key in options]
        size = options.get("figsize")
        wide = _number(size.elts[0], 0) if isinstance(size, (ast.Tuple, ast.List)) else 0
        panels = 1
        for count in counts:
            panels *= int(count)
        yield panels, wide


def _number(node: ast.expr, default: float) -> float:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, (int, float)) else default


def check_credit(notebook: Notebook) -> list[str]:
    """The lectures are credited once, at the end, as the lecture index has it."""
    found = []
    wanted = credit(lectures_of(notebook.stem))
    places = [cell for cell in notebook.prose if wanted in cell["source"]]
    if len(places) != 1 or places[0] not in notebook.cells[-2:]:
        found.append(f"expected once, in one of the last two cells, the credit {wanted!r}")
    for cell in notebook.prose:
        rest = without_code(cell["source"].replace(wanted, ""))
        word = re.search(r"\b(lectures?|(an?|the|on|of) slides?)\b(?!\.md)", rest, re.I)
        if word:
            near = " ".join(rest[max(word.start() - 20, 0) : word.end() + 20].split())
            found.append(
                f"{at(cell)}: it speaks of a lecture, '{near}'; readers have none: credit it at "
                "the end, and leave slips to book/lectures.md"
            )
    return found


def lectures_of(stem: str) -> list[str]:
    """Return the letters of the lectures that the lecture index lists for a lesson."""
    letters: set[str] = set()
    for line in (ROOT / "book" / "lectures.md").read_text(encoding="utf-8").splitlines():
        columns = [column.strip() for column in line.strip().strip("|").split("|")]
        if len(columns) == 3 and f"/{stem[:2]}_" in columns[2]:
            letters |= set(re.findall(r"\b[A-E]\b", columns[1]))
    return sorted(letters)


def credit(letters: list[str]) -> str:
    """Return the sentence that credits lectures, such as A, C and E."""
    names = " and ".join(filter(None, [", ".join(letters[:-1]), *letters[-1:]]))
    noun = "lecture" if len(letters) == 1 else "lectures"
    index = "[Lectures and lessons](../book/lectures.md)"
    return f"**Credit.** The subjects are those of {noun} {names} in {index}."


def check_symbols(notebook: Notebook) -> list[str]:
    """Symbols keep the meaning that the notation page gives them."""
    found = []
    for cell in notebook.cells:
        code = cell["cell_type"] == "code"
        for text in [cell["source"]] if code else _formulas(cell["source"]):
            for pattern, advice in CODE if code else FORMULAS:
                used = re.search(pattern, text, re.MULTILINE)
                if used:
                    found.append(f"{at(cell)}: {used.group(0)!r}: {advice} (book/notation.md)")
    return found


def _formulas(markdown: str) -> list[str]:
    text = without_code(markdown).replace("\\$", "")
    return re.findall(r"\$\$.*?\$\$|\$[^$]+\$", text, re.DOTALL)


def check_next(notebook: Notebook) -> list[str]:
    """The summary says what comes next, and leads there."""
    stems = [path.stem for path in lessons_in(notebook.path.parent)]
    later = [stem for stem in stems if stem > notebook.stem]
    if not later:
        return []
    for cell in notebook.prose:
        for paragraph in cell["source"].split("\n\n"):
            opens = paragraph.startswith(("**What comes next.**", "**What breaks next.**"))
            if opens and f"({later[0]}.ipynb)" in paragraph:
                return []
    return [
        "no paragraph opens with '**What comes next.**' or '**What breaks next.**' and links "
        f"{later[0]}.ipynb"
    ]
