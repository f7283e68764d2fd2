r"""A generative adversarial network: a generator of events, and a discriminator that judges them.

.. math::

    \min_G \max_D V(D, G), \qquad
    V(D, G) = \mathbb E_{x \sim p}\, [\log D(x)] + \mathbb E_{z}\, [\log (1 - D(G(z)))]

(Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, equation 1). Against a fixed generator
with the density q the best discriminator is :math:`D^* = p / (p + q)`, and then :math:`V = -\log 4
+ 2\,\mathrm{JSD}(p, q)`: what the generator descends on is a distance of two distributions that
nobody could evaluate. In practice neither player is ever at its best, and they move in turn,
algorithm 1 there. A GAN has samples and no density.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import (
    check_classes,
    check_count,
    check_event_shape,
    check_not_negative,
    check_tensor,
)
from gdmlib._random import standard_normal
from gdmlib.adversarial.losses import AdversarialLoss, gradient_penalty, loss_named, r1_penalty
from gdmlib.adversarial.play import Shared, adversaries
from gdmlib.densities.density import Model
from gdmlib.nn.norms import batch_norms
from gdmlib.training import Turns
from gdmlib.training.loop import evaluating

PENALTIES = {"r1": 1.0, "gradient": 10.0}
"""The penalties of a discriminator, with the weight that each has if nothing else is said."""


class GAN(Model):
    """Two networks and what each of them pays.

    ``fit(gan.turns(noise=g), x, epochs=..., batch_size=...)`` trains it. A batch is events, or a
    pair of events and labels; the labels are then the second argument of both networks.

    Args:
        generator: Network from latents, (B, latent), to events, (B, *event_shape).
        discriminator: Network from events to logits of "real", (B,), (B, 1), or more an event.
        latent: How many standard normal numbers an event is made from.
        event_shape: The shape of an event; left out, it is asked of the generator.
        loss: One of `LOSSES`, or its name.
        penalty: What keeps the discriminator smooth: "r1", "gradient", or None.
        penalty_weight: Its weight; None takes that of `PENALTIES`.
        classes: How many classes the labels have; None for a model without.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        latent: int,
        event_shape: int | Sequence[int] | None = None,
        loss: str | AdversarialLoss = "non_saturating",
        penalty: str | None = None,
        penalty_weight: float | None = None,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        for player, name in ((generator, "generator"), (discriminator, "discriminator")):
            if not isinstance(player, nn.Module):
                raise ValueError(f"{name}: expected a network, got {type(player).__name__}")
        self.generator, self.discriminator = generator, discriminator
        self.latent = check_count(latent, "latent")
        self.adversarial = loss_named(loss)
        self.classes = None if classes is None else check_count(classes, "classes", least=2)
        if penalty is not None and penalty not in list(PENALTIES):
            wanted = ", ".join(map(repr, PENALTIES))
            raise ValueError(f"penalty: expected one of {wanted}, or None, got {penalty!r}")
        # Batch norm makes an event's logit depend on its neighbours in the batch. A gradient with
        # respect to one event is then not what a penalty speaks of; and real and made events
        # must not meet in one batch, whose mean would tell which half of it is which.
        mixing = batch_norms(discriminator)
        if penalty is not None and mixing:
            raise ValueError(
                f"discriminator: {mixing[0]!r} is a batch norm, with which the penalty "
                f"{penalty!r} is not that of single events; use norm='group' or None"
            )
        self.apart = bool(mixing)
        self.penalty = penalty
        weight = PENALTIES.get(penalty or "", 0.0) if penalty_weight is None else penalty_weight
        self.penalty_weight = check_not_negative(weight, "penalty_weight")
        if event_shape is None:
            event_shape = getattr(generator, "event_shape", None) or self._probe()
        self.event_shape = check_event_shape(event_shape)

    def _probe(self) -> torch.Size:
        labels = None if self.classes is None else torch.zeros(1, dtype=torch.int64)
        z = torch.zeros(1, self.latent).to(self._like())
        with evaluating(self.generator):
            try:
                return self._call(self.generator, z, labels).shape[1:]
            except RuntimeError as error:
                raise ValueError(
                    f"latent: the generator makes no event of {self.latent} numbers: {error}"
                ) from error

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the event of each latent, shape (B, latent) -> (B, *event_shape)."""
        z = check_tensor(z, "z", shape=("B", self.latent), floating=True, like=self._like())
        return self._made(z, self._check_labels(labels, len(z)))

    @torch.no_grad()
    def sample(
        self, n: int, generator: Generator | None = None, *, labels: Tensor | None = None
    ) -> Tensor:
        """Draw n events, shape (n, *event_shape).

        The generator is in evaluation mode meanwhile: an event does not depend on the others that
        are drawn with it.
        """
        z = standard_normal((check_count(n), self.latent), self._like(), generator)
        labels = self._check_labels(labels, n)
        with evaluating(self.generator):
            return self._made(z, labels)

    def discriminator_loss(self, batch: Any, noise: Generator | None = None) -> dict[str, Tensor]:
        """Return what the discriminator pays, ``"loss"``, (), and its part ``"penalty"``, if any.

        Args:
            batch: Real events, shape (B, *event_shape), or a pair of them and their labels, (B,).
            noise: Draws the latents of as many made ones.
        """
        real, labels = self._check_batch(batch)
        with torch.no_grad():
            fake = self._made(self._latents(real, noise), labels)
        return self._discriminator_loss(real, labels, fake, noise)

    def _discriminator_loss(
        self, real: Tensor, labels: Tensor | None, fake: Tensor, noise: Generator | None
    ) -> dict[str, Tensor]:
        paid = self.adversarial.discriminator(*self._judge(real, fake, labels))
        if self.penalty is None:
            return {"loss": paid}

        def critic(x: Tensor) -> Tensor:
            return self._logits(x, labels)

        if self.penalty == "r1":
            penalty = r1_penalty(critic, real, self.penalty_weight)
        else:
            penalty = gradient_penalty(critic, real, fake, self.penalty_weight, noise)
        return {"loss": paid + penalty, "penalty": penalty}

    def generator_loss(self, batch: Any, noise: Generator | None = None) -> Tensor:
        """Return what the generator pays for as many events as the batch has, ()."""
        real, labels = self._check_batch(batch)
        return self._generator_loss(real, labels, self._made(self._latents(real, noise), labels))

    def _generator_loss(self, real: Tensor, labels: Tensor | None, fake: Tensor) -> Tensor:
        if not self.adversarial.needs_real:
            return self.adversarial.generator(self._logits(fake, labels))
        logits, made = self._judge(real, fake, labels)
        return self.adversarial.generator(made, logits)

    def turns(
        self,
        *,
        lr: float | tuple[float, float] = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        steps: int = 1,
        average: float | None = None,
        clip: float | None = None,
        noise: Generator | None = None,
        reuse: bool = False,
    ) -> Turns:
        """Return the step of the game for `gdmlib.training.fit`; see `adversaries`.

        Args:
            lr, betas, steps, average, clip, noise: As there.
            reuse: Whether the generator pays for the events that the discriminator has just seen,
                which are so made once; otherwise each draws its own, as in algorithm 1.
        """

        def make(batch: Any) -> tuple[Tensor, Tensor | None, Tensor]:
            real, labels = self._check_batch(batch)
            return real, labels, self._made(self._latents(real, noise), labels)

        shared = Shared(self.generator, make)

        def of_discriminator(batch: Any) -> dict[str, Tensor]:
            if not reuse:
                return self.discriminator_loss(batch, noise)
            real, labels, fake = shared.ahead(batch)
            return self._discriminator_loss(real, labels, fake.detach(), noise)

        def of_generator(batch: Any) -> Tensor:
            return self._generator_loss(*shared.now(batch))

        return adversaries(
            self.generator, self.discriminator, generator_loss=of_generator,
            discriminator_loss=of_discriminator, lr=lr, betas=betas, steps=steps, average=average,
            clip=clip, noise=noise, about={**self.about, **({"reuse": True} if reuse else {})},
        )  # fmt: skip

    @property
    def about(self) -> dict[str, Any]:
        """What the players pay, as a resumed run must find it."""
        penalty, weight = self.penalty, self.penalty_weight
        return {"loss": self.adversarial.name, "penalty": penalty, "weight of the penalty": weight}

    # --- the pieces ---

    def _latents(self, real: Tensor, noise: Generator | None) -> Tensor:
        return standard_normal((len(real), self.latent), real, noise)

    # In mixed precision the networks round, and what is made of their answers does not.

    def _made(self, z: Tensor, labels: Tensor | None) -> Tensor:
        x = self._call(self.generator, z, labels)
        if x.shape != (len(z), *self.event_shape):
            raise ValueError(
                f"event_shape: expected events of shape {tuple(self.event_shape)}, and the "
                f"generator makes {tuple(x.shape)} of {len(z)} latents"
            )
        return x.to(z.dtype)

    def _logits(self, x: Tensor, labels: Tensor | None) -> Tensor:
        c = self._call(self.discriminator, x, labels)
        if c.shape[:1] != x.shape[:1]:
            raise ValueError(
                f"discriminator: expected logits of each of {len(x)} events, got {tuple(c.shape)}"
            )
        return c.to(x.dtype)

    @staticmethod
    def _call(network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
        return network(x) if labels is None else network(x, labels)

    def _judge(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the logits of both, by one pass of the discriminator where it may be one."""
        if self.apart:
            return self._logits(real, labels), self._logits(fake, labels)
        twice = None if labels is None else torch.cat([labels, labels])
        first, second = self._logits(torch.cat([real, fake]), twice).chunk(2)
        return first, second

    def _check_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        pair = batch if isinstance(batch, (tuple, list)) else (batch, None)
        if len(pair) != 2:
            raise ValueError(
                f"batch: expected events, or a pair of events and labels, got {len(pair)} entries"
            )
        x, labels = self.check(pair[0]), pair[1]
        return x, self._check_labels(labels, len(x))

    def _check_labels(self, labels: Tensor | None, length: int) -> Tensor | None:
        if self.classes is None:
            if labels is not None:
                raise ValueError("labels: this model has none; build it with classes=...")
            return None
        if labels is None:
            raise ValueError(f"labels: expected {length} labels of {self.classes} classes")
        return check_classes(labels, self.classes, length)
