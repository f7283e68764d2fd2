"""Laws 9 and 10 for comparisons of two sets of samples: closed forms, symmetries, controls.

A law takes the function that it is about, so that a broken one can be shown to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .builders import seeded
from .laws import fail_unless

LAW = "9, closed forms"
Distance = Callable[[Tensor, Tensor], float]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed)).double()


def standardised(n: int, d: int, seed: int) -> Tensor:
    """Return a set whose mean is exactly 0 and whose covariance exactly the identity."""
    x = normal(n, d, seed=seed)
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / (n - 1))).T


def check_frechet_of_normals(distance: Distance) -> None:
    """Of sets with given moments: |m|² + Σ (√λ - √μ)² where the covariances commute."""
    d = 5
    turn = torch.linalg.qr(normal(d, d, seed=3))[0]
    first, second = torch.arange(1.0, d + 1).double(), torch.arange(d, 0, -1).double().sqrt()
    mean = normal(d, seed=4)
    a = standardised(40, d, 1) * first @ turn
    b = standardised(30, d, 2) * second @ turn + mean
    expected = float(mean.square().sum() + (first - second).square().sum())
    _same(distance(a, b), expected, "of normals with one set of axes")
    # In two dimensions tr √M = √(tr M + 2 √det M), with axes of any direction.
    left, right = normal(2, 2, seed=5), normal(2, 2, seed=6)
    a, b = standardised(40, 2, 1) @ left, standardised(30, 2, 2) @ right
    sa, sb = left.T @ left, right.T @ right
    cross = (torch.trace(sa @ sb) + 2 * torch.linalg.det(sa @ sb).sqrt()).sqrt()
    expected = float(torch.trace(sa) + torch.trace(sb) - 2 * cross)
    _same(distance(a, b), expected, "of two normals in the plane")


def check_kernel_of_moments(distance: Distance) -> None:
    """Its mean is Σ_k C(3, k) (E x^k - E y^k)² in one dimension; here 3 (m)² + 3 (s² - 1)² + ..."""
    m, s, n, repeats = 0.5, 1.5, 20, 4000
    moments = [m, s**2 + m**2 - 1, m**3 + 3 * m * s**2]
    expected = sum(c * gap**2 for c, gap in zip((3, 3, 1), moments, strict=True))
    a, b = normal(repeats, n, 1), m + s * normal(repeats, n, 1, seed=1)
    values = torch.tensor([distance(x, y) for x, y in zip(a, b, strict=True)]).double()
    error = float(values.std()) / repeats**0.5
    off = abs(float(values.mean()) - expected) / error
    fail_unless(off < 4, LAW, "kernel_distance", f"its mean is off by {off:.1f} standard errors")
    values = torch.tensor([distance(x, y) for x, y in zip(a[::2], a[1::2], strict=True)]).double()
    off = abs(float(values.mean())) / (float(values.std()) / len(values) ** 0.5)
    fail_unless(off < 4, LAW, "kernel_distance", f"of one distribution: off by {off:.1f} errors")


def check_symmetries(distance: Distance, name: str) -> None:
    """Sets may be exchanged, reordered and turned; a shift of one alone is seen."""
    a, b = normal(30, 4), 1.5 * normal(25, 4, seed=1) + 0.5
    turn, order = torch.linalg.qr(normal(4, 4, seed=2))[0], torch.randperm(30, generator=seeded())
    expected = distance(a, b)
    _same(distance(b, a), expected, f"{name}, exchanged")
    _same(distance(a[order], b), expected, f"{name}, in another order")
    _same(distance(a @ turn, b @ turn), expected, f"{name}, turned")
    seen = distance(a, b + 3) > expected + 1
    fail_unless(seen, LAW, name, "a shift is not seen")


def check_half_spread(coverage: Callable[..., Any]) -> None:
    """With half the spread, only recall tells; with twice the spread, recall does not."""
    real, fake = normal(1000, 64), normal(1000, 64, seed=1)
    narrow = coverage(real=real, fake=0.5 * fake)
    good = narrow.precision > 0.99 and narrow.density > 50 and narrow.coverage > 0.99
    fail_unless(good, LAW, "coverage", f"half the spread: {narrow}")
    fail_unless(narrow.recall < 0.01, LAW, "coverage", f"half the spread: recall {narrow.recall}")
    wide = coverage(real=real, fake=2 * fake)
    ok = wide.precision < 0.01 and wide.recall > 0.99
    fail_unless(ok, LAW, "coverage", f"twice the spread: {wide}")


def check_chance_of_coverage(coverage: Callable[..., Any]) -> None:
    """For two sets of n of one distribution, coverage is 1 - Π (n - i)/(2n - 1 - i) over k factors.

    All neighbours of a real example are equally likely real or fake, whatever the distribution;
    Naeem et al. (2020), arXiv:2002.09797; density is 1.
    """
    n, k, found = 300, 5, []
    for seed in range(20):
        real, fake = normal(n, 2, seed=2 * seed), normal(n, 2, seed=2 * seed + 1)
        found.append(coverage(real=real, fake=fake, k=k))
    missed = 1.0
    for i in range(k):
        missed *= (n - 1 - i) / (2 * n - 1 - i)
    got = sum(each.coverage for each in found) / len(found)
    fail_unless(abs(got - (1 - missed)) < 0.01, LAW, "coverage", f"by chance: {got}, {1 - missed}")
    got = sum(each.density for each in found) / len(found)
    fail_unless(abs(got - 1) < 0.02, LAW, "coverage", f"density by chance: {got}")


def check_memorisation(memorisation: Callable[..., Any]) -> None:
    """Copies are found; nobody else is accused: not half the spread, nor one point for all.

    For those the p-value is uniform over worlds, or lies higher: at most 1 in 5 of 40 is below 0.1,
    where 1 in 10 is expected (more than that by chance for 1 choice of seeds in 25).
    """
    samplers = {
        "honest": lambda seed, train: normal(60, 4, seed=seed),
        "half the spread": lambda seed, train: 0.5 * normal(60, 4, seed=seed),
        "one point": lambda seed, train: 0.1 * normal(1, 4, seed=seed).expand(60, 4),
        "copies": lambda seed, train: train[::2] + 0.01 * normal(*train[::2].shape, seed=seed),
    }
    for name, sampler in samplers.items():
        found = []
        for seed in range(40):
            train, heldout = normal(90, 4, seed=3 * seed), normal(60, 4, seed=3 * seed + 1)
            samples = sampler(3 * seed + 2, train)
            found.append(
                memorisation(samples, train, heldout, permutations=199, generator=seeded())
            )
        accused = sum(each.p_value < 0.1 for each in found) / len(found)
        ok = accused == 1 if name == "copies" else accused <= 0.2
        fail_unless(ok, LAW, "memorisation", f"{name}: accused in {accused:.0%} of the worlds")


def _same(found: float, expected: float, what: str, tolerance: float = 1e-9) -> None:
    gap = abs(found - expected) / (1 + abs(expected))
    fail_unless(gap < tolerance, LAW, what, f"{found}, but {expected} is right")


def check_extrapolation(extrapolated: Callable[..., Any], distance: Distance) -> None:
    """Exact for a bias that is exactly in 1/n, and most of it gone for two normals."""
    exact = extrapolated(lambda x, y: 3 + 5 / len(x), normal(80, 1), normal(90, 1))
    _same(exact.value, 3.0, "of a distance with the bias 5 / n")
    _same(exact.slope, 5.0, "as the slope of a distance with the bias 5 / n")
    d, n, repeats = 16, 200, 40
    scale = torch.linspace(0.5, 1.5, d).double()
    truth = float((scale - 1).square().sum())
    found = []
    for seed in range(repeats):
        a, b = normal(n, d, seed=2 * seed) * scale, normal(n, d, seed=2 * seed + 1)
        found.append(extrapolated(distance, a, b, generator=seeded(seed)))
    values = torch.tensor([each.value for each in found]).double()
    plain = sum(each.distances[0] for each in found) / repeats - truth
    left = float(values.mean()) - truth
    fail_unless(
        abs(left) < 0.15 * plain, LAW, "extrapolated", f"of a bias of {plain:.2f}, {left:.2f} left"
    )


def check_typicality(typicality: Callable[..., Any]) -> None:
    """Both sides are far, data are not, and the p-value of data is uniform."""
    heldout = -normal(500, 32).square().sum(1) / 2
    for name, scale in (("what is denser", 0.6), ("what is sparser", 1.4)):
        batch = -(scale * normal(20, 32, seed=1)).square().sum(1) / 2
        p = typicality(batch, heldout, generator=seeded()).p_value
        fail_unless(p < 0.01, LAW, "typicality", f"the p-value of {name} is {p:.3f}")
    p_values = []
    for seed in range(100):
        batch = -normal(20, 32, seed=seed + 2).square().sum(1) / 2
        p_values.append(typicality(batch, heldout, draws=99, generator=seeded(seed)).p_value)
    low = sum(p <= 0.2 for p in p_values) / 100  # 0.04 is the standard error
    fail_unless(0.06 < low < 0.34, LAW, "typicality", f"{low:.0%} of data have p < 0.2")
