r"""What the two players of a GAN pay, as values.

A discriminator gives each event a number c, the logit of "this is real". It pays for real events
that it takes for made ones, and for made ones that it takes for real; the generator pays for events
that are found out. With σ the logistic function, the losses are means over a batch of

==================  ==============================  ==========================
name                discriminator                   generator
==================  ==============================  ==========================
``minimax``         -log σ(c) - log(1 - σ(c̃))       log(1 - σ(c̃))
``non_saturating``  the same                        -log σ(c̃)
``least_squares``   ½(c - 1)² + ½c̃²                 ½(c̃ - 1)²
``hinge``           max(0, 1 - c) + max(0, 1 + c̃)   -c̃
``wasserstein``     c̃ - c                           -c̃
``relativistic``    -log σ(c - m̃) - log σ(m - c̃)    the two exchanged
==================  ==============================  ==========================

where c belongs to a real event, c̃ to a made one, and m, m̃ are the means of c and c̃.

Sources: Goodfellow et al. 2014 (https://arxiv.org/abs/1406.2661), section 3, for the first two; Mao
et al. 2017 (https://arxiv.org/abs/1611.04076), equation (9); Lim and Ye 2017
(https://arxiv.org/abs/1705.02894); Arjovsky, Chintala and Bottou 2017
(https://arxiv.org/abs/1701.07875); Jolicoeur-Martineau 2018 (https://arxiv.org/abs/1807.00734), the
relativistic average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import relu, softplus

from gdmlib._checks import check_not_negative, check_tensor
from gdmlib._random import uniform
from gdmlib.nn.norms import batch_norms

Critic = Callable[[Tensor], Tensor]
Pair = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class AdversarialLoss:
    """The two sides of a game.

    Attributes:
        name: Its key in `LOSSES`.
        of_discriminator, of_generator: From the logits of real events and of made ones, any shapes,
            what a player pays, ().
        needs_real: Whether the generator's loss looks at the real events' logits.
    """

    name: str
    of_discriminator: Pair
    of_generator: Pair
    needs_real: bool = False

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the discriminator pays for its logits, ()."""
        return self.of_discriminator(_logits(real, "real"), _logits(fake, "fake"))

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return what the generator pays for the discriminator's logits of its events, ().

        Args:
            fake: Logits of made events.
            real: Those of real ones; only a loss that compares the two needs them.
        """
        if real is None:
            if self.needs_real:
                raise ValueError(
                    f"real: the loss {self.name!r} compares made events with real ones; give the "
                    "logits of both"
                )
            real = fake
        return self.of_generator(_logits(real, "real"), _logits(fake, "fake"))


def _logits(logits: Tensor, name: str) -> Tensor:
    # Not finite ones pass: the loss is then not finite either, and `fit` says when that was.
    logits = check_tensor(logits, name, floating=True, finite=False)
    return logits.float() if logits.element_size() < 4 else logits  # the square of 300 is too much


def _cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def _relativistic(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


LOSSES: dict[str, AdversarialLoss] = {
    loss.name: loss
    for loss in (
        AdversarialLoss("minimax", _cross_entropy, lambda real, fake: -softplus(fake).mean()),
        AdversarialLoss(
            "non_saturating", _cross_entropy, lambda real, fake: softplus(-fake).mean()
        ),
        AdversarialLoss(
            "least_squares",
            lambda real, fake: ((real - 1).square().mean() + fake.square().mean()) / 2,
            lambda real, fake: (fake - 1).square().mean() / 2,
        ),
        AdversarialLoss(
            "hinge",
            lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
            lambda real, fake: -fake.mean(),
        ),
        AdversarialLoss(
            "wasserstein",
            lambda real, fake: fake.mean() - real.mean(),
            lambda real, fake: -fake.mean(),
        ),
        AdversarialLoss(
            "relativistic",
            _relativistic,
            lambda real, fake: _relativistic(fake, real),
            needs_real=True,
        ),
    )
}
"""The losses by name."""


def loss_named(loss: str | AdversarialLoss) -> AdversarialLoss:
    """Return the loss of this name; a loss passes through."""
    if isinstance(loss, AdversarialLoss):
        return loss
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {loss!r}")
    return LOSSES[loss]


def r1_penalty(critic: Critic, real: Tensor, weight: float = 1.0) -> Tensor:
    r"""Return weight/2 · mean ‖∇c(x)‖² over real events, ().

    Mescheder, Geiger and Nowozin 2018 (https://arxiv.org/abs/1801.04406), equation (9). The
    logits are summed over whatever a critic gives an event, patches for instance.
    """
    check_not_negative(weight, "weight")
    check_tensor(real, "real", floating=True, finite=False)
    return weight / 2 * _input_gradient(critic, real).square().sum(dim=1).mean()


def gradient_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    weight: float = 10.0,
    generator: Generator | None = None,
) -> Tensor:
    r"""Return weight · mean (‖∇c(x̂)‖ - 1)², (), for x̂ between real and made events.

    Gulrajani et al. 2017 (https://arxiv.org/abs/1704.00028), equation (3). It speaks of each event
    alone, so that a critic must not have batch norm.
    """
    check_not_negative(weight, "weight")
    check_tensor(real, "real", floating=True, finite=False)
    check_tensor(fake, "fake", shape=tuple(real.shape), finite=False)
    if fake.dtype != real.dtype:
        raise ValueError(f"fake: expected {real.dtype} like real, got {fake.dtype}")
    share = uniform((len(real), *[1] * (real.ndim - 1)), real, generator).to(real.dtype)
    between = torch.lerp(fake.detach(), real, share)
    # The norm has no derivative at 0; there it counts as 0.
    norm = _input_gradient(critic, between).square().sum(dim=1).clamp(min=1e-24).sqrt()
    return weight * (norm - 1).square().mean()


def _input_gradient(critic: Critic, x: Tensor) -> Tensor:
    """Return the gradient of an event's logits with respect to the event, (B, d)."""
    if isinstance(critic, nn.Module) and critic.training and batch_norms(critic):
        raise ValueError(
            f"critic: {batch_norms(critic)[0]!r} is a batch norm, with which the gradient is not "
            "that of single events; take another norm"
        )
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_(True)  # a copy, for x may be made in that mode
        total, slope = critic(x).sum(), None
        if total.requires_grad:
            (slope,) = torch.autograd.grad(total, x, create_graph=True, allow_unused=True)
    if slope is None:
        raise ValueError("critic: expected logits that depend on the event, got a constant")
    # The square of a narrow number soon is 0 or infinite.
    return (slope.float() if slope.element_size() < 4 else slope).flatten(1)
