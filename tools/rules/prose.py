"""Rules on prose: Markdown and mathematics that read alike in the book, in Colab and on GitHub."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tools.notebooks import Cell, Notebook, tags
from tools.rules._common import at, without_code, without_display, without_fences

PROSE_WORDS = (1500, 3500)


def check_markdown(notebook: Notebook) -> list[str]:
    """Plain Markdown, which Colab and GitHub read too."""
    found = []
    for cell in notebook.prose:
        source, text = cell["source"], without_code(cell["source"])
        if re.search(r"\{[a-zA-Z:_-]+\}`", without_fences(source)):
            found.append(f"{at(cell)}: a MyST role ({{name}}`...`) reads as noise outside the book")
        if re.search(r"^\s*(```+|~~~+|:::+)\{", source, re.MULTILINE) or ":::" in text:
            found.append(f"{at(cell)}: a MyST directive reads as noise outside the book")
        if re.search(r"^\([\w-]+\)=\s*$", text, re.MULTILINE):
            found.append(f"{at(cell)}: a MyST label reads as noise outside the book")
        for macro in re.findall(r"\\(bm|newcommand|def|label|ref|eqref|require)\b", text):
            found.append(f"{at(cell)}: \\{macro} does not work in the book, Colab and GitHub alike")
        for alt, place in re.findall(r"!\[([^\]]*)\]\(([^)\s]*)", text):
            if re.match(r"https?:", place):
                found.append(f"{at(cell)}: the picture {place} comes from another host")
            if not alt.strip():
                found.append(f"{at(cell)}: the picture {place} lacks alt text")
        if re.search(r"<(script|iframe|img|style)\b", text, re.IGNORECASE):
            found.append(f"{at(cell)}: raw HTML; write Markdown")
        found += [f"{at(cell)}: {what}" for what in _misplaced_tags(cell)]
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
        text = without_code(cell["source"])
        if text.count("$$") % 2:
            found.append(f"{at(cell)}: an odd number of $$; an equation is not closed")
            continue
        for before, equation, after in _displayed(text):
            found += [f"{at(cell)}: {what}" for what in _equation_problems(before, equation, after)]
            tagged.update(re.findall(r"\\tag\*?\{([^}]*)\}", equation))
        cited += [
            (cell, number)
            for number in re.findall(r"\((\d+\.\d+)\)", without_display(text))
            if int(number.split(".")[0]) == chapter
        ]
    for tag, times in tagged.items():
        if not re.fullmatch(rf"{chapter}\.[1-9][0-9]*", tag):
            found.append(f"\\tag{{{tag}}}: expected \\tag{{{chapter}.n}}, n = 1, 2, ...")
        if times > 1:
            found.append(f"\\tag{{{tag}}} is used {times} times")
    for cell, number in cited:
        if number not in tagged:
            found.append(f"{at(cell)}: it speaks of ({number}), and no equation has this tag")
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
        text = without_display(without_code(cell["source"])).replace("\\$", "")
        for paragraph in re.split(r"\n\s*\n", text):
            parts = paragraph.split("$")
            near = " ".join(paragraph.split())[:40]
            if len(parts) % 2 == 0:
                found.append(f"{at(cell)}: an odd number of $ in the paragraph '{near}'")
                continue
            for index in range(1, len(parts), 2):
                before, formula, after = parts[index - 1 : index + 2]
                shown = f"{at(cell)}: ${' '.join(formula.split())[:40]}$"
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
    """Return the number of words of prose, without code, mathematics, addresses and hints."""
    text = "\n\n".join(without_display(without_code(cell["source"])) for cell in notebook.prose)
    text = re.sub(r"<details>.*?</details>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$]*\$", " ", text)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    return len(re.findall(r"[^\W\d_][\w'’-]*", text))


def check_links(notebook: Notebook) -> list[str]:
    """Links to other files lead somewhere."""
    found = []
    for cell in notebook.prose:
        for place in re.findall(r"\]\(([^)\s]+)", without_code(cell["source"])):
            if re.match(r"https://", place) or place.startswith(("#", "attachment:", "mailto:")):
                continue
            if re.match(r"[a-z]+:", place) or place.startswith("/"):
                found.append(f"{at(cell)}: the link {place} is neither https nor relative")
            elif not (notebook.path.parent / place.split("#")[0]).is_file():
                found.append(f"{at(cell)}: the link {place} leads to no file")
    return found
