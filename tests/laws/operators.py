"""Law 8: what every linear operator owes, held against the matrix that it stands for.

    law 8, operators    the adjoint is one, solutions solve, projections project

The matrix is found by measuring one unit event after the other, and everything else is asked of
NumPy's decompositions of it. A law takes the operator that it is about, so that a broken one can
be shown to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gdmlib import inverse
from gdmlib.inverse import Operator

from .builders import normal, seeded, tensor
from .laws import fail_unless

LAW = "8, operators"
SHAPE = (1, 8, 4)
KERNEL = tensor([0.0, 1, 2], [1, 5, 0], [0, 3, 1]) / 13


@dataclass(frozen=True)
class Seen:
    """An operator in float64, under a name.

    Attributes:
        name: Shown as the name of the test.
        build: Makes it anew.
        grey: What a constant event of ones becomes, where that is one number.
    """

    name: str
    build: Callable[[], Operator]
    grey: float | None = None

    def __str__(self) -> str:
        return self.name


def wide(build: Callable[[], Operator]) -> Callable[[], Operator]:
    """Return a builder under which all numbers are made in float64."""

    def built() -> Operator:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return build()
        finally:
            torch.set_default_dtype(before)

    return built


def repeated() -> Tensor:
    a = normal(6, 4)
    return torch.cat([a[:4, :2], a[:4, :2]], dim=1)  # rank 2 out of 4 rows of 4


OPERATORS = [
    Seen("Matrix, wide", lambda: inverse.Matrix(normal(3, 8), (2, 4))),
    Seen("Matrix, tall", lambda: inverse.Matrix(normal(9, 4))),
    Seen("Matrix without full rank", lambda: inverse.Matrix(repeated())),
    Seen(
        "Matrix, orthonormal",
        lambda: inverse.Matrix(inverse.orthonormal_rows(normal(5, 32)), SHAPE, orthonormal=True),
    ),
    Seen("Masking", lambda: inverse.Masking(normal(8, 4) > 0), 1.0),
    Seen("Masking of colours", lambda: inverse.Masking(normal(4, 3) > 0, channels=3), 1.0),
    Seen(
        "Masking, random",
        lambda: inverse.Masking.random((3, 5, 4), missing=0.7, generator=seeded()),
        1.0,
    ),
    Seen("Masking by channel", lambda: inverse.Masking(normal(2, 4, 3) > 0), 1.0),
    Seen("Crop", lambda: inverse.Crop((2, 6, 5), top=1, left=2, height=3, width=2), 1.0),
    Seen("Crop of all", lambda: inverse.Crop((1, 3, 2), top=0, left=0, height=3, width=2), 1.0),
    Seen("Grey", lambda: inverse.Grey((3, 4, 3)), 1.0),
    Seen("Blur", lambda: inverse.Blur(SHAPE, KERNEL), 1.0),
    Seen("Blur of odd sides", lambda: inverse.Blur((2, 5, 7), KERNEL), 1.0),
    Seen("Blur by a Gaussian", lambda: inverse.Blur.gaussian((1, 9, 8), 0.8), 1.0),
    Seen("Blur that loses waves", lambda: inverse.Blur((1, 6, 4), tensor([1.0, 1, 1]) / 3), 1.0),
    Seen("Separable, one side", lambda: inverse.Separable((2, 3, 4), None, normal(2, 4))),
    Seen("FlatCam", lambda: inverse.FlatCam.random(SHAPE, (5, 4), seeded())),
    Seen("FlatCam with more sensors", lambda: inverse.FlatCam.random((1, 4, 3), 6, seeded())),
    Seen("LiSens", lambda: inverse.LiSens(SHAPE, 3, seeded())),
    Seen("Downsampling", lambda: inverse.Downsampling(SHAPE, 2), 1.0),
    Seen(
        "Downsampling without antialiasing",
        lambda: inverse.Downsampling((2, 9, 6), 3, antialias=False),
        1.0,
    ),
    Seen(
        "Downsampling, bilinear", lambda: inverse.Downsampling((1, 8, 8), 4, method="bilinear"), 1.0
    ),
    Seen("single_pixel", lambda: inverse.single_pixel(SHAPE, 7, generator=seeded())),
    Seen("single_pixel, all", lambda: inverse.single_pixel((1, 3, 2), rate=1, generator=seeded())),
    Seen(
        "single_pixel, hadamard",
        lambda: inverse.single_pixel(SHAPE, rate=0.4, rows="hadamard", generator=seeded()),
    ),
    Seen(
        "single_pixel, hadamard, colours",
        lambda: inverse.single_pixel((3, 4, 2), rate=0.5, rows="hadamard", generator=seeded()),
    ),
    Seen(
        "single_pixel, dct",
        lambda: inverse.single_pixel((1, 7, 5), 20, rows="dct", generator=seeded()),
    ),
]


SIZES = ((1, 64, 64), (3, 16, 32), (1, 37, 50), (2, 5, 24))
"""Sizes of pictures at which the matrix is too large to be looked at."""


def sized(shape: tuple[int, int, int]) -> dict[str, Callable[[], Operator]]:
    """Return builders of the operators that there are for pictures of a size."""
    channels, height, width = shape
    found: dict[str, Callable[[], Operator]] = {
        "Matrix": lambda: inverse.Matrix(normal(7, channels * height * width), shape),
        "Masking": lambda: inverse.Masking.random(shape, missing=0.7, generator=seeded()),
        "Crop": lambda: inverse.Crop(shape, top=1, left=2, height=height - 2, width=width // 2),
        "Blur": lambda: inverse.Blur.gaussian(shape, 1.2),
        "FlatCam": lambda: inverse.FlatCam.random(shape, (height - 1, width + 3), seeded()),
        "LiSens": lambda: inverse.LiSens(shape, height // 3, seeded()),
        "Scrambled, dct": lambda: inverse.single_pixel(
            shape, rate=0.3, rows="dct", generator=seeded()
        ),
    }
    if channels == 3:
        found["Grey"] = lambda: inverse.Grey(shape)
    if height % 2 == width % 2 == 0:
        found["Downsampling"] = lambda: inverse.Downsampling(shape, 2)
    if (height * width).bit_count() == 1:
        found["Scrambled, hadamard"] = lambda: inverse.single_pixel(
            shape, rate=0.3, rows="hadamard", generator=seeded()
        )
    return found


def check_pairing(operator: Operator) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩ within the precision of the operator's numbers, wherever they are.

    What rounding may do grows with the lengths of the vectors, and not with their product, which
    may be small by chance.
    """
    like = next((b for b in operator.buffers() if b.is_floating_point()), torch.empty(0))
    x, y = (part.to(like) for part in drawn(operator))
    ax, aty = operator(x), operator.adjoint(y)
    fail_unless(
        ax.dtype == aty.dtype == x.dtype and ax.device == x.device, LAW, "operator", "another dtype"
    )
    seen, shown = (ax * y).flatten(1).double().sum(1), (x * aty).flatten(1).double().sum(1)
    lengths = ax.flatten(1).double().norm(dim=1) * y.flatten(1).double().norm(dim=1)
    gap = float(((seen - shown).abs() / lengths).max())
    most = 200 * torch.finfo(x.dtype).eps
    fail_unless(gap <= most, LAW, "operator", f"⟨A x, y⟩ and ⟨x, Aᵀ y⟩ differ by {gap:.2g}")


def matrix_of(operator: Operator) -> Tensor:
    """Return the matrix, measured column by column, shape (m, n)."""
    n = operator.event_shape.numel()
    units = torch.eye(n, dtype=torch.float64).unflatten(1, operator.event_shape)
    return operator(units).flatten(1).mT


def equal(a: Tensor, b: Tensor, what: str, tolerance: float = 1e-8) -> None:
    """Fail unless two tensors agree."""
    gap = float((a - b).abs().max()) if a.shape == b.shape else float("inf")
    fail_unless(
        gap <= tolerance * (1 + float(b.abs().max())), LAW, "operator", f"{what}: off by {gap:.2g}"
    )


def drawn(operator: Operator) -> tuple[Tensor, Tensor]:
    """Return two events and two measurements, which no event needs to have."""
    x = normal(2, *operator.event_shape, seed=3)
    return x, normal(2, *operator.measurement_shape, seed=4)


def check_adjoint(operator: Operator) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩, for it is the transposed matrix; and A is linear."""
    a, (x, y) = matrix_of(operator), drawn(operator)
    equal(operator(x).flatten(1), x.flatten(1) @ a.mT, "A x against its matrix")
    equal(operator.adjoint(y).flatten(1), y.flatten(1) @ a, "the adjoint against the transpose")
    equal(operator.gram(y).flatten(1), y.flatten(1) @ (a @ a.mT), "A Aᵀ y")


def check_solutions(operator: Operator) -> None:
    """The Gram matrix is solved, with and without a ridge, and the pseudo-inverse is NumPy's."""
    a, (x, y) = matrix_of(operator), drawn(operator)
    inverse_of_a = torch.from_numpy(np.linalg.pinv(a.numpy(), rcond=1e-10))
    equal(operator.pseudo_inverse(y).flatten(1), y.flatten(1) @ inverse_of_a.mT, "A⁺ y", 1e-6)
    gram = a @ a.mT
    for ridge in (0.01, 3.0):
        right = torch.linalg.solve(
            gram + ridge * torch.eye(len(gram), dtype=gram.dtype), y.flatten(1).mT
        )
        equal(operator.solve_gram(y, ridge).flatten(1), right.mT, f"with a ridge of {ridge}", 1e-7)
    weight = 2.5
    n = a.shape[1]
    normal_equations = torch.eye(n, dtype=a.dtype) + weight * a.mT @ a
    right = torch.linalg.solve(normal_equations, (x.flatten(1) + weight * y.flatten(1) @ a).mT).mT
    equal(operator.proximal(x, y, weight).flatten(1), right, "the proximal map", 1e-7)


def check_projection(operator: Operator) -> None:
    """It explains what can be explained, changes nothing twice, and moves at right angles."""
    x, _ = drawn(operator)
    y = operator(x.flip(0))  # what another event has
    z = operator.project(x, y)
    equal(operator(z), y, "the measurements of a projection", 1e-6)
    equal(operator.project(z, y), z, "a second projection", 1e-6)
    other = x.flip(0) - z  # a way within the solutions
    along = ((x - z) * other).flatten(1).sum(1)
    equal(along, torch.zeros_like(along), "the right angle", 1e-6)
    equal(operator.proximal(x, y, float("inf")), z, "an infinite weight")


def check_numbers(operator: Operator, grey: float | None) -> None:
    """Norm, rank, whether rows are orthonormal, and what becomes of a constant picture."""
    a = matrix_of(operator)
    values = torch.linalg.svdvals(a)
    equal(torch.tensor(operator.norm(), dtype=values.dtype), values.max(), "the norm")
    rank = int((values > 1e-8 * values.max()).sum())
    fail_unless(operator.rank() == rank, LAW, "operator", f"rank {operator.rank()}, found {rank}")
    isometry = bool(torch.allclose(a @ a.mT, torch.eye(len(a), dtype=a.dtype), atol=1e-6))
    fail_unless(operator.orthonormal is isometry, LAW, "operator", f"A Aᵀ = I is {isometry}")
    if grey is not None:
        ones = operator(torch.ones(1, *operator.event_shape, dtype=torch.float64))
        equal(ones, torch.full_like(ones, grey), "a constant picture")


def check_calls(operator: Operator) -> None:
    """Batches of any shape, no memory of the last call, and a noise of the size that was asked."""
    x, y = drawn(operator)
    first = operator(x)
    operator.measure(3 * x, noise=1.0, generator=seeded())
    equal(operator(x), first, "a second call")
    equal(operator(x[0]), first[0], "one event")
    equal(operator(x[:, None]), first[:, None], "a batch of batches")
    equal(operator.project(x[0], y[0]), operator.project(x, y)[0], "one projection")
    many = torch.zeros(4_000, *operator.event_shape, dtype=torch.float64)
    spread = operator.measure(many, noise=0.3, generator=seeded()).flatten().square().mean().sqrt()
    error = 0.3 / (2 * many.shape[0] * operator.measurement_shape.numel()) ** 0.5
    equal(spread, torch.tensor(0.3, dtype=spread.dtype), "the noise", 6 * error)


CHECKS = {
    "adjoint": check_adjoint,
    "solutions": check_solutions,
    "projection": check_projection,
    "calls": check_calls,
}
