"""Law 10, derivatives: autograd's are the numerical ones, the first as well as the second.

By each real number that goes in: the events, 0 and 1 of a binary pixel among them, the inputs of a
p(y | x), and all that the state of a model holds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import functional, gradcheck, gradgradcheck
from torch.autograd.gradcheck import GradcheckError
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from .builders import seeded
from .laws import Case, fail_unless

LAW = "10, engineering"
SMOOTH = ("log_prob", "logits")
"""Methods that take what log_prob takes, and whose results have derivatives.

``log_prob`` stands for its conditionals, of which it is a sum.
"""


@dataclass(frozen=True, eq=False)
class Smooth:
    """A function of real tensors, and where to differentiate it.

    Attributes:
        name: Shown as the name of the test.
        function: Takes the tensors, returns one.
        tensors: Float64.
    """

    name: str
    function: Callable[..., Tensor]
    tensors: tuple[Tensor, ...]

    def __str__(self) -> str:
        return self.name


def smooth(case: Case, method: str = "log_prob") -> Smooth:
    """Return a method of the case's model as a function of its state, a vector, and arguments."""
    forward = _Forward(case.model, method)
    arguments = case.arguments(2)
    entries = forward.state_dict().items()
    state = {name: value for name, value in entries if value.is_floating_point()}
    moved = [i for i, a in enumerate(arguments) if a.is_floating_point()]

    def function(vector: Tensor, *tensors: Tensor) -> Tensor:
        parts = vector.split([value.numel() for value in state.values()])
        values = {k: p.view(state[k].shape) for k, p in zip(state, parts, strict=True)}
        changed = list(arguments)
        for i, tensor in zip(moved, tensors, strict=True):
            changed[i] = tensor
        return functional_call(forward, values, tuple(changed))

    vector = torch.cat([value.detach().flatten() for value in state.values()])
    return Smooth(f"{case}.{method}", function, (vector, *(arguments[i] for i in moved)))


class _Forward(nn.Module):
    """Makes a method of a model its forward, which is what functional_call calls."""

    def __init__(self, model: nn.Module, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *arguments: Tensor) -> Tensor:
        return getattr(self.model, self.method)(*arguments)


class _NearlyEqual(TorchFunctionMode):
    """Lets x == 0 hold for a pixel that was moved from 0 by a numerical derivative's step.

    The library refuses pixels between 0 and 1, but is differentiable at 0 and 1 all the same.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        if getattr(function, "__name__", "").strip("_") in ("eq", "ne"):
            args = tuple(_snapped(a) for a in args)
        return function(*args, **(kwargs or {}))


def _snapped(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return (value.detach() * 1e3).round() / 1e3
    return value


@contextmanager
def _law(case: object, what: str):
    try:
        with _NearlyEqual():
            yield
    except (RuntimeError, ValueError) as error:
        raise AssertionError(f"law {LAW}: {case}: {what}: {error}") from error


def check_gradients(case: Case | Smooth) -> None:
    """In float64, autograd's derivatives are the numerical ones, in random directions."""
    it = smooth(case) if isinstance(case, Case) else case
    inputs = [t.clone().requires_grad_() for t in it.tensors]
    with _law(case, "gradients"):
        gradcheck(it.function, inputs, eps=1e-6, atol=1e-6, fast_mode=True)


def check_second_derivatives(case: Smooth, tolerance: float = 1e-4) -> None:
    """However PyTorch is asked for second derivatives, they are the numerical ones, or refused.

    Never are they wrong in silence. All tensors are moved together in a random direction, and the
    results added up with random weights, so that one number is differentiated by another.
    """
    generator = seeded()
    steps = [torch.randn(t.shape, generator=generator).double() for t in case.tensors]
    with torch.no_grad():
        shape = case.function(*case.tensors).shape
    weights = torch.randn(shape, generator=generator).double()

    def along(s: Tensor) -> Tensor:
        moved = [t + s * step for t, step in zip(case.tensors, steps, strict=True)]
        return (weights * case.function(*moved)).sum()

    expected = _numerical(along)
    for way, hessian in WAYS.items():
        try:
            with _NearlyEqual():
                found = hessian(along)
        except GradcheckError as error:
            raise AssertionError(f"law {LAW}: {case}: {way}: {error}") from error
        except (RuntimeError, ValueError, NotImplementedError) as error:
            says = f"{way}: the error says {error}"
            fail_unless(len(str(error)) > 15, LAW, case, says)
        else:
            found = expected if found is None else found  # it has compared them itself
            worst = float((found - expected).abs() / (1 + expected.abs()))
            says = f"{way}: second derivatives are off by {worst:.3g}, relatively"
            fail_unless(worst <= tolerance, LAW, case, says)


def _slope(f: Callable[[Tensor], Tensor], s: Tensor) -> Tensor:
    s = s.detach().clone().requires_grad_()
    return torch.autograd.grad(f(s), s)[0]


def _numerical(f: Callable[[Tensor], Tensor], eps: float = 1e-5) -> Tensor:
    """Return the difference of first derivatives."""
    with _NearlyEqual():
        return (_slope(f, AT + eps) - _slope(f, AT - eps)) / (2 * eps)


def _twice(f: Callable[[Tensor], Tensor]) -> Tensor:
    s = AT.clone().requires_grad_()
    (first,) = torch.autograd.grad(f(s), s, create_graph=True)
    return torch.autograd.grad(first, s)[0]


def _by_gradgradcheck(f: Callable[[Tensor], Tensor]) -> None:
    s, scale = AT.clone().requires_grad_(), torch.ones_like(AT).requires_grad_()
    options = {"eps": 1e-5, "atol": 1e-4, "rtol": 1e-3, "check_undefined_grad": False}
    gradgradcheck(f, (s,), scale, fast_mode=True, **options)


AT = torch.zeros(()).double()
WAYS: dict[str, Callable[[Any], Tensor | None]] = {
    "autograd.grad of autograd.grad": _twice,
    "autograd.functional.hessian": lambda f: functional.hessian(f, AT),
    "func.hessian": lambda f: torch.func.hessian(f)(AT),
    "gradgradcheck": _by_gradgradcheck,
}
