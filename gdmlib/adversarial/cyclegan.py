r"""CycleGAN: two maps between two domains, learned without a single pair.

A map G from X to Y, a map F back, and a judge in each domain. Each judge asks whether a picture
could be of its domain, and that a picture came back the same after both maps is asked beside:

    L(G, F) = adv(G) + adv(F) + λ_X mean |F(G(x)) - x| + λ_Y mean |G(F(y)) - y|
              + μ (mean |G(y) - y| + mean |F(x) - x|).

The first sum alone is met by any map onto Y, whatever it makes of x; the second makes the maps each
other's inverses; the third, the identity loss, says "change as little as you can", which is
knowledge about the answer and may be wrong (Zhu, Park, Isola and Efros 2017,
https://arxiv.org/abs/1703.10593, equations (1) to (4) and section 5.2; ½(c - 1)² as the losses of
`least_squares`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_not_negative, check_pair, check_tensor
from gdmlib._random import draw
from gdmlib.adversarial.losses import AdversarialLoss, loss_named
from gdmlib.adversarial.play import adversaries
from gdmlib.adversarial.pool import ImagePool
from gdmlib.nn.norms import batch_norms
from gdmlib.training import Turns


class CycleGAN(nn.Module):
    """Two maps and two judges.

    Args:
        forward_map, backward_map: G from X to Y and F from Y to X.
        judge_x, judge_y: Logits, any number an event, of "this is of X", and of Y.
        cycle: The weights λ_X of the forward cycle x → G(x) → F(G(x)) and λ_Y of the backward one;
            a number is that of both.
        identity: The weight μ of the identity loss, in units of the larger cycle's; 0 where the
            domains' events have different shapes.
        adversarial: The weight of what the judges say.
        loss: One of `gdmlib.adversarial.LOSSES` that looks at one kind of event at a time.
    """

    def __init__(
        self,
        forward_map: nn.Module,
        backward_map: nn.Module,
        judge_x: nn.Module,
        judge_y: nn.Module,
        *,
        cycle: float | tuple[float, float] = 10.0,
        identity: float = 0.5,
        adversarial: float = 1.0,
        loss: str | AdversarialLoss = "least_squares",
    ) -> None:
        super().__init__()
        self.forward_map, self.backward_map = forward_map, backward_map
        self.judge_x, self.judge_y = judge_x, judge_y
        weights = cycle if isinstance(cycle, (tuple, list)) else (cycle, cycle)
        if len(weights) != 2:
            raise ValueError(f"cycle: expected a weight, or one for each cycle, got {cycle!r}")
        forward, backward = weights
        self.cycle = (check_not_negative(forward, "cycle"), check_not_negative(backward, "cycle"))
        self.identity = check_not_negative(identity, "identity") * max(self.cycle)
        self.adversarial = check_not_negative(adversarial, "adversarial")
        if not max(self.cycle) + self.adversarial:
            raise ValueError("cycle, adversarial: both are 0; the maps would learn nothing")
        self.loss = loss_named(loss)
        if self.loss.needs_real:
            raise ValueError(
                f"loss: {self.loss.name!r} compares made events with real ones, and the maps are "
                "judged alone; take least_squares, non_saturating or hinge"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Translate from X to Y: G(x)."""
        x = check_tensor(x, "x", floating=True, finite=False)
        return _each(self.forward_map, x, None)[0]

    def inverse(self, y: Tensor) -> Tensor:
        """Translate from Y to X: F(y)."""
        y = check_tensor(y, "y", floating=True, finite=False)
        return _each(self.backward_map, y, None)[0]

    def map_loss(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return what the maps pay for events of both domains, ``loss``, and its parts."""
        return self._map_loss(batch)[0]

    def _map_loss(self, batch: tuple[Tensor, Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        x, y = _events(batch)
        if self.identity and x.shape[1:] != y.shape[1:]:
            raise ValueError(
                "identity: F(x) is compared with x, and so both domains need events of one shape, "
                f"got {tuple(x.shape[1:])} and {tuple(y.shape[1:])}; give identity=0"
            )
        # What one map makes of events of both domains comes from one call.
        fake_y, same_y = _each(self.forward_map, x, y if self.identity else None)
        fake_x, same_x = _each(self.backward_map, y, x if self.identity else None)
        parts: dict[str, Tensor] = {}
        total = x.new_zeros(())
        if self.adversarial:
            of_y, of_x = _each(self.judge_y, fake_y, None)[0], _each(self.judge_x, fake_x, None)[0]
            parts["adversarial"] = self.loss.generator(of_y) + self.loss.generator(of_x)
            total = total + self.adversarial * parts["adversarial"]
        for name, weight, back, fake, real in (
            ("forward cycle", self.cycle[0], self.backward_map, fake_y, x),
            ("backward cycle", self.cycle[1], self.forward_map, fake_x, y),
        ):
            if weight:
                parts[name] = (_each(back, fake, None)[0] - real).abs().mean()
                total = total + weight * parts[name]
        if same_x is not None and same_y is not None:
            parts["identity"] = (same_x - x).abs().mean() + (same_y - y).abs().mean()
            total = total + self.identity * parts["identity"]
        return {"loss": total, **parts}, fake_x.detach(), fake_y.detach()

    def judge_loss(
        self, batch: tuple[Tensor, Tensor], fakes: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Return what the judges pay, (), for events of both domains and made ones.

        Args:
            batch: Events of X and of Y.
            fakes: Made events of X and of Y; None makes them of the batch.
        """
        x, y = _events(batch)
        if fakes is None:
            with torch.no_grad():
                fakes = self.inverse(y), self.forward(x)
        total = x.new_zeros(())
        for judge, real, fake in ((self.judge_x, x, fakes[0]), (self.judge_y, y, fakes[1])):
            of_real, of_fake = _each(judge, real, fake)
            assert of_fake is not None
            # Half of it, so that the judges learn more slowly than the maps.
            total = total + self.loss.discriminator(of_real, of_fake) / 2
        return total

    def turns(
        self,
        y: Tensor,
        *,
        lr: float | tuple[float, float] = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        average: float | None = None,
        clip: float | None = None,
        pool: int = 50,
        noise: Generator | None = None,
    ) -> Turns:
        """Return the step of the game, ``fit(model.turns(y), x, epochs=..., batch_size=...)``.

        Args:
            y: The second domain, (M, *event_shape); as many of its events as of x are drawn for
                each batch.
            lr, betas, average, clip: As for `gdmlib.adversarial.adversaries`.
            pool: How many made events of the past each judge may be shown again.
            noise: Draws the events of Y and what the judges see of the past.
        """
        game = _Game(self, check_tensor(y, "y", floating=True), pool, noise)
        turns = adversaries(
            nn.ModuleList([self.forward_map, self.backward_map]),
            nn.ModuleList([self.judge_x, self.judge_y]),
            generator_loss=game.of_maps,
            discriminator_loss=game.of_judges,
            lr=lr,
            betas=betas,
            average=average,
            clip=clip,
            noise=noise,
            about={
                "cycle": list(self.cycle),
                "identity": self.identity,
                "adversarial": self.adversarial,
                "loss": self.loss.name,
                "pool": game.of_x.size,
            },
        )
        turns.state["pools"] = game.pools
        return turns


class _Game:
    """What the two players share on a batch: the events of Y, and the made ones.

    What the maps made at their last turn is what the judges see at their next: nothing is made
    twice.
    """

    def __init__(self, model: CycleGAN, y: Tensor, pool: int, noise: Generator | None) -> None:
        self.model, self.y, self.noise = model, y, noise
        self.of_x, self.of_y = ImagePool(pool), ImagePool(pool)
        self.pools = nn.ModuleDict({"x": self.of_x, "y": self.of_y})
        self.batch: tuple[Tensor, Tensor] | None = None

    def of_judges(self, x: Tensor) -> Tensor:
        x = check_tensor(x, "x", floating=True, finite=False)
        which = draw(torch.randint, len(self.y), (len(x),), generator=self.noise)
        self.batch = x, self.y[which.to(self.y.device)].to(x)
        shown = self.of_x.shown, self.of_y.shown
        return self.model.judge_loss(self.batch, shown if len(shown[0]) else None)

    def of_maps(self, x: Tensor) -> Mapping[str, Tensor]:
        assert self.batch is not None
        parts, fake_x, fake_y = self.model._map_loss(self.batch)
        self.of_x(fake_x, self.noise)
        self.of_y(fake_y, self.noise)
        return parts


def _events(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    x, y = check_pair(batch, "events of both domains", "x", "y")
    return (
        check_tensor(x, "x", floating=True, finite=False),
        check_tensor(y, "y", floating=True, finite=False, like=x),
    )


def _each(network: nn.Module, first: Tensor, second: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return what a network makes of two sets, by one call if their events have one shape.

    In mixed precision the layers round, and not what is made of their answers.
    """
    if second is None:
        return network(first).to(first.dtype), None
    # Where the events of a batch see each other, the two sets go in alone.
    if first.shape[1:] != second.shape[1:] or batch_norms(network):
        return network(first).to(first.dtype), network(second).to(first.dtype)
    both = network(torch.cat([first, second])).to(first.dtype)
    a, b = both.split([len(first), len(second)])
    return a, b
