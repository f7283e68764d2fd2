"""What the course says that it reaches, and the records that must hold it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def record(root: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "results" / f"{name}.json").read_text())
    return found


def psnr(root: Path, name: str) -> dict[str, float]:
    """Return the decibels of a record of the single-pixel camera, by rate."""
    found = record(root, name)
    metrics = [found["metric"], *(other["metric"] for other in found["others"])]
    return {
        m["name"].split("rate ")[1]: m["value"] for m in metrics if m["name"].startswith("PSNR")
    }


@pytest.mark.parametrize("data", ["BSDS500 test", "scikit-image"])
@pytest.mark.parametrize("format", ["PNG", "WebP, lossless"])
def test_files_of_photographs_are_eight_per_cent_smaller(
    root: Path, data: str, format: str
) -> None:
    assert record(root, "lossless_photographs")["details"][f"smaller, {data}"][format] >= 0.08


def test_total_variation_is_solved_to_the_end(root: Path) -> None:
    found = psnr(root, "spc_tv")
    for rate, decibels in {"0.40": 30.72, "0.30": 28.76, "0.25": 27.78, "0.10": 24.15}.items():
        assert abs(found[rate] - decibels) < 0.2


def test_a_learned_prior_is_ahead_at_every_rate(root: Path) -> None:
    published = {"0.40": 33.66, "0.30": 31.58, "0.25": 30.54, "0.10": 23.29}
    best, variation = psnr(root, "spc_message_passing"), psnr(root, "spc_tv")
    assert all(best[rate] > decibels for rate, decibels in published.items())
    assert all(best[rate] > variation[rate] for rate in variation)
    ours = psnr(root, "spc_ride")  # climbed from where the mixture ends
    assert all(ours[rate] > published[rate] - 0.5 for rate in published)


def test_the_cached_transformer_is_ahead_of_counting(root: Path) -> None:
    bits = [record(root, name)["metric"]["value"] for name in ("transformer_alice", "ngram_alice")]
    assert bits[0] < bits[1]
