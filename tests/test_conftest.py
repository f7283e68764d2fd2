"""What the suite promises to the tests that come later in the same process."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import torch

from tests.conftest import HEAVY, by_length, expected_seconds


def test_a_setting_that_a_test_leaves_behind() -> None:
    os.environ["GDMLIB_BUDGET"] = "grade"
    torch.set_default_dtype(torch.float64)


def test_does_not_reach_the_next_one() -> None:
    assert os.environ.get("GDMLIB_BUDGET") != "grade"
    assert torch.get_default_dtype() == torch.float32


def test_long_files_begin_first(root: Path) -> None:
    assert [name for name in HEAVY if not (root / name).is_file()] == []
    lessons = sorted((root / "notebooks").glob("*.ipynb"))
    assert all(expected_seconds(path) > 0 for path in lessons)
    heavy, light, many = root / next(iter(HEAVY)), root / "tests/a.py", root / "tests/b.py"
    order = [many, light, many, lessons[0], heavy, lessons[0]]
    found = by_length([SimpleNamespace(path=path) for path in order])
    assert [item.path for item in found] == [heavy, lessons[0], lessons[0], many, many, light]
