r"""A second decoder for the same file: texture that was not written, drawn by a game.

A decoder that was trained on the squared error gives the mean of all pictures with its code, and
the mean of many textures is none. HiFiC (Mentzer, Toderici, Tschannen and Agustsson 2020,
arXiv:2006.09965) has a generator in its place, which pays for the error, for a distance between
features φ, and for what a judge D says of its picture. With d pixels and n features:

.. math:: \mathcal L_G = \lambda\,\tfrac1d\|x - G(\hat x)\|^2
    + c\,\tfrac1n\|\varphi(x) - \varphi(G(\hat x))\|^2
    - \beta \log\sigma\bigl(D(\hat x, G(\hat x))\bigr) .

The paper trains the encoder, too, and its judge sees the code. Here encoder, odds and file stay as
they are: G and D see what the plain decoder made of the file, to which G at first adds nothing. So
both decoders have equal bytes by construction, and a receiver may choose.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from gdmlib._checks import check_count, check_not_negative, check_tensor
from gdmlib._random import standard_normal
from gdmlib.adversarial.patches import PatchDiscriminator
from gdmlib.adversarial.pix2pix import Pix2Pix
from gdmlib.nn.dense import fresh
from gdmlib.nn.residual import Residual, convolution

SIDE = 4
"""Texture is drawn in squares of 4 × 4 pixels: each sees far with few layers."""


class TextureDecoder(nn.Module):
    """Adds texture to a decoded grey picture of any size; at first it adds nothing.

    Args:
        features: Of each layer, for squares of 4 × 4 pixels.
        blocks: Residual blocks.
        noise: Numbers drawn for each square, out of which grain can be made; 0 for none.
        generator: Draws the weights.
    """

    def __init__(
        self,
        *,
        features: int = 32,
        blocks: int = 4,
        noise: int = 4,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        features = check_count(features, "features")
        self.noise = check_count(noise, "noise", 0)
        options: dict[str, Any] = {"border": "replicate", "generator": generator}
        self.enter = convolution(SIDE**2 + 2 + self.noise, features, gain=2.4, **options)
        self.body = nn.Sequential()
        for _ in range(check_count(blocks, "blocks")):
            self.body.append(Residual(features, norm="none", gate="leaky_relu", **options))
        self.leave = convolution(features, SIDE**2, **options)
        fresh(self.leave, generator, zero=True)

    def forward(self, decoded: Tensor, generator: Generator | None = None) -> Tensor:
        """Return pictures with texture, not cut to [0, 1], in the shape of ``decoded``.

        Args:
            decoded: What the plain decoder gives, from the corner of a block on, (B, 1, H, W).
            generator: Draws the noise.
        """
        like = self.enter.weight
        x = check_tensor(decoded, "decoded", shape=("B", 1, "H", "W"), finite=False, like=like)
        height, width = x.shape[-2:]
        whole = pad(x, (0, -width % SIDE, 0, -height % SIDE), mode="replicate")
        h = pixel_unshuffle(4 * whole - 2, SIDE)
        h = torch.cat([h, _halves(h)], dim=1)
        if self.noise:
            drawn = standard_normal((len(h), self.noise, *h.shape[-2:]), h, generator)
            h = torch.cat([h, drawn], dim=1)
        added = pixel_shuffle(self.leave(self.body(self.enter(h))), SIDE)
        return x + added[..., :height, :width]


class TextureJudge(PatchDiscriminator):
    """Logits of patches of a picture, who sees what was decoded, and what the picture has beyond.

    Args:
        options: As for `PatchDiscriminator`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(2, **options)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, 1, rows, columns), of decoded and other pictures, (B, 2, H, W)."""
        like = next(self.parameters())
        x = check_tensor(x, "x", shape=("B", 2, "H", "W"), finite=False, like=like)
        decoded, other = x.chunk(2, dim=1)
        # The two differ by a few hundredths, which are seen only when they are made large.
        return super().forward(torch.cat([4 * decoded - 2, 16 * (other - decoded)], dim=1))


class HiFiC(Pix2Pix):
    """A game whose pictures are decoded ones, and whose answers are what was encoded.

    Attributes:
        features: φ, see `gdmlib.adversarial.content_features`; it is not trained.
    """

    def __init__(
        self,
        decoder: TextureDecoder,
        judge: PatchDiscriminator,
        features: nn.Module,
        *,
        error: float = 1000.0,
        content: float = 2.0,
        adversarial: float = 4.0,
    ) -> None:
        """Put the players together.

        Args:
            decoder: G.
            judge: D, of two channels: what was decoded, and a picture that may be the original.
            features: See above.
            error, content, adversarial: Weights λ, c and β.
        """
        super().__init__(decoder, judge, l1=0.0, l2=error, adversarial=adversarial)
        self.features = features.requires_grad_(False).eval()
        self.content = check_not_negative(content, "content")

    def error(self, y: Tensor, fake: Tensor) -> Tensor:
        """Return λ times the squared error plus c times that of the features, a picture, (B,)."""
        found = super().error(y, fake)
        if not self.content:
            return found
        seen, wanted = (self.features(x.expand(-1, 3, -1, -1)) for x in (fake, y))
        gap = (seen - wanted).square().flatten(1).mean(dim=1)
        return found + self.content * gap.to(found)

    def _about(self) -> dict[str, Any]:
        return super()._about() | {"content": self.content}


def _halves(h: Tensor) -> Tensor:
    """Return which half of its block of 8 × 8 pixels each square is, along rows and columns."""
    rows, columns = (torch.arange(n, device=h.device) % 2 - 0.5 for n in h.shape[-2:])
    both = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).to(h)
    return both.expand(len(h), -1, -1, -1)
