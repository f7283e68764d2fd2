"""A course folder may lie anywhere: its name is no pattern, no setting and no command."""

from __future__ import annotations

from pathlib import Path

from tests.homework.courses import TINY
from tests.packaging.toy import ODD
from tools import homework


def test_a_course_is_made_and_renewed_in_an_odd_folder(tiny_root: Path, tmp_path: Path) -> None:
    course = tmp_path / ODD / "course"
    for _ in range(2):
        homework.build(course, root=tiny_root)
        assert (course / "release" / TINY / f"{TINY}.ipynb").is_file()
        assert (course / "gradebook.db").is_file()
    assert not (course / "release").is_symlink()
