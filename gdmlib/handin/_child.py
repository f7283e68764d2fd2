"""Run cells one after the other, as a fresh kernel would: `gdmlib.handin.fresh` starts this file.

It reads a line ``[[number, source], ...]`` from stdin and writes a line of JSON as each cell begins
and ends. What cells print goes nowhere, nobody answers ``input()``, and when stdin ends, because
whoever started the run has ended, so does the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from typing import Any

MESSAGE = 300  # so many characters of what an exception says are kept


def new_shell() -> Any:
    """Return an IPython shell that keeps no history and shows errors to nobody."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = InteractiveShell.instance(config=config)
    for name in ("_showtraceback", "showtraceback", "showsyntaxerror", "enable_gui"):
        setattr(shell, name, lambda *arguments, **options: None)
    # In a notebook, exit() ends the kernel.
    setattr(shell, "ask_exit", lambda: os._exit(0))  # noqa: B010 - it is not the base class's
    return shell


def main() -> None:
    """Run what stdin says."""
    sys.path[0] = ""  # as in a kernel; here it is this file's folder, whose names others bear
    sys.path.append(sys.argv[1])  # where the library is, if nothing else leads there
    cells = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with, args=(os.dup(0),), daemon=True).start()
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdin = os.fdopen(0, closefd=False)

    def say(*words: object) -> None:
        report.write(json.dumps(words) + "\n")
        report.flush()

    try:
        shell = new_shell()
    except ImportError as error:
        say("no-shell", str(error))
        return
    if any("gdmlib" in source for _, source in cells):
        with contextlib.suppress(Exception):
            # On a slow disk, loading torch takes longer than a cell may.
            import gdmlib.lesson  # noqa: F401
    for number, source in cells:
        say("begin", number)
        begin = time.perf_counter()
        result = shell.run_cell(source)
        raised = result.error_before_exec or result.error_in_exec
        name, message = ("", "") if raised is None else (type(raised).__name__, _text(raised))
        say("end", number, time.perf_counter() - begin, name, message)


def _end_with(lifeline: int) -> None:
    """End the run, and what it started, when nobody waits for it any more."""
    while os.read(lifeline, 1):
        pass
    if os.name == "posix":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _text(error: BaseException) -> str:
    """Return what an error says; one that fails at it says nothing."""
    try:
        text = " ".join(str(error).split())
        return text.encode("utf-8", errors="replace").decode()[:MESSAGE]
    except Exception:
        return ""


if __name__ == "__main__":
    main()
