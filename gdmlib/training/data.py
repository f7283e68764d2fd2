"""What can be trained on, and advice for what cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from gdmlib._checks import check_tensor


def check_data(
    data: Tensor | tuple[Tensor, ...], name: str = "data"
) -> tuple[int, list[list[int]]]:
    """Return the number of examples, and the shape of one in every tensor."""
    tensors = data if isinstance(data, tuple) else (data,)
    if not tensors:
        raise ValueError(f"{name}: expected at least one tensor, got an empty tuple")
    for i, x in enumerate(tensors):
        part = f"{name}[{i}]" if len(tensors) > 1 else name
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{part}: expected a torch.Tensor, or a tuple of them, got {type(x).__name__}; "
                f"{_advice(x, part)}"
            )
        check_tensor(x, part, nonempty=x.ndim < 2)  # the numbers of an example may be none
        if x.ndim == 0 or len(x) != len(tensors[0]):
            raise ValueError(
                f"{name}: the tensors must share their first dimension, the examples; got shapes "
                + ", ".join(str(tuple(y.shape)) for y in tensors)
            )
    if len(tensors[0]) == 0:
        raise ValueError(
            f"{name}: expected at least one element, got shape {tuple(tensors[0].shape)}"
        )
    return len(tensors[0]), [list(x.shape[1:]) for x in tensors]


def check_examples(x: Tensor | tuple[Tensor, ...] | list[Tensor], name: str) -> None:
    """Check examples to judge: as for `check_data`, or a list of some that may differ in size."""
    if not isinstance(x, list):
        check_data(x, name)
    elif not x:
        raise ValueError(f"{name}: expected at least one example, got an empty list")
    else:
        for i, example in enumerate(x):
            check_tensor(example, f"{name}[{i}]")


def _advice(data: Any, name: str) -> str:
    """Say how to make tensors of what came instead of them."""
    if isinstance(data, list):
        if data and all(isinstance(x, Tensor) for x in data):
            if len({len(x) if x.ndim else 0 for x in data}) == 1:
                return (
                    f"use torch.stack({name}) for examples, tuple({name}) for several tensors of "
                    "data"
                )
            return f"make one tensor of it, for instance torch.cat({name})"
        return f"use torch.tensor({name})"
    if isinstance(data, DataLoader):
        return "`fit` makes its own batches: give it what the loader's dataset holds"
    if isinstance(getattr(data, "x", None), Tensor):
        return f"give it the tensors: {name}.x, or ({name}.x, {name}.y)"
    if hasattr(data, "tensors"):
        return f"give it {name}.tensors"
    if isinstance(data, np.ndarray):
        return f"use torch.as_tensor({name})"
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return f"use torch.stack([x for x in {name}]), or a tuple of such tensors"
    return "convert it with torch.as_tensor(...)"
