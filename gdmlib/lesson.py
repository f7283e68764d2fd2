"""What a lesson needs around its subject: a start, a budget, a text for every picture.

A lesson is one notebook with three faces: a page of the book, a notebook in Colab, a homework. The
same cells run in all three. What differs is the *budget*: ``"cpu"`` (the default, a minute on a
laptop), ``"gpu"``, and ``"grade"``, in which a lesson loads its trained weights instead of
training, so that grading takes seconds.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import torch
from torch import nn

from gdmlib import plotting, training

__all__ = [
    "BUDGETS",
    "FigureCell",
    "Lesson",
    "badge",
    "colab_cell",
    "describe",
    "figures",
    "find_checkpoint",
    "records",
    "start",
]

BUDGETS = ("cpu", "gpu", "grade")

_NAME = re.compile(r"[0-9]{2}_[a-z0-9]+(_[a-z0-9]+)*")
_MAX_THREADS = 4  # the lessons' models are small: more threads wait for each other

T = TypeVar("T")


# --- running a lesson -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Lesson:
    """A running lesson, as `start` returns it.

    Attributes:
        name: The notebook's file name without its ending, such as ``"02_gaussian_mle"``.
        seed: The seed of `generator` and of torch.
        device: Where the lesson computes.
        budget: ``"cpu"``, ``"gpu"`` or ``"grade"``.
        generator: A seeded generator on the CPU: pass it to everything that is random.
    """

    name: str
    seed: int
    device: torch.device
    budget: str
    generator: torch.Generator = field(repr=False)

    @property
    def grading(self) -> bool:
        """Whether this run only grades: training is skipped where weights are found."""
        return self.budget == "grade"

    def pick(self, cpu: T, gpu: T | None = None, grade: T | None = None) -> T:
        """Return the value for this run's budget; one that is not given is that of ``cpu``.

        Examples:
            >>> run = start("02_gaussian_mle", budget="cpu")
            >>> run.pick(cpu=20, gpu=200, grade=1)
            20
        """
        value = {"cpu": cpu, "gpu": gpu, "grade": grade}[self.budget]
        return cpu if value is None else value

    def train_or_load(
        self,
        name: str,
        model: nn.Module,
        train: Callable[[], training.History | None],
    ) -> training.History | None:
        """Train a model, or, when grading, load the weights that were trained before.

        Args:
            name: Of the weights, see `find_checkpoint`.
            model: The model that ``train`` trains; the weights are loaded into it.
            train: Trains the model. It is also called when grading if there are no weights; it
                should take its number of epochs from `pick`, so that this takes seconds.

        Returns:
            What ``train`` returned; None when weights were loaded.

        Raises:
            gdmlib.training.CheckpointError: If the weights are damaged or those of another model.
        """
        weights = find_checkpoint(name) if self.grading else None
        if weights is None:
            return train()
        training.load_weights(model, weights)
        return None


def start(name: str, *, seed: int = 0, budget: str | None = None) -> Lesson:
    """Begin a lesson: seed, device, threads, and the house style for pictures.

    Args:
        name: The notebook's file name without its ending.
        seed: Seeds torch and the lesson's generator.
        budget: ``"cpu"``, ``"gpu"`` or ``"grade"``; by default what the environment variable
            ``GDMLIB_BUDGET`` says, and without it ``"gpu"`` where there is one and ``"cpu"``
            elsewhere.

    Raises:
        ValueError: If the name is not that of a lesson, the budget is unknown, or it is ``"gpu"``
            and there is none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "name: expected two digits and words joined by _, such as '02_gaussian_mle', "
            f"got {name!r}"
        )
    budget = budget or os.environ.get("GDMLIB_BUDGET") or None
    if budget is None:
        budget = "gpu" if torch.cuda.is_available() else "cpu"
    if budget not in BUDGETS:
        raise ValueError(f"budget: expected one of {BUDGETS}, got {budget!r} (see GDMLIB_BUDGET)")
    if budget == "gpu" and not torch.cuda.is_available():
        raise ValueError(
            "budget: 'gpu' needs a CUDA device and torch finds none; in Colab choose one under "
            "Runtime > Change runtime type, or use 'cpu'"
        )
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(_MAX_THREADS, os.cpu_count() or 1))
    torch.manual_seed(seed)
    _prepare_inline_figures()
    plotting.style()
    return Lesson(
        name=name,
        seed=seed,
        device=torch.device("cuda" if budget == "gpu" else "cpu"),
        budget=budget,
        generator=torch.Generator().manual_seed(seed),
    )


def _prepare_inline_figures() -> None:
    """In a notebook, show figures as PNG at their own resolution, with nothing cut off."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython
    from matplotlib import get_backend

    # Asking for the backend loads it, and loading it would undo settings that were made before.
    if get_ipython() is None or "inline" not in get_backend():
        return
    from matplotlib_inline.config import InlineBackend

    config = InlineBackend.instance()
    config.figure_formats = {"png"}
    config.print_figure_kwargs = {"bbox_inches": "tight"}


def find_checkpoint(name: str) -> Path | None:
    """Return where weights are, ``checkpoints/<name>.safetensors``; None if they are not at hand.

    They are looked for in the folder that ``GDMLIB_CHECKPOINTS`` names, then in ``checkpoints/``
    here and in each parent folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise ValueError(f"name: expected letters, digits, '.', '_' or '-', got {name!r}")
    folders = [folder / "checkpoints" for folder in _here_and_above()]
    if os.environ.get("GDMLIB_CHECKPOINTS"):
        folders.insert(0, Path(os.environ["GDMLIB_CHECKPOINTS"]))
    candidates = (folder / f"{name}.safetensors" for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def records(*patterns: str) -> str:
    """Return the records of full-size runs beside the published numbers, as lines of text.

    Args:
        patterns: Names of experiments, where ``*`` stands for anything: ``"fvsbn_*"``.

    Returns:
        From ``results/`` here or in the nearest parent folder that has one, as in a copy of the
        course; elsewhere, as in Colab, where to find them.
    """
    from gdmlib import reproduce  # only now: a lesson that shows no record needs none of it

    folder = next((f / "results" for f in _here_and_above() if (f / "results").is_dir()), None)
    text = "" if folder is None else reproduce.results_text(folder, *patterns)
    return text or "The records are not on this machine; the book's page of results shows them."


def _here_and_above() -> tuple[Path, ...]:
    here = Path.cwd()
    return (here, *here.parents)


# --- writing a lesson -----------------------------------------------------------------------------


@dataclass(frozen=True)
class FigureCell:
    """A code cell whose stored outputs hold a picture, and the words that go with it.

    Attributes:
        cell_id: The id of the cell.
        images: Number of pictures it shows; it should be one.
        alt: What there is to see, for those who do not see it; empty where it is missing.
        caption: What there is to learn.
        name: The name under which other pages refer to it.
    """

    cell_id: str
    images: int
    alt: str
    caption: str
    name: str


def figures(path: str | Path) -> list[FigureCell]:
    """Return the cells of a notebook that show a picture, in order, with alt text and caption.

    Args:
        path: The notebook, executed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no notebook of format 4.5.
    """
    found = []
    for cell in _read_notebook(Path(path))["cells"]:
        shown = sum(
            any(kind.startswith("image/") for kind in output.get("data", {}))
            for output in cell.get("outputs", [])
        )
        words = cell.get("metadata", {}).get("mystnb", {})
        figure = words.get("figure", {})
        if shown:
            found.append(
                FigureCell(
                    cell_id=cell["id"],
                    images=shown,
                    alt=words.get("image", {}).get("alt", ""),
                    caption=figure.get("caption", ""),
                    name=figure.get("name", ""),
                )
            )
    return found


def describe(
    path: str | Path,
    cell_id: str,
    *,
    alt: str,
    caption: str | None = None,
    name: str | None = None,
) -> None:
    """Write alt text, caption and name of a cell's figure into the notebook.

    Args:
        path: The notebook; it is replaced at once, or not at all.
        cell_id: The id of the code cell that draws the figure.
        alt: What there is to see, in a sentence or two.
        caption, name: What there is to learn, and a name such as ``"fig-02-contours"``. What is
            None stays as it is.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no notebook of format 4.5, there is no code cell with this id, or a
            text is empty.
    """
    path = Path(path)
    for what, text in (("alt", alt), ("caption", caption), ("name", name)):
        if text is not None and not text.strip():
            raise ValueError(f"{what}: expected a text, got an empty one")
    notebook = _read_notebook(path)
    codes = {cell["id"]: cell for cell in notebook["cells"] if cell["cell_type"] == "code"}
    if cell_id not in codes:
        raise ValueError(f"cell_id: {path.name} has no code cell {cell_id!r}; it has {list(codes)}")
    words = codes[cell_id].setdefault("metadata", {}).setdefault("mystnb", {})
    words.setdefault("image", {})["alt"] = alt
    for key, text in (("caption", caption), ("name", name)):
        if text is not None:
            words.setdefault("figure", {})[key] = text
    _write_notebook(notebook, path)


def _read_notebook(path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # JSON and Unicode errors are both of this kind
        raise ValueError(f"{path}: this is not a notebook ({error})") from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all("id" in cell for cell in cells):
        raise ValueError(f"{path}: expected a notebook of format 4.5, in which each cell has an id")
    return notebook


def _write_notebook(notebook: dict[str, Any], path: Path) -> None:
    """Replace a notebook at once; it is laid out as Jupyter does it."""
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(path.stat().st_mode)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


# --- where a lesson comes from --------------------------------------------------------------------


def _check_repository(repository: str) -> str:
    """Return the address of a repository, ``https://host/owner/name``, if it is one."""
    name = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
    pattern = rf"https://[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?/{name}/{name}"
    if not re.fullmatch(pattern, repository) or repository.endswith((".git", ".")):
        raise ValueError(
            "repository: expected https://host/owner/name without a final slash or .git, "
            f"got {repository!r}"
        )
    return repository


def colab_cell(repository: str, version: str) -> str:
    """Return the source of the cell that installs this library in Colab, and only there.

    It installs the release that matches the notebook. pip's default is to leave alone what is
    already new enough, and the library asks for lower bounds only: torch and numpy stay.

    Args:
        repository: Address of the repository, ``https://host/owner/name``.
        version: Of the library, such as ``"0.1.0"``; the tag is ``v0.1.0``.

    Raises:
        ValueError: If the address is none.
    """
    return (
        "# In Colab, install the course's library; anywhere else, do nothing.\n"
        "import importlib.util\n"
        "import sys\n"
        "\n"
        'if "google.colab" in sys.modules and importlib.util.find_spec("gdmlib") is None:\n'
        f'    %pip install --quiet "gdmlib @ git+{_check_repository(repository)}@v{version}"'
    )


def badge(repository: str, stem: str) -> str:
    """Return the link, in Markdown, that opens a lesson in Colab.

    It is a text and no picture, so that a page needs nothing from another host. Colab opens
    notebooks from GitHub only; for any other host the link leads to the repository.

    Args:
        repository: Address of the repository, ``https://host/owner/name``.
        stem: The notebook's file name without its ending.

    Raises:
        ValueError: If the address is none.
    """
    address = urlsplit(_check_repository(repository))
    if address.netloc != "github.com":
        return f"[▶ Get the notebook]({repository})"
    place = f"github{address.path}/blob/main/notebooks/{stem}.ipynb"
    return f"[▶ Open in Colab](https://colab.research.google.com/{place})"
