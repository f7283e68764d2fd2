"""Numbers that must not be rounded by mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch

from gdmlib.densities.density import Model

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Model)


def full_precision(method: Callable[Concatenate[M, P], R]) -> Callable[Concatenate[M, P], R]:
    """Let a method of a model compute in the model's own dtype, also within `torch.autocast`.

    A pixel with 256 levels has more digits than a bfloat16, and so has the log-density of an image.
    """

    @wraps(method)
    def alone(model: M, *args: P.args, **kwargs: P.kwargs) -> R:
        with torch.autocast(model._like().device.type, enabled=False):
            return method(model, *args, **kwargs)

    return alone
