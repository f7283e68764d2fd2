"""What runs in a submission's own process: its steps, one after the other, as they come in.

The lesson's own cells and the tests run in a module of their own, which the student's code never
sees; the student's module gets what they bind. So whoever rebinds one of the lesson's names changes
it for the own code only, as in the notebook, and tests see the lesson's.
"""

from __future__ import annotations

import builtins
import contextlib
import dis
import json
import os
import socket
import sys
import tempfile
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from . import fence, held, protect

MESSAGE, NAME = 300, 100  # so many characters of what an exception says, and of its name, are kept
_NO_MEMORY = ("can't allocate memory", "Cannot allocate memory", "Unable to allocate")


def new_shell() -> InteractiveShell:
    """Return an IPython shell that keeps no history and reports errors to nobody."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = InteractiveShell(config=config)
    # What a step says is in its result: tracebacks take long and can be as long as they like. The
    # rest is what only a terminal or a notebook could do.
    for name in ("_showtraceback", "showtraceback", "showsyntaxerror", "enable_gui", "ask_exit"):
        setattr(shell, name, lambda *arguments, **options: None)
    shell.system = shell.system_raw  # type: ignore[method-assign]  # without a pseudo-terminal
    return shell


class Lesson:
    """Two modules, the lesson's and the student's, and what is run in them."""

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self.libraries = protect.Libraries(modules)
        self.compile, self.execute, self.builtins = compile, exec, dict(vars(builtins))
        self.official, self.student = new_shell(), new_shell()
        # What `get_ipython()` finds, and what asks for the shell: the student's.
        InteractiveShell._instance = self.student  # type: ignore[assignment]
        self.restore: list[Any] = []

    def run(self, kind: str, source: str) -> BaseException | None:
        """Run a step and return what it raised."""
        if kind in ("given", "test"):
            self._release()
        if kind == "given":
            return self._given(source)
        if kind != "check":
            self._hold()
        return self._own(source) if kind == "own" else self._test(source, keep=kind == "test")

    def _mend_builtins(self) -> None:
        """Put the builtins back at once: without them, nothing else works."""
        current = builtins.__dict__
        for name in self.builtins:
            if name not in current or current[name] is not self.builtins[name]:
                current[name] = self.builtins[name]

    def _hold(self) -> None:
        """Remember the lesson's values and the settings before code of the student runs."""
        if not self.restore:
            names = self.official.user_ns
            values = {n: v for n, v in names.items() if not n.startswith("_")}
            self.restore = [protect.hold_settings(), *held.hold_values(values)]

    def _release(self) -> None:
        """Put back what code of the student has changed."""
        if self.restore:
            self.libraries.restore()
            for restore in self.restore:
                restore()
            self.restore = []

    def _own(self, source: str) -> BaseException | None:
        try:
            return _run_cell(self.student, source, silent=False)
        finally:
            self._mend_builtins()

    def _given(self, source: str) -> BaseException | None:
        names, before = self.official.user_ns, dict(self.official.user_ns)
        try:
            text = self.official.transform_cell(source)
            bound = _bound(self.compile(text, "<cell>", "exec", dont_inherit=True))
        except (SyntaxError, ValueError):  # `await` at the top level
            bound = set()
        error = _run_cell(self.official, source, silent=True)
        self.student.user_ns.update(_new(before, names, bound))
        return error

    def _test(self, source: str, *, keep: bool) -> BaseException | None:
        own, official = self.student.user_ns, self.official.user_ns
        before = {**own, **official}
        # A fresh copy: what the student put into the real builtins is nothing to a test.
        names = {**before, "__builtins__": dict(self.builtins), "__name__": "__main__"}
        error: BaseException | None = None
        bound: set[str] = set()
        try:
            code = self.compile(source, "<test>", "exec", dont_inherit=True, optimize=0)
            bound = _bound(code)
            self.execute(code, names)
        except BaseException as raised:
            error = raised
        self._mend_builtins()
        if keep:
            new = _new(before, names, bound)
            own.update(new)
            official.update(new)
        return error


def _bound(code: types.CodeType) -> set[str]:
    """Return the names that a cell binds."""
    return {str(i.argval) for i in dis.get_instructions(code) if i.opname == "STORE_NAME"}


def _new(before: dict, after: dict, bound: set[str]) -> dict[str, Any]:
    """Return what a cell bound: also names that mean what they meant, but nothing private."""
    gone = object()
    return {
        name: value
        for name, value in list(after.items())
        if not name.startswith("__")
        and (name in bound or (name[:1] != "_" and before.get(name, gone) is not value))
    }


def _run_cell(shell: InteractiveShell, source: str, *, silent: bool) -> BaseException | None:
    """Run a cell in the module of a shell and return what it raised."""
    sys.modules["__main__"] = shell.user_module
    try:
        result = shell.run_cell(source, store_history=False, silent=silent)
    except BaseException as raised:  # what gets through IPython's own net, such as SystemExit
        return raised
    return result.error_before_exec or result.error_in_exec


def describe(error: BaseException | None) -> dict[str, str]:
    """Return the outcome, the exception's name and the beginning of what it says."""
    if error is None:
        return {"outcome": "passed", "error": "", "message": ""}
    try:
        name, message = str(type(error).__name__)[:NAME], str(error)[:MESSAGE]
    except BaseException:  # the student's own `__str__` may do anything
        name, message = "Exception", ""
    memory = isinstance(error, MemoryError) or any(sign in message for sign in _NO_MEMORY)
    failed = isinstance(error, AssertionError)
    outcome = "memory" if memory else "failed" if failed else "error"
    return {"outcome": outcome, "error": name, "message": message}


def serve(
    lesson: Lesson, control: socket.socket, output: socket.socket, order: dict[str, Any]
) -> None:
    """Be the process of one submission: close everything off, then run what comes in."""
    folder = Path(order["folder"])
    streams = Streams(output)
    _settle(folder)
    if hasattr(os, "setsid"):
        with contextlib.suppress(PermissionError):  # a new process leads its session already
            os.setsid()
    fence.limit(order["memory"], order["files"])
    missing = fence.close(order["readable"], folder)
    with control.makefile("rw", encoding="utf-8", newline="\n") as talk:
        _say(talk, {"missing": missing})
        for line in talk:
            _answer(lesson, talk, json.loads(line))
            streams.renew()


def _answer(lesson: Lesson, talk: TextIO, request: dict[str, str]) -> None:
    """Run one step and say what became of it."""
    reply = describe(lesson.run(request["kind"], request["source"]))
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # the student closed or replaced it
            continue
    _say(talk, {"ticket": request["ticket"], **reply})


def _say(talk: TextIO, message: dict[str, Any]) -> None:
    talk.write(json.dumps(message) + "\n")
    talk.flush()


class Streams:
    """The standard streams: what is printed goes to the grader, by whichever way it is printed."""

    def __init__(self, output: socket.socket) -> None:
        self.output = output
        self.nothing = os.open(os.devnull, os.O_RDONLY)
        self.renew()

    def renew(self) -> None:
        """Set them up, whatever became of them."""
        if os.name == "posix":
            for number, source in enumerate(
                (self.nothing, self.output.fileno(), self.output.fileno())
            ):
                os.dup2(source, number)
            stream: TextIO = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        else:
            stream = self.output.makefile("w", encoding="utf-8", errors="replace")
        for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
            setattr(sys, name, stream)
        sys.stdin = open(self.nothing, encoding="utf-8", closefd=False)  # noqa: SIM115


def _settle(folder: Path) -> None:
    """Make the submission's folder the only place that it knows."""
    os.chdir(folder)
    for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "PWD"):
        os.environ[name] = str(folder)
    tempfile.tempdir = None
    sys.dont_write_bytecode = True
    sys.argv[:] = ["notebook"]
