"""What editors make of a notebook that they open, run and save: JSON in, JSON out.

None of it is a fault. Each is what the editor's saved files show, or what its issue tracker says.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable

Notebook = dict
Editor = Callable[[Notebook], Notebook]


def _outputs(number: int) -> list[dict]:
    """Return what a cell that ran may hold."""
    data = {"text/plain": [f"<Figure size {number}>"], "image/png": "iVBORw0KGgo=\n"}
    return [
        {"name": "stdout", "output_type": "stream", "text": ["ran\n", f"{number}\n"]},
        {"output_type": "display_data", "data": data, "metadata": {}},
    ]


def _ran(notebook: Notebook) -> Notebook:
    """Return a copy whose code has outputs and execution counts."""
    notebook = copy.deepcopy(notebook)
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = _outputs(number), number
    return notebook


def jupyterlab(notebook: Notebook) -> Notebook:
    """Times of execution, folded headings, slide types, a kernel's full version."""
    notebook = _ran(notebook)
    when = "2026-01-31T10:00:00.000000Z"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            times = ("iopub.execute_input", "iopub.status.busy", "shell.execute_reply")
            cell["metadata"]["execution"] = dict.fromkeys(times, when)
            cell["metadata"].setdefault("editable", True)
            cell["metadata"]["slideshow"] = {"slide_type": ""}
            cell["metadata"].setdefault("tags", [])
        else:
            cell["metadata"]["jp-MarkdownHeadingCollapsed"] = True
    notebook["metadata"].setdefault("language_info", {})["version"] = "3.12.4"
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    return notebook


def colab(notebook: Notebook) -> Notebook:
    """Format 4.0: no ids but Colab's own, among the metadata; its own metadata of the notebook."""
    notebook = _ran(notebook)
    for number, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        name = hashlib.sha256(str(number).encode()).hexdigest()[:12]
        cell["metadata"]["id"] = name
        if cell["cell_type"] == "code":
            cell["metadata"]["colab"] = {"base_uri": "https://localhost:8080/", "height": 430}
            cell["metadata"]["outputId"] = f"{name}-b179-461a-ee55-a70353965b96"
    notebook["nbformat_minor"] = 0
    notebook["metadata"] = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
    }
    return notebook


def colab_with_ids(notebook: Notebook) -> Notebook:
    """A cell has one id in the format's place and the same among its metadata."""
    ids = [cell["id"] for cell in notebook["cells"]]
    notebook = colab(notebook)
    for cell, name in zip(notebook["cells"], ids, strict=True):
        cell["id"] = cell["metadata"]["id"] = name
    return notebook


def vscode(notebook: Notebook) -> Notebook:
    """Language of each cell, its kernel, one text in place of a list of lines."""
    notebook = _ran(notebook)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        cell["metadata"]["vscode"] = {"languageId": "python"}
    notebook["metadata"]["kernelspec"] = {"display_name": ".venv", "name": "python3"}
    notebook["metadata"]["orig_nbformat"] = 4
    notebook["metadata"]["vscode"] = {"interpreter": {"hash": "0" * 64}}
    return notebook


def vscode_old(notebook: Notebook) -> Notebook:
    """Format 4.2, without ids, and nothing left of what the notebook said of itself."""
    notebook = vscode(notebook)
    for cell in notebook["cells"]:
        cell.pop("id", None)
    notebook["nbformat_minor"] = 2
    notebook["metadata"] = {"kernelspec": notebook["metadata"]["kernelspec"]}
    return notebook


def format_44(notebook: Notebook) -> Notebook:
    """Format 4.4, as older servers save: no ids."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        cell.pop("id", None)
    notebook["nbformat_minor"] = 4
    return notebook


def ids_anew(notebook: Notebook) -> Notebook:
    """Every id another, as when a copy is made of a notebook."""
    notebook = _ran(notebook)
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"{number:08x}"
    return notebook


def windows(notebook: Notebook) -> Notebook:
    """Line ends of Windows, spaces at the ends of lines gone, a line more at the end of cells."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        lines = [line.rstrip() for line in "".join(cell["source"]).split("\n")]
        cell["source"] = "\r\n".join(lines) + "\r\n"
    return notebook


def own_cells(notebook: Notebook) -> Notebook:
    """Cells of the student's own between those of the lesson."""
    notebook, cells = _ran(notebook), []
    for number, cell in enumerate(notebook["cells"]):
        own = {"cell_type": "code", "metadata": {}, "source": [f"note_{number} = {number}"]}
        cells += [cell, own | {"outputs": [], "execution_count": None, "id": f"own-{number}"}]
    return notebook | {"cells": cells}


def untouched(notebook: Notebook) -> Notebook:
    """The release itself."""
    return copy.deepcopy(notebook)


ALL: list[Editor] = [
    untouched, jupyterlab, colab, colab_with_ids, vscode, vscode_old, format_44, ids_anew, windows,
    own_cells,
]  # fmt: skip
