"""``import gdmlib`` is light, and each part arrives when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gdmlib


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_is_light() -> None:
    heavy = run(
        "import sys, gdmlib; "
        "print(*[m for m in ('torch', 'numpy', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    assert heavy == ""


def test_parts_arrive_when_used() -> None:
    assert run("import gdmlib; print(gdmlib.densities.__name__)") == "gdmlib.densities"
    assert set(gdmlib._PARTS) <= set(dir(gdmlib))


@pytest.mark.parametrize(
    "part", ["autoregressive", "data", "densities", "latent", "metrics", "training"]
)
def test_a_part_does_not_load_what_only_others_need(part: str) -> None:
    others = {"data", "plotting", "training"} - {part}
    loaded = run(
        f"import sys, gdmlib; gdmlib.{part}; "
        f"print(*[m for m in {sorted(others)} if f'gdmlib.{{m}}' in sys.modules])"
    )
    assert loaded == ""


def test_unknown_part_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'desnities'"):
        _ = gdmlib.desnities
