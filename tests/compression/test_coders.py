"""Arithmetic coder and stack: symbols come back, as short as their probabilities; containers."""

from __future__ import annotations

import numpy as np
import pytest

from gdmlib.compression import (
    ArithmeticDecoder,
    ArithmeticEncoder,
    CorruptStreamError,
    Stack,
    slots,
)
from gdmlib.compression.container import Stream, pack, unpack, verify

BITS = 24


def message(k, n=4000, concentration=0.3, seed=0):
    rng = np.random.RandomState(seed)
    p = rng.dirichlet(np.full(k, concentration))
    return p, rng.choice(k, n, p=p)


@pytest.mark.parametrize("k", [2, 7, 256])
def test_arithmetic_coder(k):
    p, x = message(k)
    cut = slots(p[None], BITS)[0]
    encoder = ArithmeticEncoder()
    for s in x:
        encoder.encode(int(cut[s]), int(cut[s + 1] - cut[s]), BITS)
    data = encoder.finish()
    decoder, found = ArithmeticDecoder(data), []
    for _ in x:
        s = int(np.searchsorted(cut, decoder.peek(BITS), side="right")) - 1
        decoder.pop(int(cut[s]), int(cut[s + 1] - cut[s]), BITS)
        found.append(s)
    assert found == x.tolist()
    ideal = -np.log2(p[x]).sum()
    assert ideal - 1 < 8 * len(data) < ideal * 1.001 + 16


def test_arithmetic_coder_across_the_middle():
    # The interval keeps the middle inside: not a bit is settled for a long time.
    encoder = ArithmeticEncoder()
    for _ in range(200):
        encoder.encode(1, 2, 2)  # the middle half
    encoder.encode(3, 1, 2)
    decoder = ArithmeticDecoder(encoder.finish())
    for _ in range(200):
        assert decoder.peek(2) in (1, 2)
        decoder.pop(1, 2, 2)
    assert decoder.peek(2) == 3


def test_empty_message():
    assert len(ArithmeticEncoder().finish()) == 1


@pytest.mark.parametrize("lanes", [1, 3, 16])
@pytest.mark.parametrize("bits", [8, 24, 31])
def test_stack(lanes, bits):
    p, x = message(6, 300 * lanes)
    cut = slots(p[None], bits)[0]
    stack = Stack(lanes)
    parts = x.reshape(-1, lanes)
    for row in parts:
        stack.push(cut[row], cut[row + 1] - cut[row], bits)
    data = stack.to_bytes()
    assert len(stack) == 8 * len(data)
    stack = Stack.from_bytes(data, lanes)
    for row in parts[::-1]:
        found = np.searchsorted(cut, stack.peek(lanes, bits), side="right") - 1
        assert found.tolist() == row.tolist()
        stack.pop(cut[row], cut[row + 1] - cut[row], bits)
    assert stack.is_empty
    q = np.diff(cut) / (1 << bits)
    ideal = -np.log2(q[x]).sum()
    assert ideal <= 8 * len(data) <= ideal * 1.001 + 64 * lanes


def test_stack_grows_beyond_its_first_words():
    stack = Stack(2)
    one = np.array([0, 0])
    for _ in range(3000):
        stack.push(one, one + 1, 24)
    assert len(stack) > 32 * 1024
    for _ in range(3000):
        assert (stack.peek(2, 24) == 0).all()
        stack.pop(one, one + 1, 24)
    assert stack.is_empty
    with pytest.raises(CorruptStreamError, match="ends before"):
        stack.pop(one, one + 1, 24)


def test_stack_refuses_what_it_cannot_have_written():
    data = Stack(2).to_bytes()
    for wrong in (data[:-4], data + b"x", bytes(16), b"\xff" * 16):
        with pytest.raises(CorruptStreamError):
            Stack.from_bytes(wrong, 2)


def test_slots():
    cut = slots(np.array([[0.0, 1.0, 0.0], [0.5, 0.25, 0.25]]), 10)
    assert cut[:, 0].tolist() == [0, 0]
    assert cut[:, -1].tolist() == [1024, 1024]
    assert (np.diff(cut, axis=1) >= 1).all()  # what is impossible may come
    assert np.diff(cut)[1].tolist() == [511, 256, 257]


@pytest.mark.parametrize("p", [[[0.5, 0.6]], [[1.5, -0.5]], [0.5, 0.5], [[]], [[np.nan, 1.0]]])
def test_slots_refuses(p):
    with pytest.raises(ValueError, match="probabilities"):
        slots(np.array(p))
    with pytest.raises(ValueError, match="bits"):
        slots(np.array([[0.5, 0.5]]), 1)


MODEL = b"12345678"
STREAM = Stream(b"TEST", MODEL, (2, 3), 77, b"some bits")


def test_container_round_trip():
    assert unpack(pack(STREAM), b"TEST", MODEL) == STREAM


def test_every_damaged_byte_is_seen():
    data = pack(STREAM)
    for k in range(len(data)):
        damaged = bytearray(data)
        damaged[k] ^= 1
        with pytest.raises(CorruptStreamError):
            unpack(bytes(damaged), b"TEST", MODEL)


def test_every_cut_is_seen():
    data = pack(STREAM)
    for k in range(len(data)):
        with pytest.raises(CorruptStreamError):
            unpack(data[:k], b"TEST", MODEL)
    with pytest.raises(CorruptStreamError):
        unpack(data + b"\0", b"TEST", MODEL)


def test_another_kind_or_model_is_said():
    data = pack(STREAM)
    with pytest.raises(CorruptStreamError, match="kind"):
        unpack(data, b"ELSE", MODEL)
    with pytest.raises(CorruptStreamError, match="another model"):
        unpack(data, b"TEST", b"abcdefgh")
    with pytest.raises(CorruptStreamError, match="written by"):
        unpack(b"\x89PNG" + data, b"TEST", MODEL)
    with pytest.raises(ValueError, match="expected bytes"):
        unpack("text", b"TEST", MODEL)


def test_what_was_decoded_is_compared():
    with pytest.raises(CorruptStreamError, match="other numbers than"):
        verify(np.arange(3), 1)


@pytest.mark.parametrize(
    ("start", "width", "bits"), [(0, 0, 4), (-1, 2, 4), (15, 2, 4), (0, 1, 0), (0, 1, 40)]
)
def test_shares_that_are_none_are_refused(start, width, bits):
    coder, stack = ArithmeticEncoder(), Stack(1)
    with pytest.raises(ValueError, match="start, width: expected shares of at least one slot"):
        coder.encode(start, width, bits)
    with pytest.raises(ValueError, match="start, width: expected shares of at least one slot"):
        stack.push(np.array([start]), np.array([width]), bits)
    assert len(stack) == 64


def test_more_symbols_than_lanes_are_refused():
    with pytest.raises(ValueError, match="from 1 to 2 lanes"):
        Stack(2).push(np.zeros(3, dtype=np.int64), np.ones(3, dtype=np.int64), 4)
