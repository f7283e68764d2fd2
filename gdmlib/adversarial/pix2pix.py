r"""pix2pix: a picture translated into another one, learned from pairs.

The generator G turns a picture x into a picture G(x); the discriminator sees x *together with*
either the true answer y or G(x), and so judges whether the answer fits the question. The generator
pays, with the weights λ,

    λ_adv · (what the discriminator makes it pay) + λ₁ · mean |y - G(x)| + λ₂ · mean (y - G(x))²

(Isola, Zhu, Zhou and Efros 2017, https://arxiv.org/abs/1611.07004, equations (1) to (4), with
λ_adv = 1, λ₁ = 100 and λ₂ = 0). With ``conditional=False`` the discriminator sees the answer alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_not_negative, check_pair, check_tensor
from gdmlib.adversarial.losses import AdversarialLoss, loss_named
from gdmlib.adversarial.patches import PatchDiscriminator
from gdmlib.adversarial.play import Shared, adversaries
from gdmlib.adversarial.translator import UNetGenerator
from gdmlib.training import Turns

__all__ = ["PatchDiscriminator", "Pix2Pix", "UNetGenerator"]

Batch = tuple[Tensor, Tensor]


class Pix2Pix(nn.Module):
    """A generator, its judge and what they play for.

    Args:
        generator: From pictures x to pictures like y, from -1 to 1: ``generator(x)``, or, where it
            has ``noise`` or ``dropout``, ``generator(x, rng)``.
        discriminator: Gives logits of x and an answer, one after the other along the channels; None
            where ``adversarial`` is 0.
        l1, l2: Weights of the mean absolute and of the mean squared error.
        adversarial: Weight of the discriminator's judgement.
        conditional: Whether the discriminator sees x.
        loss: The game: a name in `gdmlib.adversarial.LOSSES`, or a loss.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module | None = None,
        *,
        l1: float = 100.0,
        l2: float = 0.0,
        adversarial: float = 1.0,
        conditional: bool = True,
        loss: str | AdversarialLoss = "non_saturating",
    ) -> None:
        super().__init__()
        self.l1, self.l2 = check_not_negative(l1, "l1"), check_not_negative(l2, "l2")
        self.adversarial = check_not_negative(adversarial, "adversarial")
        self.conditional, self.game = bool(conditional), loss_named(loss)
        if not self.l1 + self.l2 + self.adversarial:
            raise ValueError("l1, l2, adversarial: all are 0; the generator would learn nothing")
        if self.adversarial and discriminator is None:
            raise ValueError(
                "discriminator: the adversarial part needs one; give it, or adversarial=0"
            )
        self.generator, self.discriminator = generator, discriminator

    def forward(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Return translations of pictures, (B, out_channels, height, width).

        Args:
            x: Pictures, shape (B, channels, height, width).
            generator: Draws the noise, where the network has any.
        """
        by_chance = getattr(self.generator, "noise", 0) or getattr(self.generator, "dropout", 0)
        made = self.generator(x, generator) if by_chance else self.generator(x)
        return made.to(x.dtype)  # in mixed precision the layers round, and not what is made of them

    def judge(self, x: Tensor, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of true and of made answers to x, in one pass where that is one."""
        if self.discriminator is None:
            raise ValueError("discriminator: there is none to judge; build the model with one")
        _pictures(real, "real", finite=False)
        check_tensor(fake, "fake", shape=tuple(real.shape), finite=False, like=real)
        if self.conditional:
            shape = (len(real), "channels", *real.shape[2:])
            check_tensor(x, "x", shape=shape, finite=False, like=real)
            real, fake = torch.cat([x, real], dim=1), torch.cat([x, fake], dim=1)
        if isinstance(self.discriminator, PatchDiscriminator):
            of_real, of_fake = self.discriminator.both(real, fake)
        else:
            of_real, of_fake = self.discriminator(real), self.discriminator(fake)
        return of_real.to(real.dtype), of_fake.to(real.dtype)

    def error(self, y: Tensor, fake: Tensor) -> Tensor:
        """Return the weighted L1 and L2 errors of each answer, (B,)."""
        check_tensor(y, "y", floating=True)
        check_tensor(fake, "fake", shape=tuple(y.shape), like=y)
        gap = (y - fake).flatten(1)
        found = self.l1 * gap.abs().mean(dim=1)
        return found + self.l2 * gap.square().mean(dim=1) if self.l2 else found

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean absolute error of each translation, (B,)."""
        made = self(x)
        return (_answers(y, made) - made).abs().flatten(1).mean(dim=1)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean weighted error without the game, for `gdmlib.training.train`, ()."""
        made = self(x)
        return self.error(_answers(y, made), made).mean()

    def turns(
        self,
        *,
        lr: float | tuple[float, float] = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        average: float | None = None,
        noise: Generator | None = None,
    ) -> Turns:
        """Return the step of the game, ``fit(model.turns(), (x, y), epochs=...)``.

        On each batch the generator answers once, and both players learn from these answers.

        Args:
            lr, betas, average: As for `adversaries`.
            noise: What the generator draws from.
        """
        if self.discriminator is None:
            raise ValueError("discriminator: there is none to play with; use training.train")

        def make(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
            x, y = check_pair(batch, "questions and answers", "x", "y")
            return x, y, self(x, noise)

        shared = Shared(self.generator, make)

        def of_discriminator(batch: Batch) -> Tensor:
            x, y, made = shared.ahead(batch)
            return self.game.discriminator(*self.judge(x, _answers(y, made), made.detach()))

        def of_generator(batch: Batch) -> dict[str, Tensor]:
            x, y, made = shared.now(batch)
            assert self.discriminator is not None
            if self.game.needs_real:
                real, fake = self.judge(x, y, made)
            else:
                seen = torch.cat([x, made], dim=1) if self.conditional else made
                fake, real = self.discriminator(seen).to(made.dtype), None
            game, error = self.game.generator(fake, real), self.error(y, made).mean()
            return {"loss": self.adversarial * game + error, "error": error}

        return adversaries(
            self.generator, self.discriminator, generator_loss=of_generator,
            discriminator_loss=of_discriminator, lr=lr, betas=betas, average=average, noise=noise,
            about=self._about(),
        )  # fmt: skip

    def _about(self) -> dict[str, Any]:
        """Return what a resumed run must not change."""
        names = ("l1", "l2", "adversarial", "conditional")
        return {name: getattr(self, name) for name in names} | {"loss": self.game.name}


def _pictures(x: Tensor, name: str, finite: bool = True) -> Tensor:
    return check_tensor(x, name, ndim=4, floating=True, finite=finite)


def _answers(y: Tensor, made: Tensor) -> Tensor:
    """Return true answers if they are like those that were made."""
    check_tensor(_pictures(y, "y"), "y", shape=tuple(made.shape), like=made)
    if float(y.detach().amin()) < -1.001 or float(y.detach().amax()) > 1.001:
        raise ValueError("y: expected pictures from -1 to 1, as the generator's are; use 2 * y - 1")
    return y
