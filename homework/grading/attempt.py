"""Run a submission's steps until nothing is left that ends its process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .canary import CANARIES
from .process import Ended, Process, Watch
from .steps import Limits, Step, StepResult


@dataclass
class _Past:
    """What ran before a step in the same process: the student's last code, and the hungriest."""

    last: str = ""
    hungriest: str = ""
    grown: int = 0


class Attempts:
    """Attempts at a submission, each without the steps that ended the earlier ones.

    Attributes:
        results: What became of each step, by its key.
        disabled: Whether a check that must fail did not.
    """

    def __init__(self, steps: Sequence[Step], limits: Limits) -> None:
        self.steps, self.limits = steps, limits
        self.results: dict[str, StepResult] = {}
        self.disabled = False
        self.left_out: set[str] = set()
        self.suspects: dict[str, str] = {}  # for which of the lesson's cells whose code was blamed

    def complete(self, process: Process, watch: Watch) -> bool:
        """Run all steps that are not left out; return whether no other attempt is needed."""
        past = _Past()
        for step in self.steps:
            if step.key not in self.left_out:
                if not self._run(process, watch, step, past):
                    return False
                if self.disabled:
                    return True
        return True

    def _run(self, process: Process, watch: Watch, step: Step, past: _Past) -> bool:
        """Run one step; return whether the process can go on."""
        begin = time.monotonic()
        try:
            result = self._ask(process, watch, step.kind, step.source)
            if step.kind == "test" and result.outcome == "passed":
                self.disabled = not self._can_fail(process, watch)
            # What filled the memory may be gone with the exception, or still be there.
            ended = result.outcome == "memory" and process.grown > self.limits.memory // 4
        except Ended as reason:
            result, ended = StepResult("", reason.outcome, output=reason.output), True
        result = replace(result, key=step.key, seconds=time.monotonic() - begin)
        if ended:
            self._blame(step, result, past)
            return False
        self._note(step, result)
        if step.kind == "own":
            past.last = step.key
            if (grown := process.grown) > past.grown + self.limits.memory // 4:
                past.hungriest, past.grown = step.key, grown
        return True

    def _note(self, step: Step, result: StepResult) -> None:
        """Keep a result; a test that passed once has passed."""
        before = self.results.get(step.key)
        if step.kind != "test" or before is None or before.outcome != "passed":
            self.results[step.key] = result

    def _blame(self, step: Step, result: StepResult, past: _Past) -> None:
        """Leave out what ended the process: the step, or the student's code it suffers from."""
        other = ""
        if step.kind != "own" and result.outcome == "memory":
            other = past.hungriest
        elif step.kind == "given" and result.outcome != "timeout":
            other = past.last
        if step.key in self.suspects:  # it was not that code, for it happened again
            self.left_out.discard(self.suspects.pop(step.key))
            other = ""
        if other:
            self.suspects[step.key] = other
            self.left_out.add(other)
            self.results[other] = replace(self.results[other], outcome=result.outcome)
        else:
            self.left_out.add(step.key)
            self._note(step, result)

    def _can_fail(self, process: Process, watch: Watch) -> bool:
        """Return whether tests can fail in this process: each of the checks must."""
        results = (self._ask(process, watch, "check", source) for source in CANARIES)
        return all(result.outcome != "passed" for result in results)

    def _ask(self, process: Process, watch: Watch, kind: str, source: str) -> StepResult:
        """Return what the process says of a step."""
        reply, printed = process.ask(
            kind,
            source,
            seconds=self.limits.seconds,
            output=self.limits.output,
            watch=watch,
        )
        outcome, error, message = (str(reply[n]) for n in ("outcome", "error", "message"))
        return StepResult("", outcome, error, message, printed)
