r"""Normalising flows: a density by an invertible map to noise.

Let :math:`f` map data to noise, one to one, and let :math:`p_Z` be the density of the noise. Then

.. math:: \log p(x) = \log p_Z(f(x)) + \log \left| \det \frac{\partial f}{\partial x} \right|

(change of variables; Rezende and Mohamed 2015, https://arxiv.org/abs/1505.05770). The
log-determinants of composed maps add up, so a flow is a list of simple maps, each of which knows
its own.

*Forward* is always from data to noise, as `log_prob` needs it; *inverse* is from noise to data, as
`sample` needs it. Libraries differ in this: what one calls forward another calls inverse.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_event_shape, check_events
from gdmlib._random import standard_normal
from gdmlib.densities.density import Density, Model
from gdmlib.densities.gaussian import standard_log_prob
from gdmlib.nn.precision import full_precision

Mapped = tuple[Tensor, Tensor]


class Transform(Model, ABC):
    """An invertible map: a subclass gives ``_forward`` and ``_inverse``.

    Attributes:
        event_shape: The shape of one event on the side of the data.
        output_shape: Its shape on the side of the noise.
        support: The set in which events on the side of the data live.
    """

    output_shape: torch.Size
    origin: Tensor

    def __init__(
        self,
        event_shape: int | Sequence[int],
        output_shape: Sequence[int] | None = None,
        *,
        image: bool = False,
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape, image=image)
        self.output_shape = self.event_shape if output_shape is None else torch.Size(output_shape)
        # Says which dtype and device a map without parameters has.
        self.register_buffer("origin", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> Mapped:
        """Map data to noise: return f(x), (B, *output_shape), and log|det df/dx|, (B,)."""
        y, log_det = self._forward(self.check(x))
        return y, log_det.expand(len(x)).clone()

    def inverse(self, y: Tensor) -> Mapped:
        """Map noise to data: return x with f(x) = y, and log|det dx/dy|, (B,)."""
        x, log_det = self._inverse(check_events(y, "y", self.output_shape, self._like()))
        return x, log_det.expand(len(y)).clone()

    @abstractmethod
    def _forward(self, x: Tensor) -> Mapped:
        """Return f(x) and its log-determinant, (B,) or one for all, for valid events."""

    @abstractmethod
    def _inverse(self, y: Tensor) -> Mapped:
        """Return the x whose image is y, and the log-determinant of this way."""

    def initialise(self, x: Tensor) -> None:
        """Choose parameters by a batch of valid events on the side of the data; most do nothing."""


class Inverted(Transform):
    """A map the other way round: its forward is the other's inverse.

    Args:
        transform: What is turned round.
    """

    def __init__(self, transform: Transform) -> None:
        super().__init__(transform.output_shape, transform.event_shape)
        self.transform = transform

    def inverse(self, y: Tensor) -> Mapped:
        """Map noise to data; the noise lives where the data of the other map do."""
        self.transform.check(y, "y")
        return super().inverse(y)

    def _forward(self, x: Tensor) -> Mapped:
        return self.transform._inverse(x)

    def _inverse(self, y: Tensor) -> Mapped:
        return self.transform._forward(y)


class StandardNormal(Density):
    """Independent numbers, each normal with mean 0 and variance 1.

    Args:
        event_shape: The shape of an event, d numbers in all.
    """

    origin: Tensor

    def __init__(self, event_shape: int | Sequence[int]) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape)
        self.register_buffer("origin", torch.zeros(()), persistent=False)

    def _log_prob(self, x: Tensor) -> Tensor:
        return standard_log_prob(x.flatten(1))

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return standard_normal((n, *self.event_shape), self.origin, generator)


class Flow(Density):
    """A density by a list of invertible maps from data to noise.

    Args:
        event_shape: The shape of one event.
        transforms: Maps in the order from data to noise: a `Transform`, or a module of your own
            with ``forward(x) -> (y, log_det)`` and ``inverse(y) -> (x, log_det)``.
        base: The density of the noise, standard normal if it is None.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        transforms: Sequence[nn.Module],
        base: Density | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = shape = check_event_shape(event_shape)
        transforms = list(transforms)
        for i, transform in enumerate(transforms):
            if not callable(getattr(transform, "inverse", None)):
                raise ValueError(
                    f"transforms[{i}]: expected a map with forward and inverse, got "
                    f"{type(transform).__name__}"
                )
            if isinstance(transform, Transform):
                if transform.event_shape != shape:
                    raise ValueError(
                        f"transforms[{i}]: {type(transform).__name__} takes events of shape "
                        f"{tuple(transform.event_shape)}, but gets {tuple(shape)}"
                    )
                shape = transform.output_shape
        self.transforms = nn.ModuleList(transforms)
        self.base = StandardNormal(shape) if base is None else base
        if not isinstance(self.base, Density):
            raise ValueError(f"base: expected a density, got {type(base).__name__}")
        if self.base.event_shape != shape:
            raise ValueError(
                f"base: expected a density of events of shape {tuple(shape)}, which the transforms "
                f"return, got {tuple(self.base.event_shape)}"
            )
        if len(transforms) and isinstance(transforms[0], Transform):
            self.support = transforms[0].support

    @property
    def num_parameters(self) -> int:
        """The number of parameters that training may change, masked ones left out."""
        parts = [*self.transforms, self.base]
        own = (getattr(part, "num_parameters", None) for part in parts)
        counted = zip(parts, own, strict=True)
        return sum(sum(p.numel() for p in m.parameters()) if n is None else n for m, n in counted)

    @full_precision
    def forward(self, x: Tensor) -> Mapped:
        """Map data to noise, (B, *event_shape): return z and log|det dz/dx|, (B,)."""
        return self._forward(self.check(x))

    @full_precision
    def inverse(self, z: Tensor) -> Mapped:
        """Map noise to data: return x, (B, *event_shape), and log|det dx/dz|, (B,)."""
        return self._inverse(check_events(z, "z", self.base.event_shape, self._like()))

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean negative log-likelihood, (): maps that want it see the first batch."""
        if self.training:
            self.initialise(x)
        return -self.log_prob(x).mean()

    @torch.no_grad()
    @full_precision
    def initialise(self, x: Tensor) -> None:
        """Let the maps that are initialised by data, `ActNorm`, see a batch, each in its place.

        Those that have seen one keep their numbers. The first step of training does this by itself,
        also for flows within this one.
        """
        if self.ready:
            return
        y = self.check(x)
        for transform in self.transforms:
            if not bool(getattr(transform, "ready", True)):
                cast(Transform, transform).initialise(y)
            y = _forward(transform, y)[0]
        if isinstance(self.base, Flow):
            self.base.initialise(y)

    @property
    def ready(self) -> bool:
        """Whether all maps that are initialised by data have seen some."""
        parts = [*self.transforms, self.base]
        return all(bool(getattr(part, "ready", True)) for part in parts)

    @full_precision
    def _log_prob(self, x: Tensor) -> Tensor:
        z, log_det = self._forward(x)
        return self.base._log_prob(z) + log_det

    @full_precision
    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return self._inverse(self.base._sample(n, generator))[0]

    def _forward(self, x: Tensor) -> Mapped:
        y, total = x, x.new_zeros(len(x))
        for transform in self.transforms:
            y, log_det = _forward(transform, y)
            total = total + log_det
        return y, total

    def _inverse(self, z: Tensor) -> Mapped:
        y, total = z, z.new_zeros(len(z))
        for transform in reversed(self.transforms):
            y, log_det = _inverse(transform, y)
            total = total + log_det
        return y, total


def _forward(transform: nn.Module, x: Tensor) -> Mapped:
    """Return what a map makes of events that are known to be valid."""
    return transform._forward(x) if isinstance(transform, Transform) else transform(x)


def _inverse(transform: nn.Module, y: Tensor) -> Mapped:
    if isinstance(transform, Transform):
        return transform._inverse(y)
    return cast(Transform, transform).inverse(y)
