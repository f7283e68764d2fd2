"""Hold what the lesson's names refer to, however deep, and put it back where it was changed."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from . import protect

_DEEPEST, _MOST = 5, 20_000
_GONE = object()


def hold_values(values: dict[str, Any]) -> list[Callable[[], object]]:
    """Return functions that put what the lesson's names refer to back as it is now."""
    seen: set[int] = set()
    return [restore for value in list(values.values()) for restore in _hold(value, seen, 0)]


def _hold(value: Any, seen: set[int], depth: int) -> Iterator[Callable[[], object]]:
    """Yield what restores a value and what it holds."""
    if id(value) in seen or depth > _DEEPEST or len(seen) > _MOST:
        return
    if isinstance(value, str | bytes | int | float | types.ModuleType | None):
        return
    seen.add(id(value))
    inner: list[Any] = []
    if isinstance(value, torch.Tensor):
        yield from _hold_tensor(value)
    elif isinstance(value, np.ndarray):
        yield from _hold_array(value)
    elif isinstance(value, torch.Generator):
        state = value.get_state()
        yield partial(value.set_state, state)
    elif isinstance(value, np.random.Generator):
        numbers = copy.deepcopy(value.bit_generator.state)
        yield lambda: setattr(value.bit_generator, "state", numbers)
    elif isinstance(value, list):
        inner = list(value)
        yield lambda: value.__setitem__(slice(None), inner)
    elif isinstance(value, dict):
        entries = dict(value)
        inner = list(entries.values())
        yield lambda: _refill(value, entries)
    elif isinstance(value, tuple):
        inner = list(value)
    elif isinstance(value, types.FunctionType):
        yield protect.Code(value).restore
    elif isinstance(value, type) and value.__module__ == "__main__":
        kind = protect.Class(value)
        yield kind.restore
        inner = [f for f in map(protect.function_in, kind.saved.values()) if f]
    elif _ours(value) and hasattr(value, "__dict__"):
        attributes = dict(vars(value))
        inner = list(attributes.values())
        yield lambda: _refill(vars(value), attributes)
    for item in inner:
        yield from _hold(item, seen, depth + 1)


def _ours(value: object) -> bool:
    """Return whether a value is an object of the lesson's: its attributes matter."""
    module = protect.root(type(value).__module__)
    return isinstance(value, torch.nn.Module) or module in ("__main__", "gdmlib")


def _refill(current: dict, saved: dict) -> None:
    """Give a dictionary its entries back, if they are others."""
    if len(current) != len(saved) or any(current.get(k, _GONE) is not v for k, v in saved.items()):
        current.clear()
        current.update(saved)


def _hold_tensor(tensor: torch.Tensor) -> Iterator[Callable[[], object]]:
    if tensor.layout != torch.strided or tensor.is_quantized:
        return
    saved = tensor.detach().clone()

    def restore() -> None:
        if tensor.shape != saved.shape or tensor.dtype != saved.dtype:
            tensor.data = saved.clone()
        elif not _equal(tensor, saved):
            with torch.inference_mode():  # where any tensor may be written to
                tensor.copy_(saved)

    yield restore


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors of one shape are the same, places without a number included."""
    with torch.no_grad():
        return torch.equal(a, b) or bool(((a == b) | ((a != a) & (b != b))).all())


def _hold_array(array: np.ndarray) -> Iterator[Callable[[], object]]:
    if array.dtype.hasobject or not array.flags.writeable:
        return
    saved = array.copy()

    def restore() -> None:
        if array.shape == saved.shape and array.tobytes() != saved.tobytes():
            array[...] = saved

    yield restore
