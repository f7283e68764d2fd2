"""Run a notebook from top to bottom in a fresh process, within limits of time."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gdmlib.handin.notebook import StudentCell

CELL_SECONDS = 300.0
TOTAL_SECONDS = 1200.0
GRADED_SECONDS = 60.0  # what the course's grader gives a cell
RUNNING = "GDMLIB_HANDIN"  # set while a notebook is run by this very check
STARTING = 300.0  # seconds in which Python and torch must be loaded, on the slowest of disks


class NoShellError(RuntimeError):
    """Nothing here can run a notebook; the message says what to install."""


@dataclass(frozen=True)
class Ran:
    """What became of a cell that ran.

    Attributes:
        number: The cell, counted from 1.
        seconds: How long it took.
        outcome: ``"passed"``, ``"error"``, ``"timeout"``, ``"total"`` (the whole notebook took too
            long) or ``"died"``.
        error: The exception's name, if there was one.
        message: What it says.
    """

    number: int
    seconds: float
    outcome: str
    error: str = ""
    message: str = ""


@dataclass(frozen=True)
class Run:
    """A run: what became of each cell, in order, and of how many nothing did.

    Attributes:
        cells: One entry for each cell that was begun.
        seconds: From the first cell to the last.
        skipped: How many cells a cell that had to be stopped left unrun.
    """

    cells: tuple[Ran, ...]
    seconds: float
    skipped: int = 0

    @property
    def slowest(self) -> Ran | None:
        """The cell that took longest."""
        return max(self.cells, key=lambda ran: ran.seconds, default=None)


def run(
    cells: Iterable[StudentCell],
    folder: Path,
    *,
    cell_seconds: float = CELL_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> Run:
    """Run a notebook's code as "Restart and run all" does, on the budget on which it is graded.

    ``GDMLIB_BUDGET`` names another budget: on ``cpu`` it takes as long as the lesson does.

    Args:
        cells: The notebook's.
        folder: Where it runs: the notebook's own folder.
        cell_seconds: How long a cell may take.
        total_seconds: How long all of them may take.

    Raises:
        NoShellError: If there is no IPython.
    """
    code = [[n, c.source] for n, c in enumerate(cells, start=1) if c.kind == "code"]
    lines: queue.Queue[str | None] = queue.Queue()
    process = _start(folder)
    threading.Thread(target=_speak, args=(process, json.dumps(code)), daemon=True).start()
    threading.Thread(target=_listen, args=(process, lines), daemon=True).start()
    try:
        return _follow(lines, len(code), cell_seconds, total_seconds)
    finally:
        _end(process)


def _follow(
    lines: queue.Queue[str | None], many: int, cell_seconds: float, total_seconds: float
) -> Run:
    """Take down what the process says until it has ended or has to be."""
    done: list[Ran] = []
    number, begin, first = 0, time.monotonic(), 0.0
    while len(done) < many:
        now = time.monotonic()
        left = total_seconds - (now - first) if first else STARTING
        mine = begin + cell_seconds - now if number else left
        try:
            line = lines.get(timeout=max(0.0, min(mine, left)))
        except queue.Empty:
            outcome = "timeout" if mine <= left else "total"
            done.append(Ran(number, time.monotonic() - begin, outcome))
            break
        if line is None or not line.endswith("\n"):  # it ended, in the middle of a line perhaps
            done.append(Ran(number, time.monotonic() - begin, "died"))
            break
        word, *rest = json.loads(line)
        if word == "no-shell":
            raise NoShellError(f"{rest[0]}: to run notebooks, pip install ipykernel")
        begin = time.monotonic()
        first = first or begin
        number = int(rest[0]) if word == "begin" else 0
        if word == "end":
            at, seconds, error, message = rest
            done.append(Ran(at, seconds, "error" if error else "passed", error, message))
    seconds = time.monotonic() - first if first else 0.0
    return Run(tuple(done), seconds, many - len(done))


def _start(folder: Path) -> subprocess.Popen[bytes]:
    child = Path(__file__).with_name("_child.py")
    settings = {RUNNING: "1", "GDMLIB_PROGRESS": "0", "PYTHONIOENCODING": "utf-8"}
    # What a running notebook tells its own figures to do does not hold in a plain process.
    settings["MPLBACKEND"] = "agg"
    return subprocess.Popen(
        [sys.executable, str(child), str(Path(__file__).resolve().parents[2])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={"GDMLIB_BUDGET": "grade"} | os.environ | settings,
        start_new_session=os.name == "posix",
    )


def _speak(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()  # and left open: its end would end the run


def _listen(process: subprocess.Popen[bytes], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.decode("utf-8", errors="replace"))
    lines.put(None)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
