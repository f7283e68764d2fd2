"""``python -m tools.rules [NOTEBOOK ...]``: the problems of these notebooks, or of all lessons."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.notebooks import lessons, read
from tools.rules import problems
from tools.rules.code import count_code_lines
from tools.rules.outputs import output_kilobytes
from tools.rules.prose import count_words


def main(arguments: list[str]) -> int:
    """Print every problem, and return 1 if there is any."""
    paths = [Path(argument) for argument in arguments] or lessons()
    bad = 0
    for path in paths:
        try:
            notebook = read(path)
        except (OSError, ValueError) as error:
            print(f"{path}: {error}")
            bad += 1
            continue
        found = problems(notebook)
        bad += len(found)
        for what in found:
            print(f"{path.name}: {what}")
        print(
            f"{path.name}: {len(found)} problems; {count_words(notebook)} words, "
            f"{count_code_lines(notebook)} lines of code, "
            f"{output_kilobytes(notebook):.0f} KB of output"
        )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
