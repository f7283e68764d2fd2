"""The records of models that are judged by their samples: what known samplers get."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib.reproduce import judged, run
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.settings import SettingError


def measure(sampler, judge, parts, monkeypatch):
    """Return name -> metric of a sampler of (labels)."""
    monkeypatch.setattr(judged, "walk", lambda model, labels, *rest: sampler(labels))
    settings = {"sampler_steps": [1], "samples": 40, "guidance": 1.0, "sample_seed": 0}
    found = judged._measure(nn.Identity(), judge, parts, Job("judged", settings))
    return {metric.name: metric for metric in found}


DISTANCE, FLOOR = "Fréchet distance, 1 steps", "Fréchet distance, real images"
RIGHT = "samples that show the digit asked for, 1 steps"


def real(parts):
    x, y = parts.train
    return lambda labels: torch.stack([x[y == label][0] for label in labels])


def test_real_images_are_at_the_floor_and_recognised(judge, parts, monkeypatch):
    found = measure(real(parts), judge, parts, monkeypatch)
    assert found[DISTANCE].value < 3 * found[FLOOR].value
    assert found[RIGHT].value == 1
    assert found["test images that the judge knows"].value > 0.95
    assert found[DISTANCE].count == found[RIGHT].count == 40


def test_one_digit_for_all_is_far_and_mostly_wrong(judge, parts, monkeypatch):
    honest = measure(real(parts), judge, parts, monkeypatch)
    one = measure(lambda labels: real(parts)(0 * labels), judge, parts, monkeypatch)
    assert one[DISTANCE].value > 5 * honest[DISTANCE].value
    assert one[RIGHT].value == pytest.approx(0.1)


def test_digits_that_are_not_those_asked_for_are_near_but_wrong(judge, parts, monkeypatch):
    honest = measure(real(parts), judge, parts, monkeypatch)
    other = measure(lambda labels: real(parts)((labels + 1) % 10), judge, parts, monkeypatch)
    assert other[DISTANCE].value == pytest.approx(honest[DISTANCE].value)
    assert other[RIGHT].value == 0


@pytest.mark.parametrize("name", ["diffusion_mnist", "flow_matching_mnist"])
def test_directions_and_names(name):
    record = run(name, smoke=True, device="cpu")
    metrics = [record.metric, *(other.metric for other in record.others)]
    assert len({metric.name for metric in metrics}) == len(metrics)
    for metric in metrics:
        higher = metric.name.startswith(("samples", "test images"))
        assert metric.better == ("higher" if higher else "lower"), metric.name
    bound = [metric for metric in metrics if metric.unit == "bits/dim"]
    assert len(bound) == (name == "diffusion_mnist")


def test_the_bound_falls_with_training():
    few, many = (
        run("diffusion_mnist", smoke=True, device="cpu", changes={"epochs": epochs, "lr": 0.01})
        for epochs in (1, 60)
    )
    first, last = (record.others[-1].metric.value for record in (few, many))
    assert last < first - 0.5


def test_too_many_samples_leave_nothing_for_the_floor():
    with pytest.raises(SettingError, match="samples: expected 4 to 5000"):
        run("flow_matching_mnist", smoke=True, device="cpu", changes={"samples": 5001})
