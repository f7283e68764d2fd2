"""Weights that are not at hand are fetched once and checked; or a sentence says why not."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from gdmlib import __version__, _weights, data, lesson, training
from gdmlib.data.checksums import Checksum
from tools import weights as tool
from tools.addresses import ROOT

PLACE = f"raw/v{__version__}/checkpoints/line.safetensors"


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 7.0)
    training.save_weights(model, tmp_path / "made.safetensors", {})
    return (tmp_path / "made.safetensors").read_bytes()


@pytest.fixture(autouse=True)
def course(monkeypatch, tmp_path, server, content):
    """A repository on this machine, and a library that knows the weights ``line``."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    one = _weights.Known(Checksum((digest,), len(content)), 12.0)
    monkeypatch.setattr(_weights, "known", lambda: {"line": one})
    monkeypatch.setattr(_weights, "repository", lambda: server.address)
    monkeypatch.setattr(_weights, "_failed", [])
    for name in ("GDMLIB_BUDGET", "GDMLIB_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    server.content[PLACE] = content


def load(budget: str = "cpu", name: str = "line") -> tuple[nn.Linear, object]:
    model, history = nn.Linear(1, 1), training.History()
    torch.nn.init.zeros_(model.weight)
    run = lesson.start("02_gaussian_mle", budget=budget)
    return model, run.train_or_load(name, model, lambda: history, prefer="weights")


@pytest.mark.parametrize("budget", ["cpu", "grade"])
def test_weights_are_fetched_once(server, budget, capsys):
    for _ in range(2):
        model, history = load(budget)
        assert history is None and model.weight.item() == 7.0
    assert server.asked == [PLACE]
    assert capsys.readouterr().out == ""


def test_a_damaged_copy_in_the_cache_is_fetched_again(server, cache):
    load()
    (cache / "checkpoints" / "line.safetensors").write_bytes(b"half")
    assert load()[0].weight.item() == 7.0
    assert server.asked == [PLACE, PLACE]


@pytest.mark.parametrize("fault", ["missing", "other", "cut"])
def test_what_is_not_the_weights_is_not_used(server, cache, fault, content, capsys):
    if fault == "missing":
        del server.content[PLACE]
    elif fault == "other":
        server.content[PLACE] = content[:-1] + b"x"
    else:
        server.cut.add(PLACE)
    model, history = load()
    assert history is not None and model.weight.item() == 0.0
    says = {"missing": "404 Not Found", "other": "sha256", "cut": "/line.safetensors: "}[fault]
    out = capsys.readouterr().out
    assert "The trained weights line are not at hand: " in out and says in out
    assert "Their own training took 12 seconds of one processor." in out
    assert re.search(r"^Trained in \d+ seconds\.$", out, flags=re.MULTILINE)
    assert not list((cache / "checkpoints").glob("*"))


def test_a_repository_that_does_not_answer_is_asked_once(server, capsys):
    server.stop()
    for _ in range(2):
        assert load()[1] is not None
    assert capsys.readouterr().out.count("are not at hand: ") == 2
    assert len(_weights._failed) == 1


def test_without_an_address_nothing_is_asked(server, monkeypatch, capsys):
    monkeypatch.setattr(_weights, "repository", lambda: None)
    load()
    assert "has no address yet" in capsys.readouterr().out and not server.asked


def test_grading_says_nothing_of_weights(server, capsys):
    del server.content[PLACE]
    assert load("grade")[1] is not None
    assert capsys.readouterr().out == ""


def test_weights_that_nobody_knows_are_not_asked_for(server, capsys):
    load(name="other")
    assert "this version of gdmlib knows of none" in capsys.readouterr().out and not server.asked


def test_the_address_is_that_of_the_package(monkeypatch):
    monkeypatch.undo()

    def address(*entries: str) -> str | None:
        class Fields:
            def get_all(self, name: str) -> list[str] | None:
                return list(entries) or None

        monkeypatch.setattr(_weights.metadata, "metadata", lambda name: Fields())
        return _weights.repository()

    home = "https://host/owner/name"
    assert address("Documentation, https://x", f"Repository, {home}") == home
    assert address("Repository, https://github.com/OWNER/name") is None
    assert address() is None


def test_the_library_knows_the_weights_of_the_course():
    text = (ROOT / "gdmlib" / "weights.txt").read_text(encoding="utf-8")
    assert text == tool.lines(ROOT / "checkpoints"), "run python -m tools.weights"


def test_lines_follow_from_the_files(tmp_path):
    tmp_path = tmp_path / "weights"
    tmp_path.mkdir()
    (tmp_path / "a.safetensors").write_bytes(b"abc")
    (tmp_path / "a.json").write_text("{}")
    before = tool.lines(tmp_path)
    assert before.splitlines()[1] == f"a 3 sha256:{hashlib.sha256(b'abc').hexdigest()} -"
    (tmp_path / "a.safetensors").write_bytes(b"abd")
    assert tool.lines(tmp_path) != before


def forbidden(record: str) -> list[str]:
    """Return the sets that may not be passed on, and that weights name as their data."""
    sets = [entry.name for entry in data.catalogue() if entry.tier == "B"]
    patterns = {name: rf"data\.{name}\b|\b{name}\b" for name in sets}
    patterns |= {"faces": r"data\.faces\b", "bsds500": r"bsds", "frey_faces": r"frey"}
    return [name for name, shape in patterns.items() if re.search(shape, record.lower())]


def test_no_weights_are_made_of_sets_that_may_not_be_passed_on():
    records = sorted((ROOT / "checkpoints").glob("*.json"))
    found = {path.stem: forbidden(path.read_text(encoding="utf-8")) for path in records}
    assert len(found) > 50
    assert {name: sets for name, sets in found.items() if sets} == {}
    assert forbidden("the middles of BSDS500's two hundred photographs") == ["bsds500"]
    assert forbidden('"data": "gdmlib.data.frey_faces()"') == ["frey_faces"]
    assert forbidden("CIFAR10_subset, and Set14") == ["set14", "cifar10_subset"]
