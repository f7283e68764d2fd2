"""The experiments that restore with total variation, a mixture on patches, and RIDE."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gdmlib.inverse import MissingBM3DError
from gdmlib.reproduce import main, run
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


def test_message_passing_with_bm3d_is_compared_with_what_was_published_of_it() -> None:
    experiment = EXPERIMENTS["spc_bm3d"]
    assert experiment.published is not None and experiment.published.value == 32.54
    assert experiment.others["PSNR, rate 0.10"].value == 22.46


@pytest.mark.parametrize("key, value", [("steps", 3), ("stages", 2)])
def test_settings_of_bm3d_change_what_is_found(key: str, value: int) -> None:
    plain = run("spc_bm3d", smoke=True).metric.value
    assert run("spc_bm3d", smoke=True, changes={key: value}).metric.value != plain


def test_without_the_package_nothing_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    monkeypatch.setattr("gdmlib.reproduce.inverse.pictures", None)
    with pytest.raises(MissingBM3DError, match="pip install bm3d"):
        run("spc_bm3d", work=tmp_path / "work", out=tmp_path / "out")
    folders = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    assert main(["run", "spc_bm3d", *folders]) == 1
    assert "spc_bm3d: BM3D needs the package bm3d" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
