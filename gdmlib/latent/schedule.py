r"""Schedules: how much of the data is left after each step of noise, as values.

Noise is added in steps t = 1, ..., T, from the data at t = 0 to what is nearly pure noise at t = T,

.. math:: q(x_t \mid x_0) = \mathcal N(\sqrt{\bar\alpha_t}\, x_0, (1 - \bar\alpha_t) I)

(Ho, Jain and Abbeel 2020, https://arxiv.org/abs/2006.11239, equation 4), so that the numbers
:math:`1 = \bar\alpha_0 > \bar\alpha_1 > \dots > \bar\alpha_T > 0` say everything. Libraries differ:
in some, time runs from noise at 0 to data at 1, as it does here for `FlowMatching` alone; in
others, a few steps begin below T, though what they begin with is pure noise.

They are kept in float64: close to the data :math:`1 - \bar\alpha_t` is small, and a float32 would
have lost half its digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gdmlib._checks import check_count, check_tensor, check_values


@dataclass(frozen=True, eq=False)
class Schedule:
    """The share of the data's variance that is left after each step.

    Args:
        alpha_bar: From 1 at t = 0 down to more than 0 at t = T, float64, shape (T + 1,).
        time: What a network is told at each step, rising from 0 to at most 1, float64, shape
            (T + 1,); None for t / T.
    """

    alpha_bar: Tensor
    time: Tensor = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        bar = _values(self.alpha_bar, "alpha_bar")
        fits = (bar > 0) & (bar <= 1)
        check_values(bar, "alpha_bar", fits, "shares of more than 0 and at most 1")
        if bar[0] != 1:
            raise ValueError(
                f"alpha_bar: expected 1 at t = 0, the data, got {float(bar[0]):.6g}; the values "
                "are those of t = 0 to T"
            )
        _check_monotone(bar.flip(0), "alpha_bar", "fall from each step to the next")
        steps = len(bar) - 1
        told = torch.arange(steps + 1, dtype=torch.float64) / steps
        time = told if self.time is None else _values(self.time, "time")
        check_tensor(time, "time", shape=(steps + 1,))
        check_values(time, "time", (time >= 0) & (time <= 1), "times from 0 to 1")
        _check_monotone(time, "time", "rise from each step to the next")
        object.__setattr__(self, "alpha_bar", bar)
        object.__setattr__(self, "time", time)

    @property
    def steps(self) -> int:
        """The number T of steps."""
        return len(self.alpha_bar) - 1

    @property
    def beta(self) -> Tensor:
        """The variance that each step adds, of t = 0 to T, shape (T + 1,); 0 at t = 0."""
        bar = self.alpha_bar
        return torch.cat([bar.new_zeros(1), 1 - bar[1:] / bar[:-1]])

    def respaced(self, steps: int) -> Schedule:
        """Return fewer, longer steps over the same noise, from the same T: 50 of 1000, say."""
        steps = check_count(steps, "steps")
        if steps > self.steps:
            raise ValueError(f"steps: expected at most {self.steps}, those there are, got {steps}")
        kept = (torch.arange(steps + 1, dtype=torch.float64) * self.steps / steps).round().long()
        return Schedule(self.alpha_bar[kept], self.time[kept])

    def check_steps(
        self, t: Tensor | int, length: int, *, least: int = 1, name: str = "t"
    ) -> Tensor:
        """Return steps, int64 of shape (length,), if they are whole numbers from least to T."""
        if not isinstance(t, Tensor):
            t = torch.tensor(check_count(t, name, least=least))
        wanted = f"steps from {least} to {self.steps}"
        if t.is_floating_point() or t.dtype == torch.bool:
            raise ValueError(
                f"{name}: expected {wanted}, whole numbers, got {t.dtype}; use {name}.long()"
            )
        t = (t.expand(length) if t.ndim == 0 else check_tensor(t, name, shape=(length,))).long()
        return check_values(t, name, (t >= least) & (t <= self.steps), wanted).cpu()

    def coefficients(self, t: Tensor | int, like: Tensor, *, least: int = 1) -> tuple[Tensor, ...]:
        """Return the square roots of ᾱ_t and of 1 - ᾱ_t, (B, 1, ...), for events ``like``."""
        bar = self.alpha_bar[self.check_steps(t, len(like), least=least)]
        return broadcast(bar, like)

    def forward(self, x0: Tensor, t: Tensor | int, noise: Tensor) -> Tensor:
        """Return events after t steps, (B, ...), t = 0 to T, where this noise was drawn."""
        check_tensor(x0, "x0", floating=True)
        check_tensor(noise, "noise", shape=x0.shape, like=x0)
        signal, scale = self.coefficients(t, x0, least=0)
        return signal * x0 + scale * noise

    def posterior(
        self, x0: Tensor, xt: Tensor, t: Tensor | int, s: Tensor | int | None = None
    ) -> tuple[Tensor, Tensor]:
        r"""Return mean, (B, ...), and variance, (B, 1, ...), of :math:`q(x_s \mid x_t, x_0)`.

        Args:
            x0, xt: Events and their noisy versions, shape (B, ...).
            t: Steps, 1 to T, one number or shape (B,).
            s: Earlier steps, 0 to t - 1; None for t - 1.
        """
        check_tensor(x0, "x0", floating=True)
        check_tensor(xt, "xt", shape=x0.shape, like=x0)
        late = self.check_steps(t, len(x0))
        early = late - 1 if s is None else self.check_steps(s, len(x0), least=0, name="s")
        check_values(early, "s", early < late, "steps before t")
        after, before = self.alpha_bar[late], self.alpha_bar[early]
        ratio = after / before
        clean = before.sqrt() * (1 - ratio) / (1 - after)
        noisy = ratio.sqrt() * (1 - before) / (1 - after)
        variance = (1 - before) * (1 - ratio) / (1 - after)
        return shaped(clean, x0) * x0 + shaped(noisy, x0) * xt, shaped(variance, x0)


def check_schedule(schedule: Schedule) -> Schedule:
    """Return a schedule, if it is one."""
    if not isinstance(schedule, Schedule):
        raise ValueError(f"schedule: expected a Schedule, got {type(schedule).__name__}")
    return schedule


def shaped(values: Tensor, like: Tensor) -> Tensor:
    """Return one value an event, (B,), as (B, 1, ...) in the dtype of the events ``like``."""
    return values.to(like).reshape(-1, *[1] * (like.ndim - 1))


def broadcast(alpha_bar: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the square roots of ᾱ and of 1 - ᾱ, float64 of (B,), as (B, 1, ...) for ``like``."""
    return shaped(alpha_bar.sqrt(), like), shaped((1 - alpha_bar).sqrt(), like)


def linear_schedule(steps: int, *, low: float = 1e-4, high: float = 0.02) -> Schedule:
    """Let the variance of a step rise linearly (Ho et al. 2020, section 4).

    Args:
        steps: T.
        low, high: The first and the last variance if there were 1000 steps; with fewer, the steps
            are so much larger, and what is left at the end is about the same; for less than some
            50 steps take ``linear_schedule(1000).respaced(steps)``.
    """
    steps = check_count(steps, "steps")
    scale = 1000 / steps
    if not 0 < low <= high < math.inf:
        raise ValueError(f"low, high: expected 0 < low <= high, both finite, got {low} and {high}")
    beta = torch.linspace(low * scale, high * scale, steps, dtype=torch.float64).clamp(max=0.999)
    return _of_variances(beta)


def cosine_schedule(steps: int, *, offset: float = 0.008, largest: float = 0.999) -> Schedule:
    r"""Let :math:`\sqrt{\bar\alpha}` fall along a cosine, by no step too fast.

    Nichol and Dhariwal 2021, https://arxiv.org/abs/2102.09672, equation 17.

    Args:
        steps: T.
        offset: Keeps the first steps from being too small to see.
        largest: The most variance that a step may add, below 1.
    """
    steps = check_count(steps, "steps")
    if not 0 < largest < 1:
        raise ValueError(f"largest: expected a variance between 0 and 1, got {largest}")
    if not 0 <= offset < math.inf:
        raise ValueError(f"offset: expected a number of at least 0, got {offset}")
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    bar = torch.cos((t + offset) / (1 + offset) * math.pi / 2).square()
    return _of_variances((1 - bar[1:] / bar[:-1]).clamp(max=largest))


def geometric_schedule(steps: int, *, low: float = 0.01, high: float = 10.0) -> Schedule:
    r"""Let the noise beside the data grow by the same factor in each step.

    :math:`\sqrt{(1 - \bar\alpha_t) / \bar\alpha_t}`, the noise on the data's scale, is geometric
    (Song et al. 2021, https://arxiv.org/abs/2011.13456, appendix C), so that as many steps are
    spent between 0.01 and 0.1 as between 0.1 and 1: right where much is known of the data.

    Args:
        steps: T, at least 2.
        low, high: This noise at t = 1 and t = T.
    """
    steps = check_count(steps, "steps", least=2)
    if not 0 < low < high < math.inf:
        raise ValueError(f"low, high: expected 0 < low < high, both finite, got {low} and {high}")
    noise = torch.logspace(math.log2(low), math.log2(high), steps, base=2, dtype=torch.float64)
    return Schedule(torch.cat([noise.new_ones(1), 1 / (1 + noise.square())]))


def _of_variances(beta: Tensor) -> Schedule:
    return Schedule(torch.cat([beta.new_ones(1), (1 - beta).cumprod(0)]))


def _values(x: Tensor, name: str) -> Tensor:
    check_tensor(x, name, ndim=1)
    if x.dtype != torch.float64:
        raise ValueError(f"{name}: expected torch.float64, got {x.dtype}; compute it in float64")
    if len(x) < 2:
        raise ValueError(f"{name}: expected the values of t = 0 to T, at least two, got {len(x)}")
    return x.detach().clone().cpu()


def _check_monotone(rising: Tensor, name: str, wanted: str) -> None:
    if not bool((rising.diff() > 0).all()):
        raise ValueError(
            f"{name}: expected values that {wanted}, got {int((rising.diff() <= 0).sum())} of "
            f"{len(rising) - 1} steps that do not"
        )
