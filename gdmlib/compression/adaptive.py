r"""What a pixel is predicted from: its neighbours, and a rule that the picture itself has taught.

The grain of wood is not that of hair. A model trained elsewhere knows what pictures are like on
average; the pixels already decoded say what *this* one is like, here. So at each pixel the weights
of its neighbours are fitted by least squares to a window of some ninety pixels above and to the
left, as if each of them had to be predicted from its own neighbours:

.. math:: v = \arg\min_v \sum_{j \in \text{window}} (y_j - v^\top d_j)^2 + \rho \|v\|^2 .

Sender and receiver fit the same weights, so nothing of them is sent. Both sums of products are of
whole numbers, hence exact. The system is solved by a Cholesky decomposition written in single
additions, multiplications, divisions and roots: IEEE 754 defines the result of each to the last
bit, which it does not do for a library's routine, that may choose its order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gdmlib.autoregressive.causal_image import wavefronts
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.compression.integer import SIXTEENTHS

NEIGHBOURS = Neighbourhood(
    [o for o in Neighbourhood.half_plane(3, 3).offsets if o[0] ** 2 + o[1] ** 2 <= 9]
)
"""Fourteen pixels, no further than three away."""
ERRORS = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
"""Where the error of the fitted prediction is told, too: it says how well the rule does here."""

_TAUGHT = (
    (0, -1), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-2, -1), (-1, -2), (-1, 2), (0, -3),
)  # fmt: skip
# Two rules: how many of these neighbours they use, how far their windows reach, and how much the
# pixels of each window count. The first forgets soon, the second has more to learn from.
_RULES = ((6, ((6, 1),)), (10, ((9, 1), (4, 2))))
CONTEXT = len(NEIGHBOURS) + len(_RULES) + len(ERRORS)
"""How many numbers a context has."""

_REACH = max(reach for _, windows in _RULES for reach, _ in windows)
_LAG = _REACH + 1  # columns by which a row stays behind the one above it
_RIDGE = 256.0
_MARGIN = 3
_GREY = 128  # what lies outside of the picture


class Sweep:
    """Visits a picture in wavefronts and gives the contexts of the pixels of each.

    Args:
        height, width: Of the picture.

    Attributes:
        levels: What is known so far, int64 (height, width); 128 elsewhere.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        shape = (height + _MARGIN, width + 2 * _MARGIN)
        self._canvas = np.full(shape, _GREY, dtype=np.int64)
        self._errors = np.zeros(shape, dtype=np.int64)
        self.levels = self._canvas[_MARGIN:, _MARGIN : _MARGIN + width]
        k = len(_TAUGHT)
        self._lower = np.tril_indices(k)  # those of the first few neighbours come first
        # Sums of products from the left end of a row to each pixel. A row is needed for as long as
        # the window of a later one reaches it; then its place is used again.
        self._rows = _REACH + -(-width // _LAG) + 2
        self._sums = np.zeros((self._rows, width + 1, len(self._lower[0]) + k))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield rows, columns and contexts in sixteenths, (n,), (n,) and (n, CONTEXT), of a front.

        The front's `levels` must be known before the next one is asked for.
        """
        for i, j in fronts(self.height, self.width):
            contexts, guess, products = self._look(i, j)
            yield i, j, contexts
            self._learn(i, j, guess, products)

    def _look(self, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, ...]:
        a, b = i + _MARGIN, j + _MARGIN
        near = np.stack([self._canvas[a + dy, b + dx] for dy, dx in NEIGHBOURS.offsets], axis=1)
        base = self._canvas[a, b - 1] + self._canvas[a - 1, b]
        away = np.stack([2 * self._canvas[a + dy, b + dx] - base for dy, dx in _TAUGHT])
        guesses = []
        for k, windows in _RULES:
            weights, moved = solve(*self._window(i, j, k, windows)), np.zeros(len(i))
            for weight, number in zip(weights, away[:k].astype(np.float64), strict=True):
                moved = moved + weight * number
            level = np.clip((base + moved) * (SIXTEENTHS / 2), 0, 255 * SIXTEENTHS)
            guesses.append(np.rint(level).astype(np.int64))
        errors = np.stack([self._errors[a + dy, b + dx] for dy, dx in ERRORS], axis=1)
        middle = SIXTEENTHS * near + SIXTEENTHS // 2
        contexts = np.concatenate([middle, np.stack(guesses, axis=1), errors], axis=1)
        return contexts, guesses[-1], np.concatenate([base[None], away])

    def _window(
        self, i: np.ndarray, j: np.ndarray, k: int, windows: tuple[tuple[int, int], ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of products in the windows of some pixels, (k, k, n) and (k, n)."""
        total = np.zeros((len(i), self._sums.shape[2]))
        for reach, counts in windows:
            left = np.maximum(j - reach, 0)
            right = np.minimum(j + reach + 1, self.width)
            here = i % self._rows
            found = self._sums[here, j] - self._sums[here, left]
            for up in range(1, reach + 1):
                row = (i - up) % self._rows
                above = self._sums[row, right] - self._sums[row, left]
                found += np.where((i >= up)[:, None], above, 0.0)
            total += counts * found
        matrix, pairs = np.zeros((k, k, len(i))), k * (k + 1) // 2
        matrix[self._lower[0][:pairs], self._lower[1][:pairs]] = total[:, :pairs].T
        return matrix, total[:, len(self._lower[0]) :][:, :k].T

    def _learn(self, i: np.ndarray, j: np.ndarray, guess: np.ndarray, seen: np.ndarray) -> None:
        """Take in the levels of a front."""
        level = self.levels[i, j]
        self._errors[i + _MARGIN, j + _MARGIN] = SIXTEENTHS * level - guess
        base, away = seen[0], seen[1:]
        both = np.concatenate([away[self._lower[0]] * away[self._lower[1]],
                               away * (2 * level - base)])  # fmt: skip
        here = i % self._rows
        self._sums[here, j + 1] = self._sums[here, j] + both.T
        # A row that begins takes the place of one that nobody needs any more.
        self._sums[here[j == 0], 0] = 0.0


def fronts(height: int, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and columns of the pixels that a sweep visits together."""
    for rows, columns in wavefronts(height, width, _LAG):
        if len(rows):
            yield rows.numpy(), columns.numpy()


def solve(matrix: np.ndarray, right: np.ndarray, ridge: float = _RIDGE) -> np.ndarray:
    """Solve (A + ridge I) v = b for many A at once, in a fixed order of single operations.

    Args:
        matrix: The lower halves of symmetric matrices A, none with negative eigenvalues, (k, k, n).
        right: The b, (k, n).
        ridge: More than 0.

    Returns:
        Shape (k, n).
    """
    a, v = matrix.astype(np.float64), right.astype(np.float64)
    for j in range(len(a)):
        a[j, j] = np.sqrt(np.maximum(a[j, j] + ridge, ridge))
        a[j + 1 :, j] = a[j + 1 :, j] / a[j, j]
        v[j] = v[j] / a[j, j]
        v[j + 1 :] = v[j + 1 :] - a[j + 1 :, j] * v[j]
        for i in range(j + 1, len(a)):
            a[i:, i] = a[i:, i] - a[i:, j] * a[i, j]
    for j in reversed(range(len(a))):
        v[j] = v[j] / a[j, j]
        v[:j] = v[:j] - a[j, :j] * v[j]
    return v
