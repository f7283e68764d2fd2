r"""Samplers: from noise to data along the steps of a schedule, with any model of noise removal.

One loop serves them all. From :math:`x_t` and the guess :math:`\hat x_0` it goes to

.. math:: x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\, \hat\epsilon
    + \sigma z

(Song, Meng and Ermon 2021, https://arxiv.org/abs/2010.02502, equation 12): without new noise, 0, it
is DDIM, an ordinary differential equation in disguise, which needs few steps; with that of the
posterior it is DDPM (Ho, Jain and Abbeel 2020, https://arxiv.org/abs/2006.11239, algorithm 2).
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_positive, check_tensor
from gdmlib._random import standard_normal
from gdmlib.latent.denoiser import Ask, Denoiser, start
from gdmlib.latent.schedule import Schedule, check_schedule
from gdmlib.nn.precision import full_precision

_FEW = 50  # steps of `ddim` where nobody says how many


def ddpm(
    model: Denoiser,
    n: int,
    *,
    steps: int | None = None,
    schedule: Schedule | None = None,
    labels: Tensor | None = None,
    guidance: float = 1.0,
    clip: float | None = None,
    noise: Tensor | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Draw n events by the chain of the model, shape (n, *event_shape).

    Args:
        model: Takes noise out.
        n: How many.
        steps: As for `Schedule.respaced`; None for all steps.
        schedule: Instead of the model's own.
        labels: Classes, shape (n,); None for any.
        guidance: As for `Denoiser.denoise`.
        clip: Keeps every guess of x0 between -clip and clip: 1 for pictures from -1 to 1.
        noise: What to start from, shape (n, *event_shape); None draws it.
        generator: Draws the noise, at the start and in every step.
    """
    n, ask = check_count(n), _ask(n, labels, guidance)
    chain = _chain(model, steps, schedule)
    return _walk(model, n, chain, 1.0, model.variance, ask, clip, noise, generator)


def ddim(
    model: Denoiser,
    n: int,
    *,
    steps: int | None = None,
    schedule: Schedule | None = None,
    eta: float = 0.0,
    labels: Tensor | None = None,
    guidance: float = 1.0,
    clip: float | None = None,
    noise: Tensor | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Draw n events with few steps and, as it is, no new noise, shape (n, *event_shape).

    Args:
        model, n, schedule, labels, guidance, clip, noise: As for `ddpm`.
        steps: As for `Schedule.respaced`; None for 50, or all where there are fewer.
        eta: The share of the posterior's standard deviation that each step adds, 0 to 1; 1 is
            `ddpm` with the small variance.
        generator: Draws the noise to start from and, unless ``eta`` is 0, in every step.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta: expected a number from 0 to 1, got {eta}")
    n, ask = check_count(n), _ask(n, labels, guidance)
    chain = _chain(model, steps, schedule)
    if steps is None and chain.steps > _FEW:
        chain = chain.respaced(_FEW)
    return _walk(model, n, chain, eta, "small", ask, clip, noise, generator)


def _ask(n: int, labels: Tensor | None, guidance: float) -> Ask:
    if labels is not None:
        check_tensor(labels, "labels", shape=(n,), integer=True)
    return Ask(labels, guidance)


def _chain(model: Denoiser, steps: int | None, schedule: Schedule | None) -> Schedule:
    if not isinstance(model, Denoiser):
        raise ValueError(
            f"model: expected a Diffusion or another Denoiser, got {type(model).__name__}"
        )
    chain = model.schedule if schedule is None else check_schedule(schedule)
    return chain if steps is None else chain.respaced(steps)


@torch.no_grad()
def _walk(
    model: Denoiser,
    n: int,
    chain: Schedule,
    eta: float,
    variance: str,
    ask: Ask,
    clip: float | None,
    noise: Tensor | None,
    generator: Generator | None,
) -> Tensor:
    if clip is not None:
        check_positive(torch.tensor(float(clip)), "clip")
    x = start(model, n, noise, generator)
    clean = full_precision(type(model)._clean)
    for t in range(chain.steps, 0, -1):
        after, before = float(chain.alpha_bar[t]), float(chain.alpha_bar[t - 1])
        at = torch.full((len(x),), t)
        guess = clean(model, x, chain.alpha_bar[at], chain.time[at], ask)
        if clip is not None:
            guess = guess.clamp(-clip, clip)
        beta = 1 - after / before
        small = (1 - before) / (1 - after) * beta
        # Where the variance is large, the mean is still that of the posterior.
        rest = math.sqrt(max(1 - before - eta**2 * small, 0.0)) / math.sqrt(1 - after)
        x = math.sqrt(before) * guess + rest * (x - math.sqrt(after) * guess)
        if eta and t > 1:
            spread = eta * math.sqrt(beta if variance == "large" else small)
            x = x + spread * standard_normal(x.shape, x, generator)
    return x
