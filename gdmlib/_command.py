"""What the command lines of the library share: short complaints, and readers that leave early."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

STOPPED = 130
"""The status of a program that Ctrl-C has ended, as shells have it."""


class Parser(argparse.ArgumentParser):
    """Complains in one line; ``--help`` shows the rest."""

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        self.exit(2, f"{self.prog}: {message}; --help shows how it is used\n")


def nobody_reads() -> None:
    """Let all that is still to be said go nowhere: whoever reads our output has enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(main: Callable[[], int]) -> NoReturn:
    """Run a command line and leave with its status; a reader that leaves early is no error."""
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads()
        status = 0
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        status = STOPPED
    sys.exit(status)
