"""One run of one experiment: its settings, what it keeps while it lasts, and what it reports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gdmlib.records import Data, Metric, Published
from gdmlib.training.files import load_plain, save_weights, write_atomically

REPORT_EVERY = 5.0  # seconds between two lines of progress, and between two notes of the time spent
_STATE = "run.json"


class ResumeError(ValueError):
    """There is a run that was not finished, or one that is not the one to be resumed."""


@dataclass(frozen=True)
class Outcome:
    """What the function of an experiment returns."""

    metric: Metric
    data: Data
    details: dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """A function, and the published number that it should give.

    Attributes:
        name: The name of the record's file, without ``.json``.
        title, dataset: For people.
        run: ``run(job)`` returns an `Outcome`; all its settings are in ``job.config``.
        published: The number to reach, or None.
        protocol: How the number is made, and in what that differs from the paper.
        config, seeds: The settings of the full size.
        smoke: The settings that a trial changes: no data, a second of time.
        trains: Whether it calls `gdmlib.training.fit`, and so can run in several processes.
        digits: Decimals in the table.
    """

    name: str
    title: str
    dataset: str
    run: Callable[[Job], Outcome]
    published: Published | None
    protocol: str
    config: Mapping[str, Any]
    smoke: Mapping[str, Any]
    seeds: tuple[int, ...] = ()
    trains: bool = False
    digits: int = 2

    def settings(self, smoke: bool, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a run, its seeds among them.

        Raises:
            ValueError: If a change names a setting that does not exist.
        """
        plain = {"seeds": list(self.seeds), **self.config, **(self.smoke if smoke else {})}
        unknown = changes.keys() - plain.keys()
        if unknown:
            raise ValueError(
                f"{self.name} has no setting {', '.join(sorted(unknown))}; there are "
                f"{', '.join(sorted(plain))}"
            )
        # Through JSON, so that settings compare equal to those of a run that is resumed.
        return json.loads(json.dumps({**plain, **changes}))


class Job:
    """How an experiment is to run, where, and what is left of an earlier attempt.

    Args:
        name: Of the experiment.
        settings: See `Experiment.settings`.
        smoke: Whether this is a trial.
        device: Where tensors and models go.
        folder: Keeps what is needed to go on after an interruption; None keeps nothing.
        say: Takes a line of progress; None for silence, as in all processes but the first.
        main: Whether this process writes files.
        earlier: Seconds, and seconds of processor time, that were spent before an interruption.
    """

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        *,
        smoke: bool = False,
        device: torch.device | str = "cpu",
        folder: Path | None = None,
        say: Callable[[str], None] | None = None,
        main: bool = True,
        earlier: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.name = name
        self.config = {key: value for key, value in settings.items() if key != "seeds"}
        self.seeds: list[int] = list(settings.get("seeds", ()))
        self.smoke = smoke
        self.device = torch.device(device)
        self.folder, self.main = folder, main
        self._say = say if main else None
        self._earlier = earlier
        self._started = time.perf_counter(), time.process_time()
        self._begun: dict[str, tuple[float, int]] = {}
        self._said = self._noted = -REPORT_EVERY

    # --- what it keeps ---

    def stage(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what ``compute`` returns, computed once only for a run that is resumed.

        It may hold tensors, numbers, text, and lists and dicts of them.
        """
        if self.folder is None:
            return compute()
        path = self.folder / f"{name}.stage.pt"
        if path.is_file():
            return load_plain(path)
        found = compute()
        if self.main:
            write_atomically(path, lambda part: torch.save(found, part), check=load_plain)
            self._note()
        return found

    def keep(self, name: str, model: nn.Module) -> None:
        """Write the weights of a trained model beside the rest."""
        if self.folder is not None and self.main:
            about = {"experiment": self.name, "config": json.dumps(self.config)}
            save_weights(model, self.folder / f"{name}.safetensors", about)

    def training(self, name: str, epochs: int, before: int = 0, total: int = 0) -> dict[str, Any]:
        """Return the options of `gdmlib.training.fit` that keep a training and show its progress.

        Args:
            name: Of the checkpoint: one for each training of the experiment.
            epochs: How many there are in this training.
            before, total: The epochs of the trainings before this one, and of all of them.
        """

        def on_epoch(epoch: int, history: Any) -> None:
            note = f"loss {history['loss'][-1]:.4f}"
            if history.valid:
                note += f", validation {history.valid['loss'][-1]:.4f}"
            self.progress("epoch", before + epoch, total or epochs, note)

        options: dict[str, Any] = {"on_epoch": on_epoch, "progress": self._say is not None}
        if self.folder is not None:
            options |= {"checkpoint": self.folder / f"{name}.fit.pt", "resume": True}
        return options

    # --- what it says ---

    def progress(self, what: str, done: int, total: int, note: str = "") -> None:
        """Report that ``done`` of ``total`` parts are done, and how long the rest may take."""
        now = time.perf_counter()
        if now - self._noted >= REPORT_EVERY:
            self._noted = now
            self._note()
        if what not in self._begun:  # the first part of a run that is resumed may be any
            self._begun[what] = (self._started[0], 0) if done == 1 else (now, done)
        if self._say is None or (now - self._said < REPORT_EVERY and done < total):
            return
        self._said = now
        began, first = self._begun[what]
        line = f"{self.name}: {what} {done} of {total}" + (f", {note}" if note else "")
        line += f"; {clock(self.spent()[0])} so far"
        if first < done < total:
            line += f", about {clock((now - began) * (total - done) / (done - first))} left"
        self._say(line)

    def spent(self) -> tuple[float, float]:
        """Return seconds by the clock and of processor time, interrupted parts included."""
        now = time.perf_counter(), time.process_time()
        return (
            self._earlier[0] + now[0] - self._started[0],
            self._earlier[1] + now[1] - self._started[1],
        )

    def finish(self) -> None:
        """Note that the run is complete: the next one starts afresh."""
        self._note(finished=True)

    def _note(self, finished: bool = False) -> None:
        if self.folder is not None and self.main:
            state = read_state(self.folder)
            seconds, cpu_seconds = self.spent()
            write_state(
                self.folder,
                {**state, "seconds": seconds, "cpu_seconds": cpu_seconds, "finished": finished},
            )


def clock(seconds: float) -> str:
    """Return a duration as people write it: 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# -------------------------------------------------------------------------- the folder of a run


def read_state(folder: Path) -> dict[str, Any]:
    """Return what a run noted of itself, {} if there is none.

    Raises:
        ResumeError: If the file is broken.
    """
    path = folder / _STATE
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ResumeError(f"{path} is broken ({error}); delete {folder} and start again") from error


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write what a run notes of itself, atomically."""
    text = json.dumps(state, indent=2) + "\n"
    write_atomically(folder / _STATE, lambda part: part.write_text(text, encoding="utf-8"))


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
    remarks = []
    if state and resume:
        was = state["settings"]
        changed = [
            f"{key} was {was.get(key)!r}, now {settings.get(key)!r}"
            for key in sorted(was.keys() | settings.keys())
            if was.get(key) != settings.get(key)
        ]
        if changed:
            raise ResumeError(
                f"{folder} holds a run with other settings: {'; '.join(changed)}. Give the old "
                "ones, or another --work."
            )
        for key, value in where.items():
            if state["where"].get(key) != value:
                remarks.append(
                    f"{key} was {state['where'].get(key)!r}, now {value!r}: the last digits may "
                    "differ from those of a run that was not interrupted"
                )
        return (float(state["seconds"]), float(state["cpu_seconds"])), remarks
    if state and not state["finished"]:
        raise ResumeError(
            f"{folder} holds a run that was not finished. Add --resume to go on with it, or delete "
            "that folder to start again."
        )
    if not state and resume:
        remarks.append(f"nothing to resume in {folder}: starting from the beginning")
    for pattern in ("*.stage.pt", "*.fit.pt", "*.safetensors", "*.part"):
        for path in folder.glob(pattern) if folder.is_dir() else ():
            path.unlink()
    write_state(
        folder,
        {
            "settings": dict(settings),
            "where": dict(where),
            "seconds": 0.0,
            "cpu_seconds": 0.0,
            "finished": False,
        },
    )
    return (0.0, 0.0), remarks
