"""What the suite promises to the tests that come later in the same process."""

from __future__ import annotations

import os

import torch


def test_a_setting_that_a_test_leaves_behind() -> None:
    os.environ["GDMLIB_BUDGET"] = "grade"
    torch.set_default_dtype(torch.float64)


def test_does_not_reach_the_next_one() -> None:
    assert os.environ.get("GDMLIB_BUDGET") != "grade"
    assert torch.get_default_dtype() == torch.float32
