"""Lessons start alike everywhere, choose by budget, and carry words for their pictures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from torch import nn

from gdmlib import lesson, plotting, training

REPOSITORY = "https://github.com/someone/course"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch, tmp_path):
    """No setting of the machine that runs the tests, one thread, and no style left behind."""
    for name in ("GDMLIB_BUDGET", "GDMLIB_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    with plotting.style():
        yield


# --- start ----------------------------------------------------------------------------------------


def test_start_seeds_and_prints_nothing(capsys):
    run = lesson.start("02_gaussian_mle", seed=3, budget="cpu")
    first = torch.rand(2), torch.rand(2, generator=run.generator)
    run = lesson.start("02_gaussian_mle", seed=3, budget="cpu")
    second = torch.rand(2), torch.rand(2, generator=run.generator)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert (run.name, run.seed, run.budget, run.device.type) == ("02_gaussian_mle", 3, "cpu", "cpu")
    assert run.generator.initial_seed() == 3
    assert capsys.readouterr() == ("", "")


def test_start_sets_the_house_style():
    plt.rcParams["figure.dpi"] = 50
    lesson.start("02_gaussian_mle", budget="cpu")
    assert plt.rcParams["figure.dpi"] == 110


def test_the_repr_of_a_run_says_nothing_of_the_machine():
    assert "0x" not in repr(lesson.start("02_gaussian_mle", budget="cpu"))


def test_start_takes_the_budget_from_the_environment(monkeypatch):
    monkeypatch.setenv("GDMLIB_BUDGET", "grade")
    assert lesson.start("02_gaussian_mle").grading
    assert not lesson.start("02_gaussian_mle", budget="cpu").grading


@pytest.mark.parametrize("cuda", [True, False])
def test_start_takes_the_gpu_where_there_is_one(monkeypatch, cuda):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    run = lesson.start("02_gaussian_mle")
    assert (run.budget, run.device.type) == (("gpu", "cuda") if cuda else ("cpu", "cpu"))
    assert lesson.start("02_gaussian_mle", budget="grade").device.type == "cpu"


def test_start_keeps_threads_moderate_unless_told(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    lesson.start("02_gaussian_mle", budget="cpu")
    assert chosen == []
    monkeypatch.delenv("OMP_NUM_THREADS")
    lesson.start("02_gaussian_mle", budget="cpu")
    assert chosen == [4]


@pytest.mark.parametrize("name", ["gaussian", "2_gaussian", "02_Gaussian", "02_a.ipynb", ""])
def test_start_refuses_a_name_that_no_notebook_has(name):
    with pytest.raises(ValueError, match="name: expected two digits"):
        lesson.start(name)


def test_start_refuses_budgets(monkeypatch):
    with pytest.raises(ValueError, match=r"'cpu', 'gpu', 'grade'.*got 'tpu'"):
        lesson.start("02_gaussian_mle", budget="tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="needs a CUDA device"):
        lesson.start("02_gaussian_mle", budget="gpu")


def test_start_in_ipython_without_inline_figures_changes_no_format(monkeypatch):
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    lesson.start("02_gaussian_mle", budget="cpu")  # the backend is agg


def test_start_in_a_notebook_asks_for_whole_png_figures(monkeypatch):
    import IPython
    import matplotlib
    from matplotlib_inline.config import InlineBackend

    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "inline")
    config = InlineBackend()
    config.figure_formats = {"svg"}
    config.print_figure_kwargs = {}
    monkeypatch.setattr(InlineBackend, "instance", lambda: config)
    lesson.start("02_gaussian_mle", budget="cpu")
    assert config.figure_formats == {"png"}
    assert config.print_figure_kwargs == {"bbox_inches": "tight"}


def test_start_needs_no_ipython():
    code = (
        "import sys; sys.modules['IPython'] = None; del sys.modules['IPython']\n"
        "from gdmlib import lesson; lesson.start('02_gaussian_mle', budget='cpu')\n"
        "assert 'IPython' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# --- budgets --------------------------------------------------------------------------------------


def test_pick_falls_back_to_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    runs = {budget: lesson.start("02_gaussian_mle", budget=budget) for budget in lesson.BUDGETS}
    assert [run.pick(cpu=20, gpu=200, grade=1) for run in runs.values()] == [20, 200, 1]
    assert [run.pick(20) for run in runs.values()] == [20, 20, 20]
    assert runs["grade"].pick(cpu=20, grade=0) == 0


def trained(value: float) -> nn.Linear:
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, value)
    return model


def test_training_happens_unless_grading(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    training.save_weights(trained(7.0), tmp_path / "checkpoints" / "line.safetensors", {})
    run = lesson.start("02_gaussian_mle", budget="cpu")
    history = training.History()
    assert run.train_or_load("line", trained(0.0), lambda: history) is history


@pytest.mark.parametrize("place", ["here", "parent", "named"])
def test_grading_loads_weights_from_where_they_are(tmp_path, monkeypatch, place):
    folder = tmp_path / ("elsewhere" if place == "named" else "checkpoints")
    folder.mkdir()
    training.save_weights(trained(7.0), folder / "line.safetensors", {})
    if place == "parent":
        (tmp_path / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "a" / "b")
    if place == "named":
        monkeypatch.setenv("GDMLIB_CHECKPOINTS", str(folder))
    model = trained(0.0)
    run = lesson.start("02_gaussian_mle", budget="grade")

    def train():
        raise AssertionError("trained although there are weights")

    assert run.train_or_load("line", model, train) is None
    assert model.weight.item() == 7.0


def test_grading_trains_where_there_are_no_weights():
    run = lesson.start("02_gaussian_mle", budget="grade")
    history = training.History()
    assert run.train_or_load("line", trained(0.0), lambda: history) is history


def test_grading_says_that_weights_are_damaged(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "line.safetensors").write_bytes(b"half")
    run = lesson.start("02_gaussian_mle", budget="grade")
    with pytest.raises(training.CheckpointError, match="line"):
        run.train_or_load("line", trained(0.0), lambda: None)


def test_a_name_of_weights_leads_to_no_other_folder():
    run = lesson.start("02_gaussian_mle", budget="grade")
    with pytest.raises(ValueError, match="name: expected letters"):
        run.train_or_load("../line", trained(0.0), lambda: None)


# --- words for pictures ---------------------------------------------------------------------------


@pytest.fixture
def notebook(tmp_path):
    picture = nbformat.v4.new_output(
        "display_data", {"image/png": "AAAA", "text/plain": "<Figure>"}
    )
    cells = [
        nbformat.v4.new_markdown_cell("# Ünïcode", id="title"),
        nbformat.v4.new_code_cell("draw()", id="contours", outputs=[picture]),
        nbformat.v4.new_code_cell("print(1)", id="numbers"),
    ]
    path = tmp_path / "02_gaussian_mle.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_figure_is_listed_and_described(notebook):
    assert lesson.figures(notebook) == [lesson.FigureCell("contours", 1, "", "", "")]
    before = notebook.read_text(encoding="utf-8")
    lesson.describe(notebook, "contours", alt="Ellipses.", caption="They tilt.", name="fig-02-tilt")
    found = lesson.figures(notebook)
    assert found == [lesson.FigureCell("contours", 1, "Ellipses.", "They tilt.", "fig-02-tilt")]
    lesson.describe(notebook, "contours", alt="Three ellipses.")
    assert lesson.figures(notebook)[0].caption == "They tilt."
    nbformat.validate(nbformat.read(notebook, as_version=4))
    after = nbformat.read(notebook, as_version=4)
    for cell in after.cells:
        cell.metadata = {}
    assert nbformat.writes(after) + "\n" == before, "nothing else may change, the layout included"
    assert list(notebook.parent.iterdir()) == [notebook]


@pytest.mark.parametrize(
    ("cell_id", "words", "message"),
    [
        ("title", {"alt": "a"}, "no code cell 'title'.*contours"),
        ("contours", {"alt": " "}, "alt: expected a text"),
        ("contours", {"alt": "a", "caption": ""}, "caption: expected a text"),
    ],
)
def test_describe_refuses_and_changes_nothing(notebook, cell_id, words, message):
    before = notebook.read_bytes()
    with pytest.raises(ValueError, match=message):
        lesson.describe(notebook, cell_id, **words)
    assert notebook.read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]", '{"cells": [{"cell_type": "code"}]}', "{}"])
def test_figures_refuse_what_is_no_notebook(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_text(content)
    with pytest.raises(ValueError, match="notebook"):
        lesson.figures(path)


def test_a_full_disk_leaves_the_notebook_as_it_was(notebook, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left on device")

    before = notebook.read_bytes()
    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(OSError, match="no space"):
        lesson.describe(notebook, "contours", alt="Ellipses.")
    assert notebook.read_bytes() == before
    assert list(notebook.parent.iterdir()) == [notebook]


# --- Colab ----------------------------------------------------------------------------------------


def run_setup(source: str, *, colab: bool, installed: bool) -> list[str]:
    """Run the Colab cell outside of IPython and return what it would have installed."""
    asked: list[str] = []
    code = re.sub(r"%pip install --quiet \"(.*)\"", r"asked.append('\1')", source)
    name = "json" if installed else "no_such_module_here"
    code = code.replace('find_spec("gdmlib")', f'find_spec("{name}")')
    code = code.replace("sys.modules", '{"google.colab"}' if colab else "set()")
    exec(compile(code, "cell", "exec"), {"asked": asked})
    return asked


def test_the_colab_cell_installs_the_matching_release_in_colab_only():
    source = lesson.colab_cell(REPOSITORY, "1.2.3")
    wanted = f"gdmlib @ git+{REPOSITORY}@v1.2.3"
    assert run_setup(source, colab=True, installed=False) == [wanted]
    assert run_setup(source, colab=True, installed=True) == []
    assert run_setup(source, colab=False, installed=False) == []
    assert "--upgrade" not in source and "torch" not in source and "numpy" not in source


def test_the_colab_cell_is_one_that_ipython_understands():
    from IPython.core.inputtransformer2 import TransformerManager

    code = TransformerManager().transform_cell(lesson.colab_cell(REPOSITORY, "1.2.3"))
    assert "run_line_magic('pip', 'install --quiet" in code
    compile(code, "cell", "exec")


def test_the_badge_is_a_plain_link():
    assert lesson.badge(REPOSITORY, "02_gaussian_mle") == (
        "[▶ Open in Colab](https://colab.research.google.com/github/someone/course/"
        "blob/main/notebooks/02_gaussian_mle.ipynb)"
    )
    elsewhere = "https://git.example.org/someone/course"
    assert lesson.badge(elsewhere, "02_gaussian_mle") == f"[▶ Get the notebook]({elsewhere})"


@pytest.mark.parametrize(
    "address",
    [
        "http://github.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b/c",
        "https://github.com/a/b.git",
        "https://github.com/a/b/",
        "https://user:secret@github.com/a/b",
        "https://localhost/a/b",
        "https://github.com/a/b?x=1",
        "https://github.com/a b/c",
        "https://github.com/a/..",
        "git@github.com:a/b",
        "",
    ],
)
def test_nonsense_addresses_are_refused(address):
    with pytest.raises(ValueError, match="repository: expected https://host/owner/name"):
        lesson.badge(address, "02_gaussian_mle")
    with pytest.raises(ValueError, match="repository"):
        lesson.colab_cell(address, "1.2.3")


def test_the_notebook_is_plain_json(notebook):
    lesson.describe(notebook, "contours", alt="Ünïcode stays.")
    assert "Ünïcode stays." in notebook.read_text(encoding="utf-8")
    json.loads(notebook.read_text(encoding="utf-8"))


# --- records --------------------------------------------------------------------------------------


def test_records_stand_beside_published_numbers(root, monkeypatch):
    monkeypatch.chdir(root / "notebooks")
    text = lesson.records("gaussian_*")
    assert text.startswith("gaussian_red_wine") and len(text.splitlines()) == 1
    assert "-13.18 ± 0.16 nats" in text and "published -13.18 nats, quoted" in text
    assert len(lesson.records("fvsbn_dna", "made_dna").splitlines()) == 2


def test_without_records_it_says_where_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "page of results" in lesson.records("gaussian_*")
    (tmp_path / "results").mkdir()
    assert "page of results" in lesson.records("gaussian_*")
