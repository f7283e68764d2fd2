"""What the sandbox takes and gives: steps, limits, results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Step(Protocol):
    """A piece of code to run, as `grading.arrange` hands it on."""

    @property
    def kind(self) -> str:
        """``"given"``, ``"own"`` or ``"test"``."""

    @property
    def key(self) -> str:
        """What names the step: no two have the same."""

    @property
    def source(self) -> str:
        """The code, IPython's magics allowed."""


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
