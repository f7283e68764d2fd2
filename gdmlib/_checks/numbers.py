"""Numbers, sizes and shapes, choices, and things of a kind."""

from __future__ import annotations

import math
import operator
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, SupportsIndex, TypeVar

import torch
from torch import Tensor

Thing = TypeVar("Thing")
Choice = TypeVar("Choice", str, int)


def check_integer(n: SupportsIndex, name: str) -> int:
    """Return ``n`` as an int if it is an integer, NumPy's, too."""
    try:
        number = operator.index(n)
    except TypeError:
        number = None
    if number is None or isinstance(n, bool):
        raise ValueError(f"{name}: expected an integer, got {n!r}")
    return number


def check_count(n: SupportsIndex, name: str = "n", least: int = 1) -> int:
    """Return ``n`` as an int if it is an integer (NumPy's, too) of at least ``least``."""
    number = check_integer(n, name)
    if number < least:
        raise ValueError(f"{name}: expected at least {least}, got {number}")
    return number


def check_sizes(sizes: int | Iterable[int], name: str, *, none: bool = True) -> list[int]:
    """Return the sizes of layers, perhaps of none; a number is that of the only one."""
    found = [check_count(n, name) for n in (sizes if isinstance(sizes, Iterable) else (sizes,))]
    if not found and not none:
        raise ValueError(f"{name}: expected at least one number, got none")
    return found


def check_not_negative(value: float, name: str) -> float:
    """Return ``value`` if it is finite and not negative."""
    if not (_number(value) and 0.0 <= value < math.inf):
        raise ValueError(f"{name}: expected a finite number of at least 0, got {said(value)}")
    return value


def _number(value: Any) -> bool:
    """Whether it is one real number, of Python, NumPy or torch."""
    try:
        float(value)
    except (TypeError, ValueError, RuntimeError):
        return False
    return not isinstance(value, (str, bytes))


def check_above_zero(value: float, name: str, *, infinite: bool = False, advice: str = "") -> float:
    """Return ``value`` if it is one number of more than 0; a tensor is for `check_positive`.

    Args:
        value: The number.
        name: How the caller's documentation calls it.
        infinite: Whether it may be infinite.
        advice: What to do, the end of the message.
    """
    if not (_number(value) and value > 0 and (infinite or value < math.inf)):
        raise ValueError(f"{name}: expected a positive number, got {said(value)}{advice}")
    return value


def check_finite(value: float, name: str) -> float:
    """Return ``value`` if it is one finite number."""
    if not (_number(value) and math.isfinite(value)):
        raise ValueError(f"{name}: expected a finite number, got {said(value)}")
    return value


def check_range(low: float, high: float) -> tuple[float, float]:
    """Return what black and white are, if ``low`` is less than ``high``."""
    if not check_finite(low, "low") < check_finite(high, "high"):
        raise ValueError(f"low, high: expected low < high, got {low} and {high}")
    return low, high


def said(value: Any) -> str:
    """Return a value as a message shows it: a short one as it is, of others the kind."""
    if isinstance(value, Tensor):
        return f"{value.item():.6g}" if value.numel() == 1 else f"a tensor of {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= 60 else type(value).__name__


def check_share(value: float, name: str) -> float:
    """Return ``value`` if it is a share of at least 0 and below 1."""
    if not (_number(value) and 0 <= value < 1):
        raise ValueError(f"{name}: expected a share of at least 0 and below 1, got {value!r}")
    return value


def check_event_shape(
    event_shape: SupportsIndex | Sequence[int],
    *,
    image: bool = False,
    channels: int | None = None,
    name: str = "event_shape",
) -> torch.Size:
    """Return the shape of an event; a number d stands for (d,), an image has so many channels."""
    sizes: tuple[Any, ...]
    try:  # an array has a length, and is no Sequence
        sizes = tuple(event_shape)  # type: ignore[arg-type]
    except TypeError:
        sizes = (event_shape,)
    try:
        shape = torch.Size(check_count(n, name) for n in sizes)
    except ValueError:
        shape = torch.Size()
    fits = len(shape) == 3 and channels in (None, shape[0]) if image else len(shape) > 0
    if not fits:
        wanted = "a positive whole number or some of them"
        if image:
            wanted = f"({channels or 'channels'}, height, width), positive whole numbers"
        raise ValueError(f"{name}: expected {wanted}, got {event_shape!r}")
    return shape


def check_numbers(values: Sequence[float], name: str, *, positive: bool = False) -> list[float]:
    """Return some numbers, one or more, if all are finite, and more than 0 where that is asked."""
    listed = isinstance(values, Iterable) and not isinstance(values, str | bytes)
    found = list(values) if listed else []
    if not (found and all(_number(v) and math.isfinite(v) for v in found)):
        raise ValueError(f"{name}: expected finite numbers, one or more, got {said(values)}")
    numbers = [float(v) for v in found]
    if positive and min(numbers) <= 0:
        raise ValueError(f"{name}: expected positive numbers, got {said(values)}")
    return numbers


# --- choices and kinds ---


def check_choice(value: Choice, name: str, choices: Iterable[Choice]) -> Choice:
    """Return the choice that ``value`` is, an int for one of NumPy's."""
    known = list(choices)
    plain = isinstance(value, Hashable) and not isinstance(value, Tensor)
    if not (plain and value in known):
        wanted = ", ".join(map(repr, known))
        raise ValueError(f"{name}: expected one of {wanted}, got {said(value)}")
    return known[known.index(value)]


def check_kind(value: Thing, name: str, kind: type | tuple[type, ...], wanted: str) -> Thing:
    """Return ``value`` if it is of a kind, or say what was wanted, in words."""
    if not isinstance(value, kind):
        raise ValueError(f"{name}: expected {wanted}, got {type(value).__name__}")
    return value
