"""Run a submission where it can do no harm, and say what became of each of its steps."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import util
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from . import fence
from .host import Ended, Host, Process, environment

DISABLED = "the tests were disabled by the notebook"

# Each of these must fail wherever a test is to count.
CANARIES = (
    "assert False",
    "assert 1 == 2",
    "assert 1.0 < 0.0 or bool(0) or all([False]) or any([]) or abs(-1) < 0",
    "assert isinstance(1, str)",
    "import math\nassert math.isclose(1.0, 2.0) or math.isfinite(math.inf)",
    "import torch\nassert torch.allclose(torch.zeros(2), torch.ones(2))",
    "import torch\nassert torch.equal(torch.zeros(2), torch.ones(2))",
    "import torch\nassert torch.isclose(torch.zeros(1), torch.ones(1)).all()",
    "import torch\nassert torch.isfinite(torch.tensor([1e400])).all()"
    " or (torch.ones(2) < 0).any() or (torch.ones(2) == 0).any()",
    "import torch\nassert float(torch.tensor(2.0)) == 1 or abs(torch.ones(())) < 0.5",
    "import torch\ntorch.testing.assert_close(torch.zeros(2), torch.ones(2))",
    "import numpy\nassert numpy.allclose([0.0], [1.0]) or numpy.array_equal([0.0], [1.0])",
    "import numpy.testing\nnumpy.testing.assert_allclose([0.0], [1.0])",
)
# The copies of these modules are all of the grader that a submission's process can see.
_NEEDED = ("__init__.py", "warm.py", "child.py", "protect.py", "held.py", "fence.py")
_IMPORT = re.compile(r"^(?:import ([\w.]+)|from ([\w.]+) import )", flags=re.MULTILINE)


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


class _Again(Exception):  # noqa: N818
    """A step ended the process: begin again without it."""


class _Disabled(Exception):  # noqa: N818
    """A check that must fail did not."""


class Warm:
    """A process that holds the libraries, from which every submission gets a process of its own.

    Attributes:
        fence: In one sentence what this system cannot keep submissions from; empty if nothing.
    """

    def __init__(self, course: Path, limits: Limits | None = None) -> None:
        self.course, self.limits = course.resolve(), limits or Limits()
        self.fence = ""

    def __enter__(self) -> Self:
        # A folder elsewhere, with all that a submission needs: nothing in it leads to the course.
        self.work = Path(tempfile.mkdtemp(prefix="grading-")).resolve()
        (self.work / "grading").mkdir()
        for name in _NEEDED:
            shutil.copy(Path(__file__).with_name(name), self.work / "grading" / name)
        if (self.course / "checkpoints").is_dir():
            shutil.copytree(self.course / "checkpoints", self.work / "checkpoints")
        self.host = Host(self.work, imports(self.course / "release"))
        self.readable = _readable(self.work)
        try:
            self._try_fence()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.host.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def run(self, steps: Sequence[Step], assets: Path | None = None) -> Run:
        """Run the steps of a submission in order.

        A step that never ends, or ends the process, is left out, and the others are run again.

        Args:
            steps: What `grading.arrange` found.
            assets: The lesson's release folder, whose files but for notebooks lie beside the code.
        """
        results: dict[str, StepResult] = {}
        out: set[str] = set()
        for _ in range(self.limits.restarts + 1):
            try:
                with self._submission(assets) as process:
                    self._attempt(process, steps, results, out)
                break
            except _Disabled:
                return Run(_in_order(steps, results), DISABLED)
            except _Again:
                continue
        return Run(_in_order(steps, results))

    def _attempt(
        self,
        process: Process,
        steps: Sequence[Step],
        results: dict[str, StepResult],
        out: set[str],
    ) -> None:
        """Run the steps that are not left out; note what became of them."""
        own = ""
        for step in steps:
            if step.key in out:
                continue
            begin = time.monotonic()
            try:
                reply, output = self._ask(process, step.kind, step.source)
                outcome, error, message = (reply[n] for n in ("outcome", "error", "message"))
                if step.kind == "test" and outcome == "passed":
                    self._check(process)
                # What filled the memory is still there, and others would fail for it.
                full = outcome == "memory" and self._crowded(process)
            except Ended as ended:
                outcome, error, message, output = ended.outcome, "", "", ended.output
                full = True
            seconds = time.monotonic() - begin
            # The lesson's own cells are innocent: it is the student's last code that haunts them.
            culprit = own if full and step.kind == "given" and own else step.key
            result = StepResult(step.key, outcome, error, message, output, seconds)
            if culprit != step.key:
                result = replace(results[culprit], outcome=outcome)
            if culprit not in results or results[culprit].outcome != "passed" or step.kind != "test":
                results[culprit] = result
            if full:
                out.add(culprit)
                raise _Again
            own = step.key if step.kind == "own" else own

    def _check(self, process: Process) -> None:
        """See that tests can fail: each of these must."""
        for source in CANARIES:
            reply, _ = self._ask(process, "check", source)
            if reply["outcome"] == "passed":
                raise _Disabled

    def _ask(self, process: Process, kind: str, source: str) -> tuple[dict[str, str], str]:
        limits = self.limits
        return process.ask(
            kind, source, seconds=limits.seconds, output=limits.output, watch=self._watch
        )

    def _watch(self, process: Process) -> str:
        """Return for which outcome a process has to be ended, if it has."""
        used, processes = process.used()
        if used - process.base > self.limits.memory:
            return "memory"
        if processes > self.limits.processes:
            return "died"
        written = sum(f.lstat().st_size for f in self.folder.rglob("*"))
        return "output" if written > self.limits.files else ""

    def _crowded(self, process: Process) -> bool:
        return process.used()[0] - process.base > self.limits.memory / 4

    def _try_fence(self) -> None:
        """Start one process to see what it can be kept from."""
        with self._submission(None) as process:
            missing = process.missing
        inside = [p for p in self.readable if self.course.is_relative_to(p)]
        self.fence = fence.sentence([*missing, *([fence.FILES] if inside else [])])

    @contextmanager
    def _submission(self, assets: Path | None) -> Iterator[Process]:
        """Give a process in a folder of its own, and end and remove both."""
        self.folder = Path(tempfile.mkdtemp(dir=self.work, prefix="submission-"))
        try:
            for path in sorted(assets.iterdir()) if assets is not None else ():
                if path.is_dir():
                    shutil.copytree(path, self.folder / path.name)
                elif path.suffix != ".ipynb":
                    shutil.copy(path, self.folder)
            process = self.host.start(
                {
                    "folder": str(self.folder),
                    "memory": self.limits.memory,
                    "files": self.limits.files,
                    "readable": [str(path) for path in self.readable],
                }
            )
            try:
                process.greet()
                yield process
            finally:
                process.close()
        finally:
            _remove(self.folder)


def _in_order(steps: Sequence[Step], results: dict[str, StepResult]) -> tuple[StepResult, ...]:
    return tuple(results.get(step.key, StepResult(step.key, "not-run")) for step in steps)


def imports(release: Path) -> list[str]:
    """Return the modules that the lessons' notebooks import."""
    found: set[str] = set()
    for path in sorted(release.glob("*/*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                text = "".join(cell["source"])
                found.update(a or b for a, b in _IMPORT.findall(text))
    return sorted(found)


def _readable(work: Path) -> list[Path]:
    """Return what a submission may read: Python, its packages, the library, weights and data."""
    places: list[str | Path] = [sys.prefix, sys.base_prefix, sys.exec_prefix]
    places += [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    known = environment(work)
    library = util.find_spec("gdmlib")
    places += list(library.submodule_search_locations or ()) if library else []
    places += [known[n] for n in ("GDMLIB_DATA", "GDMLIB_CACHE") if n in known]
    places += [work / name for name in ("checkpoints", "matplotlib", "ipython")]
    return [Path(place).resolve() for place in places]


def _remove(folder: Path) -> None:
    """Remove a folder, whatever rights its contents were given."""
    for path in [folder, *folder.rglob("*")]:
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
