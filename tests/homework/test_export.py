"""Grades as learning platforms take them: right, or a message that names everybody, and nothing."""

from __future__ import annotations

import csv
import json
import os
import sys
import zipfile
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from grading.export import ExportError, file_times, read_due, read_times
from grading.feedback import Mark, feedback, read_marks
from grading.late import Amount, LatePolicy, amount, moment, span
from grading.roster import Roster, read_roster
from grading.table import Result

from tests.homework.courses import script

LESSON, OTHER = "02_gaussian_mle", "04_fvsbn"
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,02_gaussian_mle (8412),Final Score\n"
    "    Points Possible,,,,,8,(read only)\n"
    '"Lovelace, Ada",11,u11,ada01,A,,\n'
    '"Gödel, Kurt",12,u12,kurt,A,,\n'
    '"Noether, Emmy",13,u13,emmy,B,,\n'
)
MOODLE = (
    "First name,Surname,ID number,Email address\n"
    "Ada,Lovelace,11,ada@x.org\nKurt,Gödel,12,kurt@x.org\nEmmy,Noether,13,emmy@x.org\n"
)
GRADESCOPE = (
    "Name,SID,Email\nAda Lovelace,11,a@x.org\nKurt Gödel,1/2,k@x.org\nEmmy Noether,13,e@x.org\n"
)
ROSTERS = {"canvas": CANVAS, "moodle": MOODLE, "gradescope": GRADESCOPE}


@pytest.fixture(scope="module")
def export(root: Path) -> ModuleType:
    """Return the course folder's ``export.py`` as a module."""
    return script("export", root)


def table(course: Path, *results: Result) -> None:
    """Write a table of grades as it stands."""
    with (course / "grades.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Result)])
        writer.writeheader()
        writer.writerows(map(asdict, results))


def graded(student: str, lesson: str, score: float, file: str = "") -> Result:
    return Result(student, lesson, score, 8, "graded", file=file)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Return a course folder with three grades, and rosters of every platform."""
    folder = tmp_path / "course"
    folder.mkdir()
    table(
        folder,
        graded("lovelaceada", LESSON, 7),
        graded("Kurt Godel", LESSON, 4.5),
        graded("lovelaceada", OTHER, 2),
    )
    marks = [Mark("Exercise 2.1 · A: b", 5, 6, "Passed."), Mark("Exercise 2.2", 2, 2, "x: 3 of 4.")]
    path = folder / "feedback" / "lovelaceada" / f"{LESSON}.md"
    path.parent.mkdir(parents=True)
    path.write_text(feedback(f"{LESSON}: 7 of 8 points", marks, ["Moved: 1 of 2 points. It."]))
    for platform, text in ROSTERS.items():
        (tmp_path / f"{platform}.csv").write_text(text, encoding="utf-8")
    return folder


def run(export: ModuleType, course: Path, platform: str, *more: str, roster: str = "") -> int:
    """Run the command on a course folder."""
    path = course.parent / f"{platform}.csv"
    if roster:
        path.write_text(roster, encoding="utf-8")
    return export.main([platform, "--course", str(course), "--roster", str(path), *more])


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


# --- what platforms get ---------------------------------------------------------------------------


def test_canvas_gets_its_own_columns(export: ModuleType, course: Path) -> None:
    assert run(export, course, "canvas") == 0
    assert rows(course / "canvas.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", f"{LESSON} (8412)", OTHER],
        ["    Points Possible", "", "", "", "", "8", "8"],
        ["Lovelace, Ada", "11", "u11", "ada01", "A", "7", "2"],
        ["Gödel, Kurt", "12", "u12", "kurt", "A", "4.5", ""],
    ]


def test_moodle_gets_grades_and_feedback(export: ModuleType, course: Path) -> None:
    assert run(export, course, "moodle", "--lesson", LESSON) == 0
    header, ada, kurt = rows(course / "moodle.csv")
    names = ["ID number", "Email address", "First name", "Surname", LESSON, f"{LESSON} feedback"]
    assert header == names
    assert ada[:5] == ["11", "ada@x.org", "Ada", "Lovelace", "7"] and "Exercise 2.1" in ada[5]
    assert kurt[4:] == ["4.5", ""]


def test_gradescope_gets_a_result_for_each_submission(export: ModuleType, course: Path) -> None:
    assert run(export, course, "gradescope") == 0
    with zipfile.ZipFile(course / "gradescope.zip") as archive:
        found = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    places = {f"11/{LESSON}", f"11/{OTHER}", f"1_2/{LESSON}"}
    assert set(found) == {f"{place}/results.json" for place in places}
    result = found[f"11/{LESSON}/results.json"]
    assert result["score"] == 7 and result["output"] == ""
    tests = [(t["name"], t["score"], t["max_score"], t["output"]) for t in result["tests"]]
    assert tests == [
        ("Exercise 2.1 · A: b", 5, 6, "Passed."),
        ("Exercise 2.2", 2, 2, "x: 3 of 4."),
    ]
    before = (course / "gradescope.zip").read_bytes()
    run(export, course, "gradescope")
    assert (course / "gradescope.zip").read_bytes() == before


def test_points_of_a_challenge_go_along(export: ModuleType, course: Path) -> None:
    """Rows as `challenge.py` writes them: no file in submitted/, a name that is no lesson's."""
    points = [
        Result("lovelaceada", "challenge-steps-2", 3, 4, "graded", digest="0" * 16),
        Result("Kurt Godel", "challenge-steps-2", 0, 4, "failed", "train took too long."),
    ]
    table(course, graded("lovelaceada", LESSON, 7), *points)
    heading, said = "challenge-steps-2: 3 of 4 points", "Distance 2.9."
    path = course / "feedback" / "lovelaceada" / "challenge-steps-2.md"
    path.write_text(feedback(heading, [], [said]), encoding="utf-8")
    assert run(export, course, "canvas") == 0
    header, most, ada, kurt = rows(course / "canvas.csv")
    assert header[-2:] == [f"{LESSON} (8412)", "challenge-steps-2"]
    assert [most[-1], ada[-2:], kurt[-2:]] == ["4", ["7", "3"], ["", "0"]]
    assert run(export, course, "moodle", "--lesson", "challenge-steps-2") == 0
    _, ada, kurt = rows(course / "moodle.csv")
    assert ada[4] == "3" and said in ada[5] and kurt[4] == "0"
    assert run(export, course, "gradescope", "--lesson", "challenge-steps-2") == 0
    with zipfile.ZipFile(course / "gradescope.zip") as archive:
        result = json.loads(archive.read("11/challenge-steps-2/results.json"))
    assert result["score"] == 3 and said in json.dumps(result)


def test_what_feedback_says_is_read_again() -> None:
    marks = [
        Mark("Exercise 1.1", 0, 2.5, "Off by 3: 1 of 2 points. So."),
        Mark("x", 1, 1, ""),
    ]
    assert read_marks(feedback("01: 1 of 3.5 points", marks, ["y: 1 of 1 points. z"])) == marks
    assert read_marks(feedback("01: 0 of 3 points", [], reason="it is empty")) == []


def test_what_could_not_be_graded_is_told(
    export: ModuleType, course: Path, capsys: pytest.CaptureFixture
) -> None:
    table(
        course,
        Result("Ada Lovelace", LESSON, 0, 8, "failed", "the file is empty"),
        Result("Kurt Gödel", "", 0, 0, "failed", "nothing tells which lesson"),
    )
    assert run(export, course, "canvas") == 0
    said = capsys.readouterr().out
    assert "could not be graded: Ada Lovelace" in said and "their lesson: Kurt Gödel" in said
    assert [row[5] for row in rows(course / "canvas.csv")[2:]] == ["0"]


# --- who is who -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "student",
    ["Ada Lovelace", "lovelaceada", "Lovelace, Ada", "ada01", "11", "u11", "ADA LOVELACE",
     "lovelaceada_11", "Ada Lovelace_4711"],
)  # fmt: skip
def test_names_of_every_platform_are_understood(tmp_path: Path, student: str) -> None:
    (tmp_path / "r.csv").write_text(CANVAS, encoding="utf-8")
    roster = read_roster(tmp_path / "r.csv", "canvas")
    assert roster.match([student])[student].id == "11"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_roster_may_come_from_a_spreadsheet(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    text = MOODLE.replace(",", delimiter)
    (tmp_path / "r.csv").write_text(text, encoding=encoding)
    roster = read_roster(tmp_path / "r.csv", "moodle")
    assert roster.match(["Kurt Gödel"])["Kurt Gödel"].id == "12"


def test_a_column_of_ones_own_decides(tmp_path: Path) -> None:
    text = "name in grades.csv,Name,SID\nx1,Ada Lovelace,11\nx2,Ada Lovelace,12\n"
    (tmp_path / "r.csv").write_text(text)
    roster = read_roster(tmp_path / "r.csv", "gradescope")
    assert {name: person.id for name, person in roster.match(["x1", "x2"]).items()} == {
        "x1": "11",
        "x2": "12",
    }
    with pytest.raises(ExportError, match="Ada Lovelace is not in the roster"):
        roster.match(["Ada Lovelace"])


TWICE = CANVAS + '"Lovelace, Ada",11,u11,ada01,B,,\n'
NAMESAKE = CANVAS + '"Lovelace, Ada",14,u14,ada02,B,,\n'
NO_ID = CANVAS.replace('"Lovelace, Ada",11,', '"Lovelace, Ada",,')


@pytest.mark.parametrize(
    ("roster", "said"),
    [
        (TWICE, ["Lovelace, Ada, id 11, is twice in the roster: lines 3 and 6"]),
        (NAMESAKE, ["lovelaceada may be several people", "(line 3)", "(line 6)"]),
        (NO_ID, ["lovelaceada has no id in line 3"]),
        (CANVAS.replace("Gödel", "Gauss"), ["Kurt Godel is not in the roster"]),
        (NO_ID.replace("Gödel", "Gauss"), ["lovelaceada has no id", "Kurt Godel is not"]),
        ("a,b\n1,2\n", ["expected a column 'ID'", "got 'a', 'b'"]),
        ("x", ["expected a column 'ID'", "got 'x'"]),
    ],
)
def test_nothing_is_written_and_everybody_is_named(
    export: ModuleType, course: Path, roster: str, said: list[str], capsys: pytest.CaptureFixture
) -> None:
    (course / "canvas.csv").write_text("as it was")
    assert run(export, course, "canvas", roster=roster) == 1
    error = capsys.readouterr().err
    assert all(text in error for text in said), error
    assert (course / "canvas.csv").read_text() == "as it was"
    assert {path.name for path in course.iterdir()} == {"canvas.csv", "feedback", "grades.csv"}


def test_a_student_twice_in_the_grades_is_named(
    export: ModuleType, course: Path, capsys: pytest.CaptureFixture
) -> None:
    table(course, graded("Ada Lovelace", LESSON, 7), graded("lovelaceada", LESSON, 1))
    assert run(export, course, "moodle") == 1
    assert "Ada Lovelace and lovelaceada are one person" in capsys.readouterr().err
    table(course, graded("Ada Lovelace", LESSON, 7), graded("Ada Lovelace", LESSON, 1))
    assert run(export, course, "moodle") == 1
    assert f"twice in grades.csv: Ada Lovelace for {LESSON}" in capsys.readouterr().err
    assert not (course / "moodle.csv").exists()


def test_ids_that_make_one_folder_are_named(
    export: ModuleType, course: Path, capsys: pytest.CaptureFixture
) -> None:
    roster = GRADESCOPE.replace(",11,", ",1:2,")
    assert run(export, course, "gradescope", roster=roster) == 1
    assert "Ada Lovelace (1:2) and Kurt Gödel (1/2)" in capsys.readouterr().err
    assert not (course / "gradescope.zip").exists()


def test_without_grades_or_a_place_it_says_so(
    export: ModuleType, course: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(export, course, "canvas", "--lesson", "99_none") == 1
    assert "no grade of lesson 99_none" in capsys.readouterr().err
    (course / "file").write_text("")
    assert run(export, course, "canvas", "--out", str(course / "file" / "x.csv")) == 1
    assert "nothing was exported" in capsys.readouterr().err
    (course / "grades.csv").unlink()
    assert run(export, course, "canvas") == 1
    assert "run python grade.py first" in capsys.readouterr().err
    missing = export.main(["canvas", "--course", str(course), "--roster", str(course / "none.csv")])
    assert missing == 1 and "none.csv" in capsys.readouterr().err


# --- late work ------------------------------------------------------------------------------------

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("late", "score"),
    [(-9 * DAY, 7), (0 * DAY, 7), (2 * HOUR, 7), (2.1 * HOUR, 6), (DAY, 6), (1.01 * DAY, 5),
     (4 * DAY, 3), (5 * DAY, 3), (400 * DAY, 3)],
)  # fmt: skip
def test_a_policy_is_a_value(late: timedelta, score: float) -> None:
    policy = LatePolicy(Amount(1), grace=2 * HOUR, cap=Amount(0.5, share=True))
    assert policy.score(7, 8, late) == score


def test_a_score_is_never_below_zero_nor_above_itself() -> None:
    policy = LatePolicy(Amount(0.1, share=True))
    assert policy.score(1, 8, 2 * DAY) == 0 and policy.score(0, 8, DAY) == 0
    assert policy.score(8, 8, 3 * DAY) == 5.6
    assert policy.score(-1, 8, DAY) == -1  # what somebody entered by hand stays


@pytest.mark.parametrize("text", ["", "x", "-1", "10 %%", "101%", "nan", "1e3"])
def test_an_amount_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected points or a share"):
        amount(text)


def test_amounts_times_and_dates_are_read() -> None:
    assert (amount("2"), amount("12.5%")) == (Amount(2), Amount(0.125, share=True))
    assert (span("30m"), span("1.5h"), span("2d")) == (HOUR / 2, 1.5 * HOUR, 2 * DAY)
    assert moment("2026-01-31T12:00+01:00") == moment("2026-01-31T11:00Z")
    with pytest.raises(ValueError, match="expected a time"):
        span("2")
    with pytest.raises(ValueError, match="expected a date and time"):
        moment("31.1.2026")


def times(course: Path, text: str) -> str:
    path = course.parent / "times.csv"
    path.write_text(f"student,lesson,submitted\n{text}")
    return str(path)


def test_late_work_loses_what_the_policy_says(
    export: ModuleType, course: Path, capsys: pytest.CaptureFixture
) -> None:
    came = times(
        course,
        f"lovelaceada,{LESSON},2026-02-02T10:00\nKurt Godel,{LESSON},2026-01-31T23:00\n"
        f"lovelaceada,{OTHER},2026-03-01T10:00\n",
    )
    (course.parent / "due.csv").write_text(f"lesson,due\n{LESSON},2026-01-31T23:59\n")
    late = ["--times", came, "--per-day", "10%", "--due", str(course.parent / "due.csv")]
    assert run(export, course, "gradescope", *late) == 0
    assert "3 grades, 1 of them late" in capsys.readouterr().out
    with zipfile.ZipFile(course / "gradescope.zip") as archive:
        ada = json.loads(archive.read(f"11/{LESSON}/results.json"))
        kurt = json.loads(archive.read(f"1_2/{LESSON}/results.json"))
        other = json.loads(archive.read(f"11/{OTHER}/results.json"))
    assert ada["score"] == 5.4 and ada["output"] == "2 days late: 1.6 points off, of 7."
    assert (kurt["score"], other["score"]) == (4.5, 2)
    assert (course / "grades.csv").read_text().count("7") >= 1  # the table itself stays
    assert run(export, course, "moodle", *late) == 0
    assert rows(course / "moodle.csv")[1][5].startswith("2 days late")


def test_without_a_time_everybody_is_named(
    export: ModuleType, course: Path, capsys: pytest.CaptureFixture
) -> None:
    came = times(course, f"lovelaceada,{LESSON},2026-02-02T10:00\n")
    late = ["--times", came, "--per-day", "1", "--due", "2026-01-31T23:59"]
    assert run(export, course, "canvas", *late, "--lesson", LESSON) == 1
    assert "when the work of Kurt Godel came" in capsys.readouterr().err
    assert not (course / "canvas.csv").exists()


def test_half_a_policy_is_refused(
    export: ModuleType, course: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        run(export, course, "canvas", "--due", "2026-01-31T23:59")
    assert "needs all of --due, --times and --per-day" in capsys.readouterr().err


def test_dates_of_files_are_used_when_asked_for(export: ModuleType, course: Path) -> None:
    place = course / "submitted" / "ada" / "x.ipynb"
    place.parent.mkdir(parents=True)
    place.write_text("{}")
    when = datetime(2026, 2, 1, 12).astimezone()
    os.utime(place, (when.timestamp(), when.timestamp()))
    table(course, graded("Ada Lovelace", LESSON, 7, "ada/x.ipynb"))
    assert file_times(course) == {("Ada Lovelace", LESSON): when}
    late = ["--times", "files", "--per-day", "2", "--due", "2026-02-01T11:00"]
    assert run(export, course, "canvas", *late) == 0
    assert rows(course / "canvas.csv")[2][5] == "5"


def test_tables_of_times_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for text, said in (
        ("student,submitted\n", "expected a column 'lesson'"),
        ("student,lesson,submitted\na,b,soon\n", "a: expected a date"),
        ("student,lesson,submitted\na,b,2026-01-01\na,b,2026-01-02\n", "a is there twice"),
    ):
        path.write_text(text)
        with pytest.raises(ExportError, match=said):
            read_times(path)
    with pytest.raises(ExportError, match="--due: expected a date"):
        read_due("tomorrow")


def test_the_course_folder_has_the_command(tiny_course: Path) -> None:
    assert (tiny_course / "export.py").is_file() and (tiny_course / "similar.py").is_file()
    assert sys.modules.get("grading.platforms") is not None
    assert isinstance(Roster([], []).match([]), dict)
