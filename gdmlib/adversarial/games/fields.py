r"""Games of two players as vector fields: where each wants to go from where both are.

The first player holds x and descends on a loss of its own, the second holds y and descends on
another. Where both would go from the point θ = (x, y) is the field

.. math:: v(x, y) = \big(-\nabla_x \mathcal L_1(x, y),\ -\nabla_y \mathcal L_2(x, y)\big),

and a point where it vanishes is an equilibrium. Near one, all depends on the eigenvalues of the
field's Jacobian: it attracts where their real parts are negative, and the game turns about it where
they have imaginary parts, which no descent on one loss does (Mescheder, Nowozin and Geiger 2017,
https://arxiv.org/abs/1705.10461, section 3).
"""

from __future__ import annotations

import cmath
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, jacrev, vjp, vmap
from torch.nn.functional import logsigmoid

from gdmlib._checks import check_count, check_not_negative, check_tensor

Loss = Callable[[Tensor, Tensor], Tensor]
Field = Callable[[Tensor], Tensor]


def check_wide(x: Tensor, name: str) -> Tensor:
    """Return numbers that systems of equations can be solved in: float32 or float64."""
    check_tensor(x, name, floating=True, finite=False)
    if x.element_size() < 4:
        raise ValueError(f"{name}: expected float32 or float64, got {x.dtype}; use {name}.float()")
    return x


class Game:
    """Two players, and where each wants to go.

    A point is a vector of d = n + m numbers, x and then y, and any number of points, (..., d), are
    played at once.

    Args:
        field: From points to velocities, (..., d) to (..., d).
        sizes: n and m, how many numbers the first and the second player hold.
    """

    def __init__(self, field: Field, sizes: tuple[int, int] = (1, 1)) -> None:
        if len(tuple(sizes)) != 2:
            raise ValueError(f"sizes: expected those of two players, got {sizes!r}")
        n, m = sizes
        self.sizes = check_count(n, "sizes"), check_count(m, "sizes")
        self._field = field

    @classmethod
    def of_losses(cls, first: Loss, second: Loss, sizes: tuple[int, int] = (1, 1)) -> Game:
        """Return the game of two losses, ``loss(x, y) -> ()`` for x (n,) and y (m,)."""

        def one(point: Tensor) -> Tensor:
            x, y = point[: sizes[0]], point[sizes[0] :]
            return -torch.cat([grad(first)(x, y), grad(second, argnums=1)(x, y)])

        def field(points: Tensor) -> Tensor:
            return vmap(one)(points.reshape(-1, points.shape[-1])).reshape(points.shape)

        return cls(field, sizes)

    @property
    def dim(self) -> int:
        """The number of coordinates of a point, n + m."""
        return sum(self.sizes)

    def check(self, points: Tensor, name: str = "points") -> Tensor:
        """Return points (..., d) if they are such."""
        check_tensor(points, name, floating=True, finite=False)
        if points.ndim == 0 or points.shape[-1] != self.dim:
            n, m = self.sizes
            raise ValueError(
                f"{name}: expected shape (..., {self.dim}), {n} for x and {m} for y, got "
                f"{tuple(points.shape)}"
            )
        return check_tensor(points, name)

    def field(self, points: Tensor) -> Tensor:
        """Return the velocities at points, both (..., d)."""
        velocities = self._field(self.check(points))
        if velocities.shape != points.shape:
            raise ValueError(
                f"field: expected velocities of shape {tuple(points.shape)}, as the points have, "
                f"got {tuple(velocities.shape)}"
            )
        return velocities

    def jacobian(self, point: Tensor) -> Tensor:
        """Return the derivatives of the field at one point (d,), ∂vᵢ/∂θⱼ in row i, (d, d)."""
        return jacrev(self._field)(check_tensor(self.check(point, "point"), "point", ndim=1))

    def spectrum(self, point: Tensor | None = None) -> Tensor:
        """Return the Jacobian's eigenvalues at a point, by default the origin, complex (d,)."""
        at = torch.zeros(self.dim, dtype=torch.float64) if point is None else point
        return torch.linalg.eigvals(self.jacobian(check_wide(at, "point")))


class ExactGame(Game):
    """A game with its equilibrium at the origin, and eigenvalues there that can be written down."""

    def exact_spectrum(self) -> Tensor:
        """Return the eigenvalues of the Jacobian at the origin in closed form, complex128 (d,)."""
        raise NotImplementedError


class BilinearGame(ExactGame):
    r"""The game :math:`\min_x \max_y\ x^\top A y`: the field (-A y, Aᵀ x) only turns.

    Its eigenvalues are ±iσ for the singular values σ of A, and 0 for what is left.

    Args:
        matrix: A, (n, m), or a number for the game of a x y.
    """

    def __init__(self, matrix: Tensor | float = 1.0) -> None:
        a = torch.as_tensor(matrix, dtype=None if isinstance(matrix, Tensor) else torch.float64)
        a = a[None, None] if a.ndim == 0 else a
        if a.ndim != 2:
            raise ValueError(f"matrix: expected shape (n, m), or a number, got {tuple(a.shape)}")
        self.matrix = check_tensor(a, "matrix", floating=True).detach().clone()
        super().__init__(self._turn, (len(a), a.shape[1]))

    def _turn(self, points: Tensor) -> Tensor:
        a = self.matrix.to(points)
        x, y = points.split(list(self.sizes), dim=-1)
        return torch.cat([-y @ a.T, x @ a], dim=-1)

    def exact_spectrum(self) -> Tensor:
        """Return ±iσ for each singular value, and zeros, complex128 (d,)."""
        sigma = torch.linalg.svdvals(self.matrix.double())
        rest = torch.zeros(abs(self.sizes[0] - self.sizes[1])).double()
        imaginary = torch.cat([sigma, -sigma, rest])
        return torch.complex(torch.zeros_like(imaginary), imaginary)


class DiracGAN(ExactGame):
    r"""The smallest GAN: data at 0, a generator that makes the point x, a discriminator t ↦ y t.

    The generator descends on f(x y) and the discriminator ascends on it, and pays γ y²/2 for its
    slope: R1, or the penalty on made events, which are the same here (Mescheder, Geiger and
    Nowozin 2018, https://arxiv.org/abs/1801.04406, section 2). At the origin the eigenvalues are

    .. math:: \lambda = -\gamma / 2 \pm \sqrt{\gamma^2 / 4 - f'(0)^2},

    which turn for :math:`\gamma < 2 |f'(0)|` and fall together, as far to the left as they can,
    at equality.

    Args:
        f: A smooth function of numbers, entry by entry; -log(1 + e^-t), of the GAN of 2014, if
            nothing is said, and ``lambda t: t`` for that of Wasserstein.
        r1: The weight γ.
    """

    def __init__(self, f: Callable[[Tensor], Tensor] = logsigmoid, *, r1: float = 0.0) -> None:
        self.f, self.r1 = f, check_not_negative(r1, "r1")
        super().__init__(self._push)

    def slope(self, t: Tensor) -> Tensor:
        """Return f'(t), shaped like t."""
        t = check_tensor(t, "t", floating=True, finite=False)
        value, back = vjp(self.f, t)[:2]
        return back(torch.ones_like(value))[0]

    def _push(self, points: Tensor) -> Tensor:
        x, y = points.unbind(-1)
        slope = self.slope(x * y)
        return torch.stack([-slope * y, slope * x - self.r1 * y], dim=-1)

    def exact_spectrum(self) -> Tensor:
        """Return the two eigenvalues, complex128 (2,)."""
        slope = float(self.slope(torch.zeros((), dtype=torch.float64)))
        root = cmath.sqrt(self.r1**2 / 4 - slope**2)
        return torch.tensor([-self.r1 / 2 + root, -self.r1 / 2 - root], dtype=torch.complex128)
