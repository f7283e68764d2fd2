r"""Diffusion: a network that takes noise out at every level of noise, and so can start from noise.

.. math:: \mathcal L = \mathbb E_{t, \epsilon}\, \lVert \epsilon -
    \epsilon_\theta(\sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon, t) \rVert^2

(Sohl-Dickstein et al. 2015, https://arxiv.org/abs/1503.03585; Ho, Jain and Abbeel 2020,
https://arxiv.org/abs/2006.11239, equation 14). The terms of the variational bound are this
regression with other weights. What the network says may be the noise, the event, or
:math:`v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x_0` (Salimans and Ho 2022,
https://arxiv.org/abs/2202.00512), which stays of size 1 at both ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_event_shape, check_labels, check_share
from gdmlib._random import standard_normal, uniform
from gdmlib.latent.denoiser import Ask, Denoiser, ShiftedLevels
from gdmlib.latent.samplers import ddpm
from gdmlib.latent.schedule import Schedule, broadcast
from gdmlib.nn.precision import full_precision

PARAMETERISATIONS = ("epsilon", "x0", "v")
_JUDGED_AT = 8  # levels of noise at which `score` looks


class Diffusion(Denoiser):
    """A network that takes noise out of events.

    Args:
        network: ``network(x, time)``, or ``network(x, time, labels)`` for one with an attribute
            ``classes``, such as `UNet` and `TimedMLP`; time is ``schedule.time``, rising with the
            noise.
        event_shape: The shape of an event; a number d stands for (d,).
        schedule: The noise, from the data at t = 0 to T.
        parameterisation: What the network says: "epsilon", "x0" or "v". To guess x0 from a
            noise is to divide by what is left of the data: where that is nearly nothing, as at the
            end of a cosine schedule, clip the guesses, or take "v".
        drop: Share of the labels that `loss` leaves out, so that one network learns both the
            classes and what they have in common.
        variance, levels: As for `Denoiser`.
    """

    def __init__(
        self,
        network: nn.Module,
        event_shape: int | Sequence[int],
        schedule: Schedule,
        parameterisation: str = "epsilon",
        *,
        drop: float = 0.1,
        variance: str = "large",
        levels: int | None = None,
    ) -> None:
        super().__init__(schedule, variance=variance, levels=levels)
        if parameterisation not in PARAMETERISATIONS:
            raise ValueError(
                f"parameterisation: expected one of {PARAMETERISATIONS}, got {parameterisation!r}"
            )
        self.network, self.parameterisation = check_network(network), parameterisation
        self.event_shape = check_event_shape(event_shape)
        self.drop = check_share(drop, "drop")
        if self.levels is not None:
            self.support = ShiftedLevels(self.levels)

    def loss(
        self, x: Tensor, labels: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Return what a step descends on, (): the mean squared error of what the network says.

        Args:
            x: Clean events, shape (B, *event_shape).
            labels: Their classes, shape (B,).
            generator: Draws levels of noise, noise, and which labels are left out.
        """
        x = self.check(x)
        t = spread(len(x), generator) * self.schedule.steps
        at = (t.long() + 1).clamp(max=self.schedule.steps)
        noise = standard_normal(x.shape, x, generator)
        return self._errors(x, at, noise, dropped(self.network, labels, self.drop, x, generator))

    def score(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the error of each event at the same few levels with the same noise, (B,)."""
        x = self.check(x)
        steps, total = self.schedule.steps, x.new_zeros(len(x))
        generator = Generator().manual_seed(0)
        labels = dropped(self.network, labels, 0.0, x, None)
        for i in range(_JUDGED_AT):
            at = torch.tensor(int((i + 0.5) / _JUDGED_AT * steps) + 1).expand(len(x))
            noise = standard_normal((1, *x.shape[1:]), x, generator).expand_as(x)
            total = total + self._errors(x, at, noise, labels, reduce=False)
        return total / _JUDGED_AT

    def _errors(
        self, x: Tensor, at: Tensor, noise: Tensor, labels: Tensor | None, reduce: bool = True
    ) -> Tensor:
        """Return the mean over each event, or over all, of the squared error."""
        signal, scale = broadcast(self.schedule.alpha_bar[at], x)
        said = ask_network(self.network, signal * x + scale * noise, self.schedule.time[at], labels)
        wanted = {"epsilon": noise, "x0": x, "v": signal * noise - scale * x}
        error = (said - wanted[self.parameterisation]).flatten(1).square().mean(dim=1)
        return error.mean() if reduce else error

    def _clean(self, x: Tensor, alpha_bar: Tensor, time: Tensor, ask: Ask) -> Tensor:
        said = guided(self.network, x, time, ask)
        signal, scale = broadcast(alpha_bar, x)
        if self.parameterisation == "epsilon":
            return (x - scale * said) / signal
        return said if self.parameterisation == "x0" else signal * x - scale * said

    @torch.no_grad()
    @full_precision
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n events, shape (n, *event_shape), by all steps of the chain: `ddpm`."""
        return ddpm(self, n, generator=generator)


def spread(n: int, generator: Generator | None) -> Tensor:
    """Draw n numbers in [0, 1), one in each n-th part: evener than independent ones."""
    u = uniform((n,), torch.empty(0), generator)
    return (torch.arange(n, dtype=u.dtype) + u) / n


def check_network(network: nn.Module) -> nn.Module:
    """Return a network, if it is one."""
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"network: expected a module such as TimedMLP or UNet, got {type(network).__name__}"
        )
    return network


def classes_of(network: nn.Module) -> int | None:
    """Return the number of classes that a network knows, None if it knows of none."""
    found = getattr(network, "classes", None)
    return found if isinstance(found, int) else None


def dropped(
    network: nn.Module,
    labels: Tensor | None,
    share: float,
    x: Tensor,
    generator: Generator | None,
) -> Tensor | None:
    """Return labels, int64 of (B,), of which a share is left out; None stays None."""
    classes = classes_of(network)
    if labels is None:
        return None
    if classes is None:
        raise ValueError(
            "labels: this model's network was built without classes; leave them out, or build it "
            "with classes=..."
        )
    labels = check_labels(labels, "labels", num_classes=classes, length=len(x))
    if not share:
        return labels
    out = uniform((len(x),), torch.empty(0, device=labels.device), generator) < share
    return torch.where(out, classes, labels)


def ask_network(network: nn.Module, x: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
    """Return what a network says of events, (B, ...), at times, float64 of (B,)."""
    told = time.to(x)
    return network(x, told) if labels is None else network(x, told, labels)


def guided(network: nn.Module, x: Tensor, time: Tensor, ask: Ask) -> Tensor:
    """Return what a network says, guided: both answers come from one pass."""
    w, labels = ask.guidance, dropped(network, ask.labels, 0.0, x, None)
    if labels is None or w == 1:
        return ask_network(network, x, time, labels)
    if w == 0:
        return ask_network(network, x, time, None)
    none = torch.full_like(labels, classes_of(network) or 0)
    both = ask_network(
        network, torch.cat([x, x]), torch.cat([time, time]), torch.cat([labels, none])
    )
    named, blank = both.chunk(2)
    return blank + w * (named - blank)
