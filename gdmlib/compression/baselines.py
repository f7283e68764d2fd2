"""What others make of a grey picture: PNG, WebP, JPEG and JPEG 2000, as Pillow writes them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image, features
from torch import Tensor

from gdmlib._checks import check_choice, check_range, check_tensor, check_values

LOSSLESS: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": ("PNG", {"optimize": True}),
    "JPEG 2000, lossless": ("JPEG2000", {"irreversible": False}),
    "WebP, lossless": ("WEBP", {"lossless": True, "quality": 100, "method": 6}),
}
"""Formats and the options that make the smallest files."""
LOSSY: dict[str, tuple[str, dict[str, Any]]] = {
    "JPEG": ("JPEG", {"optimize": True}),
    "WebP": ("WEBP", {"method": 6}),
}
_NEEDS = {"WEBP": "webp", "JPEG2000": "jpg_2000", "JPEG": "jpg", "PNG": "zlib"}


def lossless_bytes(levels: Tensor, name: str) -> int:
    """Return how many bytes a format of `LOSSLESS` needs for a picture of levels, (H, W).

    Raises:
        RuntimeError: If this Pillow was built without the format.
    """
    check_choice(name, "name", LOSSLESS)
    return len(_write(_bytes(levels), *LOSSLESS[name]))


def lossy_file(x: Tensor, name: str, quality: int) -> tuple[int, Tensor]:
    """Return the bytes of a format of `LOSSY`, and the picture in [0, 1] that comes out, (H, W).

    Args:
        x: In [0, 1], shape (H, W).
        name: "JPEG" or "WebP".
        quality: 1 to 100.
    """
    check_choice(name, "name", LOSSY)
    check_tensor(x, "x", ndim=2, floating=True)
    check_values(x, "x", (x >= 0) & (x <= 1), "pictures in [0, 1]")
    check_range(0, quality)
    kind, options = LOSSY[name]
    data = _write((255 * x).round().byte().numpy(), kind, options | {"quality": quality})
    found = np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=np.float32)
    return len(data), torch.from_numpy(found / 255)


def _bytes(levels: Tensor) -> np.ndarray:
    check_tensor(levels, "levels", ndim=2)
    if levels.is_complex() or levels.dtype == torch.bool:
        raise ValueError(f"levels: expected whole numbers from 0 to 255, got {levels.dtype}")
    fits = (levels >= 0) & (levels <= 255) & (levels == levels.round())
    check_values(levels, "levels", fits, "whole numbers from 0 to 255")
    return levels.byte().numpy()


def _write(picture: np.ndarray, kind: str, options: dict[str, Any]) -> bytes:
    if not features.check(_NEEDS[kind]):
        raise RuntimeError(f"this Pillow cannot write {kind}; install a build that has it")
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()
