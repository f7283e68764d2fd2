r"""Spline couplings: a monotone curve for each number, whose knots the other half chooses.

Durkan, Bekasov, Murray and Papamakarios (2019, https://arxiv.org/abs/1906.04032). Between two knots
:math:`(x_k, y_k)` and :math:`(x_{k+1}, y_{k+1})` with slopes :math:`\delta_k, \delta_{k+1}` the
curve is the quotient of two parabolas: with :math:`\xi = (x - x_k) / (x_{k+1} - x_k)` and the
slope s of the chord,

.. math::

    y = y_k + \frac{(y_{k+1} - y_k) [s \xi^2 + \delta_k \xi (1 - \xi)]}
                   {s + [\delta_{k+1} + \delta_k - 2 s] \xi (1 - \xi)}

(equation 4). It has an inverse by the formula for quadratic equations, and its derivative is known
(equation 5). Where an affine coupling can only stretch, a spline can tear two modes apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad, softplus

from gdmlib._checks import check_count, check_tensor
from gdmlib.latent.coupling import Coupling, stack
from gdmlib.latent.flow import Flow, Mapped

MIN_SIZE = 1e-3
"""No bin is narrower or lower than this share of all, and no slope is smaller."""


class SplineCoupling(Coupling):
    """Move one half along curves whose knots the other half chooses.

    The curves are the identity outside of ±``bound``, so data should be standardised.

    Args:
        event_shape, mask, flip, hidden, channels, gate, generator: See `Coupling`.
        bins: The number of bins between the knots.
        bound: Where the curves begin and end.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        bins: int = 8,
        bound: float = 4.0,
        mask: str = "halves",
        flip: bool = False,
        hidden: int | Iterable[int] = (64, 64),
        channels: int | Iterable[int] | None = None,
        gate: str = "tanh",
        generator: Generator | None = None,
    ) -> None:
        self.bins = check_count(bins, "bins", least=2)
        self.bound = _check_curve(self.bins, bound)
        self.steps = 3 * self.bins - 1
        super().__init__(
            event_shape,
            mask=mask,
            flip=flip,
            hidden=hidden,
            channels=channels,
            gate=gate,
            generator=generator,
        )

    def _move(self, x: Tensor, steer: tuple[Tensor, ...]) -> Mapped:
        return self._curve(x, steer, inverse=False)

    def _move_back(self, y: Tensor, steer: tuple[Tensor, ...]) -> Mapped:
        return self._curve(y, steer, inverse=True)

    def _curve(self, x: Tensor, steer: tuple[Tensor, ...], inverse: bool) -> Mapped:
        table = knots(torch.stack(steer, dim=1), self.bins, self.bound)
        return _spline(x, *table, self.bound, inverse)


class SplineFlow(Flow):
    """Spline couplings that keep the one and the other half in turn, data standardised first.

    Args:
        event_shape, layers, hidden, channels, gate, levels, generator: See `RealNVP`.
        bins, bound: See `SplineCoupling`.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        layers: int = 4,
        bins: int = 8,
        bound: float = 4.0,
        hidden: int | Iterable[int] = (64, 64),
        channels: int | Iterable[int] | None = None,
        gate: str = "tanh",
        levels: int = 1,
        generator: Generator | None = None,
    ) -> None:
        options = {
            "bins": bins,
            "bound": bound,
            "hidden": hidden,
            "channels": channels,
            "gate": gate,
            "generator": generator,
        }
        super().__init__(
            event_shape, stack(SplineCoupling, event_shape, layers, levels, True, options)
        )


def rational_quadratic(
    x: Tensor, steer: Tensor, *, bound: float = 4.0, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """Return values of the curves and the logarithms of their slopes, both (B, d).

    Args:
        x: Numbers, (B, d).
        steer: Free numbers that give each its curve, (B, 3 · bins - 1, d): those of the widths, of
            the heights, and of the slopes at the inner knots. All 0 is the identity.
        bound: The curves are the identity outside of ±bound.
        inverse: Whether to go from y to x instead.
    """
    check_tensor(x, "x", ndim=2, floating=True)
    check_tensor(steer, "steer", shape=(len(x), "3 · bins - 1", x.shape[1]), like=x)
    if steer.shape[1] < 5 or steer.shape[1] % 3 != 2:
        raise ValueError(
            f"steer: expected 3 · bins - 1 numbers for each x, 5, 8, 11 ..., got {steer.shape[1]}"
        )
    bins = (steer.shape[1] + 1) // 3
    bound = _check_curve(bins, bound)
    return _spline(x, *knots(steer, bins, bound), bound, inverse)


def _check_curve(bins: int, bound: float) -> float:
    """Return the bound, if so many bins have room within it."""
    if bins * MIN_SIZE > 0.5:
        raise ValueError(f"bins: expected at most {0.5 / MIN_SIZE:.0f}, got {bins}")
    if not 0 < bound < math.inf:
        raise ValueError(f"bound: expected a positive number, got {bound}")
    return float(bound)


def knots(steer: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the places of the knots, x and y, and the slopes there, each (B, bins + 1, d)."""
    widths, heights, slopes = steer.split([bins, bins, bins - 1], dim=1)
    inner = MIN_SIZE + softplus(slopes + math.log(math.expm1(1 - MIN_SIZE)))  # 0 stays slope 1
    return _places(widths, bound), _places(heights, bound), pad(inner, (0, 0, 1, 1), value=1.0)


def _places(free: Tensor, bound: float) -> Tensor:
    shares = MIN_SIZE + (1 - MIN_SIZE * free.shape[1]) * torch.softmax(free, dim=1)
    inner = (2 * bound) * shares[:, :-1].cumsum(dim=1) - bound
    # The ends are exact: a sum that is rounded would leave a gap.
    return pad(pad(inner, (0, 0, 1, 0), value=-bound), (0, 0, 0, 1), value=bound)


def _spline(
    x: Tensor, across: Tensor, up: Tensor, slopes: Tensor, bound: float, inverse: bool
) -> tuple[Tensor, Tensor]:
    inside = x.abs() < bound
    clipped = torch.where(inside, x, torch.zeros_like(x))
    grid = (up if inverse else across)[:, 1:-1]
    bin_ = (clipped[:, None] >= grid).sum(dim=1, keepdim=True)

    def at(table: Tensor, shift: int = 0) -> Tensor:
        return table.gather(1, bin_ + shift)[:, 0]

    left, low, start, end = at(across), at(up), at(slopes), at(slopes, 1)
    width, height = at(across, 1) - left, at(up, 1) - low
    chord = height / width
    bend = start + end - 2 * chord
    if inverse:
        above = clipped - low
        a = height * (chord - start) + above * bend
        b = height * start - above * bend
        c = -chord * above
        root = (b.square() - 4 * a * c).clamp(min=0).sqrt()
        xi = 2 * c / (-b - root)
    else:
        xi = (clipped - left) / width
    both = xi * (1 - xi)
    below = chord + bend * both
    slope = chord.square() * (end * xi.square() + 2 * chord * both + start * (1 - xi).square())
    log_slope = slope.log() - 2 * below.log()
    if inverse:
        y, log_slope = left + xi * width, -log_slope
    else:
        y = low + height * (chord * xi.square() + start * both) / below
    return torch.where(inside, y, x), torch.where(inside, log_slope, torch.zeros_like(x))
