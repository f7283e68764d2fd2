"""What the suite promises to the tests that come later in the same process."""

from __future__ import annotations

import os


def test_a_setting_that_a_test_leaves_behind() -> None:
    os.environ["GDMLIB_BUDGET"] = "grade"


def test_does_not_reach_the_next_one() -> None:
    assert os.environ.get("GDMLIB_BUDGET") != "grade"
