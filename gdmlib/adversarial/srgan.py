r"""SRGAN: a small picture made large, real to the eye.

The network is the one that was trained on squared error, and it goes on with another loss: the
content loss, a distance between features φ of some classifier, n numbers, instead of the d pixels,
and what a discriminator D says of the result (Ledig et al. 2017, https://arxiv.org/abs/1609.04802,
equations 3 to 6):

.. math:: \mathcal L_G = c\,\tfrac1n\|\varphi(G(x)) - \varphi(y)\|^2 + \lambda\,\ell(D(G(x)))
    + p\,\tfrac1d\|G(x) - y\|^2 .

The discriminator ends with the mean over places, so that it takes pictures of any size; the paper's
has a dense layer there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import leaky_relu

from gdmlib._checks import check_count, check_not_negative, check_pair, check_sizes, check_tensor
from gdmlib.adversarial.losses import AdversarialLoss, loss_named
from gdmlib.adversarial.play import Shared, adversaries
from gdmlib.adversarial.superres import Enlarger
from gdmlib.nn.residual import convolution, gate_named, norm_named
from gdmlib.training import Turns

Pair = tuple[Tensor, Tensor]


class SRDiscriminator(nn.Module):
    """Convolutions that halve the picture from time to time, and the logit of "this is real".

    Args:
        channels: Of the pictures.
        features: Of the sizes, the finest first: each has two convolutions, the second of which
            halves the picture. The paper has 64, 128, 256 and 512.
        hidden: Units of the last layer but one.
        norm: The paper's ``"batch"``, ``"instance"`` or ``"none"``; with the last, real and made
            pictures go through in one pass, and no picture's logit depends on the others.
        generator: Draws the weights.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        features: Iterable[int] = (64, 128, 256, 512),
        hidden: int = 1024,
        norm: str = "batch",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.channels = check_count(channels, "channels")
        sizes = check_sizes(features, "features", none=False)
        self.body, before = nn.Sequential(), self.channels
        for size in sizes:
            for stride in (1, 2):
                layer = convolution(
                    before, size, stride=stride, border="zeros", gain=2.4, generator=generator
                )
                normed = nn.Identity() if before == self.channels else norm_named(norm, size)
                self.body.append(nn.Sequential(layer, normed, gate_named("leaky_relu")))
                before = size
        self.hidden = convolution(before, check_count(hidden, "hidden"), 1, generator=generator)
        self.logit = convolution(hidden, 1, 1, generator=generator)
        self.smallest, self.together = 2 ** len(sizes), norm == "none"
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of each picture, (B, channels, H, W) -> (B,)."""
        shape = ("B", self.channels, "H", "W")
        x = check_tensor(x, "x", shape=shape, finite=False, like=self.logit.weight)
        if min(x.shape[-2:]) < self.smallest:
            raise ValueError(
                f"x: expected at least {self.smallest} pixels a side, which are halved to one, got "
                f"{tuple(x.shape[-2:])}"
            )
        h = self.body(2 * x - 1)  # channels last from here on, as the weights are
        h = h.mean((2, 3), keepdim=True)
        return self.logit(leaky_relu(self.hidden(h), 0.2)).flatten()


class SRGAN(nn.Module):
    """A network that enlarges, trained against a discriminator.

    Attributes:
        network: The generator, an `SRResNet` or `RRDBNet`; best one that was trained on squared
            error first.
        discriminator: Its opponent.
        features: φ of the content loss, see `gdmlib.adversarial.content_features`; None for none.
    """

    def __init__(
        self,
        network: Enlarger,
        discriminator: nn.Module,
        *,
        features: nn.Module | None = None,
        content: float = 1.0,
        adversarial: float = 1e-3,
        pixel: float = 0.0,
        loss: str | AdversarialLoss = "non_saturating",
    ) -> None:
        """Put the players together.

        Args:
            network, discriminator, features: See above. The features are not trained.
            content, adversarial, pixel: Weights c, λ and p of the three parts of the loss.
            loss: One of `gdmlib.adversarial.LOSSES`; ESRGAN's is "relativistic".
        """
        super().__init__()
        self.network, self.discriminator = network, discriminator
        self.features = None if features is None else features.requires_grad_(False).eval()
        self.content = check_not_negative(content, "content")
        self.adversarial = check_not_negative(adversarial, "adversarial")
        self.pixel = check_not_negative(pixel, "pixel")
        self.game = loss_named(loss)
        if features is None and content:
            raise ValueError(
                "features: a content loss needs them; give content_features(), or content=0.0"
            )

    def forward(self, low: Tensor) -> Tensor:
        """Return large pictures, as `Enlarger`."""
        return self.network(low)

    def content_loss(self, made: Tensor, high: Tensor) -> Tensor:
        """Return the mean squared difference of the features, ()."""
        if self.features is None:
            return made.new_zeros(())
        with torch.no_grad():
            wanted = self.features(high)
        return (self.features(made) - wanted).to(made.dtype).square().mean()

    def generator_loss(self, batch: Pair) -> dict[str, Tensor]:
        """Return what the network pays for small and large pictures, and the parts of it."""
        return self._generator_loss(*self._made(batch))

    def _generator_loss(self, made: Tensor, high: Tensor) -> dict[str, Tensor]:
        parts = {
            "content": self.content * self.content_loss(made, high),
            "pixel": self.pixel * (made - high).square().mean(),
        }
        if self.adversarial:
            real: Tensor | None = None
            if self.game.needs_real:
                fake, real = self._logits(made, high)
            else:
                fake = self.discriminator(made).to(made.dtype)
            parts["adversarial"] = self.adversarial * self.game.generator(fake, real)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def discriminator_loss(self, batch: Pair) -> Tensor:
        """Return what the discriminator pays, ()."""
        with torch.no_grad():
            made, high = self._made(batch)
        return self._discriminator_loss(made, high)

    def _discriminator_loss(self, made: Tensor, high: Tensor) -> Tensor:
        fake, real = self._logits(made, high)
        return self.game.discriminator(real, fake)

    def _made(self, batch: Pair) -> tuple[Tensor, Tensor]:
        """Return what is made of small pictures, and the large ones that they were."""
        low, high = check_pair(batch, "small and large pictures", "low", "high")
        made = self.network(low)
        shape = tuple(made.shape)
        return made, check_tensor(high, "high", shape=shape, finite=False, like=made)

    def _logits(self, made: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of made and of real pictures, in one pass where none sees another."""
        if getattr(self.discriminator, "together", False):
            fake, real = self.discriminator(torch.cat([made, high])).chunk(2)
        else:
            fake, real = self.discriminator(made), self.discriminator(high)
        return fake.to(made.dtype), real.to(made.dtype)  # in mixed precision the layers round

    def turns(
        self,
        *,
        prepare: Callable[[Any], Pair] | None = None,
        lr: float | tuple[float, float] = 1e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        mixed_precision: bool = False,
        **options: Any,
    ) -> Turns:
        """Return the step for ``gdmlib.training.fit(model.turns(...), data, ...)``.

        Args:
            prepare: Makes pairs (small, large) of a batch: cuts crops, and shrinks them. Each
                player gets its own; without, what the network makes of a batch is for both. If it
                has a ``generator``, as `EnlargingPairs`, that is the ``noise`` which is kept with
                an interrupted run.
            lr, betas: Of Adam, as in the paper.
            mixed_precision: Whether convolutions are computed in bfloat16.
            options: Further options of `gdmlib.adversarial.adversaries`.
        """
        options.setdefault("noise", getattr(prepare, "generator", None))
        shared = Shared(self.network, self._made)

        def of_discriminator(pair: Pair) -> Tensor:
            if prepare is not None:
                return self.discriminator_loss(pair)
            made, high = shared.ahead(pair)
            return self._discriminator_loss(made.detach(), high)

        def of_generator(pair: Pair) -> dict[str, Tensor]:
            return self._generator_loss(*shared.now(pair))

        def paid(loss: Callable[[Pair], Any]) -> Callable[[Any], Any]:
            def pay(batch: Any) -> Any:
                pair = batch if prepare is None else prepare(batch)
                with torch.autocast(pair[0].device.type, torch.bfloat16, enabled=mixed_precision):
                    return loss(pair)

            return pay

        return adversaries(
            self.network,
            self.discriminator,
            generator_loss=paid(of_generator),
            discriminator_loss=paid(of_discriminator),
            lr=lr,
            betas=betas,
            about={
                "content": self.content,
                "adversarial": self.adversarial,
                "pixel": self.pixel,
                "loss": self.game.name,
                "mixed precision": mixed_precision,
            },
            **options,
        )


@torch.no_grad()
def blend(model: nn.Module, a: nn.Module, b: nn.Module, share: float) -> nn.Module:
    """Give a model the weights (1 - share) · a + share · b, and return it.

    Between a network trained on squared error and the SRGAN that started from it lie networks that
    trade one virtue for the other (Wang et al. 2018, https://arxiv.org/abs/1809.00219, section
    3.4).

    Args:
        model, a, b: Networks of one architecture.
        share: Of b; 0 gives a, 1 gives b.
    """
    if not math.isfinite(share):
        raise ValueError(f"share: expected a finite number, got {share}")
    weights, first, second = (dict(m.state_dict()) for m in (model, a, b))
    shapes = [{k: (v.shape, v.dtype) for k, v in part.items()} for part in (weights, first, second)]
    if shapes[0] != shapes[1] or shapes[0] != shapes[2]:
        raise ValueError("model, a, b: expected networks of one architecture and dtype")
    for name, value in weights.items():
        if value.is_floating_point():
            value.copy_(torch.lerp(first[name], second[name], share))
    return model
