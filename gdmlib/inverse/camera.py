r"""The single-pixel camera: each measurement is the light of the whole scene behind one pattern.

Duarte, Davenport, Takhar, Laska, Sun, Kelly and Baraniuk 2008 (doi:10.1109/MSP.2007.914730).
A matrix of Gaussian patterns has as many columns as the scene has pixels. Scrambled transforms
(Do, Gan, Nguyen and Tran 2012, doi:10.1109/TSP.2011.2170977) measure as well and store next to
nothing: random signs, a fast orthonormal transform, and some of its coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_choice, check_count, check_event_shape, check_finite
from gdmlib._random import draw, permutation
from gdmlib.inverse.masking import put_back
from gdmlib.inverse.matrix import Matrix, orthonormal_rows
from gdmlib.inverse.operators import Operator

ROWS = ("gaussian", "hadamard", "dct")
"""What patterns a single-pixel camera can have."""


def single_pixel(
    event_shape: Sequence[int],
    measurements: int | None = None,
    *,
    rate: float | None = None,
    rows: str = "gaussian",
    generator: Generator | None = None,
) -> Matrix | Scrambled:
    """Return a camera with orthonormal patterns.

    Args:
        event_shape: (C, H, W).
        measurements: How many, at most the numbers of an event.
        rate: Their share instead, more than 0 and at most 1.
        rows: "gaussian" stores measurements × pixels numbers; "hadamard" (sides that are powers
            of two) and "dct" are `Scrambled` and store about as many numbers as there are pixels.
        generator: Draws the patterns.

    Raises:
        ValueError: If there are more measurements than pixels, or a rate outside of (0, 1].
    """
    shape = check_event_shape(event_shape, image=True)
    n = shape.numel()
    if (measurements is None) is (rate is None):
        raise ValueError("measurements, rate: expected one of the two")
    if rate is not None:
        if not 0 < check_finite(rate, "rate") <= 1:
            raise ValueError(f"rate: expected a share of more than 0 and at most 1, got {rate}")
        measurements = max(1, round(rate * n))
    m = check_count(measurements if measurements is not None else 0, "measurements")
    if m > n:
        raise ValueError(
            f"measurements: {m} patterns of {n} pixels cannot be orthonormal; take at most {n}"
        )
    if check_choice(rows, "rows", ROWS) == "gaussian":
        patterns = orthonormal_rows(draw(torch.randn, m, n, generator=generator))
        return Matrix(patterns, shape, orthonormal=True, copy=False)
    return Scrambled(shape, m, rows=rows, generator=generator)


class Scrambled(Operator):
    """Random signs, an orthonormal transform of rows and columns, and some coefficients of it.

    Args:
        event_shape: (C, H, W).
        measurements: How many coefficients are kept, chosen at random.
        rows: "hadamard" or "dct".
        generator: Draws the signs and the choice.
    """

    signs: Tensor
    kept: Tensor
    left: Tensor
    right: Tensor

    def __init__(
        self,
        event_shape: Sequence[int],
        measurements: int,
        *,
        rows: str = "hadamard",
        generator: Generator | None = None,
    ) -> None:
        shape = check_event_shape(event_shape, image=True)
        check_choice(rows, "rows", ROWS[1:])
        m = check_count(measurements, "measurements")
        if m > shape.numel():
            raise ValueError(
                f"measurements: {m} coefficients are more than the {shape.numel()} of an event of "
                f"shape {tuple(shape)}"
            )
        super().__init__(shape, (m,))
        transform = hadamard if rows == "hadamard" else cosine
        self.register_buffer("left", transform(shape[1]))
        self.register_buffer("right", transform(shape[2]))
        signs = 2.0 * draw(torch.randint, 2, tuple(shape), generator=generator) - 1
        self.register_buffer("signs", signs)
        kept = permutation(shape.numel(), generator)[:m]
        self.register_buffer("kept", kept.to(signs.device))
        self.register_buffer("eigenvalues", torch.ones(()))

    def _apply_to(self, x: Tensor) -> Tensor:
        return (self.left @ (self.signs * x) @ self.right.mT).flatten(-3)[..., self.kept]

    def _adjoint_of(self, y: Tensor) -> Tensor:
        c = put_back(y, self.kept, self.event_shape)
        return self.signs * (self.left.mT @ c @ self.right)


def hadamard(n: int) -> Tensor:
    """Return Sylvester's matrix of signs, divided by √n: orthonormal, shape (n, n), n = 2ᵏ."""
    n = check_count(n, "n")
    if n & (n - 1):
        raise ValueError(f"n: a Hadamard transform takes sides that are powers of two, got {n}")
    matrix = torch.ones(1, 1)
    while len(matrix) < n:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / math.sqrt(n)


def cosine(n: int) -> Tensor:
    """Return the orthonormal discrete cosine transform (the second kind), shape (n, n)."""
    k = torch.arange(check_count(n, "n"), dtype=torch.float64)
    matrix = torch.cos(math.pi / n * k[:, None] * (k + 0.5)) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix.to(torch.get_default_dtype())
