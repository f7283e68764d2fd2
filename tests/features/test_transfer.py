"""Gram matrices, the losses made of them, and painting by descent in pixels."""

from __future__ import annotations

import pytest
import torch

from gdmlib.features import ContentLoss, StyleLoss, gram, paint
from gdmlib.nn.photo_features import PhotoFeatures


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def network():
    made = PhotoFeatures(((6,), (8,)), gate="relu", classes=2, generator=seeded())
    return made.requires_grad_(False)


@pytest.fixture
def picture():
    coarse = torch.rand(1, 3, 8, 8, generator=seeded(1))
    return torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")[0]


def test_a_gram_matrix_is_a_mean_over_places():
    f = torch.randn(2, 3, 4, 5, generator=seeded()).double()
    places = f[0].flatten(1)
    expected = sum(torch.outer(v, v) for v in places.T) / 20
    assert torch.allclose(gram(f)[0], expected)
    shuffled = f.flatten(2)[:, :, torch.randperm(20, generator=seeded())].view(2, 3, 5, 4)
    assert torch.allclose(gram(shuffled), gram(f))  # it does not say where
    assert torch.allclose(gram(f.repeat(1, 1, 2, 3)), gram(f))  # nor how large


def test_the_difference_of_gram_matrices_is_a_distance_of_samples():
    """Li, Wang, Liu and Hou (2017): a squared MMD, the kernel is the squared inner product."""
    f, g = (torch.randn(1, 3, 4, 5, generator=seeded(s)).double() for s in (0, 1))
    a, b = f[0].flatten(1).T, g[0].flatten(1).T
    mmd = (a @ a.T).square().mean() + (b @ b.T).square().mean() - 2 * (a @ b.T).square().mean()
    assert torch.allclose((gram(f) - gram(g)).square().sum(), mmd)
    linear = (a @ a.T).mean() + (b @ b.T).mean() - 2 * (a @ b.T).mean()
    assert not torch.allclose(linear, mmd)


def test_style_knows_no_places_and_content_does(network, picture):
    style, content = StyleLoss(network, picture, scales=2), ContentLoss(network, picture)
    assert float(style(picture)) < 1e-9 and float(content(picture)) < 1e-9
    moved = picture.roll(16, 2)
    other = torch.rand(3, 32, 32, generator=seeded(3))
    assert float(style(moved)) < 0.05 * float(style(other))
    assert float(content(moved)) > 0.5
    assert float(content(picture + 0.01)) < float(content(moved))


def test_style_sees_what_the_eye_sees_of_contrast(network, picture):
    """Standardised by the style picture, not each by itself: a pale copy has another style."""
    style = StyleLoss(network, picture, scales=1)
    pale = picture.mean((1, 2), keepdim=True) + 0.5 * (picture - picture.mean((1, 2), keepdim=True))
    assert float(style(pale)) > 0.05


def test_a_style_of_one_colour_has_a_finite_loss(network, picture):
    loss = StyleLoss(network, torch.full((3, 16, 16), 0.5), scales=2)
    assert torch.isfinite(loss(picture))


def test_painting_descends(network, picture):
    style = StyleLoss(network, picture, scales=2)
    start = torch.rand(3, 32, 32, generator=seeded(5))
    kept = start.clone()
    painting = paint(style, start, steps=30)
    assert torch.equal(start, kept) and not painting.picture.requires_grad
    assert painting.picture.min() >= 0 and painting.picture.max() <= 1
    assert float(style(painting.picture)) < 0.05 * float(style(start))
    assert painting.losses[-1] < painting.losses[0]
    with torch.no_grad():  # a caller's no_grad does not stop it
        assert paint(style, start, steps=2).losses[-1] < painting.losses[0]


def test_content_keeps_a_picture_recognisable(network, picture):
    """With content alone, the picture is found again from noise, stage by stage less exactly."""
    start = torch.rand(3, 32, 32, generator=seeded(4))
    first = paint(ContentLoss(network, picture, stage=0), start, steps=40).picture
    last = paint(ContentLoss(network, picture, stage=1), start, steps=40).picture
    error = [(x - picture).square().mean() for x in (first, last, start)]
    assert error[0] < error[1] < error[2]


def test_a_loss_that_is_not_finite_stops_the_painting(picture):
    with pytest.raises(FloatingPointError, match="the loss became nan; start elsewhere"):
        paint(lambda x: x.sum() * float("nan"), picture, steps=2)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_the_smallest_style_that_is_taken_has_a_loss(scales):
    network = PhotoFeatures.load("content")
    least = network.smallest * 2**scales
    x = torch.rand(3, least, least + 3, generator=seeded(5))
    assert float(StyleLoss(network, x, scales=scales)(x)) < 1e-6
    assert float(StyleLoss(network, x, scales=scales)(x.flip(0))) > 0
    for side in (least - 1, least // 2, 2**scales):
        small = x[:, :side, :side]
        with pytest.raises(ValueError, match=rf"style: expected at least {least} pixels"):
            StyleLoss(network, small, scales=scales)
        with pytest.raises(ValueError, match=rf"x: expected at least {least} pixels"):
            StyleLoss(network, x, scales=scales)(small)


def test_wrong_pictures_are_named(network, picture):
    with pytest.raises(ValueError, match=r"style: expected shape \(3, H, W\), one colour picture"):
        StyleLoss(network, picture[:1])
    with pytest.raises(ValueError, match=r"style: expected a picture in \[0, 1\].*use style.clamp"):
        StyleLoss(network, 255 * picture)
    with pytest.raises(ValueError, match="style: expected at least 16 pixels a side"):
        StyleLoss(network, picture[:, :4])
    with pytest.raises(ValueError, match="style: 1 of 3072 values are NaN"):
        broken = picture.clone()
        broken[0, 0, 0] = float("nan")
        StyleLoss(network, broken)
    with pytest.raises(ValueError, match="scales: expected at least 1"):
        StyleLoss(network, picture, scales=0)
    with pytest.raises(ValueError, match=r"x: expected the shape of the content, \(3, 32, 32\)"):
        ContentLoss(network, picture)(picture[:, :16])
    with pytest.raises(ValueError, match="stage: expected one of -2, -1, 0, 1, got 2"):
        ContentLoss(network, picture, stage=2)
    with pytest.raises(ValueError, match="start: expected shape"):
        paint(lambda x: x.sum(), picture[None])
    with pytest.raises(ValueError, match="f: expected 4 dimensions"):
        gram(picture)
