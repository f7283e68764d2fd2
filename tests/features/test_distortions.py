"""Damages of equal error, and what features say about them."""

from __future__ import annotations

import pytest
import torch

from gdmlib import data, metrics
from gdmlib.features import DISTORTIONS, at_error


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pictures():
    return data.photo_patches(16, size=64, split="test", grey=False, generator=seeded()).x


@pytest.mark.parametrize("name", DISTORTIONS)
def test_the_error_is_the_one_that_was_asked_for(name, pictures):
    for x in sorted(pictures, key=lambda x: float(x.var()))[-3:]:
        y = at_error(name, x, 1e-3, generator=seeded())
        error = float((x - y).square().mean())
        assert error == pytest.approx(1e-3, rel=0.3 if name == "JPEG" else 2e-3)
        assert error < 1e-3  # JPEG, too, stays below: its qualities are whole numbers
        assert y.shape == x.shape and torch.equal(y, at_error(name, x, 1e-3, generator=seeded()))
    grey = max(pictures, key=lambda x: float(x.var()))[:1]
    assert at_error(name, grey, 1e-3, generator=seeded()).shape == grey.shape


def test_features_prefer_a_shift_to_a_blur_of_equal_error(pictures):
    """The known answer: nobody sees a shift by a pixel, everybody sees the blur."""
    right = trials = 0
    for x in pictures:
        moved, x = x[:, :, :-1], x[:, :, 1:]
        error = float((moved - x).square().mean())
        if error > 0.25 * float(x.var((1, 2)).mean()):
            continue  # no blur is as wrong as a shift of fine grain
        blurred, trials = at_error("blur", x, error), trials + 1
        gap = metrics.psnr(x[None], moved[None]) - metrics.psnr(x[None], blurred[None])
        assert abs(float(gap)) < 0.02
        distance = metrics.perceptual_distance(x[None].expand(2, -1, -1, -1),
                                               torch.stack([moved, blurred]))  # fmt: skip
        right += int(distance[0] < distance[1])
    assert right == trials >= 8


def test_wrong_damages_are_named(pictures):
    x = pictures[0]
    with pytest.raises(ValueError, match=r"name: expected one of 'blur', .*, got 'rain'"):
        at_error("rain", x, 1e-3)
    with pytest.raises(ValueError, match="error: blur makes an error of at most"):
        at_error("blur", x, 0.5)
    with pytest.raises(ValueError, match="error: expected a positive number"):
        at_error("blur", x, 0.0)
    with pytest.raises(ValueError, match=r"x: expected a picture in \[0, 1\]"):
        at_error("blur", 255 * x, 1e-3)
    with pytest.raises(ValueError, match=r"x: expected 1 or 3 channels, got shape \(2, 64, 64\)"):
        at_error("blur", x[:2], 1e-3)
    with pytest.raises(ValueError, match=r"x: expected shape \(C, H, W\), one picture"):
        at_error("blur", x[None], 1e-3)
