"""The experiments that restore with total variation, a mixture on patches, and RIDE."""

from __future__ import annotations

import pytest

from gdmlib.reproduce import run
from gdmlib.reproduce.catalogue import EXPERIMENTS
from gdmlib.reproduce.priors import ALL


@pytest.mark.parametrize("name", [experiment.name for experiment in ALL])
def test_a_trial_measures_every_picture(name: str) -> None:
    record = run(name, smoke=True)
    label = "rate 0.40" if name.startswith("spc") else "70% missing"
    assert record.metric.name == f"PSNR, {label}"
    assert record.metric.value > 15  # of smooth noise, on which nothing was trained for long
    assert {m.name.split(",")[0] for m in (record.metric, *(o.metric for o in record.others))} == {
        "PSNR",
        "SSIM",
    }


def test_a_resumed_run_does_not_train_again(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("spc_ride", smoke=True, work=tmp_path)
    monkeypatch.setattr("gdmlib.reproduce.priors.ride_of", None)
    monkeypatch.setattr("gdmlib.reproduce.priors.fit_patch_mixture", None)
    again = run("spc_ride", smoke=True, work=tmp_path, resume=True)
    assert again.metric.value == whole.metric.value


def test_priors_are_compared_with_what_the_paper_reports() -> None:
    assert EXPERIMENTS["spc_tv"].published is not None
    assert EXPERIMENTS["spc_tv"].published.value == 33.66
    assert EXPERIMENTS["inpainting_tv"].published is None
