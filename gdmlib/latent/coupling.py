r"""Coupling layers: one half of the numbers says how the other half is moved. RealNVP.

Dinh, Sohl-Dickstein and Bengio (2017, https://arxiv.org/abs/1605.08803). With a and b the halves,

.. math:: y_a = x_a, \qquad y_b = x_b \odot e^{s(x_a)} + t(x_a)

(equations 7 and 8). However complicated the networks s and t are, the inverse needs them forward
only, and the Jacobian is triangular: its log-determinant is the sum of s. Layers in turn keep the
one and the other half. `Coupling` is any such map, the affine one is `AffineCoupling`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_sizes
from gdmlib.latent.flow import Flow, Mapped, Transform
from gdmlib.latent.flow_layers import ActNorm, InvertibleLinear, Squeeze, bounded
from gdmlib.nn.dense import convolutions, dense

MASKS = ("halves", "checkerboard")


class Coupling(Transform):
    """A map of one half of the numbers that the other half steers.

    A subclass gives ``_move`` and ``_move_back``, which get ``steps`` numbers for each that they
    move.

    Args:
        event_shape: The shape of an event. A half must be as large as the other.
        mask: Which half is kept: ``"halves"``, the first numbers of a vector or the first channels
            of an image; or ``"checkerboard"``, every second pixel of an image.
        flip: Whether the other half is kept.
        hidden: The sizes of the hidden layers of the network, dense ones.
        channels: For images: the channels inside a network of convolutions instead.
        gate: What stands between its layers: ``"tanh"``, smooth, or ``"relu"``, which is better at
            sharp edges.
        generator: Draws the weights to start from, at which the map is the identity.

    Attributes:
        kept, moved: Where in a flat event the halves lie, (d/2,) each.
    """

    kept: Tensor
    moved: Tensor
    places: Tensor
    steps: int

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        mask: str = "halves",
        flip: bool = False,
        hidden: int | Iterable[int] = (64, 64),
        channels: int | Iterable[int] | None = None,
        gate: str = "tanh",
        generator: Generator | None = None,
    ) -> None:
        if mask not in MASKS:
            raise ValueError(f"mask: expected one of {', '.join(MASKS)}, got {mask!r}")
        super().__init__(event_shape, image=mask == "checkerboard" or channels is not None)
        kept = first_half(self.event_shape, mask).flatten()
        self.mask, self.flip = mask, bool(flip)
        flat = torch.arange(len(kept))
        self.register_buffer("kept", flat[kept != flip], persistent=False)
        self.register_buffer("moved", flat[kept == flip], persistent=False)
        order = torch.cat([self.moved, self.kept] if flip else [self.kept, self.moved])
        self.register_buffer("places", order.argsort(), persistent=False)
        half = len(kept) // 2
        self.convolves = channels is not None
        if channels is None:
            sizes = check_sizes(hidden, "hidden")
            self.network = dense(half, sizes, half * self.steps, generator, gate)
        else:
            colours = self.event_shape[0] if mask == "checkerboard" else self.event_shape[0] // 2
            sizes = check_sizes(channels, "channels")
            self.network = convolutions(colours, sizes, colours * self.steps, generator, gate)

    def _forward(self, x: Tensor) -> Mapped:
        kept, moved = self._split(x)
        moved, log_det = self._move(moved, self._steer(kept))
        return self._merge(kept, moved), log_det.sum(dim=1)

    def _inverse(self, y: Tensor) -> Mapped:
        kept, moved = self._split(y)
        moved, log_det = self._move_back(moved, self._steer(kept))
        return self._merge(kept, moved), log_det.sum(dim=1)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        flat = x.flatten(1)
        if self.mask != "halves":
            return flat[:, self.kept], flat[:, self.moved]
        first, second = flat.chunk(2, dim=1)  # views, which cost nothing
        return (second, first) if self.flip else (first, second)

    def _merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        flat = torch.cat([moved, kept] if self.flip else [kept, moved], dim=1)
        if self.mask != "halves":
            flat = flat[:, self.places]
        return flat if len(self.event_shape) == 1 else flat.unflatten(1, self.event_shape)

    def _steer(self, kept: Tensor) -> tuple[Tensor, ...]:
        """Return ``steps`` numbers from the network for each number that moves, (B, d/2) each."""
        if not self.convolves:
            return self.network(kept).chunk(self.steps, dim=1)
        if self.mask == "halves":
            colours, height, width = self.event_shape
            kept = kept.unflatten(1, (colours // 2, height, width))
            return self.network(kept).flatten(1).chunk(self.steps, dim=1)
        board = self.network(self._merge(kept, torch.zeros_like(kept))).flatten(1)
        return tuple(part[:, self.moved] for part in board.chunk(self.steps, dim=1))

    @abstractmethod
    def _move(self, x: Tensor, steer: tuple[Tensor, ...]) -> Mapped:
        """Return the moved half, (B, d/2), and the logarithm of each derivative."""

    @abstractmethod
    def _move_back(self, y: Tensor, steer: tuple[Tensor, ...]) -> Mapped:
        """Return the half before it was moved, and the logarithm of each derivative of this way."""


class AffineCoupling(Coupling):
    """Scale and shift one half as the other half says.

    The logarithm of the scale is kept within ±``limit`` by a tanh, for far from the data a scale
    without bound can overflow. Arguments are those of `Coupling`.
    """

    steps = 2
    limit = 2.0

    def _move(self, x: Tensor, steer: tuple[Tensor, ...]) -> Mapped:
        raw, shift = steer
        log_scale = bounded(raw, self.limit)
        return torch.addcmul(shift, x, log_scale.exp()), log_scale

    def _move_back(self, y: Tensor, steer: tuple[Tensor, ...]) -> Mapped:
        raw, shift = steer
        log_scale = -bounded(raw, self.limit)
        return (y - shift) * log_scale.exp(), log_scale


class RealNVP(Flow):
    """Affine couplings that keep the one and the other half in turn.

    A vector is split in halves. An image goes through couplings of a checkerboard; with
    ``levels`` above 1 it is then squeezed, through couplings of channels, and so on, and the
    couplings are shared out among the levels.

    Args:
        event_shape: The shape of an event, with an even number of numbers.
        layers: The number of couplings.
        hidden, channels, gate: See `Coupling`; ``channels`` makes the networks convolutions.
        levels: For images: at how many sizes the couplings work, each half as high and as wide as
            the one before.
        normalise: Whether an `ActNorm` stands before each coupling.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        layers: int = 8,
        hidden: int | Iterable[int] = (64, 64),
        channels: int | Iterable[int] | None = None,
        gate: str = "tanh",
        levels: int = 1,
        normalise: bool = True,
        generator: Generator | None = None,
    ) -> None:
        options = {"hidden": hidden, "channels": channels, "gate": gate, "generator": generator}
        super().__init__(
            event_shape, stack(AffineCoupling, event_shape, layers, levels, normalise, options)
        )


def stack(
    kind: type[Coupling],
    event_shape: int | Sequence[int],
    layers: int,
    levels: int,
    normalise: bool,
    options: dict,
) -> list[Transform]:
    """Return couplings of one kind, with what stands between them."""
    count, sizes = check_count(layers, "layers"), check_count(levels, "levels")
    shape = Squeeze.check_shape(event_shape, sizes - 1)
    parts: list[Transform] = []
    for level in range(sizes):
        own = [i for i in range(count) if i * sizes // count == level]
        if level:
            parts.append(Squeeze(shape))
            shape = parts[-1].output_shape
        mask = "checkerboard" if len(shape) == 3 and level == 0 else "halves"
        for i in own:
            if normalise:
                parts.append(ActNorm(shape))
            if level:  # mixes the channels
                parts.append(InvertibleLinear(shape, generator=options["generator"]))
            parts.append(kind(shape, mask=mask, flip=i % 2 == 1, **options))
    return parts


def first_half(event_shape: Sequence[int], mask: str = "halves") -> Tensor:
    """Return which numbers of an event are in the first half, Boolean of shape event_shape.

    Raises:
        ValueError: If there is no such half, since a size is odd.
    """
    shape = torch.Size(event_shape)
    if mask == "checkerboard":
        _, height, width = shape
        if height * width % 2:
            raise ValueError(
                f"event_shape: a checkerboard has two equal halves if height or width is even, "
                f"got {height} × {width}; crop or pad a row, to {height + 1} × {width} for instance"
            )
        board = (torch.arange(height)[:, None] + torch.arange(width)) % 2 == 0
        return board.expand(shape)
    if shape[0] % 2 and (len(shape) == 3 or math.prod(shape) % 2):
        what = "channels of an image" if len(shape) == 3 else "numbers"
        how = (
            "Squeeze it first, or take mask='checkerboard'"
            if len(shape) == 3
            else "append one, or take MaskedAutoregressive, which needs no halves"
        )
        raise ValueError(
            f"event_shape: a coupling needs an even number of {what}, two halves, got "
            f"{shape[0] if len(shape) == 3 else math.prod(shape)}; {how}"
        )
    d = math.prod(shape)
    return (torch.arange(d) < d // 2).reshape(shape)
