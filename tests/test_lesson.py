"""Lessons start alike everywhere, choose by budget, and print tables and records."""

from __future__ import annotations

import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from gdmlib import lesson, plotting, training
from gdmlib.metrics import MeanStderr


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


def test_start_in_a_notebook_chooses_how_figures_are_shown(monkeypatch):
    import matplotlib
    from IPython.core.interactiveshell import InteractiveShell
    from matplotlib.figure import Figure

    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    monkeypatch.setattr(matplotlib, "get_backend", lambda **_: "inline")
    lesson.start("02_gaussian_mle", budget="cpu")
    formatters = shell.display_formatter.formatters
    assert formatters["image/png"].lookup_by_type(Figure).__name__ == "to_png"
    assert formatters["image/svg+xml"].lookup_by_type(Figure).__name__ == "to_svg"


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


def test_training_may_return_the_model_and_what_it_remembers():
    run = lesson.start("02_gaussian_mle", budget="cpu")
    model, found = trained(0.0), trained(7.0)
    found.history = [2.0, 1.0]
    assert run.train_or_load("line", model, lambda: found) is None
    assert model.weight.item() == 7.0
    assert model.history == [2.0, 1.0]


def test_training_that_returns_another_model_is_refused():
    run = lesson.start("02_gaussian_mle", budget="cpu")
    model = trained(0.0)
    for other in (nn.Linear(2, 1), nn.Sequential(trained(7.0))):
        with pytest.raises(RuntimeError, match="weight"):
            run.train_or_load("line", model, lambda other=other: other)
    assert model.weight.shape == (1, 1)


def test_weights_can_be_preferred_whatever_the_budget(tmp_path):
    run = lesson.start("02_gaussian_mle", budget="cpu")
    model, history = trained(0.0), training.History()
    assert run.train_or_load("line", model, lambda: history, prefer="weights") is history
    (tmp_path / "checkpoints").mkdir()
    training.save_weights(trained(7.0), tmp_path / "checkpoints" / "line.safetensors", {})
    assert run.train_or_load("line", model, lambda: history, prefer="weights") is None
    assert model.weight.item() == 7.0
    assert not model.training  # as a training leaves it
    with pytest.raises(ValueError, match="prefer: expected 'training' or 'weights', got 'files'"):
        run.train_or_load("line", model, lambda: history, prefer="files")


def test_the_folder_of_checkpoints_may_begin_at_home(tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    training.save_weights(trained(7.0), tmp_path / "weights" / "line.safetensors", {})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GDMLIB_CHECKPOINTS", "~/weights")
    assert lesson.find_checkpoint("line") == tmp_path / "weights" / "line.safetensors"


def test_a_name_of_weights_leads_to_no_other_folder():
    run = lesson.start("02_gaussian_mle", budget="grade")
    with pytest.raises(ValueError, match="name: expected letters"):
        run.train_or_load("../line", trained(0.0), lambda: None)


# --- tables ---------------------------------------------------------------------------------------


def test_a_table_has_numbers_at_the_right_and_text_at_the_left(capsys):
    rows = [
        ("FVSBN", 14196, torch.tensor(36.726), "36.7 ± 0.2", True, "+1.2"),
        ("ten FVSBNs", 7, -5.0, MeanStderr(9.0, 10.123), False, ""),
    ]
    header = ("nats", "numbers", "test", "with error", "is exact", "change")
    lesson.table(header, rows, direction="lower is better")
    assert capsys.readouterr().out == (
        "lower is better\n"
        "nats        numbers   test    with error  is exact  change\n"
        "FVSBN         14196  36.73    36.7 ± 0.2  True        +1.2\n"
        "ten FVSBNs        7  -5.00  9.00 ± 10.12  False\n"
    )


@pytest.mark.parametrize(
    ("entry", "right"),
    [
        ("-1e-05", True),
        ("3.74e+50", True),
        ("12,000", True),
        ("99 %", True),
        ("nan", True),
        ("", True),
        ("8 parts", False),
        ("6 x 9", False),
        ("-", False),
    ],
)
def test_a_table_knows_a_number_when_it_sees_one(capsys, entry, right):
    lesson.table(["a long title"], [[entry]], digits=3)
    assert capsys.readouterr().out.split("\n")[1] == (f"{entry:>12}" if right else entry).rstrip()


def test_a_table_rounds_as_told_and_may_be_empty(capsys):
    lesson.table(["x", "y"], [[0.12345, 2]], digits=3)
    lesson.table(["x", "y"], [])
    assert capsys.readouterr().out == "    x  y\n0.123  2\nx  y\n"
    lesson.table(["x", "y"], [[np.float32(0.12345), np.int64(2)]], digits=3)
    assert capsys.readouterr().out == "    x  y\n0.123  2\n"


def test_a_table_refuses_a_row_of_another_length():
    with pytest.raises(ValueError, match=r"rows: expected 2 values a row, got \['1'\]"):
        lesson.table(["x", "y"], [[1]])


# --- records --------------------------------------------------------------------------------------


def test_records_stand_beside_published_numbers(root, monkeypatch):
    monkeypatch.chdir(root / "notebooks")
    text = lesson.records("gaussian_*")
    better, line = text.splitlines()
    assert better == "higher is better" and line.startswith("gaussian_red_wine")
    assert "-13.18 ± 0.16 nats" in text and "published -13.18 nats, quoted" in text
    assert len(lesson.records("fvsbn_dna", "made_dna").splitlines()) == 3


def test_away_from_the_course_records_are_those_of_the_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lesson.records("gaussian_*").splitlines()[1].startswith("gaussian_red_wine")
    (tmp_path / "results").mkdir()
    assert "No record in" in lesson.records("gaussian_*", "made_*")
    assert "called gaussian_* or made_*" in lesson.records("gaussian_*", "made_*")


def test_an_open_exercise_prints_and_a_wrong_answer_raises(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(title: str, error: Exception | None) -> str:
        with lesson.exercise(title):
            if error is not None:
                raise error
        return capsys.readouterr().out

    line = "Exercise 1.1 is open: write your answer above, run it, then run its tests again.\n"
    first, second = "Exercise 1.1", "Exercise 1.2"
    assert run(first, RuntimeError(lesson.OPEN)) == line
    # A second test may miss what the first one did not get to; another exercise's may not.
    assert run(first, NameError("name 'x_test' is not defined")) == line
    with pytest.raises(NameError):
        run(second, NameError("name 'x_test' is not defined"))
    with pytest.raises(AssertionError):
        run(first, AssertionError("law of doubling"))
    with pytest.raises(NameError):
        run(first, NameError("name 'x_test' is not defined"))
    assert run(first, RuntimeError(lesson.OPEN)) == line
    assert run(first, None) == ""
    with pytest.raises(NameError):
        run(first, NameError("name 'x_test' is not defined"))
    with pytest.raises(RuntimeError, match="no idea"):
        run(first, RuntimeError("no idea"))
