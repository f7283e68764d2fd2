"""Run the lessons whose source changed, and store their outputs: ``make execute``.

``python -m tools.execute [--force] [STEM or FILE ...]`` runs each lesson in a fresh kernel, as a
student would on a laptop: budget ``cpu``, two threads, no data but what the library brings along.
A notebook is replaced at once after its last cell succeeded; whatever stops a run earlier, an error
or an interruption, leaves the file as it was.

What is stored is kept small and quiet: pictures become palette PNGs, widgets go, nothing tells the
time or the machine. Anything that a cell writes to stderr counts as an error. A lesson counts as
unchanged when the hash of its code cells is the recorded one (:func:`tools.notebooks.source_hash`);
after a change of ``gdmlib`` use ``--force``.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from tools.addresses import ROOT
from tools.notebooks import (
    KERNELSPEC,
    Cell,
    Notebook,
    dumps,
    is_fresh,
    lessons,
    read,
    source_hash,
    write_text,
)
from tools.tidy import tidy

CELL_TIMEOUT = 600  # seconds


class ExecutionError(Exception):
    """A lesson did not run from its first to its last cell without a complaint."""


# --- running --------------------------------------------------------------------------------------


def kernel_environment(scratch: str) -> dict[str, str]:
    """Return the environment in which every lesson runs, whoever runs it."""
    environment = {
        key: value
        for key, value in os.environ.items()
        # A lesson must not lean on data, weights or settings that only this machine has.
        if key not in {"GDMLIB_DATA", "GDMLIB_CHECKPOINTS", "MPLBACKEND", "PYTHONSTARTUP"}
    }
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    return (
        environment
        | threads
        | {
            "GDMLIB_BUDGET": "cpu",
            "GDMLIB_PROGRESS": "0",
            # Threads that wait sleep: on a busy machine, spinning costs several times the work.
            "OMP_WAIT_POLICY": "PASSIVE",
            "IPYTHONDIR": scratch,
            "JUPYTER_PREFER_ENV_PATH": "1",
            "PYTHONHASHSEED": "0",
        }
    )


class MemoryWatch:
    """Measures the largest memory, in MB, that a process and its children hold at one time."""

    def __init__(self, pid: int, interval: float = 0.1) -> None:
        self.peak_mb = 0.0
        self._process = psutil.Process(pid)
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            try:
                family = [self._process, *self._process.children(recursive=True)]
                held = sum(process.memory_info().rss for process in family) / 2**20
                self.peak_mb = max(self.peak_mb, held)
            except psutil.Error:
                pass  # a process ended between two looks
            if self._stop.wait(self._interval):
                return


def run(notebook: Notebook) -> Notebook:
    """Return a copy of a notebook with the outputs of a fresh run, cleaned, and its record.

    Raises:
        ExecutionError: If a cell raises an error, writes to stderr, takes too long, or the kernel
            dies.
    """
    data = nbformat.from_dict(notebook.data)
    for cell in data.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    with tempfile.TemporaryDirectory() as scratch:
        client = NotebookClient(
            data,
            timeout=CELL_TIMEOUT,
            kernel_name=KERNELSPEC["name"],
            record_timing=False,
            coalesce_streams=True,
            shutdown_kernel="immediate",
            extra_arguments=["--log-level=ERROR"],  # the kernel's own messages, not the lesson's
            resources={"metadata": {"path": str(notebook.path.resolve().parent)}},
        )
        begin = time.perf_counter()
        with (
            client.setup_kernel(env=kernel_environment(scratch)),
            MemoryWatch(_kernel_pid(client)) as memory,
        ):
            for index, cell in enumerate(data.cells):
                _run_cell(client, cell, index)
        seconds = time.perf_counter() - begin
    done = Notebook(notebook.path, data)
    tidy(done)
    data.metadata["gdm"] = {
        "source_hash": source_hash(done),
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(memory.peak_mb),
    }
    return done


def _kernel_pid(client: NotebookClient) -> int:
    manager: Any = client.km
    return manager.provisioner.pid


def _run_cell(client: NotebookClient, cell: Cell, index: int) -> None:
    name = cell.get("id", index)
    try:
        client.execute_cell(cell, index)
    except CellExecutionError as error:
        trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback.splitlines()[-25:]))
        raise ExecutionError(
            f"cell {name!r} raised {error.ename}: {error.evalue}\n{trace}"
        ) from None
    except CellTimeoutError:
        raise ExecutionError(f"cell {name!r} took more than {CELL_TIMEOUT} s") from None
    except DeadKernelError:
        raise ExecutionError(f"the kernel died in cell {name!r}") from None
    for output in cell.get("outputs", []):
        if output.get("name") == "stderr" and output["text"].strip():
            raise ExecutionError(
                f"cell {name!r} wrote to stderr, which would stand on the page:\n{output['text']}"
            )


# --- the command ----------------------------------------------------------------------------------


def execute(path: Path) -> Notebook:
    """Run one notebook and replace its file, at once, when all went well."""
    done = run(read(path))
    write_text(path, dumps(done.data))
    return done


def _chosen(names: list[str]) -> list[Path]:
    """Return the notebooks of these stems or file names; all lessons if there is no name."""
    if not names:
        return lessons()
    paths = []
    for name in names:
        path = Path(name)
        if path.suffix != ".ipynb":
            path = ROOT / "notebooks" / f"{name}.ipynb"
        if not path.is_file():
            known = ", ".join(lesson.stem for lesson in lessons()) or "none yet"
            raise FileNotFoundError(f"no notebook {name!r}; lessons are: {known}")
        paths.append(path)
    return paths


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Execute lessons; return 0 if all is well, 1 if one failed, 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tools.execute", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="STEM", help="lessons; by default all")
    parser.add_argument("--force", action="store_true", help="run unchanged lessons too")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        paths = _chosen(options.names)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    failed = 0
    for path in paths:
        try:
            notebook = read(path)
            if is_fresh(notebook) and not options.force:
                print(f"{path.name}: unchanged")
                continue
            print(f"{path.name}: running", flush=True)
            record = execute(path).record
        except KeyboardInterrupt:
            print(f"{path.name}: interrupted; the file is as it was", file=sys.stderr)
            return 130
        except (ExecutionError, OSError, ValueError) as error:
            print(f"{path.name}: {error}\n{path.name}: the file is as it was", file=sys.stderr)
            failed += 1
        else:
            print(f"{path.name}: {record['seconds']} s, {record['peak_memory_mb']} MB", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
