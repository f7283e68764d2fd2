r"""The generator of pix2pix: a U-Net from pictures to pictures, and the same without its skips.

On the way down 4 × 4 convolutions halve the picture; on the way up each step doubles pixels and
smooths by a 3 × 3 convolution, which leaves no checkerboard (Isola, Zhu, Zhou and Efros 2017,
https://arxiv.org/abs/1611.07004, section 3.2.1, with transposed convolutions; Odena, Dumoulin and
Olah 2016, https://doi.org/10.23915/distill.00003).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import interpolate

from gdmlib._checks import check_count, check_event_shape, check_share, check_sizes, check_tensor
from gdmlib._random import draw
from gdmlib.adversarial.patches import check_norm, convolution, normalised


class UNetGenerator(nn.Module):
    """From pictures to pictures from -1 to 1: halved step by step, and back again.

    It takes pictures of any size whose sides can be halved as often; ``event_shape`` is the size
    that one expects. With skips, each size on the way up sees what was there on the way down;
    without them everything has to pass through the coarsest one.

    Args:
        event_shape: (channels, height, width) of the input.
        out_channels: Of the output.
        channels: Features at each size, the finest first; L numbers halve L times.
        skips: Whether it is a U-Net; otherwise it is an encoder and a decoder.
        noise: Channels of normal noise at the coarsest size, drawn afresh for each picture.
        dropout: Share of the features that is left out at the two coarsest sizes on the way up, in
            training and, as published, when it is used: the paper's only source of chance.
        norm: ``"batch"``, ``"instance"`` or ``"none"``.
        generator: Draws the weights.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        out_channels: int,
        *,
        channels: int | Iterable[int] = (64, 128, 256, 512),
        skips: bool = True,
        noise: int = 0,
        dropout: float = 0.0,
        norm: str = "batch",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = check_event_shape(event_shape, image=True)
        self.out_channels = check_count(out_channels, "out_channels")
        sizes = check_sizes(channels, "channels", none=False)
        self.stride, self.skips = 2 ** len(sizes), bool(skips)
        self.noise, self.dropout = check_count(noise, "noise", 0), check_share(dropout, "dropout")
        check_norm(norm)
        self._check_size("event_shape", *self.event_shape[1:])
        self.down = nn.ModuleList(
            convolution(a, b, generator, stride=2)
            for a, b in pairwise([self.event_shape[0], *sizes])
        )
        # The first layer sees the picture as it is, and a norm at 1 × 1 would leave nothing of it.
        self.down_norm = nn.ModuleList(
            normalised(b, norm if 0 < i < len(sizes) - 1 else "none") for i, b in enumerate(sizes)
        )
        inputs = [sizes[-1] + self.noise, *[b * (1 + self.skips) for b in sizes[-2::-1]]]
        outputs = [*sizes[-2::-1], sizes[0]]
        self.up = nn.ModuleList(
            convolution(a, b, generator, size=3) for a, b in zip(inputs, outputs, strict=True)
        )
        self.up_norm = nn.ModuleList(normalised(b, norm) for b in outputs)
        last = sizes[0] + self.event_shape[0] * self.skips
        self.last = convolution(last, self.out_channels, generator, size=3, gain=1.0)

    def _check_size(self, name: str, height: int, width: int) -> None:
        unit = self.stride
        if height % unit or width % unit:
            raise ValueError(
                f"{name}: a U-Net that halves {unit.bit_length() - 1} times takes heights and "
                f"widths that are multiples of {unit}, got {height} × {width}; pad or crop the "
                f"pictures, for instance to {-(-height // unit) * unit} × "
                f"{-(-width // unit) * unit}, or give fewer channels"
            )

    def forward(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return pictures from -1 to 1, (B, out_channels, height, width).

        Args:
            x: Pictures, shape (B, channels, height, width).
            generator: Draws the noise and what is left out.
        """
        shape = ("B", self.event_shape[0], "height", "width")
        x = check_tensor(x, "x", shape=shape, floating=True, like=self.last.weight)
        self._check_size("x", *x.shape[2:])
        h, seen = x, []
        for halve, norm in zip(self.down, self.down_norm, strict=True):
            seen.append(h)
            h = nn.functional.leaky_relu(norm(halve(h)), 0.2)
        if self.noise:
            z = draw(torch.randn, len(h), self.noise, *h.shape[2:], generator=generator)
            h = torch.cat([h, z.to(h)], dim=1)
        for i, (widen, norm) in enumerate(zip(self.up, self.up_norm, strict=True)):
            h = norm(widen(interpolate(h, scale_factor=2.0)))
            if self.dropout and i < 2:
                kept = draw(torch.rand, *h.shape, generator=generator) >= self.dropout
                h = h * kept.to(h) / (1 - self.dropout)
            h = nn.functional.leaky_relu(h, 0.2)
            before = seen.pop()
            if self.skips:
                h = torch.cat([h, before], dim=1)
        return self.last(h).tanh()
