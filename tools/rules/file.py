"""Rules on the file as a whole: format, opening, headings, addresses."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from nbformat.validator import iter_validate

from tools.addresses import BADGE, ROOT, badge, colab_cell, is_setup, repository, version
from tools.notebooks import Notebook, tags
from tools.rules._common import at, without_code


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
            "tools.addresses.colab_cell or run `python -m tools.rehost`"
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
            r"^(#{1,6}) +(.+)$", without_code(cell["source"]), re.MULTILINE
        )
    ]
    found = []
    titles = [text for _, level, text in headings if level == 1]
    if len(titles) != 1:
        found.append(f"expected one title (# ...), got {titles}")
    previous = 1
    for cell, level, text in headings:
        if level > previous + 1:
            found.append(f"{at(cell)}: the heading {text!r} jumps from level {previous} to {level}")
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
                f"{at(cell)}: it installs something else than {address} at v{version(root)}; "
                "run `python -m tools.rehost`"
            )
    links = BADGE.findall("\n".join(cell["source"] for cell in notebook.prose))
    if links != [badge(address, notebook.stem)]:
        found.append(
            f"expected once the link {badge(address, notebook.stem)!r}, got {links}; "
            "run `python -m tools.rehost`"
        )
    return found
