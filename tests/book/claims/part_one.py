"""Claims of lessons 01 to 03."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch

from gdmlib import densities
from tests.book.claims.registry import claim


@claim("01", "bandwidth")
def bandwidth() -> None:
    """The score of used numbers rises for ever, that of others falls."""
    draws = torch.randn(2000, generator=torch.Generator().manual_seed(0)).double()
    points, others = draws[:1000], draws[1000:]

    def score(x: torch.Tensor, h: float) -> float:
        bump = -((x[:, None] - points) ** 2) / (2 * h**2) - math.log(h * math.sqrt(2 * math.pi))
        return float((bump.logsumexp(1) - math.log(len(points))).mean())

    used, new = ([score(x, h) for h in (1e-2, 1e-5, 1e-8)] for x in (points, others))
    assert used[0] < used[1] < used[2] and used[2] > 5  # no stop at 0
    assert new[0] > new[1] > new[2] and new[2] < -1e6


@claim("01", "pushed")
def pushed() -> tuple[str, ...]:
    """z uniform, x = z²: counted in a thin strip round 0.04."""
    x = np.random.default_rng(0).random(2_000_000) ** 2
    counted = np.mean(np.abs(x - 0.04) < 0.001) / 0.002
    exact = 1 / (2 * math.sqrt(0.04))
    assert abs(counted - exact) < 0.1
    return f"{exact:g}", "1", f"{2 * math.sqrt(0.04):g}", f"{1 / math.sqrt(0.04):g}"


@claim("01", "blank-wall")
def blank_wall() -> None:
    """The centre of a Gaussian is denser than each of ten thousand draws; a ratio mends it."""
    generator = torch.Generator().manual_seed(0)
    faces = torch.randn(10_000, 625, generator=generator)  # a face: fine detail everywhere
    wall = torch.zeros(1, 625)

    def log_p(x: torch.Tensor, std: float) -> torch.Tensor:
        return -(x**2).sum(1) / (2 * std**2) - 625 * math.log(std)

    assert (log_p(wall, 1.0) > log_p(faces, 1.0)).all()
    ratio = [log_p(x, 1.0) - log_p(x, 0.5) for x in (wall, faces)]  # walls: a narrower density
    assert (ratio[0] < ratio[1]).all()


@claim("02", "two-humps")
def two_humps() -> tuple[str, ...]:
    """The moments of the data; the divergence the other way round prefers one hump."""
    x = np.linspace(-12, 12, 48_001)

    def bell(mean: float, std: float) -> np.ndarray:
        return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))

    p = (bell(-3, 1) + bell(3, 1)) / 2
    std = math.sqrt(np.trapezoid(p * x**2, x))
    cost = {s: -np.trapezoid(p * np.log(bell(0, s)), x) for s in (1.0, 3.0, std, 3.3)}
    assert min(cost, key=cost.__getitem__) == std

    def reverse(mean: float, std: float) -> float:
        q = bell(mean, std)
        return float(np.trapezoid(q * np.log(np.clip(q, 1e-300, None) / p), x))

    assert reverse(3, 1) < reverse(0, std)
    start = "standard deviation"
    return f"Mean 0 and {start} {std:.2f}", f"Mean 3 and {start} 1", f"Mean 0 and {start} 3"


@claim("02", "conditioned")
def conditioned() -> tuple[str, ...]:
    """The conditional Gaussian of the library."""
    covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]]).double()
    model = densities.MultivariateNormal(torch.zeros(2).double(), covariance)
    known = torch.tensor([1])
    found = [model.conditional(known, torch.tensor([v]).double()) for v in (1.0, 5.0)]
    spread = [float(c.covariance[0, 0].sqrt()) for c in found]
    assert abs(spread[0] - spread[1]) < 1e-9
    means = f"{float(found[0].mean[0]):g} and {float(found[1].mean[0]):g}"
    return (
        f"standard deviation {spread[0]:.2f}; only their means differ, {means}",
        f"standard deviation {1 - 0.8:.2f}",
    )


@claim("02", "falling-em")
def falling_em() -> None:
    """EM never falls; with a covariance divided by N it does."""
    generator = torch.Generator().manual_seed(3)
    x = torch.cat(
        [torch.randn(200, 1, generator=generator), 4 + torch.randn(100, 1, generator=generator)]
    )
    weights, means = torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [1.0]])
    for fault in (False, True):
        model = densities.GaussianMixture(weights, means, torch.ones(2, 1, 1))
        values = []
        for _ in range(4):
            values.append(float(model.log_prob(x).mean()))
            model.em_step(x)
            if fault:
                share = model.weights[:, None, None]
                covariances = model.covariances * share  # divided by N in place of N_k
                model = densities.GaussianMixture(model.weights, model.means, covariances)
        falls = min(b - a for a, b in pairwise(values))
        assert (falls < -1e-3) is fault, values


@claim("03", "separable")
def separable() -> None:
    """The weights go on growing, the loss goes on falling, and neither ends."""
    x = torch.tensor([-2.0, -1.0, 1.0, 3.0]).double()
    y = torch.tensor([0.0, 0.0, 1.0, 1.0]).double()
    w, seen = torch.zeros(()).double(), []
    for step in range(1, 20_001):
        w = w + 0.5 * (x * (y - torch.sigmoid(w * x))).sum()
        if step in (200, 2_000, 20_000):
            loss = torch.nn.functional.softplus((1 - 2 * y) * w * x).sum()
            seen.append((float(w), float(loss)))
    assert seen[0][0] < seen[1][0] < seen[2][0]
    assert seen[0][1] > seen[1][1] > seen[2][1] > 0


@claim("03", "penalised-mean")
def penalised_mean() -> tuple[str, ...]:
    """The library leaves the intercept free; a penalised one would be pulled to one half."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 2, generator=generator).double()
    y = torch.zeros(200).long()
    y[(x[:, 0] + torch.randn(200, generator=generator)).argsort()[-60:]] = 1
    model = densities.LogisticRegression.fit(x, y, l2=50.0)
    mean = float(model.probs(x).detach().mean())
    theta = torch.zeros(3).double()
    design = torch.cat([x, torch.ones(200, 1).double()], 1)
    for _ in range(5_000):  # all three penalised
        theta += 0.005 * (design.T @ (y - torch.sigmoid(design @ theta)) - 50 * theta)
    assert 0.32 < float(torch.sigmoid(design @ theta).mean()) < 0.5
    return f"Exactly {mean:.2f}", "Between 0.30 and 0.50"


@claim("03", "cooled")
def cooled() -> None:
    """Of four numbers only the accuracy stays."""
    generator = torch.Generator().manual_seed(0)
    logit = 3 * torch.randn(500, generator=generator).double() + 1
    y = (torch.rand(500, generator=generator) < torch.sigmoid(logit / 3)).double()

    def measure(a: torch.Tensor) -> tuple[float, float, float]:
        p = torch.sigmoid(a)
        nll = float(torch.nn.functional.binary_cross_entropy(p, y))
        bins = torch.nn.functional.one_hot((p * 10).long().clamp(max=9), 10).double()
        return nll, float((bins.T @ (y - p)).abs().sum() / 500), float(p.mean())

    assert torch.equal(logit > 0, logit / 3 > 0)
    assert all(abs(a - b) > 0.01 for a, b in zip(measure(logit), measure(logit / 3), strict=True))
