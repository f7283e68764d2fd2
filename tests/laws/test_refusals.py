"""Law 10: each wrong argument is refused in words that begin with its name."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from gdmlib import inverse
from gdmlib._checks import check_above_zero, check_tensor

from . import refusals, refusals_inverse
from .builders import normal
from .refusals import asked

LAYER = nn.Linear(2, 2).double()
LIKE = torch.empty(0, dtype=torch.float64)


@pytest.mark.parametrize("call", refusals_inverse.CALLS, ids=str)
def test_wrong_arguments(call):
    refusals.check_refused(call)


def test_whatever_takes_tensors_has_a_line():
    calls, without = refusals_inverse.CALLS, refusals_inverse.WITHOUT
    assert refusals.missing(inverse, calls, without) == set()
    left = [call for call in calls if not call.name.startswith("wiener")]
    expected = {f"wiener({name})" for name in ("y", "power", "mean")}
    assert refusals.missing(inverse, left, without) == expected


def test_names_that_need_no_line_are_there():
    found = {entry.split("(")[0] for entry in refusals.missing(inverse, [])}
    assert set(refusals_inverse.WITHOUT) <= found


# --- broken ones ---------------------------------------------------------------------------------


def sound(x: Tensor, scale: float = 1.0) -> Tensor:
    check_tensor(x, "x", shape=("B", 2), floating=True, like=LIKE)
    return x * check_above_zero(scale, "scale")


def test_a_sound_function_passes():
    refusals.check_refused(asked("sound", sound, x=normal(3, 2), scale=1.0))


def unchecked(x: Tensor, scale: float = 1.0) -> Tensor:
    return LAYER(x) * scale


def any_list(x: Tensor, scale: float = 1.0) -> Tensor:
    return sound(torch.as_tensor(x).double() if isinstance(x, list) else x, scale)


def other_name(x: Tensor, scale: float = 1.0) -> Tensor:
    check_tensor(x, "y", shape=("B", 2), floating=True, like=LIKE)
    return x * check_above_zero(scale, "scale")


def named_at_last(x: Tensor, scale: float = 1.0) -> Tensor:
    try:
        return sound(x, scale)
    except (TypeError, ValueError) as error:
        raise ValueError("something is wrong with x") from error


def not_finite(x: Tensor, scale: float = 1.0) -> Tensor:
    check_tensor(x, "x", shape=("B", 2), floating=True, finite=False, like=LIKE)
    return x * check_above_zero(scale, "scale")


def any_batch(x: Tensor, scale: float = 1.0) -> Tensor:
    check_tensor(x, "x", shape=(..., 2), floating=True, like=LIKE)
    return x * check_above_zero(scale, "scale")


def any_number(x: Tensor, scale: float = 1.0) -> Tensor:
    return sound(x) * scale


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (unchecked, "x, None: the error says"),
        (any_list, "x, a list: accepted"),
        (other_name, "x, None: the error says 'y: expected"),
        (named_at_last, "x, None: the error says 'something is wrong with x'"),
        (not_finite, "x, NaN: accepted"),
        (any_batch, "x, without its batch: accepted"),
        (any_number, "scale, None: the error says"),
    ],
)
def test_a_broken_function_is_rejected(function, what):
    with pytest.raises(AssertionError) as caught:
        refusals.check_refused(asked("broken", function, x=normal(3, 2), scale=1.0))
    assert str(caught.value).startswith(f"law 10, refusals: broken: {what}".replace('"', "'"))


@pytest.mark.parametrize(
    ("function", "takes", "what"),
    [
        (sound, "without its batch", "x, without its batch: refused, and should be taken"),
        (not_finite, "NaN", "x, NaN: the result is not finite"),
        (sound, "a moon", "x: nobody asks whether it takes {'a moon'}"),
    ],
)
def test_a_line_that_says_too_much_is_rejected(function, takes, what):
    with pytest.raises(AssertionError, match=f"law 10, refusals: broken: {what}"):
        refusals.check_refused(asked("broken", function, {"x": (takes,)}, x=normal(3, 2)))


def test_an_error_of_another_type_is_rejected():
    def by_attribute(x: Tensor) -> Tensor:
        return x.new_zeros(2)

    with pytest.raises(AssertionError, match="x, None: AttributeError, not ValueError"):
        refusals.check_refused(asked("broken", by_attribute, x=normal(3, 2)))


def test_a_method_without_a_line_is_found():
    class Camera:
        def look(self, x: Tensor, power: Tensor | float, n: int) -> Tensor:
            return x * power * n

    package = ModuleType("package")
    package.Camera, package.__all__ = Camera, ["Camera"]
    line = asked("Camera.look", Camera().look, x=normal(3), n=1)
    assert refusals.missing(package, [line]) == {"Camera.look(power)"}
