r"""PatchGAN: a discriminator that judges patches, and so says nothing of the picture as a whole.

A stack of convolutions gives a logit at each place, and each logit sees one patch. The losses are
means over all of them. A small patch asks for sharp texture alone, a patch as large as the picture
for a picture that is right as a whole (Isola, Zhu, Zhou and Efros 2017,
https://arxiv.org/abs/1611.07004, section 3.2.2 and appendix 6.1.2).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_tensor
from gdmlib.nn.dense import blank, fresh
from gdmlib.nn.norms import BatchNorm2d

NORMS = ("instance", "batch", "none")
"""What a layer's features may be divided by: their spread in one picture, in the batch, nothing."""

_SIZE = 4  # of a convolution, as published
_GAIN = 2.4  # gdmlib.nn.dense.fresh with this gain keeps the size of numbers through a leaky relu


def check_norm(norm: str) -> str:
    """Return the name of a normalisation if it is one of `NORMS`."""
    if norm not in NORMS:
        raise ValueError(f"norm: expected one of {', '.join(NORMS)}, got {norm!r}")
    return norm


def normalised(features: int, norm: str) -> nn.Module:
    """Return the layer that normalises so many features."""
    if norm == "batch":
        return BatchNorm2d(features)
    # A group for each feature, not InstanceNorm2d: that one has no weights of its own by default.
    return nn.GroupNorm(features, features) if norm == "instance" else nn.Identity()


def convolution(
    inputs: int,
    outputs: int,
    generator: Generator | None,
    *,
    size: int = _SIZE,
    stride: int = 1,
    padding: int = 1,
    gain: float = _GAIN,
) -> nn.Conv2d:
    """Return a convolution that keeps the size of numbers."""
    layer = blank(nn.Conv2d, inputs, outputs, size, stride=stride, padding=padding)
    return cast(nn.Conv2d, fresh(layer, generator, gain=gain))


class PatchDiscriminator(nn.Module):
    """Logits of patches of pictures, (B, 1, rows, columns).

    With 3 layers and 2 plain ones it is the published discriminator of patches of 70 × 70 pixels,
    with 1 and 2 that of 16 × 16, and with 0 and 0 that of single pixels.

    Args:
        in_channels: Of a picture; of input and output together where they are judged as a pair.
        channels: Features of the first layer; each next one has twice as many, up to eight times.
        layers: Convolutions of 4 × 4 that halve the picture.
        plain: Convolutions of 4 × 4 after them that do not; the last one gives the logits. With
            none, a convolution of 1 × 1 does.
        norm: One of ``"instance"``, ``"batch"`` and ``"none"``, for all layers but the first and
            the last. With batch norm real and made pictures are judged in passes of their own.
        generator: Draws the weights.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int = 64,
        layers: int = 3,
        plain: int = 2,
        norm: str = "instance",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = check_count(in_channels, "in_channels")
        channels = check_count(channels, "channels")
        self.layers, self.plain = check_count(layers, "layers", 0), check_count(plain, "plain", 0)
        self.norm = check_norm(norm)
        # Of each hidden convolution: its size, stride and padding.
        hidden = [(_SIZE, 2, 1)] * self.layers + [(_SIZE, 1, 1)] * max(self.plain - 1, 0)
        last = (_SIZE, 1, 1) if self.plain else (1, 1, 0)
        if not hidden:  # single pixels, or one convolution: two layers of 1 × 1 think first
            hidden = [(1, 1, 0), (1, 1, 0)]
        parts: list[nn.Module] = []
        inputs = self.in_channels
        for i, (size, stride, padding) in enumerate(hidden):
            outputs = channels * 2 ** min(i, 3)
            parts.append(
                convolution(inputs, outputs, generator, size=size, stride=stride, padding=padding)
            )
            if i:
                parts.append(normalised(outputs, norm))
            parts.append(nn.LeakyReLU(0.2))
            inputs = outputs
        size, stride, padding = last
        parts.append(convolution(inputs, 1, generator, size=size, padding=padding, gain=1.0))
        self.body = nn.Sequential(*parts)
        self._sizes = [*hidden, last]

    @classmethod
    def of_patch(cls, patch: int, in_channels: int, **options: object) -> PatchDiscriminator:
        """Return the discriminator of patches of ``patch`` × ``patch`` pixels.

        Args:
            patch: 1, 4, 7, 10, 16, 22, 34, 46, 70, ...: of the stacks that have this size, the one
                that halves most often is taken; for 16, 34, 70 and 286 it is the published one.
            in_channels, options: As for the class.
        """
        patch = check_count(patch, "patch")
        found = [
            (layers, plain)
            for layers in range(8)
            for plain in range(patch)
            if _field([(_SIZE, 2, 1)] * layers + [(_SIZE, 1, 1)] * plain) == patch
        ]
        if not found:
            near = [patch - (patch - 1) % 3, patch + 3 - (patch - 1) % 3]
            raise ValueError(
                f"patch: convolutions of 4 × 4 see 1, 4, 7, 10, ... pixels, got {patch}; take "
                f"{near[0]} or {near[1]}"
            )
        layers, plain = max(found)
        return cls(in_channels, layers=layers, plain=plain, **options)  # type: ignore[arg-type]

    @property
    def receptive_field(self) -> int:
        """Height and width in pixels of the patch that a logit sees."""
        return _field(self._sizes)

    @property
    def smallest(self) -> int:
        """The smallest height and width of pictures that it takes."""
        side = 1
        for i, (size, stride, padding) in enumerate(reversed(self._sizes)):
            if i == 1 and self.norm == "instance":
                side = max(side, 2)  # one number alone has no spread
            side = (side - 1) * stride + size - 2 * padding
        return side

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, 1, rows, columns), of pictures, (B, in_channels, height, width)."""
        like = next(self.parameters())
        shape = ("B", self.in_channels, "height", "width")
        x = check_tensor(x, "x", shape=shape, floating=True, finite=False, like=like)
        if min(x.shape[2:]) < self.smallest:
            raise ValueError(
                f"x: {self.layers} layers and {self.plain} plain ones take pictures of at least "
                f"{self.smallest} × {self.smallest}, got {x.shape[2]} × {x.shape[3]}; give fewer"
            )
        return self.body(x)

    def both(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of real and of made pictures, in one pass where that is the same."""
        check_tensor(real, "real", ndim=4, floating=True, finite=False)
        shape = ("B", *real.shape[1:])
        check_tensor(fake, "fake", shape=shape, finite=False, like=real)
        if self.norm == "batch" and self.training:
            return self(real), self(fake)
        found = self(torch.cat([real, fake]))
        return found[: len(real)], found[len(real) :]


def _field(sizes: list[tuple[int, int, int]]) -> int:
    seen = 1
    for size, stride, _ in reversed(sizes):
        seen = (seen - 1) * stride + size
    return seen
