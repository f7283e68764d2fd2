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
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli

NAME = "pytorch-generative"
URL = "https://github.com/EugenHotaj/pytorch-generative"
PACKAGE = "pytorch_generative"

#: The files of the peer that the book's record is about: by the name that git gives to such a
#: content (`git hash-object FILE`), the commit of the peer's repository in which it is found.
KNOWN = {
    "29071d4e38fffde186148aae432c98733f1d10a8": "035395016b951445e4d7843d55e9fb0ab405cdf4",
    "f638b11c9bd75b3866615f9d703e732c76d23880": "444e0db9bb4581da131e735114f2e4d85e976236",
    "d89b937045263adf680dbdaa1103965ab9118a34": "035395016b951445e4d7843d55e9fb0ab405cdf4",
    "7666085d48c8bb9e8d918f934b68f9f1c94dc551": "035395016b951445e4d7843d55e9fb0ab405cdf4",
    "0ac86cedf3d676a5ce0dda3d333dd1a0ef08a670": "23cba7bb6414f17c3a96870cf6c04ba95a68a185",
    "543ff77b763aeb0d4e7ede628254a40871072b61": "6eb070b0ea25ed436b3f1ae7cfdb6c1f62aa8bb0",
    "f26b9142672c9ff6825f79116ab1c20f46b66b6e": "04c6ea9cf25bebe0048b2cc3243b63da4fd203f1",
}


def models() -> Any | None:
    """Return the peer's module of models, or None where it is not installed."""
    with suppress(ImportError):
        return import_module(f"{PACKAGE}.models")
    return None


def version() -> str:
    """Return the version of an installed peer."""
    if models() is None:
        return "not installed"
    with suppress(PackageNotFoundError):
        return installed_version(NAME)
    return "a copy of the repository"


def git_name(content: bytes) -> str:
    """Return the name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def sources() -> list[dict[str, str | None]]:
    """Return which files of the peer are in use: path, git's name for it, and a known commit."""
    if models() is None:
        return []
    loaded = [m for name, m in sys.modules.items() if name.split(".")[0] == PACKAGE]
    paths = sorted(Path(m.__file__) for m in loaded if m.__file__)
    top = next(path for path in paths if path.parent.name == PACKAGE).parent
    rows: list[dict[str, str | None]] = []
    for path in paths:
        name = git_name(path.read_bytes())
        where = path.relative_to(top).as_posix()
        rows.append({"file": where, "git": name, "commit": KNOWN.get(name)})
    return rows


class _EnoughError(Exception):
    """The pixels that were asked for are drawn."""


def sampling(model: Any, n: int, size: int, pixels: int | None = None) -> Callable[[], None]:
    """Return a function that draws n images with the peer's own sampler.

    Args:
        model: One of the peer's models.
        n: The number of images.
        size: Their height and width.
        pixels: Stop after so many pixels. The peer runs the whole network on the whole image for
            each pixel, so that each costs the same, and size² / pixels times the time is that of an
            image.
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
