"""A small lesson that keeps every rule, and ways to break it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

from gdmlib.plotting import Diagram
from tools.addresses import badge, colab_cell, repository, version
from tools.notebooks import KERNELSPEC, LANGUAGE_INFO, Notebook, source_hash
from tools.rules.teaching import credit, lectures_of

STEM = "02_sample"
PROMPTS = {"code_prompt_show": "Show", "code_prompt_hide": "Hide"}


def picture(kind: str = "PNG", size: tuple[int, int] = (200, 120)) -> str:
    """Return a picture in base64."""
    with io.BytesIO() as buffer:
        Image.new("RGB", size, "white").save(buffer, format=kind)
        return base64.b64encode(buffer.getvalue()).decode()


def shown(kind: str = "image/png") -> dict[str, Any]:
    """Return the output of a cell that shows a figure."""
    data = {kind: picture(kind.split("/")[1].upper()), "text/plain": "<Figure size 640x480>"}
    return nbformat.v4.new_output("display_data", data)


def drawn() -> dict[str, Any]:
    """Return the output of a cell that shows a schematic."""
    diagram = Diagram(50, 20, alt="Two pixels, an arrow from one to the other.")
    data = {"text/html": diagram._repr_html_()}
    return nbformat.v4.new_output("display_data", data)


def said(text: str, name: str = "stdout") -> dict[str, Any]:
    """Return the output of a cell that prints."""
    return nbformat.v4.new_output("stream", name=name, text=text)


def _markdown(name: str, source: str) -> dict[str, Any]:
    return nbformat.v4.new_markdown_cell(source, id=name)


def _code(name: str, source: str, *outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return nbformat.v4.new_code_cell(source, id=name, outputs=list(outputs), metadata=metadata)


def _exercise(number: int) -> list[dict[str, Any]]:
    grading = {"schema_version": 3, "task": False, "cell_type": "code"}
    solution = grading | {"grade": False, "locked": False, "solution": True}
    test = grading | {"grade": True, "locked": True, "solution": False, "points": 2}
    name = f"double-{number}"
    return [
        _markdown(
            f"{name}-task",
            f"### Exercise 2.{number} · Double\n\n*Difficulty 1 of 3 · 5 minutes · 2 points*\n\n"
            "Return twice the number."
            "\n\n<details><summary>Hint 1</summary>\n\nAdd.\n\n</details>"
            "\n\n<details><summary>Hint 2</summary>\n\nAdd it to itself.\n\n</details>",
        ),
        _code(
            f"{name}-solution",
            f'def double_{number}(x):\n    """Return twice x."""\n'
            "    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION",
            tags=["hide-input"],
            mystnb=dict(PROMPTS),
            jupyter={"source_hidden": True},
            nbgrader=solution | {"grade_id": f"{name}-solution"},
        ),
        _code(
            f"{name}-test",
            f'assert double_{number}(1) == 2, "Twice is the sum with itself (law: 2x = 2·x)."\n'
            "### BEGIN HIDDEN TESTS\n"
            f'assert double_{number}(-1) == -2, "Negative numbers, too (law: 2x = x + x)."\n'
            "### END HIDDEN TESTS",
            tags=["hide-input"],
            mystnb=dict(PROMPTS),
            nbgrader=test | {"grade_id": f"{name}-test"},
        ),
    ]


def good(folder: Path) -> Notebook:
    """Return a lesson in which no rule finds a fault."""
    opening = (
        f"# A sample\n\n{badge(repository(), STEM)}\n\n"
        "**What you will be able to do**\n\n- find faults\n\n"
        "**What you need first**\n\n- [this file](02_sample.ipynb)\n\n**Time**: a minute"
    )
    derivation = (
        "## The idea\n\nA `$code$` is no formula, a density $p(x)$ is, and \\$5 is a price.\n\n"
        "$$\n\\begin{aligned}\na &= b \\\\\n&= c\n\\end{aligned} \\tag{2.1}\n$$\n\n"
        "By equation (2.1) and [Fisher (1922)](https://doi.org/10.1098/rsta.1922.0009), done."
    )
    claims = [
        _code(f"claim-{n}", f"print({n} > 0)", said("True\n"), tags=["nbval-check-output"])
        for n in (1, 2, 3)
    ]
    figure = {
        "image": {"alt": "Two curves that cross in the middle."},
        "figure": {"caption": "They cross.", "name": "fig-02-curves"},
    }
    words = {"caption": "Each sees the one before."}
    body = "\n".join(f"value_{number} = {number}" for number in range(20))
    thanks = credit(lectures_of(STEM))
    cells = [
        _markdown("title", opening),
        _code("setup", colab_cell(repository(), version()), tags=["hide-input"]),
        _code("start", f'from gdmlib import lesson\n\nrun = lesson.start("{STEM}")'),
        _markdown("idea", derivation),
        _markdown("prose", "word " * 1600),
        *[_code(f"body-{chr(97 + n)}", f"{body}\nextra = {n}"[11:]) for n in range(6)],
        *claims,
        _code("curves", "fig, ax = plt.subplots()\nplt.show()", shown(), mystnb=figure),
        _code("drawing", "diagram", drawn(), mystnb={"figure": {**words, "name": "fig-02-model"}}),
        *[cell for number in (1, 2, 3) for cell in _exercise(number)],
        _code("closing", "extra"),
        _markdown("summary", f"## Summary\n\nDone.\n\n## References\n\n- Fisher\n\n{thanks}"),
    ]
    data = nbformat.v4.new_notebook(cells=cells)
    data.metadata = nbformat.from_dict(
        {"kernelspec": dict(KERNELSPEC), "language_info": dict(LANGUAGE_INFO)}
    )
    (folder / "book").mkdir(exist_ok=True)
    (folder / "book" / "lectures.md").touch()
    path = folder / "notebooks" / f"{STEM}.ipynb"
    path.parent.mkdir(exist_ok=True)
    notebook = Notebook(path, data)
    for count, cell in enumerate(notebook.code, start=1):
        cell["execution_count"] = count
    data.metadata["gdm"] = {"seconds": 3.0, "peak_memory_mb": 400}
    sign(notebook)
    path.write_text(nbformat.writes(data) + "\n", encoding="utf-8")
    return notebook


def sign(notebook: Notebook) -> None:
    """Record the hash of the source, as a run does."""
    notebook.data["metadata"]["gdm"]["source_hash"] = source_hash(notebook)


def cell(notebook: Notebook, name: str) -> dict[str, Any]:
    """Return the cell with this id."""
    return next(cell for cell in notebook.cells if cell["id"] == name)
