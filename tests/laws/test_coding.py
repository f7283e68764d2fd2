"""The law of coders, over every density of finitely many levels, and over coders that break it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gdmlib.compression import chain, compress, decompress

from .coding import check_coder
from .registry import BY_NAME, CASES

REJECTED = "law of coders"


def can_be_coded(model):
    try:
        chain.num_levels(model)
    except ValueError:
        return False
    return getattr(model, "num_classes", None) is None


CODED = [case.name for case in CASES if can_be_coded(case.model)]


def test_all_families_are_coded():
    for family in ("FVSBN", "NADE", "MADE", "PixelCNN", "GatedPixelCNN", "Discretised"):
        assert any(family in name for name in CODED), (family, CODED)


@pytest.mark.parametrize("name", CODED)
def test_coder(name):
    check_coder(name, BY_NAME[name].model, compress, decompress)


def broken(monkeypatch, cut):
    monkeypatch.setattr(chain, "slots", cut)
    with pytest.raises(AssertionError, match=REJECTED):
        check_coder("broken", BY_NAME["NADE"].model, compress, decompress)


def test_a_coder_that_ignores_the_model_is_rejected(monkeypatch):
    def even(p, bits):
        return np.arange(3)[None].repeat(len(p), 0) << bits - 1

    broken(monkeypatch, even)


def test_a_coder_that_exchanges_the_symbols_is_rejected(monkeypatch):
    from gdmlib.compression.slots import slots

    broken(monkeypatch, lambda p, bits: slots(p[:, ::-1], bits))


def test_a_coder_that_writes_whole_bits_is_rejected(monkeypatch):
    # Huffman's way: a symbol of probability 0.9 costs 0.15 bits here and a bit there.
    def rounded(p, bits):
        halves = np.maximum(1, np.rint(-np.log2(np.clip(p, 1e-9, 1))))
        q = np.exp2(-halves)
        ends = np.floor(np.cumsum(q / q.sum(1, keepdims=True), 1) * (1 << bits)).astype(int)
        ends[:, -1] = 1 << bits
        return np.concatenate([np.zeros((len(p), 1), int), ends], 1)

    broken(monkeypatch, rounded)


def test_a_decoder_that_mixes_up_events_is_rejected():
    def backwards(model, data):
        return decompress(model, data).flip(0)

    with pytest.raises(AssertionError, match=REJECTED):
        check_coder("backwards", BY_NAME["NADE"].model, compress, backwards)


def test_an_encoder_that_looks_ahead_is_rejected(monkeypatch):
    model = BY_NAME["NADE"].model
    events = model.sample(5000, torch.Generator().manual_seed(3))
    plain = chain.level_probabilities

    def peeks(model, x, place):
        # The sender looks at the symbol itself, which the receiver does not have.
        p = plain(model, x, place)
        if peeks.sending:
            likely = torch.stack([1 - events[: len(p), place], events[: len(p), place]], 1)
            return 0.5 * p + 0.5 * likely
        return p

    def encode(model, x):
        peeks.sending = True
        data = compress(model, x)
        peeks.sending = False
        return data

    monkeypatch.setattr(chain, "level_probabilities", peeks)
    with pytest.raises((AssertionError, ValueError), match=f"{REJECTED}|not what was encoded"):
        check_coder("looks ahead", model, encode, decompress)


def test_the_length_is_that_of_the_density():
    # A plain count beside the law: of one event, as the sum over places.
    model = BY_NAME["FVSBN"].model
    x = model.sample(1000, torch.Generator().manual_seed(0))
    bits = -model.conditional_log_prob(x).detach().sum() / math.log(2)
    assert abs(8 * len(compress(model, x)) - float(bits)) < 400
