r"""Flow matching: a field of velocities that carries noise to data along nearly straight paths.

Time u runs from noise at 0 to data at 1, the other way than that of a diffusion. A pair of a noise
:math:`x_0` and an event :math:`x_1` is joined by a straight path, and the network learns the mean
velocity at each place and time (Lipman et al. 2023, https://arxiv.org/abs/2210.02747, equation 23;
Liu, Gong and Liu 2023, https://arxiv.org/abs/2209.03003),

.. math:: x_u = (1 - u) x_0 + u x_1, \qquad
    \mathcal L = \mathbb E\, \lVert v_\theta(x_u, u) - (x_1 - x_0) \rVert^2 .

To follow :math:`dx / du = v` from noise is to sample; to follow it back gives the density (Chen et
al. 2018, https://arxiv.org/abs/1806.07366, equation 8),

.. math:: \log p(x_1) = \log \mathcal N(x_0; 0, I) - \int_0^1 \nabla \cdot v(x_u, u)\, du .
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Real

import torch
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_event_shape, check_share, check_tensor
from gdmlib._random import draw, standard_normal
from gdmlib.densities.density import Density
from gdmlib.densities.gaussian import standard_log_prob
from gdmlib.latent.denoiser import Ask, start
from gdmlib.latent.diffusion import ask_network, check_network, dropped, guided, spread
from gdmlib.latent.field import Field, check_method, divergence, slope
from gdmlib.latent.schedule import shaped
from gdmlib.nn.precision import full_precision

COUPLINGS = ("independent", "optimal")
_JUDGED_AT = 8  # times at which `score` looks


class FlowMatching(Density):
    """A density by a field of velocities from noise, at time 0, to data, at time 1.

    Args:
        network: As for `Diffusion`, but time runs from noise at 0 to data at 1.
        event_shape: The shape of an event, d numbers in all; a number d stands for (d,).
        coupling: How `loss` pairs events with noise: "independent", or "optimal", so that the
            squared distances within a batch are least and paths do not cross (Tong et al. 2024,
            https://arxiv.org/abs/2302.00482).
        drop: Share of the labels that `loss` leaves out.
        steps, method: How `sample` and `log_prob` solve the equation, if nothing else is said.
    """

    def __init__(
        self,
        network: nn.Module,
        event_shape: int | Sequence[int],
        *,
        coupling: str = "independent",
        drop: float = 0.1,
        steps: int = 50,
        method: str = "midpoint",
    ) -> None:
        super().__init__()
        if coupling not in COUPLINGS:
            raise ValueError(f"coupling: expected one of {COUPLINGS}, got {coupling!r}")
        self.network, self.coupling = check_network(network), coupling
        self.event_shape = check_event_shape(event_shape)
        self.drop = check_share(drop, "drop")
        self.steps, self.method = check_count(steps, "steps"), check_method(method)

    def loss(
        self, x: Tensor, labels: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Return what a step descends on, (): the mean squared error of the velocity.

        Args:
            x: Events, shape (B, *event_shape).
            labels: Their classes, shape (B,).
            generator: Draws times, noise, and which labels are left out.
        """
        x = self.check(x)
        u = spread(len(x), generator)
        noise = standard_normal(x.shape, x, generator)
        if self.coupling == "optimal":
            noise = noise[couple(x, noise)]
        labels = dropped(self.network, labels, self.drop, x, generator)
        return self._errors(x, u, noise, labels).mean()

    def score(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the error of each event at the same few times with the same noise, (B,).

        For independent pairs, whatever the coupling in training.
        """
        x = self.check(x)
        total, generator = x.new_zeros(len(x)), Generator().manual_seed(0)
        labels = dropped(self.network, labels, 0.0, x, None)
        for i in range(_JUDGED_AT):
            u = torch.full((len(x),), (i + 0.5) / _JUDGED_AT, dtype=torch.float64)
            noise = standard_normal((1, *x.shape[1:]), x, generator).expand_as(x)
            total = total + self._errors(x, u, noise, labels)
        return total / _JUDGED_AT

    def _errors(self, x: Tensor, u: Tensor, noise: Tensor, labels: Tensor | None) -> Tensor:
        at = shaped(u, x)
        said = ask_network(self.network, (1 - at) * noise + at * x, u, labels)
        return (said - (x - noise)).flatten(1).square().mean(dim=1)

    @full_precision
    def velocity(
        self, x: Tensor, u: Tensor | float, labels: Tensor | None = None, guidance: float = 1.0
    ) -> Tensor:
        """Return the velocity at x, in its shape.

        Args:
            x: Points on the way, shape (B, *event_shape).
            u: Times, 0 (noise) to 1 (data), one number or shape (B,).
            labels, guidance: As for `Denoiser.denoise`.
        """
        x = self.check(x)
        number = torch.tensor(float(u), dtype=torch.float64) if isinstance(u, Real) else u
        assert not isinstance(number, float)
        times = check_tensor(number, "u", floating=True)
        times = times.expand(len(x)) if times.ndim == 0 else times
        check_tensor(times, "u", shape=(len(x),))
        if not bool(((times >= 0) & (times <= 1)).all()):
            raise ValueError(
                f"u: expected times from 0, noise, to 1, data, got {float(times.min()):.6g} to "
                f"{float(times.max()):.6g}"
            )
        return guided(self.network, x, times, Ask(labels, guidance))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        generator: Generator | None = None,
        *,
        steps: int | None = None,
        method: str | None = None,
        labels: Tensor | None = None,
        guidance: float = 1.0,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Draw n events, shape (n, *event_shape).

        Args:
            n: How many.
            generator: Draws the noise.
            steps, method: "euler" asks the network once a step, "midpoint" twice; None for the
                model's own.
            labels: Classes, shape (n,); None for any.
            guidance: As for `Denoiser.denoise`.
            noise: What to start from, shape (n, *event_shape); None draws it.
        """
        n, like, ask = check_count(n), self._like(), Ask(labels, guidance)
        dropped(self.network, labels, 0.0, like.expand(n, *like.shape), None)
        x = start(self, n, noise, generator)
        steps = self.steps if steps is None else check_count(steps, "steps")
        method = self.method if method is None else check_method(method)
        return self._solve(x, steps, method, ask)

    @full_precision
    def _solve(self, x: Tensor, steps: int, method: str, ask: Ask) -> Tensor:
        for k in range(steps):
            x = x + slope(self._field(ask), x, k / steps, 1 / steps, method) / steps
        return x

    def _sample(self, n: int, generator: Generator | None) -> Tensor:
        return self.sample(n, generator)

    def _field(self, ask: Ask) -> Field:
        def field(x: Tensor, u: float) -> Tensor:
            at = torch.full((len(x),), u, dtype=x.dtype, device=x.device)
            return guided(self.network, x, at, ask)

        return field

    def log_prob(
        self,
        x: Tensor,
        *,
        steps: int | None = None,
        method: str | None = None,
        labels: Tensor | None = None,
        probes: int | None = None,
        generator: Generator | None = None,
    ) -> Tensor:
        """Return log p(x) of each event, shape (B, *event_shape) -> (B,), in nats.

        As exact as the steps are fine, and the error has a sign: levels whose gaps noise fills look
        more probable than they are when steps are few (twice as many must change nothing). Steps
        are the shorter, the nearer the data. The divergence costs d passes back; its estimate
        (Hutchinson) one for each probe, and is right on average.

        Args:
            x: Events.
            steps, method: As for `sample`.
            labels: Classes, shape (B,), for log p(x | class).
            probes: Random directions by which the divergence is estimated; None for the exact one.
            generator: Draws them.
        """
        x, ask = self.check(x), Ask(labels)
        steps = self.steps if steps is None else check_count(steps, "steps")
        method = self.method if method is None else check_method(method)
        shape = (check_count(probes, "probes"), *x.shape) if probes is not None else None
        signs = None
        if shape is not None:
            signs = draw(torch.randint, 0, 2, shape, generator=generator).to(x) * 2 - 1
        return self._backwards(x, steps, method, ask, signs)

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._backwards(x, self.steps, self.method, Ask(), None)

    @full_precision
    def _backwards(
        self, x: Tensor, steps: int, method: str, ask: Ask, probes: Tensor | None
    ) -> Tensor:
        field, total = self._field(ask), x.new_zeros(len(x))
        # Near the data the field is steep, above all where noise fills the gaps between levels:
        # there steps must be short, or log p comes out too high.
        times = [1 - (1 - k / steps) ** 2 for k in range(steps + 1)]
        for k in range(steps, 0, -1):
            place, at, h = x, times[k], times[k] - times[k - 1]
            if method == "midpoint":
                place, at = x - h / 2 * field(x, at), at - h / 2
            v, spreading = divergence(partial(field, u=at), place, probes)
            x, total = x - h * v, total + h * spreading
        return standard_log_prob(x.flatten(1)) - total


def couple(x: Tensor, noise: Tensor) -> Tensor:
    """Return for each event the noise to pair it with, int64 of (B,).

    The sum of the squared distances is the least that there is; the cost grows with B cubed.

    Args:
        x, noise: Shape (B, ...).
    """
    check_tensor(x, "x", floating=True)
    if x.ndim == 0:
        raise ValueError("x: expected events, shape (B, ...), got one number")
    check_tensor(noise, "noise", shape=x.shape, like=x)
    a, b = (events.detach().reshape(len(x), -1).double() for events in (x, noise))
    cost = torch.cdist(a, b).square()
    _, chosen = linear_sum_assignment(cost.cpu().numpy())
    return torch.from_numpy(chosen).to(x.device)
