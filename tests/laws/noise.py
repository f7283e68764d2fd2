"""Laws 5 and 8 for models that take noise out.

law 5, bounds     the variational bound is, on average, at least the exact -log p of the chain
law 8, operators  score, denoiser and density of every noisy version belong together (Tweedie)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from scipy.stats import kstest, norm
from torch import Tensor

from gdmlib.latent import Denoiser, NoisedMixture

from .builders import seeded
from .laws import FALSE_ALARM, fail_unless

AXIS = torch.linspace(-9, 9, 1801, dtype=torch.float64)
"""Where the density of a chain of one number is computed."""


def chain_log_prob(model: Denoiser) -> Tensor:
    """Return log p(x) of the chain of a model of one number on `AXIS`, by quadrature."""
    chain, cell = model.schedule, AXIS[1] - AXIS[0]
    p = torch.exp(-0.5 * AXIS**2) / math.sqrt(2 * math.pi)
    for t in range(chain.steps, 0, -1):
        with torch.no_grad():
            guess = model.denoise(AXIS[:, None], t)
        mean, variance = chain.posterior(guess, AXIS[:, None], t)
        if t == 1 or model.variance == "large":
            variance = chain.beta[t].expand_as(variance)
        std = variance.sqrt()
        step = torch.exp(-0.5 * ((AXIS - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
        p = cell * p @ step
    return p.log()


def check_bound(name: str, model: Denoiser, draws: int = 2500, points: int = 4) -> None:
    """The bound of some numbers is, on average over the noise, not below the exact value."""
    log_prob = chain_log_prob(model)
    total = float(log_prob.exp().sum() * (AXIS[1] - AXIS[0]))
    fail_unless(abs(total - 1) < 1e-3, "5, bounds", name, f"the chain integrates to {total}")
    z = float(norm.ppf(1 - FALSE_ALARM / points))
    for i in torch.linspace(500, 1300, points).long().tolist():
        x = AXIS[i].expand(draws, 1)
        found = -model.elbo(x, generator=seeded(i))
        slack = z * float(found.std()) / math.sqrt(draws) + 1e-9
        exact = -float(log_prob[i])
        says = f"at {float(AXIS[i]):.2f} the bound is {float(found.mean()):.4f}, below {exact:.4f}"
        fail_unless(float(found.mean()) >= exact - slack, "5, bounds", name, says)


def check_chain_samples(
    name: str, model: Denoiser, sample: Callable[[int], Tensor], n: int = 20_000
) -> None:
    """What a sampler draws follows the density of the chain; at the last step it returns a mean.

    So the density is compared after the noise of the last step has been added.
    """
    cdf = (chain_log_prob(model).exp() * (AXIS[1] - AXIS[0])).cumsum(0)
    last = math.sqrt(float(model.schedule.beta[1]))
    noise = last * torch.randn(n, generator=seeded(7), dtype=torch.float64)
    x = (sample(n)[:, 0] + noise).numpy()
    p = kstest(x, lambda v: torch.from_numpy(_interpolate(v, cdf)).numpy()).pvalue
    fail_unless(p > FALSE_ALARM, "2, sampling", name, f"samples do not follow the chain, p = {p}")


def _interpolate(x: object, cdf: Tensor) -> object:
    import numpy as np

    return np.interp(x, AXIS.numpy(), cdf.numpy())  # type: ignore[arg-type]


def check_tweedie(name: str, model: NoisedMixture, x: Tensor) -> None:
    """At every t, density, score, noise and denoiser of a world that is known agree."""
    law = "8, operators"
    for t in range(1, model.schedule.steps + 1):
        y = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model.log_prob(y, t).sum(), y)
        signal, scale = model.schedule.coefficients(t, x)
        pairs = {
            "score": (model.score_function(x, t), slope),
            "denoiser": (model.denoise(x, t), (x + scale**2 * slope) / signal),
            "noise": (model.noise(x, t), -scale * slope),
        }
        for what, (found, expected) in pairs.items():
            worst = float(((found - expected).abs() / (1 + expected.abs())).max())
            fail_unless(worst < 1e-9, law, name, f"t = {t}: the {what} is off by {worst:.3g}")


def check_marginals(name: str, model: NoisedMixture, points: Tensor) -> None:
    """At every t, the density is that of the data, blurred: by quadrature over two numbers."""
    axis = torch.linspace(-5, 5, 201, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = model.mixture.log_prob(grid).exp() * (axis[1] - axis[0]) ** 2
    for t in range(1, model.schedule.steps + 1):
        signal, scale = (float(v) for v in model.schedule.coefficients(t, points[:1]))
        away = (points[:, None] - signal * grid) / scale
        kernel = torch.exp(-0.5 * away.square().sum(-1)) / (2 * math.pi * scale**2)
        expected = (kernel @ mass).log()
        worst = float((model.log_prob(points, t) - expected).abs().max())
        says = f"t = {t}: log q_t is off by {worst:.3g}"
        fail_unless(worst < 1e-6, "8, operators", name, says)
