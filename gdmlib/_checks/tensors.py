"""Tensors: their shape, their dtype, what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor

Shape = Sequence[int | str | EllipsisType | None]


def _describe_shape(shape: Shape) -> str:
    words: dict[Any, str] = {None: "*", ...: "..."}
    sizes = [words.get(size, str(size)) for size in shape]
    return "(" + ", ".join(sizes) + ("," if len(sizes) == 1 else "") + ")"


def _fits(got: Sequence[int], shape: Shape) -> bool:
    if shape and shape[0] is ...:
        shape = shape[1:]
        got = got[max(len(got) - len(shape), 0) :]
    return len(got) == len(shape) and all(
        not isinstance(want, int) or want == size for want, size in zip(shape, got, strict=True)
    )


def holds(condition: Tensor) -> bool:
    """Return whether a condition holds everywhere.

    Inside `torch.vmap`, and of tensors that hold no numbers, nobody can say: True.
    """
    if condition.is_meta:
        return True
    try:
        return bool(condition.all())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return True


def ordinary(x: Tensor) -> Tensor:
    """Return x, or a copy where it was made in inference mode: autograd refuses to keep such."""
    return x.clone() if x.is_inference() and not torch.is_inference_mode_enabled() else x


def check_tensor(
    x: Tensor,
    name: str,
    *,
    ndim: int | None = None,
    shape: Shape | None = None,
    what: str = "",
    floating: bool = False,
    integer: bool = False,
    finite: bool = True,
    nonempty: bool = True,
    digits: bool = False,
    like: Tensor | None = None,
) -> Tensor:
    """Return ``x``, `ordinary`, if it is as expected, or say what is wrong with it.

    Args:
        x: The tensor to check.
        name: How the caller's documentation calls it; it opens the message.
        ndim: Expected number of dimensions.
        shape: Expected shape. An ``int`` must match; ``None`` or a name such as ``"N"`` is free,
            and so are the dimensions for which ``...`` stands, at the beginning.
        what: What has this shape, for the message.
        floating, integer: Expect a floating-point, or an integer (or Boolean) dtype.
        finite: Refuse NaN and infinities.
        nonempty: Refuse a tensor without elements.
        digits: Refuse dtypes in which PyTorch has no linear algebra, see `check_digits`.
        like: A model's own number, whose dtype is expected.

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
    if shape is not None and not _fits(x.shape, shape):
        wanted = _describe_shape(shape) + (what and f", {what}")
        raise ValueError(f"{name}: expected shape {wanted}, got {tuple(x.shape)}")
    if floating and not x.is_floating_point():
        raise ValueError(
            f"{name}: expected a floating-point tensor, got {x.dtype}; use {name}.float()"
        )
    if integer and (x.is_floating_point() or x.is_complex()):
        raise ValueError(f"{name}: expected integers, got {x.dtype}; use {name}.long()")
    if nonempty and x.numel() == 0:
        raise ValueError(f"{name}: expected at least one element, got shape {tuple(x.shape)}")
    if finite and x.is_floating_point() and not holds(torch.isfinite(x)):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"{name}: {bad} of {x.numel()} values are NaN or infinite; remove or impute them first"
        )
    if like is not None and x.dtype != like.dtype:
        raise ValueError(
            f"{name}: expected {like.dtype} like the model, got {x.dtype}; "
            f"use {name}.to({like.dtype}), or model.to({x.dtype})"
        )
    if digits:
        check_digits(x, name)
    return ordinary(x)


def check_digits(x: Tensor, name: str = "x") -> None:
    """Refuse dtypes in which PyTorch solves no linear equations."""
    if x.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(
            f"{name}: {x.dtype} has too few digits for linear algebra; use {name}.float(), and "
            "model.float() where there is a model"
        )


def check_values(x: Tensor, name: str, fits: Tensor, wanted: str, advice: str = "") -> Tensor:
    """Return x if all its values fit, or say what was wanted and from where to where they go."""
    if not holds(fits):
        low, high = (value.item() for value in x.detach().aminmax())
        raise ValueError(
            f"{name}: expected {wanted}, got values from {low:.6g} to {high:.6g}{advice}"
        )
    return x


def check_labels(y: Tensor, name: str, *, num_classes: int, length: int | None = None) -> Tensor:
    """Return labels as int64 if they are ``length`` integers from 0 to num_classes - 1."""
    y = check_tensor(y, name, ndim=1, integer=True)
    if length is not None and len(y) != length:
        raise ValueError(f"{name}: expected {length} labels, one an example, got {len(y)}")
    labels = y.long()
    fits = (labels >= 0) & (labels < num_classes)
    return check_values(labels, name, fits, f"labels 0 to {num_classes - 1}")


_MASKS = (torch.bool, torch.uint8, torch.uint16, torch.uint32, torch.uint64)


def check_classes(labels: Tensor, classes: int, length: int | None = None) -> Tensor:
    """Return labels that index classes, int64 (B,); Booleans and unsigned integers are refused.

    As an index those would be a mask, or wrap around.
    """
    labels = check_tensor(labels, "labels", ndim=1, integer=True)
    if labels.dtype in _MASKS:
        raise ValueError(f"labels: expected signed integers, got {labels.dtype}; use labels.long()")
    return check_labels(labels, "labels", num_classes=classes, length=length)


def check_shapes(**parameters: tuple[Tensor, str]) -> None:
    """Check that a model's numbers agree in shape and dtype: ``means=(means, "K d")``.

    Args:
        **parameters: Under its name, each tensor and its sizes. A name of a size stands for one
            number wherever it comes; the dtype of all is that of the first.
    """
    sizes: dict[str, int] = {}
    first = next(iter(parameters.values()))[0]
    for name, (x, text) in parameters.items():
        names = text.split()
        check_tensor(x, name, shape=[sizes.get(size, size) for size in names], floating=True)
        for size, number in zip(names, x.shape, strict=True):
            sizes.setdefault(size, number)
        check_tensor(x, name, shape=[sizes[size] for size in names], like=first)  # d d: a square


def check_events(
    x: Tensor, name: str, event_shape: Sequence[int | str], like: Tensor, finite: bool = True
) -> Tensor:
    """Return real-valued events of shape (B, *event_shape) if they have the dtype of ``like``."""
    shape = ("B", *event_shape)
    return check_tensor(x, name, shape=shape, floating=True, finite=finite, like=like)


def check_zeros_and_ones(x: Tensor, name: str) -> Tensor:
    """Return x if it holds nothing but zeros and ones."""
    advice = f"; binarise first, for instance ({name} > 0.5).float()"
    return check_values(x, name, (x == 0) | (x == 1), "zeros and ones", advice)


def check_mask(mask: Tensor, name: str, *shapes: Sequence[int]) -> Tensor:
    """Return a Boolean mask if it has one of these shapes, or any, where none is said."""
    check_tensor(mask, name)
    if mask.dtype != torch.bool:
        raise ValueError(f"{name}: expected a Boolean mask, got {mask.dtype}; use {name}.bool()")
    if shapes and mask.shape not in [torch.Size(shape) for shape in shapes]:
        wanted = ", or ".join(_describe_shape(shape) for shape in shapes)
        each = " for a mask an event" * (len(shapes) > 1)
        raise ValueError(f"{name}: expected shape {wanted}{each}, got {tuple(mask.shape)}")
    return mask


def check_pair(batch: Any, what: str, first: str, second: str) -> tuple[Tensor, Tensor]:
    """Return the two tensors of a batch of pairs; a single one is not taken apart."""
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        came = f"{len(batch)} tensors" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ValueError(f"batch: expected {what}, a pair ({first}, {second}), got {came}")
    return batch[0], batch[1]


def check_probabilities(probs: Tensor, name: str) -> Tensor:
    """Return a vector of probabilities, (K,), if it is one; its sum may be off by rounding."""
    check_tensor(probs, name, ndim=1, floating=True)
    check_values(probs, name, probs >= 0, "probabilities of at least 0")
    total = float(probs.detach().sum())
    if abs(total - 1.0) > 1e-4:
        raise ValueError(f"{name}: expected a sum of 1, got {total:.6g}; use {name} / {name}.sum()")
    return probs


def check_positive(x: Tensor, name: str) -> Tensor:
    """Return ``x`` if all its numbers are more than 0."""
    smallest = float(x.detach().min())
    if not smallest > 0:
        wanted = "positive numbers" if x.ndim else "a positive number"
        raise ValueError(f"{name}: expected {wanted}, got {smallest:.6g}")
    return x
