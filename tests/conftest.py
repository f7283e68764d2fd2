"""Settings that hold for every test."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("GDMLIB_PROGRESS", "0")

ROOT = Path(__file__).resolve().parents[1]


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
