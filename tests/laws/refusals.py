"""Law 10 for every argument by its name: what is none is refused, and the error begins with it.

`misuse.py` asks of a call's tensors that no nonsense comes out. Here each argument is replaced in
turn, models and numbers, too, and nothing is taken but what the line of the call says.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Generator, Tensor

from .calls import leaves
from .laws import fail_unless

LAW = "10, refusals"
BATCHES = ("without its batch", "in two batches")
"""What is taken where dimensions of a batch are as one likes."""


@dataclass(frozen=True)
class Asked:
    """A function and arguments that it takes.

    Attributes:
        name: The function's own, within its package; what follows a comma tells lines apart.
        function: Called with ``arguments`` by name.
        arguments: Tensors in float64, numbers, and whatever else it wants.
        takes: Of an argument, the wrong ones that this function takes, and rightly.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    takes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def __call__(self, **changed: Any) -> Any:
        return self.function(**deepcopy(self.arguments) | changed)


def asked(
    name: str,
    function: Callable[..., Any],
    takes: dict[str, tuple[str, ...]] | None = None,
    **arguments: Any,
) -> Asked:
    """Return a line of the table."""
    return Asked(name, function, arguments, takes or {})


def check_refused(call: Asked) -> None:
    """Each wrong argument is refused in words that begin with its name, or taken as the line says.

    A wrong shape may be told of another argument, which it does not fit.
    """
    found = leaves(call())
    fail_unless(_finite(found), LAW, call, "what should be right gives no finite numbers")
    optional = [
        name
        for name, parameter in inspect.signature(call.function).parameters.items()
        if parameter.default is None
    ]
    for name, value in call.arguments.items():
        taken = call.takes.get(name, ())
        wrong = dict(_wrong(value, call))
        if name in optional:
            wrong.pop("None", None)
        strange = set(taken) - set(wrong)
        fail_unless(not strange, LAW, call, f"{name}: nobody asks whether it takes {strange}")
        for what, bad in wrong.items():
            names = list(call.arguments) if what in SHAPES else [name]
            _ask(call, name, what, bad, names, what in taken)


def _ask(call: Asked, name: str, what: str, bad: Any, names: list[str], taken: bool) -> None:
    try:
        found = leaves(call(**{name: bad}))
    except (ValueError, TypeError) as error:
        says = str(error).split("\n")[0]
        fail_unless(not taken, LAW, call, f"{name}, {what}: refused, and should be taken: {says}")
        head, _, rest = says.partition(":")
        named = set(names) & set(re.findall(r"\w+", head)) and len(rest) > 10
        fail_unless(named, LAW, call, f"{name}, {what}: the error says {says!r}")
    except Exception as error:
        kind, says = type(error).__name__, str(error).split("\n")[0]
        fail_unless(False, LAW, call, f"{name}, {what}: {kind}, not ValueError: {says}")
    else:
        fail_unless(taken, LAW, call, f"{name}, {what}: accepted")
        fail_unless(_finite(found), LAW, call, f"{name}, {what}: the result is not finite")


def _finite(found: list[Tensor]) -> bool:
    return all(bool(x.isfinite().all()) for x in found)


def _wrong(value: Any, call: Asked) -> Iterator[tuple[str, Any]]:
    """Yield what is wrong, and an argument that is."""
    if isinstance(value, Generator | bool):
        return
    if isinstance(value, str):
        yield "another word", "nonsense"
        return
    yield "None", None
    yield "a word", "nonsense"
    if isinstance(value, int | float):
        yield "NaN", float("nan")
        yield "a negative number", -1 if isinstance(value, int) else -1.0
        yield "a list", [value]
        yield "two numbers", torch.tensor([1.0, 2.0])
    if isinstance(value, Tensor):
        yield from _no_tensors(value)
        yield from _shapes(value)
        lengths = [len(a) for a in call.arguments.values() if isinstance(a, Tensor) and a.ndim]
        if value.ndim and len(value) > 1 and lengths.count(len(value)) > 1:
            yield "one example alone", value[:1].clone()


def _no_tensors(a: Tensor) -> Iterator[tuple[str, Any]]:
    """Yield what is no tensor, and tensors that hold other things than real numbers."""
    yield "a list", a.tolist()
    yield "a number", 0.5
    yield "an array", a.numpy()
    yield "complex numbers", a.to(torch.complex128)
    if a.is_floating_point():
        yield "Booleans", a > 0
        yield "integers", (3 * a).long()
        yield "bytes", (3 * a).abs().to(torch.uint8)
        yield "float16", a.half()
        broken = a.clone()
        broken.view(-1)[0] = torch.nan
        yield "NaN", broken
    else:
        yield "real numbers", a.double()


def _shapes(a: Tensor) -> Iterator[tuple[str, Tensor]]:
    if a.ndim == 0:
        yield "two numbers", a.expand(2).clone()
        return
    yield "no example", a[:0]
    yield "without its batch", a[0]
    yield "in two batches", a[None]
    yield "a single number", a.flatten()[0]
    yield "a column more", torch.cat([a, a[..., :1]], dim=-1)
    yield "a column less", a[..., 1:]
    yield "a dimension more at its end", a[..., None]


SHAPES = ("two numbers", "no example", "without its batch", "in two batches", "a single number",
          "a column more", "a column less", "a dimension more at its end",
          "one example alone")  # fmt: skip


# --- nothing is left out --------------------------------------------------------------------------


def missing(package: ModuleType, calls: list[Asked], without: tuple[str, ...] = ()) -> set[str]:
    """Return what takes tensors in a package and has no line: functions, constructors, methods.

    Args:
        package: Its ``__all__`` says what is public.
        calls: The lines.
        without: Names of functions that need none.
    """
    lines: dict[str, set[str]] = {}
    for call in calls:
        lines.setdefault(call.name.split(",")[0], set()).update(call.arguments)
    found = set()
    for public in package.__all__:
        for name, function in _functions(getattr(package, public), public):
            parameters = inspect.signature(function).parameters.values()
            tensors = {
                p.name for p in parameters if re.search(r"^Tensor|\| Tensor", str(p.annotation))
            }
            left = tensors - lines.get(name, set())
            found |= {f"{name}({parameter})" for parameter in left if name not in without}
    return found


def _functions(value: Any, public: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    if not isinstance(value, type):
        yield public, value
        return
    for name, method in vars(value).items():
        plain = method.__func__ if isinstance(method, classmethod | staticmethod) else method
        if isinstance(plain, FunctionType) and (name[0] != "_" or name == "__init__"):
            yield public if name == "__init__" else f"{public}.{name}", plain
