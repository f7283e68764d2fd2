"""A flow as a denoiser, so that whatever asks a diffusion can ask it."""

from __future__ import annotations

from torch import Tensor

from gdmlib._checks import check_kind
from gdmlib.latent.denoiser import Ask, Denoiser
from gdmlib.latent.flow_matching import FlowMatching
from gdmlib.latent.schedule import Schedule, shaped


class FlowDenoiser(Denoiser):
    r"""A flow's field of velocities as a denoiser: its mean of the clean event at any noise.

    The flow's :math:`x_u = u x_1 + (1 - u) x_0` is the diffusion's :math:`x_t` but for a factor, at
    the time at which signal and noise stand in the same ratio; and :math:`\hat x_1 = x_u + (1 - u)
    v(x_u, u)`.

    Args:
        flow: With independent pairs of noise and event.
        schedule: The noise.
    """

    def __init__(self, flow: FlowMatching, schedule: Schedule) -> None:
        super().__init__(schedule)
        check_kind(flow, "flow", FlowMatching, "a FlowMatching")
        self.flow, self.event_shape = flow, flow.event_shape

    def _clean(self, x: Tensor, alpha_bar: Tensor, time: Tensor, ask: Ask) -> Tensor:
        signal, scale = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        u = signal / (signal + scale)
        place = shaped(1 / (signal + scale), x) * x
        velocity = self.flow.velocity(place, u.to(x), ask.labels, ask.guidance)
        return place + shaped(1 - u, x) * velocity
