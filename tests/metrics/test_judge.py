"""The judge: what its weights are worth, and that they can be made again."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from gdmlib import data, metrics, training
from gdmlib.metrics import Judge, judge_training
from gdmlib.metrics.judge import SIZES, weights_of


@pytest.fixture(scope="module", params=SIZES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def judge(name):
    return Judge.load(name)


@pytest.fixture(scope="module")
def tests(name):
    return judge_training.SETS[name]()[1]


@pytest.fixture
def same_fonts(name):
    """Skip where the test set of glyphs is another: an older Matplotlib lacks a font of it."""
    if name == "glyphs" and not (data.fonts._folder() / "cmti10.ttf").is_file():
        pytest.skip("this Matplotlib lacks a font that the accuracy was measured on")


def accuracy(judge, x, y):
    return float((judge.predict(x) == y).double().mean())


def test_the_stated_accuracy_is_measured_again(judge, tests, same_fonts):
    assert set(tests) < set(judge.record)
    for about, (x, y) in tests.items():
        # Other versions of Pillow draw a glyph a little otherwise.
        assert accuracy(judge, x, y) == pytest.approx(float(judge.record[about]), abs=0.004)
    assert judge.accuracy == float(judge.record["accuracy"]) > 0.98


def test_it_is_sure_of_real_pictures_and_less_of_blends(judge, tests):
    x, y = tests["accuracy"]
    sure = judge.probs(x).amax(1) > 0.9
    assert sure.double().mean() > 0.8
    blends = (x[:200] + x[200:400]) / 2
    between = y[:200] != y[200:400]
    assert (judge.probs(blends[between]).amax(1) > 0.9).double().mean() < 0.1
    assert metrics.expected_calibration_error(judge.probs(x), y) < 0.06


def test_it_bears_what_samplers_do(judge, tests, same_fonts, generator):
    x, y = tests["accuracy"]
    spoilt = judge_training.disturb(x, generator)
    assert accuracy(judge, spoilt, y) == pytest.approx(
        float(judge.record["accuracy, disturbed"]), abs=0.015
    )
    assert accuracy(judge, (x > 0.4).float(), y) > 0.93


def test_features_are_standardised_and_say_the_class(judge, name):
    x = judge_training.SETS[name]()[0][0][:2000]
    features = judge.features(x)
    assert features.shape == (len(x), SIZES[name][1])
    assert features.mean(0).abs().max() < 0.4 and 0.7 < features.var(0).mean() < 1.5
    assert torch.equal(judge.probs(x[:50]).argmax(1), judge.predict(x[:50]))
    total = judge.probs(x[:50]).sum(1)
    assert torch.allclose(total, torch.ones(50))


def test_distances_of_real_sets_are_at_the_floor_and_spoilt_ones_are_not(judge, name, generator):
    x, _ = judge_training.SETS[name]()[0]
    x = x[torch.randperm(len(x), generator=generator)]  # the digits come hand by hand
    a, b = judge.features(x[:400]), judge.features(x[400:1200])
    spoilt = judge.features(judge_training.disturb(x[:400], generator))
    for distance in (metrics.frechet_distance, metrics.kernel_distance):
        same = metrics.with_floor(distance, a, b, generator=generator)
        assert abs(same.value - same.floor) < 4 * same.spread
        worse = metrics.with_floor(distance, spoilt, b, generator=generator)
        assert worse.value > worse.floor + 4 * worse.spread
    missing = x[:400][judge.predict(x[:400]) < 5]  # half of the classes
    part = metrics.coverage(real=b, fake=judge.features(missing))
    assert part.precision > 0.9 and part.recall < 0.75


def test_the_training_set_itself_is_at_the_floor_and_only_the_test_of_memorisation_tells(generator):
    judge, n = Judge.load("glyphs"), 600
    train, heldout, other = (
        judge.features(data.glyphs(2 * n, size=16, split=split).x)
        for split in ("train", "valid", "test")
    )
    copies = torch.cat([train[: n // 2], other[: n // 2]])
    found = metrics.with_floor(metrics.frechet_distance, copies, heldout, generator=generator)
    assert found.value < found.floor + 3 * found.spread
    assert metrics.coverage(real=heldout, fake=copies).precision > 0.9
    told = metrics.memorisation(copies, train, heldout, generator=generator)
    assert told.share == pytest.approx(0.75, abs=0.05) and told.p_value == 1 / 2000
    honest = metrics.memorisation(other, train, heldout, generator=generator)
    assert honest.share == pytest.approx(0.5, abs=0.05) and honest.p_value > 0.05


def test_training_again_is_the_same_and_better_than_chance(tmp_path):
    first, second = (judge_training.train_judge("digits", epochs=8, progress=False) for _ in "ab")
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert first.accuracy == second.accuracy > 0.6
    other = judge_training.train_judge("digits", epochs=1, seed=1, progress=False)
    assert other.accuracy != first.accuracy
    training.save_weights(first, tmp_path / "judge.safetensors", first.record)
    again = Judge((1, 8, 8), features=32)
    assert training.load_weights(again, tmp_path / "judge.safetensors") == first.record


def test_the_command_writes_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(judge_training.EPOCHS, "digits", 1)
    judge_training.main(["digits", "--folder", str(tmp_path)])
    assert (tmp_path / "judge_digits.safetensors").is_file()
    assert "accuracy 0." in capsys.readouterr().out


def test_weights_are_small_and_say_where_they_come_from(judge, name):
    assert weights_of(name).stat().st_size < 250_000
    record = judge.record
    assert record["made_by"].endswith(f"train_judge('{name}')") and "gdmlib.data" in record["data"]
    assert {"training", "measured_on", "seed", "torch", "gdmlib"} <= set(record)
    assert int(record["parameters"]) == sum(p.numel() for p in judge.parameters())
    assert not any(p.requires_grad for p in judge.parameters()) and not judge.training


def test_glyphs_of_the_test_are_in_fonts_of_their_own():
    (_, _), tests = judge_training.glyphs(400)
    assert {len(part[0]) for part in tests.values()} == {
        sum(data.fonts.FONTS[f].file in judge_training.HELD_OUT for f in fonts)
        if about == "accuracy"
        else sum(data.fonts.FONTS[f].file not in judge_training.HELD_OUT for f in fonts)
        for about, fonts in (
            (about, data.glyphs(200, size=16, split="test").attributes["font"].tolist())
            for about in tests
        )
    }


def test_blends_hold_the_shares_of_their_classes(generator):
    x = torch.eye(4)[:, None, None, :].expand(4, 1, 2, 4).repeat(25, 1, 1, 1)
    y = torch.arange(4).repeat(25)
    blended, shares = judge_training.mix(x, y, 4, generator)
    assert torch.allclose(blended[:, 0, 0], shares)
    assert torch.allclose(shares.sum(1), torch.ones(100)) and (shares.amax(1) >= 0.5).all()
    pure = shares.amax(1) == 1
    assert 75 <= int(pure.sum()) < 90


def test_gradients_reach_the_pictures():
    judge, x = Judge.load("digits"), torch.full((2, 1, 8, 8), 0.5, requires_grad=True)
    judge.score(x, torch.tensor([1, 2])).sum().backward()
    assert x.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Judge.load("mnist"), "name: expected one of glyphs, digits, got 'mnist'"),
        (lambda: judge_training.train_judge("faces"), "name: expected one of glyphs, digits"),
        (lambda: Judge((1, 6, 8)), r"multiples of 4, got \(1, 6, 8\); pad"),
        (lambda: Judge((8, 8)), r"event_shape: expected \(channels, height, width\)"),
        (lambda: Judge((1, 8, 8), classes=1), "classes: expected at least 2"),
        (lambda: Judge((1, 8, 8), features=0), "features: expected at least 1"),
        (lambda: Judge((1, 8, 8), channels=(0, 2)), "channels: expected at least 1"),
    ],
)
def test_judges_that_cannot_be(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.zeros(2, 1, 16, 16), r"x: expected shape \(B, 1, 8, 8\), got \(2, 1, 16, 16\)"),
        (torch.zeros(2, 1, 8, 8).double(), "x: expected torch.float32 like the model"),
        (torch.full((2, 1, 8, 8), -1.0), r"pictures in \[0, 1\], got values from -1 .*\(x \+ 1\)"),
        (torch.full((2, 1, 8, 8), math.nan), "NaN or infinite"),
        (torch.zeros(0, 1, 8, 8), "at least one element"),
    ],
)
def test_pictures_that_cannot_be_judged(x, words):
    judge = Judge((1, 8, 8), features=8, generator=Generator().manual_seed(0)).eval()
    for call in (judge.features, judge.probs, judge.predict):
        with pytest.raises(ValueError, match=words):
            call(x)
    assert math.isnan(judge.accuracy)
    with pytest.raises(ValueError, match="y: expected labels 0 to 9"):
        judge.score(torch.zeros(1, 1, 8, 8), torch.tensor([10]))
