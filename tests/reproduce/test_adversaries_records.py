"""The records of GANs on MNIST: what known samplers get, and what is kept of the training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gdmlib.adversarial import averaged
from gdmlib.reproduce import adversaries, judged, run
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.settings import SettingError


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def measure(choose, judge, parts, monkeypatch, classes=None):
    """Return name -> metric of a sampler that shows real images of the digits it chooses."""
    labels = torch.arange(40) % 10
    x, y = parts.train
    samples = torch.stack([x[y == label][0] for label in choose(labels)])
    monkeypatch.setattr(adversaries, "drawn", lambda gan, device: (samples, labels))
    job = Job("adversaries", {"samples": 40})
    gan = SimpleNamespace(classes=classes)
    return {m.name: m for m in adversaries._measure(gan, judge, parts.test, job)}


def test_ten_digits_are_covered_and_one_alone_is_not(judge, parts, monkeypatch):
    ten = measure(lambda labels: labels, judge, parts, monkeypatch)
    one = measure(lambda labels: 0 * labels, judge, parts, monkeypatch)
    covered, effective = "digits that are covered", "digits, effective number"
    assert ten[covered].value == 10 and ten[effective].value == pytest.approx(10)
    assert one[covered].value == 1 and one[effective].value == pytest.approx(1)
    real = ten["Fréchet distance, real images"].value
    assert ten["Fréchet distance"].value < 3 * real
    assert one["Fréchet distance"].value > 5 * ten["Fréchet distance"].value


def test_the_digit_asked_for_counts(judge, parts, monkeypatch):
    right = measure(lambda labels: labels, judge, parts, monkeypatch, classes=10)
    wrong = measure(lambda labels: (labels + 1) % 10, judge, parts, monkeypatch, classes=10)
    assert right[judged.SHOWN].value == 1
    assert wrong[judged.SHOWN].value == 0
    # Each digit is shown well, and always the same one: only the spread can tell.
    assert right["spread within a digit, real images 1"].value == pytest.approx(0, abs=1e-6)


def test_the_spread_of_real_images_is_one(judge, parts):
    assert adversaries._spread(judge, parts.test, parts.test).value == pytest.approx(1)
    assert 0.7 < adversaries._spread(judge, parts.train, parts.test).value < 1.4


def test_shares_are_counted_as_the_protocol_says():
    seen = torch.cat([torch.zeros(96), torch.ones(4)]).long()
    assert adversaries.classes_covered(seen) == 1  # 4 of 100 are fewer than 5
    seen[:1] = 1
    assert adversaries.classes_covered(seen) == 2
    halves = torch.tensor([3, 7] * 10)
    assert adversaries.effective_classes(halves) == pytest.approx(2)


@torch.no_grad()
def off(model, classes):
    """Return how far what the last batch norm gives is from mean 0 and deviation 1."""
    last = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)][-1]
    seen = []
    hook = last.register_forward_hook(lambda module, given, made: seen.append(made.clone()))
    told = (torch.arange(2000) % 10,) if classes else ()
    model(torch.randn(2000, 4, generator=seeded(3)), *told)
    hook.remove()
    normed = seen[0]
    if last.affine:  # else the class has scale and shift, behind the norm
        normed = (normed - last.bias.view(1, -1, 1, 1)) / last.weight.view(1, -1, 1, 1)
    mean, std = normed.mean((0, 2, 3)), normed.std((0, 2, 3))
    return max(float(mean.abs().max()), float((std - 1).abs().max()))


@pytest.mark.parametrize("classes", [None, 10])
def test_batch_norm_is_measured_on_the_averaged_weights(classes):
    build = adversaries.conditional if classes else adversaries.unconditional
    sizes = {"latent": 4, "channels": [8, 4], "judge_channels": [4, 8]}
    gan = build((1, 8, 8), **sizes, generator=seeded())
    turns = gan.turns(lr=0.05, average=0.5, noise=seeded(1))
    x = 2 * torch.rand(20, 1, 8, 8, generator=seeded(2)) - 1
    for _ in range(5):
        turns((x, torch.arange(20) % 10) if classes else x)
    model = adversaries.settled(turns, gan, 20)
    assert not any(module.training for module in model.modules())
    before = averaged(turns).eval()
    assert off(model, classes) < 0.15 < off(before, classes)


@pytest.mark.parametrize("name", ["dcgan_mnist", "cgan_mnist"])
def test_directions_and_names(name):
    record = run(name, smoke=True, device="cpu")
    metrics = [record.metric, *(other.metric for other in record.others)]
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert record.metric.name == (judged.SHOWN if name == "cgan_mnist" else "Fréchet distance")
    for metric in metrics:
        assert metric.better == ("lower" if "distance" in metric.name else "higher"), metric.name


def test_training_counts():
    first, last = (
        run("cgan_mnist", smoke=True, device="cpu", changes={"lr": lr, "epochs": 40, "judge_lr": lr,
            "judge_epochs": 60, "samples": 80})
        for lr in (1e-9, 5e-3)
    )  # fmt: skip
    assert last.metric.value > first.metric.value + 0.2


def test_too_many_samples_leave_nothing_for_the_floor():
    with pytest.raises(SettingError, match="samples: expected 4 to 5000"):
        run("dcgan_mnist", smoke=True, device="cpu", changes={"samples": 5001})
