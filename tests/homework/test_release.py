"""The course folder: releases that run through, whatever the folder is called, and nothing lost."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from filelock import FileLock
from grading.release import going_on

from gdmlib import lesson
from tests.homework.courses import DOUBLE, HALF, TINY, answers, submit, tiny_notebook
from tools import homework, notebooks
from tools.handout import for_students

BOOK = "https://owner.github.io/course"


@pytest.fixture
def course(tiny_course: Path) -> Path:
    """Return the course folder of the tiny lesson, to read only."""
    return tiny_course


def read(course: Path, kind: str) -> nbformat.NotebookNode:
    return nbformat.read(course / kind / TINY / f"{TINY}.ipynb", as_version=4)


# --- what students get ----------------------------------------------------------------------------


def test_the_release_shows_neither_solutions_nor_hidden_tests(course: Path) -> None:
    text = (course / "release" / TINY / f"{TINY}.ipynb").read_text()
    assert "2 * x" not in text and "hidden: also below zero" not in text
    assert lesson.OPEN in text


def test_the_release_is_unfolded(course: Path) -> None:
    for cell in read(course, "release").cells:
        assert "hide-input" not in cell.metadata.get("tags", [])
        assert "jupyter" not in cell.metadata and "mystnb" not in cell.metadata


def run(cells: list[nbformat.NotebookNode], answer: str | None = None) -> Iterator[str]:
    """Run a release's code, with another answer to its first exercise; yield what is raised.

    The last cell, which looks for the notebook's file, has tests of its own.
    """
    names: dict = {}
    for cell in cells:
        source = cell.source
        if answer is not None and cell.id == "double-solution":
            source = answer
        if cell.cell_type == "code" and cell.id != "handin-check":
            try:
                exec(source, names)
            except Exception as error:
                yield repr(error)


def test_open_exercises_stop_nobody_and_wrong_ones_do(
    course: Path, capsys: pytest.CaptureFixture
) -> None:
    cells = read(course, "release").cells
    assert list(run(cells)) == []
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["Exercise 1.1 is open", "Exercise 1.2 is open"]
    wrong = "def double(x):\n    return x"
    assert list(run(cells, wrong)) == ["AssertionError('law of doubling: double(2) must be 4')"]
    # Somebody's own error is no open exercise.
    other = "def double(x):\n    raise RuntimeError('no idea')"
    assert list(run(cells, other)) == ["RuntimeError('no idea')"]


@pytest.mark.parametrize(
    "test",
    [
        "assert double(2) == 4",
        "text = '''two\nlines'''\nassert text == 'two\\nlines'",
        "x = 2\ntext = f'''{x}\n  and {x +\n1}'''\n\nassert text == '2\\n  and 3'",
        "for x in (1, 2):\n    # a remark\n    assert x",
    ],
)
def test_a_test_means_the_same_below_its_statement(test: str) -> None:
    names = {"double": lambda x: 2 * x}
    exec(going_on(test, 'Exercise "1"'), names)


def test_links_lead_out_of_a_students_folder() -> None:
    text = (
        "# Title\n\n[▶ Open in Colab](https://colab.research.google.com/github/o/n/x.ipynb)\n\n"
        "See [the *last* lesson](01_a.ipynb), [words](../book/glossary.md#words), ![a plot](p.png),"
        " [a paper](https://arxiv.org/abs/1), `x[0](y)` and $p[x](y)$."
    )
    assert for_students(text, BOOK) == (
        f"# Title\n\nSee the *last* lesson, [words]({BOOK}/book/glossary.html#words), a plot, "
        "[a paper](https://arxiv.org/abs/1), `x[0](y)` and $p[x](y)$."
    )
    assert for_students("[words](../book/glossary.md)", None) == "words"


def test_the_syllabus_lists_every_exercise(course: Path) -> None:
    with (course / "syllabus.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["grade_id"], float(row["points"])) for row in rows] == [
        ("double-test", 2),
        ("half-test", 3),
    ]
    assert rows[1]["title"] == "Exercise 1.2 · Halve it"


# --- the folder -----------------------------------------------------------------------------------


def test_the_whole_template_is_copied(course: Path, root: Path) -> None:
    """All but what lessons have in courses with seeds, which is put into the notebooks."""
    files = {path.relative_to(root / "homework") for path in (root / "homework").rglob("*")}
    files = {p for p in files if p.parts[0] != "personal" and "__pycache__" not in p.parts}
    assert {Path("challenge.py"), Path("grading/challenge/laws.py")} < files
    assert [str(path) for path in sorted(files) if not (course / path).exists()] == []
    assert not (course / "personal").exists()


def test_any_name_will_do(tiny_root: Path, tmp_path: Path, grader: ModuleType) -> None:
    name = "a b %20 100%s [ab] é"
    homework.build(tmp_path / name, root=tiny_root)
    submit(tmp_path / name, "ada", TINY, answers({"double-solution": DOUBLE}))
    assert [result.score for result in grader.grade_all(tmp_path / name)] == [2]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_home_folder_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    seen = {}
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        homework, "build", lambda course, **options: seen.update(course=course, **options) or []
    )
    options = ["--private", "~/tests", "--students", "~/class.csv"]
    assert homework.main(["--course", "~/course", *options]) == 0
    names = {"course": "course", "private": "tests", "students": "class.csv"}
    assert seen == {option: tmp_path / "home" / name for option, name in names.items()}
    assert not (tmp_path / "~").exists()


def test_by_itself_it_lies_where_make_clean_removes_nothing(root: Path) -> None:
    recipe = re.search(r"^clean:.*\n((?:\t.*\n)+)", (root / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    words = re.split(r"\s+", recipe.group(1))
    place = homework.COURSE.relative_to(root)
    assert not any(str(place) == word or str(place).startswith(f"{word}/") for word in words)
    assert f"/{place}/" in (root / ".gitignore").read_text().splitlines()
    assert f"  - {place}" in (root / "_config.yml").read_text().splitlines()


def test_what_is_in_the_way_is_said_in_a_line(
    tmp_path: Path, tiny_root: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/course"):
        assert homework.main(["--course", str(tmp_path / place)]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "file" in said and "COURSE=" in said


def test_other_peoples_folders_are_left_alone(tmp_path: Path, tiny_root: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "mine.c").write_text("int main;")
    with pytest.raises(homework.HomeworkError, match=r"other things \(source\)"):
        homework.build(tmp_path, root=tiny_root)
    assert (tmp_path / "source" / "mine.c").is_file()


def test_submissions_may_be_there_first(tmp_path: Path, tiny_root: Path) -> None:
    (tmp_path / "submitted" / "ada").mkdir(parents=True)
    homework.build(tmp_path, root=tiny_root)
    assert (tmp_path / "submitted" / "ada").is_dir()


def test_a_grader_at_work_is_not_disturbed(course: Path, tiny_root: Path) -> None:
    with (
        FileLock(course / ".grading.lock"),
        pytest.raises(homework.HomeworkError, match="a grader is at work"),
    ):
        homework.build(course, root=tiny_root)


def test_a_copy_of_a_lesson_is_no_lesson(tiny_root: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_root / "notebooks", tmp_path / "notebooks")
    for name in (f"{TINY}-Copy1", f"{TINY} (1)", "Untitled", "1_x", f"{TINY}.old"):
        nbformat.write(tiny_notebook(), tmp_path / "notebooks" / f"{name}.ipynb")
    assert [path.stem for path in homework.lessons(tmp_path)] == [TINY]


def test_the_name_rule_is_the_librarys() -> None:
    assert notebooks.LESSON.pattern == lesson._NAME.pattern


def test_the_container_can_be_built_in_the_course_folder(lessons_course: Path) -> None:
    lines = (lessons_course / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY")]
    assert copies
    allowed = (lessons_course / ".dockerignore").read_text().splitlines()
    for source in (name for names in copies for name in names):
        assert (lessons_course / source).exists(), source
        assert f"!{source}" in allowed, f"{source} is left out of what docker sees"


def test_the_course_folders_library_is_the_whole_library(
    lessons_course: Path, root: Path, tmp_path: Path
) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    copy = shutil.copytree(lessons_course / "library", tmp_path / "library")
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--wheel-dir", str(tmp_path), str(copy)],
        capture_output=True,
        text=True,
    )
    if "setuptools" in done.stderr and done.returncode:
        pytest.skip(f"nothing here builds a wheel: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    found = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(next(tmp_path.glob("gdmlib-*.whl")))],
        capture_output=True,
        text=True,
    )
    files = {line.split()[0] for line in found.stdout.splitlines()}
    modules = {str(path.relative_to(root)) for path in (root / "gdmlib").rglob("*.py")}
    assert modules <= files


# --- again ----------------------------------------------------------------------------------------


def test_rebuilding_keeps_submissions_grades_and_other_assignments(
    tmp_path: Path, tiny_root: Path, grader: ModuleType
) -> None:
    homework.build(tmp_path, root=tiny_root)
    path = submit(tmp_path, "ada", TINY, answers({"double-solution": DOUBLE}))
    assert [result.score for result in grader.grade_all(tmp_path)] == [2]
    kept = [path, tmp_path / "grades.csv", tmp_path / "feedback" / "ada" / f"{TINY}.md"]
    before = [file.read_bytes() for file in kept]
    (tmp_path / "source" / "exam").mkdir()
    homework.build(tmp_path, root=tiny_root)
    assert [file.read_bytes() for file in kept] == before
    assert (tmp_path / "source" / "exam").is_dir()
    # Nothing changed, so nothing has to be graded, and the gradebook still knows the score.
    report = grader.grade_course(tmp_path)
    assert report.before == 1 and [result.score for result in report.results] == [2]


def test_private_tests_are_hidden_and_count(
    tiny_root: Path, grader: ModuleType, tmp_path: Path
) -> None:
    private = tmp_path / "private" / TINY
    private.mkdir(parents=True)
    (private / "double-test.py").write_text("assert double(10) == 20, 'private: ten'\n")
    (private / "half-test.py").write_text("assert half(10) == 5, 'private: half of ten'\n")
    course = tmp_path / "course"
    homework.build(course, root=tiny_root, private=private.parent)
    assert "private" not in json.dumps(read(course, "release"))
    cheat = "def double(x):\n    return {2: 4, -3: -6}.get(x)"
    submit(course, "ada", TINY, answers({"double-solution": cheat, "half-solution": HALF}))
    submit(course, "bob", TINY, answers({"double-solution": DOUBLE, "half-solution": HALF}))
    assert [result.score for result in grader.grade_all(course)] == [3, 5]
    assert "private: ten" in (course / "feedback" / "ada" / f"{TINY}.md").read_text()


def test_a_private_test_for_no_cell_is_refused(tiny_root: Path, tmp_path: Path) -> None:
    private = tmp_path / "private" / TINY
    private.mkdir(parents=True)
    (private / "dubble-test.py").write_text("pass\n")
    with pytest.raises(homework.HomeworkError, match=r"no test cell 'dubble-test'.*double"):
        homework.build(tmp_path / "course", root=tiny_root, private=private.parent)


def test_a_missing_private_folder_is_said(tiny_root: Path, tmp_path: Path) -> None:
    with pytest.raises(homework.HomeworkError, match="no such folder of private tests"):
        homework.build(tmp_path / "course", root=tiny_root, private=tmp_path / "nowhere")


def test_no_lessons_is_said(tmp_path: Path) -> None:
    with pytest.raises(homework.HomeworkError, match="there are no lessons"):
        homework.build(tmp_path / "course", root=tmp_path)
