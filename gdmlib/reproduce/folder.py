"""The folder that keeps a run while it lasts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gdmlib._files import write_atomically
from gdmlib.training.resume import differences

_STATE = "run.json"


class ResumeError(ValueError):
    """There is a run that was not finished, or one that is not the one to be resumed."""


def read_state(folder: Path) -> dict[str, Any]:
    """Return what a run noted of itself, {} if there is none."""
    path = folder / _STATE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (ValueError, TypeError) as error:
        raise ResumeError(f"{path} is broken ({error}); delete {folder} and start again") from error


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write what a run notes of itself, atomically."""
    text = json.dumps(state, indent=2) + "\n"
    write_atomically(folder / _STATE, lambda part: part.write_text(text, encoding="utf-8"))


def _kept(folder: Path) -> list[Path]:
    """Return the files that a run has left."""
    patterns = "*.stage.pt", "*.fit.pt", "*.safetensors", "*.part"
    return [path for pattern in patterns for path in folder.glob(pattern)]


@contextmanager
def forgotten_if_nothing_was_kept(folder: Path | None) -> Iterator[None]:
    """Where what is inside fails before there is anything to go on with, forget the run."""
    try:
        yield
    except Exception:
        if folder is not None and not _kept(folder):
            (folder / _STATE).unlink(missing_ok=True)
        raise


def prepare(
    folder: Path, settings: Mapping[str, Any], where: Mapping[str, Any], resume: bool
) -> tuple[tuple[float, float], list[str]]:
    """Make the folder of a run ready, afresh or to go on with what is there.

    Args:
        folder: Belongs to this experiment alone.
        settings: Of the run, all that must be the same to go on.
        where: Device, threads, ...: with others the last digits may differ.
        resume: Whether to go on.

    Returns:
        The time that was spent before, by the clock and of processor time, and remarks.

    Raises:
        ResumeError: If an unfinished run would be lost, or the settings are not the same.
    """
    state = read_state(folder)
    if state and resume:
        changed = differences(state["settings"], settings)
        if changed:
            raise ResumeError(
                f"{folder} holds a run with other settings: {'; '.join(changed)}. Give the old "
                "ones, or another --work."
            )
        remarks = [
            f"{moved}: the last digits may differ from those of a run that was not interrupted"
            for moved in differences(state["where"], where)
        ]
        return (float(state["seconds"]), float(state["cpu_seconds"])), remarks
    if state and not state["finished"]:
        raise ResumeError(
            f"{folder} holds a run that was not finished. Add --resume to go on with it, or delete "
            "that folder to start again."
        )
    remarks = [f"nothing to resume in {folder}: starting from the beginning"] if resume else []
    for path in _kept(folder):
        path.unlink()
    spent = {"seconds": 0.0, "cpu_seconds": 0.0, "finished": False}
    write_state(folder, {"settings": dict(settings), "where": dict(where), **spent})
    return (0.0, 0.0), remarks
