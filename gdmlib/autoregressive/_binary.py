r"""What the autoregressive models of binary pixels share.

All of them write the chain rule in some order of the pixels,

.. math:: p(x) = \prod_{k=1}^{d} p(x_{o_k} \mid x_{o_1}, \ldots, x_{o_{k-1}}),

and differ only in how they compute the logit of each factor. Inside, pixels stand in the order
``o`` in which they are visited; what goes in and comes out is in the order of the image.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from gdmlib._checks import check_count, check_dtype, check_tensor


def check_event_shape(event_shape: int | Sequence[int]) -> torch.Size:
    """Return the shape of an event; a number d stands for (d,)."""
    sizes = tuple(event_shape) if isinstance(event_shape, Sequence) else (event_shape,)
    if not sizes or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
        raise ValueError(
            f"event_shape: expected a positive whole number or some of them, got {event_shape!r}"
        )
    return torch.Size(sizes)


def check_ordering(
    ordering: Sequence[int] | Tensor | None, d: int, name: str = "ordering"
) -> Tensor:
    """Return the pixels in the order of their visits, int64 of shape (d,); None is 0 to d - 1."""
    if ordering is None:
        return torch.arange(d)
    order = torch.as_tensor(ordering)
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


def _what_is_wrong(order: Tensor, d: int) -> str:
    if len(order) != d:
        return f"got {len(order)} entries"
    outside = order[(order < 0) | (order >= d)]
    if len(outside):
        return f"got {int(outside[0])}"
    return f"{int(order.bincount(minlength=d).argmax())} comes more than once"


def check_binary(x: Tensor, name: str, event_shape: Sequence[int], like: Tensor) -> Tensor:
    """Return events of zeros and ones, shape (B, *event_shape), flattened to (B, d)."""
    check_tensor(x, name, shape=("B", *event_shape), floating=True)
    check_dtype(x, name, like)
    check_zeros_and_ones(x, name)
    return x.reshape(len(x), -1)


def check_zeros_and_ones(x: Tensor, name: str) -> Tensor:
    """Return x if it holds nothing but zeros and ones."""
    if not bool(((x == 0) | (x == 1)).all()):
        raise ValueError(
            f"{name}: expected zeros and ones, got values from {float(x.min()):.6g} to "
            f"{float(x.max()):.6g}; binarise first, for instance ({name} > 0.5).float()"
        )
    return x


def check_known(known: Tensor, x: Tensor) -> Tensor:
    """Return which pixels are known, Boolean, one mask for all events or one each, as (B, d)."""
    check_tensor(known, "known")
    if known.dtype != torch.bool:
        raise ValueError(f"known: expected a Boolean mask, got {known.dtype}; use known.bool()")
    if known.shape not in (x.shape, x.shape[1:]):
        raise ValueError(
            f"known: expected shape {tuple(x.shape[1:])}, or {tuple(x.shape)} for a mask an event, "
            f"got {tuple(known.shape)}"
        )
    return known.to(x.device).expand(x.shape).reshape(len(x), -1)


def bernoulli_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """Return log p(x) of each pixel, x 0 or 1, from the logits of p(x = 1)."""
    # Mixed precision ends here: a sum of many logarithms needs all their digits.
    return -binary_cross_entropy_with_logits(logits.to(x.dtype), x, reduction="none")


def uniforms(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
    """Draw float64 numbers, uniform on [0, 1), and move them to the model's device."""
    device = torch.device("cpu") if generator is None else generator.device
    drawn = torch.rand(*shape, generator=generator, dtype=torch.float64, device=device)
    return drawn.to(like.device)


def thresholds(n: int, d: int, like: Tensor, generator: Generator | None) -> Tensor:
    """Draw what a logit must exceed for its pixel to be 1: the logit of a uniform number, (n, d).

    u < sigmoid(a) just where logit(u) < a. All are drawn before the first pixel is sampled, so
    that two samplers of one model can be given the same chances.
    """
    return torch.logit(uniforms((n, d), like, generator)).to(like.dtype)


def hold(t: Tensor, z: Tensor, known: Tensor) -> Tensor:
    """Return thresholds that leave the known pixels as they are in z; all of shape (n, d).

    Every logit exceeds -inf, and none exceeds +inf.
    """
    return torch.where(known, torch.where(z == 1, -math.inf, math.inf).to(t), t)


class BinaryAutoregressive(nn.Module, ABC):
    """A density of binary events by the chain rule. Subclasses say how the logits come about.

    Args:
        event_shape: The shape of an event, d pixels in all: d, (d,) or that of an image, (1, H, W).
        ordering: The pixels in the order of their visits, a permutation of 0 to d - 1, where an
            image counts row by row; None visits them in that very order.

    Attributes:
        bias: Parameter of shape (d,): what each logit is without the others, in the order of
            visits.

    Raises:
        ValueError: If the shape is empty or the ordering is no permutation.
    """

    ordering: Tensor

    def __init__(
        self, event_shape: int | Sequence[int], ordering: Sequence[int] | Tensor | None = None
    ) -> None:
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

        Args:
            x: Zeros and ones, shape (B, *event_shape).

        Returns:
            Shape (B, d); column i is that of pixel i, wherever the ordering visits it.
        """
        z = check_binary(x, "x", self.event_shape, self.bias)[:, self.ordering]
        return self._unordered(self._logits(z))

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of each event, shape (B, *event_shape) -> (B,), in nats."""
        z = check_binary(x, "x", self.event_shape, self.bias)[:, self.ordering]
        return bernoulli_log_prob(self._logits(z), z).sum(dim=1)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n events, pixel after pixel, shape (n, *event_shape)."""
        t = thresholds(check_count(n), self.num_pixels, self.bias, generator)
        return self._unordered(self._ancestral(t)).reshape(n, *self.event_shape)

    @torch.no_grad()
    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Tensor:
        """Draw the unknown pixels, each given all that the ordering visits before it.

        This is a draw from p(unknown | known) if the ordering visits the known pixels first: the
        upper half of an image, say, in the order of its rows. A known pixel that comes later than
        an unknown one has no influence on it; choose the ordering to suit.

        Args:
            x: Zeros and ones, shape (B, *event_shape); unknown pixels may hold either.
            known: True where a pixel is known, shape (*event_shape) or (B, *event_shape).

        Returns:
            Shape (B, *event_shape).
        """
        z = check_binary(x, "x", self.event_shape, self.bias)
        fixed = check_known(known, x)
        t = thresholds(len(x), self.num_pixels, self.bias, generator)
        t = hold(t, z[:, self.ordering], fixed[:, self.ordering])
        return self._unordered(self._ancestral(t)).reshape(x.shape)

    def _places(self) -> Tensor:
        """Return when each pixel is visited: the inverse of the ordering."""
        return self.ordering.argsort()

    def _unordered(self, z: Tensor) -> Tensor:
        """Put columns from the order of visits into that of the image."""
        return z[:, self._places()]


class HasLogits(Protocol):
    """What a sampler by the definition needs."""

    event_shape: torch.Size
    num_pixels: int
    bias: nn.Parameter

    @property
    def ordering(self) -> Tensor:
        """The pixels in the order of their visits, shape (d,)."""
        ...

    def logits(self, x: Tensor) -> Tensor:
        """Return the logit of each pixel, shape (B, d)."""
        ...


@torch.no_grad()
def plain_sample(model: HasLogits, n: int, generator: Generator | None = None) -> Tensor:
    """Draw n events by the definition: all logits again for every pixel, and only one is used.

    It needs d times the work, and is what the faster samplers are tested against. Of a MADE it
    uses the first mask.
    """
    t = thresholds(check_count(n), model.num_pixels, model.bias, generator)
    x = torch.zeros(n, *model.event_shape).to(model.bias)
    flat = x.view(n, -1)
    for k, pixel in enumerate(model.ordering.tolist()):
        flat[:, pixel] = (model.logits(x)[:, pixel] > t[:, k]).to(x)
    return x
