from __future__ import annotations

import math

import pytest
import torch

from gdmlib.data import TOYS, UnknownDatasetError, toy


@pytest.mark.parametrize("name", TOYS)
def test_every_toy(name, generator):
    points = toy(name, 500, generator)
    assert points.name == name and points.x.shape == (500, 2)
    assert points.x.dtype == torch.float32 and points.y.dtype == torch.int64
    assert torch.isfinite(points.x).all()
    assert sorted(points.y.unique().tolist()) == list(range(len(points.classes)))
    assert points.x.abs().max() < 8 and points.x.std() > 0.5
    assert (points.x.mean(0).abs() < 0.35).all(), "centred"
    again = toy(name, 500, torch.Generator().manual_seed(0))
    assert torch.equal(points.x, again.x) and torch.equal(points.y, again.y)
    assert points.source and points.licence and points.columns == ("x1", "x2")


@pytest.mark.parametrize("name", TOYS)
def test_labels_are_uniform(name, generator):
    points = toy(name, 4000, generator)
    expected = 4000 / len(points.classes)
    chi2 = ((points.y.bincount() - expected) ** 2 / expected).sum()
    # The 1e-6 quantile for 7 degrees of freedom, the most there are, is about 41.
    assert chi2 < 41


def test_rings_have_radii_one_and_two(generator):
    rings = toy("two_rings", 2000, generator, noise=0)
    radius = rings.x.norm(dim=1)
    assert torch.allclose(radius, 1.0 + rings.y)
    noisy = toy("two_rings", 2000, generator, noise=0.1)
    assert (noisy.x.norm(dim=1) - 1 - noisy.y).std() == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize("name", ["eight_gaussians", "two_blobs", "blobs"])
def test_mixtures_are_what_they_say(name, generator):
    points = toy(name, 20_000, generator)
    modes, std = points.attributes["modes"], points.attributes["std"]
    assert modes.shape == (len(points.classes), 2) and std.shape == ()
    residual = (points.x - modes[points.y]) / std
    assert residual.mean(0).abs().max() < 0.04
    assert (residual.T.cov() - torch.eye(2)).abs().max() < 0.06
    assert len(points.take([0, 1]).attributes["modes"]) == len(points.classes)


def test_eight_gaussians_stand_on_a_circle(generator):
    modes = toy("eight_gaussians", 1, generator).attributes["modes"]
    assert torch.allclose(modes.norm(dim=1), torch.full((8,), 2.0))
    assert torch.pdist(modes).min().item() == pytest.approx(4 * math.sin(math.pi / 8), rel=1e-5)


def test_checkerboard_fills_every_other_square(generator):
    points = toy("checkerboard", 5000, generator)
    square = points.x.floor().long()
    assert square.min() == -2 and square.max() == 1
    assert (square.sum(1) % 2 == 0).all()
    assert len({tuple(s) for s in square.tolist()}) == 8
    for label in range(8):
        assert len(square[points.y == label].unique(dim=0)) == 1, "a label is a square"


def test_moons_and_spirals_without_noise_do_not_touch(generator):
    for name, gap in (("two_moons", 0.2), ("two_spirals", 0.3)):
        points = toy(name, 2000, generator, noise=0)
        outside = points.x.norm(dim=1) > 0.5 if name == "two_spirals" else points.y >= 0
        first, second = (points.x[(points.y == label) & outside] for label in (0, 1))
        assert torch.cdist(first, second).min() > gap


def test_short_name():
    assert toy("spirals", 3).name == "two_spirals"


def test_global_generator():
    torch.manual_seed(3)
    first = toy("two_moons", 5).x
    assert not torch.equal(first, toy("two_moons", 5).x)
    torch.manual_seed(3)
    assert torch.equal(first, toy("two_moons", 5).x)


def test_bad_input():
    with pytest.raises(UnknownDatasetError, match="did you mean 'two_moons'"):
        toy("two_moon", 10)
    for n in (0, -3, 1.5, True):
        with pytest.raises(ValueError, match="n: expected"):
            toy("two_moons", n)
    for noise in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="noise: expected"):
            toy("two_moons", 10, noise=noise)
