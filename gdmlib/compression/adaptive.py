r"""What a pixel is predicted from: its neighbours, and a rule that the picture itself has taught.

The grain of wood is not that of hair. A model trained elsewhere knows what pictures are like on
average; the pixels already decoded say what *this* one is like, here. So at each pixel the weights
of its neighbours are fitted by least squares to a window above and beside it, as if each of its
pixels had to be predicted from its own neighbours:

.. math:: v = \arg\min_v \sum_{j \in \text{window}} w_j (y_j - v^\top d_j)^2 + \rho \|v\|^2 .

There are two such rules, `windows.Near` with :math:`w_j = 1` and `windows.Alike`. Sender and
receiver fit the same weights, so nothing of them is sent. The sums of products are of whole
numbers, hence exact. The system is solved by a Cholesky decomposition written in single
additions, multiplications, divisions and roots: IEEE 754 defines the result of each to the last
bit, which it does not do for a library's routine, that may choose its order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gdmlib.autoregressive.causal_image import wavefronts
from gdmlib.autoregressive.neighbourhood import Neighbourhood
from gdmlib.compression.integer import SIXTEENTHS
from gdmlib.compression.windows import Alike, Near

NEIGHBOURS = Neighbourhood(
    [o for o in Neighbourhood.half_plane(3, 3).offsets if o[0] ** 2 + o[1] ** 2 <= 9]
)
"""Fourteen pixels, no further than three away."""
ERRORS = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
"""Where the error of the fitted prediction is told, too: it says how well the rule does here."""

TAUGHT = (
    (0, -1), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-2, -1), (-1, -2), (-1, 2), (0, -3),
)  # fmt: skip
_NEAR, _NEAR_REACH = 6, 6  # neighbours of the rule that forgets soon, and how far it looks
_ALIKE_REACH = 9  # the other one has all neighbours that are taught
CONTEXT = len(NEIGHBOURS) + 2 + len(ERRORS)
"""How many numbers a context has."""

_LAG = max(_NEAR_REACH, _ALIKE_REACH) + 1  # columns by which a row stays behind the one above it
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
        self._rules: tuple[Near | Alike, ...] = (
            Near(height, width, _NEAR, _NEAR_REACH, _LAG),
            Alike(height, width, len(TAUGHT), _ALIKE_REACH),
        )

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield rows, columns and contexts in sixteenths, (n,), (n,) and (n, CONTEXT), of a front.

        The front's `levels` must be known before the next one is asked for.
        """
        for i, j in fronts(self.height, self.width):
            contexts, base, away = self._look(i, j)
            yield i, j, contexts
            level = self.levels[i, j]
            guess = contexts[:, len(NEIGHBOURS) + 1]  # the second rule's
            self._errors[i + _MARGIN, j + _MARGIN] = SIXTEENTHS * level - guess
            for rule in self._rules:
                rule.learn(i, j, away[: rule.neighbours], 2 * level - base)

    def _look(self, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return contexts, and what the rules learn from: all less the mean of two, doubled."""
        a, b = i + _MARGIN, j + _MARGIN
        near = np.stack([self._canvas[a + dy, b + dx] for dy, dx in NEIGHBOURS.offsets], axis=1)
        base = self._canvas[a, b - 1] + self._canvas[a - 1, b]
        away = np.stack([2 * self._canvas[a + dy, b + dx] - base for dy, dx in TAUGHT])
        guesses = []
        for rule in self._rules:
            some = away[: rule.neighbours].astype(np.float64)
            weights, moved = solve(*rule.sums(i, j, some), rule.ridge), np.zeros(len(i))
            for weight, number in zip(weights, some, strict=True):
                moved = moved + weight * number
            level = np.clip((base + moved) * (SIXTEENTHS / 2), 0, 255 * SIXTEENTHS)
            guesses.append(np.rint(level).astype(np.int64))
        errors = np.stack([self._errors[a + dy, b + dx] for dy, dx in ERRORS], axis=1)
        middle = SIXTEENTHS * near + SIXTEENTHS // 2
        return np.concatenate([middle, np.stack(guesses, axis=1), errors], axis=1), base, away


def fronts(height: int, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and columns of the pixels that a sweep visits together."""
    for rows, columns in wavefronts(height, width, _LAG):
        if len(rows):
            yield rows.numpy(), columns.numpy()


def solve(matrix: np.ndarray, right: np.ndarray, ridge: float) -> np.ndarray:
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
