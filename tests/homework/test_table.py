"""The table is whole at any moment, and a grader that was stopped goes on where it was."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from filelock import FileLock
from grading import crew
from grading.sandbox import Run, StepResult
from grading.table import Gradebook, Result, Table

from tests.homework.courses import DOUBLE, HALF, TINY, answers, submit
from tools import homework

GOOD = {"double-solution": DOUBLE, "half-solution": HALF}


class InProcess:
    """Runs steps in this process, which takes no time; counts how many submissions it ran."""

    fence = ""
    ran = 0

    def __init__(self, course: Path, limits: object) -> None:
        pass

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, steps: list, assets: Path) -> Run:
        InProcess.ran += 1
        names: dict = {}
        results = []
        for step in steps:
            try:
                exec(step.source, names)
                results.append(StepResult(step.key, "passed"))
            except Exception as error:
                results.append(StepResult(step.key, "error", type(error).__name__, str(error)))
        return Run(tuple(results))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> type[InProcess]:
    monkeypatch.setattr(crew, "Warm", InProcess)
    InProcess.ran = 0
    return InProcess


@pytest.fixture
def course(tiny_course: Path, tmp_path: Path) -> Path:
    """Return a course with three submissions: 5, 2 and 0 points."""
    folder = shutil.copytree(tiny_course, tmp_path / "course")
    submit(folder, "ada", TINY, answers(GOOD))
    submit(folder, "bob", TINY, answers({"double-solution": DOUBLE}))
    submit(folder, "cyd", TINY)
    return folder


def rows(course: Path) -> dict[str, dict[str, str]]:
    with (course / "grades.csv").open(newline="", encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def scores(course: Path) -> dict[str, float]:
    return {student: float(row["score"]) for student, row in rows(course).items()}


# --- again ----------------------------------------------------------------------------------------


def test_only_what_changed_is_graded_again(
    course: Path, grader: ModuleType, quick: type[InProcess]
) -> None:
    grader.grade_all(course)
    table = (course / "grades.csv").read_bytes()
    grader.grade_all(course)
    assert quick.ran == 3 and (course / "grades.csv").read_bytes() == table
    changed = course / "submitted" / "cyd" / TINY / f"{TINY}.ipynb"
    notebook = nbformat.read(changed, as_version=4)
    answers(GOOD)(notebook)
    nbformat.write(notebook, changed)
    report = grader.grade_course(course)
    assert (quick.ran, report.before) == (4, 2)
    assert scores(course) == {"ada": 5, "bob": 2, "cyd": 5}
    grader.grade_all(course, again=True)
    assert quick.ran == 7


def test_a_changed_lesson_a_limit_and_lost_files_ask_for_grading(
    course: Path, grader: ModuleType, quick: type[InProcess], tiny_root: Path
) -> None:
    grader.grade_all(course)
    (course / "feedback" / "ada" / f"{TINY}.md").unlink()
    grader.grade_all(course)
    assert quick.ran == 4
    grader.grade_all(course, timeout=7)
    assert quick.ran == 7
    private = course.parent / "private" / TINY
    private.mkdir(parents=True)
    (private / "double-test.py").write_text("assert double(5) == 11, 'private: five'\n")
    homework.build(course, root=tiny_root, private=private.parent)
    grader.grade_all(course, timeout=7)
    assert quick.ran == 10 and scores(course) == {"ada": 3, "bob": 0, "cyd": 0}
    (course / "grades.csv").unlink()
    (course / "gradebook.db").unlink()
    assert {r.status for r in grader.grade_all(course)} == {"failed"}
    assert "run make homework again" in rows(course)["ada"]["reason"]
    homework.build(course, root=tiny_root)
    grader.grade_all(course)
    assert scores(course) == {"ada": 5, "bob": 2, "cyd": 0}


def test_a_grade_given_by_hand_stands(
    course: Path, grader: ModuleType, quick: type[InProcess]
) -> None:
    grader.grade_all(course)
    with Gradebook(course) as gradebook:
        grade = gradebook._book.find_grade("half-test", TINY, TINY, "bob")
        grade.manual_score = 1.5
        gradebook._book.db.commit()
    grader.grade_all(course)
    assert quick.ran == 3 and scores(course)["bob"] == 3.5
    grader.grade_all(course, again=True, student="bob")
    assert scores(course)["bob"] == 3.5 and "by hand" in rows(course)["bob"]["reason"]
    with Gradebook(course) as gradebook:
        assert gradebook._book.find_grade("half-test", TINY, TINY, "bob").needs_manual_grade


def test_grading_one_keeps_the_others_rows(
    course: Path, grader: ModuleType, quick: type[InProcess]
) -> None:
    grader.grade_all(course)
    assert grader.main(["--course", str(course), "--student", "cyd"]) == 0
    assert scores(course) == {"ada": 5, "bob": 2, "cyd": 0}


def test_what_was_mended_leaves_no_failed_row_and_grades_stay(
    course: Path, grader: ModuleType, quick: type[InProcess]
) -> None:
    stray = course / "submitted" / "dan" / "notes.txt"
    stray.parent.mkdir()
    stray.write_text("soon")
    grader.grade_all(course)
    assert rows(course)["dan"]["status"] == "failed"
    stray.unlink()
    stray.parent.rmdir()
    (course / "submitted" / "ada" / TINY / f"{TINY}.ipynb").unlink()
    (course / "submitted" / "ada" / TINY).rmdir()
    (course / "submitted" / "ada").rmdir()
    grader.grade_all(course)
    assert scores(course) == {"ada": 5, "bob": 2, "cyd": 0}


def test_a_table_of_an_older_grader_is_read(tmp_path: Path) -> None:
    path = tmp_path / "grades.csv"
    path.write_text(
        "\ufeffstudent,lesson,score,max_score,status,reason\r\nadé,01_x,2.0,5.0,graded,\r\n",
        encoding="utf-8",
    )
    table = Table(path)
    assert table.rows == {("adé", "01_x"): Result("adé", "01_x", 2.0, 5.0, "graded")}
    table.put(Result("bob", "01_x", 1.0, 5.0, "graded", digest="d"))
    assert set(Table(path).rows) == {("adé", "01_x"), ("bob", "01_x")}


def test_the_table_is_complete_after_each_submission(
    course: Path, grader: ModuleType, quick: type[InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    run = quick.run

    def look(self: InProcess, steps: list, assets: Path) -> Run:
        seen.append(sorted(rows(course)) if (course / "grades.csv").is_file() else [])
        if len(seen) == 3:
            raise KeyboardInterrupt
        return run(self, steps, assets)

    monkeypatch.setattr(quick, "run", look)
    with pytest.raises(KeyboardInterrupt):
        grader.grade_all(course)
    # The next one may already run while one is written down.
    assert sorted(rows(course)) == ["ada", "bob"]
    monkeypatch.setattr(quick, "run", run)
    assert [r.score for r in grader.grade_all(course)] == [5, 2, 0]


def test_a_fault_of_the_graders_own_is_tried_again(
    course: Path, grader: ModuleType, quick: type[InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = quick.run
    faults = iter([None, OSError("no more processes")])

    def fail(self: InProcess, steps: list, assets: Path) -> Run:
        fault = next(faults, None)
        if fault:
            raise fault
        return run(self, steps, assets)

    monkeypatch.setattr(quick, "run", fail)
    results = {result.student: result for result in grader.grade_all(course)}
    assert "the grader failed: OSError: no more processes" in results["bob"].reason
    assert results["ada"].score == 5
    assert scores(course)["bob"] == 0
    grader.grade_all(course)
    assert scores(course)["bob"] == 2 and rows(course)["bob"]["status"] == "graded"


def test_changed_submissions_are_told(
    course: Path,
    grader: ModuleType,
    quick: type[InProcess],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    run = quick.run

    def meddle(self: InProcess, steps: list, assets: Path) -> Run:
        (course / "submitted" / "cyd" / "new.txt").write_text("planted")
        return run(self, steps, assets)

    monkeypatch.setattr(quick, "run", meddle)
    assert grader.main(["--course", str(course)]) == 1
    assert "cyd/new.txt" in capsys.readouterr().err


# --- other processes ------------------------------------------------------------------------------


def start(course: Path, *options: str) -> subprocess.Popen:
    """Start the course folder's own grader."""
    return subprocess.Popen(
        [sys.executable, "-u", "grade.py", *options],
        cwd=course,
        env=os.environ | {"PYTHONPATH": str(Path(homework.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def descendants(pid: int) -> list:
    import psutil

    return psutil.Process(pid).children(recursive=True)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_grader_goes_on(course: Path, grader: ModuleType, end: signal.Signals) -> None:
    wait = "import time\ntime.sleep(600)"
    submit(course, "eve", TINY, answers({"double-solution": wait, "half-solution": HALF}))
    running = start(course)
    assert running.stdout is not None
    lines = [running.stdout.readline() for _ in range(3)]
    assert [line.split()[0] for line in lines] == ["ada", "bob", "cyd"]
    left = descendants(running.pid)
    running.send_signal(end)
    rest = running.stdout.read() if end != signal.SIGKILL else ""
    assert running.wait(60) == (-end if end == signal.SIGKILL else 130)
    if end != signal.SIGKILL:
        assert rest.splitlines() == [
            "stopped; what is graded stays in grades.csv. To go on: python grade.py"
        ]
    deadline = time.monotonic() + 30
    while any(process.is_running() and process.status() != "zombie" for process in left):
        assert time.monotonic() < deadline, "processes outlive the grader"
        time.sleep(0.1)
    assert scores(course) == {"ada": 5, "bob": 2, "cyd": 0}
    report = grader.grade_course(course, timeout=2, student="eve")
    assert [result.score for result in report.results] == [3]


def test_two_graders_at_once_grade_once(course: Path) -> None:
    first, second = start(course), start(course)
    said = [process.communicate(timeout=300)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert scores(course) == {"ada": 5, "bob": 2, "cyd": 0}
    assert "3 did not change" in "".join(said)


def test_a_second_grader_says_for_whom_it_waits(course: Path) -> None:
    with FileLock(course / ".grading.lock"):
        (course / ".grading.who").write_text("process 1 on here")
        waiting = start(course)
        assert waiting.stdout is not None
        line = waiting.stdout.readline()
        waiting.kill()
    waiting.communicate()
    assert line == "waiting for process 1 on here, which grades this course\n"


# --- the command ----------------------------------------------------------------------------------


def test_nothing_to_grade_is_said(
    grader: ModuleType, tiny_course: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(tiny_course, tmp_path, dirs_exist_ok=True)
    assert grader.main(["--course", str(tmp_path)]) == 1
    assert "submitted/<student>/<lesson>" in capsys.readouterr().out
    assert grader.main(["--course", str(tmp_path), "--student", "nobody"]) == 1
    assert "nothing to grade for nobody" in capsys.readouterr().out


def test_another_folder_is_refused(
    grader: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert grader.main(["--course", str(tmp_path)]) == 1
    assert "is no course folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [["--timeout", "0"], ["--timeout", "x"], ["--jobs", "0"]])
def test_impossible_options_are_refused(grader: ModuleType, options: list[str]) -> None:
    with pytest.raises(SystemExit):
        grader.main(options)
