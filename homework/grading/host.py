"""Starts and ends the processes of submissions, in a folder that holds nothing of the course."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from importlib import util
from pathlib import Path
from typing import Any

import pooch
import psutil

from .process import CAN_FORK, LONGEST_REPLY, START, Ended, Process

# What a submission's process may know of the grader's environment.
_KNOWN = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *(
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "GDMLIB_DATA",
        "SYSTEMROOT",
        "WINDIR",
        "COMSPEC",
    ),
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class HostError(RuntimeError):
    """No process can be started; the message says why."""


class Host:
    """Starts submissions' processes in a folder that holds nothing of the course."""

    def __init__(self, work: Path, modules: Iterable[str]) -> None:
        self.work, self.modules = work, list(modules)
        self.server: subprocess.Popen | None = None
        self.orders: socket.socket | None = None
        self.stopping = False  # set, in another thread perhaps, where no process is to start

    def start(self, order: dict[str, Any]) -> Process:
        """Start the process of a submission, and wait until it is closed off.

        Raises:
            HostError: If it cannot be started.
        """
        (control, theirs), (output, prints) = socket.socketpair(), socket.socketpair()
        with theirs, prints:
            if CAN_FORK:
                leader = self._copy(order, theirs, prints)
                assert self.server is not None
                process = Process(self.server, leader, control, output)
            else:
                server = self._launch([theirs, prints], [], order)
                process = Process(server, server.pid, control, output)
        try:
            process.greet()
        except Ended as ended:
            self.end(process)
            raise HostError(f"no process for a submission ({ended}): {ended.output}") from None
        return process

    def end(self, process: Process) -> None:
        """End a submission's process and all that it started."""
        process.close()
        if CAN_FORK and self._order({}) is not None:
            return
        self._kill(process.server)

    def _copy(self, order: dict, *sockets: socket.socket) -> int:
        """Let the server copy itself; begin with a new server where the old one is gone."""
        for _ in range(2):
            if self.stopping:
                raise HostError("the grader is stopping")
            if self.server is None or self.server.poll() is not None:
                self._start_server()
            reply = self._order(order, *sockets)
            if reply is not None:
                return reply["started"]
            self.close()
        raise HostError("the process that holds the libraries ends as soon as it is asked")

    def _order(self, order: dict, *sockets: socket.socket) -> dict[str, Any] | None:
        """Return what the server says to an order; None if there is no server."""
        if self.orders is None:
            return None
        try:
            text = json.dumps(order).encode()
            socket.send_fds(self.orders, [text], [s.fileno() for s in sockets])
            return self._reply()
        except (OSError, ValueError):
            return None

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
        self.orders.settimeout(START)
        try:
            self._reply()
        except (OSError, ValueError):
            raise HostError(
                "the libraries could not be loaded: does "
                "`python -c 'import torch, IPython, gdmlib'` work here?"
            ) from None

    def _reply(self) -> dict[str, Any]:
        assert self.orders is not None
        text = self.orders.recv(LONGEST_REPLY)
        if not text:
            raise ValueError("nobody answers")
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
    return (
        known
        | dict.fromkeys(_THREADS, "1")
        | {
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
    )
