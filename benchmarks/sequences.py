"""Samplers of sequences: ``python -m benchmarks.sequences`` writes ``sequences.json``.

- Strings drawn from a Transformer with its key–value cache, beside the whole network on all symbols
  so far, again for each new one.
- Sound drawn from a WaveNet that keeps the last features of each layer, beside the whole network on
  all samples so far; of those, some are done, spread over the whole, and tell the price of all.

Both sides of a case have the same weights and the same random numbers, and what they find is
checked to be the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from benchmarks import apart, record
from benchmarks.cases import num_parameters
from benchmarks.timing import Case, Work
from gdmlib._random import pick
from gdmlib.sequences import SymbolModel, Transformer, WaveNet

RESULTS = record.FOLDER / "sequences.json"
STRINGS, LENGTH, SECOND = 16, 256, 8000
PLACES = 16  # of a sound, at which the whole network is run
NAME = "whole passes"


def seeded() -> torch.Generator:
    """Return a new generator."""
    return torch.Generator().manual_seed(0)


@cache
def transformer() -> Transformer:
    """Return a network of the size of lesson 20."""
    return Transformer(LENGTH, 70, width=96, layers=3, heads=4, generator=seeded()).eval()


@cache
def wavenet() -> WaveNet:
    """Return a network of the size of lesson 20."""
    dilations = (1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16)
    return WaveNet(SECOND, 128, dilations=dilations, generator=seeded()).eval()


@torch.no_grad()
def whole_passes(model: SymbolModel, n: int) -> Tensor:
    """Draw strings by the definition: for each symbol the network runs on all before it."""
    x = torch.zeros(n, model.length, dtype=torch.int64)
    noise = model._noise(x.shape, seeded())
    for t in range(model.length):
        x[:, t] = pick(model._logits(x[:, : t + 1], None)[:, t], noise[:, t])
    return x


def check_strings(found: Tensor, expected: Callable[[], Tensor]) -> None:
    """Raise a ValueError if strings are not those of the other side."""
    share = float((found == expected()).float().mean())
    if share < 1:
        raise ValueError(f"expected equal strings, {share:.1%} of the symbols are")


def transformer_work(length: int, kept: bool) -> Work:
    """Return strings by the cache, or by whole passes."""
    model = transformer().at_length(length)
    ways = (lambda: model.sample(STRINGS, seeded()), partial(whole_passes, model, STRINGS))
    ours, theirs = ways if kept else ways[::-1]
    return Work(ours, num_parameters(model), partial(check_strings, expected=theirs))


@cache
def drawn(length: int) -> tuple[Tensor, Tensor]:
    """Return a sound, and the log-probabilities that its sampler found at some places."""
    model = wavenet().at_length(length)
    x, memory, found = model.sample(1, seeded()), model.memory(1), []
    for t in range(length):
        logits = memory.step(None if t == 0 else x[:, t - 1])
        if t in places(length):
            found.append(logits.log_softmax(1)[0])
    return x, torch.stack(found)


def places(length: int) -> list[int]:
    """Return places spread over a sound; on average half of it lies before one."""
    return [int((i + 0.5) * length / PLACES) for i in range(PLACES)]


@torch.no_grad()
def some_passes(length: int) -> Tensor:
    """Return the log-probabilities at some places, by whole passes over what comes before."""
    model, (x, _) = wavenet().at_length(length), drawn(length)
    return torch.stack(
        [model._logits(x[:, : t + 1], None)[0, t].log_softmax(0) for t in places(length)]
    )


def check_sound(found: Tensor, length: int) -> None:
    """Raise a ValueError if a sound is not that of the seed."""
    if not torch.equal(found, drawn(length)[0]):
        raise ValueError("expected the same sound for the same seed")


def check_passes(found: Tensor, length: int) -> None:
    """Raise a ValueError if whole passes find other probabilities than the sampler."""
    gap = float((found - drawn(length)[1]).abs().max())
    if not gap < 1e-4:
        raise ValueError(f"expected equal log-probabilities, they differ by {gap:.2g}")


def ring_work(length: int) -> Work:
    """Return a sound by the rings."""
    model = wavenet().at_length(length)
    run = partial(model.sample, 1)
    return Work(lambda: run(seeded()), num_parameters(model), partial(check_sound, length=length))


def passes_work(length: int) -> Work:
    """Return some of the whole passes that a sound needs."""
    drawn(length)  # before the clock starts
    run, check = partial(some_passes, length), partial(check_passes, length=length)
    return Work(run, num_parameters(wavenet()), check, share=PLACES / length)


CASES = (
    Case(
        "transformer_sample",
        f"{STRINGS} strings from a Transformer",
        partial(transformer_work, kept=True),
        partial(transformer_work, kept=False),
        other=NAME,
        goal=10,
        size=LENGTH,
        growth=(64, 128, LENGTH),
        axis="symbols",
    ),
    Case(
        "wavenet_sample",
        "a sound from a WaveNet, 8000 samples a second",
        ring_work,
        passes_work,
        other=NAME,
        goal=50,
        size=SECOND,
        growth=(1000, SECOND),
        axis="symbols",
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Time and write; return 1 if anything failed."""
    parser = apart.parser(__doc__, RESULTS)
    return apart.run(parser, parser.parse_args(arguments), CASES, NAME)


if __name__ == "__main__":
    sys.exit(main())
