"""Run submissions, several at a time, and hand on what comes of each in the order they came in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from gdmlib.handin.notebook import read_cells, read_metadata

from .arrange import Arranged, arrange
from .intake import Handed
from .official import LessonError, Official, official
from .personal import Personal, UnknownStudent
from .sandbox import Limits, Run, Warm

_NOTHING, _NO_RUN = Arranged(()), Run(())


@dataclass(frozen=True)
class Outcome:
    """What came of running one submission.

    Attributes:
        reason: Why it earns nothing, else empty.
        again: Whether the fault may be the grader's, so that it should be tried again.
        arranged, run: What ran, and what became of it.
        look: What the teacher alone should know, else empty.
    """

    reason: str = ""
    again: bool = False
    arranged: Arranged = _NOTHING
    run: Run = _NO_RUN
    look: str = ""


class Crew:
    """Processes that run submissions; they start when the first one comes."""

    def __init__(self, course: Path, limits: Limits, jobs: int) -> None:
        self.course, self.limits, self.jobs = course, limits, max(1, jobs)
        self.official = cache(partial(official, course))
        self.personal = Personal.of(course)
        self._free: SimpleQueue[Warm] = SimpleQueue()
        self._started = False
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self.jobs)
        self._stack.callback(self._pool.shutdown, wait=True, cancel_futures=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The processes end first: a thread that waits for one would otherwise wait on.
        self._stack.close()

    def outcomes(self, items: Iterable[Handed]) -> Iterator[tuple[Handed, Outcome]]:
        """Yield what comes of each submission, in order, while the next ones are running."""
        waiting: deque[tuple[Handed, Future[Outcome]]] = deque()
        for handed in items:
            self._start()
            waiting.append((handed, self._pool.submit(self._outcome, handed)))
            # Few are read ahead: a class's notebooks may be many megabytes.
            if len(waiting) > self.jobs:
                first, future = waiting.popleft()
                yield first, future.result()
        for handed, future in waiting:
            yield handed, future.result()

    def _start(self) -> None:
        """Start the processes, once, in the main thread."""
        if not self._started:
            self._started = True
            for _ in range(self.jobs):
                warm = self._stack.enter_context(Warm(self.course, self.limits))
                self._free.put(warm)
            if warm.fence:
                print(warm.fence, flush=True)

    def own(self, handed: Handed) -> Official:
        """Return a submission's lesson, with the student's own seed where the course has seeds."""
        lesson = self.official(handed.lesson)
        return self.personal.official(lesson, handed.student) if self.personal else lesson

    def _outcome(self, handed: Handed) -> Outcome:
        """Run one submission; whatever happens, there is an outcome."""
        if handed.reason:
            return Outcome(handed.reason)
        try:
            arranged, look = self._arranged(handed)
            if arranged.reason:
                return Outcome(arranged.reason, arranged=arranged)
            run = self._run(arranged, self.course / "release" / handed.lesson)
            return Outcome(run.reason, arranged=arranged, run=run, look=look)
        except UnknownStudent as error:
            return Outcome(str(error))
        except LessonError as error:
            return Outcome(str(error), again=True)
        except Exception as error:
            return Outcome(f"the grader failed: {type(error).__name__}: {error}"[:300], again=True)

    def _arranged(self, handed: Handed) -> tuple[Arranged, str]:
        """Return a submission's steps, and what the teacher should know of its seed."""
        cells, lesson, look, note = read_cells(handed.data), self.own(handed), "", ""
        if self.personal is not None:
            metadata = read_metadata(handed.data)
            look, note = self.personal.remarks(handed.student, lesson.lesson, cells, metadata)
            cells = self.personal.cells(lesson, handed.student, cells)
        arranged = arrange(lesson, cells)
        return replace(arranged, notes=(*filter(None, [note]), *arranged.notes)), look

    def _run(self, arranged: Arranged, assets: Path) -> Run:
        warm = self._free.get()
        try:
            return warm.run(arranged.steps, assets)
        finally:
            self._free.put(warm)
