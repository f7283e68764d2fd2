"""Files are written whole or not at all, where people say, and trouble is told in words."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib import training
from gdmlib._files import WriteError, check_writable, path_of, write_atomically
from gdmlib.training.files import load_plain, load_weights, save_plain, save_weights


def kept(folder):
    return sorted(path.name for path in folder.iterdir())


def text(content):
    return lambda part: part.write_text(content)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), ValueError("no")])
def test_the_old_file_stays(tmp_path, failure):
    path = tmp_path / "a" / "b.txt"

    def fails(part):
        part.write_text("half")
        raise failure

    write_atomically(path, text("old"))
    with pytest.raises((WriteError, ValueError)) as caught:
        write_atomically(path, fails)
    assert path.read_text() == "old" and kept(path.parent) == ["b.txt"]
    if isinstance(failure, OSError):
        assert str(caught.value) == (
            f"cannot write {path} (No space left on device); free some space, or choose a folder "
            "that you may write to"
        )


def test_what_cannot_be_read_back_does_not_take_its_place(tmp_path):
    path = tmp_path / "b.pt"
    save_plain({"a": 1}, path)
    with pytest.raises(training.CheckpointError):
        save_plain({"a": object()}, path)
    assert load_plain(path) == {"a": 1} and kept(tmp_path) == ["b.pt"]


def test_other_trouble_of_a_writer_is_its_own(tmp_path):
    def stumbles(*arguments):
        raise RuntimeError("something else")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="something el"):
        patch.setattr(torch, "save", stumbles)
        save_plain({}, tmp_path / "b.pt")


def test_weights_on_a_full_disk(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise training.files.SafetensorError("Error while serializing: No space left on device")

    monkeypatch.setattr(training.files, "save_file", full)
    with pytest.raises(WriteError, match=r"a\.safetensors \(.*No space left on device\); free"):
        save_weights(nn.Linear(1, 1), tmp_path / "a.safetensors", {})
    assert kept(tmp_path) == []


def test_a_place_is_tried_and_left_as_it_was(tmp_path):
    check_writable(tmp_path / "new" / "a.txt")
    assert kept(tmp_path / "new") == []
    (tmp_path / "new" / "a.txt").write_text("old")
    check_writable(tmp_path / "new" / "a.txt")
    assert kept(tmp_path / "new") == ["a.txt"]
    for path in (tmp_path / "new", tmp_path / "new" / "a.txt" / "b", tmp_path / "new/a.txt/b/c"):
        with pytest.raises(WriteError, match=f"cannot write {path} "):
            check_writable(path)


def test_a_disk_without_room_is_noticed_before(tmp_path, monkeypatch):
    def full(path, content):
        assert len(content) >= 2**16  # an empty file may still be made
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(WriteError, match="No space left"):
        check_writable(tmp_path / "a.txt")


# --- home -----------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and another in which we are."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert kept(tmp_path / "here") == []  # no folder called ~


def test_weights_in_the_home_folder(home):
    model = nn.Linear(1, 1)
    save_weights(model, "~/deep/a.safetensors", {"of": "test"})
    assert kept(home / "deep") == ["a.safetensors"]
    assert load_weights(model, "~/deep/a.safetensors") == {"of": "test"}
    with pytest.raises(FileNotFoundError, match=f"{home}/b: no such file"):
        load_weights(model, "~/b")


def test_a_checkpoint_in_the_home_folder(home):
    model = nn.Linear(1, 1)
    step = training.gradient_step(
        model, torch.optim.SGD(model.parameters(), lr=0.1), lambda x: model(x).square().mean()
    )
    for resume in (False, True):
        found = training.fit(
            step, torch.ones(4, 1), epochs=1 + resume, checkpoint="~/run.pt", resume=resume,
            progress=False,
        )  # fmt: skip
        assert kept(home) == ["run.pt"] and len(found) == 1 + resume


def test_only_the_first_tilde_is_home(home):
    assert path_of("~") == home and str(path_of("a/~")) == "a/~"
