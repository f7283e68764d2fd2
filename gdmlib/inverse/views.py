"""One denoiser asked eight times, about a picture turned and mirrored, and the mean of its answers.

Photographs turned or mirrored are as probable as they were, but a network that has learnt from
finitely many of them does not quite know that: its answers differ, in part at random, and their
mean is nearer to the truth. The field calls it self-ensemble (Timofte, Rothe and Van Gool 2016,
https://arxiv.org/abs/1511.02228, where it is called enhanced prediction).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gdmlib.data.crops import turned
from gdmlib.inverse.noisy import check_noisy
from gdmlib.inverse.plug_and_play import Denoises, check_denoiser

VIEWS = 8


class SelfEnsemble:
    """The mean answer of a denoiser to the eight views of a picture, each turned back.

    It takes the place of the denoiser in `gdmlib.inverse.plug_and_play` and
    `gdmlib.inverse.message_passing`, for eight times its seconds.

    Args:
        denoiser: What is asked.
    """

    def __init__(self, denoiser: Denoises) -> None:
        self.denoiser = check_denoiser(denoiser)

    def denoise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the guess of the clean pictures, shaped like y.

        Args:
            y: Noisy pictures, (..., C, H, W), of any sizes that the denoiser takes.
            sigma: The standard deviation of the noise, one number or one for each picture, (...).
        """
        y, _ = check_noisy(y, sigma, zero=True)
        total = torch.zeros_like(y)
        for turn in range(VIEWS):
            answer = self.denoiser.denoise(turned(y, turn), sigma)
            total += turned(
                answer, turn if turn >= 4 else -turn % 4
            )  # mirrored twice is not at all
        return total / VIEWS
