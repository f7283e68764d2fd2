"""What is left of rounding is compared with its bound: below it is equal, above it is not."""

from __future__ import annotations

import re

import pytest
from nbval.plugin import get_sanitize_patterns

from tools import notebooks

TINY = re.compile(r"(?:0e\+00|\de-\d\d)[^\n<]*< 1e-0?(\d+)")


@pytest.fixture(scope="module")
def compared(root):
    patterns = get_sanitize_patterns((root / "tests/notebooks/rounding.cfg").read_text())

    def compared(text: str) -> str:
        for regex, replacement in patterns:
            text = re.sub(regex, replacement, text)
        return text

    return compared


@pytest.mark.parametrize("bound", [4, 5, 6, 12])
def test_only_what_is_below_the_bound_is_equal(compared, bound):
    line = "they differ by {} of the length < 1e-" + f"{bound:02}"
    below = [
        line.format(x) for x in ("0e+00", f"9e-{bound + 1:02}", "2e-16", f"1.5e-{bound + 1:02}")
    ]
    assert len({compared(text) for text in below}) == 1
    for x in (f"1e-{bound:02}", f"3e-{bound - 1:02}", "2e+03", "nan", "inf"):
        assert compared(line.format(x)) == line.format(x)


def test_a_number_without_a_bound_is_compared_digit_by_digit(compared):
    for text in ("a loss of 3e-16", "3e-16 and\n2 < 1e-12", "1.00e-13 is less, 3 < 4"):
        assert compared(text) == text


def test_every_bound_of_a_lesson_has_its_entry(compared):
    claims = [
        output["text"]
        for path in notebooks.lessons()
        for cell in notebooks.read(path).code
        if "nbval-check-output" in cell.metadata.get("tags", [])
        for output in cell.outputs
        if output.output_type == "stream"
    ]
    tiny = [match[0] for text in claims for match in TINY.finditer(text)]
    assert tiny
    assert not [text for text in tiny if "(below)" not in compared(text)]
