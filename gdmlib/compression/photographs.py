"""Lossless files of grey photographs: the sweep, the experts and the stack together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from gdmlib._checks import check_kind, check_tensor
from gdmlib._random import draw, permutation
from gdmlib.autoregressive.mcgsm import MCGSM, train_mcgsm
from gdmlib.compression.adaptive import CONTEXT, Sweep, fronts
from gdmlib.compression.ans import Stack
from gdmlib.compression.container import CorruptStreamError, Stream, checksum, pack, unpack, verify
from gdmlib.compression.integer import LEVELS, SLOT_BITS, IntegerMCGSM, as_float
from gdmlib.compression.tuning import tune

KIND = b"GREY"
_PIXELS_A_LANE, _LANES = 8192, 32


def compress_photograph(model: IntegerMCGSM, levels: Tensor) -> bytes:
    """Write a grey photograph so that every bit of it comes back.

    Args:
        model: Gives the probabilities; its context has `gdmlib.compression.adaptive.CONTEXT`
            numbers.
        levels: Whole numbers from 0 to 255, shape (H, W), of any size from 1 × 1.
    """
    _check_model(model)
    known = _levels(levels)
    seen = _visit(known)
    contexts_seen, levels_seen = (np.concatenate(part) for part in zip(*seen, strict=True))
    steps = tune(model, contexts_seen, levels_seen)
    tuned, parts = model.adjusted(steps), []
    for contexts, level in seen:
        experts = tuned.experts(contexts)
        start = experts.begin(level)
        parts.append((start, experts.begin(level + 1) - start))
    stack = Stack(_lanes(known.size))
    for start, width in reversed(parts):  # what is pushed last comes out first
        for group in reversed(_groups(len(start), len(stack.state))):
            stack.push(start[group], width[group], SLOT_BITS)
    payload = steps.tobytes() + stack.to_bytes()
    return pack(Stream(KIND, model.fingerprint, known.shape, checksum(known), payload))


def decompress_photograph(model: IntegerMCGSM, data: bytes) -> Tensor:
    """Return the photograph that `compress_photograph` wrote, uint8 (H, W).

    Raises:
        CorruptStreamError: If the stream is damaged, cut off, or of another model.
    """
    _check_model(model)
    stream = unpack(data, KIND, model.fingerprint)
    if len(stream.shape) != 2 or 0 in stream.shape:
        raise CorruptStreamError(f"expected a height and a width, the stream has {stream.shape}")
    sweep, head = Sweep(*stream.shape), 2 * sum(model.eta.shape)
    if len(stream.payload) < head:
        raise CorruptStreamError(f"expected {head} bytes of tuning, got {len(stream.payload)}")
    steps = np.frombuffer(stream.payload[:head], np.int8).reshape(2, -1)
    stack = Stack.from_bytes(stream.payload[head:], _lanes(sweep.height * sweep.width))
    tuned = model.adjusted(steps)
    for i, j, contexts in sweep:
        experts = tuned.experts(contexts)
        for group in _groups(len(i), len(stack.state)):
            some = experts[group]
            level = some.find(stack.peek(len(i[group]), SLOT_BITS))
            start = some.begin(level)
            stack.pop(start, some.begin(level + 1) - start, SLOT_BITS)
            sweep.levels[i[group], j[group]] = level
    if not stack.is_empty:
        raise CorruptStreamError("the picture is complete, and there are bits left over")
    verify(sweep.levels, stream.content)
    return torch.from_numpy(sweep.levels.astype(np.uint8))


def contexts_of(levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return what an `MCGSM` is trained on: contexts, (H W, CONTEXT), and levels, (H W,), float32.

    Args:
        levels: As for `compress_photograph`.
    """
    contexts, order = zip(*_visit(_levels(levels)), strict=True)
    return as_float(np.concatenate(contexts)), torch.from_numpy(np.concatenate(order)).float()


def photograph_bits(model: IntegerMCGSM, levels: Tensor) -> Tensor:
    """Return what each pixel of a photograph costs, in bits, float32 (H, W).

    The file of `compress_photograph` is longer by its header, the tuning and the ends of its lanes.
    """
    _check_model(model)
    known = _levels(levels)
    seen = _visit(known)
    contexts_seen, levels_seen = (np.concatenate(part) for part in zip(*seen, strict=True))
    steps = tune(model, contexts_seen, levels_seen)
    tuned, cost = model.adjusted(steps), np.zeros(known.shape, dtype=np.float32)
    for (i, j), (contexts, level) in zip(fronts(*known.shape), seen, strict=True):
        experts = tuned.experts(contexts)
        cost[i, j] = SLOT_BITS - np.log2(experts.begin(level + 1) - experts.begin(level))
    return torch.from_numpy(cost)


def _visit(known: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return contexts and levels of each front of a picture that is known."""
    sweep, found = Sweep(*known.shape), []
    for i, j, contexts in sweep:
        sweep.levels[i, j] = known[i, j]
        found.append((contexts, known[i, j]))
    return found


def fit_photograph_model(
    photographs: Sequence[Tensor],
    *,
    components: int = 32,
    scales: int = 4,
    pixels: int = 40_000,
    generator: Generator | None = None,
    **options: Any,
) -> IntegerMCGSM:
    """Train an MCGSM on the contexts of photographs, and round it to whole numbers.

    Args:
        photographs: As for `compress_photograph`, (H, W) each.
        components, scales: Of the `MCGSM`.
        pixels: At most so many of each photograph are used.
        generator: Chooses them, adds the noise that makes levels numbers, and shuffles.
        options: As for `train_mcgsm`: epochs, batch_size, lr, ...
    """
    xs, ys = [], []
    for levels in photographs:
        x, y = contexts_of(levels)
        some = permutation(len(y), generator)[:pixels]
        noise = draw(torch.rand, len(some), generator=generator)
        xs.append(x[some])
        ys.append((y[some] + noise) / LEVELS)
    x, y = torch.cat(xs), torch.cat(ys)
    mixed = permutation(len(y), generator)
    x, y = x[mixed], y[mixed]
    held = min(len(y) // 10, 20_000)
    sizes = {"components": components, "scales": scales}
    model = MCGSM.start(x, y, generator=generator, **sizes)
    valid = (x[:held], y[:held])
    train_mcgsm(model, x[held:], y[held:], valid, generator=generator, **options)
    return IntegerMCGSM.from_mcgsm(model)


def _levels(levels: Tensor) -> np.ndarray:
    check_tensor(levels, "levels", ndim=2)
    whole = levels.detach().cpu().numpy().astype(np.float64)
    wrong = (whole != np.rint(whole)) | (whole < 0) | (whole >= LEVELS)
    if wrong.any():
        raise ValueError(
            f"levels: expected whole numbers from 0 to 255, got {float(whole[wrong][0]):.6g}; a "
            "picture in [0, 1] becomes levels by (255 * x).round()"
        )
    return whole.astype(np.int64)


def _check_model(model: IntegerMCGSM) -> None:
    check_kind(model, "model", IntegerMCGSM, "an IntegerMCGSM, see fit_photograph_model")
    if model.dim_context != CONTEXT:
        raise ValueError(
            f"model: expected a context of {CONTEXT} numbers, got one of {model.dim_context}"
        )


def _lanes(pixels: int) -> int:
    """Return how many lanes a picture has: each costs 8 bytes."""
    return max(1, min(_LANES, pixels // _PIXELS_A_LANE))


def _groups(n: int, lanes: int) -> list[slice]:
    return [slice(k, min(k + lanes, n)) for k in range(0, n, lanes)]
