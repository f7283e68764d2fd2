"""The process of one submission, seen from the grader: it is asked, watched, and cut short."""

from __future__ import annotations

import contextlib
import json
import secrets
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

KEEP = 10_000  # bytes of a step's output that are kept
# Where copies of a process can be made of which torch is sure to work.
CAN_FORK = sys.platform == "linux"
START = 300.0  # seconds that the libraries may take to load
LONGEST_REPLY = 1 << 16
_TICK = 0.2  # seconds between two looks at what a submission uses

# Says for which outcome a process that is at work must be ended, if it must.
Watch = Callable[["Process"], str]


class Ended(Exception):  # noqa: N818
    """A submission's process ended or had to be ended: with which outcome, after what output."""

    def __init__(self, outcome: str, output: str = "") -> None:
        super().__init__(outcome)
        self.outcome, self.output = outcome, output


class Process:
    """The process of one submission, to which steps are given one by one."""

    def __init__(
        self,
        server: subprocess.Popen,
        leader: int,
        control: socket.socket,
        output: socket.socket,
    ) -> None:
        self.server, self.leader = server, leader
        self.control, self.output = control, output
        self.received = b""
        self.base = 0
        self.selector = selectors.DefaultSelector()
        for stream in (control, output):
            stream.setblocking(False)
            self.selector.register(stream, selectors.EVENT_READ)

    def close(self) -> None:
        """Listen no more."""
        self.selector.close()
        self.control.close()
        self.output.close()

    def greet(self) -> None:
        """Wait until the process is closed off, and note what it is not kept from."""
        reply, _ = self._listen("", START, 1 << 20, lambda process: "")
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

    @property
    def grown(self) -> int:
        """The bytes that the submission has added to what the libraries take."""
        return self.used()[0] - self.base

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

    def alive(self) -> bool:
        """Return whether the process itself is at work, whatever it started."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.leader).status() != psutil.STATUS_ZOMBIE
        return False

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
        self.received = (self.received + chunk)[-LONGEST_REPLY:]
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
