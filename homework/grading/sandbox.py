"""Run a submission where it can do no harm, and say what became of each of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from . import fence, place
from .attempt import Attempts
from .canary import DISABLED
from .host import Host, HostError
from .process import Process
from .steps import Limits, Step, StepResult

__all__ = ["DISABLED", "HostError", "Limits", "Run", "Step", "StepResult", "Warm"]


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

    def __init__(self, course: Path, limits: Limits | None = None) -> None:
        self.course, self.limits = course.resolve(), limits or Limits()
        self.fence = ""

    def __enter__(self) -> Self:
        self.work = place.make(self.course)
        self.host = Host(self.work, place.imports(self.course))
        self.readable = place.readable(self.work)
        try:
            with self._submission(None) as process:  # to see what it can be kept from
                missing = list(process.missing)
        except BaseException:
            self.close()
            raise
        if any(
            self.course.is_relative_to(path) for path in [*self.readable, *map(Path, fence.SYSTEM)]
        ):
            missing.append(fence.FILES)
        self.fence = fence.sentence(missing)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process that holds the libraries and remove its folder."""
        self.host.stopping = True
        self.host.close()
        place.remove(self.work)

    def run(self, steps: Sequence[Step], assets: Path | None = None) -> Run:
        """Run the steps of a submission in order, as long as something is left to be found out.

        A step that never ends, or ends the process, is left out, and the others are run again. The
        lesson's cells behind the last test and the student's last cell are not run.

        Args:
            steps: What `grading.arrange` found.
            assets: The lesson's release folder, whose files but for notebooks lie beside the code.

        Raises:
            HostError: If no process can be started.
        """
        needed = list(steps)
        while needed and needed[-1].kind == "given":
            needed.pop()
        attempts = Attempts(needed, self.limits)
        for _ in range(self.limits.restarts + 1):
            with self._submission(assets) as process:
                if attempts.complete(process, self._watch):
                    break
        results = (attempts.results.get(s.key, StepResult(s.key, "not-run")) for s in steps)
        return Run(tuple(results), DISABLED if attempts.disabled else "")

    def _watch(self, process: Process) -> str:
        """Return for which outcome a process has to be ended, if it has."""
        used, processes = process.used()
        if used - process.base > self.limits.memory:
            return "memory"
        if processes > self.limits.processes or not process.alive():
            return "died"
        most = self.limits.files
        return "output" if place.written(self.folder, most) > most else ""

    @contextmanager
    def _submission(self, assets: Path | None) -> Iterator[Process]:
        """Give a process in a folder of its own, and end and remove both."""
        self.folder = place.make_for_one(self.work, assets)
        try:
            process = self.host.start(
                {
                    "folder": str(self.folder),
                    "memory": self.limits.memory,
                    "files": self.limits.files,
                    "readable": [str(path) for path in self.readable],
                }
            )
            try:
                yield process
            finally:
                self.host.end(process)
        finally:
            place.remove(self.folder)
