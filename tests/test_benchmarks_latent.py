"""The benchmarks of latent models: each piece of work runs, both networks train and are judged."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import apart, diffusion_peer, figure, latent, quality, timing
from benchmarks.timing import SIDES, Case, Work
from gdmlib import data
from gdmlib.metrics import Judge

#: A peer whose package cannot be run; without guidance its network answers once, as the real one.
FAKE = {
    "__init__.py": "import package_that_only_trainers_need",
    "classifier_free_guidance.py": """
        import sys
        import torch

        class Unet(torch.nn.Module):
            def __init__(self, dim, *, num_classes, cond_drop_prob, dim_mults, channels):
                super().__init__()
                self.table = torch.nn.Embedding(num_classes, channels)

            def forward_with_cond_scale(self, x, *, cond_scale):
                return x if cond_scale == 1 else (x, x)

        class GaussianDiffusion(torch.nn.Module):
            def __init__(self, model, *, image_size, sampling_timesteps, **options):
                super().__init__()
                self.model, self.size, self.steps = model, image_size, sampling_timesteps

            def forward(self, x, classes):
                return (self.model.table(classes)[:, :, None, None] - x).square().mean()

            def sample(self, classes, cond_scale):
                print("a progress bar", file=sys.stderr)
                x = torch.rand(len(classes), 1, self.size, self.size)
                for _ in range(self.steps):
                    x, _ = self.model.forward_with_cond_scale(x, cond_scale=cond_scale)
                return x
        """,
}


@pytest.fixture
def fake_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / diffusion_peer.PACKAGE
    folder.mkdir()
    for name, text in FAKE.items():
        (folder / name).write_text(dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    kept = {n: m for n, m in sys.modules.items() if n.split(".")[0] == diffusion_peer.PACKAGE}
    for name in kept:
        del sys.modules[name]
    yield
    for name in [n for n in sys.modules if n.split(".")[0] == diffusion_peer.PACKAGE]:
        del sys.modules[name]
    sys.modules.update(kept)


@pytest.mark.usefixtures("fake_peer")
@pytest.mark.parametrize("case", latent.CASES, ids=lambda case: case.name)
def test_each_piece_of_work_runs(case: Case, capfd: pytest.CaptureFixture[str]):
    for side in SIDES:
        work = case.build(side, 2 if case.axis == "steps" else 8)
        work.check(work.run())
        assert work.parameters > 0
    assert capfd.readouterr().err == ""


def test_what_are_no_pictures_is_a_failure():
    good = torch.rand(latent.SAMPLES, 1, 8, 8)
    latent.check_pictures(good, 8)
    for bad in (good[:1], good + 1, good - 1, torch.full_like(good, torch.nan)):
        with pytest.raises(ValueError, match="from 0 to 1"):
            latent.check_pictures(bad, 8)


def test_samples_are_no_trouble_for_the_judge():
    model = latent.our_diffusion(32).eval()
    x = latent.our_sample(model, torch.arange(2), steps=2)
    assert x.shape == (2, 1, 32, 32)
    assert 0 <= float(x.min()) <= float(x.max()) <= 1


def test_a_size_can_be_a_number_of_steps():
    work = Work(lambda: None, 1)
    case = Case("a", "A", lambda n: work, lambda n: work, other="B", growth=(3,), axis="steps")
    assert case.extent(3) == {"steps": 3}
    assert replace(case, axis="pixels").extent(3) == {"pixels": 9}
    found, failed = timing.measure([case], turns=1)
    assert not failed
    curve = latent.record.growth_curve(case, found)
    assert [p["steps"] for p in curve["points"]] == [3]


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing but one tiny case, and as little training."""
    case = replace(latent.CASES[2], growth=(2,), size=2)
    monkeypatch.setattr(latent, "CASES", (case,))
    monkeypatch.setattr(quality, "BATCH", 2)
    monkeypatch.setattr(quality, "GLYPHS", 50)
    monkeypatch.setattr(latent, "STEPS", 2)


@pytest.mark.usefixtures("fake_peer")
def test_times_and_trials_share_a_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    small(monkeypatch)
    target = tmp_path / "latent.json"
    output = ["--output", str(target), "--turns", "1"]
    assert latent.main(["--train", "theirs", "--minutes", "0.001", "--each", "2", *output]) == 0
    assert latent.main(output) == 0
    made = json.loads(target.read_text())
    assert made["speed"][0]["ratio"] > 0
    (row,) = made["quality"]["trials"]
    assert row["side"] == "theirs"
    assert row["samples"] == made["quality"]["real"]["samples"] == 20
    assert made["quality"]["real"]["right"] > 0.9


def test_a_trial_takes_the_place_of_the_same_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quality, "real", lambda each: {"samples": each})
    rows: list[dict[str, Any]] = [
        {"side": "theirs", "minutes": 2, "right": 0.1},
        {"side": "ours", "minutes": 2, "right": 0.2},
        {"side": "theirs", "minutes": 1, "right": 0.3},
    ]
    made = latent.judged({"speed": []}, rows, 3)
    made = latent.judged(made, [{"side": "theirs", "minutes": 2, "right": 0.4}], 3)
    assert made["speed"] == []
    assert [row["right"] for row in made["quality"]["trials"]] == [0.2, 0.3, 0.4]


@pytest.mark.usefixtures("fake_peer")
def test_one_case_can_be_timed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any):
    small(monkeypatch)
    (case,) = latent.CASES
    monkeypatch.setattr(latent, "CASES", (case, replace(case, name="other")))
    target = tmp_path / "latent.json"
    output = ["--output", str(target), "--turns", "1"]
    assert latent.main(output) == 0
    first = json.loads(target.read_text())
    assert latent.main([*output, "--only", "other"]) == 0
    second = json.loads(target.read_text())
    assert [row["case"] for row in second["speed"]] == [case.name, "other"]
    assert second["growth"][0] == first["growth"][0]
    assert second["growth"][1] != first["growth"][1]
    assert len(second["machine"]["load"]) == 4
    for name, message in (("nothing", "no such case"), ("other", "another machine")):
        second["machine"]["processor"] = "another"
        target.write_text(json.dumps(second))
        with pytest.raises(SystemExit):
            latent.main([*output, "--only", name])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--train"]])
def test_without_the_peer_nothing_is_written(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(apart, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        latent.main([*arguments, "--output", str(tmp_path / "latent.json")])
    assert not (tmp_path / "latent.json").exists()


# --- training and judging


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(10))


def test_training_ends_with_an_average_that_has_learnt(monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(quality.time, "process_time", lambda: next(clock))
    model = Constant()
    fit = lambda m, x, y: (m.level[y] - 1).square().mean()  # noqa: E731
    averaged, about = quality.train(model, fit, seconds=400, lr=0.1, glyphs=50)
    assert about["steps"] == 400
    assert about["loss"] < 1e-3
    assert not averaged.training
    torch.testing.assert_close(averaged.level, torch.ones(10), atol=0.05, rtol=0)
    assert not torch.equal(averaged.level, model.level)


def test_an_average_of_few_steps_forgets_the_start():
    average, now = [torch.zeros(1)], [torch.ones(1)]
    for steps in range(1, 200):
        quality._towards(average, now, torch.tensor(steps))
    assert float(average[0]) > 0.999  # a share of 1 - AVERAGE at each step would leave a third


def test_real_glyphs_show_their_class_and_copies_do_not_spread():
    glyphs = data.glyphs(300, size=32, split="test")
    found = quality.verdict(glyphs.x, glyphs.y)
    assert found["right"] > 0.95
    assert quality.verdict(glyphs.x, (glyphs.y + 1) % 10)["right"] < 0.1
    first = torch.stack([glyphs.x[glyphs.y == k][0] for k in range(10)])
    copied = quality.verdict(first.repeat(3, 1, 1, 1), torch.arange(10).repeat(3))
    assert copied["spread"] < 1e-3 < found["spread"]


def test_the_spread_is_that_of_lesson_11():
    glyphs = data.glyphs(300, size=32, split="test")
    pooled = torch.nn.functional.avg_pool2d(glyphs.x, 2)
    features = Judge.load("glyphs").features(pooled)
    total = sum(
        float((f := features[glyphs.y == k]).var(dim=0, correction=0).sum()) * len(f)
        for k in range(10)
    )
    found = quality.verdict(glyphs.x, glyphs.y)["spread"]
    assert found == pytest.approx((total / 300) ** 0.5, rel=1e-3)


# --- the record and its figure


def test_the_record_holds_every_case_and_both_sides():
    record = json.loads(latent.RESULTS.read_text())
    assert [row["case"] for row in record["speed"]] == [case.name for case in latent.CASES]
    assert record["failures"] == []
    for row in record["speed"]:
        assert row["ratio"] == pytest.approx(
            row["theirs"]["seconds"] / row["ours"]["seconds"], rel=1e-2
        )
    for case, curve in zip(latent.CASES, record["growth"], strict=True):
        wanted = [case.extent(size) for size in case.growth]
        assert [{case.axis: p[case.axis]} for p in curve["points"]] == wanted
        assert all(p["ours"] and p["theirs"] for p in curve["points"])
    assert {"torch", "gdmlib", latent.NAME} <= set(record["versions"])


def test_the_faster_network_is_at_least_as_good():
    quality = json.loads(latent.RESULTS.read_text()).get("quality")
    if not quality:
        pytest.skip("not measured yet: python -m benchmarks.latent --train")
    trials = {row["side"]: row for row in quality["trials"] if row["minutes"] == latent.MINUTES}
    ours, theirs = (trials[side] for side in SIDES)
    assert ours["right"] >= max(0.95, theirs["right"])
    off = {side: abs(trials[side]["spread"] - quality["real"]["spread"]) for side in SIDES}
    assert off["ours"] <= off["theirs"]


def test_labels_of_an_axis_keep_their_distance():
    assert figure._ticks([784, 16, 256, 196, 784, 1024, 4096]) == [16, 196, 784, 4096]
    assert figure.extent({"steps": 5}) == 5
    assert figure.extent({"pixels": 9}) == 9


def test_a_picture_carries_its_data(tmp_path: Path):
    curves = [
        {
            "case": f"vae_{panel}",
            "panel": panel,
            "points": [
                {axis: n, "ours": {"seconds": 1e-3 * n}, "theirs": {"seconds": 2e-3 * n}}
                for n in (16, 64, 256)
            ],
        }
        for panel, axis in (("step", "pixels"), ("sample", "pixels"), ("steps", "steps"))
    ]
    figure.draw(curves, tmp_path / "a.png", figure.LATENT_TITLES)
    with figure.Image.open(tmp_path / "a.png") as picture:
        assert picture.info["Data"] == figure.digest(curves)
        assert picture.width > 800
