"""Numbers for one model: likelihood, pictures in pairs, modes of a toy, calibration."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from gdmlib._checks import check_count, check_labels, check_tensor, check_values


class MeanStderr(NamedTuple):
    """A mean and the standard error of that mean."""

    mean: float
    stderr: float

    def __str__(self) -> str:
        """Both with the decimals that the error's two leading digits need."""
        if not (math.isfinite(self.stderr) and self.stderr > 0):
            return f"{self.mean:.4g} ± {self.stderr:.2g}"
        decimals = max(1 - math.floor(math.log10(self.stderr)), 0)
        return f"{self.mean:.{decimals}f} ± {self.stderr:.{decimals}f}"


class ModeCoverage(NamedTuple):
    """How many modes are kept, and the fraction of samples close to some mode."""

    kept: int
    high_quality: float


class Reliability(NamedTuple):
    """For each bin that is not empty: mean confidence, fraction right, number of predictions."""

    confidence: Tensor
    accuracy: Tensor
    counts: Tensor


def nats(log_prob: Tensor) -> float:
    """Return the mean negative log-likelihood in nats, of log-probabilities in nats, (N,)."""
    return -float(check_tensor(log_prob, "log_prob", ndim=1, floating=True).cpu().double().mean())


def bits_per_dim(log_prob: Tensor | float, num_dims: int, scale: float = 1.0) -> float:
    r"""Return the mean negative log-likelihood in bits per dimension.

    A density has units: it depends on how the data were scaled. If the model saw
    :math:`x = y / s` (pixels :math:`y \in [0, 256)` divided by ``scale`` :math:`s = 256`), then
    :math:`p(y) = s^{-d} p(x)`, and the number that is comparable with a probability of whole grey
    levels is

    .. math:: -\frac{\log p(x)}{d \ln 2} + \log_2 s .

    With uniform noise in [0, 1) added to the whole levels (dequantisation) that number is an upper
    bound of the bits that the discrete model needs (Theis, van den Oord and Bethge, 2016,
    arXiv:1511.01844, section 3.1). A model that gives *probabilities* of levels needs no offset:
    leave ``scale`` at 1.

    Args:
        log_prob: Log-probabilities in nats over the whole event, shape (N,), or their mean.
        num_dims: Dimensions of an event, e.g. 3·32·32.
        scale: What the data were divided by before the model saw them. Mind that grey levels
            divided by 255 have ``scale=255``.
    """
    num_dims = check_count(num_dims, "num_dims")
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale: expected a positive finite number, got {scale}")
    values = torch.as_tensor(log_prob, dtype=torch.float64, device="cpu")
    if values.ndim > 1:
        raise ValueError(
            f"log_prob: expected shape (N,), one number an event, got {tuple(values.shape)}; sum "
            "over each event first: log_prob.flatten(1).sum(dim=1)"
        )
    return nats(values.reshape(-1)) / (num_dims * math.log(2)) + math.log2(scale)


def mean_and_stderr(values: Tensor) -> MeanStderr:
    r"""Return the mean and its standard error :math:`s/\sqrt{N}`, with :math:`s^2` over N-1.

    Args:
        values: Independent values, shape (N,), N at least 2.
    """
    check_tensor(values, "values", ndim=1)
    if len(values) < 2:
        raise ValueError("values: the standard error needs at least 2 values, got 1")
    values = values.cpu().double()
    return MeanStderr(float(values.mean()), float(values.std()) / math.sqrt(len(values)))


def psnr(x: Tensor, y: Tensor, data_range: float = 1.0) -> Tensor:
    r"""Return the peak signal-to-noise ratio of every pair, in decibels.

    :math:`10 \log_{10}(R^2 / \mathrm{MSE})` with the mean over all but the first dimension; equal
    images give infinity.

    Args:
        x, y: Images of the same shape (N, ...).
        data_range: R, the largest minus the smallest possible value.

    Returns:
        Shape (N,), float64.
    """
    _check_pair(x, y, data_range)
    error = (x.double() - y.double()).square().flatten(1).mean(1)
    return 10 * torch.log10(data_range**2 / error)


def ssim(x: Tensor, y: Tensor, data_range: float = 1.0, window: int | None = None) -> Tensor:
    """Return the structural similarity of every pair.

    Wang, Bovik, Sheikh and Simoncelli (2004), doi:10.1109/TIP.2003.819861: the paper's Gaussian
    window (11 x 11, standard deviation 1.5), over all places where it fits into the image. Other
    software slides a uniform window, and gives other numbers: say which protocol a table has.

    Args:
        x, y: Images of the same shape (N, C, H, W), or (N, H, W) for grey ones; colour images get
            the mean over their channels.
        data_range: The largest minus the smallest possible value.
        window: Side of a uniform window instead, an odd number; scikit-image's default is 7.

    Returns:
        Shape (N,), float64; 1 for equal images.
    """
    _check_pair(x, y, data_range)
    if x.ndim not in (3, 4):
        raise ValueError(f"x: expected shape (N, C, H, W) or (N, H, W), got {tuple(x.shape)}")
    side = 11 if window is None else check_count(window, "window")
    shorter = min(x.shape[-2:])
    if side % 2 == 0 or not 3 <= side <= shorter:
        raise ValueError(
            f"window: expected an odd number from 3 to {shorter}, the shorter side of the images, "
            f"got {side}" + (", the side of the Gaussian window" if window is None else "")
        )
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    protocol = gaussian if window is None else {"win_size": window}
    channel_axis = 0 if x.ndim == 4 else None
    pairs = zip(x.detach().cpu().double().numpy(), y.detach().cpu().double().numpy(), strict=True)
    return torch.tensor(
        [
            structural_similarity(
                a, b, data_range=data_range, channel_axis=channel_axis, **protocol
            )
            for a, b in pairs
        ],
        dtype=torch.float64,
    )


def _check_pair(x: Tensor, y: Tensor, data_range: float) -> None:
    check_tensor(x, "x")
    check_tensor(y, "y", shape=tuple(x.shape))
    if x.ndim < 2:
        raise ValueError(f"x: expected a batch of images (N, ...), got shape {tuple(x.shape)}")
    if not data_range > 0:
        raise ValueError(f"data_range: expected a positive number, got {data_range}")


def mode_coverage(
    samples: Tensor, modes: Tensor, radius: float, min_count: int = 1
) -> ModeCoverage:
    """Count the modes that samples reach, and the samples that reach a mode.

    A sample belongs to its nearest mode if it is at most ``radius`` away (for Gaussian modes,
    usually three standard deviations). A mode is kept if at least ``min_count`` samples belong to
    it; the high-quality fraction is the part of all samples that belong to some mode. Protocol:
    Srivastava et al. (2017), arXiv:1705.07761, section 4.1.

    Args:
        samples: Shape (N, d).
        modes: Shape (K, d).
    """
    check_tensor(samples, "samples", ndim=2, floating=True)
    check_tensor(modes, "modes", shape=("K", samples.shape[1]), floating=True)
    if not radius > 0:
        raise ValueError(f"radius: expected a positive distance, got {radius}")
    check_count(min_count, "min_count")
    distance, nearest = torch.cdist(samples.double(), modes.double()).min(1)
    close = distance <= radius
    counts = torch.bincount(nearest[close], minlength=len(modes))
    return ModeCoverage(int((counts >= min_count).sum()), float(close.double().mean()))


def reliability_curve(probs: Tensor, labels: Tensor, bins: int = 10) -> Reliability:
    """Compare what a classifier believes with how often it is right.

    The predictions are sorted into ``bins`` equal intervals of confidence, (0, 0.1], (0.1, 0.2],
    ...; 0 belongs to the first. Guo, Pleiss, Sun and Weinberger (2017), arXiv:1706.04599,
    section 2.

    Args:
        probs: Shape (N,): p(y = 1 | x), and the event is y = 1. Shape (N, K): the probabilities of
            the classes, and the event is that the most probable class is right.
        labels: Integer labels, shape (N,).
    """
    check_tensor(probs, "probs", floating=True)
    if probs.ndim not in (1, 2):
        raise ValueError(f"probs: expected shape (N,) or (N, K), got {tuple(probs.shape)}")
    check_tensor(labels, "labels", shape=(len(probs),), integer=True)
    check_labels(labels, "labels", num_classes=2 if probs.ndim == 1 else probs.shape[1])
    check_count(bins, "bins")
    fits, advice = (probs >= 0) & (probs <= 1 + 1e-6), "; apply sigmoid or softmax to logits first"
    check_values(probs, "probs", fits, "probabilities in [0, 1]", advice)
    probs = probs.double()
    if probs.ndim == 1:
        confidence, right = probs, labels.double()
    else:
        if (probs.sum(1) - 1).abs().max() > 1e-3:
            raise ValueError("probs: the probabilities of every row must add up to 1")
        confidence, guess = probs.max(1)
        right = (guess == labels).double()
    which = ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)
    count = torch.bincount(which, minlength=bins)
    kept = count > 0
    mean_confidence = torch.bincount(which, confidence, minlength=bins)[kept] / count[kept]
    accuracy = torch.bincount(which, right, minlength=bins)[kept] / count[kept]
    return Reliability(mean_confidence, accuracy, count[kept])


def expected_calibration_error(probs: Tensor, labels: Tensor, bins: int = 10) -> float:
    r"""Return :math:`\sum_b \frac{n_b}{N} |\text{accuracy}_b - \text{confidence}_b|`.

    The arguments are those of `reliability_curve`; 0 is perfect. The value depends on ``bins`` and,
    with few examples, is biased upwards. Guo et al. (2017), arXiv:1706.04599, equation 5.
    """
    curve = reliability_curve(probs, labels, bins)
    gap = (curve.accuracy - curve.confidence).abs()
    return float((curve.counts * gap).sum() / curve.counts.sum())
