"""Law 8 over every operator, and broken operators that it rejects."""

from __future__ import annotations

import pytest
import torch

from gdmlib import inverse

from . import operators as law
from .builders import normal, seeded


@pytest.mark.parametrize("check", law.CHECKS)
@pytest.mark.parametrize("seen", law.OPERATORS, ids=str)
def test_operators(seen, check):
    law.CHECKS[check](law.wide(seen.build)())


@pytest.mark.parametrize("seen", law.OPERATORS, ids=str)
def test_numbers_of_operators(seen):
    law.check_numbers(law.wide(seen.build)(), seen.grey)


@pytest.mark.parametrize("seen", law.OPERATORS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_an_operator_can_change_its_dtype(seen, dtype):
    operator = law.wide(seen.build)().to(dtype)
    x, y = (part.to(dtype) for part in law.drawn(operator))
    got = operator.project(x, y)
    assert got.dtype == dtype
    expected = law.wide(seen.build)().project(x.double(), y.double())
    tolerance = 2e-2 if "loses" in seen.name or "Gaussian" in seen.name else 1e-3
    torch.testing.assert_close(got.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("seen", law.OPERATORS, ids=str)
def test_the_state_of_an_operator_goes_to_another(seen):
    operator, other = law.wide(seen.build)(), law.wide(seen.build)()
    for buffer in other.buffers():
        buffer.zero_()
    other.load_state_dict(operator.state_dict())
    x, _ = law.drawn(operator)
    torch.testing.assert_close(other(x), operator(x), atol=0, rtol=0)


DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
PAIRS = [(shape, name) for shape in law.SIZES for name in law.sized(shape)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("shape", "name"), PAIRS)
def test_the_adjoint_at_every_size_dtype_and_device(shape, name, dtype, device):
    law.check_pairing(law.wide(law.sized(shape)[name])().to(device, dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("seen", law.OPERATORS, ids=str)
def test_the_adjoint_of_small_operators_in_every_dtype(seen, dtype):
    law.check_pairing(law.wide(seen.build)().to(dtype))


def test_every_operator_of_the_library_is_under_the_law():
    public = {
        part
        for name in inverse.__all__
        if isinstance(part := getattr(inverse, name), type) and issubclass(part, inverse.Operator)
    }
    listed = {type(law.wide(seen.build)()) for seen in law.OPERATORS}
    large = {type(law.wide(build)()) for shape in law.SIZES for build in law.sized(shape).values()}
    assert public - {inverse.Operator} - listed == set()
    assert public - {inverse.Operator, inverse.Separable} - large == set()


# --- broken twins ---


class NoTranspose(inverse.Separable):
    """Forgets to turn one of its matrices."""

    def _adjoint_of(self, y):
        return self.left @ y @ self.right


class Shifted(inverse.Blur):
    """Answers with a picture that lies one pixel further."""

    def _adjoint_of(self, y):
        return super()._adjoint_of(y).roll(1, -1)


class AsIfOrthonormal(inverse.Matrix):
    """Takes Aᵀ for the pseudo-inverse."""

    def solve_gram(self, y, ridge=0.0):
        return y / (1 + ridge)


class Remembers(inverse.Matrix):
    """Keeps the noise of the last call."""

    kept = 0.0

    def measure(self, x, noise=0.0, generator=None):
        self.kept = noise
        return super().measure(x, noise, generator)

    def _apply_to(self, x):
        return super()._apply_to(x) + self.kept


class Variance(inverse.Matrix):
    """Takes the variance for the standard deviation."""

    def measure(self, x, noise=0.0, generator=None):
        return super().measure(x, noise**2, generator)


class Scaled(inverse.Masking):
    """Says that its rows are longer than they are."""

    def norm(self):
        return 2 * super().norm()


@pytest.mark.parametrize(
    ("check", "build"),
    [
        ("adjoint", lambda: NoTranspose((1, 3, 3), normal(3, 3), normal(3, 3, seed=1))),
        ("adjoint", lambda: Shifted(law.SHAPE, law.KERNEL)),
        ("solutions", lambda: AsIfOrthonormal(normal(3, 8), (2, 4))),
        ("projection", lambda: AsIfOrthonormal(normal(3, 8), (2, 4))),
        ("pairing", lambda: NoTranspose((1, 3, 3), normal(3, 3), normal(3, 3, seed=1))),
        ("pairing", lambda: Shifted(law.SHAPE, law.KERNEL)),
        ("calls", lambda: Remembers(normal(3, 8), (2, 4))),
        ("calls", lambda: Variance(normal(3, 8), (2, 4))),
    ],
)
def test_broken_operators_are_rejected(check, build):
    with pytest.raises(AssertionError, match="law 8"):
        (law.CHECKS | {"pairing": law.check_pairing})[check](law.wide(build)())


def test_a_wrong_norm_and_a_wrong_grey_are_rejected():
    with pytest.raises(AssertionError, match="norm"):
        law.check_numbers(law.wide(lambda: Scaled(normal(8, 4) > 0))(), 1.0)
    darker = law.wide(lambda: inverse.Blur(law.SHAPE, law.KERNEL * 0.9))()
    with pytest.raises(AssertionError, match="constant"):
        law.check_numbers(darker, 1.0)
    operator = law.wide(lambda: inverse.single_pixel(law.SHAPE, 4, generator=seeded()))()
    law.check_numbers(operator, None)
