"""What a run keeps to go on after an interruption, and when it refuses to go on."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from gdmlib.training.files import CheckpointError, load_plain, save_plain
from gdmlib.training.history import History
from gdmlib.training.processes import is_main


def export(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of each object."""
    return {
        name: thing.get_state() if isinstance(thing, torch.Generator) else thing.state_dict()
        for name, thing in objects.items()
    }


def restore(objects: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Bring each object back to a saved state."""
    for name, thing in objects.items():
        if isinstance(thing, torch.Generator):
            thing.set_state(saved[name])
        else:
            thing.load_state_dict(saved[name])


def save_run(
    path: Path,
    settings: dict[str, Any],
    objects: Mapping[str, Any],
    generator: torch.Generator,
    history: History,
    best: dict[str, Any] | None,
) -> None:
    """Write the run, so that the old file stays until the new one is complete."""
    if not is_main():
        return
    content = {
        "settings": settings,
        "state": export(objects),
        "best": best,
        "generator": generator.get_state(),
        "global": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "history": asdict(history),
    }
    try:  # what cannot be read back must not take the place of what can
        save_plain(_without_numpy(content), path)
    except (AttributeError, CheckpointError, pickle.PicklingError) as error:
        raise CheckpointError(
            f"{path} cannot be written ({error}). Every state_dict() in `state` must hold tensors, "
            "numbers, text, lists and dicts only; the last checkpoint, if any, is untouched."
        ) from error


def settings_of(objects: Mapping[str, Any], step: object) -> dict[str, Any]:
    """Return what a checkpoint would silently overrule: all that step and optimizers were told.

    Of an optimizer every number of every group, of a schedule all that does not change with time,
    and the ``settings`` of the step.
    """
    found = {f"{key} of the step": value for key, value in getattr(step, "settings", {}).items()}
    for name, thing in objects.items():
        if isinstance(thing, torch.optim.Optimizer):
            found[f"kind of {name}"] = type(thing).__name__
            groups = [
                {**group, "lr": group.get("initial_lr", group["lr"])}
                for group in thing.param_groups
            ]
            # Some schedules move the momentum as well, between limits that stand in the groups.
            moved = {"momentum", "betas"} if "max_momentum" in groups[0] else set()
            for key in {key: None for group in groups for key in group}:
                if key not in _NOT_SETTINGS | moved:
                    found[f"{_NAMES.get(key, key)} of {name}"] = [
                        _plain(g.get(key)) for g in groups
                    ]
        elif isinstance(thing, LRScheduler):
            found |= _of_schedule(thing, name)
    return found


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say which settings are not what they were, sorted by name."""
    return [
        f"{key} was {was.get(key)!r}, now {now.get(key)!r}"
        for key in sorted({**was, **now})
        if was.get(key) != now.get(key)
    ]


# Which code makes a step, and what a schedule has come to.
_NOT_SETTINGS = {"params", "initial_lr", "fused", "foreach", "capturable", "differentiable"}
_OF_THE_MOMENT = {
    "last_epoch", "base_lrs", "verbose", "T_cur", "T_i", "best", "num_bad_epochs",
    "cooldown_counter",
}  # fmt: skip
_NAMES = {"lr": "learning rate", "weight_decay": "weight decay", "T_max": "steps"}


def _of_schedule(schedule: LRScheduler, name: str) -> dict[str, Any]:
    """Return all that does not change with time, of the parts of a schedule as well."""
    found: dict[str, Any] = {f"kind of {name}": type(schedule).__name__}
    for key, value in vars(schedule).items():
        if key == "_schedulers":
            for number, part in enumerate(value):
                found |= _of_schedule(part, f"{name}[{number}]")
        told = key == "_milestones" or not key.startswith("_")
        if told and key not in _OF_THE_MOMENT and _is_plain(value):
            found[f"{_NAMES.get(key, key)} of {name}"] = _plain(value)
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list | Counter):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | np.generic)


def _plain(value: Any) -> Any:
    """Return a setting as numbers, text and lists: no tuples, no tensors."""
    if isinstance(value, Counter):
        return sorted(value.elements())
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return float(value) if isinstance(value, Tensor | float) else value


def _without_numpy(value: Any) -> Any:
    """Return the same, numbers of NumPy as Python's: no others are read back."""
    if type(value) is dict:
        return {key: _without_numpy(v) for key, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_without_numpy, value))
    return value.item() if isinstance(value, np.generic) else value


def load_run(
    path: Path, settings: dict[str, Any], objects: Mapping[str, Any], generator: torch.Generator
) -> tuple[History, dict[str, Any] | None]:
    """Bring all back to what the file holds; return the history and the best state."""
    saved = load_plain(path)
    try:
        changed = differences(saved["settings"], settings)
        if changed:
            raise CheckpointError(
                f"{path} belongs to another run: {'; '.join(changed)}. "
                "Use the old settings, another file, or resume=False."
            )
        restore(objects, saved["state"])
        generator.set_state(saved["generator"])
        torch.set_rng_state(saved["global"])
        if torch.cuda.is_available() and len(saved["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(saved["cuda"])
        return History(**saved["history"]), saved["best"]
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{path} does not fit what is trained now ({type(error).__name__}: {reason}). "
            "Build the same model and optimizer, use another file, or resume=False."
        ) from error
