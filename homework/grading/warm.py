"""The process that holds the libraries: each submission gets a copy, before any step is known.

Started by `grading.host`, it reads from its standard input which sockets to talk through. Where
processes can be copied (``fork``), it makes a copy of itself for each submission; elsewhere it is
started anew for each submission and is its process itself.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import shutil
import signal
import socket
import sys
import time
import traceback
import warnings
from pathlib import Path

import matplotlib
import psutil
import torch

from . import child, fence


def prepare(modules: list[str]) -> child.Lesson:
    """Import what lessons import, and return the modules in which a submission will run."""
    matplotlib.use("agg")
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("numpy.testing", "torch.testing", "matplotlib.pyplot", *modules):
            # A module that is missing is the lesson's business, which says so itself.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        # It loads more when it is first used.
        with contextlib.suppress(AssertionError):
            torch.testing.assert_close(torch.zeros(1), torch.ones(1))
        return child.Lesson(modules)


def serve(lesson: child.Lesson, orders: socket.socket) -> None:
    """Start and end submissions as ordered, until nobody orders any more."""
    fence.adopt_orphans()
    orders.sendall(b'{"ready": true}\n')
    started = 0
    while True:
        text, handles, _, _ = socket.recv_fds(orders, 1 << 16, 2)
        if started:
            end_descendants(started)
            started = 0
        if not text:
            return
        if order := json.loads(text):
            started = os.fork()
            if not started:
                orders.close()
                be_submission(lesson, handles[0], handles[1], order)
        for handle in handles:
            os.close(handle)
        orders.sendall(json.dumps({"started": started}).encode() + b"\n")


def be_submission(lesson: child.Lesson, control: int, output: int, order: dict) -> None:
    """Run a submission in this process, which ends with it."""
    try:
        os.closerange(3, min(control, output))
        with socket.socket(fileno=control) as talk, socket.socket(fileno=output) as prints:
            child.serve(lesson, talk, prints, order)
    except BaseException:
        traceback.print_exc()  # becomes what the step printed
        sys.stderr.flush()
    finally:
        os._exit(0)


def end_descendants(leader: int) -> None:
    """End a submission's process and all that it left behind."""
    with contextlib.suppress(OSError):
        os.killpg(leader, signal.SIGKILL)
    me = psutil.Process()
    while left := me.children(recursive=True):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.001)


def open_socket(handle: int | str) -> socket.socket:
    """Return a socket that the grader handed on: by number or, on Windows, by description."""
    if isinstance(handle, int):
        return socket.socket(fileno=handle)
    return socket.fromshare(base64.b64decode(handle))  # type: ignore[attr-defined]


def main() -> None:
    """Read from the standard input what to be, and be it."""
    settings = json.loads(sys.stdin.readline())
    sockets = [open_socket(handle) for handle in settings["sockets"]]
    lesson = prepare(settings["modules"])
    if settings["order"]:
        child.serve(lesson, sockets[0], sockets[1], settings["order"])
    else:
        work = Path.cwd()
        try:
            serve(lesson, sockets[0])
        finally:
            # The grader removes it, unless it was ended before it could.
            shutil.rmtree(work, ignore_errors=True)
            os._exit(0)  # IPython would tidy up at length


if __name__ == "__main__":
    main()
