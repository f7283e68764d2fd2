"""The perceptual distance, measures of the luma, and the weights behind them."""

from __future__ import annotations

import pytest
import torch

from gdmlib import data, metrics
from gdmlib.metrics import perceptual_training
from gdmlib.nn.photo_features import CLASSES, SIZES, PhotoFeatures


def patches(name="chelsea", side=96):
    x = data.photographs()[name][None]
    squares = x.unfold(2, side, side).unfold(3, side, side)
    return squares.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def blurred(x):
    return torch.nn.functional.avg_pool2d(x, 5, stride=1, padding=2, count_include_pad=False)


def test_equal_pictures_are_at_distance_0_and_order_does_not_matter():
    x, y = patches(), blurred(patches())
    assert float(metrics.perceptual_distance(x, x).abs().max()) == 0
    there, back = metrics.perceptual_distance(x, y), metrics.perceptual_distance(y, x)
    assert there.dtype == torch.float64 and there.shape == (len(x),)
    assert torch.allclose(there, back) and float(there.min()) > 0


def test_it_grows_with_noise_and_blur(generator):
    x = patches()
    noise = torch.randn(x.shape, generator=generator)
    for spoilt in (blurred(x), (x + 0.1 * noise).clamp(0, 1)):
        amounts = (0.25, 0.5, 1.0)
        found = [metrics.perceptual_distance(torch.lerp(x, spoilt, a), x).mean() for a in amounts]
        assert found[0] < found[1] < found[2]


def test_at_equal_error_a_blur_is_worse_than_another_light():
    """PSNR cannot tell the two, people can: Wang et al. (2004), figure 2."""
    x = 0.2 + 0.6 * patches()
    y = blurred(x)
    error = (y - x).square().flatten(1).mean(1).sqrt()
    lit = x + error[:, None, None, None]
    assert torch.allclose(metrics.psnr(lit, x), metrics.psnr(y, x), atol=1e-2)
    better = metrics.perceptual_distance(lit, x) < metrics.perceptual_distance(y, x)
    assert float(better.double().mean()) > 0.9


def test_nothing_can_be_trained_to_please_it():
    x = patches()[:1].requires_grad_(True)
    assert not metrics.perceptual_distance(x, x.detach().flip(3)).requires_grad


def test_the_features_of_losses_are_others():
    ours, theirs = PhotoFeatures.load("metric"), PhotoFeatures.load("content")
    assert SIZES["metric"] != SIZES["content"]
    assert ours.record["seed"] != theirs.record["seed"]
    first = next(iter(ours.parameters())), next(iter(theirs.parameters()))
    assert not torch.allclose(*first, atol=1e-2)


@pytest.mark.parametrize("name", SIZES)
def test_the_stated_accuracy_is_measured_again(name):
    model = PhotoFeatures.load(name)
    x, y = perceptual_training.patches(2_000, torch.Generator().manual_seed(100))
    seen = perceptual_training.disguise(x, torch.Generator().manual_seed(101))
    found = float((model.logits(seen).argmax(1) == y).double().mean())
    assert found == pytest.approx(float(model.record["accuracy"]), abs=0.01)
    assert found > 10 / CLASSES


def test_features_can_be_trained_again():
    model = perceptual_training.train_features("metric", patches_seen=200, progress=False)
    assert float(model.record["accuracy"]) < 0.2 and model.record["seed"] == "1"
    with pytest.raises(ValueError, match="name: expected one of content, metric"):
        perceptual_training.train_features("taste")
    with pytest.raises(ValueError, match="name: expected one of content, metric"):
        PhotoFeatures.load("taste")


def test_test_photographs_are_not_among_those_of_the_features():
    assert not {"chelsea", "coffee"} & perceptual_training.PLACES.keys()
    assert len(perceptual_training.squares()) == CLASSES


def test_wrong_pictures_are_named():
    x = torch.rand(2, 3, 16, 16)
    with pytest.raises(ValueError, match=r"x: expected pictures in \[0, 1\].*x.clamp"):
        metrics.perceptual_distance(2 * x, x)
    with pytest.raises(ValueError, match=r"y: expected shape \(2, 3, 16, 16\)"):
        metrics.perceptual_distance(x, x[:1])
    with pytest.raises(ValueError, match="expected 1 or 3 channels"):
        metrics.perceptual_distance(x[:, :2], x[:, :2])
    with pytest.raises(ValueError, match="at least 8 pixels a side"):
        metrics.perceptual_distance(x[..., :4], x[..., :4])
    with pytest.raises(ValueError, match="gate: expected one of elu, relu"):
        PhotoFeatures(((2,),), gate="tanh")
    with pytest.raises(ValueError, match="stages: expected at least one"):
        PhotoFeatures(())


def test_grey_pictures_are_seen_as_three_equal_colours():
    x = torch.rand(2, 1, 16, 16)
    both = x.expand(-1, 3, -1, -1), x.flip(2).expand(-1, 3, -1, -1)
    assert torch.allclose(
        metrics.perceptual_distance(x, x.flip(2)), metrics.perceptual_distance(*both), atol=1e-6
    )


def test_measures_of_the_luma_leave_out_the_border():
    x = torch.rand(2, 3, 20, 20)
    y = x.clone()
    y[..., :4, :] = 0
    assert float(metrics.on_luma(metrics.psnr, x, y).min()) == float("inf")
    y[:, :, 10, 10] += (
        0.1  # of all colours alike: 219/255 of that in the luma, at one of 144 places
    )
    expected = 10 * torch.log10(144 / torch.tensor(0.1 * 219 / 255).square())
    assert torch.allclose(metrics.on_luma(metrics.psnr, x, y).float(), expected, atol=1e-3)
    assert float(metrics.on_luma(metrics.psnr, x, y, border=0).max()) < 40
    with pytest.raises(ValueError, match="border: leaves nothing"):
        metrics.on_luma(metrics.psnr, x, y, border=10)


def test_psnr_is_one_value_a_picture():
    """The mean of the values of two pictures is not the value of their pooled errors."""
    x = torch.full((2, 1, 4, 4), 128 / 255)
    y = x + torch.tensor([5.0, 50.0])[:, None, None, None] / 255
    found = metrics.psnr(x, y)
    assert found.tolist() == [pytest.approx(34.15, abs=0.01), pytest.approx(14.15, abs=0.01)]
    pooled = -10 * torch.log10((x - y).square().mean())
    assert float(pooled) == pytest.approx(17.12, abs=0.01) and abs(found.mean() - 24.15) < 0.01
