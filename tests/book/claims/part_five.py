"""Claims of lessons 17 and 18."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch.distributions import Normal

from gdmlib import data, densities, inverse
from tests.book.claims.registry import claim


@claim("17", "singular")
def singular() -> tuple[str, ...]:
    """Ranks, and the shortest solution by the formula that the reason names."""
    generator = torch.Generator().manual_seed(0)
    a, y = torch.randn(3, 8, generator=generator).double(), torch.randn(3).double()
    rank = int(torch.linalg.matrix_rank(a.T @ a))
    shortest = a.T @ torch.linalg.inv(a @ a.T) @ y
    assert (a @ shortest - y).abs().max() < 1e-9
    assert torch.allclose(shortest, torch.linalg.pinv(a) @ y)
    return (f"8 × 8 and has rank {rank}",)


@claim("17", "ridge-weight")
def ridge_weight() -> tuple[str, ...]:
    """The library's ridge, and what a wrong weight gives."""
    one = inverse.Matrix(torch.ones(1, 1).double())
    y = torch.tensor([2.0]).double()
    found = float(inverse.ridge(one, y, noise=0.5, spread=1.0))
    return f"{found:.2f}", "2.00", f"{2 / (1 + 0.5):.2f}", "1.00"


@claim("17", "both-ends")
def both_ends() -> None:
    """The factor that each interval asks for: below 1 for the narrow one, above for the wide."""
    normal = Normal(0.0, 1.0)

    def reach(share: float) -> float:
        return float(normal.icdf(torch.tensor((1 + share) / 2, dtype=torch.float64)))

    assert reach(0.8) / reach(0.92) < 1 < reach(0.999) / reach(0.989)
    assert round((1 - 0.989) / (1 - 0.999)) == 11


@claim("18", "flat-grey")
def flat_grey() -> None:
    """A Gaussian of patches: truth, the most probable patch that agrees with a tenth, flat."""
    generator = torch.Generator().manual_seed(0)
    patches = data.photo_patches(4_000, size=8, generator=generator).x.flatten(1).double()
    prior = densities.MultivariateNormal.fit(patches, ridge=1e-4)
    truth = patches[patches.var(1) > patches.var(1).median()][:50]
    known = torch.randperm(64, generator=generator)[:6].sort().values
    rest = torch.tensor([i for i in range(64) if i not in known.tolist()])
    found = truth.clone()
    for row in found:
        row[rest] = prior.conditional(known, row[known]).mean
    flat = torch.full((1, 64), 0.5).double()
    order = [float(prior.log_prob(x).mean()) for x in (truth, found, flat)]
    assert order[0] < order[1] < order[2]


@claim("18", "diverging")
def diverging() -> None:
    """Ascent on a parabola: beyond twice the inverse curvature each fall is deeper."""
    for eta, rises in ((0.15, True), (0.25, False)):
        x, values = 1.0, []
        for _ in range(12):
            values.append(-5 * x**2)  # curvature 10
            x = x + eta * (-10 * x)
        steps = [b - a for a, b in pairwise(values)]
        assert all(step > 0 for step in steps) is rises
        if not rises:
            assert all(b < a for a, b in pairwise(steps))


@claim("18", "two-priors")
def two_priors() -> None:
    """Two ridge answers that are carried onto the measurement differ where the camera is blind."""
    generator = torch.Generator().manual_seed(0)
    camera = inverse.Matrix(torch.randn(3, 8, generator=generator).double())
    truth, *guesses = torch.randn(3, 8, generator=generator).double()
    answers = [camera.project(guess, camera(truth)) for guess in guesses]
    assert (answers[0] - answers[1]).norm() > 0.1
    assert camera(answers[0] - answers[1]).abs().max() < 1e-9
    assert ((answers[0] - answers[1]).abs() > 1e-6).all()  # every component, for no mask is in play
