"""What a lesson needs around its subject: a start, a budget, trained weights, tables, records.

A lesson is one notebook with three faces: a page of the book, a notebook in Colab, a homework. The
same cells run in all three. What differs is the *budget*: ``"cpu"`` (the default, a minute on a
laptop), ``"gpu"``, and ``"grade"``, in which a lesson loads its trained weights instead of
training, so that grading takes seconds.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from gdmlib import _weights, plotting, training
from gdmlib.metrics import MeanStderr
from gdmlib.plotting._inline import prepare_inline

BUDGETS = ("cpu", "gpu", "grade")
OPEN = "this exercise is open"  # what an answer that nobody has written yet raises

_NAME = re.compile(r"[0-9]{2}_[a-z0-9]+(_[a-z0-9]+)*")
_NUMBER = re.compile(r"([-+−]?[0-9][0-9.,]*(e[-+]?[0-9]+)?( ± [0-9.]+)?( ?%)?|[-+]?(nan|inf))?")
_found_open: set[str] = set()  # exercises whose last test met an open answer
_MAX_THREADS = 4  # the lessons' models are small: more threads wait for each other

T = TypeVar("T")


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
        train: Callable[[], nn.Module | training.History | None],
        *,
        prefer: str = "training",
    ) -> training.History | None:
        """Train a model, or, when grading, load the weights that were trained before.

        Args:
            name: Of the weights, see `find_checkpoint`.
            model: It is trained afterwards, whichever way.
            train: Trains ``model`` in place, or returns a trained model of its kind. It is also
                called when grading if there are no weights; it should take its number of epochs
                from `pick`, so that this takes seconds.
            prefer: ``"weights"`` loads weights whatever the budget, where they can be had: those
                that are not at hand are fetched from the course's repository, and checked. Where
                that fails, a sentence says why, the lesson trains, and another says how long.

        Returns:
            The history that ``train`` returned, if it did; None when weights were loaded.

        Raises:
            gdmlib.training.CheckpointError: If the weights are damaged or those of another model.
        """
        if prefer not in ("training", "weights"):
            raise ValueError(f"prefer: expected 'training' or 'weights', got {prefer!r}")
        weights, begun = None, None
        if self.grading or prefer == "weights":
            weights, why = _obtain(name)
            if weights is None and not self.grading:
                print(_weights.sentence(name, why))
                begun = time.monotonic()
        if weights is not None:
            training.load_weights(model, weights)
            model.eval()  # as `gdmlib.training.train` leaves it
            return None
        found = train()
        if begun is not None:
            print(f"Trained in {time.monotonic() - begun:.0f} seconds.")
        if not isinstance(found, nn.Module):
            return found
        model.load_state_dict(found.state_dict())  # refuses a model of another kind or size
        vars(model).update(vars(found))  # and whatever else a fit left, such as a history
        return None


def start(name: str, *, seed: int = 0, budget: str | None = None) -> Lesson:
    """Begin a lesson: seed, device, threads, and the house style for pictures.

    Args:
        name: The notebook's file name without its ending.
        seed: Seeds torch and the lesson's generator.
        budget: ``"cpu"``, ``"gpu"`` or ``"grade"``; by default what the environment variable
            ``GDMLIB_BUDGET`` says, and without it ``"gpu"`` where there is one and ``"cpu"``
            elsewhere.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            "name: expected two digits and words joined by _, such as '02_gaussian_mle', "
            f"got {name!r}"
        )
    gpu = torch.cuda.is_available()
    budget = budget or os.environ.get("GDMLIB_BUDGET") or ("gpu" if gpu else "cpu")
    if budget not in BUDGETS:
        raise ValueError(f"budget: expected one of {BUDGETS}, got {budget!r} (see GDMLIB_BUDGET)")
    if budget == "gpu" and not gpu:
        raise ValueError(
            "budget: 'gpu' needs a CUDA device and torch finds none; in Colab choose one under "
            "Runtime > Change runtime type, or use 'cpu'"
        )
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(_MAX_THREADS, os.cpu_count() or 1))
    torch.manual_seed(seed)
    if "IPython" in sys.modules:
        prepare_inline()
    plotting.style()
    return Lesson(
        name=name,
        seed=seed,
        device=torch.device("cuda" if budget == "gpu" else "cpu"),
        budget=budget,
        generator=torch.Generator().manual_seed(seed),
    )


@contextmanager
def exercise(title: str) -> Iterator[None]:
    """Run the tests of an exercise; while its answer is open, print so instead of stopping.

    "Run all" stops at the first error, and an open answer, the ``RuntimeError`` that a student's
    copy of a lesson begins with, should not keep anybody from the rest; nor should a second test
    that misses a name which the first one, stopped by it, did not get to. A wrong answer raises as
    it would without this.

    Args:
        title: What readers call the exercise, such as ``"Exercise 2.1"``.

    Examples:
        >>> with exercise("Exercise 2.1"):
        ...     raise RuntimeError(OPEN)
        Exercise 2.1 is open: write your answer above, run it, then run its tests again.
    """
    try:
        yield
    except Exception as error:
        still = title in _found_open and isinstance(error, NameError)
        _found_open.discard(title)
        if not (still or _is_open(error)):
            raise
        _found_open.add(title)
        print(f"{title} is open: write your answer above, run it, then run its tests again.")
    else:
        _found_open.discard(title)


def _is_open(error: BaseException | None) -> bool:
    """Return whether an error, or the one that it was raised from, is that of an open answer."""
    while error is not None:
        if type(error) is RuntimeError and error.args == (OPEN,):
            return True
        error = error.__cause__
    return False


def find_checkpoint(name: str) -> Path | None:
    """Return where weights are, ``checkpoints/<name>.safetensors``; None if they are not at hand.

    They are looked for in the folder that ``GDMLIB_CHECKPOINTS`` names, then in ``checkpoints/``
    here and in each parent folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise ValueError(f"name: expected letters, digits, '.', '_' or '-', got {name!r}")
    folders = [folder / "checkpoints" for folder in _here_and_above()]
    if os.environ.get("GDMLIB_CHECKPOINTS"):
        folders.insert(0, Path(os.environ["GDMLIB_CHECKPOINTS"]).expanduser())
    candidates = (folder / f"{name}.safetensors" for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def _obtain(name: str) -> tuple[Path | None, str]:
    """Return where weights are, at hand or fetched; or None, and why."""
    here = find_checkpoint(name)
    return (here, "") if here is not None else _weights.fetch(name)


def records(*patterns: str, measure: str | None = None) -> str:
    """Return the records of full-size runs beside the published numbers, as lines of text.

    Args:
        patterns: Names of experiments, where ``*`` stands for anything: ``"fvsbn_*"``.
        measure: One measure alone, ``"PSNR"``, as a table with a column a case.

    Returns:
        From ``results/`` here or in the nearest parent folder that has one, as in a copy of the
        course; elsewhere, as in Colab, those that came with the library.
    """
    from gdmlib import reproduce  # only now: a lesson that shows no record needs none of it

    library = Path(__file__).parent
    places = (*_here_and_above(), library, library.parent)
    folder = next(place / "results" for place in places if (place / "results").is_dir())
    text = reproduce.results_text(folder, *patterns, measure=measure)
    return text or f"No record in {folder} is called {' or '.join(patterns)}."


def table(
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    digits: int = 2,
    direction: str | None = None,
) -> None:
    """Print rows under a header: numbers at the right of their column, text at the left.

    Args:
        header: One text a column.
        rows: As many values a row: text, numbers, or whatever has a short text of its own.
        digits: Decimals of a float, and of a mean and its standard error.
        direction: What is good, such as ``"lower is better"``; the line above the header.

    Examples:
        >>> table(["nats", "test"], [["FVSBN", 36.726], ["ten FVSBNs", 29.581]])
        nats         test
        FVSBN       36.73
        ten FVSBNs  29.58
    """
    lines = [[_entry(value, digits) for value in row] for row in (header, *rows)]
    for line in lines:
        if len(line) != len(header):
            raise ValueError(f"rows: expected {len(header)} values a row, got {line}")
    columns = []
    for title, *entries in zip(*lines, strict=True):
        width = max(map(len, (title, *entries)))
        right = all(_NUMBER.fullmatch(entry) for entry in entries)
        columns.append([f"{e:>{width}}" if right else f"{e:<{width}}" for e in (title, *entries)])
    if direction is not None:
        print(direction)
    for row in zip(*columns, strict=True):
        print("  ".join(row).rstrip())


def _entry(value: object, digits: int) -> str:
    if isinstance(value, MeanStderr):
        return f"{value.mean:.{digits}f} ± {value.stderr:.{digits}f}"
    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.numel() == 1):
        value = value.item()
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _here_and_above() -> tuple[Path, ...]:
    here = Path.cwd()
    return (here, *here.parents)
