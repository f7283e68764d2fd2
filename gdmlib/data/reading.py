"""What the loaders of data sets share: files by their place, and arrays as tensors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from gdmlib.data.checksums import read_arrays
from gdmlib.data.declare import files, remote
from gdmlib.data.download import fetch, is_here


def get(path: str) -> Path:
    """Return a data file, known by its place in the folder layout; download it if need be."""
    return fetch(remote(path))


def get_all(paths: Sequence[str], what: str) -> list[Path]:
    """Return many files, with a progress bar if some of them must be downloaded."""
    if all(is_here(path) for path in paths):
        return [get(path) for path in paths]
    from tqdm import tqdm

    silent = os.environ.get("GDMLIB_PROGRESS") == "0"
    return [get(p) for p in tqdm(paths, desc=what, unit="file", leave=False, disable=silent)]


def images(array: np.ndarray) -> Tensor:
    """Turn uint8 images, channels first, into float32 in [0, 1]."""
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C")).div_(255)


def picture(array: np.ndarray) -> Tensor:
    """Turn a uint8 picture ``(H, W)`` or ``(H, W, C)`` into ``(C, H, W)`` in [0, 1]."""
    return images(np.atleast_3d(array)[..., :3].transpose(2, 0, 1))


def shipped(name: str) -> np.ndarray:
    """Return an array or a picture that scikit-image ships, by the name of its file.

    scikit-image's own reader looks for its parts by a pattern that begins with its path, and so
    finds none of them in a folder with brackets in its name.
    """
    from PIL import Image

    with (resources.files("skimage.data") / name).open("rb") as stream:
        return np.load(stream)["arr_0"] if name.endswith(".npz") else np.asarray(Image.open(stream))


def labels(array: np.ndarray) -> Tensor:
    """Turn class numbers into int64 ``(N,)``."""
    return torch.from_numpy(array.astype(np.int64).ravel())


def pictures(prefix: str, what: str, skip: str | None = None) -> dict[str, Tensor]:
    """Load every picture whose place begins with ``prefix``, as ``(C, H, W)`` in [0, 1]."""
    paths = [path for path in files(prefix) if PurePosixPath(path).stem != skip]
    found = zip(paths, get_all(paths, what), strict=True)
    return {PurePosixPath(path).stem: picture(read_arrays(file)["image"]) for path, file in found}
