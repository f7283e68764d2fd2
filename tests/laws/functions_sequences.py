"""Sequences: their lines of ``functions.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gdmlib import data
from gdmlib import sequences as seq

from .builders import normal, seeded, uniform
from .calls import Call, call, whole
from .registry_sequences import STRINGS, SYMBOLS, dynamics, network

WORDS = STRINGS[::9]
LEVELS = torch.arange(16)
world, law = seq.Pendulum(), dynamics()
STATES, ACTIONS = normal(5, 2), uniform(5, 1)


def planned(state: Tensor, **options: Any) -> Tensor:
    sizes = {"horizon": 3, "candidates": 8, "best": 2, "rounds": 2} | options
    return seq.plan(world.mean, world.cost, state, **sizes, generator=seeded())


def gru(length: Any = 4, symbols: Any = 3, units: Any = 2) -> seq.GRU:
    return seq.GRU(length, symbols, units=units, generator=seeded())


def transformer(**options: Any) -> seq.Transformer:
    sizes = {"width": 4, "layers": 1, "heads": 2} | options
    return seq.Transformer(4, 3, **sizes, generator=seeded())


def wavenet(**options: Any) -> seq.WaveNet:
    sizes = {"channels": 2, "skip": 2, "dilations": (1, 2)} | options
    return seq.WaveNet(4, 3, **sizes, generator=seeded())


def _models(name: str) -> list[Call]:
    model = network(name)
    return [call(f"{name}.symbol_log_probs", model.symbol_log_probs, WORDS, model=model)]


FUNCTIONS = [
    *[entry for name in ("GRU", "Transformer", "WaveNet") for entry in _models(name)],
    call("mu_law", lambda x: seq.mu_law(x, 16), 2 * uniform(4, 5) - 1),
    call("inverse_mu_law", lambda level: seq.inverse_mu_law(level, 16), LEVELS.reshape(4, 4)),
    whole("Alphabet.decode", lambda symbols: [ord(c) for c in seq.Alphabet("abc").decode(symbols)],
          WORDS[0]),
    call("Pendulum.mean", world.mean, STATES, ACTIONS),
    call("Pendulum.step", lambda state, action: world.step(state, action, seeded()), STATES,
         ACTIONS, single=False),
    call("Pendulum.cost", world.cost, STATES, ACTIONS),
    call("GaussianDynamics.moments", law.moments, normal(4, 2), model=law),
    whole("plan", planned, normal(2)),
    whole("Sound", lambda samples: seq.Sound(samples, 8000), uniform(9)),
]  # fmt: skip

FITS = [whole("NGram.fit", lambda x: seq.NGram.fit(x, SYMBOLS, order=2), WORDS)]

COUNTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "NGram.fit, order": (lambda order: seq.NGram.fit(WORDS, 3, order=order), 2),
    "NGram.fit, symbols": (lambda symbols: seq.NGram.fit(WORDS, symbols, order=2), 3),
    "NGram.fit, length": (lambda length: seq.NGram.fit(WORDS, 3, order=2, length=length), 5),
    "GRU": (lambda length: gru(length), 5),
    "GRU, symbols": (lambda symbols: gru(symbols=symbols), 5),
    "GRU, units": (lambda units: gru(units=units), 5),
    "GRU.at_length": (lambda length: gru().at_length(length), 3),
    "Transformer, width": (lambda width: transformer(width=width), 6),
    "Transformer, heads": (lambda heads: transformer(heads=heads), 4),
    "Transformer, layers": (lambda layers: transformer(layers=layers), 2),
    "Transformer, num_classes": (lambda num_classes: transformer(num_classes=num_classes), 2),
    "Transformer.at_length": (lambda length: transformer().at_length(length), 3),
    "WaveNet, channels": (lambda channels: wavenet(channels=channels), 3),
    "WaveNet, skip": (lambda skip: wavenet(skip=skip), 3),
    "WaveNet, dilations": (lambda dilations: wavenet(dilations=dilations), (1, 2)),
    "mu_law": (lambda levels: seq.mu_law(uniform(3), levels), 8),
    "inverse_mu_law": (lambda levels: seq.inverse_mu_law(LEVELS, levels), 200),
    "Sound": (lambda rate: seq.Sound(uniform(8), rate), 200),
    "Sound.resample": (lambda rate: seq.Sound(uniform(8), 100).resample(rate), 200),
    "Alphabet.strings": (lambda length: seq.Alphabet("ab").strings("abba", length), 2),
    "GaussianDynamics": (lambda states: seq.GaussianDynamics(states, 1, generator=seeded()), 2),
    "GaussianDynamics, actions": (lambda actions: seq.GaussianDynamics(
        1, actions, generator=seeded()), 2),
    "plan, horizon": (lambda horizon: planned(STATES[0], horizon=horizon), 4),
    "plan, candidates": (lambda candidates: planned(STATES[0], candidates=candidates), 4),
    "plan, best": (lambda best: planned(STATES[0], best=best), 4),
    "plan, rounds": (lambda rounds: planned(STATES[0], rounds=rounds), 3),
    "Pendulum.start": (lambda n: world.start(n, seeded()), 3),
    "speech": (lambda n: data.speech(n, 0.05, generator=seeded()), 2),
}  # fmt: skip

CHANCE: dict[str, Callable[..., Any]] = {
    "GRU": partial(seq.GRU, 4, 3, units=2),
    "Transformer": partial(seq.Transformer, 4, 3, width=4, layers=1, heads=2),
    "WaveNet": partial(seq.WaveNet, 4, 3, channels=2, skip=2, dilations=(1, 2)),
    "GaussianDynamics": partial(seq.GaussianDynamics, 2, 1, hidden=(3,)),
    "Pendulum.step": partial(world.step, STATES, ACTIONS),
    "Pendulum.start": partial(world.start, 3),
    "Pendulum.explore": partial(world.explore, 3, 4),
    "plan": partial(seq.plan, world.mean, world.cost, STATES[0], horizon=3, candidates=9, best=2),
    "speech": lambda generator=None: data.speech(2, 0.3, generator=generator).x,
}
