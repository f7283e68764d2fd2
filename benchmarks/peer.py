"""The peer that the library is measured against: pytorch-generative.

It is imported from wherever Python finds it: an installed package, or a copy of its repository
(https://github.com/EugenHotaj/pytorch-generative) whose folder is on PYTHONPATH. No part of it is
kept here. Its classes are reached by their public names.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli

NAME = "pytorch-generative"
URL = "https://github.com/EugenHotaj/pytorch-generative"
PACKAGE = "pytorch_generative"
#: Where each model is.
MODULES = {
    "FullyVisibleBeliefNetwork": "models.autoregressive.fvbn",
    "NADE": "models.autoregressive.nade",
    "MADE": "models.autoregressive.made",
    "PixelCNN": "models.autoregressive.pixel_cnn",
    "GatedPixelCNN": "models.autoregressive.gated_pixel_cnn",
}
#: Packages whose __init__ is not run. It imports data sets, a trainer and all other models, and for
#: those torchvision and more, none of which the five models need.
BARE = (PACKAGE, f"{PACKAGE}.models")

#: The files that the models are made of, by the name that git gives to such a content (`git
#: hash-object FILE`): the commit of the peer's repository in which it is found.
KNOWN = {
    "543ff77b763aeb0d4e7ede628254a40871072b61": "6eb070b0ea25ed436b3f1ae7cfdb6c1f62aa8bb0",
    "48ee7b7302540eaaecec0351e7dfd0707ec927e5": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
    "404a61221dc7f9d9c21090f6ac78cf31dd6ca27a": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
    "b45b22995823808bf807127e0d34d755f873b338": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
    "3c3fc47e47bf7f5375c4790d8e870c45a1d174b6": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
    "345b0a437a07922d46326627d7b4bda973a54f20": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
    "b7af376cc7bd329c800a31764553768d4b36bdb4": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
    "882c400c55eaebf8d7d5a98358e2c76ea6152441": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
    "b9cf90a00d7d33899c06118f62e71285fe4bc30b": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
    "6c4b7d973d5120af36ff287a88464685e231500f": "d1f0a5ce45195fed3e2787be86ad87c7c8229481",
}


def installed() -> bool:
    """Return whether Python finds the peer."""
    return find_spec(PACKAGE) is not None


def model(name: str, *args: Any, **sizes: Any) -> Any:
    """Import one of the peer's models, and nothing that it does not need, and build it."""
    for package in BARE:
        spec = find_spec(package)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {package!r}")
        if package not in sys.modules:  # a package that is there, but was not run
            sys.modules[package] = module_from_spec(spec)
    return getattr(import_module(f"{PACKAGE}.{MODULES[name]}"), name)(*args, **sizes)


def version() -> str:
    """Return the version of an installed peer."""
    if not installed():
        return "not installed"
    with suppress(PackageNotFoundError):
        return installed_version(NAME)
    return "a copy of the repository"


def git_name(content: bytes) -> str:
    """Return the name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def sources() -> list[dict[str, str | None]]:
    """Return which files of the peer have run: path, git's name for it, and a known commit."""
    loaded = [m for name, m in sys.modules.items() if name.startswith(f"{PACKAGE}.")]
    paths = sorted(Path(m.__file__) for m in loaded if m.__file__ and m.__name__ not in BARE)
    rows: list[dict[str, str | None]] = []
    for path in paths:
        name = git_name(path.read_bytes())
        where = path.parts[len(path.parts) - path.parts[::-1].index(PACKAGE) :]
        rows.append({"file": "/".join(where), "git": name, "commit": KNOWN.get(name)})
    return rows


class _EnoughError(Exception):
    """The pixels that were asked for are drawn."""


def sampling(model: Any, n: int, size: int, pixels: int | None = None) -> Callable[[], Any]:
    """Return a function that draws n images with the peer's own sampler.

    Args:
        model: One of the peer's models.
        n: The number of images.
        size: Their height and width.
        pixels: Stop after so many pixels, and return nothing. The peer runs the whole network on
            the whole image for each pixel, so that each costs the same, and size² / pixels times
            the time is that of an image.
    """
    empty = torch.full((n, 1, size, size), -1.0)  # the peer's mark of an unknown pixel
    if pixels is None:
        return lambda: model.sample(n_samples=None, conditioned_on=empty)

    def run() -> None:
        left = pixels

        def draw(logits: Tensor) -> Tensor:
            nonlocal left
            left -= 1
            if left == 0:
                raise _EnoughError
            return Bernoulli(logits=logits).sample()

        own = model._sample_fn
        model._sample_fn = draw
        try:
            with suppress(_EnoughError):
                model.sample(n_samples=None, conditioned_on=empty)
        finally:
            model._sample_fn = own

    return run
