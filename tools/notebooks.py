"""Lessons as files: reading, writing, hashing them, and the rules that each must keep.

``python -m tools.notebooks [NOTEBOOK ...]`` prints every problem of the notebooks that it is given,
or of all lessons, and exits with 1 if there is any.

A rule is a function from a :class:`Notebook` to a list of problems, each one sentence that names
the cell and says what to do. :data:`RULES` lists them all.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import os
import re
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import nbformat.v4
from nbformat.validator import iter_validate
from PIL import Image

from gdmlib.lesson import badge, colab_cell

ROOT = Path(__file__).resolve().parents[1]

Cell = dict[str, Any]

MAX_CELL_LINES = 20
CODE_LINES = (120, 350)
PROSE_WORDS = (1500, 3500)
MAX_OUTPUT_KB = 700
MAX_SECONDS = 75
MAX_MEMORY_MB = 2048
MIN_EXERCISES = 3
MIN_CLAIMS = 3
TAGS = frozenset(
    {
        "hide-input",
        "hide-output",
        "hide-cell",
        "remove-input",
        "remove-output",
        "remove-cell",
        "nbval-check-output",
        "nbval-ignore-output",
    }
)
LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
BADGE = re.compile(r"\[▶ [^\]]*\]\([^)]*\)")
PROMPTS = {"code_prompt_show", "code_prompt_hide"}


# --- files ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notebook:
    """A notebook that was read: where it lies and what it holds."""

    path: Path
    data: dict[str, Any]

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def cells(self) -> list[Cell]:
        return self.data["cells"]

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell["cell_type"] == "code"]

    @property
    def prose(self) -> list[Cell]:
        return [cell for cell in self.cells if cell["cell_type"] == "markdown"]


def lessons(root: Path = ROOT) -> list[Path]:
    """Return the lessons' files in the order of the course."""
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def read(path: Path) -> Notebook:
    """Read a notebook of any content; the rules say what is wrong with it.

    Raises:
        OSError: If there is no such file.
        ValueError: If the file is no notebook at all.
    """
    content = path.read_bytes()
    try:
        # Not nbformat.reads: it would mend a repeated id, and the rules could not see it.
        data = nbformat.v4.reads(content.decode("utf-8"))
        if not isinstance(data.get("cells"), list):
            raise ValueError("it has no list of cells")
    except Exception as error:
        raise ValueError(f"{path}: this is not a notebook ({error})") from error
    return Notebook(path, data)


def dumps(data: dict[str, Any]) -> str:
    """Return a notebook as Jupyter would lay it out in a file."""
    return nbformat.v4.writes(nbformat.from_dict(data)) + "\n"


def write_text(path: Path, text: str) -> None:
    """Replace a file at once: whoever interrupts this finds the old text or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(path.stat().st_mode if path.exists() else 0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def repository(root: Path = ROOT) -> str:
    """Return the repository's address from the one place where it stands."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]


def version(root: Path = ROOT) -> str:
    """Return the library's version without importing it."""
    text = (root / "gdmlib" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise ValueError(f'{root / "gdmlib" / "__init__.py"}: expected a line __version__ = "..."')
    return found.group(1)


# --- cells ----------------------------------------------------------------------------------------


def tags(cell: Cell) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def nbgrader(cell: Cell) -> dict[str, Any]:
    return cell.get("metadata", {}).get("nbgrader", {})


def is_solution(cell: Cell) -> bool:
    return bool(nbgrader(cell).get("solution"))


def is_test(cell: Cell) -> bool:
    return bool(nbgrader(cell).get("grade")) and not is_solution(cell)


def is_setup(cell: Cell) -> bool:
    """Whether this is the cell that installs the library in Colab, for any address and version."""
    wanted = colab_cell("https://github.com/o/n", "0")
    source = re.sub(r"git\+[^\"\s]+@v[^\"\s]+", "git+https://github.com/o/n@v0", cell["source"])
    return cell["cell_type"] == "code" and source == wanted


def source_hash(notebook: Notebook) -> str:
    """Return the hash of what the outputs depend on: the sources of the code cells, in order.

    Prose is left out, and so is the cell that installs the library in Colab: a new sentence or a
    new address does not ask for a new run. A change of `gdmlib` is not noticed here; the outputs
    that matter are compared with a fresh run by nbval.
    """
    sources = [cell["source"] for cell in notebook.code if not is_setup(cell)]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def images(cell: Cell) -> list[str]:
    """Return the kinds of picture that a cell's stored outputs show, one entry a picture."""
    shown = []
    for output in cell.get("outputs", []):
        kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
        shown += kinds[:1]
    return shown


def _at(cell: Cell) -> str:
    return f"cell {cell.get('id', '?')!r}"


def _without_code(text: str) -> str:
    """Return Markdown without fenced and inline code, in which anything may stand."""
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", _without_fences(text), flags=re.DOTALL)


def _without_fences(text: str) -> str:
    return re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def _without_display(text: str) -> str:
    return re.sub(r"\$\$.*?\$\$", "\n\n", text, flags=re.DOTALL)


# --- rules: the file ------------------------------------------------------------------------------


def check_format(notebook: Notebook) -> list[str]:
    """Format 4.5, a valid file, readable unique ids, kernel python3."""
    data, found = notebook.data, []
    if (data.get("nbformat"), data.get("nbformat_minor")) != (4, 5):
        found.append(
            f"the format is {data.get('nbformat')}.{data.get('nbformat_minor')}; "
            "save it as nbformat 4.5"
        )
    for error in iter_validate(data):
        found.append(f"not a valid notebook: {str(error).splitlines()[0]}")
    counts = Counter(cell.get("id", "") for cell in notebook.cells)
    found += [
        f"{n} cells have the id {cell!r}; ids are unique" for cell, n in counts.items() if n > 1
    ]
    for name in counts:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or re.fullmatch(
            r"[0-9a-f-]{8,}", name
        ):
            found.append(
                f"the id {name!r} says nothing; use words joined by '-', such as 'nll-derive'"
            )
    metadata = data.get("metadata", {})
    if metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("the kernel (metadata.kernelspec.name) is not 'python3'")
    if metadata.get("language_info", {}).get("name") != "python":
        found.append("metadata.language_info.name is not 'python'; run `make execute`")
    if "widgets" in metadata:
        found.append("metadata.widgets holds the state of widgets; run `make execute`")
    return found


def check_opening(notebook: Notebook) -> list[str]:
    """Title, what it teaches, what it needs, time; the Colab cell; `lesson.start`."""
    if len(notebook.cells) < 3:
        return ["a lesson opens with a title, the Colab cell and a cell that calls lesson.start"]
    first, second, third = notebook.cells[:3]
    found = []
    title = first["source"].split("\n", 1)[0]
    if first["cell_type"] != "markdown" or not re.match(r"# \S", title):
        found.append("the first cell is not Markdown that begins with '# Title'")
    elif re.match(r"# \W*\d", title):
        found.append(f"the title {title!r} begins with a number; the book numbers its parts itself")
    for part in ("What you will be able to do", "What you need first", "Time"):
        if part.lower() not in first["source"].lower():
            found.append(f"the first cell lacks the part {part!r}")
    if not is_setup(second):
        found.append(
            f"the second cell, {second.get('id')!r}, is not the Colab cell; take its text from "
            "gdmlib.lesson.colab_cell or run `python -m tools.rehost`"
        )
    elif "hide-input" not in tags(second):
        found.append("the Colab cell lacks the tag 'hide-input'")
    starts = re.findall(r"lesson\.start\(\s*[\"']([^\"']*)", third["source"])
    if third["cell_type"] != "code" or starts != [notebook.stem]:
        found.append(
            f"the third cell does not call lesson.start({notebook.stem!r}) once; "
            f"it starts {starts or 'nothing'}"
        )
    return found


def check_headings(notebook: Notebook) -> list[str]:
    """One title, levels that do not jump, a summary and references."""
    headings = [
        (cell, len(marks), text.strip())
        for cell in notebook.prose
        for marks, text in re.findall(
            r"^(#{1,6}) +(.+)$", _without_code(cell["source"]), re.MULTILINE
        )
    ]
    found = []
    titles = [text for _, level, text in headings if level == 1]
    if len(titles) != 1:
        found.append(f"expected one title (# ...), got {titles}")
    previous = 1
    for cell, level, text in headings:
        if level > previous + 1:
            found.append(
                f"{_at(cell)}: the heading {text!r} jumps from level {previous} to {level}"
            )
        previous = level
    for part in ("Summary", "References"):
        if not any(part.lower() in text.lower() for _, level, text in headings if level > 1):
            found.append(f"there is no section {part!r}")
    return found


def check_addresses(notebook: Notebook, root: Path = ROOT) -> list[str]:
    """The Colab cell and the badge agree with pyproject.toml and with the library's version."""
    found = []
    address = repository(root)
    setups = [cell for cell in notebook.code if is_setup(cell)]
    if len(setups) != 1:
        found.append(f"expected one Colab cell, got {len(setups)}")
    for cell in setups:
        if cell["source"] != colab_cell(address, version(root)):
            found.append(
                f"{_at(cell)}: it installs something else than {address} at v{version(root)}; "
                "run `python -m tools.rehost`"
            )
    links = BADGE.findall("\n".join(_sources(notebook.prose)))
    if links != [badge(address, notebook.stem)]:
        found.append(
            f"expected once the link {badge(address, notebook.stem)!r}, got {links}; "
            "run `python -m tools.rehost`"
        )
    return found


def _sources(cells: list[Cell]) -> list[str]:
    return [cell["source"] for cell in cells]


# --- rules: prose ---------------------------------------------------------------------------------


def check_markdown(notebook: Notebook) -> list[str]:
    """Plain Markdown, which Colab and GitHub read too."""
    found = []
    for cell in notebook.prose:
        source, text = cell["source"], _without_code(cell["source"])
        if re.search(r"\{[a-zA-Z:_-]+\}`", _without_fences(source)):
            found.append(
                f"{_at(cell)}: a MyST role ({{name}}`...`) reads as noise outside the book"
            )
        if re.search(r"^\s*(```+|~~~+|:::+)\{", source, re.MULTILINE) or ":::" in text:
            found.append(f"{_at(cell)}: a MyST directive reads as noise outside the book")
        if re.search(r"^\([\w-]+\)=\s*$", text, re.MULTILINE):
            found.append(f"{_at(cell)}: a MyST label reads as noise outside the book")
        for macro in re.findall(r"\\(bm|newcommand|def|label|ref|eqref|require)\b", text):
            found.append(
                f"{_at(cell)}: \\{macro} does not work in the book, Colab and GitHub alike"
            )
        for alt, place in re.findall(r"!\[([^\]]*)\]\(([^)\s]*)", text):
            if re.match(r"https?:", place):
                found.append(f"{_at(cell)}: the picture {place} comes from another host")
            if not alt.strip():
                found.append(f"{_at(cell)}: the picture {place} lacks alt text")
        if re.search(r"<(script|iframe|img|style)\b", text, re.IGNORECASE):
            found.append(f"{_at(cell)}: raw HTML; write Markdown")
        found += [f"{_at(cell)}: {what}" for what in _misplaced_tags(cell)]
    return found


def _misplaced_tags(cell: Cell) -> Iterator[str]:
    if tags(cell):
        yield f"tags {tags(cell)} on prose have no effect; remove them"


def check_equations(notebook: Notebook) -> list[str]:
    """Displayed equations: `$$` on lines of their own, closed environments, sound tags."""
    found: list[str] = []
    tagged: Counter[str] = Counter()
    cited: list[tuple[Cell, str]] = []
    chapter = int(notebook.stem[:2]) if notebook.stem[:2].isdigit() else 0
    for cell in notebook.prose:
        text = _without_code(cell["source"])
        if text.count("$$") % 2:
            found.append(f"{_at(cell)}: an odd number of $$; an equation is not closed")
            continue
        for before, equation, after in _displayed(text):
            found += [
                f"{_at(cell)}: {what}" for what in _equation_problems(before, equation, after)
            ]
            tagged.update(re.findall(r"\\tag\*?\{([^}]*)\}", equation))
        cited += [
            (cell, number)
            for number in re.findall(r"\((\d+\.\d+)\)", _without_display(text))
            if int(number.split(".")[0]) == chapter
        ]
    for tag, times in tagged.items():
        if not re.fullmatch(rf"{chapter}\.[1-9][0-9]*", tag):
            found.append(f"\\tag{{{tag}}}: expected \\tag{{{chapter}.n}}, n = 1, 2, ...")
        if times > 1:
            found.append(f"\\tag{{{tag}}} is used {times} times")
    for cell, number in cited:
        if number not in tagged:
            found.append(f"{_at(cell)}: it speaks of ({number}), and no equation has this tag")
    return found


def _displayed(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each displayed equation with what stands before and after it on its lines."""
    for match in re.finditer(r"\$\$(.*?)\$\$", text, re.DOTALL):
        before = text[: match.start()].rsplit("\n", 1)[-1]
        after = text[match.end() :].split("\n", 1)[0]
        yield before, match.group(1), after


def _equation_problems(before: str, equation: str, after: str) -> Iterator[str]:
    start = " ".join(equation.split())[:30]
    if before.strip() or after.strip():
        yield f"the equation '{start}' shares its line with text; give $$ ... $$ lines of its own"
    if not equation.strip():
        yield "an equation is empty; is a $$ missing?"
    if re.search(r"\n[ \t]*\n", equation):
        yield f"the equation '{start}' contains an empty line, which ends it"
    if re.search(r"^\s*\\\\", equation, re.MULTILINE):
        yield f"the equation '{start}' has a line that begins with \\\\; end the one before with it"
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([^}]*)\}", equation):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            yield f"the equation '{start}' closes {{{name}}}, which is not open"
    if opened:
        yield f"the equation '{start}' does not close {{{opened[-1]}}}"
    bare = re.sub(r"\\begin\{([^}]*)\}.*\\end\{\1\}", "", equation, flags=re.DOTALL)
    if re.search(r"\\\\(?![a-zA-Z])", bare):
        yield f"the equation '{start}' breaks a line outside of an environment; use aligned"
    if bare.count("\\tag") != equation.count("\\tag") or equation.count("\\tag") > 1:
        yield f"the equation '{start}' has two \\tag, or one inside of an environment; put it after"
    if _unbalanced(equation):
        yield f"the equation '{start}' has unbalanced braces"


def _unbalanced(tex: str) -> bool:
    depth = 0
    for mark in re.findall(r"\\.|[{}]", tex, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if depth < 0:
            return True
    return depth != 0


def check_inline_mathematics(notebook: Notebook) -> list[str]:
    """Mathematics in a line: dollars in pairs, close to the formula, away from letters."""
    found = []
    for cell in notebook.prose:
        text = _without_display(_without_code(cell["source"])).replace("\\$", "")
        for paragraph in re.split(r"\n\s*\n", text):
            parts = paragraph.split("$")
            near = " ".join(paragraph.split())[:40]
            if len(parts) % 2 == 0:
                found.append(f"{_at(cell)}: an odd number of $ in the paragraph '{near}'")
                continue
            for index in range(1, len(parts), 2):
                before, formula, after = parts[index - 1 : index + 2]
                shown = f"{_at(cell)}: ${' '.join(formula.split())[:40]}$"
                if formula != formula.strip() or not formula:
                    found.append(f"{shown} has a space inside of its dollars")
                if re.search(r"\w\Z", before) or re.match(r"\w", after):
                    found.append(f"{shown} touches a letter or digit, which GitHub does not read")
                if _unbalanced(formula):
                    found.append(f"{shown} has unbalanced braces")
    return found


def check_prose_length(notebook: Notebook) -> list[str]:
    """Between 1500 and 3500 words."""
    words = count_words(notebook)
    low, high = PROSE_WORDS
    return [] if low <= words <= high else [f"{words} words of prose; expected {low} to {high}"]


def count_words(notebook: Notebook) -> int:
    """Return the number of words of prose, without code, mathematics and addresses of links."""
    text = "\n\n".join(
        _without_display(_without_code(source)) for source in _sources(notebook.prose)
    )
    text = re.sub(r"\$[^$]*\$", " ", text)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    return len(re.findall(r"[^\W\d_][\w'’-]*", text))


def check_links(notebook: Notebook) -> list[str]:
    """Links to other files lead somewhere."""
    found = []
    for cell in notebook.prose:
        for place in re.findall(r"\]\(([^)\s]+)", _without_code(cell["source"])):
            if re.match(r"https://", place) or place.startswith(("#", "attachment:", "mailto:")):
                continue
            if re.match(r"[a-z]+:", place) or place.startswith("/"):
                found.append(f"{_at(cell)}: the link {place} is neither https nor relative")
            elif not (notebook.path.parent / place.split("#")[0]).is_file():
                found.append(f"{_at(cell)}: the link {place} leads to no file")
    return found


# --- rules: code ----------------------------------------------------------------------------------


def count_code_lines(notebook: Notebook) -> int:
    """Return the number of lines of code that a reader of the page reads.

    Exercises and folded cells do not count, nor do comments and empty lines.
    """
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#")
        for cell in notebook.code
        if not (nbgrader(cell) or _is_folded(cell))
        for line in cell["source"].split("\n")
    )


def _is_folded(cell: Cell) -> bool:
    return bool({"hide-input", "hide-cell"} & set(tags(cell)))


def _lines(source: str) -> int:
    return sum(bool(line.strip()) for line in source.split("\n"))


def check_code(notebook: Notebook) -> list[str]:
    """Python without magic, in short cells, 120 to 350 lines that are read."""
    found = []
    for cell in notebook.code:
        if is_setup(cell):
            continue
        lines = _lines(cell["source"])
        if not lines:
            found.append(f"{_at(cell)}: it is empty")
        if lines > MAX_CELL_LINES and not (nbgrader(cell) or _is_folded(cell)):
            found.append(
                f"{_at(cell)}: {lines} lines; split it, move plotting into a folded cell, or keep "
                f"it to {MAX_CELL_LINES}"
            )
        try:
            ast.parse(cell["source"])
        except SyntaxError as error:
            found.append(f"{_at(cell)}: not plain Python (line {error.lineno}: {error.msg})")
    lines, (low, high) = count_code_lines(notebook), CODE_LINES
    if not low <= lines <= high:
        found.append(
            f"{lines} lines of code outside of exercises and folded cells; expected {low} to {high}"
        )
    return found


def check_tags(notebook: Notebook) -> list[str]:
    """Tags and folding prompts that exist: a misspelt one is ignored without a word."""
    found = []
    for cell in notebook.code:
        for tag in tags(cell):
            if tag not in TAGS:
                hint = " (lower case)" if tag.lower() in TAGS else ""
                found.append(f"{_at(cell)}: unknown tag {tag!r}{hint}; known are {sorted(TAGS)}")
        book = cell.get("metadata", {}).get("mystnb", {})
        unknown = set(book) - {"image", "figure", *PROMPTS}
        unknown |= {f"image.{key}" for key in set(book.get("image", {})) - {"alt"}}
        unknown |= {f"figure.{key}" for key in set(book.get("figure", {})) - {"caption", "name"}}
        for key in sorted(unknown):
            found.append(f"{_at(cell)}: unknown key metadata.mystnb.{key}")
        if PROMPTS & set(book) and not _is_folded(cell):
            found.append(f"{_at(cell)}: it has a folding prompt and no tag 'hide-input'")
        if "NBVAL_" in cell["source"]:
            found.append(f"{_at(cell)}: use the tag 'nbval-check-output', not a comment")
    return found


def check_claims(notebook: Notebook) -> list[str]:
    """Some cells carry a claim that every run compares; they show no picture."""
    claims = [cell for cell in notebook.code if "nbval-check-output" in tags(cell)]
    found = []
    if len(claims) < MIN_CLAIMS:
        found.append(
            f"{len(claims)} cells have the tag 'nbval-check-output'; expected at least {MIN_CLAIMS}"
        )
    for cell in claims:
        if images(cell):
            found.append(f"{_at(cell)}: a compared output holds no figure; move it to another cell")
        elif not cell.get("outputs"):
            found.append(f"{_at(cell)}: it has the tag 'nbval-check-output' and no output")
    return found


# --- rules: outputs -------------------------------------------------------------------------------


def check_figures(notebook: Notebook) -> list[str]:
    """One figure a cell, with alt text, caption and a name of its own."""
    found = []
    names: Counter[str] = Counter()
    chapter = notebook.stem[:2]
    for cell in notebook.code:
        kinds, book = images(cell), cell.get("metadata", {}).get("mystnb", {})
        alt = book.get("image", {}).get("alt", "")
        caption = book.get("figure", {}).get("caption", "")
        name = book.get("figure", {}).get("name", "")
        if not kinds:
            if "image" in book or "figure" in book:
                found.append(f"{_at(cell)}: it has alt text or a caption and shows no figure")
            continue
        names[name] += bool(name)
        if len(kinds) > 1:
            found.append(
                f"{_at(cell)}: {len(kinds)} figures; one a cell, so that each has alt text"
            )
        if set(kinds) - {"image/png", "image/gif"}:
            found.append(f"{_at(cell)}: a figure is {kinds[0]}; expected PNG or GIF")
        if len(alt) < 20 or re.search(r"\.(png|gif|svg)$|^\S+$", alt):
            found.append(
                f"{_at(cell)}: no alt text that says what is seen; write it with "
                f"gdmlib.lesson.describe(path, {cell.get('id')!r}, alt=...)"
            )
        if not caption.strip():
            found.append(f"{_at(cell)}: the figure lacks a caption")
        elif caption == alt:
            found.append(f"{_at(cell)}: alt text and caption are the same; say what it teaches")
        if not re.fullmatch(rf"fig-{chapter}-[a-z0-9-]+", name):
            found.append(
                f"{_at(cell)}: the figure's name is {name!r}; expected 'fig-{chapter}-...'"
            )
        if _leaked(cell):
            found.append(
                f"{_at(cell)}: text of a plotting call leaks; end the cell with plt.show()"
            )
    found += [f"the figure name {name!r} is used {n} times" for name, n in names.items() if n > 1]
    return found


def _leaked(cell: Cell) -> bool:
    """Whether the cell shows the repr of what a plotting call returned, beside its figure."""
    return any(
        output.get("output_type") == "execute_result"
        and not any(kind.startswith("image/") for kind in output.get("data", {}))
        for output in cell.get("outputs", [])
    )


def output_text(output: Cell) -> str:
    """Return all that an output says in words."""
    texts = [output.get("text", ""), *output.get("traceback", [])]
    texts += [str(value) for kind, value in output.get("data", {}).items() if "text/" in kind]
    return "\n".join(text for text in texts if text)


def check_outputs(notebook: Notebook) -> list[str]:
    """No error, warning, widget, progress bar, path or memory address in the outputs."""
    found = []
    for cell in notebook.code:
        for output in cell.get("outputs", []):
            text, data = output_text(output), output.get("data", {})
            if output["output_type"] == "error":
                found.append(f"{_at(cell)}: it ends in the error {output.get('ename')}")
            if output.get("name") == "stderr":
                found.append(f"{_at(cell)}: it writes to stderr: {text.strip()[:80]!r}")
            for kind in data:
                if "widget" in kind or kind == "application/javascript":
                    found.append(f"{_at(cell)}: an output is {kind}; run `make execute`")
            if re.search(r"(src|href)=[\"']https?:", text):
                found.append(f"{_at(cell)}: an output loads something from another host")
            path = re.search(
                r"(?<![\w/.:])(/(home|root|tmp|usr|opt|work|mnt|content|Users|private|var)/[^\s'\"]*"
                r"|[A-Z]:\\\\?\w[^\s'\"]*)",
                text,
            )
            if path:
                found.append(f"{_at(cell)}: an output holds the path {path.group(0)!r}")
            if re.search(r"\b0x[0-9a-f]{6,}", text):
                found.append(f"{_at(cell)}: an output holds a memory address")
            if "\r" in text or re.search(r"\d+%\|", text) or re.search(r"\d(it/s|s/it)\b", text):
                found.append(f"{_at(cell)}: a progress bar stands in the output")
    return found


def check_freshness(notebook: Notebook) -> list[str]:
    """The outputs belong to the source: same hash, every cell run once and in order."""
    record = notebook.data.get("metadata", {}).get("gdm", {})
    found = []
    if record.get("source_hash") != source_hash(notebook):
        found.append("the outputs do not belong to this source; run `make execute`")
    counts = [cell.get("execution_count") for cell in notebook.code]
    if not any(counts):
        found.append("no cell was run; run `make execute`")
    elif counts != list(range(1, len(counts) + 1)):
        found.append(f"execution counts are {counts}; expected 1, 2, 3, ...: run `make execute`")
    for cell in notebook.code:
        for output in cell.get("outputs", []):
            if output.get("execution_count", cell["execution_count"]) != cell["execution_count"]:
                found.append(f"{_at(cell)}: an output has another execution count than its cell")
    return found


def check_budget(notebook: Notebook) -> list[str]:
    """Seconds, memory and size of the outputs within bounds, as the last run recorded them."""
    record = notebook.data.get("metadata", {}).get("gdm", {})
    found = []
    for key, most in (("seconds", MAX_SECONDS), ("peak_memory_mb", MAX_MEMORY_MB)):
        value = record.get(key)
        if not isinstance(value, (int, float)):
            found.append(f"metadata.gdm.{key} is missing; run `make execute`")
        elif not 0 < value <= most:
            found.append(f"metadata.gdm.{key} is {value}; expected at most {most}")
    size = output_kilobytes(notebook)
    if size > MAX_OUTPUT_KB:
        found.append(f"outputs of {size:.0f} KB; expected at most {MAX_OUTPUT_KB}")
    return found


def output_kilobytes(notebook: Notebook) -> float:
    """Return the size of all outputs as they stand in the file."""
    return sum(len(json.dumps(cell.get("outputs", []))) for cell in notebook.code) / 1000


def check_pictures(notebook: Notebook) -> list[str]:
    """Pictures can be read and are wide enough to see and narrow enough for a page."""
    found = []
    for cell in notebook.code:
        for output in cell.get("outputs", []):
            for kind in {"image/png", "image/gif"} & set(output.get("data", {})):
                try:
                    size = Image.open(io.BytesIO(base64.b64decode(output["data"][kind]))).size
                except Exception as error:  # whatever a damaged picture makes Pillow raise
                    found.append(f"{_at(cell)}: its {kind} cannot be read ({error})")
                    continue
                if not (100 <= size[0] <= 1400 and 60 <= size[1] <= 1600):
                    found.append(f"{_at(cell)}: its {kind} is {size[0]} x {size[1]} pixels")
    return found


# --- rules: exercises -----------------------------------------------------------------------------


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
        after = cells[index + 1] if index + 1 < len(cells) else None
        if is_solution(cell):
            found += [f"{_at(cell)}: {what}" for what in _solution_problems(cell, before, after)]
        elif nbgrader(cell):
            found += [f"{_at(cell)}: {what}" for what in _test_problems(cell, before)]
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


def _solution_problems(cell: Cell, before: Cell | None, after: Cell | None) -> Iterator[str]:
    yield from _grading_metadata(cell, grade=False, locked=False, solution=True)
    if not cell["metadata"].get("jupyter", {}).get("source_hidden"):
        yield "a solution is not folded in JupyterLab; set metadata.jupyter.source_hidden"
    if before is None or not re.match(r"#{3,4} Exercise ", before["source"]):
        yield "the cell before a solution is not its task, '### Exercise ...'"
    if after is None or not is_test(after):
        yield "the cell after a solution is not its test"
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


def _test_problems(cell: Cell, before: Cell | None) -> Iterator[str]:
    yield from _grading_metadata(cell, grade=True, locked=True, solution=False)
    points = nbgrader(cell).get("points")
    if not isinstance(points, (int, float)) or points <= 0:
        yield f"a test is worth points; got {points!r}"
    if before is None or not is_solution(before):
        yield "the cell before a test is not its solution"
    if SOLUTION[0] in cell["source"]:
        yield "a test holds no solution"
    hidden = _region(cell["source"], HIDDEN)
    if hidden is None:
        yield f"a test has {HIDDEN[0]} and {HIDDEN[1]} once each"
        return
    try:
        visible = ast.parse(_outside(cell["source"], HIDDEN, "pass"))
        everything = ast.parse(cell["source"])
    except SyntaxError as error:
        yield f"the test, or what the student sees of it, is not Python: {error.msg}"
        return
    if not _asserts(visible):
        yield "a test has no visible assert"
    if len(_asserts(everything)) == len(_asserts(visible)):
        yield "the hidden tests assert nothing"
    for node in _asserts(everything):
        if node.msg is None:
            yield f"line {node.lineno}: an assert says nothing; name the law that is broken"


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
                    f"{_at(cell)}: it uses {name}, the answer of {_at(answers[name])}; a student "
                    "without an answer could not go on"
                )
    return found


# --- all rules ------------------------------------------------------------------------------------

Rule = Callable[[Notebook], list[str]]

RULES: tuple[Rule, ...] = (
    check_format,
    check_opening,
    check_headings,
    check_addresses,
    check_markdown,
    check_equations,
    check_inline_mathematics,
    check_prose_length,
    check_links,
    check_code,
    check_tags,
    check_claims,
    check_figures,
    check_outputs,
    check_freshness,
    check_budget,
    check_pictures,
    check_exercises,
)


def problems(notebook: Notebook) -> list[str]:
    """Return every problem of a notebook under every rule."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(notebook)]


def main(arguments: list[str]) -> int:
    """Print the problems of the notebooks that are given, or of all lessons."""
    paths = [Path(argument) for argument in arguments] or lessons()
    bad = 0
    for path in paths:
        try:
            notebook = read(path)
        except (OSError, ValueError) as error:
            print(f"{path}: {error}")
            bad += 1
            continue
        found = problems(notebook)
        bad += len(found)
        for what in found:
            print(f"{path.name}: {what}")
        print(
            f"{path.name}: {len(found)} problems; {count_words(notebook)} words, "
            f"{count_code_lines(notebook)} lines of code, "
            f"{output_kilobytes(notebook):.0f} KB of output"
        )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
