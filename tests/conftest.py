"""Settings that hold for every test."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("GDMLIB_PROGRESS", "0")

ROOT = Path(__file__).resolve().parents[1]

# Files whose few tests take long, and about how many seconds: they begin first, since a worker that
# meets them last lets the other one wait. A lesson's seconds stand in its notebook.
HEAVY = {
    "tests/homework/test_lessons.py": 600,
    "tests/book/test_browser_lessons.py": 450,
    "tests/book/test_browser.py": 350,
    "tests/homework/test_ideas.py": 250,
    "tests/packaging/test_install.py": 180,
    "tests/book/test_questions.py": 120,
    "tests/homework/test_personal_lessons.py": 100,
    "tests/test_benchmarks.py": 90,
}


def expected_seconds(path: Path) -> float:
    """Return how long the tests of a file are known to take; 0 of a file that is not known."""
    if path.suffix == ".ipynb":
        record = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("gdm", {})
        return float(record.get("seconds", 0))
    return HEAVY.get(path.relative_to(ROOT).as_posix(), 0) if path.is_relative_to(ROOT) else 0


def by_length(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return tests by files: long files first, then those of many tests."""
    counts = Counter(item.path for item in items)
    seconds = {path: expected_seconds(path) for path in counts}
    return sorted(items, key=lambda item: (-seconds[item.path], -counts[item.path], str(item.path)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give xdist the files in the order in which they are to begin, where it keeps that order."""
    if not config.getoption("loadscopereorder", True):
        items[:] = by_length(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the environment as it was: a lesson that the same worker runs later inherits it."""
    before = dict(os.environ)
    try:
        return (yield)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # One thread: tests run side by side, and a forked mutant must not wait for torch's thread pool.
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> Generator[None, None, None]:
    # What a test does without a generator, or a dtype, must not depend on those that ran before it.
    import torch

    torch.manual_seed(0)
    dtype = torch.get_default_dtype()
    yield
    torch.set_default_dtype(dtype)


@pytest.fixture
def generator():
    """Return a seeded generator."""
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the real data sets, or skip the test where there is none."""
    folder = os.environ.get("GDMLIB_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set GDMLIB_DATA to the folder that holds the downloadable data sets")
    return Path(folder)
