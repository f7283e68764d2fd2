"""Full-size runs: they survive interruption, and several processes do what one would do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch

from gdmlib.autoregressive import MADE
from gdmlib.reproduce import EXPERIMENTS, Data, load_record, main, run, sha256_of
from gdmlib.reproduce import job as _job
from gdmlib.reproduce.folder import ResumeError, prepare
from gdmlib.reproduce.job import Job, clock
from gdmlib.training.files import CheckpointError, load_plain

SETTINGS = {"batch_size": 33, "seeds": [0, 1]}


def start(*arguments, **environment):
    """Start Python with one thread."""
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment = {**os.environ, **environment}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def flags(changes):
    return [text for key, value in changes.items() for text in ("--set", f"{key}={value}")]


# --- processes ------------------------------------------------------------------------------------


def test_two_processes_take_the_steps_of_one(tmp_path):
    pytest.importorskip("lightning_fabric")
    # 100 examples in batches of 33: shares of 17 and 16, and a last batch of 1.
    command = ["made_dna", "--smoke", "--device", "cpu", "--processes", 2, "--out", tmp_path]
    child = start("-m", "gdmlib.reproduce", "run", *command, *flags(SETTINGS))
    alone = run("made_dna", smoke=True, device="cpu", changes=SETTINGS)
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert out.count("± ") == 1  # one of them speaks
    both = load_record(tmp_path / "made_dna.json")
    assert both.processes == 2 and alone.processes == 1
    assert both.metric.values == pytest.approx(alone.metric.values, abs=1e-5)
    assert both.details["validation"] == pytest.approx(alone.details["validation"], abs=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["made_dna.json"]


def test_two_nodes_take_the_steps_of_one(tmp_path):
    pytest.importorskip("lightning_fabric")
    command = ["made_dna", "--smoke", "--device", "cpu", "--nodes", 2, "--out", tmp_path]
    port = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    nodes = [
        start("-m", "gdmlib.reproduce", "run", *command, *flags(SETTINGS), NODE_RANK=rank, **port)
        for rank in "01"
    ]
    alone = run("made_dna", smoke=True, device="cpu", changes=SETTINGS)
    said = [node.communicate(timeout=300) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert [out.count("± ") for out, _ in said] == [1, 0]  # the first of them speaks
    both = load_record(tmp_path / "made_dna.json")
    assert both.processes == 2
    assert both.metric.values == pytest.approx(alone.metric.values, abs=1e-5)


# --- interruption ---------------------------------------------------------------------------------


# The run kills itself, so that the moment is the same on every machine; SIGKILL cannot be caught.
# Each seed has 5 epochs of 4 steps: this is the second seed, in its third epoch.
KILLED = """
import os, signal, sys
from pathlib import Path
from gdmlib import reproduce
from gdmlib.autoregressive import MADE

def kill_at(owner, name, moment, counts):
    method, calls = getattr(owner, name), []
    def counted(self, *arguments):
        calls.extend([self] if counts(self) else [])
        if len(calls) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(self, *arguments)
    setattr(owner, name, counted)

if sys.argv[1] == "in a step":
    kill_at(MADE, "loss", 30, lambda model: True)
else:  # the new checkpoint is complete, but not yet in its place
    kill_at(Path, "replace", 3, lambda path: "seed-1.fit" in path.name)
reproduce.main(["run", *sys.argv[2:]])
"""


@pytest.mark.parametrize("moment", ["in a step", "while a checkpoint is written"])
def test_a_run_that_is_killed_and_resumed_ends_with_the_same_metrics(tmp_path, capsys, moment):
    pytest.importorskip("lightning_fabric")
    changes = {**SETTINGS, "epochs": 5}
    whole = run("made_dna", smoke=True, device="cpu", changes=changes)
    work = tmp_path / "work"
    arguments = ["made_dna", "--smoke", "--device", "cpu", "--work", str(work), *flags(changes)]
    child = start("-c", KILLED, moment, *arguments, "--out", tmp_path)
    child.communicate(timeout=300)
    assert child.returncode == -signal.SIGKILL
    assert not (tmp_path / "made_dna.json").exists()
    assert load_plain(work / "seed-1.fit.pt")["history"]["epoch"] == [1, 2]
    before = json.loads((work / "run.json").read_text())
    assert not before["finished"]

    assert main(["run", *arguments]) == 1  # nothing is lost by forgetting to say so
    assert "Add --resume to go on" in capsys.readouterr().err
    assert main(["run", *arguments, "--resume", "--set", "lr=0.5", "--set", "hidden=[3]"]) == 1
    error = capsys.readouterr().err
    assert "hidden was [12], now [3]; lr was 0.005, now 0.5" in error

    assert main(["run", *arguments, "--resume", "--out", str(tmp_path)]) == 0
    resumed = load_record(tmp_path / "made_dna.json")
    assert resumed.metric == whole.metric
    assert resumed.details == whole.details
    assert resumed.seconds >= before["seconds"]  # the time before the interruption counts
    assert json.loads((work / "run.json").read_text())["finished"]


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    first = run("fvsbn_dna", smoke=True, work=tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    monkeypatch.setattr("gdmlib.autoregressive.FVSBN.fit", None)
    again = run("fvsbn_dna", smoke=True, work=tmp_path, resume=True)
    assert again.metric == first.metric and again.details == first.details
    with pytest.raises(TypeError):  # without resume a finished run starts afresh
        run("fvsbn_dna", smoke=True, work=tmp_path)


def test_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, capsys):
    pytest.importorskip("lightning_fabric")
    loss, calls = MADE.loss, []

    def breaks(model, x):
        calls.append(1)
        return loss(model, x) * (torch.nan if len(calls) == 6 else 1)

    monkeypatch.setattr(MADE, "loss", breaks)
    arguments = ["run", "made_dna", "--smoke", "--device", "cpu", "--work", str(tmp_path)]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "epoch 2, step 2: loss is nan" in error and f"kept in {tmp_path}" in error
    kept = load_plain(tmp_path / "seed-0.fit.pt")
    assert kept["history"]["epoch"] == [1]
    assert all(x.isfinite().all() for x in kept["state"]["model"].values())


def test_a_run_in_another_place_is_told(tmp_path):
    settings, where = {"size": 1}, {"threads": 1, "torch": "2"}
    for _ in range(2):  # twice, for nothing is kept the first time
        assert prepare(tmp_path, settings, where, resume=True)[1] == [
            f"nothing to resume in {tmp_path}: starting from the beginning"
        ]
    (tmp_path / "seed-0.fit.pt").touch()
    earlier, remarks = prepare(tmp_path, settings, {**where, "threads": 2}, resume=True)
    assert earlier == (0.0, 0.0)
    assert len(remarks) == 1 and remarks[0].startswith("threads was 1, now 2: the last digits")
    with pytest.raises(ResumeError, match="size was 1, now 2; width was None, now 3"):
        prepare(tmp_path, {"size": 2, "width": 3}, where, resume=True)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ResumeError, match=r"run\.json is broken"):
        prepare(tmp_path, settings, where, resume=True)


def test_a_run_that_failed_before_it_kept_anything_is_forgotten(tmp_path, capsys, monkeypatch):
    failures = []

    def fails(x, l2=(), n_iter=1, per_pixel=True, tolerance=0.0, **options):
        raise failures[-1]("no")

    arguments = ["run", "fvsbn_dna", "--smoke", "--work", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr("gdmlib.autoregressive.FVSBN.fit", fails)
        for failure in (ValueError, OSError, KeyboardInterrupt):
            failures.append(failure)
            assert main(arguments) in (1, 130)
            assert "kept" not in capsys.readouterr().err
            assert list(tmp_path.iterdir()) == []
    assert main(arguments) == 0


def test_a_resumed_run_has_the_same_data(tmp_path, monkeypatch):
    plain, seeds = EXPERIMENTS["bernoulli_mixture_mnist"], []
    task, fit = plain.run.args

    def stopped(fitting, x, valid):
        seeds.append(fitting.generator.initial_seed())
        if len(seeds) == 2:
            raise FloatingPointError("stopped")
        return fit(fitting, x, valid)

    def other():
        parts = task.stand_in()
        return parts._replace(data=Data("stand-in", sha256_of(1 - parts.train)))

    options = {"smoke": True, "work": tmp_path}
    for data, fails in ((task.stand_in, FloatingPointError), (other, ResumeError)):
        made = partial(plain.run.func, replace(task, stand_in=data), stopped)
        monkeypatch.setitem(EXPERIMENTS, plain.name, replace(plain, run=made))
        with pytest.raises(fails, match=r"stopped|holds a run with other data: the sha256"):
            run(plain.name, **options, resume=data is other)
    monkeypatch.setitem(EXPERIMENTS, plain.name, plain)
    resumed = run(plain.name, **options, resume=True)
    assert resumed.metric == run(plain.name, smoke=True).metric


def test_a_broken_stage_is_told(tmp_path):
    run("fvsbn_dna", smoke=True, work=tmp_path)
    (tmp_path / "model.stage.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="Delete it"):
        run("fvsbn_dna", smoke=True, work=tmp_path, resume=True)


# --- progress -------------------------------------------------------------------------------------


def test_progress_shows_the_time_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(_job.time, "perf_counter", lambda: now[0])
    lines = []
    job = Job("toy", {"seeds": [1]}, say=lines.append)
    for done in range(1, 5):
        now[0] += 60
        job.progress("epoch", done, 4, "loss 1")
    assert lines == [
        "toy: epoch 1 of 4, loss 1; 1:00 so far, about 3:00 left",
        "toy: epoch 2 of 4, loss 1; 2:00 so far, about 2:00 left",
        "toy: epoch 3 of 4, loss 1; 3:00 so far, about 1:00 left",
        "toy: epoch 4 of 4, loss 1; 4:00 so far",
    ]
    lines.clear()
    resumed = Job("toy", {}, say=lines.append, earlier=(1000.0, 900.0))
    for done in (7, 8, 9):
        now[0] += 1  # two lines are never closer than five seconds
        resumed.progress("epoch", done, 100)
    now[0] += 10
    resumed.progress("epoch", 10, 100)
    assert lines == [
        "toy: epoch 7 of 100; 16:41 so far",
        "toy: epoch 10 of 100; 16:53 so far, about 6:00 left",
    ]


def test_a_clock_reads_as_people_write():
    assert [clock(s) for s in (0, 7.4, 59.6, 3599, 3723)] == [
        "0:00", "0:07", "1:00", "59:59", "1:02:03",
    ]  # fmt: skip
