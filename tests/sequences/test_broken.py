"""Laws 1 to 4 reject networks that leak, that are no densities, and memories that forget."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gdmlib.autoregressive import plain_sample
from gdmlib.sequences import GRU, NGram, Transformer, WaveNet
from gdmlib.sequences.transformer import Cache
from tests.laws import laws
from tests.laws.builders import randomise, seeded
from tests.laws.causality import check_causal
from tests.laws.fast_slow import check_fast_is_slow
from tests.laws.registry import BY_NAME
from tests.laws.registry_sequences import CAUSAL, SIZES, counted

BY_CAUSE = {case.name: case for case in CAUSAL}


class NotShifted(Transformer):
    """Shows each place its own symbol."""

    def _logits(self, x, labels):
        logits = super()._logits(x, labels)
        return torch.cat([logits[:, 1:], logits[:, -1:]], dim=1)


class TapsTheFuture(WaveNet):
    """Pads on the wrong side."""

    def _logits(self, x, labels):
        return super()._logits(x.flip(1), labels).flip(1)


class Forgets(GRU):
    """Starts anew at each symbol."""

    def _step(self, u, h):
        return super()._step(u, torch.zeros_like(h))


class AddsUpToMore(NGram):
    """Forgets the strength in the denominator."""

    def _conditional_log_prob(self, x, labels=None):
        return super()._conditional_log_prob(x) + 0.01


class LateCache(Cache):
    """Puts every symbol one place too early."""

    def step(self, symbol):
        self.place = max(self.place - (symbol is not None), 0)
        found = super().step(symbol)
        self.place += symbol is not None
        return found


class Late(Transformer):
    def memory(self, n, labels=None):
        return LateCache(self, n, labels)


def broken(kind, length):
    name = kind.__mro__[1].__name__
    return randomise(kind(length, 3, **SIZES[name][1], generator=seeded()), 0, 0.5)


@pytest.mark.parametrize(
    ("kind", "what"),
    [(NotShifted, "sees itself"), (TapsTheFuture, "sees"), (Forgets, "is blind to")],
)
def test_a_leak_or_a_blind_spot(kind, what):
    name = kind.__mro__[1].__name__
    case = BY_CAUSE[name]
    length = case.events.shape[1]
    with pytest.raises(AssertionError, match=f"law 3, causality: {name}.*{what}"):
        check_causal(replace(case, build=lambda: broken(kind, length)))


def test_no_density():
    wrong = counted()
    wrong.__class__ = AddsUpToMore
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        laws.check_normalised(replace(BY_NAME["NGram"], build=lambda: wrong))


def test_a_cache_that_is_late():
    model = broken(Late, 6)
    fast, slow = model.sample(300, seeded()), plain_sample(model, 300, seeded())
    with pytest.raises(AssertionError, match="law 4, fast equals slow"):
        check_fast_is_slow("late", fast.double(), slow.double())
    with pytest.raises(AssertionError, match="law 2, sampling"):
        laws.check_samples(replace(BY_NAME["Transformer"], build=lambda: broken(Late, 4)))
