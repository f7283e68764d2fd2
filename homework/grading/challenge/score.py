"""Measure an entry: held-out nats of a density, Fréchet distance of pictures.

Whatever a dishonest entry could gain by is looked for, and named: a density that is not normalised,
one that depends on what else it is asked about, pictures that are the training set's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gdmlib.metrics import Judge, frechet_distance, memorisation, with_floor

from ..key import number
from . import laws
from .arena import Arena, tensors
from .entry import EntryError
from .settings import Task

_CELLS = 250  # along a side of the square, for the integral
_MOST_MASS = 1.05  # the integral has an error of its own; what is above 1 is taken off
_SAME = 1e-3  # nats by which the same point may differ in another company
_LOOKED_AT = 500  # samples whose nearest neighbours are looked for
_COPIES = 0.15  # samples beyond chance whose nearest neighbour was trained on
_TRACES = 0.002  # probability below which that is no chance


@dataclass(frozen=True)
class Score:
    """What an entry reached on one track.

    Attributes:
        value: Nats or distance; lower is better.
        error: Standard error of the nats, or spread of the floor.
        said: A sentence for the student.
    """

    value: float
    error: float
    said: str


@dataclass(frozen=True)
class Trained:
    """An entry after its training.

    Attributes:
        source: Its code.
        weights: What train made, as safetensors.
        parameters: How many numbers that holds.
        seconds: Processor seconds that it took.
    """

    source: str
    weights: bytes
    parameters: int
    seconds: float


class Referee:
    """Trains and measures entries for one task."""

    def __init__(self, key: bytes, task: Task, arena: Arena) -> None:
        self.key, self.task, self.arena = key, task, arena
        self.seed = number(key, f"{task.kind}/seed")

    @cached_property
    def train_data(self) -> Tensor:
        """What entries learn from."""
        return laws.training_data(self.key, self.task.kind, self.task.train)

    @cached_property
    def heldout(self) -> Tensor:
        """What they are measured on."""
        return laws.heldout_data(self.key, self.task.kind, self.task.heldout)

    @cached_property
    def judge(self) -> Judge:
        """The classifier in whose features pictures are compared."""
        return Judge.load("glyphs")

    def train(self, source: str) -> Trained:
        """Train an entry.

        Raises:
            EntryError: If it earns nothing.
        """
        task = self.task
        data = self.arena.train(source, self.train_data, seconds=task.seconds, seed=self.seed)
        weights = tensors(data, "train")
        numbers = sum(w.numel() for w in weights.values())
        if numbers > task.parameters or len(data) > task.bytes_:
            raise EntryError(
                f"the weights are too large: {numbers} numbers in {len(data)} bytes, and "
                f"{task.parameters} in {task.bytes_} are allowed"
            )
        for name, value in weights.items():
            if not torch.isfinite(value).all():
                raise EntryError(f"the weights {name[:60]!r} are not finite")
        return Trained(source, data, numbers, self.arena.used)

    def score(self, trained: Trained, track: str) -> Score:
        """Measure a trained entry on one track.

        Raises:
            EntryError: If it earns nothing.
        """
        if self.task.kind == "density":
            return self._nats(trained)
        return self._frechet(trained, int(track.removeprefix("steps-")))

    def _nats(self, trained: Trained) -> Score:
        """Ask for the held-out points in two companies, each with points that both have."""
        g = laws.generator(self.key, "plane/questions")
        common, first, second = self.heldout.tensor_split(3)
        grid = _stratified(_CELLS, g)
        fixed = torch.cat([common, grid])
        answers = [self._shuffled(trained, fixed, own, g) for own in (first, second)]
        (a, own_a), (b, own_b) = answers
        apart = float((a - b).abs().max())
        if apart > _SAME:
            raise EntryError(
                f"log_prob depends on what else is asked: the same point got answers {apart:.2g} "
                "nats apart; it has to be a function of each point alone (in a network: eval())"
            )
        log_mass = (a[len(common) :].logsumexp(0) + math.log(4 * laws.HALF**2 / len(grid))).item()
        if log_mass > math.log(_MOST_MASS):
            raise EntryError(
                f"the density is not normalised: exp(log_prob) integrates to "
                f"{math.exp(min(log_mass, 50)):.3g} over [-{laws.HALF:g}, {laws.HALF:g}]², not 1"
            )
        each = -torch.cat([a[: len(common)], own_a, own_b]) + max(0.0, log_mass)
        best = -float(laws.Plane(self.key).log_prob(self.heldout).mean())
        error = float(each.std()) / math.sqrt(len(each))
        value = float(each.mean())
        return Score(value, error, f"{value:.3f} ± {error:.3f} nats; the truth has {best:.3f}.")

    def _shuffled(
        self, trained: Trained, fixed: Tensor, own: Tensor, g: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Ask about points in an order by lot, in a process of their own."""
        x = torch.cat([fixed, own])
        order = torch.randperm(len(x), generator=g)
        told = torch.empty(len(x), dtype=torch.float64)
        told[order] = self.arena.log_prob(
            trained.source, trained.weights, x[order], self.task.answer_seconds
        )
        return told[: len(fixed)], told[len(fixed) :]

    def _frechet(self, trained: Trained, steps: int) -> Score:
        g = laws.generator(self.key, f"pictures/noise/{steps}")
        x = torch.randn(self.task.samples, 1, 16, 16, generator=g)
        for index in range(steps):
            seed = number(self.key, f"pictures/step/{steps}/{index}")
            x = self.arena.step(
                *(trained.source, trained.weights, x, (index, steps), seed),
                self.task.answer_seconds,
            )
        outside = float(((x < -0.5) | (x > 1.5)).float().mean())
        if outside > 0.01:
            raise EntryError(
                f"step: pictures lie in [0, 1], and {outside:.0%} of these numbers are far outside"
            )
        x = x.clamp(0, 1)
        with torch.no_grad():
            samples, train, real = map(self.judge.features, (x, self.train_data, self.heldout))
        for kind, sets in (
            ("pixels", (x, self.train_data, self.heldout)),
            ("features", (samples, train, real)),
        ):
            _refuse_copies(kind, *sets, generator=g)
        found = with_floor(frechet_distance, samples, real, generator=g)
        return Score(found.value, found.spread, f"Fréchet distance {found}.")


def _stratified(cells: int, generator: torch.Generator) -> Tensor:
    """Return a point by lot in each cell of the square, shape (cells², 2)."""
    at = torch.cartesian_prod(torch.arange(cells), torch.arange(cells))
    return ((at + torch.rand(len(at), 2, generator=generator)) / cells * 2 - 1) * laws.HALF


def _refuse_copies(
    kind: str, samples: Tensor, train: Tensor, heldout: Tensor, *, generator: torch.Generator
) -> None:
    found = memorisation(
        samples[:_LOOKED_AT], train, heldout[: len(train)], permutations=999, generator=generator
    )
    if found.p_value < _TRACES and found.share > found.expected + _COPIES:
        raise EntryError(
            f"the samples copy the training data (memorisation test, {kind}): of {found.share:.0%} "
            f"the nearest picture is one of those, where {found.expected:.0%} are by chance"
        )
