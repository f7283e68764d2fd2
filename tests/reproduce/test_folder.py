"""The folder of a run: whose it is, what is kept there, and what is told when it ends early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import torch

from gdmlib.autoregressive import FVSBN, MADE
from gdmlib.reproduce import EXPERIMENTS, ResumeError, cli, load_record, main, run
from gdmlib.training.files import CheckpointError, load_plain

TRIAL = ["run", "made_dna", "--smoke", "--device", "cpu"]


@pytest.fixture
def interrupted(monkeypatch, tmp_path):
    """Begin a trial of MADE that ends by Ctrl-C in its second seed; return its folder."""
    pytest.importorskip("lightning_fabric")
    loss, calls = MADE.loss, []

    def stops(model, x):
        calls.append(1)
        if len(calls) == 18:  # 3 epochs of 4 steps, and then the second epoch
            raise KeyboardInterrupt
        return loss(model, x)

    with monkeypatch.context() as patch:
        patch.setattr(MADE, "loss", stops)
        assert main([*TRIAL, "--work", str(tmp_path / "work")]) == 130
    return tmp_path / "work"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- ending early ---------------------------------------------------------------------------------


def test_ctrl_c_says_in_a_line_how_to_go_on(capsys, interrupted, tmp_path):
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"made_dna: stopped; what is done is kept in {interrupted}: --resume goes on " \
        "with it\n"  # fmt: skip
    whole = run("made_dna", smoke=True, device="cpu")
    assert main([*TRIAL, "--work", str(interrupted), "--resume", "--out", str(tmp_path)]) == 0
    assert load_record(tmp_path / "made_dna.json").metric == whole.metric


def test_ctrl_c_in_a_terminal(tmp_path):
    pytest.importorskip("lightning_fabric")
    work = tmp_path / "work"
    long = ["--work", work, "--set", "epochs=100000", "--set", "patience=100000"]
    child = subprocess.Popen(
        [sys.executable, "-m", "gdmlib.reproduce", *TRIAL, *long],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    waited = time.monotonic() + 120
    while not list(work.glob("*.fit.pt")) and time.monotonic() < waited:
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert err.splitlines()[-1].endswith(f"is kept in {work}: --resume goes on with it")
    assert "Traceback" not in err
    assert not list(work.glob("*.part"))


def test_a_run_killed_before_anything_was_kept_does_not_block_the_next(tmp_path, monkeypatch):
    killed = """
import os, signal, sys
from gdmlib import reproduce
from gdmlib.autoregressive import FVSBN

def fit(x, l2=(), n_iter=1, per_pixel=True, tolerance=0.0, **options):
    os.kill(os.getpid(), signal.SIGKILL)

FVSBN.fit = fit
reproduce.main(["run", "fvsbn_dna", "--smoke", "--work", sys.argv[1]])
"""
    work = tmp_path / "work"
    assert subprocess.run([sys.executable, "-c", killed, work]).returncode == -signal.SIGKILL
    assert names(work) == ["run.json"]
    arguments = ["run", "fvsbn_dna", "--smoke", "--work", str(work)]
    assert main([*arguments, "--set", "n_iter=7"]) == 0  # with other settings, too


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_run_goes_on_though_nobody_reads(tmp_path, unbuffered):
    pytest.importorskip("lightning_fabric")
    read, write = os.pipe()
    os.close(read)
    child = subprocess.run(
        [sys.executable, "-m", "gdmlib.reproduce", *TRIAL, "--out", tmp_path],
        stdout=write, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "GDMLIB_PROGRESS": "1", "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(write)
    assert child.returncode == 0 and "rror" not in child.stderr
    assert load_record(tmp_path / "made_dna.json").smoke


def test_a_reader_of_the_list_may_leave_early():
    read, write = os.pipe()
    os.close(read)
    child = subprocess.run(
        [sys.executable, "-m", "gdmlib.reproduce", "list"], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (child.returncode, child.stderr) == (0, b"")


# --- no room, or no place -------------------------------------------------------------------------


def blocked(tmp_path, what):
    """Return a folder that cannot be made, or one in which the record cannot be."""
    if what == "a file":
        (tmp_path / "file").touch()
        return tmp_path / "file"
    if what == "below a file":
        (tmp_path / "file").touch()
        return tmp_path / "file" / "deep"
    (tmp_path / "out" / "fvsbn_dna.json").mkdir(parents=True)
    (tmp_path / "out" / "run.json").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("option", ["--out", "--work"])
@pytest.mark.parametrize("what", ["a file", "below a file", "a folder in its place"])
def test_what_cannot_be_written_is_told_before_training(
    tmp_path, monkeypatch, capsys, option, what
):
    monkeypatch.setattr(FVSBN, "fit", None)
    folder = blocked(tmp_path, what)
    assert main(["run", "fvsbn_dna", "--smoke", option, str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"fvsbn_dna: cannot write {folder}") and "choose a folder" in line


FULL = """
import resource, signal, sys
from gdmlib import reproduce
from gdmlib.autoregressive import MADE

size, moment = int(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def full():
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

if moment == "at first":
    full()
    MADE.loss = None
else:
    loss, calls = MADE.loss, []
    def counted(model, x):
        calls.append(1)
        if len(calls) == 9:
            full()
        return loss(model, x)
    MADE.loss = counted
sys.exit(reproduce.main(["run", *sys.argv[3:]]))
"""


@pytest.mark.parametrize(("size", "moment"), [(0, "at first"), (9, "later"), (900, "later")])
def test_a_full_disk_is_told_in_words_and_loses_nothing(tmp_path, size, moment):
    """A limit of the size of files stands for a disk without room: writing fails alike."""
    pytest.importorskip("lightning_fabric")
    work = tmp_path / "work"
    command = [sys.executable, "-c", FULL, size, moment, *TRIAL[1:], "--work", work]
    child = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert child.returncode == 1, child.stderr
    line = child.stderr.splitlines()[-1]
    assert "Traceback" not in child.stderr
    assert line.startswith("made_dna: cannot write ") and "free some space" in line
    if moment == "at first":
        assert not work.exists() or names(work) == []
        return
    assert "inline_container" not in line and "--resume goes on with it" in line
    assert load_plain(work / "seed-0.fit.pt")["history"]["epoch"] == [1, 2]
    again = run("made_dna", smoke=True, device="cpu", work=work, resume=True)
    assert again.metric == run("made_dna", smoke=True, device="cpu").metric
    assert not list(work.glob("*.part"))


# --- whose it is ----------------------------------------------------------------------------------


def test_a_checkpoint_of_another_seed_is_refused(interrupted, tmp_path):
    go_on = partial(run, "made_dna", smoke=True, device="cpu", work=interrupted, resume=True)
    whole = run("made_dna", smoke=True, device="cpu", work=tmp_path / "whole")
    for here, other in (
        ("seed-1.fit.pt", "seed-0.fit.pt"),
        ("seed-0.stage.pt", "seed-1.stage.pt"),
        ("seed-1.stage.pt", "seed-0.stage.pt"),
        ("seed-0.stage.pt", "seed-0.fit.pt"),
    ):
        place = interrupted / here
        before = place.read_bytes() if place.exists() else None
        place.write_bytes((tmp_path / "whole" / other).read_bytes())
        with pytest.raises(CheckpointError, match=f"{here} .*part of the run was"):
            go_on()
        place.unlink()
        if before is not None:
            place.write_bytes(before)
    assert go_on().metric == whole.metric


@pytest.mark.parametrize("file", ["seed-0.stage.pt", "seed-1.fit.pt"])
def test_a_checkpoint_of_other_data_is_refused(interrupted, file):
    content = load_plain(interrupted / file)
    about = content.get("about") or content["settings"]
    assert about["data"] == json.loads((interrupted / "run.json").read_text())["data"]
    assert about["experiment"] == "made_dna"
    about["data"] = "0" * 64
    torch.save(content, interrupted / file)
    with pytest.raises(CheckpointError, match=f"{file} belongs to another run: data was '0000"):
        run("made_dna", smoke=True, device="cpu", work=interrupted, resume=True)


def test_run_json_has_the_seeds_and_the_data(interrupted):
    state = json.loads((interrupted / "run.json").read_text())
    assert state["settings"]["seeds"] == [0, 1] and len(state["data"]) == 64
    with pytest.raises(ResumeError, match=r"seeds was \[0, 1\], now \[1, 0\]"):
        run("made_dna", smoke=True, device="cpu", work=interrupted, resume=True,
            changes={"seeds": [1, 0]})  # fmt: skip


@pytest.mark.parametrize("file", ["a.safetensors", "a.fit.pt", "a.stage.pt"])
@pytest.mark.parametrize("resume", [False, True])
def test_files_of_nobody_are_left_alone(tmp_path, file, resume):
    (tmp_path / file).write_bytes(b"precious")
    with pytest.raises(ResumeError, match=f"{file}, and no run.json that says whose it is"):
        run("fvsbn_dna", smoke=True, work=tmp_path, resume=resume)
    assert (tmp_path / file).read_bytes() == b"precious" and names(tmp_path) == [file]


def test_what_another_experiment_has_trained_is_left_alone(tmp_path):
    run("fvsbn_dna", smoke=True, work=tmp_path)
    before = names(tmp_path)
    with pytest.raises(ResumeError, match="holds what fvsbn_dna has trained: give another"):
        run("fvsbn_nips", smoke=True, work=tmp_path)
    assert names(tmp_path) == before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"settings": {}}', '{"settings": 3}', "\x00"])
def test_a_broken_note_is_told(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ResumeError, match=r"run\.json is broken"):
        run("fvsbn_dna", smoke=True, work=tmp_path, resume=True)


# --- home -----------------------------------------------------------------------------------------


def test_the_home_folder_may_be_written_as_people_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert main(["run", "fvsbn_dna", "--smoke", "--out=~/a", "--work=~/b"]) == 0
    run("fvsbn_dna", "~/c", smoke=True, work="~/d")
    assert names(tmp_path) == ["home"] and names(tmp_path / "home") == ["a", "b", "c", "d"]
    assert load_record("~/a/fvsbn_dna.json").smoke and "~" not in str(cli.path_of("~/a"))
    assert EXPERIMENTS["fvsbn_dna"].seeds == ()
