r"""Answers in closed form: least squares, ridge, Wiener's filter.

Ridge is the mode, and the mean, of the posterior under x ~ N(mean, spread² I) and noise of
standard deviation s: its weight is s² / spread². Wiener's filter is the same for pictures whose
waves are independent with known powers (Wiener 1949). Kay 1993, Fundamentals of statistical signal
processing: estimation theory, chapters 11 and 12.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gdmlib._checks import check_above_zero, check_kind, check_not_negative, check_tensor
from gdmlib.inverse.batches import event_of
from gdmlib.inverse.blur import Blur
from gdmlib.inverse.operators import Operator, check_operator


def least_squares(operator: Operator, y: Tensor) -> Tensor:
    r"""Return the event of the smallest norm among those whose A x is nearest to y: A⁺ y."""
    return check_operator(operator).pseudo_inverse(y)


def ridge(
    operator: Operator,
    y: Tensor,
    *,
    noise: float,
    spread: float = 1.0,
    mean: Tensor | float = 0.0,
) -> Tensor:
    r"""Return the x of least :math:`\|A x - y\|^2/s^2 + \|x - \mu\|^2/\text{spread}^2`.

    It is computed as :math:`\mu + A^\top (A A^\top + \lambda I)^{-1} (y - A \mu)`, which equals
    :math:`\mu + (A^\top A + \lambda I)^{-1} A^\top (y - A \mu)`.

    Args:
        operator: A.
        y: Measurements, shape (..., *measurement_shape).
        noise: s, standard deviation of the noise; 0 leaves the pseudo-inverse.
        spread: Standard deviation of every number of an event under the prior.
        mean: :math:`\mu`, an event or one number.
    """
    weight = (check_not_negative(noise, "noise") / check_above_zero(spread, "spread")) ** 2
    y = check_operator(operator).check_measurements(y)
    start = event_of(mean, "mean", operator, y)
    return start + operator.adjoint(operator.solve_gram(y - operator(start), ridge=weight))


def power_spectrum(pictures: Tensor) -> Tensor:
    """Return the mean power of each wave, of pictures less their mean: (B, C, H, W) -> (H, W').

    W' are the W // 2 + 1 waves that `torch.fft.rfft2` keeps.
    """
    check_tensor(pictures, "pictures", ndim=4, floating=True, digits=True)
    waves = torch.fft.rfft2(pictures - pictures.mean((-2, -1), keepdim=True), norm="ortho")
    return waves.abs().square().mean((0, 1))


def wiener(
    operator: Blur, y: Tensor, *, noise: float, power: Tensor, mean: Tensor | float = 0.5
) -> Tensor:
    r"""Return the posterior mean of blurred pictures whose waves are independent Gaussians.

    :math:`\hat x_k = \mu_k + \bar h_k p_k / (|h_k|^2 p_k + s^2) (y_k - h_k \mu_k)` for each wave k.

    Args:
        operator: The blur, whose transfer is h.
        y: Measurements, shape (..., C, H, W).
        noise: s, positive.
        power: p, of the waves; see `power_spectrum`.
        mean: Of the prior, a picture or one number.
    """
    check_above_zero(noise, "noise", advice="; for 0 use least_squares")
    check_kind(operator, "operator", Blur, "a Blur")
    _, height, width = operator.event_shape
    y = operator.check_measurements(y)
    check_tensor(power, "power", shape=(height, width // 2 + 1), floating=True, like=y)
    start = event_of(mean, "mean", operator, y)
    error = operator.rotate(y - operator(start))
    gain = power / (operator.eigenvalues * power + noise**2)
    return start + operator.adjoint(operator.rotate_back(gain * error))
