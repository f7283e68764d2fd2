"""Run a submission where it can do no harm, and say what became of each of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


class Step(Protocol):
    """A piece of code to run, as `grading.arrange` hands it on."""

    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        seconds: How long a step may take.
        memory: Bytes that a submission may hold, the libraries not counted.
        output: Bytes that a step may print.
        files: Bytes that it may write.
        processes: How many processes it may start.
        restarts: How often a submission is begun again without the step that ended it.
    """

    seconds: float = 60.0
    memory: int = 3 << 30
    output: int = 10 << 20
    files: int = 256 << 20
    processes: int = 64
    restarts: int = 8


@dataclass(frozen=True)
class StepResult:
    """What became of a step.

    Attributes:
        key: The step's.
        outcome: ``"passed"``, ``"failed"`` (an assertion), ``"error"`` (another exception),
            ``"timeout"``, ``"died"``, ``"memory"``, ``"output"`` or ``"not-run"``.
        error: The exception's name, if there was one.
        message: What it says, at most 300 characters.
        output: The beginning of what the step printed.
        seconds: How long it took.
    """

    key: str
    outcome: str
    error: str = ""
    message: str = ""
    output: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """What became of a submission: a result for each step, in order.

    Attributes:
        results: One for each step, in the order of the steps.
        reason: Why the submission earns no points whatever its tests say, else empty.
    """

    results: tuple[StepResult, ...]
    reason: str = ""


class Warm:
    """A process that holds the libraries, from which every submission gets a process of its own.

    Attributes:
        fence: In one sentence what this system cannot keep submissions from; empty if nothing.
    """

    fence: str = ""

    def __init__(self, course: Path, limits: Limits | None = None) -> None:
        self.course, self.limits = course, limits or Limits()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def run(self, steps: Sequence[Step], assets: Path | None = None) -> Run:
        """Run the steps of a submission in order.

        Args:
            steps: What `grading.arrange` found.
            assets: The lesson's release folder, whose files but for notebooks lie beside the code.
        """
        raise NotImplementedError
