"""Strings of symbols, so short that all of them can be listed, and the law of a small world."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import torch

from gdmlib.sequences import GRU, GaussianDynamics, NGram, SymbolModel, Transformer, WaveNet

from .builders import normal, randomise, seeded
from .causality import CausalCase
from .domains import box, finite
from .laws import Case
from .registry_pixelcnn import OfClass

SYMBOLS, LENGTH = 3, 4
STRINGS = torch.tensor(list(product(range(SYMBOLS), repeat=LENGTH)))
SIZES: dict[str, tuple[Any, dict[str, Any]]] = {
    "GRU": (GRU, {"units": 3}),
    "Transformer": (Transformer, {"width": 4, "layers": 2, "heads": 2}),
    "WaveNet": (WaveNet, {"channels": 2, "skip": 3, "dilations": (1, 2)}),
}


class OfSounds(OfClass):
    """A model told something at each place, the same for all strings."""

    def labels(self, n: int) -> torch.Tensor:
        return (torch.arange(LENGTH) % 2).expand(n, LENGTH)


def network(name: str, seed: int = 0, length: int = LENGTH, **options: Any) -> SymbolModel:
    """Return a small model whose conditionals differ widely."""
    kind, sizes = SIZES[name]
    model = kind(length, SYMBOLS, **sizes, **options, generator=seeded(seed))
    return randomise(model, seed, 0.5)


def told(name: str, kind: type[OfClass], seed: int) -> OfClass:
    return kind(network(name, seed, num_classes=2), 1)


def counted(seed: int = 0, order: int = 3) -> NGram:
    # All strings come, so that the contexts are those of every other model of these sizes.
    drawn = torch.randint(0, SYMBOLS, (40, LENGTH), generator=seeded(seed)) // (1 + seed)
    x = torch.cat([STRINGS, drawn])
    return NGram.fit(x, SYMBOLS, order=order, strength=0.7 + seed).double()


def dynamics(seed: int = 0) -> GaussianDynamics:
    return randomise(GaussianDynamics(1, 1, hidden=(4,), generator=seeded(seed)), seed, 0.3)


CASES = [
    Case("NGram", counted, partial(counted, 1), finite(STRINGS)),
    Case("NGram, order 1", partial(counted, 0, 1), partial(counted, 1, 1), finite(STRINGS)),
    *[
        Case(name, partial(network, name), partial(network, name, 1), finite(STRINGS))
        for name in SIZES
    ],
    *[
        Case(
            f"{name}, given a class",
            partial(told, name, OfClass, 0),
            partial(told, name, OfClass, 1),
            finite(STRINGS),
        )
        for name in ("GRU", "Transformer")
    ],
    Case(
        "WaveNet, told at each place",
        partial(told, "WaveNet", OfSounds, 0),
        partial(told, "WaveNet", OfSounds, 1),
        finite(STRINGS),
    ),
    Case("GaussianDynamics", dynamics, partial(dynamics, 1), box([-60], [60], 400), normal(3, 2)),
]


def causal(name: str, length: int = 7, **options: Any) -> CausalCase:
    return CausalCase(
        name,
        lambda: network(name, length=length, **options),
        torch.randint(0, SYMBOLS, (6, length), generator=seeded()),
        range(length),
        lambda model, x: model.symbol_log_probs(x),
        change=lambda values: (values + 1) % SYMBOLS,
        # The two taps of a layer are δ apart: with 1, 2 and 4 a factor sees 8 places back.
        promised=lambda i, j: True,
    )


CAUSAL = [
    causal("GRU"),
    causal("Transformer"),
    CausalCase(
        "WaveNet",
        lambda: randomise(
            WaveNet(10, SYMBOLS, channels=3, skip=4, dilations=(1, 2, 4), generator=seeded()),
            0, 0.5,
        ),
        torch.randint(0, SYMBOLS, (6, 10), generator=seeded()),
        range(10),
        lambda model, x: model.symbol_log_probs(x),
        change=lambda values: (values + 1) % SYMBOLS,
        promised=lambda i, j: i - j <= 8,
    ),
    CausalCase(
        "NGram",
        lambda: NGram.fit(
            torch.randint(0, SYMBOLS, (300, 6), generator=seeded()), SYMBOLS, order=3
        ).double(),
        torch.randint(0, SYMBOLS, (6, 6), generator=seeded(1)),
        range(6),
        lambda model, x: model.symbol_log_probs(x),
        change=lambda values: (values + 1) % SYMBOLS,
        promised=lambda i, j: i - j <= 2,
    ),
]  # fmt: skip
