"""A denoiser of pictures as a diffusion, so that posterior samples need no further training."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gdmlib._checks import check_event_shape, check_kind
from gdmlib.inverse.denoiser import ConvDenoiser
from gdmlib.latent.denoiser import Ask, Denoiser
from gdmlib.latent.schedule import Schedule, shaped


class DenoiserDiffusion(Denoiser):
    r"""A denoiser that is told the level of noise, as the network of a diffusion.

    Pictures from 0 to 1 are events z = 2x - 1. At any step :math:`z_t / \sqrt{\bar\alpha_t}` is
    the event with noise of :math:`\sqrt{(1 - \bar\alpha_t) / \bar\alpha_t}`, which the denoiser
    takes away. It is asked for stronger noise, too, than it was trained on: a `ConvDenoiser`, which
    has no biases, sees there a picture of less contrast.

    Args:
        network: The denoiser.
        event_shape: Of the pictures, (C, H, W).
        schedule: The noise, such as a `geometric_schedule`.
    """

    def __init__(
        self, network: ConvDenoiser, event_shape: Sequence[int], schedule: Schedule
    ) -> None:
        super().__init__(schedule)
        self.network = check_kind(network, "network", ConvDenoiser, "a ConvDenoiser")
        self.event_shape = check_event_shape(event_shape, image=True)
        if self.event_shape[0] != network.channels:
            raise ValueError(
                f"event_shape: expected {network.channels} channels, as the denoiser has, got "
                f"{self.event_shape[0]}"
            )

    def _clean(self, x: Tensor, alpha_bar: Tensor, time: Tensor, ask: Ask) -> Tensor:
        noise = ((1 - alpha_bar) / alpha_bar).sqrt()
        picture = (x / shaped(alpha_bar.sqrt(), x) + 1) / 2
        return 2 * self.network(picture, (noise / 2).to(x)) - 1
