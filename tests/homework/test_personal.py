"""A seed for each student: drawn from the key, put back whatever was handed in, and no evidence."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from grading.arrange import Arranged, arrange
from grading.key import KeyFileError, make_key, number, read_key
from grading.official import official
from grading.personal import STUDENTS, Personal, PersonalError, UnknownStudent, read_class
from grading.similar import answers_of

from gdmlib import handin
from gdmlib.handin.__main__ import main as check
from gdmlib.handin.manifest import KEY
from gdmlib.handin.notebook import StudentCell, read_cells
from gdmlib.handin.personal import reseed, seed_cell, seeds
from tests.homework import editors
from tests.homework.courses import DOUBLE, HALF, TINY, answers, nothing_handed_in, script
from tools import homework

LIST = "student,name\nada,Ada Lovelace\nkurt,Kurt Gödel\nemmy,Emmy Noether\n"
RIGHT = {"double-solution": DOUBLE, "half-solution": HALF}
PRIVATE = "assert half(student_seed) == student_seed / 2, 'private: with your seed'\n"
CANVAS = (
    "Student,ID,SIS Login ID\n    Points Possible,,\n"
    '"Lovelace, Ada",11,ada\n"Gödel, Kurt",12,kurt\n'
)


@pytest.fixture(scope="module")
def made(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a course folder with a seed for each student: to read only."""
    folder = tmp_path_factory.mktemp("personal")
    (folder / "class.csv").write_text(LIST, encoding="utf-8")
    homework.build(folder / "course", root=tiny_root, students=folder / "class.csv")
    return folder / "course"


@pytest.fixture
def course(made: Path, tmp_path: Path) -> Path:
    """Return that course, to hand in to."""
    folder = nothing_handed_in(made, tmp_path)
    for name in ("key", STUDENTS):
        shutil.copy(made / name, folder)
    return folder


def copy_of(course: Path, student: str) -> nbformat.NotebookNode:
    """Return a student's copy with right answers."""
    notebook = nbformat.read(course / "personal" / student / f"{TINY}.ipynb", as_version=4)
    answers(RIGHT)(notebook)
    return notebook


def seed_in(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return next(cell for cell in notebook.cells if cell.get("id") == "student-seed")


def hand_in(course: Path, student: str, notebook: nbformat.NotebookNode) -> None:
    path = course / "submitted" / student / TINY / f"{TINY}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


# --- the key --------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    assert make_key(tmp_path) == read_key(tmp_path) == key and len(key) == 64
    if os.name == "posix":
        assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    (tmp_path / "other").mkdir()
    assert make_key(tmp_path / "other") != key


@pytest.mark.parametrize("text", ["", "\n", "secret", "x" * 31])
def test_a_key_that_is_none_is_refused_and_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    for get in (make_key, read_key):
        with pytest.raises(KeyFileError, match="32 characters or more, got"):
            get(tmp_path)
    assert (tmp_path / "key").read_text() == text


@pytest.mark.parametrize("made", ["students.csv", "challenge/handout"])
def test_a_key_that_was_lost_is_not_made_anew(tmp_path: Path, made: str) -> None:
    (tmp_path / made).mkdir(parents=True)
    for get in (make_key, read_key):
        with pytest.raises(KeyFileError, match=f"with which {made} was made: put it back"):
            get(tmp_path)
    assert not (tmp_path / "key").exists()


def test_seeds_are_the_keys_the_students_and_the_lessons(course: Path) -> None:
    mine, other = Personal.of(course), Personal(b"y" * 64, read_class(course / STUDENTS))
    assert mine is not None
    found = [s.seed(who, n) for s in (mine, other) for who in ("ada", "kurt") for n in ("01", "02")]
    assert len(set(found)) == 8 and all(0 <= seed < 2**31 for seed in found)
    again = Personal.of(course)
    assert again is not None and again.seed("ada", "01") == found[0]
    # No two pairs of lesson and student have one label.
    assert number(b"k", "personal/a/b/c") == Personal(b"k", mine.roster).seed("b/c", "a")


# --- the list -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("student\nada\nkurt\nada\n", ["ada is there 2 times: lines 2, 4"]),
        ("student\nada\nAda\n", ["ada is there 2 times: lines 2, 3"]),
        ("student,name\nada,A\n,Kurt Gödel\n", ["Kurt Gödel (line 3) has no id"]),
        (
            "student\n../key\na/b\n.\nkurt\nkurt\n",
            ["'../key' (line 2) cannot be a folder's name", "'a/b'", "'.'", "kurt is there 2"],
        ),
        ("student\n", ["lists nobody"]),
        ("", ["expected a column", "'student'", "got no columns"]),
        ("who\nada\n", ["expected a column", "'student'", "got 'who'"]),
    ],
)
def test_a_list_that_cannot_be_used_names_everybody(
    tmp_path: Path, text: str, said: list[str], capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "class.csv").write_text(text, encoding="utf-8")
    with pytest.raises(PersonalError) as error:
        read_class(tmp_path / "class.csv")
    assert all(part in str(error.value) for part in said), error.value
    course = tmp_path / "course"
    options = ["--course", str(course), "--students", str(tmp_path / "class.csv")]
    assert homework.main(options) == 1
    assert said[0] in capsys.readouterr().err and not course.exists()


def test_a_list_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = ["--course", str(tmp_path / "course"), "--students"]
    for place in (tmp_path / "none.csv", tmp_path):
        assert homework.main([*options, str(place)]) == 1
        said = capsys.readouterr().err
        assert str(place) in said and said.count("\n") == 1 and "COURSE" not in said


@pytest.mark.parametrize(
    ("text", "names", "handed"),
    [
        (CANVAS, ["ada", "kurt"], "lovelaceada"),
        ("First name,Surname,ID number\nAda,Lovelace,11\n", ["11"], "Ada Lovelace"),
        ("Name,SID,Email\nAda Lovelace,s1,a@x.org\n", ["s1"], "a@x.org"),
        ("student;name in grades.csv\nada;xyz\n", ["ada"], "xyz"),
    ],
)
def test_lists_of_platforms_are_read(
    tmp_path: Path, text: str, names: list[str], handed: str
) -> None:
    (tmp_path / "class.csv").write_text(text, encoding="utf-8")
    roster = read_class(tmp_path / "class.csv")
    assert [person.id for person in roster.people] == names
    assert Personal(b"k", roster).name(handed) == names[0]


# --- the folder -----------------------------------------------------------------------------------


def test_copies_differ_by_the_seed_alone(made: Path) -> None:
    release = nbformat.read(made / "release" / TINY / f"{TINY}.ipynb", as_version=4)
    assert seed_in(release).source == seed_cell(0)
    found = Personal.of(made)
    assert found is not None
    texts = set()
    for student in ("ada", "kurt", "emmy"):
        own = nbformat.read(made / "personal" / student / f"{TINY}.ipynb", as_version=4)
        assert seed_in(own).source == seed_cell(found.seed(student, TINY))
        texts.add(own.metadata[KEY])
        assert re.search(r"^personal [0-9a-f]{12} [0-9a-f]{12}$", own.metadata[KEY], re.MULTILINE)
        assert not re.search(r"\b(ada|kurt|emmy)\b", nbformat.writes(own), re.IGNORECASE)
        seed_in(own).source, own.cells[-1].source = seed_cell(0), release.cells[-1].source
        own.metadata[KEY] = release.metadata[KEY]
        assert own == release
    assert len(texts) == 3


def test_the_key_is_in_no_other_file(made: Path) -> None:
    key, found = (made / "key").read_bytes().strip(), []
    for path in made.rglob("*"):
        if path.is_file() and key in path.read_bytes():
            found.append(path.name)
    assert found == ["key"]
    # Nothing that a wheel or a container takes along lies beside it.
    assert (made / ".dockerignore").read_text().splitlines()[-2:] == ["*", "!library"]


def test_without_a_list_nothing_is_personal(tiny_course: Path) -> None:
    assert Personal.of(tiny_course) is None
    assert not any((tiny_course / name).exists() for name in ("key", "personal", STUDENTS))
    text = (tiny_course / "release" / TINY / f"{TINY}.ipynb").read_text(encoding="utf-8")
    assert "student_seed" not in text and "personal" not in text


def test_making_it_again_keeps_key_list_and_seeds(
    tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    course, listed = tmp_path / "course", tmp_path / "class.csv"
    listed.write_text(LIST, encoding="utf-8")
    homework.build(course, root=tiny_root, students=listed)
    ada = course / "personal" / "ada" / f"{TINY}.ipynb"
    key, before = (course / "key").read_bytes(), ada.read_bytes()
    (ada.parent / "mine.txt").write_text("x")
    homework.build(course, root=tiny_root)
    assert ((course / "key").read_bytes(), ada.read_bytes()) == (key, before)
    listed.write_text("student\nada\nzoe\n", encoding="utf-8")
    homework.build(course, root=tiny_root, students=listed)
    assert ada.read_bytes() == before and (ada.parent / "mine.txt").is_file()
    assert sorted(path.name for path in (course / "personal").iterdir()) == ["ada", "zoe"]
    # A lost key is no reason for another one.
    (course / "key").unlink()
    for students in (None, listed):
        with pytest.raises(KeyFileError, match=r"with which students\.csv was made"):
            homework.build(course, root=tiny_root, students=students)
    assert ada.read_bytes() == before and not (course / "key").exists()


def test_a_private_test_with_a_seed_needs_seeds(tiny_root: Path, tmp_path: Path) -> None:
    private = tmp_path / "private" / TINY
    private.mkdir(parents=True)
    (private / "half-test.py").write_text("assert half(student_seed) > 0\n")
    with pytest.raises(homework.HomeworkError, match=r"student_seed, which there is with STUDENTS"):
        homework.build(tmp_path / "course", root=tiny_root, private=private.parent)


# --- grading --------------------------------------------------------------------------------------


def arranged(course: Path, student: str, cells: list[StudentCell]) -> Arranged:
    """Return what runs of a student's cells, as the grader has it."""
    seeds_ = Personal.of(course)
    assert seeds_ is not None
    own = seeds_.official(official(course, TINY), student)
    return arrange(own, seeds_.cells(own, student, cells))


def changed(notebook: nbformat.NotebookNode) -> None:
    seed_in(notebook).source = "student_seed = 5"


def computed(notebook: nbformat.NotebookNode) -> None:
    seed_in(notebook).source = "student_seed = 1 + 2  # mine"


def deleted(notebook: nbformat.NotebookNode) -> None:
    notebook.cells.remove(seed_in(notebook))


def without_metadata(notebook: nbformat.NotebookNode) -> None:
    notebook.metadata.pop(KEY)
    seed_in(notebook)["id"] = "x"


def twice(notebook: nbformat.NotebookNode) -> None:
    notebook.cells.append(nbformat.v4.new_code_cell("student_seed = 5"))


def nothing(notebook: nbformat.NotebookNode) -> None:
    pass


@pytest.mark.parametrize("whose", ["ada", "kurt"])
@pytest.mark.parametrize("edit", [nothing, changed, computed, deleted, without_metadata, twice])
def test_the_students_own_seed_runs_whatever_was_handed_in(
    made: Path, whose: str, edit: Callable
) -> None:
    notebook, own = copy_of(made, whose), Personal.of(made)
    assert own is not None
    edit(notebook)
    found = arranged(made, "Ada Lovelace", read_cells(nbformat.writes(notebook).encode()))
    given = [step.source for step in found.steps if "student_seed" in step.source]
    assert given == [seed_cell(own.seed("ada", TINY))]
    assert [s.key for s in found.steps if s.kind != "own"] == [
        "student-seed", "double-test", "half-test", "handin-check",
    ]  # fmt: skip
    missing = ("1 of the lesson's 2 code cell was missing and put back.",)
    assert found.notes == (missing if edit is deleted else ())


@pytest.mark.parametrize(
    ("whose", "edit", "teacher", "student"),
    [
        ("ada", nothing, "", ""),
        ("ada", deleted, "", ""),
        ("ada", changed, "the seed was changed; graded with ada's own", "The seed was changed"),
        ("ada", twice, "the seed was changed; graded with ada's own", "The seed was changed"),
        ("kurt", nothing, "this is kurt's copy", "This is another student's copy"),
        ("kurt", deleted, "this is kurt's copy", "This is another student's copy"),
        ("kurt", without_metadata, "this is kurt's copy", "This is another student's copy"),
    ],
)
def test_a_changed_seed_and_anothers_copy_are_told(
    made: Path, whose: str, edit: Callable, teacher: str, student: str
) -> None:
    notebook, own = copy_of(made, whose), Personal.of(made)
    assert own is not None
    edit(notebook)
    data = nbformat.writes(notebook).encode()
    look, note = own.remarks("ada", TINY, read_cells(data), dict(notebook.metadata))
    assert look.startswith(teacher) and note.startswith(student)
    assert bool(look) == bool(teacher) and bool(note) == bool(student) and "kurt" not in note


def test_the_general_release_is_told(made: Path) -> None:
    data = (made / "release" / TINY / f"{TINY}.ipynb").read_bytes()
    own = Personal.of(made)
    assert own is not None
    look, note = own.remarks("ada", TINY, read_cells(data), {})
    assert look == "this is the copy without a seed; graded with ada's own"
    assert note == "This is the copy without a seed; your own was used."


def test_who_is_not_in_the_list_has_no_seed(made: Path, tmp_path: Path) -> None:
    own = Personal(b"k", read_class(made / STUDENTS))
    with pytest.raises(UnknownStudent, match=r"zoe is not in students\.csv, so nothing tells"):
        own.name("zoe")
    (tmp_path / "class.csv").write_text(LIST + "ada2,Ada Lovelace\n", encoding="utf-8")
    own = Personal(b"k", read_class(tmp_path / "class.csv"))
    with pytest.raises(UnknownStudent, match=r"may be several people .*line 2.*line 5"):
        own.name("Ada Lovelace")
    assert own.name("ada") == "ada"


def test_grading_again_gives_the_same_and_hidden_tests_see_the_seed(
    tiny_root: Path, tmp_path: Path, grader: ModuleType, capsys: pytest.CaptureFixture
) -> None:
    course, listed, private = tmp_path / "course", tmp_path / "class.csv", tmp_path / "private"
    listed.write_text(LIST, encoding="utf-8")
    homework.build(course, root=tiny_root, students=listed)
    own = Personal.of(course)
    assert own is not None
    (private / TINY).mkdir(parents=True)
    (private / TINY / "half-test.py").write_text(PRIVATE)
    homework.build(course, root=tiny_root, private=private)
    notebook = copy_of(course, "ada")
    changed(notebook)
    # An answer that knows one student's seed alone, and tries to set it.
    seed = own.seed("ada", TINY)
    half = f"def half(x):\n    return x / 2 if x in (2, {seed}) else 0"
    answers({"half-solution": f"student_seed = {seed} + 0\n\n\n{half}"})(notebook)
    for student in ("ada", "kurt", "zoe"):
        hand_in(course, student, notebook)
    for again in (True, False, True):
        report = grader.grade_course(course, again=again)
        scores = {result.student: result.score for result in report.results}
        assert scores == {"ada": 5, "kurt": 2, "zoe": 0}
    with (course / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows["ada"]["look"] == "the seed was changed; graded with ada's own"
    # Reasons go to platforms, which show them to the student.
    assert rows["kurt"]["look"].startswith("this is ada's copy") and rows["kurt"]["reason"] == ""
    assert rows["zoe"]["reason"].startswith("zoe is not in students.csv")
    text = (course / "feedback" / "kurt" / f"{TINY}.md").read_text(encoding="utf-8")
    assert not re.search(r"\bada\b", text)
    assert "private: with your seed" in text and "This is another student's copy" in text
    # Once in the list, zoe is graded; the others are not graded anew.
    listed.write_text(LIST + "zoe,Zoe\n", encoding="utf-8")
    homework.build(course, root=tiny_root, private=private, students=listed)
    report = grader.grade_course(course)
    assert report.before == 2 and {r.student: r.score for r in report.results}["zoe"] == 2
    (course / "key").write_text("")
    assert grader.main(["--course", str(course)]) == 1
    assert "32 characters or more, got 0" in capsys.readouterr().err


# --- the check before handing in ------------------------------------------------------------------


def kinds(notebook: nbformat.NotebookNode, tmp_path: Path, student: str = "") -> list[str]:
    path = tmp_path / "mine.ipynb"
    nbformat.write(notebook, path)
    report = handin.check_file(path, run=False, student=student)
    assert all(finding.do for finding in report.findings)
    return [finding.kind for finding in report.findings]


@pytest.mark.parametrize("editor", editors.ALL, ids=lambda editor: editor.__name__)
def test_no_editor_makes_a_copy_another(made: Path, tmp_path: Path, editor: Callable) -> None:
    edited = editor(json.loads(nbformat.writes(copy_of(made, "ada"))))
    (tmp_path / "x.ipynb").write_text(json.dumps(edited), encoding="utf-8")
    report = handin.check_file(tmp_path / "x.ipynb", run=False, student="Ada")
    assert report.findings == (), str(report)


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (nothing, []),
        (changed, ["seed-changed"]),
        (computed, ["seed-changed"]),
        (twice, ["seed-changed"]),
        (deleted, ["seed-missing"]),
    ],
)
def test_a_seed_that_is_not_the_copys_is_found(
    made: Path, tmp_path: Path, edit: Callable, found: list[str]
) -> None:
    notebook = copy_of(made, "ada")
    edit(notebook)
    assert kinds(notebook, tmp_path) == found
    assert set(kinds(notebook, tmp_path, "kurt")) == {"other-student", *found}


def test_the_command_asks_whose_copy_it_is(
    made: Path, tiny_course: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "mine.ipynb"
    nbformat.write(copy_of(made, "kurt"), path)
    assert check(["--no-run", str(path)]) == 0
    assert check(["--no-run", "--student", "kurt", str(path)]) == 0
    assert check(["--no-run", "--student", "ada", str(path)]) == 1
    assert "This is another student's copy, and not that of 'ada'." in capsys.readouterr().out
    release = tiny_course / "release" / TINY / f"{TINY}.ipynb"
    assert check(["--no-run", str(release)]) == 0
    assert check(["--no-run", "--student", "ada", str(release)]) == 1
    assert "the copy without a seed" in capsys.readouterr().out


# --- what reads submissions and grades ------------------------------------------------------------


def test_the_seed_is_no_evidence(course: Path, made: Path) -> None:
    for student, whose in (("ada", "ada"), ("kurt", "kurt"), ("emmy", "kurt")):
        hand_in(course, student, copy_of(made, whose))
    found = answers_of(course, TINY)
    assert len(found) == 3 and found["ada"] == found["kurt"] == found["emmy"]
    # As much as in a course without seeds, and nothing where there is no answer.
    assert set(found["ada"]) == {"Exercise 1.1 · Double it", "Exercise 1.2 · Halve it"}


def test_a_copy_without_answers_is_nobodys_work(course: Path, made: Path) -> None:
    for student in ("ada", "kurt"):
        path = made / "personal" / "ada" / f"{TINY}.ipynb"
        hand_in(course, student, nbformat.read(path, as_version=4))
    assert answers_of(course, TINY) == {}


def test_a_seed_is_replaced_where_it_is_set_and_nowhere_else() -> None:
    text = "x = student_seed\nstudent_seed = 12  # mine\nstudent_seeds = 3\n    student_seed = 4"
    (cell,) = reseed([StudentCell("code", text)], 7)
    assert cell.source == text.replace("= 12", "= 7") and seeds([cell]) == [7]


def test_grades_of_personal_copies_are_exported(
    course: Path, made: Path, root: Path, grader: ModuleType
) -> None:
    """The list of the class may be the platform's roster, and the other way round."""
    (course / STUDENTS).write_text(CANVAS, encoding="utf-8")
    for name in ("nbgrader_config.py", "gradebook.db", "grading"):
        source = made / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, course / name)
    hand_in(course, "lovelaceada", copy_of(made, "ada"))
    hand_in(course, "kurt", copy_of(made, "kurt"))
    assert [r.reason for r in grader.grade_course(course).results] == ["", ""]
    export = script("export", root)
    options = ["--course", str(course), "--roster", str(course / STUDENTS)]
    assert export.main(["canvas", *options]) == 0
    with (course / "canvas.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["SIS Login ID"]: row[TINY] for row in rows[1:]} == {"ada": "5", "kurt": "5"}
