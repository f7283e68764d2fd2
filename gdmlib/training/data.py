"""What can be trained on, and advice for what cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from gdmlib._checks import check_tensor


def check_data(data: Tensor | tuple[Tensor, ...]) -> tuple[int, list[list[int]]]:
    """Return the number of examples, and the shape of one in every tensor."""
    tensors = data if isinstance(data, tuple) else (data,)
    if not tensors:
        raise ValueError("data: expected at least one tensor, got an empty tuple")
    for i, x in enumerate(tensors):
        name = f"data[{i}]" if len(tensors) > 1 else "data"
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name}: expected a torch.Tensor, or a tuple of them, got {type(x).__name__}; "
                f"{_advice(x)}"
            )
        check_tensor(x, name, nonempty=x.ndim < 2)  # the numbers of an example may be none
        if x.ndim == 0 or len(x) != len(tensors[0]):
            raise ValueError(
                "data: the tensors must share their first dimension, the examples; got shapes "
                + ", ".join(str(tuple(y.shape)) for y in tensors)
            )
    if len(tensors[0]) == 0:
        shape = tuple(tensors[0].shape)
        raise ValueError(f"data: expected at least one element, got shape {shape}")
    return len(tensors[0]), [list(x.shape[1:]) for x in tensors]


def _advice(data: Any) -> str:
    """Say how to make tensors of what came instead of them."""
    if isinstance(data, list):
        if data and all(isinstance(x, Tensor) for x in data):
            if len({len(x) if x.ndim else 0 for x in data}) == 1:
                return "use torch.stack(data) for examples, tuple(data) for several tensors of data"
            return "make one tensor of it, for instance torch.cat(data)"
        return "use torch.tensor(data)"
    if isinstance(data, DataLoader):
        return "`fit` makes its own batches: give it what the loader's dataset holds"
    if isinstance(getattr(data, "x", None), Tensor):
        return "give it the tensors: data.x, or (data.x, data.y)"
    if hasattr(data, "tensors"):
        return "give it data.tensors"
    if isinstance(data, np.ndarray):
        return "use torch.as_tensor(data)"
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return "use torch.stack([x for x in data]), or a tuple of such tensors"
    return "convert it with torch.as_tensor(...)"
