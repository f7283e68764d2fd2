r"""Two ways to learn from the pixels around: all that are near, or those that resemble this one.

Both give the sums of products of a least-squares fit,
:math:`\sum_j w_j d_j d_j^\top` and :math:`\sum_j w_j y_j d_j`, over the places j of a window.
All that is added is a product of whole numbers and stays below 2^53, hence exact in float64 in
whatever order a library adds it.
"""

from __future__ import annotations

import numpy as np


class Near:
    """Every place of a window counts once.

    The sums of products are kept from the left end of a row to each pixel, so that those of a
    window are a difference a row.

    Args:
        height, width: Of the picture.
        neighbours: How many numbers d a place has.
        reach: Of the window: rows above, and columns to the left and to the right.
        lag: Columns by which a row stays behind the one above it.
    """

    ridge = 2.0**8

    def __init__(self, height: int, width: int, neighbours: int, reach: int, lag: int) -> None:
        self.width, self.neighbours, self.reach = width, neighbours, reach
        self._lower = np.tril_indices(neighbours)
        # A row is needed for as long as the window of a later one reaches it; then its place is
        # used again.
        self._rows = reach + -(-width // lag) + 2
        self._sums = np.zeros((self._rows, width + 1, len(self._lower[0]) + neighbours))

    def sums(self, i: np.ndarray, j: np.ndarray, away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of some pixels, (k, k, n) and (k, n); away is (k, n) of these pixels."""
        left, right = np.maximum(j - self.reach, 0), np.minimum(j + self.reach + 1, self.width)
        here = i % self._rows
        total = self._sums[here, j] - self._sums[here, left]
        for up in range(1, self.reach + 1):
            row = (i - up) % self._rows
            above = self._sums[row, right] - self._sums[row, left]
            total += np.where((i >= up)[:, None], above, 0.0)
        pairs = len(self._lower[0])
        matrix = np.zeros((self.neighbours, self.neighbours, len(i)))
        matrix[self._lower] = total[:, :pairs].T
        return matrix, total[:, pairs:].T

    def learn(self, i: np.ndarray, j: np.ndarray, away: np.ndarray, level: np.ndarray) -> None:
        """Take in pixels: d, (k, n), and what they should have predicted, (n,)."""
        both = np.concatenate([away[self._lower[0]] * away[self._lower[1]], away * level])
        here = i % self._rows
        self._sums[here, j + 1] = self._sums[here, j] + both.T
        # A row that begins takes the place of one that nobody needs any more.
        self._sums[here[j == 0], 0] = 0.0


class Alike:
    r"""The more a place resembles the pixel, and the nearer it is, the more it counts.

    A place j has the weight
    :math:`w_j = \lfloor 64\, a_j\, m / (m + \lVert d_j - d\rVert^2)\rfloor`, where :math:`a_j` is
    16 beside the pixel and falls to 3, d are its first six numbers, and m an eighth of the mean
    of the squares in this window, and 100 more. (A. Weinlich, P. Amon, A. Hutter and A. Kaup
    (2016), doi:10.1109/TIP.2016.2522339, derive such weights from a model of the picture.)

    Args:
        height, width, neighbours, reach: As for `Near`; the window is the half of a disc.
    """

    ridge = 2.0**16  # weights are up to 2^10
    _COMPARED, _SHARE, _LEAST, _SCALE = 6, 8, 100, 64

    def __init__(self, height: int, width: int, neighbours: int, reach: int) -> None:
        places = [
            (dy, dx)
            for dy in range(-reach, 1)
            for dx in range(-reach, reach + 1)
            if (dy, dx) < (0, 0) and dy * dy + dx * dx <= reach * reach + 2
        ]
        self.neighbours, self._margin = neighbours, reach
        self._dy, self._dx = np.array(places).T
        self._near = np.array([16 // (1 + max(-dy, abs(dx)) // 2) for dy, dx in places])
        shape = (height + reach, width + 2 * reach)
        self._away = np.zeros((*shape, neighbours), np.int16)
        self._levels, self._known = np.zeros(shape, np.int16), np.zeros(shape, np.int64)

    def sums(self, i: np.ndarray, j: np.ndarray, away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of some pixels, as `Near.sums` does."""
        a, b = (i + self._margin)[:, None] + self._dy, (j + self._margin)[:, None] + self._dx
        theirs = self._away[a, b].astype(np.float64)
        other = theirs[..., : self._COMPARED] - away[: self._COMPARED].T[:, None]
        far = (other * other).sum(axis=2).astype(np.int64)
        known = self._known[a, b]
        mean = (known * far).sum(axis=1) // np.maximum(known.sum(axis=1), 1)
        m = (self._LEAST + mean // self._SHARE)[:, None]
        weights = (known * self._near * self._SCALE * m // (m + far)).astype(np.float64)
        weighted = (theirs * weights[..., None]).transpose(0, 2, 1)
        right = weighted @ self._levels[a, b].astype(np.float64)[..., None]
        return (weighted @ theirs).transpose(1, 2, 0), right[..., 0].T

    def learn(self, i: np.ndarray, j: np.ndarray, away: np.ndarray, level: np.ndarray) -> None:
        """Take in pixels, as `Near.learn` does."""
        a, b = i + self._margin, j + self._margin
        self._away[a, b], self._levels[a, b], self._known[a, b] = away.T, level, 1
