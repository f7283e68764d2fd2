"""The grader's end of the line to submissions' processes: it starts, asks, watches and ends them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from importlib import util
from pathlib import Path
from typing import Any

import pooch
import psutil

KEEP = 10_000  # bytes of a step's output that are kept
# Where copies of a process can be made of which torch is sure to work.
CAN_FORK = sys.platform == "linux"
_TICK = 0.2  # seconds between two looks at what a submission uses
_START = 300.0  # seconds that the libraries may take to load
_LONGEST_REPLY = 1 << 16
# What a submission's process may know of the grader's environment.
_KNOWN = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "GDMLIB_DATA", "SYSTEMROOT", "WINDIR", "COMSPEC"),
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


# Says for which outcome a process that is at work must be ended, if it must.
Watch = Callable[["Process"], str]


class Ended(Exception):  # noqa: N818
    """A submission's process ended, or had to be ended: for which outcome, and with what printed."""

    def __init__(self, outcome: str, output: str = "") -> None:
        super().__init__(outcome)
        self.outcome, self.output = outcome, output


class Host:
    """Starts submissions' processes in a folder that holds nothing of the course."""

    def __init__(self, work: Path, modules: Iterable[str]) -> None:
        self.work, self.modules = work, list(modules)
        self.server: subprocess.Popen | None = None
        self.orders: socket.socket | None = None

    def start(self, order: dict[str, Any]) -> Process:
        """Start the process of a submission."""
        (control, theirs), (output, prints) = socket.socketpair(), socket.socketpair()
        try:
            if not CAN_FORK:
                server = self._launch([theirs, prints], [], order)
                return Process(self, server, server.pid, control, output)
            if self.server is None or self.server.poll() is not None:
                self._start_server()
            assert self.orders is not None and self.server is not None
            text = json.dumps(order).encode()
            socket.send_fds(self.orders, [text], [theirs.fileno(), prints.fileno()])
            started = self._reply()["started"]
            return Process(self, self.server, started, control, output)
        finally:
            theirs.close()
            prints.close()

    def end(self, process: Process) -> None:
        """End a submission's process and all that it started."""
        if CAN_FORK:
            try:
                assert self.orders is not None
                self.orders.sendall(b'{"end": true}')
                self._reply()
                return
            except (OSError, ValueError):
                pass  # the server is gone
        self._kill(process.server)

    def close(self) -> None:
        """End everything."""
        if self.server is not None and self.orders is not None:
            self.orders.close()
            try:
                self.server.wait(10)
            except subprocess.TimeoutExpired:
                self._kill(self.server)
        self.server = self.orders = None

    def _start_server(self) -> None:
        self.close()
        self.orders, theirs = socket.socketpair()
        with theirs:
            self.server = self._launch([theirs], self.modules, None)
        self.orders.settimeout(_START)
        self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self.orders is not None
        text = self.orders.recv(_LONGEST_REPLY)
        if not text:
            raise ValueError("the process that holds the libraries ended")
        return json.loads(text)

    def _launch(
        self, sockets: list[socket.socket], modules: list[str], order: dict | None
    ) -> subprocess.Popen:
        """Start `grading.warm` and hand the sockets on to it."""
        posix = os.name == "posix"
        handles = tuple(s.fileno() for s in sockets) if posix else ()
        process = subprocess.Popen(
            [sys.executable, "-m", "grading.warm"],
            cwd=self.work,
            env=environment(self.work),
            stdin=subprocess.PIPE,
            pass_fds=handles,
            text=True,
            start_new_session=posix,  # Ctrl-C is the grader's
        )
        shared = handles or [
            base64.b64encode(s.share(process.pid)).decode()  # type: ignore[attr-defined]
            for s in sockets
        ]
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(json.dumps({"sockets": shared, "modules": modules, "order": order}) + "\n")
        return process

    def _kill(self, server: subprocess.Popen) -> None:
        with contextlib.suppress(psutil.Error):
            for left in [*psutil.Process(server.pid).children(recursive=True), server]:
                with contextlib.suppress(psutil.Error, OSError):
                    left.kill()
        server.wait()


def environment(work: Path) -> dict[str, str]:
    """Return the environment of submissions' processes: nothing in it leads to the course."""
    known = {name: os.environ[name] for name in _KNOWN if name in os.environ}
    place = util.find_spec("gdmlib")
    if place is not None and place.origin is not None:
        # The library that the grader itself has, wherever it comes from.
        paths = [str(Path(place.origin).parents[1]), *filter(None, [known.get("PYTHONPATH")])]
        known["PYTHONPATH"] = os.pathsep.join(paths)
    # Its own choice depends on the home folder, which is another one there.
    known["GDMLIB_CACHE"] = os.environ.get("GDMLIB_CACHE") or str(pooch.os_cache("gdmlib"))
    return known | dict.fromkeys(_THREADS, "1") | {
        "HOME": str(work),
        "TMPDIR": str(work),
        "GDMLIB_BUDGET": "grade",
        "GDMLIB_PROGRESS": "0",
        "GDMLIB_CHECKPOINTS": str(work / "checkpoints"),
        "IPYTHONDIR": str(work / "ipython"),
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": str(work / "matplotlib"),
        "PYTHONIOENCODING": "utf-8:replace",
    }


class Process:
    """The process of one submission, to which steps are given one by one."""

    def __init__(
        self,
        host: Host,
        server: subprocess.Popen,
        leader: int,
        control: socket.socket,
        output: socket.socket,
    ) -> None:
        self.host, self.server, self.leader = host, server, leader
        self.control, self.output = control, output
        self.received = b""
        self.base = 0
        self.selector = selectors.DefaultSelector()
        for stream in (control, output):
            stream.setblocking(False)
            self.selector.register(stream, selectors.EVENT_READ)

    def close(self) -> None:
        """End the process."""
        self.selector.close()
        self.control.close()
        self.output.close()
        self.host.end(self)

    def greet(self) -> None:
        """Wait until the process is closed off, and note what it is not kept from."""
        reply, _ = self._listen("", _START, 1 << 20, lambda process: "")
        self.base = self.used()[0]
        self.missing: list[str] = reply["missing"]

    def ask(
        self, kind: str, source: str, *, seconds: float, output: int, watch: Watch
    ) -> tuple[dict[str, str], str]:
        """Let the process run a step; return what it says and the beginning of what was printed.

        Raises:
            Ended: If it used too much, or is no more.
        """
        ticket = secrets.token_hex(8)
        request = json.dumps({"kind": kind, "source": source, "ticket": ticket}) + "\n"
        try:
            self.control.settimeout(seconds)
            self.control.sendall(request.encode())
            self.control.setblocking(False)
        except OSError:
            raise Ended("died") from None
        return self._listen(ticket, seconds, output, watch)

    def used(self) -> tuple[int, int]:
        """Return the bytes in memory and the number of the submission's processes."""
        bytes_, count = 0, 0
        with contextlib.suppress(psutil.Error):
            server = psutil.Process(self.server.pid)
            for process in server.children(recursive=True) + [server] * (not CAN_FORK):
                with contextlib.suppress(psutil.Error):
                    bytes_ += process.memory_info().rss
                    count += 1
        return bytes_, count

    def _listen(
        self, ticket: str, seconds: float, output: int, watch: Watch
    ) -> tuple[dict[str, Any], str]:
        """Wait for the reply with this ticket; whatever else is said counts for nothing."""
        printed = Printed(output)
        end = time.monotonic() + seconds
        look = time.monotonic() + _TICK
        while True:
            for key, _ in self.selector.select(_TICK):
                if key.fileobj is self.output:
                    self._read_output(printed)
                elif not self._receive():
                    self._read_output(printed)
                    raise Ended("died", printed.text)
            reply = self._next(ticket)
            if reply is not None:
                self._read_output(printed)
            outcome = "output" if printed.count > output else ""
            now = time.monotonic()
            if not outcome and reply is None:
                if now > look:
                    look, outcome = now + _TICK, watch(self)
                outcome = outcome or ("timeout" if now > end else "")
            if outcome:
                raise Ended(outcome, printed.text)
            if reply is not None:
                return reply, printed.text

    def _read_output(self, printed: Printed) -> None:
        """Take what was printed, as long as there is something and it is not too much."""
        with contextlib.suppress(OSError, KeyError):
            while printed.count <= printed.most:
                chunk = self.output.recv(1 << 16)
                if not chunk:
                    self.selector.unregister(self.output)
                    return
                printed.add(chunk)

    def _receive(self) -> bool:
        """Take what the process says; return whether it is still there."""
        try:
            chunk = self.control.recv(1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.received = (self.received + chunk)[-_LONGEST_REPLY:]
        return bool(chunk)

    def _next(self, ticket: str) -> dict[str, Any] | None:
        """Return the reply with this ticket, if it is there."""
        *lines, self.received = self.received.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, AttributeError):
                reply = json.loads(line)
                if reply.get("ticket", "") == ticket:
                    return reply
        return None


class Printed:
    """What a step printed: how much, and the beginning."""

    def __init__(self, most: int) -> None:
        self.most, self.count, self.kept = most, 0, b""

    def add(self, chunk: bytes) -> None:
        """Count some bytes, and keep them as long as there are few."""
        self.count += len(chunk)
        self.kept += chunk[: max(0, KEEP - len(self.kept))]

    @property
    def text(self) -> str:
        """The beginning, as text."""
        return self.kept.decode("utf-8", errors="replace")
