r"""A generator that is paid for being hard to classify: likable, yet of no known class.

A generative adversarial network ends at what there is. The idea of creative adversarial networks
(Elgammal et al. 2017, https://arxiv.org/abs/1706.07068) is a second question to the discriminator:
of which class is this? It learns the answer from real pictures; the generator pays for what it can
answer,

.. math:: \mathcal L_G = -\log D(G(z)) - \lambda \frac1K \sum_k \log p_D(k \mid G(z)) .

The first term asks for pictures like real ones, the second for pictures whose class is anybody's
guess; :math:`\lambda` is the price. Here the second is the cross-entropy of a softmax with the
uniform law; the paper's has K logistic terms instead.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from gdmlib._checks import check_classes, check_count, check_not_negative, check_pair, check_tensor
from gdmlib.adversarial.dcgan import DCDiscriminator
from gdmlib.adversarial.gan import GAN
from gdmlib.nn.dense import blank, fresh


class ClassifyingDiscriminator(nn.Module):
    """A discriminator that also says the class: logits of "real" and of each class.

    Args:
        body: What looks at the picture, and says "real".
        classes: How many classes there are.
        generator: Draws the weights of the new layer.
    """

    def __init__(
        self, body: DCDiscriminator, classes: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.body, self.classes = body, check_count(classes, "classes", least=2)
        self.say = fresh(blank(nn.Linear, body.width, self.classes), generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, 1 + classes): that of "real" first."""
        found = self.body.features(x)
        return torch.cat([self.body.head(found), self.say(found)], dim=1)


class CreativeGAN(GAN):
    """A game in which the generator also pays for being recognised.

    Batches are pairs of events and labels, which only the discriminator sees.

    Args:
        generator: As for `GAN`.
        discriminator: Says "real" and the class.
        ambiguity: λ, the price of being recognised; 0 is a GAN whose discriminator also classifies.
        options: Of `GAN`.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: ClassifyingDiscriminator,
        *,
        ambiguity: float,
        **options: Any,
    ) -> None:
        super().__init__(generator, discriminator, **options)
        self.known = discriminator.classes
        self.ambiguity = check_not_negative(ambiguity, "ambiguity")

    @property
    def about(self) -> dict[str, Any]:
        """What the players pay, as a resumed run must find it."""
        return {**super().about, "ambiguity": self.ambiguity}

    def _discriminator_loss(
        self, real: Tensor, labels: Tensor | None, fake: Tensor, noise: Generator | None
    ) -> dict[str, Tensor]:
        assert labels is not None
        of_real, of_fake = self._judge(real, fake, None)
        paid = self.adversarial.discriminator(of_real[:, 0], of_fake[:, 0])
        named = cross_entropy(of_real[:, 1:], labels)
        return {"loss": paid + named, "classes": named}

    def _generator_loss(self, real: Tensor, labels: Tensor | None, fake: Tensor) -> Tensor:
        logits = self._logits(fake, None)
        paid = self.adversarial.generator(logits[:, 0])
        return paid + self.ambiguity * unsure(logits[:, 1:])

    def _made(self, z: Tensor, labels: Tensor | None) -> Tensor:
        return super()._made(z, None)

    def _check_batch(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        x, labels = check_pair(batch, "events and their labels", "events", "labels")
        return self.check(x), check_classes(labels, self.known, len(x))


def unsure(logits: Tensor) -> Tensor:
    """Return the mean cross-entropy of the uniform law with a softmax, (B, K) -> ().

    It is log K where all classes are equally probable, and more everywhere else.
    """
    check_tensor(logits, "logits", shape=("B", "K"), floating=True)
    return -logits.log_softmax(dim=1).mean()
