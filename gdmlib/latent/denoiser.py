r"""What every model of noise removal offers: its guess of the clean event, seen in several ways.

Given :math:`x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon`, a guess
:math:`\hat x_0` of the event is a guess of the noise, and of the score:

.. math:: \hat\epsilon = \frac{x_t - \sqrt{\bar\alpha_t}\, \hat x_0}{\sqrt{1 - \bar\alpha_t}},
    \qquad \nabla \log q_t(x_t) = \frac{\sqrt{\bar\alpha_t}\, \mathbb E[x_0 \mid x_t] - x_t}
    {1 - \bar\alpha_t}

(the latter is Tweedie's formula; Song et al. 2021, https://arxiv.org/abs/2011.13456). And it is one
step of a chain from noise to data, whose log-likelihood has a bound in T + 1 terms (Ho, Jain and
Abbeel 2020, https://arxiv.org/abs/2006.11239, equation 5),

.. math:: -\log p(x_0) \le \underbrace{D(q(x_T | x_0) \Vert p(x_T))}_{L_T} + \sum_{t > 1}
    \underbrace{\mathbb E\, D(q(x_{t-1} | x_t, x_0) \Vert p(x_{t-1} | x_t))}_{L_{t-1}}
    \underbrace{- \mathbb E \log p(x_0 | x_1)}_{L_0} .
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_events
from gdmlib._random import standard_normal
from gdmlib.densities.density import Levels, Model, Support
from gdmlib.latent.schedule import Schedule, check_schedule
from gdmlib.nn.precision import full_precision

VARIANCES = ("large", "small")


@dataclass(frozen=True)
class Ask:
    """What is asked for: events of these classes, (B,), or any; and how strongly."""

    labels: Tensor | None = None
    guidance: float = 1.0

    def __post_init__(self) -> None:
        one = not isinstance(self.guidance, Tensor) or self.guidance.ndim == 0
        if not (one and math.isfinite(self.guidance)):
            raise ValueError(f"guidance: expected a finite number, got {self.guidance}")
        if self.labels is None and self.guidance != 1:
            raise ValueError(
                f"guidance: {self.guidance:.6g} needs labels, for it strengthens what a class "
                "changes; give labels, or leave guidance at 1"
            )


class ShiftedLevels(Support):
    """Multiples of 2 / (levels - 1) from -1 to 1: levels as a diffusion likes them."""

    def __init__(self, levels: int) -> None:
        self.inner = Levels(check_count(levels, "levels", least=2))

    def check(self, x, name, event_shape, like):  # type: ignore[no-untyped-def]
        """Return the events."""
        Support.check(self, x, name, event_shape, like)
        k = (x + 1) / 2 * (self.inner.levels - 1)
        if not bool(((k - k.round()).abs() <= 1e-3).all() and (x.abs() <= 1 + 1e-6).all()):
            low, high = (float(v) for v in x.detach().aminmax())
            raise ValueError(
                f"{name}: expected {self.inner.levels} levels from -1 to 1, got values from "
                f"{low:.6g} to {high:.6g}; use 2 * x - 1 for levels from 0 to 1, and quantise(x, "
                f"{self.inner.levels}) before it"
            )
        return x


class Denoiser(Model, ABC):
    """A model of noise removal: a subclass gives ``_clean``.

    Args:
        schedule: The noise, from the data at t = 0 to T.
        variance: Of a step back in the chain: "large", that of the step of noise, right for data
            that are noise themselves, or "small", that of the posterior, right for one point.
        levels: Number of levels from -1 to 1 for data that have them: the bound is then that of a
            probability. None for a density.
    """

    def __init__(
        self, schedule: Schedule, *, variance: str = "large", levels: int | None = None
    ) -> None:
        super().__init__()
        check_schedule(schedule)
        if variance not in VARIANCES:
            raise ValueError(f"variance: expected one of {VARIANCES}, got {variance!r}")
        self.schedule, self.variance = schedule, variance
        self.levels = None if levels is None else check_count(levels, "levels", least=2)

    @abstractmethod
    def _clean(self, x: Tensor, alpha_bar: Tensor, time: Tensor, ask: Ask) -> Tensor:
        """Return the guess of x0 for valid events, (B, ...), at ᾱ and time, float64 of (B,)."""

    @full_precision
    def denoise(
        self, x: Tensor, t: Tensor | int, labels: Tensor | None = None, guidance: float = 1.0
    ) -> Tensor:
        r"""Return the guess of x0, shaped like x.

        Args:
            x: Noisy events, shape (B, *event_shape).
            t: Steps, 1 to T, one number or shape (B,).
            labels: Classes, shape (B,); None for any.
            guidance: w of :math:`\epsilon_\varnothing + w (\epsilon_c - \epsilon_\varnothing)` (Ho
                and Salimans 2022, https://arxiv.org/abs/2207.12598): 0 ignores the class, 1 asks
                for it, more asks for what the class alone explains.
        """
        x = Support().check(x, "x", self.event_shape, self._like())
        at = self.schedule.check_steps(t, len(x))
        ask = Ask(labels, guidance)
        return self._clean(x, self.schedule.alpha_bar[at], self.schedule.time[at], ask)

    def noise(
        self, x: Tensor, t: Tensor | int, labels: Tensor | None = None, guidance: float = 1.0
    ) -> Tensor:
        """Return the guess of the noise in x, shaped like x; arguments as for `denoise`."""
        clean = self.denoise(x, t, labels, guidance)
        signal, scale = self.schedule.coefficients(t, x)
        return (x - signal * clean) / scale

    def score_function(
        self, x: Tensor, t: Tensor | int, labels: Tensor | None = None, guidance: float = 1.0
    ) -> Tensor:
        """Return the gradient of log q_t at x, by Tweedie; arguments as for `denoise`."""
        clean = self.denoise(x, t, labels, guidance)
        signal, scale = self.schedule.coefficients(t, x)
        return (signal * clean - x) / scale**2

    @torch.no_grad()
    @full_precision
    def bound(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        generator: Generator | None = None,
        schedule: Schedule | None = None,
    ) -> Tensor:
        """Return the terms of the bound in bits per dimension, (B, T + 1): L_0, ..., L_T.

        Each of T passes draws one noise; the sum over the terms is, on average, at least
        -log p(x) / (d log 2).

        Args:
            x: Events, shape (B, *event_shape).
            labels: Classes, shape (B,), for a bound of log p(x | class).
            generator: Draws the noise.
            schedule: Of the chain; None for the model's own, or one that it makes by `respaced`.
        """
        x = self.check(x)
        ask = Ask(labels)
        chain = self.schedule if schedule is None else check_schedule(schedule)
        terms = [self._step_term(x, t, chain, ask, generator) for t in range(1, chain.steps + 1)]
        terms.append(_prior_term(x, float(chain.alpha_bar[-1])))
        return torch.stack(terms, dim=1) / (x[0].numel() * math.log(2))

    def elbo(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        generator: Generator | None = None,
        schedule: Schedule | None = None,
    ) -> Tensor:
        """Return the bound of log p(x) in nats, (B,): minus the sum of `bound`."""
        terms = self.bound(x, labels, generator, schedule)
        return -terms.sum(dim=1) * (x[0].numel() * math.log(2))

    def _step_term(
        self, x: Tensor, t: int, chain: Schedule, ask: Ask, generator: Generator | None
    ) -> Tensor:
        """Return L_{t-1} of each event in nats, (B,)."""
        after, before = float(chain.alpha_bar[t]), float(chain.alpha_bar[t - 1])
        noise = standard_normal(x.shape, x, generator)
        xt = math.sqrt(after) * x + math.sqrt(1 - after) * noise
        at = chain.alpha_bar.new_tensor(t, dtype=torch.int64).expand(len(x))
        guess = self._clean(xt, chain.alpha_bar[at], chain.time[at], ask)
        beta = 1 - after / before
        if t == 1:
            if self.levels is not None:
                return -_level_log_prob(x, guess, math.sqrt(beta), self.levels)
            d = x[0].numel()
            square = _squared(x - guess) / beta
            return 0.5 * (square + d * math.log(2 * math.pi * beta))
        small = (1 - before) / (1 - after) * beta
        variance = beta if self.variance == "large" else small
        shift = before * beta**2 / (1 - after) ** 2 * _squared(x - guess)
        ratio = small / variance
        return 0.5 * (shift / variance + x[0].numel() * (ratio - 1 - math.log(ratio)))


def start(model: Model, n: int, noise: Tensor | None, generator: Generator | None) -> Tensor:
    """Return n events of noise to start from, (n, *event_shape): these, or new ones."""
    like = model._like()
    if noise is None:
        return standard_normal((n, *model.event_shape), like, generator)
    x = check_events(noise, "noise", model.event_shape, like)
    if len(x) != n:
        raise ValueError(f"noise: expected n = {n} events to start from, got {len(x)}")
    return x


def _squared(difference: Tensor) -> Tensor:
    return difference.flatten(1).square().sum(dim=1)


def _prior_term(x: Tensor, left: float) -> Tensor:
    """Return D(q(x_T | x_0) || N(0, I)) in nats, (B,)."""
    d = x[0].numel()
    return 0.5 * (left * _squared(x) - d * (left + math.log1p(-left)))


def _level_log_prob(x: Tensor, mean: Tensor, std: float, levels: int) -> Tensor:
    """Return the log-probability of levels from -1 to 1 under a rounded Gaussian, (B,).

    The outermost levels take the tails (Ho et al. 2020, equation 13).
    """
    half = 1 / (levels - 1)
    x, mean = x.double(), mean.double()
    low, high = (x - half - mean) / std, (x + half - mean) / std
    low = torch.where(x < -1 + half, -math.inf, low)
    high = torch.where(x > 1 - half, math.inf, high)
    flip = low > 0  # both tails are exact on the left side only
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    upper, lower = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
    each = upper + torch.log1p(-(lower - upper).exp())
    return each.flatten(1).sum(dim=1)
