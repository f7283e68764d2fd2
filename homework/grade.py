"""Grade a folder of submissions, one at a time, so that no submission stops the others.

Run it in the course folder, which holds ``submitted/<student>/<lesson>/<lesson>.ipynb``::

    python grade.py                       # everybody, every lesson
    python grade.py --student ada --lesson 02_gaussian_mle --timeout 60

It calls nbgrader's autograder for each submission and writes ``grades.csv`` (a row a submission)
and ``feedback/<student>/<lesson>.md`` (a line an exercise: the points and the message of the first
failed test, without the hidden tests). A submission that cannot be graded (a crashed kernel,
a broken file) gets 0 points and a reason in both, and in nbgrader's gradebook, too.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

# What nbgrader's log says of a cause, and what it means to the reader of a grade.
CAUSES = {
    "DeadKernelError": "the kernel died while it ran the notebook",
    "Kernel died": "the kernel died while it ran the notebook",
    "Unresponsive": "the kernel did not answer and could not be interrupted",
}


@dataclass(frozen=True)
class Result:
    """What one submission earned."""

    student: str
    lesson: str
    score: float
    max_score: float
    status: str
    reason: str


def load_config(course: Path, timeout: int | None) -> Config:
    """Return the course's nbgrader settings, with another cell time limit where one is given."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    if timeout is not None:
        config.Execute.timeout = timeout
    return config


def submissions(course: Path, student: str | None, lesson: str | None) -> list[tuple[str, str]]:
    """Return (student, lesson) of every folder of ``submitted/`` that matches."""
    found = sorted((course / "submitted").glob("*/*/"))
    pairs = [(folder.parent.name, folder.name) for folder in found if folder.is_dir()]
    return [pair for pair in pairs if student in (None, pair[0]) and lesson in (None, pair[1])]


def defect(notebook: Path) -> str:
    """Return what is wrong with a submitted file, or nothing."""
    if not notebook.is_file():
        return f"there is no file {notebook.name}"
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        metadata = [cell["metadata"].get("nbgrader", {}) for cell in cells]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "the file is no notebook: it is damaged or cut off"
    counts = Counter(entry["grade_id"] for entry in metadata if "grade_id" in entry)
    twice = [grade_id for grade_id, count in counts.items() if count > 1]
    return f"the exercise cell {twice[0]} was duplicated: keep one of them" if twice else ""


def explain(log: str) -> str:
    """Return in plain words why nbgrader gave up."""
    for sign, cause in CAUSES.items():
        if sign in log:
            return cause
    lines = [line for line in log.strip().splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "nbgrader gave no reason"


def score_zero(gradebook: Gradebook, student: str, lesson: str, reason: str) -> None:
    """Enter 0 points and the reason for a submission that could not be graded."""
    gradebook.update_or_create_student(student)
    submission = gradebook.update_or_create_submission(lesson, student)
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            grade.auto_score, grade.needs_manual_grade = 0, False
        for comment in notebook.comments:
            comment.auto_comment = f"Not graded: {reason}."
    gradebook.db.commit()


def message(cell: dict) -> str:
    """Return the first error message of a test cell, in one line."""
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            name, value = output["ename"], " ".join(output["evalue"].split())
            return value if name == "AssertionError" and value else f"{name}: {value}"
    return "passed"


def exercise_lines(notebook: Path, scores: dict[str, tuple[float, float]]) -> list[str]:
    """Return a line an exercise of an autograded notebook: points and what the tests said."""
    lines = []
    for cell in json.loads(notebook.read_text())["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if grade_id in scores:
            got, most = scores[grade_id]
            lines.append(f"- `{grade_id}`: {got:g} of {most:g} points. {message(cell)}")
    return lines


def grade(api: NbGraderAPI, course: Path, student: str, lesson: str) -> Result:
    """Grade one submission and write its feedback."""
    reason = defect(course / "submitted" / student / lesson / f"{lesson}.ipynb")
    if not reason:
        outcome = api.autograde(lesson, student, force=True)
        log = f"{outcome.get('log') or ''}\n{outcome.get('error') or ''}"
        reason = "" if outcome["success"] else explain(log)
    with Gradebook(api.coursedir.db_url, api.coursedir.course_id) as gradebook:
        try:
            most = gradebook.find_assignment(lesson).max_score
        except MissingEntry:
            return Result(student, lesson, 0.0, 0.0, "failed", f"there is no lesson {lesson!r}")
        if reason:
            score_zero(gradebook, student, lesson, reason)
            result = Result(student, lesson, 0.0, most, "failed", reason)
            lines = [f"- not graded: {reason}"]
        else:
            submission = gradebook.find_submission(lesson, student)
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            scores = {grade.name: (grade.score, grade.max_score) for grade in grades}
            result = Result(student, lesson, submission.score, most, "graded", "")
            autograded = course / "autograded" / student / lesson / f"{lesson}.ipynb"
            lines = exercise_lines(autograded, scores)
    feedback = course / "feedback" / student / f"{lesson}.md"
    feedback.parent.mkdir(parents=True, exist_ok=True)
    head = [f"# {lesson}: {result.score:g} of {result.max_score:g} points", ""]
    feedback.write_text("\n".join(head + lines) + "\n")
    return result


def grade_all(
    course: Path,
    *,
    student: str | None = None,
    lesson: str | None = None,
    timeout: int | None = None,
) -> list[Result]:
    """Grade every submission that matches and write ``grades.csv``."""
    api = NbGraderAPI(config=load_config(course, timeout))
    results = []
    for who, what in submissions(course, student, lesson):
        results.append(grade(api, course, who, what))
        print(f"{who:<20} {what:<36} {results[-1].score:g}/{results[-1].max_score:g}", end=" ")
        print(results[-1].reason, flush=True)
    write_grades(course / "grades.csv", results)
    return results


def write_grades(path: Path, results: list[Result]) -> None:
    """Write the results, keeping the rows of submissions that were not graded this time."""
    rows: dict[tuple[str, str], dict] = {}
    if path.is_file():
        with path.open(newline="") as file:
            rows = {(row["student"], row["lesson"]): row for row in csv.DictReader(file)}
    rows |= {(result.student, result.lesson): asdict(result) for result in results}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Result)])
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return 1 where there was nothing to grade."""
    parser = argparse.ArgumentParser(description="Grade a folder of submissions.")
    parser.add_argument("--course", type=Path, default=Path.cwd(), help="the course folder")
    parser.add_argument("--student", help="grade this student only")
    parser.add_argument("--lesson", help="grade this lesson only")
    parser.add_argument("--timeout", type=int, help="seconds that one cell may take")
    options = parser.parse_args(arguments)
    results = grade_all(
        options.course.resolve(),
        student=options.student,
        lesson=options.lesson,
        timeout=options.timeout,
    )
    if not results:
        print("nothing to grade: put notebooks at submitted/<student>/<lesson>/<lesson>.ipynb")
        return 1
    failed = [result for result in results if result.status == "failed"]
    print(
        f"{len(results)} graded, {len(failed)} of them with 0 points for a reason; see grades.csv"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
