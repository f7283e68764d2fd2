"""The benchmarks of adversaries: the work is done, and the peer's scripts go step by step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from benchmarks import adversarial, gan_peer
from benchmarks.timing import Work

SIDES = ("ours", "theirs")

#: What the peer's scripts have in common: they fetch, make, train and report.
HEAD = """
    import argparse
    import os
    import sys
    import torch
    import torchvision.transforms as transforms
    from torchvision import datasets
    from models import *
    os.makedirs("made/by/the/script")
    parser = argparse.ArgumentParser()
    parser.add_argument("--img_size", type=int, default=1)
    parser.add_argument("--img_height", type=int, default=1)
    parser.add_argument("--channels", type=int, default=1)
    opt = parser.parse_args()
    print(opt)
    generator = discriminator = torch.nn.Linear(1, 1)
    G_AB = G_BA = D_A = D_B = generator
    steps = 0
    dataloader = torch.utils.data.DataLoader(datasets.MNIST("data", download=True))
    def sample(i):
        print(len(dataloader))
"""
LOOP = """
    for epoch in range(3):
        for i, {item} in enumerate(dataloader):
            steps += 1
            g_loss = generator(torch.ones(1)).sum()
            g_loss.backward()
            sys.stdout.write("a step")
            raise RuntimeError("this is a report")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("gan", "dcgan", "srgan", "cyclegan"):
        item = "batch" if name == "cyclegan" else "imgs"
        where = tmp_path / "implementations" / name
        where.mkdir(parents=True)
        (where / f"{name}.py").write_text(dedent(HEAD + LOOP.format(item=item)))
        (where / "models.py").write_text("from torchvision.models import vgg19\nside = 3\n")
        (where / "utils.py").write_text("from torchvision.utils import save_image\nother = 4\n")
    return tmp_path


def test_a_script_is_made_and_goes_step_by_step(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    script = gan_peer.Script(folder, "cyclegan", ["models", "utils"], img_height=5)
    assert (script["side"], script["other"], script["opt"].img_height) == (3, 4, 5)
    step = script.step(batch=torch.ones(2))
    assert script["steps"] == 0
    step()
    step()
    assert script["steps"] == 2
    assert script["g_loss"].isfinite()
    assert script["batch"].shape == (2,)
    assert capfd.readouterr().out == ""
    assert not (folder / "made").exists()


def test_the_stand_in_of_vgg_has_its_layers():
    layers = gan_peer.vgg19().features
    assert sum(p.numel() for p in layers.parameters()) == 20_024_384  # torchvision's own count
    assert layers(torch.zeros(1, 3, 32, 32)).shape == (1, 512, 1, 1)


@pytest.mark.parametrize("name", ["ensemble", "gan_step", "dcgan_step", "pix2pix_step"])
def test_each_piece_of_work_runs(folder: Path, name: str):
    (case,) = (case for case in adversarial.cases(folder) if case.name == name)
    size = {"ensemble": 4, "dcgan_step": 16}.get(name, case.size)
    for side in SIDES:
        work = case.build(side, size)
        work.check(work.run())
        assert work.parameters > 0


def test_ten_at_once_and_in_a_row_are_the_same_work():
    at_once, in_a_row = adversarial.ten_at_once(4), adversarial.ten_in_a_row(4)
    assert at_once.parameters == in_a_row.parameters


def test_what_is_not_finite_is_a_failure():
    adversarial.check_losses({"generator": torch.zeros(())})
    with pytest.raises(ValueError, match="generator is not finite"):
        adversarial.check_losses({"generator": torch.tensor(torch.nan)})


def test_times_are_written(monkeypatch: pytest.MonkeyPatch, folder: Path):
    cases = [
        replace(case, ours=lambda size: Work(lambda: {}, 1)) for case in adversarial.cases(folder)
    ]
    monkeypatch.setattr(adversarial, "cases", lambda folder: cases[1:2])
    target = folder / "adversarial.json"
    options = ["--peer", str(folder), "--output", str(target), "--turns", "1"]
    assert adversarial.main(options) == 0
    made = json.loads(target.read_text())
    assert [row["case"] for row in made["speed"]] == ["gan_step"]
    assert made["speed"][0]["ratio"] > 0


def test_without_the_peer_nothing_is_written(tmp_path: Path):
    target = tmp_path / "adversarial.json"
    with pytest.raises(SystemExit):
        adversarial.main(["--peer", str(tmp_path), "--output", str(target)])
    assert not target.exists()


def test_the_record_holds_every_case_and_both_sides():
    record = json.loads(adversarial.RESULTS.read_text())
    cases = adversarial.cases(Path())
    assert [row["case"] for row in record["speed"]] == [case.name for case in cases]
    assert record["failures"] == []
    for row, case in zip(record["speed"], cases, strict=True):
        found = row["theirs"]["seconds"] / row["ours"]["seconds"]
        assert row["ratio"] == pytest.approx(found, rel=1e-2)
        assert (row["goal"], row["other"], row["size"]) == (case.goal, case.other, case.size)
        counts = [row[side]["parameters"] for side in SIDES]
        assert max(counts) < 1.1 * min(counts), row["case"]
    assert {"torch", "gdmlib", adversarial.NAME} <= set(record["versions"])
