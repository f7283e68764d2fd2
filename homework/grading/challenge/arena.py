"""Run an entry fenced off, each question in a process that knows nothing but the weights.

Nothing that an entry says of itself counts: the grader measures processor seconds from outside, and
judges the numbers that come out. Since every batch is answered in a process of its own, an entry
cannot gather what it is asked about.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..process import CAN_FORK, Ended, Process
from ..sandbox import Warm
from ..steps import Limits
from .entry import EntryError

LIMITS = Limits(memory=2 << 30, output=1 << 20, files=64 << 20, processes=16)
_SLACK, _START = 1.2, 2.0  # of the seconds that were announced; seconds for the first steps
_WALL = 12.0  # on a busy machine, so many seconds pass in one of the processor's

_TRAIN = """
from safetensors.torch import load_file as _load, save_file as _save
_told = train(_load("x.safetensors")["x"], seconds={seconds!r}, seed={seed!r})
if not isinstance(_told, dict) or not all(
    isinstance(k, str) and hasattr(v, "detach") for k, v in _told.items()
):
    raise TypeError(f"train must return a dict of tensors by name, got {{type(_told).__name__}}")
_save({{k: v.detach().clone().contiguous() for k, v in _told.items()}}, "answer.safetensors")
"""
_ANSWER = """
from safetensors.torch import load_file as _load, save_file as _save
_weights, _x = _load("weights.safetensors"), _load("x.safetensors")["x"]
_told = {call}
if not hasattr(_told, "detach"):
    class ExpectedTensor(Exception): pass
    raise ExpectedTensor
_save({{"answer": _told.detach().double().clone().contiguous()}}, "answer.safetensors")
"""


class Arena(Warm):
    """Trains entries and asks them.

    Attributes:
        used: Processor seconds of the last question.
    """

    def __init__(self, course: Path) -> None:
        super().__init__(course, LIMITS)
        self.used = 0.0
        self._clock: Clock | None = None
        self._most = float("inf")

    def train(self, source: str, x: Tensor, *, seconds: float, seed: int) -> bytes:
        """Train an entry and return its weights, as safetensors.

        Raises:
            EntryError: If there are none, or it took too long.
        """
        code = _TRAIN.format(seconds=seconds, seed=seed)
        return self._ask(source, {"x": save({"x": x.contiguous()})}, code, "train", seconds)

    def log_prob(self, source: str, weights: bytes, x: Tensor, seconds: float) -> Tensor:
        """Return what an entry says of points, shape (n,).

        Raises:
            EntryError: If it says nothing of use.
        """
        code = _ANSWER.format(call="log_prob(_weights, _x)", name="log_prob")
        answer = self._answer(source, weights, x, code, "log_prob", seconds)
        return check(answer, (len(x),), "log_prob")

    def step(
        self, source: str, weights: bytes, x: Tensor, at: tuple[int, int], seed: int, seconds: float
    ) -> Tensor:
        """Return what an entry makes of noise, or of its last step's result, in one step.

        Raises:
            EntryError: If it makes nothing of use.
        """
        call = f"step(_weights, _x, {at[0]}, {at[1]}, {seed})"
        code = _ANSWER.format(call=call, name="step")
        answer = self._answer(source, weights, x, code, "step", seconds)
        return check(answer, tuple(x.shape), "step").float()

    def _answer(
        self, source: str, weights: bytes, x: Tensor, code: str, name: str, seconds: float
    ) -> Tensor:
        files = {"x": save({"x": x.contiguous()}), "weights": weights}
        told = tensors(self._ask(source, files, code, name, seconds), name)
        if set(told) != {"answer"}:
            raise EntryError(f"{name} wrote a file of its own in the place of its answer")
        return told["answer"]

    def _ask(
        self, source: str, files: dict[str, bytes], code: str, name: str, seconds: float
    ) -> bytes:
        """Run the entry and then a call of it, in a process of their own."""
        with self._submission(None) as process:
            for file, data in files.items():
                (self.folder / f"{file}.safetensors").write_bytes(data)
            with self._timed(process, seconds * _SLACK + _START):
                for text, where in ((source, "its first lines"), (code, name)):
                    self._run(process, text, where, seconds)
            return read(self.folder / "answer.safetensors", self.limits.files, name)

    def _run(self, process: Process, source: str, name: str, seconds: float) -> None:
        wall = (seconds * _SLACK + _START) * _WALL
        try:
            reply, _ = process.ask(
                "own", source, seconds=wall, output=self.limits.output, watch=self._watch
            )
        except Ended as ended:
            raise EntryError(self._why(name, ended.outcome, seconds)) from None
        if reply["outcome"] != "passed":
            if reply["error"] == "ExpectedTensor":
                raise EntryError(f"{name} must return a tensor")
            # Asked about held-out data, an entry could tell them by what its error says.
            own = str(reply["message"]) if name == "train" else ""
            said = " ".join(own.split())
            raise EntryError(f"{name} stopped with {reply['error']}{': ' * bool(said)}{said}")
        # Between two looks, more may have been used than there was.
        if self._watch(process) == "cpu":
            raise EntryError(self._why(name, "cpu", seconds))

    def _why(self, name: str, outcome: str, seconds: float) -> str:
        return {
            "cpu": f"{name} is too slow: it used more than {seconds:g} processor seconds",
            "timeout": f"{name} is too slow: it did not end, nor compute",
            "memory": f"{name} needs more than {self.limits.memory >> 30} GiB of memory",
            "output": f"{name} prints, or writes into files, without an end",
            "died": f"{name} ended its process, or started too many",
        }[outcome]

    @contextmanager
    def _timed(self, process: Process, most: float) -> Iterator[None]:
        self._clock, self._most = Clock(process), most
        try:
            yield
        finally:
            self.used, self._clock = self._clock.seconds(), None

    def _watch(self, process: Process) -> str:
        if self._clock is not None and self._clock.seconds() > self._most:
            return "cpu"
        return super()._watch(process)


class Clock:
    """The processor seconds of an entry's processes, those that ended included."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.most: dict[tuple[int, float], float] = {}
        self.base = 0.0
        self.base = self.seconds()

    def seconds(self) -> float:
        """Return the seconds since the clock was made."""
        with suppress(psutil.Error):
            server = psutil.Process(self.process.server.pid)
            for each in server.children(recursive=True) + [server] * (not CAN_FORK):
                with suppress(psutil.Error):
                    times, key = each.cpu_times(), (each.pid, each.create_time())
                    self.most[key] = max(self.most.get(key, 0.0), times.user + times.system)
        return sum(self.most.values()) - self.base


def read(path: Path, most: int, name: str) -> bytes:
    """Return a file that an entry's process wrote: no link, no pipe, and not too much.

    Raises:
        EntryError: If it is not there or no such file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError:
        raise EntryError(f"{name} left no answer") from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > most:
            raise EntryError(f"{name} left no answer that can be read")
        return file.read(most)


def tensors(data: bytes, name: str) -> dict[str, Tensor]:
    """Return tensors that were saved as safetensors.

    Raises:
        EntryError: If they are none.
    """
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError):
        raise EntryError(f"{name} left no answer that can be read") from None


def check(x: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """Return an answer of the right shape that is finite.

    Raises:
        EntryError: If it is not.
    """
    if tuple(x.shape) != shape:
        raise EntryError(f"{name}: expected shape {shape}, got {tuple(x.shape)}")
    wrong = int((~torch.isfinite(x)).sum())
    if wrong:
        raise EntryError(f"{name}: {wrong} of {x.numel()} numbers are not finite")
    return x
