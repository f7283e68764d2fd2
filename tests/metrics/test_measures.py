"""Metrics against what they are by definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage import data as skimage_data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from gdmlib import metrics


def test_nats_is_the_mean_negative_log_likelihood():
    assert metrics.nats(torch.tensor([-1.0, -2.0, -6.0])) == pytest.approx(3.0)
    with pytest.raises(ValueError, match="log_prob: 1 of 2 values are NaN"):
        metrics.nats(torch.tensor([-1.0, math.nan]))
    with pytest.raises(ValueError, match="expected 1 dimension"):
        metrics.nats(torch.zeros(2, 2))


def test_a_uniform_distribution_over_256_levels_costs_8_bits():
    d = 12
    log_prob = torch.full((5,), -d * math.log(256), dtype=torch.float64)
    assert metrics.bits_per_dim(log_prob, d) == pytest.approx(8.0)


@pytest.mark.parametrize("scale", [1.0, 2.0, 255.0, 256.0])
def test_the_scale_undoes_the_change_of_units(scale):
    # Uniform on [0, 256): after division by `scale` the density is scale / 256 per dimension.
    d = 7
    density = torch.full((3,), d * math.log(scale / 256), dtype=torch.float64)
    assert metrics.bits_per_dim(density, d, scale=scale) == pytest.approx(8.0)
    assert metrics.bits_per_dim(float(density[0]), d, scale) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1.0, 0), "num_dims: expected at least 1"),
        ((-1.0, 3, 0.0), "scale: expected a positive"),
        ((-1.0, 3, math.inf), "scale: expected a positive"),
        ((math.nan, 3), "NaN"),
        ((-1.0, 2.5), "num_dims: expected an integer, got 2.5"),
        ((torch.full((5, 64), -1.0), 64), r"expected shape \(N,\).*got \(5, 64\); sum over each"),
    ],
)
def test_bits_per_dim_checks_its_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        metrics.bits_per_dim(*arguments)


def test_mean_and_standard_error():
    result = metrics.mean_and_stderr(torch.tensor([1, 2, 3, 4]))
    assert result.mean == 2.5
    assert result.stderr == pytest.approx(math.sqrt(5 / 3) / 2)
    assert str(metrics.MeanStderr(-13.1792, 0.157)) == "-13.18 ± 0.16"
    with pytest.raises(ValueError, match="at least 2 values"):
        metrics.mean_and_stderr(torch.tensor([1.0]))


def test_the_standard_error_is_the_spread_of_means(generator):
    means = torch.randn(4000, 25, generator=generator).mean(1)
    one = metrics.mean_and_stderr(torch.randn(100_000, generator=generator)[:25])
    assert means.std() == pytest.approx(1 / 5, rel=0.05)
    assert one.stderr == pytest.approx(1 / 5, rel=0.5)


def test_psnr_by_hand_and_by_scikit_image(generator):
    x = torch.rand(3, 1, 9, 8, generator=generator)
    y = (x + 0.1).clone()
    y[1] = x[1]
    ours = metrics.psnr(x, y)
    assert ours.shape == (3,) and ours.dtype == torch.float64
    assert ours[0] == pytest.approx(20.0, abs=1e-4)
    assert ours[1] == math.inf
    z = torch.rand(3, 1, 9, 8, generator=generator)
    for i in range(3):
        theirs = peak_signal_noise_ratio(x[i].numpy(), z[i].numpy(), data_range=2.0)
        assert metrics.psnr(x, z, data_range=2.0)[i] == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize(
    ("mean", "stderr", "text"),
    [
        (0.09884, 0.0321, "0.099 ± 0.032"),
        (25.0812, 0.7, "25.08 ± 0.70"),
        (-151.26, 12.3, "-151 ± 12"),
        (1.0, 0.0, "1 ± 0"),
        (1.5, math.nan, "1.5 ± nan"),
    ],
)
def test_a_mean_has_the_decimals_of_its_error(mean, stderr, text):
    assert str(metrics.MeanStderr(mean, stderr)) == text


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_ssim_with_a_uniform_window_is_scikit_image_s(generator, channels):
    shape = (2, channels, 12, 15) if channels else (2, 12, 15)
    x = torch.rand(shape, generator=generator)
    y = (x + 0.2 * torch.rand(shape, generator=generator)).clamp(0, 1)
    ours = metrics.ssim(x, y, window=7)
    assert ours.shape == (2,) and (ours < 1).all()
    assert torch.allclose(metrics.ssim(x, x), torch.ones(2, dtype=torch.float64))
    for i in range(2):
        planes = [(x[i], y[i])] if not channels else zip(x[i], y[i], strict=True)
        each = [
            structural_similarity(a.double().numpy(), b.double().numpy(), data_range=1.0)
            for a, b in planes
        ]
        assert ours[i] == pytest.approx(sum(each) / len(each))  # colour: mean over the channels


def test_ssim_is_the_paper_s(generator):
    """Equations 13 to 16 of Wang et al. (2004), written out: weights, local moments, the mean."""
    x = torch.rand(2, 1, 16, 20, generator=generator).double()
    y = (x + 0.3 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    line = torch.exp(-(torch.arange(-5.0, 6.0).double() ** 2) / (2 * 1.5**2))
    weights = torch.outer(line, line)[None, None] / line.sum() ** 2

    def mean(values):
        return torch.nn.functional.conv2d(values, weights)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    each = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert torch.allclose(metrics.ssim(x, y), each.mean((1, 2, 3)), atol=1e-4)
    assert (metrics.ssim(x, y) - metrics.ssim(x, y, window=7)).abs().min() > 1e-3  # can be told


def test_reference_values_of_both_protocols():
    """One pair that everybody has: scikit-image's camera, and noise of standard deviation 25."""
    camera = torch.from_numpy(skimage_data.camera()).double()[None] / 255
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 25 / 255, camera.shape))
    pair = camera, (camera + noise).clamp(0, 1)
    assert metrics.ssim(*pair).item() == pytest.approx(0.2905, abs=5e-4)
    assert metrics.ssim(*pair, window=7).item() == pytest.approx(0.3011, abs=5e-4)


def test_ssim_takes_another_window_and_small_images(generator):
    x, y = torch.rand(2, 1, 5, 5, generator=generator), torch.rand(2, 1, 5, 5, generator=generator)
    assert metrics.ssim(x, y, window=3).shape == (2,)
    assert not torch.equal(metrics.ssim(x, y, window=3), metrics.ssim(x, y, window=5))
    with pytest.raises(ValueError, match=r"odd number from 3 to 5, the shorter.*got 11.*Gaussian"):
        metrics.ssim(x, y)
    with pytest.raises(ValueError, match=r"odd number from 3 to 5, the shorter side.*got 7$"):
        metrics.ssim(x, y, window=7)
    with pytest.raises(ValueError, match="odd number"):
        metrics.ssim(x, y, window=4)
    with pytest.raises(ValueError, match=r"expected shape \(N, C, H, W\) or \(N, H, W\)"):
        metrics.ssim(x[0, 0], y[0, 0])


@pytest.mark.parametrize("measure", [metrics.psnr, metrics.ssim])
def test_pairs_of_images_are_checked(measure):
    x = torch.rand(2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"y: expected shape \(2, 1, 8, 8\), got \(2, 1, 8, 9\)"):
        measure(x, torch.rand(2, 1, 8, 9))
    with pytest.raises(ValueError, match="data_range"):
        measure(x, x, data_range=0.0)
    with pytest.raises(ValueError, match="expected a batch of images"):
        measure(x[0, 0, 0], x[0, 0, 0])
    with pytest.raises(ValueError, match="NaN or infinite"):
        measure(x / 0, x)


def test_mode_coverage():
    modes = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    samples = torch.tensor([[0.1, 0.0], [0.0, 0.5], [10.0, 0.5], [5.0, 5.0], [0.0, 10.6]])
    assert metrics.mode_coverage(samples, modes, 0.5) == (2, pytest.approx(3 / 5))
    assert metrics.mode_coverage(samples, modes, 0.5, min_count=2).kept == 1
    assert metrics.mode_coverage(samples, modes, 0.7) == (3, pytest.approx(4 / 5))


def test_mode_coverage_of_the_true_distribution(generator):
    angles = torch.arange(8) * math.pi / 4
    modes = 2 * torch.stack([angles.cos(), angles.sin()], 1)
    which = torch.randint(8, (4000,), generator=generator)
    samples = modes[which] + 0.02 * torch.randn(4000, 2, generator=generator)
    kept, quality = metrics.mode_coverage(samples, modes, radius=0.06, min_count=20)
    assert kept == 8
    # Within three standard deviations in the plane: 1 - exp(-9/2).
    assert quality == pytest.approx(1 - math.exp(-4.5), abs=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"radius": 0.0}, "radius"),
        ({"min_count": 0}, "min_count"),
        ({"modes": torch.zeros(3, 4)}, r"modes: expected shape \(K, 2\)"),
        ({"samples": torch.zeros(0, 2)}, "at least one element"),
    ],
)
def test_mode_coverage_checks_its_arguments(change, words):
    arguments = {"samples": torch.zeros(5, 2), "modes": torch.zeros(3, 2), "radius": 1.0}
    with pytest.raises(ValueError, match=words):
        metrics.mode_coverage(**(arguments | change))


def test_reliability_curve_by_hand():
    probs = torch.tensor([0.0, 0.1, 0.5, 0.55, 0.9, 1.0])
    labels = torch.tensor([0, 1, 1, 0, 1, 1])
    curve = metrics.reliability_curve(probs, labels, bins=2)
    assert curve.counts.tolist() == [3, 3]  # 0.5 is the upper end of the first bin
    assert curve.confidence.tolist() == pytest.approx([0.2, 2.45 / 3])
    assert curve.accuracy.tolist() == pytest.approx([2 / 3, 2 / 3])
    error = metrics.expected_calibration_error(probs, labels, bins=2)
    assert error == pytest.approx(0.5 * (2 / 3 - 0.2) + 0.5 * (2.45 / 3 - 2 / 3))


def test_a_bin_counts_by_its_predictions():
    probs, labels = torch.tensor([0.1, 0.2, 0.3, 0.9]), torch.tensor([0, 0, 0, 0])
    error = metrics.expected_calibration_error(probs, labels, bins=2)
    assert error == pytest.approx(3 / 4 * 0.2 + 1 / 4 * 0.9)


def test_bins_without_predictions_are_left_out():
    curve = metrics.reliability_curve(torch.tensor([0.05, 0.95]), torch.tensor([0, 1]), bins=10)
    assert curve.counts.tolist() == [1, 1]
    assert curve.accuracy.tolist() == [0.0, 1.0]


def test_with_several_classes_the_most_probable_one_counts():
    probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]])
    curve = metrics.reliability_curve(probs, torch.tensor([0, 1, 1]), bins=1)
    assert curve.confidence.tolist() == pytest.approx([1.9 / 3])
    assert curve.accuracy.tolist() == pytest.approx([2 / 3])


def test_a_calibrated_classifier_has_a_small_error(generator):
    probs = torch.rand(50_000, generator=generator)
    labels = (torch.rand(50_000, generator=generator) < probs).long()
    assert metrics.expected_calibration_error(probs, labels) < 0.01
    assert metrics.expected_calibration_error(probs, 1 - labels) > 0.4
    overconfident = torch.sigmoid(3 * torch.logit(probs.clamp(1e-6, 1 - 1e-6)))
    assert metrics.expected_calibration_error(overconfident, labels) > 0.1


@pytest.mark.parametrize(
    ("probs", "labels", "bins", "words"),
    [
        (
            [0.5, 1.5],
            [0, 1],
            10,
            r"probabilities in \[0, 1\], got values from 0.5 to 1.5; apply sigmoid",
        ),
        ([0.5, 0.5], [0, 2], 10, "labels 0 to 1, got values from 0 to 2"),
        ([0.5, 0.5], [0, 1, 1], 10, r"labels: expected shape \(2,\)"),
        ([0.5, 0.5], [0, 1], 0, "bins"),
        ([[0.5, 0.2]], [0], 10, "must add up to 1"),
        ([[[0.5]]], [0], 10, r"expected shape \(N,\) or \(N, K\), got \(1, 1, 1\)"),
        (0.5, [0], 10, "probs: expected shape"),
    ],
)
def test_reliability_checks_its_arguments(probs, labels, bins, words):
    with pytest.raises(ValueError, match=words):
        metrics.reliability_curve(torch.tensor(probs), torch.tensor(labels), bins)
