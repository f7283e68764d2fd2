r"""How far a bound is from the truth, and why: log p(x) of models with a code.

`grid_log_prob` sums over all codes of one or two numbers; `annealed_importance` estimates the same
for any size (Neal, 2001, doi:10.1023/A:1008923215028; for decoders Wu et al., 2017,
arXiv:1611.04273). `best_gaussian` replaces the encoder by the best normal for each event, which
splits the gap of a bound in two (Cremer, Li and Duvenaud, 2018, arXiv:1801.03558):

.. math::

    \log p(x) - \text{ELBO} = \underbrace{\log p(x) - \text{ELBO}^*}_{\text{approximation}}
    + \underbrace{\text{ELBO}^* - \text{ELBO}}_{\text{amortisation}} .
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count
from gdmlib._random import standard_normal, uniform
from gdmlib.densities.gaussian import standard_log_prob
from gdmlib.latent.latent_model import LatentModel, normal_log_prob
from gdmlib.nn.precision import full_precision


def _exactly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of a model compute in its dtype, and with derivatives, in every mode."""

    @wraps(function)
    def checked(model: LatentModel, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(model, LatentModel):
            raise ValueError(
                f"model: expected a VAE or another LatentModel, got {type(model).__name__}"
            )
        with torch.inference_mode(False):
            return full_precision(function)(model, *args, **kwargs)

    return checked


class Gradients(NamedTuple):
    """Single-sample estimates of a gradient, (n, B, 2 * latent): means, then log-variances."""

    reparametrised: Tensor
    score_function: Tensor


@_exactly
@torch.no_grad()
def grid_log_prob(model: LatentModel, x: Tensor, points: int = 200, limit: float = 5.0) -> Tensor:
    """Return log p(x) by quadrature over all codes, (B, *event_shape) -> (B,), in nats.

    Args:
        model: With one or two numbers in a code.
        x: Events.
        points: Of the grid, along each axis.
        limit: The grid covers [-limit, limit] on each axis.
    """
    if model.latent > 2:
        raise ValueError(
            f"model: a grid has room for codes of 1 or 2 numbers, got {model.latent}; use "
            "annealed_importance, or importance_bound with a large k"
        )
    x, points = model.check(x), check_count(points, "points", least=2)
    if not 0 < limit < math.inf:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    width = 2 * limit / points
    axis = (torch.arange(points, dtype=x.dtype, device=x.device) + 0.5) * width - limit
    codes = torch.cartesian_prod(*[axis] * model.latent).reshape(-1, 1, model.latent)
    chunk = max(2**22 // x.numel(), 1)
    parts = []
    for z in codes.split(chunk):
        parts.append((model._log_likelihood(x, z) + standard_log_prob(z)).logsumexp(dim=0))
    return torch.stack(parts).logsumexp(dim=0) + model.latent * math.log(width)


@_exactly
@torch.no_grad()
def annealed_importance(
    model: LatentModel,
    x: Tensor,
    *,
    steps: int = 100,
    chains: int = 16,
    leapfrogs: int = 5,
    generator: Generator | None = None,
) -> Tensor:
    """Estimate log p(x) by annealed importance sampling, (B, *event_shape) -> (B,), in nats.

    Chains go from q(z | x) to p(z | x) in equal steps, with a Hamiltonian move at each; the size of
    moves adapts to how many were accepted. In expectation the result is at most log p(x).

    Args:
        model: Whose encoder proposes where chains start.
        x: Events.
        steps: From the proposal to the posterior.
        chains: For each event.
        leapfrogs: Of each Hamiltonian move.
        generator: Draws codes, momenta and decisions.
    """
    x = model.check(x)
    steps, chains = check_count(steps, "steps"), check_count(chains, "chains")
    leapfrogs = check_count(leapfrogs, "leapfrogs")
    mean, log_variance = model._encode(x)
    z = model._propose(mean, log_variance, chains, generator)

    def terms(z: Tensor) -> tuple[Tensor, Tensor]:
        target = model._log_likelihood(x, z) + standard_log_prob(z)
        return normal_log_prob(z, mean, log_variance), target

    def force(z: Tensor, share: float) -> Tensor:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            start, target = terms(z)
            return torch.autograd.grad(((1 - share) * start + share * target).sum(), z)[0]

    def energy(z: Tensor, momentum: Tensor, share: float) -> Tensor:
        start, target = terms(z)
        return 0.5 * momentum.square().sum(dim=-1) - (1 - share) * start - share * target

    scale = torch.exp(0.5 * log_variance)  # a move is as long as the proposal is wide
    size = torch.full_like(z[..., :1], 0.3)
    log_weight = torch.zeros_like(z[..., 0])
    for step in range(1, steps + 1):
        start, target = terms(z)
        log_weight += (target - start) / steps
        share = step / steps
        momentum = standard_normal(z.shape, z, generator)
        here, moved, pace = energy(z, momentum, share), z, size * scale
        speed = momentum + 0.5 * pace * force(moved, share)
        for i in range(leapfrogs):
            moved = moved + pace * speed
            last = i == leapfrogs - 1
            speed = speed + (0.5 if last else 1.0) * pace * force(moved, share)
        odds = here - energy(moved, speed, share)
        taken = (uniform(odds.shape, odds, generator).log() < odds)[..., None]
        z = torch.where(taken, moved, z)
        size = torch.where(taken, 1.02 * size, 0.93 * size).clamp(0.01, 1.5)
    return log_weight.logsumexp(dim=0) - math.log(chains)


@_exactly
def best_gaussian(
    model: LatentModel,
    x: Tensor,
    *,
    steps: int = 300,
    lr: float = 0.03,
    samples: int = 100,
    generator: Generator | None = None,
) -> Tensor:
    """Return the ELBO with the best normal q for each event, (B, *event_shape) -> (B,), in nats.

    Args:
        model: Whose encoder says where to start; it is not changed.
        x: Events.
        steps: Of Adam, on means and log-variances, with the learning rate falling to 0.
        lr: The learning rate at the start.
        samples: Codes for each event: 8 in a step, so many at the end.
        generator: Draws the codes.
    """
    x, steps = model.check(x), check_count(steps, "steps")
    samples = check_count(samples, "samples")
    if not 0 < lr < math.inf:
        raise ValueError(f"lr: expected a positive number, got {lr}")
    with torch.no_grad():
        found = [t.clone().requires_grad_() for t in model._encode(x)]

    def bound(k: int) -> Tensor:
        z = model._propose(found[0], found[1], k, generator)
        return model._log_weights(x, z, *found).mean(dim=0)

    with torch.enable_grad():
        adam = torch.optim.Adam(found, lr=lr)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        for _ in range(steps):
            for t, slope in zip(found, torch.autograd.grad(-bound(8).sum(), found), strict=True):
                t.grad = slope
            adam.step()
            falling.step()
    with torch.no_grad():
        return bound(samples)


@_exactly
def gradient_estimates(
    model: LatentModel, x: Tensor, n: int, generator: Generator | None = None
) -> Gradients:
    r"""Estimate the gradient of the mean log-likelihood of codes in two ways, from the same codes.

    The gradient of :math:`\mathbb{E}_{q(z \mid x)} \log p(x \mid z)` by the encoder's means and
    log-variances: through :math:`z = \mu + \sigma \epsilon` (Kingma and Welling, 2014, section
    2.4), and as :math:`\log p(x \mid z)\, \nabla \log q(z \mid x)` (Williams, 1992,
    doi:10.1007/BF00992696).

    Args:
        model: Its own parameters get no gradient.
        x: Events, shape (B, *event_shape).
        n: How many estimates, of one code each.
        generator: Draws the codes.
    """
    x, n = model.check(x), check_count(n)
    with torch.no_grad():
        mean, log_variance = (t.detach() for t in model._encode(x))
    deviation = torch.exp(0.5 * log_variance)
    noise = standard_normal((n, *mean.shape), mean, generator)
    with torch.enable_grad():
        z = (mean + deviation * noise).requires_grad_()
        value = model._log_likelihood(x, z)
        by_code = torch.autograd.grad(value.sum(), z)[0]
    through = torch.cat([by_code, 0.5 * by_code * deviation * noise], dim=-1)
    score = torch.cat([noise / deviation, 0.5 * (noise.square() - 1)], dim=-1)
    return Gradients(through, value.detach()[..., None] * score)
