"""Grade a folder of submissions, one at a time, so that no submission stops the others.

Run it in the course folder, in which ``submitted/`` holds what students handed in::

    python grade.py                       # everybody, every lesson
    python grade.py --student ada --lesson 02_gaussian_mle --timeout 60

It writes ``grades.csv`` (a row a submission), ``feedback/<student>/<lesson>.md`` (a line an
exercise, without hidden tests), and nbgrader's gradebook. What cannot be graded has a row with the
reason. Stopped, it goes on where it was when it is started again.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from grading.key import KeyFileError
from grading.personal import PersonalError
from grading.run import Report, grade_course
from grading.table import Result

__all__ = ["Result", "grade_all", "grade_course", "main"]

STOPPED = 130  # what a shell returns of a program that was interrupted


def grade_all(course: Path, **options: object) -> list[Result]:
    """Grade every submission that matches; the options are those of `grade_course`."""
    return grade_course(course, **options).results  # type: ignore[arg-type]


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return 0 where everything was graded or has its reason."""
    parser = argparse.ArgumentParser(description="Grade a folder of submissions.")
    parser.add_argument("--course", type=Path, default=Path.cwd(), help="the course folder")
    parser.add_argument("--student", help="grade this student only")
    parser.add_argument("--lesson", help="grade this lesson only")
    parser.add_argument("--timeout", type=seconds, help="seconds that one cell may take")
    parser.add_argument("--jobs", type=count, default=1, help="submissions to run at a time")
    parser.add_argument("--again", action="store_true", help="also what was graded before")
    options = vars(parser.parse_args(arguments))
    course = options.pop("course").expanduser().resolve()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] - a name may be any text
    if not (course / "nbgrader_config.py").is_file():
        print(f"{course} is no course folder: `make homework` makes one", file=sys.stderr)
        return 1
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        asked = [options[name] for name in ("student", "lesson") if options[name]]
        return _tell(grade_course(course, **options), asked)
    except KeyboardInterrupt:
        print("stopped; what is graded stays in grades.csv. To go on: python grade.py")
        return STOPPED
    except (KeyFileError, OSError, PersonalError) as error:
        print(f"stopped: {error}; what is graded stays in grades.csv", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(report: Report, asked: list[str]) -> int:
    """Say what came of it; return 1 if there was nothing, or if somebody should look."""
    results, before = report.results, report.before
    if not results:
        whose = f" for {' and '.join(asked)}" if asked else ""
        print(f"nothing to grade{whose}: put notebooks at submitted/<student>/<lesson>/")
        return 1
    failed = sum(result.status == "failed" for result in results)
    lines = [f"{len(results)} submissions; the table is grades.csv"]
    if before:
        lines.append(f"{before} did not change since they were graded (--again grades them anew)")
    if failed:
        lines.append(f"{failed} could not be graded: the table says why")
    print("\n".join(lines))
    if report.changed:
        names = ", ".join(report.changed[:8])
        print(
            f"WARNING: while this ran, files in submitted/ changed: {names}\n"
            "If that was not you, a submission did it: compare with the originals.",
            file=sys.stderr,
        )
    return int(bool(report.changed))


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def seconds(text: str) -> float:
    """Return a positive number."""
    if not (0 < float(text) < float("inf")):
        raise ValueError
    return float(text)


def count(text: str) -> int:
    """Return a whole number from 1."""
    if int(text) < 1:
        raise ValueError
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
