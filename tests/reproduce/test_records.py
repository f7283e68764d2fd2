"""Records of runs: they are checked when they are written, and again when they are read."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import pytest
import torch

from gdmlib.reproduce.records import (
    Data,
    Metric,
    Published,
    Record,
    RecordError,
    load_record,
    load_records,
    sha256_of,
    write_record,
)

RESULTS = Path(__file__).parents[2] / "results"


def record(**changes) -> Record:
    """Return a good record of an experiment called toy."""
    metric = Metric.of_runs("mean test log-likelihood", [-1.5, -2.5], "nats", "seeds", "higher")
    entries = {
        "name": "toy",
        "title": "A toy",
        "date": "2026-01-02T03:04:05+00:00",
        "smoke": False,
        "config": {"size": 3},
        "seeds": [1, 2],
        "details": {},
        "device": "cpu",
        "threads": 1,
        "processes": 1,
        "versions": {},
        "seconds": 1.0,
        "cpu_seconds": 1,
        "metric": metric,
        "published": Published(-2.25, "nats", "Somebody (2013)", verified=True),
        "gap": 0.25,
        "data": Data("toy", "0" * 64),
        "protocol": "None.",
    }
    return Record(**{**entries, **changes})


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = write_record(record(), tmp_path / "new")
    assert path == tmp_path / "new" / "toy.json"
    assert load_record(path) == record()
    assert [p.name for p in path.parent.iterdir()] == ["toy.json"]  # nothing half-written


def test_a_result_that_is_no_number_is_not_written(tmp_path):
    metric = Metric("m", math.nan, 0.0, "nats", "seeds", 2, [math.nan, 1.0])
    with pytest.raises(RecordError, match=r"toy\.json\.metric\.value: expected a finite"):
        write_record(record(metric=metric), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mean_over_test_examples_keeps_no_values():
    metric = Metric.of_examples("m", torch.tensor([1.0, 2.0, 3.0, 6.0]), "nats")
    assert (metric.value, metric.count, metric.values) == (3.0, 4, [])
    assert metric.stderr == pytest.approx(torch.tensor([1.0, 2.0, 3.0, 6.0]).std().item() / 2)
    assert metric.over == "test examples" and metric.better == "lower"


def test_the_hash_is_of_values_types_and_shapes():
    x = torch.arange(6.0).reshape(2, 3)
    assert sha256_of(x) == sha256_of(x.T.contiguous().T) == sha256_of(x.clone())
    others = [x.double(), x.reshape(3, 2), x + 1]
    assert len({sha256_of(x), *map(sha256_of, others), sha256_of(x, x)}) == 5
    # Pinned: the hash in a record must mean the same on every machine and release.
    assert sha256_of(x).startswith("b438c5d786e1b613")


# --- reading --------------------------------------------------------------------------------------


@pytest.fixture
def content(tmp_path):
    """Return what a good record holds."""
    return json.loads(write_record(record(), tmp_path / "good").read_text())


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
        ("metric.value", -2.1, "is not the mean of the values"),
        ("metric.values", [], "got 0 for 2 seeds"),
        ("metric.values", [-2.0, None], r"values\[1\]: expected a finite int or float, got None"),
        ("metric.values", [-2.0, True], r"values\[1\]: expected a finite int or float, got True"),
        ("seeds", [1, "2"], r"toy\.json\.seeds\[1\]: expected a finite int, got '2'"),
        ("metric.over", "test examples", "got 2 for 2 test examples"),
        ("metric.over", "mondays", "over: expected one of"),
        ("metric.better", "bigger", "better: expected one of"),
        ("metric.stderr", -0.5, "is negative"),
        ("metric.unit", "bits", "bits is compared with nats"),
        ("seconds", -1, "is negative"),
        ("cpu_seconds", -1, "is negative"),
        ("processes", 0, "at least one thread and one process"),
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
        ("details", {"stderr": [1.0, math.nan]}, "a setting or a detail is no finite number"),
        ("config", {"lr": math.inf}, "a setting or a detail is no finite number"),
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
    (found,) = load_records(tmp_path)
    assert found.published is None and found.gap is None


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_spreads_of_a_kept_record_are_in_the_unit_of_its_metric(path: Path) -> None:
    record = json.loads(path.read_text())
    spreads = record["details"].get("stderr over test examples", [])
    if len(spreads) == 1:  # of several runs the metric gives the spread of the runs
        assert spreads[0] == pytest.approx(record["metric"]["stderr"])
