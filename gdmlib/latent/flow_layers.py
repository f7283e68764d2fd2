"""Simple invertible maps: a scale by data, a matrix, a plane, and pixels into channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, softplus

from gdmlib._checks import check_digits, check_event_shape, check_shapes, check_tensor
from gdmlib._random import between, draw
from gdmlib.latent.flow import Mapped, Transform


def bounded(raw: Tensor, limit: float) -> Tensor:
    """Return the logarithm of a scale, within ±limit: one without bound can overflow."""
    return limit * torch.tanh(raw)


class ActNorm(Transform):
    r"""A scale and a shift for each channel of an image, or each number of a vector.

    Kingma and Dhariwal (2018, https://arxiv.org/abs/1807.03039), section 3.1. `initialise` makes a
    batch of data standardised. Until then it is the identity, also for samples: only data
    initialise it, in ``Flow.loss`` while training, or when ``Flow.initialise`` is called.

    Args:
        event_shape: The shape of an event.

    Attributes:
        shift, log_scale: Parameters, y = exp(log_scale) · x + shift.
        ready: Whether it has seen data.
    """

    ready: Tensor

    def __init__(self, event_shape: int | Sequence[int]) -> None:
        super().__init__(event_shape)
        shape = (self.event_shape[0], 1, 1) if len(self.event_shape) == 3 else self.event_shape
        self.shift = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))
        self.repeats = math.prod(self.event_shape) // math.prod(shape)
        self.register_buffer("ready", torch.tensor(False))

    def _forward(self, x: Tensor) -> Mapped:
        return torch.addcmul(self.shift, x, self.log_scale.exp()), self._log_det()

    def _inverse(self, y: Tensor) -> Mapped:
        return (y - self.shift) * (-self.log_scale).exp(), -self._log_det()

    def _log_det(self) -> Tensor:
        return self.repeats * self.log_scale.sum()

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Choose shift and scale such that these events come out with mean 0 and variance 1."""
        x = self.check(x)
        x = x.to(torch.promote_types(x.dtype, torch.float32))  # squares can be too large for half
        over = (0, 2, 3) if len(self.event_shape) == 3 else (0,)
        count = x.numel() // self.shift.numel()
        if count < 2:
            raise ValueError("x: expected at least 2 events to initialise by, got 1")
        mean = x.mean(dim=over, keepdim=True)[0]
        std = (x - mean).square().mean(dim=over, keepdim=True)[0].sqrt()
        constant = std <= 1e-6 * (1 + mean.abs())  # such a number is left as it is
        self.log_scale.copy_(torch.where(constant, torch.zeros_like(std), -std.log()))
        self.shift.copy_(-mean * self.log_scale.exp())
        self.ready.fill_(True)


class InvertibleLinear(Transform):
    r"""A matrix that mixes the channels of an image, a 1 × 1 convolution, or a vector's numbers.

    Kingma and Dhariwal (2018), section 3.2: the matrix is kept as :math:`W = P L (U + D)` with a
    fixed permutation P, L lower triangular with ones on its diagonal, U upper triangular, and D
    diagonal: :math:`\log|\det W|` is the sum of :math:`\log|D_{ii}|`, and W never is singular.

    Args:
        event_shape: The shape of an event with c channels, or c numbers.
        weight: The matrix to start from, (c, c); None is a random rotation.
        generator: Draws the rotation.

    Raises:
        ValueError: If the matrix to start from is singular.
    """

    order: Tensor
    negative: Tensor

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        weight: Tensor | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape)
        if len(self.event_shape) not in (1, 3):
            raise ValueError(
                "event_shape: expected (numbers,) or (channels, height, width), got "
                f"{tuple(self.event_shape)}"
            )
        c, *size = self.event_shape
        self.repeats = math.prod(size)
        if weight is None:
            weight = torch.linalg.qr(draw(torch.randn, c, c, generator=generator)).Q
        check_shapes(weight=(weight, "c c"))
        check_tensor(weight, "weight", shape=(c, c))
        wide = weight.detach().double().cpu()
        if int(torch.linalg.matrix_rank(wide)) < c:
            raise ValueError(
                f"weight: expected an invertible matrix, got one of rank "
                f"{int(torch.linalg.matrix_rank(wide))} with {c} rows"
            )
        permutation, lower, upper = torch.linalg.lu(wide)
        diagonal = upper.diagonal()
        self.register_buffer("order", permutation.argmax(dim=1))
        self.register_buffer("negative", diagonal < 0)
        self.lower = nn.Parameter(lower.tril(-1).to(weight))
        self.upper = nn.Parameter(upper.triu(1).to(weight))
        self.log_diagonal = nn.Parameter(diagonal.abs().log().to(weight))

    def weight(self) -> Tensor:
        """Return the matrix, (c, c)."""
        lower, upper = self._factors()
        return (lower @ upper)[self.order]

    def _factors(self) -> tuple[Tensor, Tensor]:
        lower, diagonal = self.lower.tril(-1), self.log_diagonal.exp()
        diagonal = torch.where(self.negative, -diagonal, diagonal)
        one = torch.eye(len(diagonal), dtype=lower.dtype, device=lower.device)
        return lower + one, self.upper.triu(1) + torch.diag_embed(diagonal)

    def _forward(self, x: Tensor) -> Mapped:
        y = self.weight() @ x.reshape(len(x), self.event_shape[0], -1)
        return y.reshape(x.shape), self._log_det()

    def _inverse(self, y: Tensor) -> Mapped:
        check_digits(y)
        lower, upper = self._factors()
        rows = y.reshape(len(y), self.event_shape[0], -1)[:, self.order.argsort()]
        rows = torch.linalg.solve_triangular(lower, rows, upper=False, unitriangular=True)
        x = torch.linalg.solve_triangular(upper, rows, upper=True)
        return x.reshape(y.shape), -self._log_det()

    def _log_det(self) -> Tensor:
        return self.repeats * self.log_diagonal.sum()


class Planar(Transform):
    r"""Squeeze or stretch space across one plane: :math:`y = x + u \tanh(w^\top x + b)`.

    Rezende and Mohamed (2015), equation 10. It is invertible where :math:`w^\top u > -1` (appendix
    A.1), which u is moved to obey. The inverse has no formula, but only one number to find,
    :math:`w^\top x`, and this by bisection.

    Args:
        event_shape: The shape of an event, d numbers.
        generator: Draws u, w and b to start from.
    """

    def __init__(
        self, event_shape: int | Sequence[int], *, generator: Generator | None = None
    ) -> None:
        super().__init__(event_shape)
        d = math.prod(self.event_shape)
        size = d**-0.5
        self.u = nn.Parameter(between(-size, size, d, generator=generator))
        self.w = nn.Parameter(between(-size, size, d, generator=generator))
        self.b = nn.Parameter(between(-size, size, 1, generator=generator))

    def _direction(self) -> tuple[Tensor, Tensor]:
        """Return the u that is used, and the product of w with it, which exceeds -1."""
        along, length = self.w @ self.u, self.w @ self.w
        product = softplus(along + math.log(math.e - 1)) - 1  # 0 stays 0
        tiny = torch.finfo(length.dtype).tiny
        return self.u + (product - along) * self.w / (length + tiny), product

    def _forward(self, x: Tensor) -> Mapped:
        z = x.flatten(1)
        u, product = self._direction()
        bend = torch.tanh(z @ self.w + self.b)
        y = z + bend[:, None] * u
        return y.reshape(x.shape), torch.log1p(product * (1 - bend.square()))

    def _inverse(self, y: Tensor) -> Mapped:
        z = y.flatten(1)
        u, product = self._direction()
        target = z @ self.w
        with torch.no_grad():  # target - |product| <= a <= target + |product|
            low, high = target - product.abs(), target + product.abs()
            for _ in range(60):
                middle = (low + high) / 2
                below = middle + product * torch.tanh(middle + self.b) < target
                low, high = torch.where(below, middle, low), torch.where(below, high, middle)
            a = (low + high) / 2
        # Two steps of Newton's give the first and second derivatives, which the bisection has not.
        for _ in range(2):
            bend = torch.tanh(a + self.b)
            a = a - (a + product * bend - target) / (1 + product * (1 - bend.square()))
        bend = torch.tanh(a + self.b)
        x = z - bend[:, None] * u
        return x.reshape(y.shape), -torch.log1p(product * (1 - bend.square()))


class Squeeze(Transform):
    """Blocks of 2 × 2 pixels to four channels: (c, h, w) to (4c, h/2, w/2); volume is kept.

    Args:
        event_shape: The shape of an image, its height and width even.
    """

    def __init__(self, event_shape: Sequence[int]) -> None:
        c, height, width = self.check_shape(event_shape, 1)
        super().__init__((c, height, width), (4 * c, height // 2, width // 2))

    @staticmethod
    def check_shape(event_shape: int | Sequence[int], times: int) -> torch.Size:
        """Return the shape of an event that can be squeezed so often, or say which can."""
        shape = check_event_shape(event_shape, image=times > 0)
        factor = 2**times
        if times and (shape[1] % factor or shape[2] % factor):
            best = [max(factor, n // factor * factor) for n in shape[1:]]
            raise ValueError(
                f"event_shape: expected height and width that {factor} divides, to be squeezed "
                f"{times} times, got {shape[1]} × {shape[2]}; crop or pad to {best[0]} × {best[1]}"
            )
        return shape

    def _forward(self, x: Tensor) -> Mapped:
        return pixel_unshuffle(x, 2), self.origin

    def _inverse(self, y: Tensor) -> Mapped:
        return pixel_shuffle(y, 2), self.origin
