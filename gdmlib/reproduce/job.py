"""One run of one experiment: its settings, what it keeps while it lasts, and what it reports."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gdmlib.reproduce.folder import ResumeError, read_state, remove_unfinished, write_state
from gdmlib.reproduce.records import Data
from gdmlib.training.files import CheckpointError, load_plain, save_plain, save_weights
from gdmlib.training.resume import differences

REPORT_EVERY = 5.0  # seconds between two lines of progress, and between two notes of the time spent


class Settings(dict[str, Any]):
    """Settings that know which of them were read."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.unread = set(settings)

    def __getitem__(self, key: str) -> Any:
        self.unread.discard(key)
        return super().__getitem__(key)

    def of(self, function: Callable[..., Any], prefix: str = "") -> dict[str, Any]:
        """Return the settings that the function has arguments for: ``prefix`` + the argument."""
        names = inspect.signature(function).parameters
        return {name: self[prefix + name] for name in names if prefix + name in self}


class Job:
    """How an experiment is to run, where, and what is left of an earlier attempt.

    Args:
        name, settings: Of the experiment, see `Experiment.settings`.
        smoke: Whether this is a trial.
        device: Where tensors and models go.
        folder: Keeps what is needed to go on after an interruption; None keeps nothing.
        say: Takes a line of progress.
        main: Whether this process writes files and speaks.
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
        self.config = Settings({k: v for k, v in settings.items() if k != "seeds"})
        self.seeds: list[int] = list(settings.get("seeds", ()))
        self.smoke = smoke
        self.device = torch.device(device)
        self.folder, self.main = folder, main
        self._say = say if main else None
        self._earlier = earlier
        self._data: str | None = None
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
            kept = load_plain(path)
            changed = differences(kept.get("about", {}), self._about(name))
            if changed:
                raise CheckpointError(
                    f"{path} belongs to another run: {'; '.join(changed)}. Put its own file in its "
                    "place, or delete it: this part is then computed again."
                )
            self.config.unread -= set(kept["read"])
            return kept["found"]
        found = compute()
        if self.main:
            read = sorted(self.config.keys() - self.config.unread)
            save_plain({"found": found, "read": read, "about": self._about(name)}, path)
            self._note()
        return found

    def _about(self, part: str) -> dict[str, Any]:
        """Return what a file that keeps a part of this run says of itself."""
        return {"experiment": self.name, "part of the run": part, "data": self._data}

    def uses(self, data: Data) -> None:
        """Note which data the run uses.

        Raises:
            ResumeError: If the run that is resumed used others.
        """
        state = {} if self.folder is None else read_state(self.folder)
        before = state.get("data", data.sha256)
        if before != data.sha256:
            raise ResumeError(
                f"{self.folder} holds a run with other data: the sha256 of {data.name} was "
                f"{before[:12]}..., now {data.sha256[:12]}.... Bring the old data back, or give "
                "another --work."
            )
        self._data = data.sha256
        if self.folder is not None and self.main:
            write_state(self.folder, {**state, "data": data.sha256})

    def keep(self, name: str, model: nn.Module) -> None:
        """Write the weights of a trained model beside the rest."""
        if self.folder is not None and self.main:
            about = {"experiment": self.name, "config": json.dumps(self.config)}
            save_weights(model, self.folder / f"{name}.safetensors", about)

    def training(self, name: str, epochs: int, before: int = 0, total: int = 0) -> dict[str, Any]:
        """Return the options of `gdmlib.training.fit` that keep a training and show its progress.

        Its checkpoint is called ``name``; ``before`` and ``total`` are the epochs of the trainings
        before this one, and of all of them.
        """

        def on_epoch(epoch: int, history: Any) -> None:
            note = f"loss {history['loss'][-1]:.4f}"
            if history.valid:
                note += f", validation {history.valid['loss'][-1]:.4f}"
            self.progress("epoch", before + epoch, total or epochs, note)

        options: dict[str, Any] = {"on_epoch": on_epoch, "progress": self._say is not None}
        if self.folder is not None:
            place = self.folder / f"{name}.fit.pt"
            options |= {"checkpoint": place, "resume": True, "about": self._about(name)}
        return options

    def game(self, name: str, epochs: int) -> dict[str, Any]:
        """Return the same options for a game, which has no loss of its own to show."""

        def on_epoch(epoch: int, history: Any) -> None:
            self.progress("epoch of the game", epoch, epochs)

        return {**self.training(name, epochs), "on_epoch": on_epoch}

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
        if self.folder is not None and self.main:
            remove_unfinished(self.folder)

    def _note(self, finished: bool = False) -> None:
        if self.folder is not None and self.main:
            seconds, cpu_seconds = self.spent()
            spent = {"seconds": seconds, "cpu_seconds": cpu_seconds, "finished": finished}
            write_state(self.folder, {**read_state(self.folder), **spent})


def clock(seconds: float) -> str:
    """Return a duration as people write it: 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
