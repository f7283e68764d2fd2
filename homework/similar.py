"""Report which submissions of a lesson are nearest to each other, with the false-alarm rate.

Run it in the course folder, in which ``submitted/`` holds what students handed in::

    python similar.py                            # every lesson
    python similar.py --lesson 02_gaussian_mle --top 40

Code is compared without names, comments, white space and the release's own code. A false-alarm rate
says how often chance alone brings two students so near; how it is estimated is in
``grading/similar.py``. It writes ``similar.csv``. A small rate is a reason to read both notebooks,
and no verdict.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from grading.official import lessons
from grading.similar import Pair, answers_of, nearest

from gdmlib._files import write_atomically

HEADER = ("lesson", "student", "other", "false_alarm_rate", "expected_by_chance", "alike", "where")


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return 0 where a report was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--course", type=Path, default=Path.cwd(), help="the course folder")
    parser.add_argument("--lesson", help="this lesson only")
    parser.add_argument("--top", type=int, default=20, help="pairs to list for each lesson")
    options = parser.parse_args(arguments)
    course = options.course.expanduser().resolve()
    known = lessons(course)
    if not known or options.lesson not in (None, *known):
        what = f"no lesson {options.lesson}" if known else "no lesson at all"
        print(f"{course} holds {what}: `make homework` makes a course folder", file=sys.stderr)
        return 1
    rows: list[tuple[str, Pair]] = []
    for lesson in [options.lesson] if options.lesson else known:
        rows += [(lesson, pair) for pair in _report(course, lesson, options.top)]
    try:
        write_atomically(course / "similar.csv", lambda part: _write(part, rows))
    except OSError as error:
        print(f"nothing was written: {error}", file=sys.stderr)
        return 1
    print("the table is similar.csv; a small rate is a reason to read both notebooks, no verdict")
    return 0


def _report(course: Path, lesson: str, top: int) -> list[Pair]:
    """Say which pairs of one lesson are nearest, and return them."""
    answers = answers_of(course, lesson)
    if not answers:
        return []
    try:
        pairs = nearest(answers)[:top]
    except ValueError as error:
        print(f"{lesson}: {error}")
        return []
    all_pairs = len(answers) * (len(answers) - 1) // 2
    print(f"{lesson}: {len(answers)} students, {all_pairs} pairs; the nearest:")
    for pair in pairs:
        print(
            f"  {' and '.join(pair.students):<40} false-alarm rate {pair.rate:.2g} "
            f"({pair.expected:.2g} such pairs by chance), {pair.alike:.0%} of the code alike"
        )
    return pairs


def _write(path: Path, rows: list[tuple[str, Pair]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for lesson, pair in rows:
            numbers = (f"{pair.rate:.2g}", f"{pair.expected:.2g}", f"{pair.alike:.2f}")
            writer.writerow([lesson, *pair.students, *numbers, "; ".join(pair.exercises)])


if __name__ == "__main__":
    sys.exit(main())
