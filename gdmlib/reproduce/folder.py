"""The folder that keeps a run while it lasts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gdmlib._files import check_writable, write_atomically
from gdmlib.training.resume import differences

_STATE = "run.json"
_NOTED: dict[str, Any] = {
    "settings": dict, "where": dict, "seconds": (int, float), "cpu_seconds": (int, float),
    "finished": bool,
}  # fmt: skip


class ResumeError(ValueError):
    """There is a run that was not finished, or one that is not the one to be resumed."""


def read_state(folder: Path) -> dict[str, Any]:
    """Return what a run noted of itself, {} if there is none."""
    path = folder / _STATE
    try:
        if not path.is_file():
            return {}
        state = json.loads(path.read_text(encoding="utf-8"))
        for key, kind in _NOTED.items():
            if not isinstance(state[key], kind):
                raise TypeError(f"{key} is {state[key]!r}")
    except (ValueError, TypeError, KeyError) as error:
        raise ResumeError(f"{path} is broken ({error}); delete {folder} and start again") from error
    return dict(state)


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write what a run notes of itself, atomically."""
    text = json.dumps(state, indent=2) + "\n"
    write_atomically(folder / _STATE, lambda part: part.write_text(text, encoding="utf-8"))


def checkpoints(folder: Path) -> list[Path]:
    """Return the files from which a run can go on."""
    return sorted(path for kind in ("stage", "fit") for path in folder.glob(f"*.{kind}.pt"))


def _results(folder: Path) -> list[Path]:
    """Return these, and the weights of what was trained."""
    return [*checkpoints(folder), *folder.glob("*.safetensors")]


def remove_unfinished(folder: Path) -> None:
    """Remove what was being written when a run was killed."""
    for path in folder.glob("*.part"):
        path.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    for path in _results(folder):
        path.unlink()
    remove_unfinished(folder)


@contextmanager
def forgotten_if_nothing_was_kept(folder: Path | None) -> Iterator[None]:
    """Where what is inside stops before there is anything to go on with, forget the run."""
    try:
        yield
    except BaseException:
        if folder is not None and not checkpoints(folder):
            _clear(folder)
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
        ResumeError: If what is there would be lost, or the settings are not the same.
        WriteError: If nothing can be written there.
    """
    state, begun = read_state(folder), bool(checkpoints(folder))
    if not state and _results(folder):
        raise ResumeError(
            f"{folder} holds {_results(folder)[0].name}, and no {_STATE} that says whose it is: "
            "give another --work, or move those files away."
        )
    if state and begun and resume:
        changed = differences(state["settings"], settings)
        if changed:
            raise ResumeError(
                f"{folder} holds a run with other settings: {'; '.join(changed)}. Give the old "
                "ones, or another --work."
            )
        check_writable(folder / _STATE)
        remarks = [
            f"{moved}: the last digits may differ from those of a run that was not interrupted"
            for moved in differences(state["where"], where)
        ]
        return (float(state["seconds"]), float(state["cpu_seconds"])), remarks
    if begun and not state["finished"]:
        raise ResumeError(
            f"{folder} holds a run that was not finished. Add --resume to go on with it, or delete "
            "that folder to start again."
        )
    owner, name = (about.get("experiment") for about in (state.get("settings", {}), settings))
    if owner != name and _results(folder):
        raise ResumeError(
            f"{folder} holds what {owner} has trained: give another --work, or delete that folder."
        )
    check_writable(folder / _STATE)
    _clear(folder)
    spent = {"seconds": 0.0, "cpu_seconds": 0.0, "finished": False}
    write_state(folder, {"settings": dict(settings), "where": dict(where), **spent})
    remarks = [f"nothing to resume in {folder}: starting from the beginning"] if resume else []
    return (0.0, 0.0), remarks
