r"""Operators that act on rows and columns apart: Y = L X Rᵀ.

A separable camera stores two small matrices in place of one with as many columns as pixels, and
its :math:`A A^\top` is a Kronecker product, whose eigenvectors are those of :math:`L L^\top` and
:math:`R R^\top`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from gdmlib._checks import check_count, check_event_shape, check_tensor
from gdmlib._random import draw
from gdmlib.data.resize import shrink
from gdmlib.inverse.matrix import orthonormal_rows
from gdmlib.inverse.operators import Operator


class Separable(Operator):
    """One matrix for the columns of a picture and one for its rows; channels stay apart.

    Args:
        event_shape: (C, H, W).
        left: Shape (m, H); None leaves this side as it is.
        right: Shape (k, W); None leaves this side as it is.
    """

    left: Tensor | None
    right: Tensor | None
    left_basis: Tensor | None
    right_basis: Tensor | None

    def __init__(
        self, event_shape: Sequence[int], left: Tensor | None = None, right: Tensor | None = None
    ) -> None:
        channels, height, width = check_event_shape(event_shape, image=True)
        sizes, values = [], []
        bases: list[Tensor | None] = []
        for name, matrix, side in (("left", left, height), ("right", right, width)):
            if matrix is None:
                sizes.append(side)
                values.append(torch.ones(side))
                bases.append(None)
                continue
            check_tensor(matrix, name, shape=("m", side), floating=True, digits=True)
            found, basis = torch.linalg.eigh(matrix @ matrix.mT)
            sizes.append(len(matrix))
            values.append(found.clamp(min=0))
            bases.append(basis)
        super().__init__(event_shape, (channels, *sizes))
        self.register_buffer("left", None if left is None else left.clone())
        self.register_buffer("right", None if right is None else right.clone())
        self.register_buffer("left_basis", bases[0])
        self.register_buffer("right_basis", bases[1])
        down, across = (v.to(values[0 if left is not None else 1]) for v in values)
        self.register_buffer("eigenvalues", down[:, None] * across)

    def _apply_to(self, x: Tensor) -> Tensor:
        return _both_sides(self.left, x, self.right)

    def _adjoint_of(self, y: Tensor) -> Tensor:
        return _both_sides(_turned(self.left), y, _turned(self.right))

    def rotate(self, y: Tensor) -> Tensor:
        """Return the coordinates in the eigenvectors of both sides."""
        return _both_sides(_turned(self.left_basis), y, _turned(self.right_basis))

    def rotate_back(self, c: Tensor) -> Tensor:
        """Return the measurements with these coordinates."""
        return _both_sides(self.left_basis, c, self.right_basis)


class FlatCam(Separable):
    """A sensor behind a coded mask, without a lens: every pixel of the scene casts its shadow.

    Asif, Ayremlou, Sankaranarayanan, Veeraraghavan and Baraniuk 2017
    (doi:10.1109/TCI.2016.2593662),
    equation (4): the mask is the outer product of two sequences, so Y = L X Rᵀ.

    Args:
        event_shape: (C, H, W).
        left, right: The matrices of both sides, shapes (m, H) and (k, W).
    """

    def __init__(self, event_shape: Sequence[int], left: Tensor, right: Tensor) -> None:
        for name, side in (("left", left), ("right", right)):
            check_tensor(side, name)
        super().__init__(event_shape, left, right)

    @classmethod
    def random(
        cls,
        event_shape: Sequence[int],
        size: int | tuple[int, int],
        generator: Generator | None = None,
    ) -> FlatCam:
        """Return a camera whose masks are random signs, scaled so that a row has the norm 1.

        Args:
            event_shape: (C, H, W).
            size: Of the sensor, one number or (rows, columns).
            generator: Draws the masks.
        """
        _, *sides = check_event_shape(event_shape, image=True)
        sizes = size if isinstance(size, (tuple, list)) else (size, size)
        signs = [
            2.0 * draw(torch.randint, 2, (check_count(m, "size"), n), generator=generator) - 1
            for m, n in zip(sizes, sides, strict=True)
        ]
        left, right = (s / s.shape[1] ** 0.5 for s in signs)
        return cls(event_shape, left, right)


class LiSens(Separable):
    """A line of sensors: each sees one column of the picture through the same random patterns.

    Wang, Gupta and Sankaranarayanan 2015 (doi:10.1109/ICCPHOT.2015.7168369). The rows of the
    patterns are made orthonormal.

    Args:
        event_shape: (C, H, W).
        measurements: How many patterns, at most H; the rate is measurements / H.
        generator: Draws the patterns.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        measurements: int,
        generator: Generator | None = None,
    ) -> None:
        _, height, _ = check_event_shape(event_shape, image=True)
        if check_count(measurements, "measurements") > height:
            raise ValueError(
                f"measurements: expected at most {height}, the rows of a picture, got "
                f"{measurements}"
            )
        patterns = draw(torch.randn, measurements, height, generator=generator)
        super().__init__(event_shape, orthonormal_rows(patterns))


class Downsampling(Separable):
    """A smaller picture, exactly as `gdmlib.data.resize.shrink` makes it, with its true adjoint.

    Args:
        event_shape: (C, H, W); sides that are multiples of the factor.
        factor: How much smaller.
        method: "bicubic", "bilinear" or "nearest".
        antialias: Whether the kernel is widened by the factor.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        factor: int,
        *,
        method: str = "bicubic",
        antialias: bool = True,
    ) -> None:
        _, *sides = check_event_shape(event_shape, image=True)
        factor = check_count(factor, "factor")
        left, right = (
            # each column of the matrix is what becomes of a picture with one white row
            shrink(
                torch.eye(side)[:, None, :, None].expand(-1, -1, -1, factor),
                factor,
                method=method,
                antialias=antialias,
            )[:, 0, :, 0].mT.contiguous()
            for side in sides
        )
        super().__init__(event_shape, left, right)


def _both_sides(left: Tensor | None, x: Tensor, right: Tensor | None) -> Tensor:
    if left is not None:
        x = left @ x
    return x if right is None else x @ right.mT


def _turned(matrix: Tensor | None) -> Tensor | None:
    return None if matrix is None else matrix.mT
