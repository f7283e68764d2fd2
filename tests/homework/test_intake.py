"""However work is handed in, it is found; whatever cannot be graded has an entry that names it."""

from __future__ import annotations

import io
import os
import random
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from grading import archive
from grading.intake import Handed, handed_in
from grading.official import lessons, official
from grading.recognise import Recogniser, clean, named, rest_of

from tests.homework import deformations as d
from tests.homework.courses import nothing_handed_in

L2, L3 = "02_gaussian_mle", "03_logistic_regression"
Tree = dict[str, "bytes | Tree | None"]


@pytest.fixture
def course(lessons_course: Path, tmp_path: Path) -> Path:
    """Return a course with the real lessons and nothing handed in."""
    return nothing_handed_in(lessons_course, tmp_path)


@pytest.fixture(scope="module")
def book(lessons_course: Path) -> dict[str, bytes]:
    """Return the release of each lesson as a file."""
    folder = lessons_course / "release"
    return {
        name: (folder / name / f"{name}.ipynb").read_bytes() for name in lessons(lessons_course)
    }


def put(folder: Path, tree: Tree) -> None:
    """Write files (bytes), zips (trees whose name ends so), and empty folders (None)."""
    for name, what in tree.items():
        path = folder / name
        if what is None:
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zipped(what) if isinstance(what, dict) else what)


def zipped(tree: Tree) -> bytes:
    """Return a zip as bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, what in tree.items():
            content = zipped(what) if isinstance(what, dict) else what
            file.writestr(f"{name}/" if content is None else name, content or b"")
    return buffer.getvalue()


def found(course: Path) -> list[tuple[str, str]]:
    """Return who handed in which lesson, of what can be graded."""
    return [(h.student, h.lesson) for h in handed_in(course) if not h.reason]


def reasons(course: Path) -> dict[tuple[str, str], str]:
    return {(h.student, h.lesson): h.reason for h in handed_in(course) if h.reason}


# The notebook of lesson 2 (2), of lesson 3 (3) handed in as ..., and who is found with which.
WAYS: dict[str, tuple[dict, set[tuple[str, str]]]] = {
    "the documented place": ({f"ada/{L2}/{L2}.ipynb": 2}, {("ada", L2)}),
    "one folder too high": ({f"ada/{L2}.ipynb": 2, f"ada/{L3}.ipynb": 3},
                            {("ada", L2), ("ada", L3)}),
    "one folder too deep": ({f"ada/{L2}/{L2}/{L2}.ipynb": 2}, {("ada", L2)}),
    "a browser's second download": ({f"ada/{L2}/{L2} (1).ipynb": 2}, {("ada", L2)}),
    "the student's name behind": ({f"ada/{L2}/{L2}_Ada.ipynb": 2}, {("ada", L2)}),
    "capital letters": ({f"ada/{L2}/{L2.upper()}.IPYNB": 2}, {("ada", L2)}),
    "another name": ({f"ada/{L2}/homework.ipynb": 2}, {("ada", L2)}),
    "another name, a folder too high": ({"ada/homework.ipynb": 2}, {("ada", L2)}),
    "hyphens and spaces": ({"ada/02-gaussian mle.ipynb": 2}, {("ada", L2)}),
    "Safari's ending": ({f"ada/{L2}.ipynb.json": 2, f"bob/{L2}.json": 2},
                        {("ada", L2), ("bob", L2)}),
    "a text file's ending": ({f"ada/{L2}.ipynb.txt": 2}, {("ada", L2)}),
    "a number behind the ending": ({f"ada/{L2}.ipynb (1)": 2}, {("ada", L2)}),
    "a folder of one's own name": ({"ada/my homework/x.ipynb": 2}, {("ada", L2)}),
    "a zip": ({"ada/homework.zip": {f"{L2}.ipynb": 2}}, {("ada", L2)}),
    "a zip in the lesson's folder": ({f"ada/{L2}/x.zip": {"x.ipynb": 2}}, {("ada", L2)}),
    "a zip of a folder": ({f"ada/{L2}.zip": {f"{L2}/{L2}.ipynb": 2}}, {("ada", L2)}),
    "a zip of two lessons": (
        {"ada/all.zip": {f"{L2}.ipynb": 2, f"{L3}.ipynb": 3}},
        {("ada", L2), ("ada", L3)},
    ),
    "two lessons in the zip of one": (
        {f"ada/{L2}.zip": {f"{L2}.ipynb": 2, f"{L3}.ipynb": 3}},
        {("ada", L2), ("ada", L3)},
    ),
    "two lessons in the folder of one": (
        {f"ada/{L2}/{L2}.ipynb": 2, f"ada/{L2}/{L3}.ipynb": 3},
        {("ada", L2), ("ada", L3)},
    ),
    "a student's zip, loose": ({"ada.zip": {f"{L2}.ipynb": 2, f"{L3}.ipynb": 3}},
                               {("ada", L2), ("ada", L3)}),
    "a student's zip of versions": ({"ada.zip": {f"{L2}_v1.ipynb": 2, f"{L2}_v2.ipynb": 2}},
                                    {("ada", L2)}),
    "versions in folders": ({"ada/old/x.ipynb": 2, "ada/final/x.ipynb": 2}, {("ada", L2)}),
    "loose files": ({f"{L2}_Ada.ipynb": 2, f"bob {L2}.ipynb": 2}, {("Ada", L2), ("bob", L2)}),
    "loose files named after students": ({"ada.ipynb": 2, "bob.ipynb": 3},
                                         {("ada", L2), ("bob", L3)}),
    "Google Classroom": (
        {f"Ada Lovelace - {L2}.ipynb": 2, f"Copy of {L2} - Bob.ipynb": 2},
        {("Ada Lovelace", L2), ("Bob", L2)},
    ),
    "Google Drive's zip": (
        {"Week 2-20260131T100000Z-001.zip": {
            f"Week 2/Ada Lovelace - {L2}.ipynb": 2, f"Week 2/Bo Li - {L2}.ipynb": 2}},
        {("Ada Lovelace", L2), ("Bo Li", L2)},
    ),
    "Google Drive's zip, unpacked": (
        {f"Week 2/Ada Lovelace - {L2}.ipynb": 2, f"Week 2/Bo Li - {L2}.ipynb": 2},
        {("Ada Lovelace", L2), ("Bo Li", L2)},
    ),
    "folders of lessons": (
        {f"{L2}/ada.ipynb": 2, f"{L2}/bob/x.ipynb": 2, f"{L3}/ada.ipynb": 3},
        {("ada", L2), ("bob", L2), ("ada", L3)},
    ),
    "a class's folders in a zip": (
        {"class.zip": {f"ada/{L2}.ipynb": 2, f"bob/{L2}.ipynb": 2}},
        {("ada", L2), ("bob", L2)},
    ),
    "a class's zips in a zip": (
        {"class.zip": {"ada.zip": {"x.ipynb": 2}, "bob.zip": {"b/x.ipynb": 2}}},
        {("ada", L2), ("bob", L2)},
    ),
    "a class's files in a zip": (
        {"class.zip": {f"{L2}_ada.ipynb": 2, f"{L2}_bob.ipynb": 2}},
        {("ada", L2), ("bob", L2)},
    ),
    "a class by lessons in a zip": (
        {"class.zip": {f"{L2}/ada/x.ipynb": 2, f"{L2}/bob/x.ipynb": 2, f"{L3}/bob/x.ipynb": 3}},
        {("ada", L2), ("bob", L2), ("bob", L3)},
    ),
    "a class's folders, unpacked": (
        {f"export/ada/{L2}/x.ipynb": 2, f"export/bob/{L2}/x.ipynb": 2},
        {("ada", L2), ("bob", L2)},
    ),
    "groups of students": (
        {"group A/ada/x.ipynb": 2, "group A/bob/x.ipynb": 2, "group B/cy/x.ipynb": 2,
         "group B/di/x.ipynb": 2},
        {("ada", L2), ("bob", L2), ("cy", L2), ("di", L2)},
    ),
    "Moodle": (
        {f"DGM-{L2}-1234.zip": {
            "Ada Lovelace_12345_assignsubmission_file_/homework.ipynb": 2,
            "Bo Müller-Lüdenscheidt_12346_assignsubmission_file/x.ipynb": 2}},
        {("Ada Lovelace", L2), ("Bo Müller-Lüdenscheidt", L2)},
    ),
    "Moodle, one student": (
        {"DGM-1234.zip": {"Ada Lovelace_12345_assignsubmission_file_/x.ipynb": 2}},
        {("Ada Lovelace", L2)},
    ),
    "Moodle without folders": (
        {"DGM.zip": {f"Ada Lovelace_12345_assignsubmission_file_{L2}.ipynb": 2,
                     "Bo_12346_assignsubmission_file_x.ipynb": 2}},
        {("Ada Lovelace", L2), ("Bo", L2)},
    ),
    "Moodle, unpacked": (
        {"Ada Lovelace_12345_assignsubmission_file_/x.ipynb": 2,
         "week/Bo_12346_assignsubmission_file_/x.ipynb": 2},
        {("Ada Lovelace", L2), ("Bo", L2)},
    ),
    "Moodle, a zip in a zip": (
        {"DGM.zip": {"Ada Lovelace_12345_assignsubmission_file_/my work.zip": {"x.ipynb": 2}}},
        {("Ada Lovelace", L2)},
    ),
    "Moodle, two of one name": (
        {"DGM.zip": {"Jan Li_12_assignsubmission_file_/x.ipynb": 2,
                     "Jan Li_15_assignsubmission_file_/x.ipynb": 2}},
        {("Jan Li_12", L2), ("Jan Li_15", L2)},
    ),
    "Canvas": (
        {"submissions.zip": {f"lovelaceada_1201_45001_{L2}.ipynb": 2,
                             f"müllerbo_LATE_1202_45002_{L2}-1.ipynb": 2}},
        {("lovelaceada", L2), ("müllerbo", L2)},
    ),
    "Canvas, one student": ({"submissions.zip": {"lovelaceada_1201_45001_x.ipynb": 2}},
                            {("lovelaceada", L2)}),
    "Canvas, unpacked": (
        {"submissions/lovelaceada_1201_45001_x.ipynb": 2, "submissions/libo_1202_45002_x.ipynb": 2,
         "cyd_1203_45003_x.ipynb": 2},
        {("lovelaceada", L2), ("libo", L2), ("cyd", L2)},
    ),
    "a Canvas-like name in one's own folder": ({"ada/run_12_34_x.ipynb": 2}, {("ada", L2)}),
    "Blackboard": (
        {"gradebook.zip": {
            f"{L2}_ada01_attempt_2026-01-31-10-00-00_x.ipynb": 2,
            f"{L2}_ada01_attempt_2026-01-31-10-00-00.txt": b"Name: Ada (ada01)",
            "Homework 2_bo_attempt_2026-01-31-11-00-00_x.ipynb": 2}},
        {("ada01", L2), ("bo", L2)},
    ),
    "Blackboard, a name with an underscore": (
        {f"{L2}_ada_l_attempt_2026-01-31-10-00-00_x.ipynb": 2}, {("ada_l", L2)}),
    "Brightspace": (
        {"Week 2 Download.zip": {
            "12345-67890 - Ada Lovelace - Jan 31, 2026 1000 AM/x.ipynb": 2,
            "12346-67890 - Bo Li - Jan 31, 2026 1001 AM/x.ipynb": 2, "index.html": b"<html>"}},
        {("Ada Lovelace", L2), ("Bo Li", L2)},
    ),
    "Sakai": (
        {"bulk.zip": {"Week 2/Lovelace, Ada(ada01)/Submission attachment(s)/x.ipynb": 2,
                      "Week 2/Lovelace, Ada(ada01)/timestamp.txt": b"20260131"}},
        {("Lovelace, Ada(ada01)", L2)},
    ),
    "names with spaces and accents": (
        {f"Zoë  Núñez/{L2}/x.ipynb": 2, f"O'Neil, J./{L2}.ipynb": 2, f"李 雷/{L2}.ipynb": 2},
        {("Zoë Núñez", L2), ("O'Neil, J", L2), ("李 雷", L2)},
    ),
    "what systems leave behind": (
        {f"ada/{L2}.ipynb": 2, f"ada/._{L2}.ipynb": b"\0\5", "__MACOSX/ada/x.ipynb": 2,
         "ada/.ipynb_checkpoints/x-checkpoint.ipynb": 2, ".DS_Store": b"\0", "ada/Desktop.ini": b"",
         "bob.zip": {f"{L2}.ipynb": 2, f"__MACOSX/._{L2}.ipynb": b"\0\5"}},
        {("ada", L2), ("bob", L2)},
    ),
}  # fmt: skip


def fill(tree: dict, book: dict[str, bytes]) -> Tree:
    """Return a tree with notebooks in place of their numbers."""
    known = {2: book[L2], 3: book[L3]}
    return {
        name: fill(what, book) if isinstance(what, dict) else known.get(what, what)
        for name, what in tree.items()
    }


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_handing_in_is_found(course: Path, book: dict[str, bytes], way: str) -> None:
    tree, expected = WAYS[way]
    put(course / "submitted", fill(tree, book))
    entries = list(handed_in(course))
    assert {(h.student, h.lesson) for h in entries if not h.reason} == expected, entries
    for entry in entries:
        if not entry.reason:
            assert entry.data == book[entry.lesson]
    assert unnamed(course, entries) == []


def unnamed(course: Path, entries: list[Handed]) -> list[str]:
    """Return the files, and empty students' folders, that no entry names."""
    said = "\n".join("\n".join((h.place, h.reason, *h.notes)) for h in entries)
    work = (f for f in archive.walk(course / "submitted") if not f.empty or len(f.parts) == 1)
    return [f.place for f in work if f.place not in said]


# What is there instead of a notebook, and what the entry says.
PROBLEMS: dict[str, tuple[dict, tuple[str, str], str]] = {
    "an empty folder": ({"ada": None}, ("ada", ""), "the folder ada is empty"),
    "an empty lesson": ({f"ada/{L2}": None}, ("ada", L2), f"the folder ada/{L2} is empty"),
    "only what systems leave": ({"ada/.DS_Store": b"\0"}, ("ada", ""), "the folder ada is empty"),
    "a pdf": ({"ada/essay.pdf": b"%PDF"}, ("ada", ""), "there is no notebook, only ada/essay.pdf"),
    "a lesson's pdf": ({f"ada/{L2}.pdf": b"%PDF"}, ("ada", L2), f"no notebook, only ada/{L2}.pdf"),
    "a loose file": ({"list.csv": b"a,b"}, ("list.csv", ""), "no notebook, only list.csv"),
    "a loose notebook": ({f"{L2}.ipynb": 2}, (f"{L2}.ipynb", L2), "nothing tells whose"),
    "an unknown notebook": ({"ada/x.ipynb": d.as_json([d.cell("1")])}, ("ada", ""),
                            "nothing tells which lesson ada/x.ipynb is"),
    "a damaged notebook": ({f"ada/{L2}.ipynb": b'{"cells": ['}, ("ada", L2),
                           f"ada/{L2}.ipynb: the notebook cannot be read: it is cut off"),
    "an empty file": ({f"ada/{L2}.ipynb": b""}, ("ada", L2), "the file is empty"),
    "a lesson's notebook under another's name": ({f"ada/{L2}/{L2}.ipynb": 3}, ("ada", L2),
                                                 f"is the notebook of lesson {L3}"),
    "a damaged zip": ({f"ada/{L2}.zip": b"PK\3\4 and no more"}, ("ada", L2),
                      f"ada/{L2}.zip is no zip that can be opened"),
    "a damaged zip of a class": ({f"DGM-{L2}-1234.zip": b""}, ("DGM 1234", L2), "is no zip"),
    "an empty zip": ({"ada/x.zip": {}}, ("ada", ""), "ada/x.zip is a zip with nothing in it"),
    "an archive": ({f"ada/{L2}.rar": b"Rar!"}, ("ada", L2), "is an archive that is not opened"),
    "zips in zips": ({"ada/1.zip": {"2.zip": {"3.zip": {"4.zip": {"x.ipynb": 2}}}}}, ("ada", ""),
                     "ada/1.zip/2.zip/3.zip/4.zip is a zip within a zip and too deep"),
}  # fmt: skip


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_cannot_be_graded_has_a_reason_that_names_it(
    course: Path, book: dict[str, bytes], problem: str
) -> None:
    tree, who, said = PROBLEMS[problem]
    put(course / "submitted", fill(tree, book))
    entries = list(handed_in(course))
    assert found(course) == [] and unnamed(course, entries) == []
    assert list(reasons(course)) == [who]
    assert said in reasons(course)[who]


def test_a_name_of_another_lesson_makes_no_notebook_of_it(course: Path) -> None:
    source = "def complete(mean, covariance, known, values):\n    pass\n\n\ndef posterior(x): pass"
    put(course / "submitted", {f"ada/{L2}.ipynb": d.as_json([d.cell(source)])})
    assert found(course) == [("ada", L2)]


def test_links_are_not_followed(course: Path, book: dict[str, bytes]) -> None:
    inbox = course / "submitted"
    put(inbox, {f"ada/{L2}.ipynb": book[L2], "bob": None, "cy": None, "di": None})
    (inbox / "bob" / f"{L2}.ipynb").symlink_to(course / "source" / L2 / f"{L2}.ipynb")
    (inbox / "cy" / f"{L2}.ipynb").symlink_to("/nonexistent")
    (inbox / "di" / "round").symlink_to(inbox)
    assert found(course) == [("ada", L2)]
    said = reasons(course)
    assert set(said) == {("bob", L2), ("cy", L2), ("di", "")}
    assert all("is a link: hand in the file itself" in reason for reason in said.values())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_what_is_no_ordinary_file_is_not_opened(course: Path) -> None:
    (course / "submitted" / "ada").mkdir()
    os.mkfifo(course / "submitted" / "ada" / f"{L2}.ipynb")
    assert "is no ordinary file" in reasons(course)["ada", L2]


def test_a_link_in_a_zip_is_not_a_notebook(course: Path) -> None:
    member = zipfile.ZipInfo(f"{L2}.ipynb")
    member.external_attr = 0o120777 << 16
    path = course / "submitted" / "ada.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(member, "/etc/hostname")
    assert f"ada.zip/{L2}.ipynb is a link" in reasons(course)["ada", L2]


def test_an_encrypted_zip_is_called_so(course: Path, book: dict[str, bytes]) -> None:
    data = bytearray(zipped({f"{L2}.ipynb": book[L2]}))
    # The first bit of the flags, in the entry and in the directory.
    for sign, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(sign) + offset] |= 1
    put(course / "submitted", {"ada/work.zip": bytes(data)})
    assert "is encrypted: make the zip without a password" in reasons(course)["ada", L2]


def test_names_in_a_zip_cannot_lead_out_of_it(course: Path, book: dict[str, bytes]) -> None:
    names = {f"../../bob/{L2}.ipynb": book[L2], f"/cy/{L2}.ipynb": book[L2],
             f"di\\..\\{L2}.ipynb": book[L2]}  # fmt: skip
    put(course / "submitted", {"class.zip": names})
    assert found(course) == [("bob", L2), ("cy", L2), ("di", L2)]


def test_sizes_are_bounded(
    course: Path, book: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", 2**20)
    large = book[L2] + b" " * 2**20
    put(course / "submitted", {f"ada/{L2}.ipynb": large, "bob.zip": {f"{L2}.ipynb": large}})
    said = reasons(course)
    assert "has 1 MB, more than 1: clear the outputs" in said["ada", L2]
    assert "has 1 MB, more than 1: clear the outputs" in said["bob", L2]


def test_a_size_that_is_not_true_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive._bounded(io.BytesIO(b"x" * 10), 10) == b"x" * 10
    with pytest.raises(archive.ReadingError, match="has more than 0 MB"):
        archive._bounded(io.BytesIO(b"x" * 11), 10)


def test_a_zip_of_too_many_files_is_not_listed(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 3)
    monkeypatch.setattr(archive._Budget, "__init__", lambda self: None)
    monkeypatch.setattr(archive._Budget, "members", 3)
    put(course / "submitted", {"ada/many.zip": {f"{i}.txt": b"x" for i in range(4)}})
    assert "is a zip of more than 3 files" in reasons(course)["ada", ""]


def test_the_exact_name_wins_then_the_newest(course: Path, book: dict[str, bytes]) -> None:
    inbox = course / "submitted"
    exact = f"ada/{L2}/{L2}.ipynb"
    others = {f"ada/{L2}/{L2} (1).ipynb": book[L2] + b" ", f"ada/{L2}/b.ipynb": book[L2] + b"\n"}
    put(inbox, others)
    for age, name in enumerate(others):
        os.utime(inbox / name, (1e9 - age, 1e9 - age))
    (entry,) = handed_in(course)
    assert entry.place == f"ada/{L2}/{L2} (1).ipynb" and entry.data.endswith(b" ")
    put(inbox, {exact: book[L2]})
    os.utime(inbox / exact, (1, 1))
    (entry,) = handed_in(course)
    assert (entry.place, entry.data) == (exact, book[L2])
    assert entry.notes == (
        f"Graded: {exact}; not graded: ada/{L2}/{L2} (1).ipynb, ada/{L2}/b.ipynb.",
    )


def test_the_exact_name_wins_wherever_it_lies(course: Path, book: dict[str, bytes]) -> None:
    put(course / "submitted", {f"ada/{L2}.ipynb": book[L2], f"ada/work/{L2}_new.ipynb": book[L2]})
    os.utime(course / "submitted" / "ada" / f"{L2}.ipynb", (1, 1))
    (entry,) = handed_in(course)
    assert entry.place == f"ada/{L2}.ipynb"


def test_a_notebook_that_can_be_read_wins(course: Path, book: dict[str, bytes]) -> None:
    put(course / "submitted", {f"ada/{L2}/{L2}.ipynb": b"", f"ada/{L2}/x.ipynb": book[L2]})
    (entry,) = handed_in(course)
    assert entry.place == f"ada/{L2}/x.ipynb" and entry.reason == ""


def test_the_last_attempt_on_blackboard_wins(course: Path, book: dict[str, bytes]) -> None:
    names = [f"{L2}_ada_attempt_2026-01-{day}-10-00-00_{L2}.ipynb" for day in (30, 31, 29)]
    put(course / "submitted", {"bb.zip": dict.fromkeys(names, book[L2])})
    (entry,) = handed_in(course)
    assert entry.student == "ada" and "2026-01-31" in entry.place


def test_other_files_are_named_beside_the_notebook(course: Path, book: dict[str, bytes]) -> None:
    names = [f"ada/{i:02}.png" for i in range(20)]
    put(course / "submitted", {f"ada/{L2}.ipynb": book[L2], **dict.fromkeys(names, b"\x89PNG")})
    (entry,) = handed_in(course)
    assert entry.reason == "" and "ada/07.png and 12 more" in entry.notes[0]


def test_one_students_fault_is_no_others(course: Path, book: dict[str, bytes]) -> None:
    trees = [tree for tree, *_ in PROBLEMS.values()]
    for number, tree in enumerate(trees):
        put(course / "submitted", {f"s{number}/{k}": v for k, v in fill(tree, book).items()})
    put(course / "submitted", {f"zoe/{L2}/{L2}.ipynb": book[L2]})
    assert ("zoe", L2) in found(course)


def test_the_same_name_in_two_encodings_is_one_student(
    course: Path, book: dict[str, bytes]
) -> None:
    name = "Zoë Müller"
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    put(course / "submitted", {f"{forms[0]}/{L2}.ipynb": book[L2]})
    put(course / "submitted", {"moodle.zip": {
        f"{forms[1]}_12_assignsubmission_file_/{L3}.ipynb": book[L3]}})  # fmt: skip
    assert found(course) == [(forms[0], L2), (forms[0], L3)]
    assert [h.lesson for h in handed_in(course, student=forms[1], lesson=L3)] == [L3]


def test_names_in_a_zip_by_macos_are_read(course: Path, book: dict[str, bytes]) -> None:
    # As Finder writes it: decomposed UTF-8 in the bytes, and no flag that says so.
    name = unicodedata.normalize("NFD", f"Zoë/{L2}.ipynb").encode()
    data = zipped({"x" * len(name): book[L2], f"bob/{L2}.ipynb": book[L2]})
    put(course / "submitted", {"class.zip": data.replace(b"x" * len(name), name)})
    assert found(course) == [("Zoë", L2), ("bob", L2)]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_utf8_can_be_written(course: Path, book: dict[str, bytes]) -> None:
    folder = os.fsencode(course / "submitted") + b"/M\xfcller"
    try:
        os.mkdir(folder)  # noqa: PTH102 - a path of bytes
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with open(folder + f"/{L2}.ipynb".encode(), "wb") as file:  # noqa: PTH123 - a path of bytes
        file.write(book[L2])
    (entry,) = handed_in(course)
    assert entry.student == "Müller" and entry.place.encode()


def test_names_that_differ_in_case_only_are_remarked(course: Path, book: dict[str, bytes]) -> None:
    names = [f"{name}_assignsubmission_file_/x.ipynb" for name in ("Ada_12", "ada_13")]
    put(course / "submitted", {"a.zip": dict.fromkeys(names, book[L2])})
    entries = list(handed_in(course))
    assert [h.student for h in entries] == ["Ada", "ada"]
    assert all("upper and lower case" in h.notes[0] for h in entries)


def test_only_what_is_asked_for(course: Path, book: dict[str, bytes]) -> None:
    put(course / "submitted", {f"{who}/{name}.ipynb": book[name] for who in ("ada", "bob")
                               for name in (L2, L3)})  # fmt: skip
    assert len(list(handed_in(course))) == 4
    assert [h.lesson for h in handed_in(course, student="ada")] == [L2, L3]
    assert [h.student for h in handed_in(course, lesson=L3)] == ["ada", "bob"]


def test_nothing_handed_in_is_nothing(course: Path) -> None:
    assert list(handed_in(course)) == []
    (course / "submitted").rmdir()
    assert list(handed_in(course)) == []


def test_every_lesson_is_known_by_its_content(
    lessons_course: Path, book: dict[str, bytes], root: Path
) -> None:
    from gdmlib.handin.notebook import read_cells
    from tests.homework.courses import solutions

    officials = {name: official(lessons_course, name) for name in book}
    recogniser = Recogniser(officials.values())
    for name, lesson in officials.items():
        answers = solutions(root / "notebooks" / f"{name}.ipynb")
        for deform in d.ALL:
            cells = deform(lesson, d.answered(lesson, answers))
            assert recogniser.lesson(read_cells(d.as_json(cells))) == name, deform.__name__
    assert recogniser.lesson([]) == ""


def test_a_random_inbox_is_never_silent(course: Path, book: dict[str, bytes]) -> None:
    chance = random.Random(0)
    folders = ["ada", "Ada", "bob li", L2, L3, "old", "x_12_assignsubmission_file_", "__MACOSX",
               "a.zip", f"{L2}.zip"]  # fmt: skip
    files: dict[str, Callable[[], bytes]] = {
        f"{L2}.ipynb": lambda: book[L2], f"{L3} (1).ipynb": lambda: book[L3],
        "x.ipynb": lambda: book[L2], "y.ipynb": lambda: b"", "z.pdf": lambda: b"%PDF",
        "cy_123_456_x.ipynb": lambda: book[L3], ".DS_Store": lambda: b"", "b.zip": lambda: b"PK",
    }  # fmt: skip

    def tree(depth: int) -> Tree:
        grown: Tree = {}
        for name in chance.sample(folders, chance.randint(0, 3)) if depth else []:
            inner = tree(depth - 1)
            if name.endswith(".zip"):
                grown[name] = inner
            elif not inner:
                grown[name] = None
            else:
                grown |= {f"{name}/{key}": value for key, value in inner.items()}
        for name in chance.sample(sorted(files), chance.randint(0, 2)):
            grown[name] = files[name]()
        return grown

    for number in range(60):
        inbox = course / f"run{number}"
        inbox.mkdir()
        for kind in ("source", "release"):
            (inbox / kind).symlink_to(course / kind)
        (inbox / "submitted").mkdir()
        put(inbox / "submitted", tree(3))
        entries = list(handed_in(inbox))
        keys = [(h.student, h.lesson) for h in entries]
        assert len(set(keys)) == len(keys) and keys == sorted(keys)
        for h in entries:
            assert h.student and (h.reason or (h.lesson and h.data))
            assert h.student.encode() and h.student == clean(h.student)
        few = [f for f in unnamed(inbox, entries) if "more" not in str(entries)]
        assert few == [], (entries, few)


@pytest.mark.parametrize(
    ("name", "lesson", "rest"),
    [
        (f"{L2}.ipynb", L2, ""),
        (f"{L2} (2).ipynb", L2, ""),
        (f"{L2}-Copy1.ipynb", L2, ""),
        (f"Kopie von {L2}.ipynb", L2, ""),
        ("02-Gaussian-MLE_Ada-Lovelace.ipynb", L2, "Ada-Lovelace"),
        (f"Ada {L2}.zip", L2, "Ada"),
        (f"1{L2}.ipynb", "", f"1{L2}"),
        (f"{L2}r.ipynb", "", f"{L2}r"),
        ("ada.ipynb", "", "ada"),
        ("12 (3).ipynb", "", ""),
    ],
)
def test_a_name_tells_lesson_and_student(name: str, lesson: str, rest: str) -> None:
    assert (named(name, [L2, L3]), rest_of(name, [L2, L3])) == (lesson, rest)


def test_a_students_name_is_fit_for_a_folder() -> None:
    assert clean(" a/b:c\0 ") == "a_b_c_"
    assert clean("..") == "_" and clean("J. ") == "J" and len(clean("x" * 999)) == 120
