r"""What the autoregressive models of binary pixels share.

The chain rule takes the pixels in some order ``o``,

.. math:: p(x) = \prod_{k=1}^{d} p(x_{o_k} \mid x_{o_1}, \ldots, x_{o_{k-1}}),

and the models differ only in how they compute the logit of each factor. Inside, pixels stand in the
order ``o`` in which they are visited; what goes in and comes out is in the order of the image.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from gdmlib._checks import check_count, check_event_shape
from gdmlib._random import permutation, uniform
from gdmlib.autoregressive.chain_rule import WholePass
from gdmlib.densities.density import Binary

Ordering = Sequence[int] | Tensor | None
Orderings = int | Sequence[Sequence[int] | Tensor] | Tensor | np.ndarray


def check_ordering(ordering: Ordering, d: int, name: str = "ordering") -> Tensor:
    """Return the pixels in the order of their visits, int64 of shape (d,); None is 0 to d - 1."""
    if ordering is None:
        return torch.arange(d)
    # NumPy makes a copy in one piece: an array may run backwards, which a tensor cannot.
    if isinstance(ordering, str):
        raise ValueError(f"{name}: expected whole numbers of shape ({d},), got {ordering!r}")
    order = torch.as_tensor(ordering if isinstance(ordering, Tensor) else np.array(ordering))
    if order.is_floating_point() or order.ndim != 1:
        raise ValueError(
            f"{name}: expected whole numbers of shape ({d},), got {order.dtype} of shape "
            f"{tuple(order.shape)}"
        )
    order = order.to("cpu", torch.int64)
    if not torch.equal(order.sort().values, torch.arange(d)):
        raise ValueError(
            f"{name}: expected a permutation of 0 to {d - 1}, each pixel once; "
            f"{_what_is_wrong(order, d)}"
        )
    return order.clone()


def check_orderings(orderings: Orderings, d: int, generator: Generator | None) -> Tensor:
    """Return one ordering a mask, (M, d)."""
    if isinstance(orderings, Integral):
        others = range(check_count(int(orderings), "orderings") - 1)
        return torch.stack([torch.arange(d), *[permutation(d, generator) for _ in others]])
    if not isinstance(orderings, Sequence | Tensor | np.ndarray):
        raise ValueError(f"orderings: expected a number or permutations, got {orderings!r}")
    if len(orderings) == 0:
        raise ValueError("orderings: expected at least one, got none")
    return torch.stack([check_ordering(o, d, f"orderings[{m}]") for m, o in enumerate(orderings)])


def _what_is_wrong(order: Tensor, d: int) -> str:
    if len(order) != d:
        return f"got {len(order)} entries"
    outside = order[(order < 0) | (order >= d)]
    if len(outside):
        return f"got {int(outside[0])}"
    return f"{int(order.bincount(minlength=d).argmax())} comes more than once"


def bernoulli_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """Return log p(x) of each pixel, x 0 or 1, from the logits of p(x = 1)."""
    # Mixed precision ends here: a sum of many logarithms needs all their digits.
    return -binary_cross_entropy_with_logits(logits.to(x.dtype), x, reduction="none")


def thresholds(n: int, d: int, like: Tensor, generator: Generator | None) -> Tensor:
    """Draw what a logit must exceed for its pixel to be 1: the logit of a uniform number, (n, d).

    u < sigmoid(a) just where logit(u) < a.
    """
    return torch.logit(uniform((n, d), like, generator)).to(like.dtype)


def hold(t: Tensor, z: Tensor, known: Tensor) -> Tensor:
    """Return thresholds that leave the known pixels as they are in z; all of shape (n, d).

    Every logit exceeds -inf, and none exceeds +inf.
    """
    return torch.where(known, torch.where(z == 1, -math.inf, math.inf).to(t), t)


class BinaryAutoregressive(WholePass):
    """A density of binary events by the chain rule. Subclasses say how the logits come about.

    Args:
        event_shape: The shape of an event, d pixels in all: d, (d,) or that of an image, (1, H, W).
        ordering: The pixels in the order of their visits, a permutation of 0 to d - 1, where an
            image counts row by row; None visits them in that very order.

    Attributes:
        bias: Parameter of shape (d,): what each logit is without the others, in the order of
            visits.
    """

    support = Binary()
    ordering: Tensor

    def __init__(self, event_shape: int | Sequence[int], ordering: Ordering = None) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape)
        self.num_pixels = math.prod(self.event_shape)
        self.register_buffer("ordering", check_ordering(ordering, self.num_pixels))
        self.bias = nn.Parameter(torch.zeros(self.num_pixels))

    @abstractmethod
    def _logits(self, z: Tensor) -> Tensor:
        """Return the logit of each pixel given those before it; both in the order of visits."""

    @abstractmethod
    def _ancestral(self, t: Tensor) -> Tensor:
        """Visit the pixels one by one; each is 1 where its logit exceeds t, (n, d) -> (n, d)."""

    def logits(self, x: Tensor) -> Tensor:
        """Return the log-odds of x_i = 1 given the pixels visited before i.

        Shape (B, *event_shape) -> (B, d); column i is that of pixel i, wherever it is visited.
        """
        return self._unordered(self._logits(self._ordered(self.check(x))))

    def _factors(self, x: Tensor) -> Tensor:
        """Return the logarithm of each factor of the chain rule, (B, d), in the order of visits."""
        z = self._ordered(x)
        return bernoulli_log_prob(self._logits(z), z)

    def _conditional_log_prob(self, x: Tensor) -> Tensor:
        return self._unordered(self._factors(x)).reshape(x.shape)

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._factors(x).sum(dim=1)  # a sum does not mind the order

    def _noise(self, shape: torch.Size, generator: Generator | None) -> Tensor:
        return thresholds(shape[0], self.num_pixels, self.bias, generator)

    def _sweep(self, x: Tensor, known: Tensor, noise: Tensor) -> Tensor:
        t = hold(noise, self._ordered(x), self._ordered(known))
        return self._unordered(self._ancestral(t)).reshape(x.shape)

    def _visits(self) -> Tensor:
        return self.ordering

    def _draw_one(self, x: Tensor, place: int, noise: Tensor, labels: Tensor | None) -> Tensor:
        return (self.logits(x) > self._unordered(noise))[:, place].to(x)

    def _places(self) -> Tensor:
        """Return when each pixel is visited: the inverse of the ordering."""
        return self.ordering.argsort()

    def _ordered(self, x: Tensor) -> Tensor:
        """Put the pixels of events into the order of visits, (B, *event_shape) -> (B, d)."""
        return x.flatten(1)[:, self.ordering]

    def _unordered(self, z: Tensor) -> Tensor:
        """Put columns from the order of visits into that of the image."""
        return z[:, self._places()]
