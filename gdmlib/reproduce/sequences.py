"""Characters by the chain rule: counts, a recurrent network, a Transformer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor

from gdmlib.data import alice
from gdmlib.reproduce.experiment import Fitted, Fitting, Splits, Task, held_out, trained
from gdmlib.reproduce.records import Data, sha256_of
from gdmlib.reproduce.tasks import SPLITS, seeded
from gdmlib.sequences import GRU, Alphabet, NGram, Transformer

SYMBOLS = 70
"""Different characters of the novel."""


def _novel(length: int, stride: int) -> Splits:
    alphabet = Alphabet.of(alice().text)
    assert len(alphabet) == SYMBOLS
    train, valid, test = (
        alphabet.strings(alice(split).text, length, stride if split == "train" else None)
        for split in SPLITS
    )
    return Splits(train, valid, test, Data("alice", sha256_of(train, valid, test)))


def _stand_in_text(length: int = 12) -> Splits:
    """Make strings in which each symbol is the one before it plus 1, 4 times out of 5."""
    generator = seeded(0)
    step = 1 + 2 * (torch.rand(60, length, generator=generator) < 0.2).long()
    train, valid, test = (step.cumsum(dim=1) % 7).split([30, 15, 15])
    return Splits(train, valid, test, Data("stand-in", sha256_of(train, valid, test)))


NOVEL = Task(
    "Alice's Adventures in Wonderland, strings of 256 characters",
    _novel,
    _stand_in_text,
    "Chapters I to X train, XI validates and XII is the test. Each string of the test stands "
    "alone: its first characters are predicted from few or none before them.",
    metric="mean test code length",
    unit="bits/character",
    nats=math.log(2),
    per_dim=True,
)


def _counted(fitting: Fitting, x: Tensor, valid: Tensor) -> Fitted:
    """Count the training strings, and learn how much a context borrows from held-out ones."""
    counted = fitting.settings(NGram.fit)
    model = fitting.place(NGram.fit(x, SYMBOLS, **counted))
    fitting.train(model, fitting.place(valid))
    return model, {
        "counts": len(model.keys),
        "strength": [round(float(k), 4) for k in model.log_strength.detach().exp()],
    }


def gru(event_shape: tuple[int, ...], *, units: int, dropout: float, generator: Generator) -> GRU:
    """Return a GRU of strings of this length."""
    return GRU(event_shape[0], SYMBOLS, units=units, dropout=dropout, generator=generator)


def transformer(
    event_shape: tuple[int, ...],
    *,
    width: int,
    layers: int,
    heads: int,
    dropout: float,
    generator: Generator,
) -> Transformer:
    """Return a Transformer of strings of this length."""
    sizes = {"width": width, "layers": layers, "heads": heads, "dropout": dropout}
    return Transformer(event_shape[0], SYMBOLS, **sizes, generator=generator)  # type: ignore[arg-type]


_BUDGET = "A small budget: minutes of one processor."
_SMOKE: dict[str, Any] = {"epochs": 2, "batch_size": 10}

NGRAM = held_out(
    "ngram_alice",
    "6-grams, each context smoothed by the shorter one",
    NOVEL,
    _counted,
    None,
    "Counts of the training part; how much each length of context borrows is learned on the "
    "validation part.",
    config={
        "data": "alice", "length": 256, "stride": 256, "order": 6, "strength": 5.0,
        "epochs": 30, "batch_size": 100, "lr": 0.2,
    },
    smoke={**_SMOKE, "order": 2},
    seeds=(0,),
    trains=True,
)  # fmt: skip

GRU_ALICE = held_out(
    "gru_alice",
    "GRU, 256 units",
    NOVEL,
    trained(gru),
    None,
    _BUDGET,
    config={
        "data": "alice", "length": 256, "stride": 64, "units": 256, "dropout": 0.1,
        "epochs": 30, "batch_size": 32, "lr": 5e-3, "clip": 1.0,
    },
    smoke={**_SMOKE, "units": 5},
    seeds=(0,),
    trains=True,
)  # fmt: skip

TRANSFORMER = held_out(
    "transformer_alice",
    "causal Transformer, 3 layers",
    NOVEL,
    trained(transformer),
    None,
    _BUDGET,
    config={
        "data": "alice", "length": 256, "stride": 64, "width": 96, "layers": 3, "heads": 4,
        "dropout": 0.1, "epochs": 30, "batch_size": 16, "lr": 3e-3, "clip": 1.0,
    },
    smoke={**_SMOKE, "width": 8, "layers": 1, "heads": 2},
    seeds=(0,),
    trains=True,
)  # fmt: skip

ALL = NGRAM, GRU_ALICE, TRANSFORMER
