"""From probabilities to whole numbers of slots, which both sides of a channel can agree on."""

from __future__ import annotations

import numpy as np

from gdmlib._checks import check_count

BITS = 24
"""Symbols share 2^BITS slots where nothing else is said."""


def slots(probabilities: np.ndarray, bits: int = BITS) -> np.ndarray:
    """Return where the share of each symbol begins and ends, int64 (n, K + 1).

    A symbol of probability zero gets one slot as well: what the model thinks impossible may come,
    and then costs ``bits`` bits and not the message. This costs all others no more than a share of
    K / 2^bits.

    Args:
        probabilities: Of K symbols, rows that sum to 1, shape (n, K).
        bits: K must be below 2^bits.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    bits = check_count(bits, "bits")
    if p.ndim != 2 or p.shape[1] == 0 or bits > 31 or p.shape[1] >= 1 << bits:
        raise ValueError(
            f"probabilities: expected (n, K) with K from 1 to 2^bits - 1, and bits up to 31, got "
            f"shape {p.shape} and bits = {bits}"
        )
    total = p.sum(axis=1)
    if not ((p >= 0).all() and (np.abs(total - 1) < 1e-3).all()):
        worst = float(total[np.argmax(np.abs(total - 1))])
        raise ValueError(
            f"probabilities: expected rows from 0 that sum to 1, got a minimum of {p.min():.3g} "
            f"and a sum of {worst:.6g}"
        )
    symbols = p.shape[1]
    cumulative = np.zeros((len(p), symbols + 1))
    np.cumsum(p, axis=1, out=cumulative[:, 1:])
    cumulative /= cumulative[:, -1:]
    return np.floor(cumulative * ((1 << bits) - symbols)).astype(np.int64) + np.arange(symbols + 1)


def check_share(first: int, end: int, narrowest: int, bits: int) -> None:
    """Raise ValueError unless symbols' shares lie within 2^bits slots, and none is empty.

    Args:
        first, end: The first slot of them all, and the one behind the last.
        narrowest: The smallest number of slots of a symbol.
        bits: From 1 to 31.
    """
    if not (1 <= bits <= 31 and first >= 0 and narrowest >= 1 and end <= 1 << bits):
        raise ValueError(
            f"start, width: expected shares of at least one slot within the 2^bits, bits from 1 to "
            f"31; got slots {first} to {end - 1}, a width of {narrowest} and bits = {bits}"
        )
