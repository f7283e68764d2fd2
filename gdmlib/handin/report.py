"""What a check found, and how it says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gdmlib.handin import fresh
from gdmlib.handin.words import Finding


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        name: The file.
        lesson: The lesson; empty where nothing tells it.
        findings: What to mend, in the order of the cells; none: it can be handed in.
        exercises: All of the lesson's.
        open: Those without an answer.
        run: How the fresh run went; None if there was none.
        checking: Seconds that the check took beside the run.
        saved: When the file was saved, where that matters.
    """

    name: str
    lesson: str
    findings: tuple[Finding, ...]
    exercises: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    run: fresh.Run | None = None
    checking: float = 0.0
    saved: str = ""

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(report: Report) -> Iterator[str]:
    """Yield the report, line by line."""
    saved = f", as saved at {report.saved}" if report.saved else ""
    yield f"{report.name}{saved}: lesson {report.lesson or 'unknown'}"
    if report.exercises:
        answered = len(report.exercises) - len(report.open)
        rest = f"; open: {', '.join(report.open)}" if report.open else ""
        yield f"Answered: {answered} of {len(report.exercises)} exercises{rest}"
    run = report.run
    if run is not None and run.slowest is not None:
        whole = not run.skipped and all(ran.outcome == "passed" for ran in run.cells)
        yield (
            f"{'Ran' if whole else 'Does not run'} from top to bottom in a fresh process: "
            f"{run.seconds:.1f} s, of which cell {run.slowest.number} took "
            f"{run.slowest.seconds:.1f} s"
        )
    many = len(report.findings)
    if not many:
        yield "Nothing to mend: hand it in."
        return
    yield f"{many} {'thing' if many == 1 else 'things'} to mend:"
    if any(finding.cells for finding in report.findings):
        yield "(Cells are counted from the top, text cells included.)"
    for finding in report.findings:
        yield f"- {finding}".rstrip()
