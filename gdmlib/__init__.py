"""The library of the course *Deep Generative Models, an executable course*.

``import gdmlib`` is light: a part of the library, and torch with it, is loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

_PARTS = (
    "autoregressive",
    "data",
    "densities",
    "latent",
    "lesson",
    "metrics",
    "plotting",
    "reproduce",
    "training",
)

__all__ = ["__version__", *_PARTS]


def __getattr__(name: str) -> ModuleType:
    if name in _PARTS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PARTS})
