"""Experiments leave records, records are checked, and the table is made of them."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch

from gdmlib import reproduce
from gdmlib.reproduce import (
    Data,
    Experiment,
    Metric,
    Outcome,
    Published,
    RecordError,
    load_record,
    load_records,
    main,
    results_table,
    run,
    sha256_of,
)

NAME = "gaussian_red_wine"


@pytest.fixture
def toy_experiment(monkeypatch):
    """Register an experiment that needs no data, beside the real ones."""

    def measure(job):
        metric = Metric("mean test log-likelihood", -2.0, 0.5, "nats", [-1.5, -2.5])
        return Outcome(metric, Data("toy", "0" * 64), {"device": job.device}, [1, 2])

    experiment = Experiment(
        name="toy",
        title="A toy",
        dataset="Nothing",
        run=measure,
        published=Published(-2.25, "nats", "Somebody (2013)", verified=True),
        protocol="None.",
        digits=3,
    )
    monkeypatch.setitem(reproduce.EXPERIMENTS, "toy", experiment)
    return experiment


# --- the experiments ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(reproduce.EXPERIMENTS))
def test_every_experiment_has_a_quick_trial(name, tmp_path):
    record = run(name, tmp_path, smoke=True)
    assert record.smoke and record.gap is None
    assert record.seconds < 20
    assert load_records(tmp_path) == [record]
    assert results_table(tmp_path)[0].ours == "missing"  # a trial is no result


def test_the_gaussian_is_cross_validated_as_it_is_said(generator):
    x = torch.randn(40, 2, generator=generator) * torch.tensor([1.0, 30.0]) + 5
    fold = torch.arange(40) % 4
    metric = reproduce._gaussian_folds(x, fold)
    values = []
    for k in range(4):  # the same by torch.distributions
        train, test = x[fold != k].double(), x[fold == k].double()
        mean, std = train.mean(0), train.std(0, correction=0)
        a, b = (train - mean) / std, (test - mean) / std
        normal = torch.distributions.MultivariateNormal(a.mean(0), a.T.cov(correction=0))
        values.append(float(normal.log_prob(b).mean()))
    assert metric.per_fold == pytest.approx(values, abs=1e-9)
    assert metric.value == pytest.approx(sum(values) / 4)
    # Standardised data do not depend on the units in which they came.
    scaled = reproduce._gaussian_folds(x * 1000, fold)
    assert scaled.value == pytest.approx(metric.value, abs=1e-4)


def test_the_record_of_the_red_wine_is_the_published_value(root):
    record = load_record(root / "results" / f"{NAME}.json")
    assert not record.smoke
    assert record.published is not None and record.published.value == -13.18
    assert abs(record.metric.value + 13.18) <= 0.02
    assert len(record.metric.per_fold) == 10
    row = next(row for row in results_table(root / "results") if "Gaussian" in row.experiment)
    assert row.ours.startswith("-13.18 ± ")


def test_the_red_wine_gives_its_record_again(root, real_data):
    record = run(NAME)
    kept = load_record(root / "results" / f"{NAME}.json")
    assert record.metric.per_fold == pytest.approx(kept.metric.per_fold, abs=1e-6)
    assert record.data == kept.data


def test_all_committed_records_can_be_read(root):
    for record in load_records(root / "results"):
        assert not record.smoke
        assert record.name in reproduce.EXPERIMENTS


# --- running --------------------------------------------------------------------------------------


def test_a_record_says_what_was_done(tmp_path, toy_experiment):
    record = run("toy", tmp_path / "new", device="cpu")
    assert load_record(tmp_path / "new" / "toy.json") == record
    assert record.gap == pytest.approx(0.25)
    assert record.config == {"device": "cpu"} and record.seeds == [1, 2]
    assert record.threads == torch.get_num_threads()
    assert set(record.versions) == {"gdmlib", "numpy", "python", "torch"}
    assert record.date.endswith("+00:00")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["toy.json"]


def test_a_trial_never_takes_the_place_of_a_result(tmp_path, toy_experiment):
    run("toy", tmp_path)
    before = (tmp_path / "toy.json").read_text()
    with pytest.raises(RecordError, match="a full record is there"):
        run("toy", tmp_path, smoke=True)
    assert (tmp_path / "toy.json").read_text() == before


def test_a_result_that_is_no_number_is_not_written(tmp_path, monkeypatch, toy_experiment):
    def measure(job):
        return Outcome(Metric("m", math.nan, 0.0, "nats", [math.nan]), Data("d", "0" * 64), {}, [])

    broken = Experiment("toy", "A toy", "Nothing", measure, None, "None.")
    monkeypatch.setitem(reproduce.EXPERIMENTS, "toy", broken)
    with pytest.raises(RecordError, match=r"toy\.json\.metric\.value: expected a finite"):
        run("toy", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_experiment():
    with pytest.raises(ValueError, match="no experiment 'gausian'; there are gaussian_red_wine"):
        run("gausian")


def test_the_hash_is_of_values_types_and_shapes():
    x = torch.arange(6.0).reshape(2, 3)
    assert sha256_of(x) == sha256_of(x.T.contiguous().T) == sha256_of(x.clone())
    others = [x.double(), x.reshape(3, 2), x + 1]
    assert len({sha256_of(x), *map(sha256_of, others), sha256_of(x, x)}) == 5
    # Pinned: the hash in a record must mean the same on every machine and release.
    assert sha256_of(x).startswith("b438c5d786e1b613")


# --- reading --------------------------------------------------------------------------------------


@pytest.fixture
def content(tmp_path, toy_experiment):
    """Return what a good record holds."""
    run("toy", tmp_path / "good")
    return json.loads((tmp_path / "good" / "toy.json").read_text())


def change(content, path, value):
    """Return a copy in which the entry at ``path`` is ``value``; the value ... removes it."""
    content = copy.deepcopy(content)
    *parents, last = path.split(".")
    target = content
    for key in parents:
        target = target[key]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("seconds", ..., "misses seconds"),
        ("extra", 1, "has unknown extra"),
        ("metric.unit", ..., r"toy\.json\.metric: misses unit"),
        ("metric", "good", r"toy\.json\.metric: expected a finite dict, got 'good'"),
        ("metric.value", "-2", r"metric\.value: expected a finite int or float, got '-2'"),
        ("metric.value", True, r"metric\.value: expected a finite int or float, got True"),
        ("metric.value", math.inf, r"metric\.value: expected a finite"),
        ("metric.value", -2.1, "is not the mean of per_fold"),
        ("metric.per_fold", [], "per_fold: expected finite numbers"),
        ("metric.per_fold", [-2.0, None], "per_fold: expected finite numbers"),
        ("metric.per_fold", [-2.0, True], "per_fold: expected finite numbers"),
        ("metric.stderr", -0.5, "is negative"),
        ("seconds", -1, "is negative"),
        ("threads", 1.5, "threads: expected a finite int"),
        ("smoke", 0, "smoke: expected a finite bool"),
        ("smoke", True, "gap: expected None, got 0.25"),
        ("published.verified", "yes", r"published\.verified: expected a finite bool"),
        ("published", None, "gap: expected None, got 0.25"),
        ("published", 3, "published: expected a finite dict or null"),
        ("gap", 0.2, "gap: expected 0.25, got 0.2"),
        ("gap", None, "gap: expected 0.25, got None"),
        ("data.sha256", "abc", "expected 64 hexadecimal digits"),
        ("date", "yesterday", r"toy\.json\.date"),
        ("name", "other", "holds the record of 'other'; rename the file"),
    ],
)
def test_a_malformed_record_is_named(tmp_path, content, path, value, words):
    (tmp_path / "toy.json").write_text(json.dumps(change(content, path, value)))
    with pytest.raises(RecordError, match=words):
        load_records(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON.*run the experiment again"),
        ('{"name": "toy",', "is not JSON"),
        ("[1, 2]", "expected an object, got list"),
    ],
)
def test_a_file_that_is_no_record_is_named(tmp_path, text, words):
    (tmp_path / "toy.json").write_text(text)
    with pytest.raises(RecordError, match=rf"toy\.json.*{words}"):
        load_records(tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder of records"):
        load_records(tmp_path / "nowhere")


def test_an_experiment_without_a_published_value_has_no_gap(tmp_path, content):
    good = change(change(content, "published", None), "gap", None)
    (tmp_path / "toy.json").write_text(json.dumps(good))
    (record,) = load_records(tmp_path)
    assert record.published is None and record.gap is None


# --- the table ------------------------------------------------------------------------------------


def test_the_table_has_a_row_an_experiment(tmp_path, toy_experiment):
    run("toy", tmp_path)
    wine, toy = results_table(tmp_path)
    assert toy.experiment == "A toy" and toy.data == "Nothing"
    assert toy.ours == "-2.000 ± 0.500 nats"
    assert toy.published == "-2.250 nats"
    assert toy.gap == "+0.2500"
    assert toy.source == "Somebody (2013)"
    assert toy.note == "None."
    assert wine.ours == "missing" and wine.gap == ""
    assert wine.published == "-13.18 nats" and "RNADE" in wine.source
    assert wine.note.startswith("Not yet run: python -m gdmlib.reproduce run gaussian_red_wine")
    assert "not checked against the paper" in wine.note


def test_the_table_shows_a_record_that_is_no_longer_registered(tmp_path, content):
    old = change(change(change(content, "published", None), "gap", None), "name", "old")
    (tmp_path / "old.json").write_text(json.dumps(old))
    row = next(row for row in results_table(tmp_path) if row.data == "toy")
    assert row.ours == "-2.00 ± 0.50 nats"
    assert row.published == row.gap == row.source == ""
    assert row.note == "No longer registered. None."


# --- the command line -----------------------------------------------------------------------------


def test_list_names_all_experiments(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in reproduce.EXPERIMENTS)
    assert "published -13.18 nats" in out


def test_run_writes_to_results_by_default(tmp_path, monkeypatch, capsys, toy_experiment):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "toy"]) == 0
    out = capsys.readouterr().out
    assert "-2.0000 ± 0.5000 nats" in out and "gap +0.2500" in out
    assert load_record("results/toy.json").device == "cpu"
    assert main(["run", "toy", "--out", "elsewhere", "--smoke"]) == 0
    assert load_record("elsewhere/toy.json").smoke


def test_a_trial_writes_nothing_unless_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", NAME, "--smoke"]) == 0
    assert "record" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_explains_failures(tmp_path, monkeypatch, capsys, toy_experiment):
    (tmp_path / "toy.json").write_text("{")
    assert main(["run", "toy", "--smoke", "--out", str(tmp_path)]) == 1
    assert "is not JSON" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["run", "gausian"])
    assert "invalid choice" in capsys.readouterr().err
