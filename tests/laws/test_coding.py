"""The law of coders, over every density of finitely many levels, and over coders that break it."""

from __future__ import annotations

import math
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch

from gdmlib import compression
from gdmlib.compression import chain, compress, contexts_of, decompress
from gdmlib.compression.integer import SLOT_BITS
from gdmlib.compression.lossy import RANGE
from gdmlib.latent import VAE

from .builders import randomise, seeded
from .coding import CONTAINER, check_coder, check_stream
from .laws import fail_unless
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


# --- coders of their own: photographs, a lossy code, bits back ---


def smooth(height: int, width: int, seed: int = 0) -> torch.Tensor:
    x = torch.rand(1, height, width, generator=seeded(seed))
    return torch.nn.functional.avg_pool2d(x, 5, 1, 2)[0]


def whole_numbers(x: torch.Tensor) -> compression.IntegerMCGSM:
    """Return a model of photographs that has seen one for a moment."""
    return compression.fit_photograph_model(
        [x], components=2, scales=2, epochs=1, batch_size=500, progress=False, generator=seeded()
    )


@cache
def photograph(scale: float = 1.0) -> dict[str, Any]:
    """Return a coder of photographs, and an event of it; ``scale`` belies what it costs."""
    x = (255 * smooth(60, 70)).round()
    model = whole_numbers(x)
    tuning, lanes = 2 * sum(model.eta.shape), 8 * 8
    return {
        "encode": partial(compression.compress_photograph, model),
        "decode": lambda data: compression.decompress_photograph(model, data).float(),
        "x": x,
        "ideal": scale * float(compression.photograph_bits(model, x).sum()),
        "room": CONTAINER + tuning + lanes,
    }


@cache
def lossy(scale: float = 1.0) -> dict[str, Any]:
    """Return a lossy coder, and a picture."""
    model = compression.LossyAutoencoder(hidden=8, generator=seeded())
    model.initialise(torch.stack([smooth(40, 40, k) for k in range(20)])[:, None])
    model.eval().requires_grad_(False)
    x, rate = smooth(200, 160, 30), 3
    code = model.encode(x[None, None], rate).round()
    return {
        "encode": lambda x: compression.compress_lossy(model, x, rate),
        "decode": partial(compression.decompress_lossy, model),
        "x": x,
        "back": model.decode(code, rate, tuple(x.shape))[0, 0].clamp(0, 1),
        "ideal": scale * -float(model.code_log_prob(code, rate).sum()) / math.log(2),
        "room": CONTAINER + 8 * len(model.analysis),
    }


@cache
def bits_back(scale: float = 1.0) -> dict[str, Any]:
    """Return bits back with a VAE, whose price is the bound, estimated, and what is borrowed."""
    model = randomise(VAE((1, 4, 5), latent=3, hidden=(8,), generator=seeded()), 0)
    x = model.sample(400, seeded(5))
    coder = compression.BitsBack(model)
    with torch.no_grad():
        bound = -float(model.elbo(x, 400, seeded()).sum()) / math.log(2)
        spread = float(model.elbo(x, 1, seeded()).std()) / math.log(2) * len(x) ** 0.5
    return {
        "encode": coder.compress,
        "decode": coder.decompress,
        "x": x,
        "ideal": scale * (bound + coder.start_bits),
        "room": CONTAINER + 3 * spread / 8,
        "chance": 3 * spread,
    }


STREAMS = {"photographs": photograph, "lossy": lossy, "bits back": bits_back}


@pytest.mark.parametrize("name", STREAMS)
def test_coders_of_their_own(name):
    check_stream(name, **STREAMS[name]())


@pytest.mark.parametrize("scale", [0.8, 1.2])
@pytest.mark.parametrize("name", STREAMS)
def test_a_file_of_another_length_than_the_model_says_is_rejected(name, scale):
    with pytest.raises(AssertionError, match=REJECTED):
        check_stream(name, **STREAMS[name](scale))


@pytest.mark.parametrize("name", STREAMS)
def test_a_coder_that_gives_back_something_else_is_rejected(name):
    coder = STREAMS[name]()
    with pytest.raises(AssertionError, match=f"{REJECTED}.*not what was encoded"):
        check_stream(name, **coder | {"decode": lambda data: coder["decode"](data).flip(-1)})


# --- law 1 for the densities that only coders ask: integers, and the numbers of a code ---


def check_slots(model: compression.IntegerMCGSM, contexts: np.ndarray) -> None:
    """Fail unless the 256 levels share all slots, each of them at least one."""
    experts = model.experts(contexts)
    ends = np.stack([experts.begin(np.full(len(contexts), k)) for k in range(257)], axis=1)
    whole = (ends[:, 0] == 0).all() and (ends[:, -1] == 1 << SLOT_BITS).all()
    fail_unless(
        bool(whole), "1, normalisation", "IntegerMCGSM", "its levels do not share all slots"
    )
    least = int(np.diff(ends, axis=1).min())
    fail_unless(least >= 1, "1, normalisation", "IntegerMCGSM", f"a level has {least} slots")


def integers() -> tuple[compression.IntegerMCGSM, np.ndarray]:
    """Return a model in whole numbers, and contexts, of pictures and of nothing."""
    x = (255 * smooth(40, 50)).round()
    model = whole_numbers(x)
    seen = (contexts_of(x)[0].numpy() * 4096).round().astype(np.int64)
    wild = np.random.default_rng(0).integers(-(1 << 20), 1 << 20, (50, seen.shape[1]))
    return model, np.concatenate([seen[::20], wild])


def test_levels_of_photographs_share_all_slots():
    check_slots(*integers())


def test_levels_that_leave_slots_over_are_rejected(monkeypatch):
    model, contexts = integers()
    experts = type(model.experts(contexts))
    begin = experts.begin
    monkeypatch.setattr(experts, "begin", lambda self, k: begin(self, k) * 15 // 16)
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        check_slots(model, contexts)


def check_code(model: compression.LossyAutoencoder, log_prob: Any) -> None:
    """Fail unless the values of the last number of a code share a probability of one."""
    codes = 3 * torch.randn(1, 64, 3, 2, generator=seeded()).double().round()
    values = torch.arange(-RANGE, RANGE + 1).double()
    for place in (0, 17, 63):
        many = codes.repeat(len(values), 1, 1, 1)
        many[:, place, -1, -1] = values
        total = float(log_prob(model, many, 1)[:, place, -1, -1].logsumexp(0).exp())
        fail_unless(
            abs(total - 1) < 1e-6, "1, normalisation", "LossyAutoencoder", f"it sums to {total:.4f}"
        )


def test_the_numbers_of_a_lossy_code_have_probabilities():
    model = randomise(compression.LossyAutoencoder(hidden=8, generator=seeded()).double(), 0)
    model.requires_grad_(False)
    check_code(model, compression.LossyAutoencoder.code_log_prob)
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        check_code(model, lambda m, y, rate: 0.9 * m.code_log_prob(y, rate))
