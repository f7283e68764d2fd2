"""Checks of arguments, in one place, so that every error says what came and what was expected."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import SupportsIndex

import torch
from torch import Tensor


def _describe_shape(shape: Sequence[int | str | None]) -> str:
    entries = ["*" if size is None else str(size) for size in shape]
    return "(" + ", ".join(entries) + ("," if len(entries) == 1 else "") + ")"


def check_tensor(
    x: Tensor,
    name: str,
    *,
    ndim: int | None = None,
    shape: Sequence[int | str | None] | None = None,
    floating: bool = False,
    integer: bool = False,
    finite: bool = True,
    nonempty: bool = True,
) -> Tensor:
    """Return ``x`` if it is as expected, or say what is wrong with it.

    Args:
        x: The tensor to check.
        name: How the caller's documentation calls it; it opens the message.
        ndim: Expected number of dimensions.
        shape: Expected shape. An ``int`` must match; ``None`` or a name such as ``"N"`` is free.
        floating, integer: Expect a floating-point, or an integer (or Boolean) dtype.
        finite: Refuse NaN and infinities.
        nonempty: Refuse a tensor without elements.

    Raises:
        TypeError: If ``x`` is no tensor.
        ValueError: If shape, dtype or content are not as expected.
    """
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name}: expected a torch.Tensor, got {type(x).__name__}; "
            "convert it with torch.as_tensor(...)"
        )
    if ndim is not None and x.ndim != ndim:
        raise ValueError(
            f"{name}: expected {ndim} dimension{'s' * (ndim != 1)}, got shape {tuple(x.shape)}"
        )
    if shape is not None:
        fits = x.ndim == len(shape) and all(
            not isinstance(want, int) or want == got
            for want, got in zip(shape, x.shape, strict=False)
        )
        if not fits:
            raise ValueError(
                f"{name}: expected shape {_describe_shape(shape)}, got {tuple(x.shape)}"
            )
    if floating and not x.is_floating_point():
        raise ValueError(f"{name}: expected a floating-point tensor, got {x.dtype}; use x.float()")
    if integer and (x.is_floating_point() or x.is_complex()):
        raise ValueError(f"{name}: expected integers, got {x.dtype}; use x.long()")
    if nonempty and x.numel() == 0:
        raise ValueError(f"{name}: expected at least one element, got shape {tuple(x.shape)}")
    if finite and x.is_floating_point() and not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"{name}: {bad} of {x.numel()} values are NaN or infinite; remove or impute them first"
        )
    return x


def check_labels(y: Tensor, name: str, *, num_classes: int, length: int | None = None) -> Tensor:
    """Return ``y`` if it holds class labels ``0 .. num_classes - 1``, or say what is wrong.

    Raises:
        TypeError: If ``y`` is no tensor.
        ValueError: If ``y`` is not one-dimensional, not integer, out of range, or not ``length``
            long.
    """
    check_tensor(y, name, ndim=1, integer=True)
    if length is not None and len(y) != length:
        raise ValueError(f"{name}: expected {length} labels, one an example, got {len(y)}")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"{name}: expected labels 0 to {num_classes - 1}, got values from {low} to {high}"
        )
    return y


def check_count(n: SupportsIndex, name: str = "n", least: int = 1) -> int:
    """Return ``n`` as an int if it is an integer (NumPy's, too) of at least ``least``."""
    try:
        number = operator.index(n)
    except TypeError:
        number = None
    if number is None or isinstance(n, bool):
        raise ValueError(f"{name}: expected an integer, got {n!r}")
    if number < least:
        raise ValueError(f"{name}: expected at least {least}, got {number}")
    return number
