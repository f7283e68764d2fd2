"""The experiment on denoising: which pictures train, and how it is counted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from gdmlib import data
from gdmlib.inverse.denoiser import ConvDenoiser
from gdmlib.metrics import psnr
from gdmlib.reproduce import run
from gdmlib.reproduce.denoising import measured, photographs

SIDE = 5


def richest(picture: Tensor) -> Tensor:
    """Return the square of a picture that varies most, (SIDE, SIDE)."""
    squares = picture[0].unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE).flatten(0, 1)
    return squares[squares.flatten(1).var(dim=1).argmax()]


def nearest(squares: Tensor, picture: Tensor) -> Tensor:
    """Return how near each square comes to one of the picture's, mean squared difference, (K,)."""
    kernels = squares[:, None]
    product = conv2d(picture[None], kernels)[0].flatten(1)
    energy = conv2d(picture[None].square(), torch.ones_like(kernels[:1]))[0].flatten()
    found = energy - 2 * product + kernels.square().sum((1, 2, 3))[:, None]
    return found.min(dim=1).values / SIDE**2


@pytest.fixture(scope="module")
def squares(real_data: object) -> Tensor:
    return torch.stack([richest(x) for x in data.spc15().x])


def test_no_test_picture_is_in_what_trains(squares: Tensor) -> None:
    found = photographs("BSDS500")
    assert (len(found.train), len(found.valid), len(found.test)) == (390, 10, 68)
    trains = found.train + found.valid
    assert min(float(nearest(squares, x).min()) for x in trains) > 1e-4
    for x in found.test:  # whole photographs, at their own place
        same = [y for y in trains if y.shape == x.shape]
        assert min(float((x - y).square().mean()) for y in same) > 1e-3


def test_the_comparison_would_find_them(squares: Tensor) -> None:
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    held_out = [(luma * x).sum(0, keepdim=True) for x in data.bsds500("valid").values()]
    best = torch.stack([nearest(squares, x) for x in held_out]).min(dim=0).values
    assert float(best.max()) < 1e-5


def test_measures_add_noise_of_the_level_and_cut_nothing() -> None:
    model = ConvDenoiser(features=2, blocks=1)  # returns what it sees
    clean = [torch.full((1, 60, 50), 0.5), torch.ones(1, 40, 40)]
    found, _ = measured(model, clean, 25, torch.device("cpu"))
    expected = psnr(torch.zeros(1, 1), torch.full((1, 1), 25 / 255))
    assert float((found - expected).abs().max()) < 0.3


def test_a_trial_reports_three_levels() -> None:
    record = run("denoiser_bsd68", smoke=True)
    assert record.metric.name == "PSNR, noise 25/255"
    names = [other.metric.name for other in record.others]
    assert names == [
        "SSIM, noise 25/255",
        *(f"{m}, noise {s}/255" for s in (15, 50) for m in ("PSNR", "SSIM")),
    ]
