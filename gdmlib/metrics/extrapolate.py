r"""What a distance between two sets would be if both had no end.

A distance made of fitted means and covariances is too large by a term in 1/n, and by how much
depends on the distributions: not even sets of equal sizes make two models comparable. The cure is
to measure at several sizes and to follow the line to 1/n = 0 (Chong and Forsyth, 2020,
arXiv:1911.07023).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count
from gdmlib._random import permutation
from gdmlib.metrics.distances import check_pair


class Extrapolated(NamedTuple):
    """A distance at several sizes, and at none.

    Attributes:
        value: Where the line meets 1/n = 0; as an estimate without bias it can be below 0.
        slope: Of the line: at size n the distance is too large by about slope / n.
        sizes: Examples in each of the two sets, the largest first.
        distances: Mean distance at each size.
    """

    value: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def extrapolated(
    distance: Callable[[Tensor, Tensor], float],
    a: Tensor,
    b: Tensor,
    *,
    halvings: int = 2,
    generator: Generator | None = None,
) -> Extrapolated:
    r"""Return a distance without the bias that two finite sets give it.

    Both sets are cut into 1, 2, 4, ... parts, and the parts compared pair by pair, so that every
    size uses every example. Through the mean distances :math:`D_n` goes the line

    .. math:: D_n = D_\infty + c / n .

    What is left is of the order of 1/n². So the smallest parts should have some times as many
    examples as there are dimensions. The paper varies the number of samples alone, against real
    examples so many that their share of the bias does not matter; here both sets are as small.

    Args:
        distance: Of two sets, such as `gdmlib.metrics.frechet_distance`.
        a, b: Samples, or their features, shapes (N, ...) and (M, ...); of the larger set as many
            are used as the smaller one has, chosen at random.
        halvings: How often the sets are halved, at least 1. More make the line longer and its end
            less straight.
        generator: Chooses the parts.
    """
    check_pair(a, b)
    halvings = check_count(halvings, "halvings")
    n = min(len(a), len(b))
    if n < 2 ** (halvings + 1):
        raise ValueError(
            f"a, b: {halvings} halvings need at least {2 ** (halvings + 1)} examples in each set, "
            f"got {len(a)} and {len(b)}"
        )
    a, b = (x[permutation(len(x), generator)[:n].to(x.device)] for x in (a, b))
    sizes, means = [], []
    for k in range(halvings + 1):
        size = n >> k
        pairs = zip(a.split(size)[: 2**k], b.split(size)[: 2**k], strict=True)
        values = [float(distance(*pair)) for pair in pairs]
        sizes.append(size)
        means.append(sum(values) / len(values))
    inverse = 1 / torch.tensor(sizes, dtype=torch.float64)
    terms = torch.stack([torch.ones_like(inverse), inverse], dim=1)
    line = torch.linalg.lstsq(terms, torch.tensor(means).double()[:, None]).solution[:, 0]
    return Extrapolated(float(line[0]), float(line[1]), tuple(sizes), tuple(means))
