r"""Write the grades of the course folder as a learning platform takes them.

Run it in the course folder, after ``grade.py``. The roster is the class as the platform lists it::

    python export.py canvas --roster gradebook.csv                    # Canvas's exported gradebook
    python export.py moodle --roster participants.csv --lesson 02_gaussian_mle
    python export.py gradescope --roster roster.csv                   # a results.json a submission
    python export.py canvas --roster gradebook.csv --due due.csv --times times.csv \
        --per-day 10% --grace 2h --cap 50%                            # with what late work loses

It writes ``canvas.csv``, ``moodle.csv`` or ``gradescope.zip``, whole or not at all: a student who
is twice in the roster, is not in it, or has no id there, is named, and nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from grading.export import Lateness, file_times, grades_of, read_due, read_times
from grading.late import LatePolicy, amount, span
from grading.platforms import WRITERS
from grading.roster import ExportError, read_roster
from grading.table import Table


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return 0 where the file was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("platform", choices=WRITERS)
    parser.add_argument("--roster", type=Path, required=True, help="the class, as CSV")
    parser.add_argument("--course", type=Path, default=Path.cwd(), help="the course folder")
    parser.add_argument("--lesson", help="this lesson only")
    parser.add_argument("--out", type=Path, help="the file to write")
    parser.add_argument("--due", help="a date and time, or a table lesson,due")
    parser.add_argument(
        "--times",
        help="when work came: a table student,lesson,submitted, or the word files for the dates of "
        "the files in submitted/, which a download may have changed",
    )
    parser.add_argument("--per-day", type=amount, help="off for each day late: 2, or 10%% of all")
    parser.add_argument("--grace", type=span, default=span("0h"), help="not late yet: 30m, 2h, 1d")
    parser.add_argument("--cap", type=amount, help="the most that is taken off: 5, or 50%%")
    options = parser.parse_args(arguments)
    late = (options.due, options.times, options.per_day)
    if any(value is not None for value in late) != all(value is not None for value in late):
        parser.error("what late work loses needs all of --due, --times and --per-day")
    course = options.course.expanduser().resolve()
    write, name = WRITERS[options.platform]
    path = (options.out or course / name).expanduser()
    try:
        roster = read_roster(options.roster.expanduser(), options.platform)
        grades = grades_of(
            course, roster, lesson=options.lesson, lateness=_lateness(options, course)
        )
        write(path, grades, roster, course)
    except ExportError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"nothing was exported: {said}", file=sys.stderr)
        return 1
    _tell(path, len(grades), sum(grade.days > 0 for grade in grades), course, options.lesson)
    return 0


def _lateness(options: argparse.Namespace, course: Path) -> Lateness | None:
    if options.due is None:
        return None
    policy = LatePolicy(options.per_day, options.grace, options.cap)
    own = options.times == "files"
    times = file_times(course) if own else read_times(Path(options.times).expanduser())
    return Lateness(policy, read_due(options.due), times)


def _tell(path: Path, many: int, late: int, course: Path, lesson: str | None) -> None:
    """Say what was written, and what somebody should look at."""
    print(f"{path}: {many} grades" + (f", {late} of them late" if late else ""))
    rows = [r for r in Table(course / "grades.csv").rows.values() if lesson in (None, r.lesson)]
    failed = sorted(row.student for row in rows if row.status == "failed" and row.lesson)
    if failed:
        print(f"0 points because they could not be graded: {', '.join(failed)}")
    left = sorted(row.student for row in rows if not row.lesson)
    if left:
        print(f"left out because nothing tells their lesson: {', '.join(left)}")


if __name__ == "__main__":
    sys.exit(main())
