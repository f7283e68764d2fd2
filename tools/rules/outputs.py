"""Rules on outputs: figures with words, nothing noisy, fresh, and small."""

from __future__ import annotations

import base64
import io
import json
import re
from collections import Counter

from PIL import Image

from tools.notebooks import (
    Cell,
    Notebook,
    figure_words,
    images,
    is_fresh,
    is_schematic,
    output_text,
)
from tools.rules._common import at

MAX_OUTPUT_KB = 850
MAX_SECONDS = 75
MAX_MEMORY_MB = 2048
MAX_TABLE = 98  # letters of code in a line of the printed book
TABLE = re.compile(r"\S {2,}\S.* {2,}\S")  # three columns or more
MAX_PIXELS = 2000  # pictures have twice the pixels that a page shows


def check_figures(notebook: Notebook) -> list[str]:
    """One figure a cell, with alt text, caption and a name of its own."""
    found = []
    names: Counter[str] = Counter()
    chapter = notebook.stem[:2]
    for cell in notebook.code:
        kinds, book = images(cell), cell.get("metadata", {}).get("mystnb", {})
        alt, caption, name = figure_words(cell)
        if not kinds:
            if "image" in book or "figure" in book:
                found.append(f"{at(cell)}: it has alt text or a caption and shows no figure")
            continue
        names[name] += bool(name)
        if len(kinds) > 1:
            found.append(f"{at(cell)}: {len(kinds)} figures; one a cell, so that each has alt text")
        if set(kinds) - {"image/png", "image/gif", "image/svg+xml", "schematic"}:
            found.append(f"{at(cell)}: a figure is {kinds[0]}; expected SVG, PNG or GIF")
        if len(alt) < 20 or re.search(r"\.(png|gif|svg)$|^\S+$", alt):
            found.append(
                f"{at(cell)}: no alt text that says what is seen; write it with "
                f"tools.authoring.describe(path, {cell.get('id')!r}, alt=...)"
            )
        if not caption.strip():
            found.append(f"{at(cell)}: the figure lacks a caption")
        elif caption == alt:
            found.append(f"{at(cell)}: alt text and caption are the same; say what it teaches")
        if not re.fullmatch(rf"fig-{chapter}-[a-z0-9-]+", name):
            found.append(f"{at(cell)}: the figure's name is {name!r}; expected 'fig-{chapter}-...'")
        if _leaked(cell):
            found.append(f"{at(cell)}: text of a plotting call leaks; end the cell with plt.show()")
    found += [f"the figure name {name!r} is used {n} times" for name, n in names.items() if n > 1]
    return found


def _leaked(cell: Cell) -> bool:
    """Whether the cell shows the repr of what a plotting call returned, beside its figure."""
    return any(
        output.get("output_type") == "execute_result"
        and not is_schematic(output)
        and not any(kind.startswith("image/") for kind in output.get("data", {}))
        for output in cell.get("outputs", [])
    )


def check_outputs(notebook: Notebook) -> list[str]:
    """No error, warning, widget, progress bar, path, address, lack of weights or wide table."""
    found = []
    for cell in notebook.code:
        for output in cell.get("outputs", []):
            text, data = output_text(output), output.get("data", {})
            if output["output_type"] == "error":
                found.append(f"{at(cell)}: it ends in the error {output.get('ename')}")
            if output.get("name") == "stderr":
                found.append(f"{at(cell)}: it writes to stderr: {text.strip()[:80]!r}")
            for kind in data:
                if "widget" in kind or kind == "application/javascript":
                    found.append(f"{at(cell)}: an output is {kind}; run `make execute`")
            if re.search(r"(src|href)=[\"']https?:", text):
                found.append(f"{at(cell)}: an output loads something from another host")
            path = re.search(
                r"(?<![\w/.:])(/(home|root|tmp|usr|opt|work|mnt|content|Users|private|var)/[^\s'\"]*"
                r"|[A-Z]:\\\\?\w[^\s'\"]*)",
                text,
            )
            if path:
                found.append(f"{at(cell)}: an output holds the path {path.group(0)!r}")
            if re.search(r"\b0x[0-9a-f]{6,}", text):
                found.append(f"{at(cell)}: an output holds a memory address")
            if "\r" in text or re.search(r"\d+%\|", text) or re.search(r"\d(it/s|s/it)\b", text):
                found.append(f"{at(cell)}: a progress bar stands in the output")
            wide = max((len(x) for x in text.splitlines() if TABLE.search(x)), default=0)
            if output.get("name") == "stdout" and wide > MAX_TABLE:
                found.append(f"{at(cell)}: a table of {wide} characters; paper has {MAX_TABLE}")
            if "are not at hand: " in text:  # as `gdmlib.lesson` says it
                found.append(f"{at(cell)}: it was run without its trained weights: {text[:60]!r}")
    return found


def check_freshness(notebook: Notebook) -> list[str]:
    """The outputs belong to the source: same hash, every cell run once and in order."""
    found = []
    if not is_fresh(notebook):
        found.append("the outputs do not belong to this source; run `make execute`")
    counts = [cell.get("execution_count") for cell in notebook.code]
    if not any(counts):
        found.append("no cell was run; run `make execute`")
    elif counts != list(range(1, len(counts) + 1)):
        found.append(f"execution counts are {counts}; expected 1, 2, 3, ...: run `make execute`")
    for cell in notebook.code:
        for output in cell.get("outputs", []):
            if output.get("execution_count", cell["execution_count"]) != cell["execution_count"]:
                found.append(f"{at(cell)}: an output has another execution count than its cell")
    return found


def check_budget(notebook: Notebook) -> list[str]:
    """Seconds, memory and size of the outputs within bounds, as the last run recorded them."""
    found = []
    for key, most in (("seconds", MAX_SECONDS), ("peak_memory_mb", MAX_MEMORY_MB)):
        value = notebook.record.get(key)
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
                    found.append(f"{at(cell)}: its {kind} cannot be read ({error})")
                    continue
                if not (100 <= size[0] <= MAX_PIXELS and 60 <= size[1] <= MAX_PIXELS):
                    found.append(f"{at(cell)}: its {kind} is {size[0]} x {size[1]} pixels")
    return found
