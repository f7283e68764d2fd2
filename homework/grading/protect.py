"""Put back what a submission's code changed in the libraries, in the lesson's values and settings.

Tests must compare with the functions that they name and with the values that the lesson bound. So
before a student's code runs everything of importance is held, and before the lesson's code runs
again it is restored where it is another object, or another number.
"""

from __future__ import annotations

import builtins
import gc
import os
import random
import signal
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

# What tests rely on gets its original functions and classes back: these modules and all below them,
# but for the parts of torch, many times the rest, with which nothing is computed.
_PACKAGES = frozenset(
    [
        "builtins",
        "math",
        "cmath",
        "random",
        "operator",
        "functools",
        "itertools",
        "statistics",
        "collections",
        "contextlib",
        "numpy",
        "torch",
        "gdmlib",
    ]
)
_OF_TORCH = frozenset(
    [
        "_C",
        "_tensor",
        "functional",
        "nn",
        "distributions",
        "testing",
        "linalg",
        "special",
        "fft",
        "autograd",
        "random",
    ]
)
_GONE = object()
_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8


def root(name: object) -> str:
    """Return the package of a dotted name."""
    return name.partition(".")[0] if isinstance(name, str) else ""


def _protected(name: str) -> bool:
    package, _, rest = name.partition(".")
    return package in _PACKAGES and (package != "torch" or not rest or root(rest) in _OF_TORCH)


def _essential(value: object) -> bool:
    """Return whether a module's global matters: the state that it keeps for itself does not."""
    return callable(value) or isinstance(value, types.ModuleType | float)


class Libraries:
    """The libraries as they were before any student's code ran."""

    def __init__(self, others: Iterable[str] = ()) -> None:
        names = {*filter(_protected, sys.modules), *others}
        self.modules = {name: sys.modules[name] for name in names & sys.modules.keys()}
        self.globals = [
            (vars(module), {n: v for n, v in vars(module).items() if _essential(v)})
            for module in self.modules.values()
        ]
        values = {id(value): value for _, saved in self.globals for value in saved.values()}
        classes = [v for v in values.values() if isinstance(v, type) and _changeable(v)]
        self.classes = [Class(c) for c in classes]
        inside = (value for c in self.classes for value in c.saved.values())
        functions = {id(f): f for f in map(function_in, (*values.values(), *inside)) if f}
        self.codes = [Code(function) for function in functions.values()]
        self.meta_path, self.path = list(sys.meta_path), list(sys.path)

    def restore(self) -> None:
        """Put every attribute back."""
        sys.modules.update(self.modules)
        sys.meta_path[:], sys.path[:] = self.meta_path, self.path
        for current, saved in self.globals:
            for name, value in saved.items():
                if current.get(name, _GONE) is not value:
                    current[name] = value
        names = vars(builtins).keys()
        for current, saved in self.globals:
            for name in current.keys() & names - saved.keys():
                # A new global of a library would hide the builtin of that name.
                if callable(current[name]):
                    del current[name]
        for kind in self.classes:
            kind.restore()
        for code in self.codes:
            code.restore()


def _changeable(kind: type) -> bool:
    return bool(kind.__flags__ & _HEAP_TYPE) and not kind.__flags__ & _IMMUTABLE_TYPE


def function_in(value: object) -> types.FunctionType | None:
    """Return the Python function in a value, if it is one or wraps one."""
    value = (
        getattr(value, "__func__", value)
        if isinstance(value, classmethod | staticmethod)
        else value
    )
    value = value.fget if isinstance(value, property) else value
    return value if isinstance(value, types.FunctionType) else None


class Class:
    """The attributes of a class."""

    _VOLATILE = frozenset(
        ("__dict__", "__weakref__", "__doc__", "__abstractmethods__", "_abc_impl")
    )

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.names = frozenset(vars(kind))
        self.saved = {n: v for n, v in vars(kind).items() if self._matters(n, v)}

    def _matters(self, name: str, value: object) -> bool:
        described = hasattr(type(value), "__get__") or isinstance(value, float | bool)
        return (callable(value) or described) and name not in self._VOLATILE

    def restore(self) -> None:
        """Put the attributes back, and remove new methods."""
        current = vars(self.kind)
        for name, value in self.saved.items():
            if current.get(name, _GONE) is not value:
                setattr(self.kind, name, value)
        for name in current.keys() - self.names:
            # A new method would hide the one that the class inherits.
            if isinstance(current[name], types.FunctionType | property):
                delattr(self.kind, name)


class Code:
    """What a function does when it is called."""

    def __init__(self, function: types.FunctionType) -> None:
        self.function, self.code = function, function.__code__
        self.defaults, self.keywords = function.__defaults__, function.__kwdefaults__
        self.saved_keywords = dict(self.keywords) if self.keywords else None

    def restore(self) -> None:
        """Put the code and the defaults back."""
        function = self.function
        if function.__code__ is not self.code:
            function.__code__ = self.code
        if function.__defaults__ is not self.defaults:
            function.__defaults__ = self.defaults
        if function.__kwdefaults__ is not self.keywords or self.keywords != self.saved_keywords:
            function.__kwdefaults__ = dict(self.saved_keywords) if self.saved_keywords else None


def hold_settings() -> Callable[[], None]:
    """Return a function that puts settings and the streams of chance back as they are now."""
    environment, folder, recursion = dict(os.environ), Path.cwd(), sys.getrecursionlimit()
    filters, errors = list(warnings.filters), np.geterr()
    grad, dtype, device = (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_default_device(),
    )
    chance = random.getstate(), np.random.get_state(), torch.get_rng_state()

    def restore() -> None:
        sys.settrace(None)
        sys.setprofile(None)
        threading.settrace(None)
        threading.setprofile(None)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        gc.enable()
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        os.chdir(folder)
        sys.setrecursionlimit(recursion)
        warnings.filters[:] = filters  # type: ignore[index]
        np.seterr(**errors)
        if torch.is_inference_mode_enabled():
            torch.inference_mode(False).__enter__()
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_num_threads(1)
        random.setstate(chance[0])
        np.random.set_state(chance[1])
        torch.set_rng_state(chance[2])

    return restore
