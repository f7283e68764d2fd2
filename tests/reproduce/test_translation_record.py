"""The record of pix2pix: both ways of training, the same pairs, and distances that can tell."""

from __future__ import annotations

import pytest
import torch

from gdmlib.reproduce import run, translation
from gdmlib.reproduce.settings import STAND_IN


def trial(**changes):
    return run("pix2pix_bsds", smoke=True, device="cpu", changes=changes)


def test_a_record_holds_both_ways_of_training():
    record = trial()
    names = [record.metric.name, *(other.metric.name for other in record.others)]
    assert names == [
        "Fréchet distance, L1 and game",
        "Fréchet distance of real pictures, L1 and game",
        "distance in features, L1 and game",
        "mean absolute error, L1 and game",
        "Fréchet distance, L1 alone",
        "distance in features, L1 alone",
        "mean absolute error, L1 alone",
    ]
    assert record.metric.value != record.others[3].metric.value


def test_what_is_trained_on_an_error_lowers_it():
    before, after = (trial(lr=lr, epochs=8).others[5].metric.value for lr in (1e-9, 1e-2))
    assert after < 0.9 * before


def test_squares_are_pairs_of_one_place():
    picture = torch.rand(4, 20, 30, generator=torch.Generator().manual_seed(0))
    picture[1:] = picture[:1]  # the answer is the question, three times
    asked, wanted = translation.squares([picture], 6, 8, 0)
    assert torch.equal(asked.expand(-1, 3, -1, -1), wanted)
    assert asked.min() >= -1
    assert asked.max() <= 1
    again, other = (translation.squares([picture], 6, 8, seed)[0] for seed in (0, 1))
    assert torch.equal(again, asked)
    assert not torch.equal(other, asked)


def test_real_pictures_are_as_far_as_the_floor(generator):
    real, others = (torch.rand(n, 3, 16, 16, generator=generator) for n in (200, 400))
    far, floor, apart, error = translation.measured("L1 and game", real, real, others)
    assert far.value == pytest.approx(floor.value, rel=0.2)
    assert apart.value == pytest.approx(0, abs=1e-9)
    assert error.value == 0
    grey = real.mean(dim=1, keepdim=True).expand_as(real)
    assert translation.measured("L1 and game", grey, real, others)[0].value > 2 * floor.value


def test_stand_ins_are_boundaries_and_photographs():
    found = translation.pictures(STAND_IN)
    for picture in found.train + found.test:
        assert picture.shape[0] == 4
        assert picture.min() >= 0
        assert picture.max() <= 1


def test_the_parts_are_those_of_the_data(monkeypatch):
    asked = []

    def stand_in(split, boundaries=False):
        picture = torch.full((1 if boundaries else 3, 5, 6), 1.0)
        asked.append((split, boundaries))
        return {f"{split}-{i}": picture for i in range(2)}

    monkeypatch.setattr(translation, "bsds500", stand_in)
    found = translation.pictures("BSDS500")
    assert {split for split, _ in asked} == {"train", "valid", "test"}
    assert (len(found.train), len(found.test)) == (4, 2)
    assert all(picture.shape == (4, 2, 3) for picture in found.train + found.test)
