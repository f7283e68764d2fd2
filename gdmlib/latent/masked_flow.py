r"""Masked autoregressive flows: each number is scaled and shifted as those before it say.

Papamakarios, Pavlakou and Murray (2017, https://arxiv.org/abs/1705.07057), equations 2 to 4,

.. math:: z_i = \left( x_i - \mu_i(x_{<i}) \right) e^{-\alpha_i(x_{<i})} ,

with all :math:`\mu_i` and :math:`\alpha_i` from one pass through a MADE. The Jacobian is
triangular. From x to z, for a density, is one pass; from z to x, for a sample, the numbers come one
by one. The inverse autoregressive flow is the same map the other way round (Kingma et al. 2016,
https://arxiv.org/abs/1606.04934): samples are one pass, and the density of given data is slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_event_shape, check_sizes
from gdmlib.autoregressive._binary import Ordering, check_ordering
from gdmlib.latent.flow import Flow, Inverted, Mapped, Transform
from gdmlib.latent.flow_layers import ActNorm, bounded
from gdmlib.nn.masked_dense import MaskedDense


class MaskedAutoregressive(Transform):
    """Scale and shift each number as those before it say; ``Inverted`` makes the inverse flow.

    The logarithm of the scale is kept within ±``limit`` by a tanh, as in `AffineCoupling`.

    Args:
        event_shape: The shape of an event, d numbers in all.
        hidden: The sizes of the hidden layers.
        ordering: The numbers in the order of their visits, a permutation of 0 to d - 1; None is
            this order.
        generator: Draws degrees and weights to start from, at which the map is the identity.
    """

    limit = 2.0

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        hidden: int | Iterable[int] = (64, 64),
        ordering: Ordering = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape)
        order = check_ordering(ordering, self.event_shape.numel())
        sizes = check_sizes(hidden, "hidden")
        if not sizes:
            raise ValueError("hidden: expected at least one layer, got none")
        self.network = MaskedDense(order, sizes, 2, generator)

    @property
    def num_parameters(self) -> int:
        """The number of parameters that count: those that a mask forbids do not."""
        return self.network.num_parameters

    def _forward(self, x: Tensor) -> Mapped:
        shift, log_scale = self._steer(x.flatten(1))
        z = (x.flatten(1) - shift) * (-log_scale).exp()
        return z.reshape(x.shape), -log_scale.sum(dim=1)

    def _inverse(self, y: Tensor) -> Mapped:
        z = y.flatten(1)
        if torch.is_grad_enabled():
            x = self._one_by_one(z)
        else:
            x = self.network.walk(len(z), lambda i, found: self._visit(z[:, i], found))
        return x.reshape(y.shape), self._steer(x)[1].sum(dim=1)

    def _visit(self, z: Tensor, found: Tensor) -> Tensor:
        shift, raw = found.unbind(1)
        return shift + z * bounded(raw, self.limit).exp()

    def _steer(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shift and the logarithm of the scale of each number, both (B, d)."""
        shift, raw = self.network(x).unbind(1)
        return shift, bounded(raw, self.limit)

    def _one_by_one(self, z: Tensor) -> Tensor:
        """Find the numbers in order, by a whole pass each; autograd can follow it."""
        x = torch.zeros_like(z)
        places = torch.arange(z.shape[1], device=z.device)
        for i in self.network.ordering.tolist():
            shift, log_scale = self._steer(x)
            x = torch.where(places == i, shift + z * log_scale.exp(), x)
        return x


class _Autoregressive(Flow):
    inverted: bool

    def __init__(
        self,
        event_shape: int | Sequence[int],
        *,
        layers: int = 5,
        hidden: int | Iterable[int] = (64, 64),
        normalise: bool = True,
        generator: Generator | None = None,
    ) -> None:
        shape = check_event_shape(event_shape)
        sizes, order = check_sizes(hidden, "hidden"), torch.arange(shape.numel())
        parts: list[Transform] = []
        for i in range(check_count(layers, "layers")):
            ordering = order.flip(0) if i % 2 else order
            if normalise:
                parts.append(ActNorm(shape))
            one = MaskedAutoregressive(shape, hidden=sizes, ordering=ordering, generator=generator)
            parts.append(Inverted(one) if self.inverted else one)
        super().__init__(shape, parts)


class MAF(_Autoregressive):
    """Masked autoregressive maps, each in the order that is the reverse of the one before.

    Args:
        event_shape: The shape of an event.
        layers: The number of maps.
        hidden: See `MaskedAutoregressive`.
        normalise: Whether an `ActNorm` stands before each map.
        generator: Draws degrees and weights to start from.
    """

    inverted = False


class IAF(_Autoregressive):
    """Inverse autoregressive maps: quick to sample from, slow to say the density of data.

    Arguments are those of `MAF`.
    """

    inverted = True
