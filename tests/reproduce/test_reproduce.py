"""Experiments leave records, and the table is made of them."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import replace

import pytest
import torch

from gdmlib.autoregressive import NADE
from gdmlib.reproduce import (
    EXPERIMENTS,
    Data,
    Experiment,
    Metric,
    MissingFabricError,
    Outcome,
    Published,
    RecordError,
    catalogue,
    held_out,
    load_record,
    load_records,
    main,
    results_table,
    results_text,
    run,
    table,
    trained,
)
from gdmlib.reproduce.densities import gaussian_folds
from gdmlib.reproduce.job import Settings
from gdmlib.reproduce.tasks import BINARY
from gdmlib.training import train

NAME = "gaussian_red_wine"


@pytest.fixture
def toy_experiment(monkeypatch):
    """Register an experiment that needs no data, beside the real ones."""

    def measure(job):
        metric = Metric.of_runs("mean test log-likelihood", [-1.5, -2.5], "nats", "seeds", "higher")
        details = {"device": job.device.type, "size": job.config["size"]}
        return Outcome(metric, Data("toy", "0" * 64), details)

    experiment = Experiment(
        name="toy",
        title="A toy",
        dataset="Nothing",
        run=measure,
        published=Published(-2.25, "nats", "Somebody (2013)", verified=True),
        protocol="None.",
        config={"size": 3},
        smoke={"size": 1},
        seeds=(1, 2),
        digits=3,
    )
    monkeypatch.setitem(EXPERIMENTS, "toy", experiment)
    return experiment


# --- the experiments ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_every_experiment_has_a_quick_trial(name, tmp_path):
    if EXPERIMENTS[name].trains:
        pytest.importorskip("lightning_fabric")
    record = run(name, tmp_path, smoke=True)
    assert record.smoke and record.gap is None
    assert record.config["data"] == "stand-in"
    assert record.cpu_seconds < 10
    assert load_records(tmp_path) == [record]
    assert {row.ours for row in results_table(tmp_path)} == {"missing"}  # a trial is no result


def test_a_trial_has_the_settings_of_the_full_size():
    for experiment in EXPERIMENTS.values():
        full, trial = (set(experiment.settings(smoke, {})) for smoke in (False, True))
        assert full <= trial, experiment.name  # a stand-in may need one more, such as its shape
        assert experiment.published is None or not experiment.published.verified
        if experiment.trains:
            assert experiment.seeds, f"{experiment.name}: training is random"


def test_the_gaussian_is_cross_validated_as_it_is_said(generator):
    x = torch.randn(40, 2, generator=generator) * torch.tensor([1.0, 30.0]) + 5
    fold = torch.arange(40) % 4
    metric = gaussian_folds(x, fold)
    values = []
    for k in range(4):  # the same by torch.distributions
        train, test = x[fold != k].double(), x[fold == k].double()
        mean, std = train.mean(0), train.std(0, correction=0)
        a, b = (train - mean) / std, (test - mean) / std
        normal = torch.distributions.MultivariateNormal(a.mean(0), a.T.cov(correction=0))
        values.append(float(normal.log_prob(b).mean()))
    assert metric.values == pytest.approx(values, abs=1e-9)
    assert metric.value == pytest.approx(sum(values) / 4)
    assert metric.over == "folds" and metric.better == "higher"
    # Standardised data do not depend on the units in which they came.
    scaled = gaussian_folds(x * 1000, fold)
    assert scaled.value == pytest.approx(metric.value, abs=1e-4)


def test_the_record_of_the_red_wine_is_the_published_value(root):
    record = load_record(root / "results" / f"{NAME}.json")
    assert not record.smoke
    assert record.published is not None and record.published.value == -13.18
    assert abs(record.metric.value + 13.18) <= 0.02
    assert len(record.metric.values) == 10
    row = next(row for row in results_table(root / "results") if "Gaussian" in row.experiment)
    assert row.ours.startswith("-13.18 ± ") and row.gap.endswith("(within the error)")


def test_the_red_wine_gives_its_record_again(root, real_data):
    record = run(NAME)
    kept = load_record(root / "results" / f"{NAME}.json")
    assert record.metric.values == pytest.approx(kept.metric.values, abs=1e-6)
    assert record.data == kept.data


@pytest.mark.parametrize("name", ["fvsbn_dna", "fvsbn_mushrooms", "fvsbn_nips"])
def test_the_exact_fit_beats_the_published_networks(root, name):
    record = load_record(root / "results" / f"{name}.json")
    assert record.gap is not None and record.gap < 0


def test_all_committed_records_can_be_read(root):
    for record in load_records(root / "results"):
        assert not record.smoke
        assert record.name in EXPERIMENTS


# --- running --------------------------------------------------------------------------------------


def test_a_record_says_what_was_done(tmp_path, toy_experiment):
    record = run("toy", tmp_path / "new", device="cpu", changes={"size": 4})
    assert load_record(tmp_path / "new" / "toy.json") == record
    assert record.gap == pytest.approx(0.25)
    assert record.config == {"size": 4} and record.seeds == [1, 2]
    assert record.details == {"device": "cpu", "size": 4} and record.device == "cpu"
    assert record.threads == torch.get_num_threads() and record.processes == 1
    assert set(record.versions) == {"gdmlib", "numpy", "python", "torch"}
    assert record.date.endswith("+00:00")


def test_a_trial_never_takes_the_place_of_a_result(tmp_path, toy_experiment):
    run("toy", tmp_path)
    before = (tmp_path / "toy.json").read_text()
    with pytest.raises(RecordError, match="a full record is there"):
        run("toy", tmp_path, smoke=True)
    assert (tmp_path / "toy.json").read_text() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "gausian"}, "no experiment 'gausian'; did you mean gaussian_red_wine"),
        ({"device": "tpu"}, "device: expected auto, cpu or cuda, got 'tpu'"),
        ({"processes": 0}, "processes: expected at least 1, got 0"),
        ({"processes": 2}, "in one process; give it more threads"),
        ({"resume": True}, "resume needs the folder"),
        ({"changes": {"speed": 1}}, f"speed: no setting of {NAME}; did you mean seeds"),
        ({"changes": {"seeds": [0]}}, r"seeds: expected \[\], for no seed is used, got \[0\]"),
    ],
)
def test_what_makes_no_sense_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        run(**{"name": NAME, "smoke": True, **options})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ValueError, match="no CUDA GPU here; use --device cpu"):
        run(NAME, smoke=True, device="cuda")


def test_without_fabric_only_training_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingFabricError, match="pip install lightning-fabric"):
        run("nade_dna", smoke=True)
    assert main(["run", "nade_dna", "--smoke"]) == 1
    assert run("fvsbn_dna", smoke=True).smoke
    assert run("bernoulli_mixture_mnist", smoke=True).smoke


# --- settings -------------------------------------------------------------------------------------


def test_a_setting_that_nobody_reads_is_an_error(monkeypatch, tmp_path):
    plain = EXPERIMENTS["nade_dna"]
    monkeypatch.setitem(
        EXPERIMENTS, "nade_dna", replace(plain, config={**plain.config, "units": 3, "speed": 1})
    )
    with pytest.raises(ValueError, match="nade_dna: nobody reads the setting speed, units; a se"):
        run("nade_dna", tmp_path, smoke=True)
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_knows_what_was_read(monkeypatch, tmp_path):
    plain = EXPERIMENTS["fvsbn_dna"]
    run("fvsbn_dna", smoke=True, work=tmp_path / "good")
    run("fvsbn_dna", smoke=True, work=tmp_path / "good", resume=True)
    monkeypatch.setitem(
        EXPERIMENTS, "fvsbn_dna", replace(plain, config={**plain.config, "speed": 1})
    )
    for resume in (False, True):
        with pytest.raises(ValueError, match="nobody reads the setting speed"):
            run("fvsbn_dna", smoke=True, work=tmp_path / "bad", resume=resume)


def test_one_setting_changes_one_thing(monkeypatch):
    class Rated(NADE):
        def __init__(self, event_shape, *, lr=1.0, **options):
            super().__init__(event_shape, **options)

    plain = EXPERIMENTS["nade_dna"]
    clash = held_out(
        "clash", "", BINARY["dna"], trained(Rated), None, "", config=plain.config,
        smoke=plain.smoke, seeds=(0,), trains=True,
    )  # fmt: skip
    monkeypatch.setitem(EXPERIMENTS, "clash", clash)
    with pytest.raises(ValueError, match=r"^lr: an argument of both the model and its tr"):
        run("clash", smoke=True, device="cpu")


def test_no_two_experiments_have_one_name():
    assert len(catalogue._ALL) == len(EXPERIMENTS)


def test_settings_reach_functions_by_the_names_of_arguments():
    settings = Settings({"a": 1, "b": 2, "first_b": 3, "c": 4})

    def function(a, b=0, d=5):
        return a, b, d

    assert settings.of(function) == {"a": 1, "b": 2}
    assert settings.of(function, "first_") == {"b": 3}
    assert settings.unread == {"c"}
    assert settings["c"] == 4 and not settings.unread


def test_a_model_is_built_and_trained_by_the_settings_of_its_experiment(monkeypatch):
    seen = {}

    class Watched(NADE):
        def __init__(self, event_shape, *, hidden, generator):
            seen["hidden"] = hidden
            super().__init__(event_shape, hidden=hidden, generator=generator)

    def watched_train(model, x, valid, **options):
        seen.update(options)
        return train(model, x, valid, **options)

    monkeypatch.setattr("gdmlib.reproduce.experiment.train", functools.wraps(train)(watched_train))
    plain = EXPERIMENTS["nade_dna"]
    task = BINARY["dna"]
    config = {**plain.config, "clip": 3.0, "average": 0.5, "betas": [0.8, 0.9]}
    made = held_out(
        "watched", "", task, trained(Watched), None, "", config=config, smoke=plain.smoke,
        seeds=(7,), trains=True,
    )  # fmt: skip
    monkeypatch.setitem(EXPERIMENTS, "watched", made)
    run("watched", smoke=True, device="cpu", changes={"hidden": 4, "lr": 0.25, "seeds": [7]})
    expected = made.settings(True, {"hidden": 4, "lr": 0.25, "seeds": [7]})
    for key in expected.keys() - {"data", "seeds"}:
        assert seen[key] == expected[key], key
    assert seen["generator"].initial_seed() == 7


# --- several metrics ------------------------------------------------------------------------------


def test_a_record_may_hold_several_metrics(tmp_path, monkeypatch, toy_experiment):
    psnr = Metric.of_runs("PSNR", [29.0, 31.0], "dB", "seeds", "higher")
    error = Metric.of_runs("perceptual error", [0.2, 0.4], "", "seeds", "lower")
    data = Data("toy", "0" * 64)

    def measure(job):
        return Outcome(psnr, data, {"size": job.config["size"]}, others=(error, psnr))

    two = replace(
        toy_experiment, run=measure, published=Published(28.0, "dB", "A"),
        others={"perceptual error": Published(0.35, "", "B (2020)")},
    )  # fmt: skip
    monkeypatch.setitem(EXPERIMENTS, "toy", two)
    record = run("toy", tmp_path)
    assert load_record(tmp_path / "toy.json") == record
    assert [o.gap for o in record.others] == [pytest.approx(-0.05), None]
    assert [o.gap for o in run("toy", smoke=True).others] == [None, None]
    first, second, third = results_table(tmp_path)[-3:]
    assert first.ours == "30.000 ± 1.000 dB (2 seeds)" and first.better == "higher"
    assert second.experiment == "A toy: perceptual error" and second.better == "lower"
    assert second.gap == "-0.0500 (within the error)" and second.source == "B (2020)"
    assert third.experiment == "A toy: PSNR" and third.published == third.gap == ""
    lines = results_text(tmp_path, "toy").splitlines()
    first_line = "toy 30.000 ± 1.000 dB published 28.000 dB, quoted higher is better"
    assert lines[0].split() == first_line.split()
    assert lines[1].startswith("  perceptual error") and lines[1].endswith("lower is better")
    content = json.loads((tmp_path / "toy.json").read_text())
    content["others"][0]["gap"] = 0.0
    (tmp_path / "toy.json").write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"toy\.json\.others\[0\]\.gap: expected -0.0"):
        load_record(tmp_path / "toy.json")


def test_a_record_from_before_there_were_others_is_read(root, tmp_path):
    content = json.loads((root / "results" / "nade_nips.json").read_text())
    content.pop("others", None)
    (tmp_path / "nade_nips.json").write_text(json.dumps(content))
    assert load_record(tmp_path / "nade_nips.json").others == []


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.018, "less than 1 s"), (42.4, "42 s"), (647.9, "11 min"), (4340.7, "1.2 h")],
)
def test_times_have_a_unit(seconds: float, text: str):
    assert table._time(seconds) == text


def test_the_table_has_a_row_an_experiment_in_their_order(tmp_path, toy_experiment):
    run("toy", tmp_path, device="cpu")
    wine, *_, toy = results_table(tmp_path)
    assert toy.experiment == "A toy" and toy.data == "Nothing"
    assert toy.ours == "-2.000 ± 0.500 nats (2 seeds)"
    assert toy.published == "-2.250 nats"
    assert toy.gap == "+0.2500 (within the error)"
    assert toy.source == "Somebody (2013)"
    assert toy.note == "None."
    assert toy.run == "CPU only, 1 thread, less than 1 s of processor time"
    assert wine.ours == "missing" and wine.gap == wine.run == ""
    assert wine.published == "-13.18 nats, quoted" and "RNADE" in wine.source
    assert wine.note == "Not yet run: `python -m gdmlib.reproduce run gaussian_red_wine`"


@pytest.mark.parametrize(
    ("published", "better", "gap"),
    [
        (-3.0, "higher", "+1.000 (better)"),
        (-3.0, "lower", "+1.000 (worse)"),
        (-1.0, "higher", "-1.000 (worse)"),
        (-1.0, "lower", "-1.000 (better)"),
        (-2.5, "lower", "+0.500 (within the error)"),
    ],
)
def test_a_difference_says_what_it_means(published, better, gap):
    metric = Metric("m", -2.0, 0.5, "nats", "test examples", 9, better=better)
    assert table._gap(metric, Published(published, "nats", "Somebody"), 2) == gap


def test_a_smaller_budget_is_told(tmp_path, toy_experiment):
    run("toy", tmp_path, changes={"size": 2, "seeds": [1]})
    note = results_table(tmp_path)[-1].note
    assert note.endswith("Not the settings of the full run: seeds [1] instead of [1, 2], size 2 "
                         "instead of 3.")  # fmt: skip


def test_the_table_shows_a_record_that_is_no_longer_registered(tmp_path, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "old", EXPERIMENTS[NAME])
    content = run(NAME, smoke=True)
    old = {**json.loads(json.dumps(content, default=vars)), "name": "old", "smoke": False}
    old |= {"published": None, "gap": None}
    (tmp_path / "old.json").write_text(json.dumps(old))
    monkeypatch.delitem(EXPERIMENTS, "old")
    row = next(row for row in results_table(tmp_path) if row.data == "stand-in")
    assert row.ours == "-3.97 ± 0.18 nats (3 folds)"
    assert row.published == row.gap == row.source == ""
    assert row.note.startswith("No longer an experiment of the course. ")


# --- the command line -----------------------------------------------------------------------------


def test_list_names_all_experiments(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in EXPERIMENTS)
    assert "published -13.18 nats" in out


def test_a_text_shows_the_records_that_are_there(tmp_path, toy_experiment):
    assert results_text(tmp_path, "*") == ""
    run("toy", tmp_path)
    line = "higher is better toy -2.000 ± 0.500 nats published -2.250 nats"
    assert " ".join(results_text(tmp_path, "t*").split()) == " ".join(line.split())
    assert results_text(tmp_path, "gaussian*") == ""
    run("toy", tmp_path, changes={"size": 2})
    lines = results_text(tmp_path, "toy", "nade_*").splitlines()
    assert lines[0] == "higher is better"
    assert lines[1].startswith("toy * ") and lines[2].startswith("* not the settings")


def test_a_text_shows_one_measure_as_a_table(tmp_path, toy_experiment, monkeypatch):
    def measure(job):
        of = lambda name, low, *more: Metric.of_runs(name, [low, low + 2.0], "dB", "seeds", *more)  # noqa: E731
        others = (of("PSNR, rate 2", 2.0, "higher"), of("error, rate 1", 8.0))
        size = {"size": job.config["size"]}
        return Outcome(of("PSNR, rate 1", 1.0, "higher"), Data("toy", "0" * 64), size, others)

    two = replace(
        toy_experiment, run=measure, published=Published(4.5, "dB", "A"),
        others={"PSNR, rate 2": Published(5.5, "dB", "A")},
    )  # fmt: skip
    monkeypatch.setitem(EXPERIMENTS, "toy", two)
    run("toy", tmp_path)
    lines = [line.split() for line in results_text(tmp_path, "toy", measure="PSNR").splitlines()]
    assert lines[0] == ["PSNR", "(dB),", "higher", "is", "better"]
    assert lines[1] == ["rate", "1", "rate", "2"]
    assert lines[2:] == [["toy", "2.000", "3.000"], ["published", "4.500", "5.500"]]
    lines = results_text(tmp_path, "toy", measure="error").splitlines()
    assert [line.split() for line in lines[1:]] == [["rate", "1"], ["toy", "9.000"]]
    assert results_text(tmp_path, "toy", measure="SSIM") == ""
    run("toy", tmp_path, changes={"size": 2})
    lines = results_text(tmp_path, "toy", measure="PSNR").splitlines()
    assert lines[2].startswith("toy * ") and lines[-1].startswith("* not the settings")


def test_run_writes_to_results_by_default(tmp_path, monkeypatch, capsys, toy_experiment):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "toy", "--set", "size=7", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "-2.0000 ± 0.5000 nats (one standard error over 2 seeds)" in out
    assert "gap +0.2500" in out
    record = load_record("results/toy.json")
    assert record.device == "cpu" and record.config == {"size": 7}
    assert (tmp_path / "build/reproduce/toy/run.json").is_file()
    assert main(["run", "toy", "--out", "elsewhere", "--smoke"]) == 0
    assert load_record("elsewhere/toy.json").smoke


def test_a_folder_that_cannot_be_written_is_told_before_the_run(
    tmp_path, monkeypatch, capsys, toy_experiment
):
    (tmp_path / "file").touch()
    monkeypatch.setitem(EXPERIMENTS, "toy", replace(toy_experiment, run=lambda job: 1 / 0))
    assert main(["run", "toy", "--smoke", "--out", str(tmp_path / "file")]) == 1
    assert "file" in capsys.readouterr().err


def test_a_trial_writes_nothing_unless_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", NAME, "--smoke"]) == 0
    assert "record" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_explains_failures(tmp_path, monkeypatch, capsys, toy_experiment):
    (tmp_path / "toy.json").write_text("{")
    assert main(["run", "toy", "--smoke", "--out", str(tmp_path)]) == 1
    assert "is not JSON" in capsys.readouterr().err
