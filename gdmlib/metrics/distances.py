r"""How far two sets of samples are apart, and how far two honest sets would be.

Both distances are made of averages over the sets, so two draws from one distribution are never at
distance 0: a Fréchet distance of 4.6 between 500 samples and 500 others is what chance alone gives
in 64 dimensions. `with_floor` puts that number beside the value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_tensor
from gdmlib._random import permutation
from gdmlib.metrics.measures import MeanStderr


class Floored(NamedTuple):
    """A distance, and what the same distance is between two sets of real examples.

    Attributes:
        value: Between samples and real examples.
        floor: Between other real examples, as many as there were samples, and the same real ones.
        spread: Standard deviation of the floor from one division of the real examples to the next.
        size: Examples on the side of the samples.
    """

    value: float
    floor: float
    spread: float
    size: int

    def __str__(self) -> str:
        """All with the decimals that the spread's two leading digits need."""
        floor = str(MeanStderr(self.floor, self.spread))
        decimals = len(floor.split()[0].partition(".")[2])
        return f"{self.value:.{decimals}f} (floor {floor}, n = {self.size})"


def check_pair(a: Tensor, b: Tensor, names: tuple[str, str] = ("a", "b")) -> tuple[Tensor, Tensor]:
    """Return two sets of events as rows of float64, (N, d) and (M, d)."""
    a, b = (check_tensor(x, n, floating=True) for x, n in zip((a, b), names, strict=True))
    for x, name in ((a, names[0]), (b, names[1])):
        if x.ndim < 2:
            raise ValueError(
                f"{name}: expected a set of examples, shape (N, d), got {tuple(x.shape)}"
            )
    check_tensor(b, names[1], shape=("M", *a.shape[1:]))
    return a.detach().flatten(1).cpu().double(), b.detach().flatten(1).cpu().double()


def _check_at_least(x: Tensor, name: str, least: int, why: str) -> None:
    if len(x) < least:
        raise ValueError(f"{name}: {why} needs at least {least} examples, got {len(x)}")


def frechet_distance(a: Tensor, b: Tensor) -> float:
    r"""Return the squared Fréchet distance of the normals fitted to two sets.

    .. math:: \|\mu_a - \mu_b\|^2 + \operatorname{tr}\left(\Sigma_a + \Sigma_b
        - 2 (\Sigma_a^{1/2} \Sigma_b \Sigma_a^{1/2})^{1/2}\right)

    It is zero for two sets that agree in means and covariances, whatever else differs, and biased
    upwards by a term in 1/N: compare sets of one size only, and see `with_floor`. On the features
    of an Inception network it is called FID; Heusel et al. (2017), arXiv:1706.08500.

    Args:
        a, b: Features, or anything with as many dimensions: shapes (N, ...) and (M, ...).
    """
    a, b = check_pair(a, b)
    _check_at_least(a, "a", 2, "a covariance")
    _check_at_least(b, "b", 2, "a covariance")
    mean_a, mean_b = a.mean(0), b.mean(0)
    # tr(A'A B'B)^(1/2) is the sum of the singular values of A B', with A'A and B'B the covariances:
    # no square root of a matrix, and nothing lost where a covariance is singular.
    root_a, root_b = _root(a - mean_a), _root(b - mean_b)
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    spread = root_a.square().sum() + root_b.square().sum() - 2 * cross
    return float((mean_a - mean_b).square().sum() + spread.clamp(min=0))


def _root(centred: Tensor) -> Tensor:
    """Return R with R'R the covariance, of at most d rows."""
    scaled = centred / (len(centred) - 1) ** 0.5
    return torch.linalg.qr(scaled, mode="r")[1] if len(scaled) > scaled.shape[1] else scaled


def kernel_distance(a: Tensor, b: Tensor, degree: int = 3) -> float:
    r"""Return the squared maximum mean discrepancy with a polynomial kernel, without bias.

    .. math:: \frac{\sum_{i \neq j} k(a_i, a_j)}{N(N-1)}
        + \frac{\sum_{i \neq j} k(b_i, b_j)}{M(M-1)} - \frac{2 \sum_{ij} k(a_i, b_j)}{N M}, \qquad
        k(x, y) = \left(x^\top y / d + 1\right)^3

    Its mean does not depend on N and M and is zero for two sets of one distribution, so about half
    of such pairs get a negative value. It sees differences of the first three moments. On Inception
    features it is called KID; Bińkowski, Sutherland, Arbel and Gretton (2018), arXiv:1801.01401.

    Args:
        a, b: Features, or anything with as many dimensions: shapes (N, ...) and (M, ...).
        degree: Of the polynomial, and of the moments that are compared.
    """
    degree = check_count(degree, "degree")
    a, b = check_pair(a, b)
    _check_at_least(a, "a", 2, "an average over pairs")
    _check_at_least(b, "b", 2, "an average over pairs")

    def pairs(x: Tensor, y: Tensor) -> float:
        """Return the sum of the kernel over all pairs, a thousand rows at a time."""
        parts = [(rows @ y.T / x.shape[1] + 1).pow(degree).sum() for rows in x.split(1000)]
        return float(torch.stack(parts).sum())

    def within(x: Tensor) -> float:
        itself = float((x.square().sum(1) / x.shape[1] + 1).pow(degree).sum())
        return (pairs(x, x) - itself) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * pairs(a, b) / (len(a) * len(b))


def with_floor(
    distance: Callable[[Tensor, Tensor], float],
    fake: Tensor,
    real: Tensor,
    *,
    repeats: int = 10,
    generator: Generator | None = None,
) -> Floored:
    """Return a distance of samples from real examples, and of real examples from real ones.

    The real examples are divided at random: some, as many as there are samples and at most half,
    take the place of the samples; the others are what both are compared with. So value and floor
    have sets of the same sizes, and the same bias. Averages over ``repeats`` divisions.

    Args:
        distance: Of two sets, such as `frechet_distance`; fake or held-out first, then real.
        fake: Samples, or their features, shape (N, ...).
        real: Real examples, or their features, shape (M, ...); for all of N to be used, M >= 2 N.
        repeats: Divisions of the real examples, at least 2.
        generator: Divides them, and chooses among the samples if there are more than M / 2.
    """
    check_pair(fake, real, ("fake", "real"))
    repeats = check_count(repeats, "repeats", least=2)
    _check_at_least(real, "real", 4, "a floor")
    size = min(len(fake), len(real) // 2)
    values, floors = [], []
    for _ in range(repeats):
        order = permutation(len(real), generator).to(real.device)
        others, reference = real[order[:size]], real[order[size:]]
        chosen = permutation(len(fake), generator)[:size].to(fake.device)
        values.append(float(distance(fake[chosen], reference)))
        floors.append(float(distance(others, reference)))
    value, floor = torch.tensor(values).double(), torch.tensor(floors).double()
    return Floored(float(value.mean()), float(floor.mean()), float(floor.std()), size)
