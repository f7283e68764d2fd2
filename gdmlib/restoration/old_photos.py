r"""Old photographs by a map between two codes, after Wan et al. (2020, arXiv:2004.09484).

What the years did to photographs is known to nobody, so that there are no pairs to learn from; what
we imitate comes with pairs, and differs. One autoencoder codes photographs that are old, real ones
and imitations alike, another one codes clean ones, and a map M leads from code to code. M is
learned from imitations, and serves the real ones if their codes look alike: an opponent who tells
the two apart sees to that,

.. math:: \mathcal L_1 = \tfrac1n\Bigl(\tfrac{1}{2 s_1^2}\|y - D_1(z)\|^2 + \mathrm{KL}\bigl(q(z\mid
    y)\,\|\,p(z)\bigr)\Bigr) + \tfrac{a}{2}\,\bigl(c(z) - 1\bigr)^2

for a photograph y of n numbers. The last part is for codes of imitations alone; c is 1 for codes of
real photographs and 0 for those of imitations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import (
    check_above_zero,
    check_count,
    check_not_negative,
    check_pair,
    check_tensor,
)
from gdmlib._random import standard_normal
from gdmlib.adversarial.losses import loss_named
from gdmlib.adversarial.play import Shared, adversaries
from gdmlib.latent.latent_model import kl
from gdmlib.nn.residual import Residual, check_halves, convolution
from gdmlib.training import Turns

BORDER = "zeros"
SPREADS = (0.08, 0.025)
"""The standard deviations s of the decoders of old and of clean photographs.

A code of old photographs need not keep their grain, and with a small s it would be paid for it.
"""


class PictureVAE(nn.Module):
    """A VAE without a dense layer, for pictures of any size: the code is a small picture itself.

    Args:
        channels: Of the pictures.
        code: Channels of the code, at a quarter of the height and of the width.
        features: Of the convolutions at that size.
        spread: s, the standard deviation of the decoder.
        generator: Draws the weights to start from.
    """

    def __init__(
        self,
        channels: int,
        *,
        code: int = 16,
        features: int = 32,
        spread: float = 0.025,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.spread = check_above_zero(spread, "spread")
        self.channels, self.code = check_count(channels, "channels"), check_count(code, "code")
        f = check_count(features, "features")

        def conv(a: int, b: int, gain: float = 1.5) -> nn.Module:
            return convolution(a, b, border=BORDER, gain=gain, generator=generator)

        def block() -> nn.Module:
            return Residual(f, norm="none", border=BORDER, generator=generator)

        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4), conv(16 * channels, f), block(), block(), conv(f, 2 * code, 1.0)
        )
        self.decoder = nn.Sequential(
            conv(code, f), block(), block(), conv(f, 16 * channels, 1.0), nn.PixelShuffle(4)
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, (B, channels, H, W) -> (B, code, H/4, W/4), twice."""
        like = next(self.parameters())
        shape = ("B", self.channels, "H", "W")
        x = check_tensor(x, "x", shape=shape, floating=True, like=like)
        found = self.encoder(check_halves(x, "x", 2, "the encoder") - 0.5)
        mean, log_variance = found.chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 4)

    def decode(self, z: Tensor) -> Tensor:
        """Return pictures, (B, code, h, w) -> (B, channels, 4 h, 4 w)."""
        like = next(self.parameters())
        z = check_tensor(z, "z", shape=("B", self.code, "h", "w"), floating=True, like=like)
        return self.decoder(z) + 0.5

    def sample_code(self, x: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """Return a code drawn from q(z | x), and the divergence of each picture in nats, (B,)."""
        mean, log_variance = self.encode(x)
        z = mean + (0.5 * log_variance).exp() * standard_normal(mean.shape, mean, generator)
        return z, kl(mean, log_variance).flatten(1).sum(1)

    def misfit(self, x: Tensor, z: Tensor) -> Tensor:
        """Return minus log p(x | z) but for a constant, in nats, (B,)."""
        made = self.decode(z)
        x = check_tensor(x, "x", shape=tuple(made.shape), what="four times the code's", like=made)
        return (x - made).square().flatten(1).sum(1) / (2 * self.spread**2)

    def loss(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return minus the bound of a pixel, but for a constant, ()."""
        z, nats = self.sample_code(x, generator)
        return (self.misfit(x, z) + nats).mean() / x[0].numel()


class Restorer(nn.Module):
    """Codes of old photographs, a map of codes, and clean photographs.

    Args:
        code, features: Of both autoencoders.
        blocks: Residual blocks of the map.
        generator: Draws the weights.

    Attributes:
        old, clean: Autoencoders of photographs of 3 channels and of 1.
        mapping: M.
    """

    def __init__(
        self,
        *,
        code: int = 16,
        features: int = 32,
        blocks: int = 2,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.old, self.clean = (
            PictureVAE(channels, code=code, features=features, spread=spread, generator=generator)
            for channels, spread in zip((3, 1), SPREADS, strict=True)
        )
        self.mapping = nn.Sequential(
            convolution(code, features, border=BORDER, gain=1.5, generator=generator),
            *(
                Residual(features, norm="none", border=BORDER, generator=generator)
                for _ in range(check_count(blocks, "blocks"))
            ),
            nn.SiLU(),
            convolution(features, code, border=BORDER, generator=generator),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Return clean photographs, (B, 3, H, W) -> (B, 1, H, W); H and W multiples of four."""
        return self.clean.decode(self.mapping(self.old.encode(x)[0]))

    def score(self, damaged: Tensor, clean: Tensor) -> Tensor:
        """Return the mean squared error of each restored photograph, (B,)."""
        made = self(damaged)
        clean = check_tensor(clean, "clean", shape=tuple(made.shape), like=made)
        return (made - clean).square().flatten(1).mean(1)

    def mapping_loss(self, damaged: Tensor, clean: Tensor) -> Tensor:
        """Return how far mapped codes are from the right ones, and pictures from theirs, ()."""
        z = self.mapping(self.old.encode(damaged)[0])
        with torch.no_grad():
            wanted = self.clean.encode(clean)[0]
        error = (self.clean.decode(z) - clean).square().mean() / self.clean.spread
        return error + (z - wanted).abs().mean()


def alignment(
    model: PictureVAE,
    opponent: nn.Module,
    *,
    weight: float = 1.0,
    lr: tuple[float, float] = (2e-3, 1e-3),
    generator: Generator | None = None,
) -> Turns:
    """Return the step that trains the autoencoder of old photographs against an opponent.

    It is for ``gdmlib.training.fit(alignment(...), (real, imitated), epochs=...)``, where the two
    belong to different photographs.

    Args:
        model: Codes both kinds.
        opponent: From codes to logits of "this is a real one", such as a `PatchDiscriminator`.
        weight: a, what the opponent's verdict on imitations counts; 0 for no alignment.
        lr: Learning rates of the autoencoder and of the opponent.
        generator: Draws the codes.
    """
    weight, game = check_not_negative(weight, "weight"), loss_named("least_squares")

    def make(batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        both = torch.cat(check_pair(batch, "photographs", "real", "imitated"))
        return both, *model.sample_code(both, generator)

    shared = Shared(model, make)

    def of_opponent(batch: Any) -> Tensor:
        real, imitated = opponent(shared.ahead(batch)[1].detach()).chunk(2)
        return game.discriminator(real, imitated)

    def of_model(batch: Any) -> dict[str, Tensor]:
        both, z, nats = shared.now(batch)
        bound = (model.misfit(both, z) + nats).mean() / both[0].numel()
        fooled = game.generator(opponent(z).chunk(2)[1])
        return {"loss": bound + weight * fooled, "bound": bound, "fooled": fooled}

    return adversaries(
        model,
        opponent,
        generator_loss=of_model,
        discriminator_loss=of_opponent,
        lr=lr,
        betas=(0.9, 0.999),
        clip=1.0,  # a reconstruction with so small a spread has steep slopes at the start
        noise=generator,
        about={"weight": weight},
    )
