"""Files of the learned code: its whole numbers, block after block, with the odds of the network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

from gdmlib._checks import check_kind, check_tensor, check_values
from gdmlib.autoregressive.causal_image import wavefronts
from gdmlib.compression.ans import Stack
from gdmlib.compression.container import (
    CorruptStreamError,
    Stream,
    checksum,
    fingerprint,
    pack,
    unpack,
    verify,
)
from gdmlib.compression.lossy import BEFORE, CODES, RANGE, SIDE, LossyAutoencoder
from gdmlib.training.loop import evaluating

KIND = b"LOSS"
_BITS = 24
_LAG = 2  # a block may look at the one above and to the right


def compress_lossy(model: LossyAutoencoder, x: Tensor, rate: int) -> bytes:
    """Write a grey picture as the model's code at one of its rates.

    Args:
        model: Receivers need the same.
        x: In [0, 1], shape (H, W), any size from 1 × 1.
        rate: 0 for the smallest file.
    """
    check_kind(model, "model", LossyAutoencoder, "a LossyAutoencoder")
    x = check_tensor(x, "x", ndim=2, floating=True, like=model.analysis)
    check_values(x, "x", (x >= 0) & (x <= 1), "a grey picture in [0, 1]", "; use x.clamp(0, 1)")
    with evaluating(model):
        code = model.encode(x[None, None], rate)[0].round().long().numpy()
        blocks = code.transpose(1, 2, 0)
        parts = []
        for rows, columns, odds in _fronts(model, blocks, rate):
            for k, symbols in enumerate(blocks[rows, columns]):
                start = odds.begin(k, symbols)
                parts.append((start, odds.begin(k, symbols + 1) - start))
    stack = Stack(CODES)
    for start, width in reversed(parts):
        stack.push(start, width, _BITS)
    shape = (*x.shape, rate)
    return pack(Stream(KIND, _fingerprint(model), shape, checksum(blocks), stack.to_bytes()))


def decompress_lossy(model: LossyAutoencoder, data: bytes) -> Tensor:
    """Return the picture that `compress_lossy` wrote, in [0, 1], (H, W).

    Raises:
        CorruptStreamError: If the stream is damaged or not this model's.
    """
    check_kind(model, "model", LossyAutoencoder, "a LossyAutoencoder")
    stream = unpack(data, KIND, _fingerprint(model))
    if len(stream.shape) != 3 or 0 in stream.shape[:2] or stream.shape[2] >= len(model.lambdas):
        raise CorruptStreamError(f"expected height, width and rate, the stream has {stream.shape}")
    height, width, rate = stream.shape
    stack = Stack.from_bytes(stream.payload, CODES)
    blocks = np.zeros((-(-height // SIDE), -(-width // SIDE), CODES), dtype=np.int64)
    with evaluating(model):
        for rows, columns, odds in _fronts(model, blocks, rate):
            for k, (row, column) in enumerate(zip(rows, columns, strict=True)):
                symbols = odds.find(k, stack.peek(CODES, _BITS))
                start = odds.begin(k, symbols)
                stack.pop(start, odds.begin(k, symbols + 1) - start, _BITS)
                blocks[row, column] = symbols
        if not stack.is_empty:
            raise CorruptStreamError("the picture is complete, and there are bits left over")
        verify(blocks, stream.content)
        code = torch.from_numpy(blocks.transpose(2, 0, 1).copy()).to(model.analysis)[None]
        return model.decode(code, rate, (height, width))[0, 0].clamp(0, 1)


class _Odds:
    """Where the shares of whole numbers begin, under the logistic densities of some blocks."""

    def __init__(self, centre: Tensor, log_scale: Tensor) -> None:
        self.centre, self.scale = centre.double().numpy(), np.exp(log_scale.double().numpy())

    def begin(self, k: int, symbols: np.ndarray) -> np.ndarray:
        """Return the first slots in block k, for symbols from -RANGE to RANGE + 1, (64,)."""
        cdf = expit((symbols - 0.5 - self.centre[k]) / self.scale[k])
        room = (1 << _BITS) - (2 * RANGE + 1)
        start = np.floor(cdf * room).astype(np.int64) + symbols + RANGE
        return np.where(symbols <= -RANGE, 0, np.where(symbols > RANGE, 1 << _BITS, start))

    def find(self, k: int, slot: np.ndarray) -> np.ndarray:
        """Return the symbols of block k in whose shares slots lie, by bisection, (64,)."""
        low, step = np.full(CODES, -RANGE, dtype=np.int64), 2 * RANGE
        while step:
            middle = low + step
            fits = (middle <= RANGE) & (self.begin(k, np.minimum(middle, RANGE)) <= slot)
            low, step = np.where(fits, middle, low), step // 2
        return low


def _fronts(
    model: LossyAutoencoder, blocks: np.ndarray, rate: int
) -> Iterator[tuple[np.ndarray, np.ndarray, _Odds]]:
    """Yield rows and columns of blocks that can be coded together, and their odds.

    Both sides call the network with the same blocks at once, so that it rounds alike. What is
    not decoded yet is not looked at.
    """
    height, width = blocks.shape[:2]
    for rows, columns in wavefronts(height, width, _LAG):
        if not len(rows):
            continue
        i, j = rows.numpy(), columns.numpy()
        seen = []
        for dy, dx in BEFORE:
            a, b = i + dy, j + dx
            inside = (a >= 0) & (b >= 0) & (b < width)
            part = blocks[np.where(inside, a, 0), np.where(inside, b, 0)]
            seen.append(np.where(inside[:, None], part, 0))
        before = torch.from_numpy(np.concatenate(seen, axis=1)).to(model.analysis)
        yield i, j, _Odds(*model.odds(before, rate))


def _fingerprint(model: LossyAutoencoder) -> bytes:
    return fingerprint(model, words=f"LossyAutoencoder {model.lambdas}")
