"""Numbers that must not be rounded by mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import chain
from typing import Any, TypeVar, cast

import torch
from torch import nn

Method = TypeVar("Method", bound=Callable[..., Any])


def full_precision(method: Method) -> Method:
    """Let a method of a module compute in the module's own dtype, also within `torch.autocast`.

    A pixel with 256 levels has more digits than a bfloat16, and so has the log-density of an image.
    """

    @wraps(method)
    def alone(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        device = next(chain(module.parameters(), module.buffers())).device
        if not torch.amp.is_autocast_available(device.type):
            return method(module, *args, **kwargs)
        with torch.autocast(device.type, enabled=False):
            return method(module, *args, **kwargs)

    return cast(Method, alone)
