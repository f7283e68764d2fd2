"""Files that keep a run or the weights of a model: never half written, never unpickled."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from gdmlib._files import WriteError, path_of, write_atomically


class CheckpointError(RuntimeError):
    """A checkpoint that is broken, or that belongs to another model or another run."""


def load_plain(path: Path) -> dict[str, Any]:
    """Read what ``torch.save`` wrote: tensors, numbers, text, and lists and dicts of them."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # torch itself does not look at the checksums
        if broken is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {broken}")
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} is no checkpoint that can be read ({reason}). "
            "Delete it and start again, or put a copy in its place."
        ) from error


def save_plain(content: Mapping[str, Any], path: Path) -> None:
    """Write atomically what `load_plain` can read back; if it cannot, the old file stays.

    Raises:
        CheckpointError: If it cannot be read back.
        OSError: If there is no room, or the folder cannot be written.
    """

    def write(part: Path) -> None:
        try:
            torch.save(content, part)
        except RuntimeError as error:
            if "inline_container" not in str(error):  # torch's writer, which tells no reasons
                raise
            raise WriteError(path, "is the disk full?") from error

    write_atomically(path, write, check=load_plain)


def save_weights(model: nn.Module, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write parameters and buffers to a safetensors file; ``metadata`` says what made them."""
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"metadata: expected text for text, got {key!r}: {value!r}")
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in model.state_dict().items()}
    # In one sorted text: safetensors writes several entries in an order that changes at random,
    # and the same weights should be the same file.
    entry = {"record": json.dumps(dict(metadata), sort_keys=True, ensure_ascii=False)}
    path = path_of(path)

    def write(part: Path) -> None:
        try:
            save_file(tensors, part, metadata=entry)
        except SafetensorError as error:
            raise WriteError(path, str(error)) from error

    write_atomically(path, write)


def load_weights(model: nn.Module, path: str | Path) -> dict[str, str]:
    """Read what `save_weights` wrote into ``model``, and return the metadata.

    Other safetensors files can be read as well.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is broken, or its names or shapes are not the model's. The
            model is unchanged.
    """
    path = path_of(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of weights")
    try:
        with safe_open(path, framework="pt") as file:
            entry = file.metadata() or {}
            metadata = json.loads(entry["record"]) if "record" in entry else entry
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no safetensors file that can be read ({error}). "
            "Delete it and train again, or put a copy in its place."
        ) from error
    want = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    have = {k: tuple(v.shape) for k, v in tensors.items()}
    if want != have:
        names = sorted(k for k in want.keys() | have.keys() if want.get(k) != have.get(k))
        wrong = [
            f"{k}: the model has {want.get(k, 'nothing')}, the file {have.get(k, 'nothing')}"
            for k in names[:5]
        ]
        wrong += [f"and {len(names) - 5} more"] * (len(names) > 5)
        raise CheckpointError(f"{path} holds the weights of another model: {'; '.join(wrong)}")
    model.load_state_dict(tensors)
    return dict(metadata)
