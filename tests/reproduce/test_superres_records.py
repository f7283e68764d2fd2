"""The records of super-resolution: what is measured, on what, and that training counts."""

from __future__ import annotations

import pytest
import torch

from gdmlib import metrics
from gdmlib.adversarial import SRResNet
from gdmlib.data.resize import enlarge, luma, shrink
from gdmlib.reproduce import run, superres
from gdmlib.reproduce.settings import STAND_IN


def trial(name, **changes):
    return run(name, smoke=True, device="cpu", changes=changes)


def test_grey_pictures_stay_grey(generator):
    grey = torch.rand(1, 1, 16, 16, generator=generator)
    assert torch.allclose(superres.enlarged(None, grey), enlarge(shrink(grey, 4), 4).clamp(0, 1))
    model = SRResNet(features=4, blocks=1, kernel=3, norm="none", generator=generator)
    made = superres.enlarged(model, grey)
    assert made.shape == grey.shape
    assert torch.allclose(made, superres.enlarged(None, grey), atol=1e-6)  # what it starts as


def test_measures_are_those_of_the_protocol(generator):
    picture = torch.rand(3, 22, 27, generator=generator)
    found = superres.measured(None, [picture], torch.device("cpu"))
    x = picture[None, :, :20, :24]
    made = enlarge(shrink(x, 4), 4).clamp(0, 1)
    inner = (luma(y)[..., 4:-4, 4:-4] for y in (made, x))
    assert torch.allclose(found[0], metrics.psnr(*inner))
    assert torch.allclose(found[2], metrics.perceptual_distance(made, x))


def test_a_record_holds_all_sets_and_measures():
    record = trial("srresnet_x4", lr=0.05)
    names = [record.metric.name, *(other.metric.name for other in record.others)]
    assert names == [f"{m}, {s}" for s in ("Set5", "Set14", "BSD68") for m in superres.MEASURES]
    directions = [record.metric.better, *(other.metric.better for other in record.others)]
    assert directions == ["higher", "higher", "lower"] * 3
    # A rate of nearly nothing leaves the network what it starts as: the bicubic filter.
    still = trial("srresnet_x4", lr=1e-9)
    assert still.metric.value == pytest.approx(still.details["bicubic, PSNR, Set5"], abs=1e-3)
    assert record.metric.value != pytest.approx(still.metric.value, abs=1e-3)


def test_srgan_starts_from_the_srresnet_and_goes_on():
    still = trial("srgan_x4", gan_lr=1e-9)
    first = trial("srresnet_x4")
    assert still.metric.value == pytest.approx(first.metric.value, abs=1e-3)
    moved = trial("srgan_x4", gan_lr=1e-2)
    assert moved.metric.value != pytest.approx(first.metric.value, abs=1e-3)


def test_stand_ins_are_pictures_in_the_unit_interval():
    found = superres.pictures(STAND_IN)
    assert [len(part) for part in found.tests.values()] == [2, 2, 4]
    for x in (*found.train, *found.valid, *found.tests["set5"]):
        assert x.shape[0] == 3 and 0 <= float(x.min()) < float(x.max()) <= 1
