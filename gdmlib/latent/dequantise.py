r"""Levels and densities: noise that makes pixels continuous, and the logit that frees them.

A density over real numbers can put all its mass on 256 points and be as large as it likes there.
So noise u is added to a level k, and what is learned is the density of :math:`y = (k + u) / L`. By
Jensen's inequality it bounds the probability of the levels (Theis, van den Oord and Bethge 2016,
https://arxiv.org/abs/1511.01844; Ho et al. 2019, https://arxiv.org/abs/1902.00275, equation 12),

.. math:: \log P(x) = \log \int_{\text{cell of } x} p(y) \, dy
    \ge \mathbb E_{q(y \mid x)} \left[ \log p(y) - \log q(y \mid x) \right] ,

for any density q on the cell: the uniform one, or one that learns to make the bound tight.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import logsigmoid

from gdmlib._checks import check_count, check_event_shape, check_sizes, check_values
from gdmlib._random import standard_normal, uniform
from gdmlib.densities.density import Density, Levels, Model, Support
from gdmlib.densities.gaussian import LOG_2PI
from gdmlib.latent.flow import Flow, Mapped, Transform
from gdmlib.latent.flow_layers import bounded
from gdmlib.nn.dense import convolutions, dense
from gdmlib.nn.precision import full_precision


class Between(Support):
    """Numbers between two bounds, these left out."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def check(self, x: Tensor, name: str, event_shape: Sequence[int | str], like: Tensor) -> Tensor:
        """Return the events."""
        super().check(x, name, event_shape, like)
        fits = (x > self.low) & (x < self.high)
        wanted = f"numbers above {self.low:.6g} and below {self.high:.6g}"
        advice = (
            f"; dequantise levels first, bytes for instance by ({name} + noise in [0, 1)) / 256"
        )
        return check_values(x, name, fits, wanted, advice)


class Logit(Transform):
    r"""Numbers between 0 and 1 to all numbers, :math:`y = \log\frac{s}{1 - s}`.

    Here :math:`s = \lambda + (1 - 2\lambda) x`, where a margin :math:`\lambda` keeps black and
    white pixels from infinity (Papamakarios, Pavlakou and Murray 2017, https://arxiv.org/abs/1705.07057,
    section 4.3): x may then be any number for which s is between 0 and 1, 0 and 1 among them.

    Args:
        event_shape: The shape of an event.
        margin: λ, at least 0 and below 1/2; 1e-6 is usual for digits, 0.05 for photographs.
    """

    def __init__(self, event_shape: int | Sequence[int], *, margin: float = 0.0) -> None:
        super().__init__(event_shape)
        if not 0 <= margin < 0.5:
            raise ValueError(f"margin: expected at least 0 and below 0.5, got {margin}")
        self.margin = float(margin)
        self.scale = 1 - 2 * self.margin
        edge = self.margin / self.scale
        self.support = Between(-edge, 1 + edge)

    def _forward(self, x: Tensor) -> Mapped:
        s = self.margin + self.scale * x
        y = s.log() - torch.log1p(-s)
        return y, -self._log_slope(y)

    def _inverse(self, y: Tensor) -> Mapped:
        tiny = torch.finfo(y.dtype).eps  # a sigmoid that is rounded to 1 would be outside
        s = torch.sigmoid(y).clamp(tiny, 1 - tiny)
        return (s - self.margin) / self.scale, self._log_slope(y)

    def _log_slope(self, y: Tensor) -> Tensor:
        """Return log dx/dy, summed over an event."""
        z = y.flatten(1)
        each = logsigmoid(z) + logsigmoid(-z)
        return each.sum(dim=1) - z.shape[1] * math.log(self.scale)


class Dequantiser(Model):
    """A density q(y | x) on the cell of each level: a subclass gives ``_noise``.

    Args:
        event_shape: The shape of an event, d pixels.
        levels: The number of levels; events are multiples of 1 / (levels - 1) from 0 to 1.
    """

    origin: Tensor

    def __init__(self, event_shape: int | Sequence[int], levels: int = 256) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape)
        self.levels = check_count(levels, "levels", least=2)
        self.support = Levels(self.levels)
        self.register_buffer("origin", torch.zeros(()), persistent=False)

    @full_precision
    def forward(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw y in (0, 1) for levels x, (B, *event_shape); return it and log q(y | x), (B,)."""
        x = self.check(x)
        u, log_q = self._noise(x, generator)
        tiny = torch.finfo(x.dtype).eps  # rounding must not make a 0, nor leave the cell
        level = (x * (self.levels - 1)).round()
        low, high = level / self.levels, (level + 1) / self.levels
        y = ((level + u) / self.levels).clamp(low * (1 + tiny), high * (1 - tiny)).clamp(min=tiny)
        return y, log_q + x[0].numel() * math.log(self.levels)

    @abstractmethod
    def _noise(self, x: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """Draw u in [0, 1] for valid events; return it and its log-density, (B,)."""


class UniformDequantiser(Dequantiser):
    """Uniform noise; arguments are those of `Dequantiser`."""

    def _noise(self, x: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        return uniform(x.shape, x, generator).to(x.dtype), x.new_zeros(len(x))


class VariationalDequantiser(Dequantiser):
    r"""Noise :math:`u = \sigma(m(x) + e^{s(x)} \varepsilon)` with normal ε and networks m and s.

    It starts near the uniform density, and is trained with the flow by `Dequantised`.

    Args:
        event_shape, levels: See `Dequantiser`.
        hidden: The sizes of the hidden layers of the network, dense ones.
        channels: For images: the channels inside a network of convolutions instead.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        levels: int = 256,
        *,
        hidden: int | Iterable[int] = (64,),
        channels: int | Iterable[int] | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(event_shape, levels)
        check_event_shape(self.event_shape, image=channels is not None)
        self.convolves = channels is not None
        if channels is None:
            d = self.event_shape.numel()
            self.network = dense(d, check_sizes(hidden, "hidden"), 2 * d, generator)
        else:
            c, sizes = self.event_shape[0], check_sizes(channels, "channels")
            self.network = convolutions(c, sizes, 2 * c, generator)

    def _noise(self, x: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        steer = self.network((2 * x - 1) if self.convolves else (2 * x - 1).flatten(1))
        mean, raw = steer.flatten(1).chunk(2, dim=1)
        log_scale = math.log(1.7) + bounded(raw, 3.0)  # 1.7: the normal that is closest to logistic
        noise = standard_normal(mean.shape, mean, generator)
        v = mean + log_scale.exp() * noise
        log_normal = -0.5 * (noise.square() + LOG_2PI) - log_scale
        log_q = (log_normal - logsigmoid(v) - logsigmoid(-v)).sum(dim=1)
        return torch.sigmoid(v).reshape(x.shape), log_q


class Dequantised(nn.Module):
    """A probability of levels, by a density of numbers between 0 and 1 and a dequantiser.

    Args:
        density: Of numbers in (0, 1), a flow that begins with `Logit` for instance.
        dequantiser: Of the same events.
    """

    def __init__(self, density: Density, dequantiser: Dequantiser) -> None:
        super().__init__()
        for part, name, kind in (
            (density, "density", Density),
            (dequantiser, "dequantiser", Dequantiser),
        ):
            if not isinstance(part, kind):
                raise ValueError(f"{name}: expected a {kind.__name__}, got {type(part).__name__}")
        if density.event_shape != dequantiser.event_shape:
            raise ValueError(
                f"dequantiser: expected events of shape {tuple(density.event_shape)}, got "
                f"{tuple(dequantiser.event_shape)}"
            )
        self.density, self.dequantiser = density, dequantiser
        self.event_shape = density.event_shape

    def bound(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> Tensor:
        """Return a lower bound of log P(x), (B,), in nats: the mean over draws of the noise."""
        return self._weights(x, check_count(samples, "samples"), generator).mean(dim=0)

    def importance_bound(self, x: Tensor, k: int, generator: Generator | None = None) -> Tensor:
        """Return a bound that k draws make tighter, (B,), in nats: the log of their mean weight."""
        count = check_count(k, "k")
        return self._weights(x, count, generator).logsumexp(dim=0) - math.log(count)

    def score(self, x: Tensor) -> Tensor:
        """Return what each event costs, (B,): minus a bound, by torch's global generator."""
        return -self.bound(x)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of that, (); maps that want it see the first batch."""
        if self.training and isinstance(self.density, Flow):
            self.density.initialise(self.dequantiser(x)[0].detach())
        return self.score(x).mean()

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n events of levels, (n, *event_shape)."""
        levels = self.dequantiser.levels
        y = self.density.sample(n, generator)
        return (y * levels).floor().clamp(0, levels - 1) / (levels - 1)

    def _weights(self, x: Tensor, k: int, generator: Generator | None) -> Tensor:
        """Return log p(y) - log q(y | x) of k draws, (k, B)."""
        many = self.dequantiser.check(x).repeat(k, *[1] * len(self.event_shape))
        y, log_q = self.dequantiser(many, generator)
        return (self.density.log_prob(y) - log_q).unflatten(0, (k, -1))
