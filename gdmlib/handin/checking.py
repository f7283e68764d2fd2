"""The check itself: what differs from the release, whether it runs, and what to do, in words."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from gdmlib.handin import fresh, here, personal
from gdmlib.handin.code import binds
from gdmlib.handin.compare import Compared, compare
from gdmlib.handin.manifest import Entry, Manifest, ManifestError, digest, find, loads
from gdmlib.handin.notebook import StudentCell, UnreadableNotebook, read_cells, read_metadata
from gdmlib.handin.report import Report
from gdmlib.handin.words import Finding

_RESTART = "Restart the kernel, run all cells, and mend what stops."


def check_source(
    source: here.Source,
    manifest: Manifest | None = None,
    *,
    student: str = "",
    run: bool = True,
    cell_seconds: float = fresh.CELL_SECONDS,
    total_seconds: float = fresh.TOTAL_SECONDS,
) -> Report:
    """Check one notebook.

    Args:
        source: The notebook.
        manifest: What must be in it; by default what the notebook itself says.
        student: Whose copy it must be; empty: anybody's.
        run: Whether to run it, too.
        cell_seconds: How long a cell may take.
        total_seconds: How long all of them may take.

    Raises:
        NoShellError: If it is to run and there is no IPython.
    """
    begin = time.perf_counter()
    try:
        cells = read_cells(source.data)
        manifest = manifest or find(cells, read_metadata(source.data))
    except UnreadableNotebook as error:
        return Report(source.name, "", (Finding("unreadable", f"{source.name}: {error}.", ""),))
    except ManifestError as error:
        return Report(source.name, "", (Finding("manifest", f"{source.name}: {error}.", ""),))
    compared = compare(manifest, cells)
    own = personal.compare(manifest.personal, cells, student)
    findings = [*_unsaved(manifest, cells, source.ran), *own, *compared.findings]
    checking = time.perf_counter() - begin
    done = None
    if run:
        done = fresh.run(
            cells, source.folder, cell_seconds=cell_seconds, total_seconds=total_seconds
        )
        begin = time.perf_counter()
        sources = {n: cell.source for n, cell in enumerate(cells, start=1)}
        findings += _of_run(done, compared, sources, cell_seconds, total_seconds)
        checking += time.perf_counter() - begin
    exercises = tuple(dict.fromkeys(entry.title for entry in manifest.answers))
    return Report(
        source.name,
        manifest.lesson,
        tuple(findings),
        exercises,
        tuple(dict.fromkeys(compared.open)),
        done,
        checking,
        source.saved,
    )


def check(text: str, *, run: bool = True) -> Report | None:
    """Check the notebook in which this stands, as the last cell of every release does.

    While the notebook is graded, or run by this very check, nothing happens.

    Args:
        text: What the release's tests and answers are; the cell must stay as it is.
        run: Whether to run the notebook in a fresh process, too.
    """
    if os.environ.get("GDMLIB_BUDGET") == "grade" or os.environ.get(fresh.RUNNING):
        print("The notebook is being graded or checked: nothing to do.")
        return None
    try:
        manifest = loads(text)
        source = here.running(manifest.lesson)
        print(f"Checking {source.name}; it is run once, from top to bottom.", flush=True)
        report = check_source(source, manifest, run=run)
    except (ManifestError, here.NotFoundError, fresh.NoShellError) as error:
        print(f"The notebook cannot be checked: {error}.")
        return None
    print(report)
    return report


def check_file(path: Path, release: Path | None = None, **options: object) -> Report:
    """Check a file, by what it says itself or by a fresh copy of its lesson.

    Raises:
        OSError: If a file cannot be read.
        ManifestError: If the release says nothing of its tests.
        UnreadableNotebook: If the release is no notebook.
    """
    manifest = None
    if release is not None:
        data = release.read_bytes()
        manifest = find(read_cells(data), read_metadata(data))
    return check_source(here.read(path), manifest, **options)  # type: ignore[arg-type]


# --- findings -------------------------------------------------------------------------------------


def _unsaved(manifest: Manifest, cells: list[StudentCell], ran: tuple[str, ...]) -> list[Finding]:
    """Return a finding if the answers that this session ran last are not in the file."""
    known = {digest(cell.source) for cell in cells}
    lost = []
    for entry in manifest.answers:
        needed = set(entry.names)
        latest = next((s for s in reversed(ran) if needed and needed <= binds(s)), None)
        if latest is not None and digest(latest) not in known:
            lost.append(entry.title)
    if not lost:
        return []
    what = f"What you ran last for {', '.join(dict.fromkeys(lost))} is not in the saved file."
    return [Finding("unsaved", what, "Save the notebook, then run this cell again.")]


def _of_run(
    run: fresh.Run,
    compared: Compared,
    sources: dict[int, str],
    cell_seconds: float,
    total_seconds: float,
) -> Iterator[Finding]:
    """Yield what a run shows: of errors that follow from others, only the first."""
    stopped = False
    for ran in run.cells:
        entry = compared.tests.get(ran.number)
        at = f"Cell {ran.number}" + (f", a test of {entry.title}," if entry else "")
        if ran.outcome == "passed" and entry is not None and ran.seconds > fresh.GRADED_SECONDS:
            yield Finding(
                "slow",
                f"{at} took {ran.seconds:.0f} seconds.",
                f"Make the answer faster: grading gives a cell {fresh.GRADED_SECONDS:g} seconds.",
                (ran.number,),
            )
        if ran.outcome == "passed" or (ran.error == "NameError" and stopped):
            continue
        if ran.outcome == "error" and ran.error == "AssertionError" and entry is not None:
            yield _failed(ran, entry)
            continue
        kind, what, do = {
            "error": ("error", f"{at} stops with {_said(ran)}.", _advice(ran)),
            "timeout": (
                "timeout",
                f"{at} was still running after {cell_seconds:g} seconds, and was stopped.",
                _endless(sources.get(ran.number, "")),
            ),
            "total": (
                "total",
                f"The notebook was still running after {total_seconds:g} seconds, in "
                f"cell {ran.number}.",
                "Make what you added faster.",
            ),
            "died": (
                "died",
                f"{at} ended Python itself.",
                "Look for exit(), for too much memory, and for code that is not Python.",
            ),
        }[ran.outcome]
        rest = f" {run.skipped} cells below it did not run." if run.skipped else ""
        ended = ran.outcome != "error"
        yield Finding(kind, what + (rest if ended else ""), do, (ran.number,))
        stopped = True


def _endless(source: str) -> str:
    """Return what to do about a cell that does not end."""
    if "train_or_load" in source:
        return (
            "It is the lesson's own, and trains where the course's weights are not at hand. Go "
            "online, or put your course's folder checkpoints/ beside the notebook, and check again."
        )
    return f"Look for a loop without an end; grading gives a cell {fresh.GRADED_SECONDS:g} seconds."


def _failed(ran: fresh.Ran, entry: Entry) -> Finding:
    said = f": {ran.message.rstrip('.')}" if ran.message else ""
    return Finding(
        "test-fails",
        f"Cell {ran.number}, a test of {entry.title}, fails{said}.",
        f"Mend the answer; as it is, {entry.points:g} points are lost.",
        (ran.number,),
    )


def _said(ran: fresh.Ran) -> str:
    return f"{ran.error}: {ran.message.rstrip('.')}" if ran.message else ran.error


def _advice(ran: fresh.Ran) -> str:
    """Return what to do about an error."""
    if ran.error == "NameError":
        return (
            "No cell above it defines that name: you may have deleted or moved the one that did, "
            f"while your session still remembers it. {_RESTART}"
        )
    if ran.error == "EOFError":
        return "Nobody is there to answer input(): write the value into the cell."
    if ran.error == "ModuleNotFoundError":
        return (
            "Do without that module: where grading runs, there may be no other than the lesson's."
        )
    return _RESTART
