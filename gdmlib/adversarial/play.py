"""Two networks that learn against each other, as the step of `gdmlib.training.fit`.

On each batch the discriminator moves first, and then, on every so many batches, the generator, each
by Adam on its own loss (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, algorithm 1, with
the settings of Radford, Metz and Chintala 2016, https://arxiv.org/abs/1511.06434, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from torch import Generator, nn
from torch.optim import Adam

from gdmlib._checks import check_count, check_not_negative, check_share
from gdmlib.training import Averaged, Turns, gradient_step
from gdmlib.training.steps import Loss, Step

Made = TypeVar("Made")


def adversaries(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_loss: Loss,
    discriminator_loss: Loss,
    lr: float | tuple[float, float] = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    steps: int = 1,
    average: float | None = None,
    clip: float | None = None,
    noise: Generator | None = None,
    about: Mapping[str, Any] | None = None,
) -> Turns:
    """Return the step of a game between two players, ``fit(adversaries(...), x, epochs=...)``.

    Args:
        generator, discriminator: The players, two modules without a common parameter. A player of
            several networks is an `torch.nn.ModuleList` of them.
        generator_loss, discriminator_loss: ``loss(batch)``, what a player pays, as for
            `gdmlib.training.gradient_step`.
        lr: The learning rate; a pair is that of the generator and that of the discriminator.
        betas: Of Adam; the usual 0.9 in place of 0.5 makes many games swing.
        steps: How often the discriminator moves until the generator does.
        average: The share of a moving average of the generator's weights that is kept at each of
            its steps; see `averaged`.
        clip: Largest norm of a gradient.
        noise: What the losses draw from, to be kept with the rest of an interrupted run.
        about: What a resumed run must not change, such as the weights of the losses, by name.
    """
    rates = tuple(lr) if isinstance(lr, (tuple, list)) else (lr, lr)
    if len(rates) != 2:
        raise ValueError(f"lr: expected a rate, or one for each of the two players, got {lr!r}")
    of_generator, of_discriminator = rates
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas: expected the two shares that Adam keeps, got {betas!r}")
    betas = check_share(betas[0], "betas"), check_share(betas[1], "betas")
    check_not_negative(of_generator, "lr")
    check_not_negative(of_discriminator, "lr")
    if {*map(id, generator.parameters())} & {*map(id, discriminator.parameters())}:
        raise ValueError("discriminator: shares a parameter with the generator; give it its own")

    def moves(player: nn.Module, loss: Loss, rate: float) -> Step:
        parameters = list(player.parameters())
        # One kernel for all parameters and all that Adam does, where there is one.
        fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)
        optimizer = Adam(parameters, lr=rate, betas=betas, fused=fused)
        return gradient_step(player, optimizer, loss, clip=clip)

    step = moves(generator, generator_loss, of_generator)
    return Turns(
        discriminator=moves(discriminator, discriminator_loss, of_discriminator),
        generator=step if average is None else Averaged(step, generator, average),
        every={"generator": check_count(steps, "steps")},
        noise=noise,
        about=about,
    )


def averaged(turns: Turns) -> nn.Module:
    """Return the generator with the moving average of its weights, of `adversaries`."""
    player = turns.players["generator"]
    if not isinstance(player, Averaged):
        raise ValueError("turns: no average is kept; make the step with average=0.999")
    return player.model


class Shared(Generic[Made]):
    """What one player makes in the other's turn, and finds made when its own turn comes.

    Args:
        player: Who makes it.
        make: From a batch, with chance of its own.
    """

    def __init__(self, player: nn.Module, make: Callable[[Any], Made]) -> None:
        self.trained = [p for p in player.parameters() if p.requires_grad]
        self.make = make
        self.kept: tuple[Any, Made] | None = None

    def ahead(self, batch: Any) -> Made:
        """Make it in the other's turn, with the graph that the player's own turn will want."""
        with _asking(self.trained):
            made = self.make(batch)
        self.kept = batch, made
        return made

    def now(self, batch: Any) -> Made:
        """Return what was made of this batch, once; what was not is made now."""
        kept, self.kept = self.kept, None
        return kept[1] if kept is not None and kept[0] is batch else self.make(batch)


@contextmanager
def _asking(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let the trained parameters of a player that waits for its turn ask for gradients."""
    silent = [p for p in parameters if not p.requires_grad]
    for p in silent:
        p.requires_grad_(True)
    try:
        yield
    finally:
        for p in silent:
            p.requires_grad_(False)
