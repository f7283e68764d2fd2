"""Calls: a function of the library and tensors to call it with, for the laws that hold for all.

``calls(case)`` makes them from the methods that a model has, ``functions.py`` lists the others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .builders import seeded
from .laws import Case, has

OF_EVENTS = (
    "log_prob",
    "conditional_log_prob",
    "pixel_distribution",
    "plane_log_prob",
    "log_prob_each",
    "log_joint",
    "responsibilities",
    "posterior",
    "predict",
    "mahalanobis",
    "cdf",
    "logits",
)
"""Methods that take what log_prob takes."""
OF_INPUTS = ("logits", "logit", "probs")
"""Methods of a p(y | x) that take x."""


@dataclass(frozen=True)
class Call:
    """A function and its arguments.

    Attributes:
        name: Shown as the name of the test.
        function: Deterministic; its parameters have the names that its errors use.
        arguments: Tensors, float64 where real.
        model: Whose method it is, if it is one.
        smooth: Whether its result, one tensor, has derivatives by all real arguments.
        single: Whether the first entries of all arguments are arguments as well.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Tensor, ...]
    model: nn.Module | None = None
    smooth: bool = False
    single: bool = True

    def __str__(self) -> str:
        return self.name

    def __call__(self, *arguments: Tensor) -> Any:
        return self.function(*arguments)

    def parameter(self, i: int) -> str:
        """Return the name of an argument."""
        return list(inspect.signature(self.function).parameters)[i]


def call(name: str, function: Callable[..., Any], *arguments: Tensor, **options: Any) -> Call:
    """Return a call of a function."""
    return Call(name, function, arguments, **options)


def whole(name: str, function: Callable[..., Any], *arguments: Tensor, **options: Any) -> Call:
    """Return a call whose arguments have no batch, or need all of it."""
    return Call(name, function, arguments, single=False, **options)


def calls(case: Case, model: nn.Module | None = None) -> list[Call]:
    """Return the methods that the case's model has, with arguments; ``model`` may be a cast one."""
    model = case.model if model is None else model
    arguments, conditional = like(model, case.arguments(4)), case.inputs is not None
    found = [
        (name, getattr(model, name), arguments)
        for name in OF_EVENTS
        if has(model, name) and not (conditional and name in OF_INPUTS)
    ]
    if conditional:
        x = arguments[1:]
        found += [(name, getattr(model, name), x) for name in OF_INPUTS if has(model, name)]
        found += [("sample", lambda x: model.sample(x, seeded()), x)]
    if has(model, "complete"):
        known = torch.arange(arguments[0][0].numel()).reshape(case.domain.points.shape[1:]) % 2 == 0
        complete = lambda x, known: model.complete(x, known, seeded())  # noqa: E731
        found += [("complete", complete, (*arguments, known.expand(arguments[0].shape).clone()))]
    return [Call(f"{case}.{name}", function, args, model) for name, function, args in found]


def like(model: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the arguments in the dtype of the model."""
    dtype = next(v.dtype for v in model.state_dict().values() if v.is_floating_point())
    return tuple(a.to(dtype) if a.is_floating_point() else a for a in arguments)


def leaves(value: Any) -> list[Tensor]:
    """Return all numbers in a result as tensors, wherever they are: in tuples, models, objects."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (bool, int, float, np.generic)):
        return [torch.as_tensor(float(value), dtype=torch.float64)]
    if isinstance(value, np.ndarray):
        return [torch.from_numpy(value)]
    if isinstance(value, nn.Module):
        plain = [v for m in value.modules() for k, v in vars(m).items() if k[0] != "_"]
        return [*value.parameters(), *value.buffers(), *leaves(plain)]
    if isinstance(value, (str, type(None), torch.dtype, torch.Size)) or callable(value):
        return []
    if isinstance(value, dict):
        return leaves(list(value.values()))
    if isinstance(value, (list, tuple)):
        return [leaf for entry in value for leaf in leaves(entry)]
    return leaves(vars(value)) if hasattr(value, "__dict__") else leaves(list(value))


def apart(value: Any) -> float:
    """Return the largest difference of two results, relatively; infinity for other shapes."""
    found, expected = (leaves(v) for v in value)
    if [(a.shape, a.dtype) for a in found] != [(b.shape, b.dtype) for b in expected]:
        return float("inf")
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        a, b = a.detach().double(), b.detach().double()
        if not torch.equal(a.isfinite(), b.isfinite()):
            return float("inf")
        gap = torch.where(a == b, 0.0, (a - b).abs() / (1 + b.abs()))
        worst = max(worst, float(gap.max()) if gap.numel() else 0.0)
    return worst


def copied(arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return arguments of their own memory and layout."""
    return tuple(deepcopy(a.detach()).contiguous() for a in arguments)
