"""What lessons have in courses with seeds: it fits them, and judges right on every seed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from torch import Tensor

from gdmlib import densities
from gdmlib.handin.code import binds
from tools import homework, syllabus

ROOT = Path(homework.__file__).resolve().parents[1]
FOLDERS = sorted(path for path in (ROOT / "homework" / "personal").iterdir() if path.is_dir())
SEEDS = range(40)


def lesson(folder: Path) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{folder.name}.ipynb", as_version=4)


def exercise(folder: Path) -> list[nbformat.NotebookNode]:
    path = folder / "exercise.ipynb"
    return nbformat.read(path, as_version=4).cells if path.is_file() else []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_they_fit_the_lesson(folder: Path) -> None:
    cells, more = lesson(folder).cells, exercise(folder)
    assert not {cell.id for cell in cells} & {cell.id for cell in more}
    titles = {title for title, _ in syllabus.test_cells(lesson(folder))}
    numbers = {title.split(" · ")[0] for title in titles}
    own = {title for title, _ in syllabus.test_cells(nbformat.v4.new_notebook(cells=more))}
    assert len(own) == bool(more) and not {title.split(" · ")[0] for title in own} & numbers
    tested = {cell.metadata.nbgrader.grade_id for _, cell in syllabus.test_cells(lesson(folder))}
    assert {path.stem for path in folder.glob("*.py")} <= tested


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_they_bind_no_name_of_the_lessons(folder: Path) -> None:
    taken = set().union(*(binds(c.source) for c in lesson(folder).cells if c.cell_type == "code"))
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    texts += [cell.source for cell in exercise(folder) if cell.cell_type == "code"]
    found = set().union(*map(binds, texts))
    assert "student_seed" not in found and found
    assert {name for name in found if not name.startswith("own_")} <= {"shift", "factor"}
    assert not {name for name in found if name.startswith("own_")} & taken


# --- lesson 02 ------------------------------------------------------------------------------------

FOLDER = ROOT / "homework" / "personal" / "02_gaussian_mle"


def names(seed: int, **more: Any) -> dict[str, Any]:
    known = {"torch": torch, "math": math, "Tensor": Tensor, "densities": densities}
    return known | {"student_seed": seed} | more


def cell(name: str) -> str:
    cells = [*lesson(FOLDER).cells, *exercise(FOLDER)]
    return next(c.source for c in cells if c.id == name)


def holds(source: str, known: dict[str, Any]) -> bool:
    try:
        exec(source, known)
    except AssertionError as error:
        assert "Law of" in str(error)
        return False
    return True


@pytest.fixture(autouse=True)
def quiet(capsys: pytest.CaptureFixture) -> None:
    """Keep what cells print."""


def own_data(seed: int) -> dict[str, Any]:
    known = names(seed)
    exec(cell("own-data"), known)
    return known


def test_everybody_has_other_numbers_and_keeps_them() -> None:
    drawn = [tuple(own_data(seed)["own_data"].tolist()) for seed in (*SEEDS, *SEEDS)]
    assert len(set(drawn)) == len(SEEDS) and all(len(x) == 21 for x in drawn)
    assert all(math.isfinite(v) and round(v, 2) == v for x in drawn for v in x)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_own_sample_is_judged_right(seed: int) -> None:
    known, other = own_data(seed), own_data(seed + 1000)
    exec(cell("own-solution"), known)
    assert holds(cell("own-test"), known)
    exec(cell("own-solution"), other)
    m, b = known["own_fit"]()
    x = known["own_data"]
    wrong = {
        "another student's numbers": other["own_fit"](),
        "a Gaussian's mean": (float(x.mean()), b),
        "a Gaussian's width": (m, float(x.std())),
        "a negative scale": (m, -b),
        "another unit": (10 * m, 10 * b),
    }
    for idea, answer in wrong.items():
        if idea != "a Gaussian's mean" or abs(answer[0] - m) > 0.05:
            assert not holds(cell("own-test"), known | {"own_fit": lambda a=answer: a}), idea
    # As people write numbers.
    assert holds(cell("own-test"), known | {"own_fit": lambda: (round(m, 2), round(b, 3))})


@pytest.mark.parametrize("seed", SEEDS)
def test_hidden_tests_on_own_data_are_judged_right(seed: int) -> None:
    laplace, kl = ((FOLDER / f"{n}-test.py").read_text() for n in ("laplace", "kl-gaussians"))
    known = names(seed)
    exec(cell("laplace-solution"), known)
    exec(cell("kl-gaussians-solution"), known)
    assert holds(laplace, known) and holds(kl, known)
    right = known["gaussian_kl"]

    def mean(x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean(), x.std()

    def swapped(mean_p: Tensor, cov_p: Tensor, mean_q: Tensor, cov_q: Tensor) -> Tensor:
        return right(mean_q, cov_q, mean_p, cov_p)

    assert not holds(laplace, known | {"laplace_mle": mean})
    assert not holds(laplace, known | {"laplace_mle": lambda x: (torch.tensor(0.5), x.std())})
    assert not holds(kl, known | {"gaussian_kl": swapped})
