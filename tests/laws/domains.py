"""Where a density lives, small enough to be exact.

A domain is a rule for sums: points, a weight for each (1 for a finite set, a quadrature weight for
an interval or a box), and a partition into cells, so that the probability of a cell is a sum of
``weight * p(point)``. Sums and integrals are then the same few lines, and so are their laws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Domain:
    """Points, weights and cells.

    Attributes:
        points: Events, shape (M, *event_shape).
        weights: Float64, shape (M,).
        cell: The cell of each point, int64 of shape (M,).
        locate: Says for events of shape (n, *event_shape) in which cells they fall, (n,); -1 is
            outside.
        discrete: Whether this is a finite set, and not a region of space.
    """

    points: Tensor
    weights: Tensor
    cell: Tensor
    locate: Callable[[Tensor], Tensor]
    discrete: bool

    def cell_probabilities(self, log_prob: Tensor) -> Tensor:
        """Return the probability of each cell from the log-density of the points."""
        mass = self.weights * log_prob.double().exp()
        return torch.zeros(int(self.cell.max()) + 1).double().index_add(0, self.cell, mass)

    def expectation(self, log_prob: Tensor, f: Tensor) -> Tensor:
        """Return the expectation of f, (M, ...), under the density of the points."""
        mass = self.weights * log_prob.double().exp()
        return torch.einsum("m,m...->...", mass, f)


def finite(events: Tensor) -> Domain:
    """Return the finite set of these events, shape (M, *event_shape); each is a cell."""
    flat = events.reshape(len(events), -1)

    def locate(samples: Tensor) -> Tensor:
        same = (samples.reshape(len(samples), 1, -1) == flat).all(dim=2)
        return torch.where(same.any(dim=1), same.long().argmax(dim=1), -1)

    count = torch.arange(len(events))
    return Domain(events, torch.ones(len(events)).double(), count, locate, discrete=True)


def binary(d: int) -> Domain:
    """Return all 2^d binary vectors, float64 of shape (2^d, d)."""
    return finite(torch.tensor(list(product((0.0, 1.0), repeat=d))).double())


def interval(low: float, high: float, cells: int = 60) -> Domain:
    """Return an interval of the real line, events of shape ()."""
    line = box([low], [high], cells)
    return Domain(
        line.points[:, 0], line.weights, line.cell, lambda x: line.locate(x[:, None]), False
    )


def box(low: list[float], high: list[float], cells: int = 20, order: int = 6) -> Domain:
    """Return a box of d dimensions, events of shape (d,).

    Each side is cut into equal cells, and each cell carries a Gauss-Legendre rule of the given
    order, which is exact for polynomials up to degree 2 * order - 1. The box must hold all but a
    negligible part of the probability.
    """
    d = len(low)
    start, size = torch.tensor(low).double(), torch.tensor(high).double()
    size = (size - start) / cells
    nodes, rule = (torch.as_tensor(a) for a in np.polynomial.legendre.leggauss(order))
    side = (torch.arange(cells)[:, None] + (nodes + 1) / 2).flatten()
    axes = [start[i] + size[i] * side for i in range(d)]
    weight = (rule / 2).repeat(cells)
    points = torch.cartesian_prod(*axes).reshape(-1, d)
    weights = torch.cartesian_prod(*[weight * size[i] for i in range(d)]).reshape(-1, d).prod(1)
    strides = cells ** torch.arange(d - 1, -1, -1)

    def locate(x: Tensor) -> Tensor:
        index = ((x.double() - start) / size).floor().long()
        inside = ((index >= 0) & (index < cells)).all(dim=1)
        return torch.where(inside, (index * strides).sum(dim=1), -1)

    return Domain(points, weights, locate(points), locate, discrete=False)
