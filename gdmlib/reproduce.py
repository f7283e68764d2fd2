"""Published numbers, run again at full size: ``python -m gdmlib.reproduce list`` or ``run NAME``.

An `Experiment` is a function and the number it should give. Running it leaves one JSON record, from
which the book renders its table of results. What a record says is checked when it is written and
again whenever it is read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import gdmlib
from gdmlib._checkpoint import write_atomically
from gdmlib._checks import check_tensor
from gdmlib.metrics import mean_and_stderr

__all__ = [
    "EXPERIMENTS",
    "Data",
    "Experiment",
    "Job",
    "Metric",
    "Outcome",
    "Published",
    "Record",
    "RecordError",
    "Row",
    "load_record",
    "load_records",
    "main",
    "results_table",
    "run",
    "sha256_of",
]


class RecordError(ValueError):
    """A record that is broken or says something impossible; the message names the file."""


# ------------------------------------------------------------------------------- what a record says


@dataclass(frozen=True)
class Metric:
    """What was measured: a mean over folds or seeds, its standard error, the single values."""

    name: str
    value: float
    stderr: float
    unit: str
    per_fold: list[float]


@dataclass(frozen=True)
class Published:
    """What a paper reports. ``verified`` says whether the number was seen in the paper itself."""

    value: float
    unit: str
    source: str
    verified: bool


@dataclass(frozen=True)
class Data:
    """Which data: the sha256 is that of the values as loaded, see `sha256_of`."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Record:
    """One run of one experiment. ``gap`` is ours minus the published value, None for a trial."""

    name: str
    title: str
    date: str
    smoke: bool
    config: dict[str, Any]
    seeds: list[int]
    device: str
    threads: int
    versions: dict[str, str]
    seconds: float
    metric: Metric
    published: Published | None
    gap: float | None
    data: Data
    protocol: str


@dataclass(frozen=True)
class Job:
    """How an experiment is to run: a trial on stand-in data, or at full size; and where."""

    smoke: bool = False
    device: str = "cpu"


@dataclass(frozen=True)
class Outcome:
    """What the function of an experiment returns."""

    metric: Metric
    data: Data
    config: dict[str, Any]
    seeds: list[int]


@dataclass(frozen=True)
class Experiment:
    """A function, and the published number that it should give.

    Attributes
    ----------
    name
        The name of the record's file, without ``.json``.
    title, dataset
        For people.
    run
        ``run(job)`` returns an `Outcome`. A trial (``job.smoke``) needs no data and a second.
    published
        The number to reach, or None.
    protocol
        How the number is made, and in what that differs from the paper.
    digits
        Decimals in the table.
    """

    name: str
    title: str
    dataset: str
    run: Callable[[Job], Outcome]
    published: Published | None
    protocol: str
    digits: int = 2


def sha256_of(*tensors: Tensor) -> str:
    """Return the sha256 of the values (little-endian, row by row), dtypes and shapes of tensors."""
    digest = hashlib.sha256()
    for x in tensors:
        array = np.ascontiguousarray(x.detach().cpu().numpy())
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


# ---------------------------------------------------------------------------------- the experiments


def _gaussian_folds(x: Tensor, fold: Tensor) -> Metric:
    """Cross-validate a Gaussian: standardise and fit on the other folds, evaluate on this one."""
    from gdmlib.densities import MultivariateNormal

    check_tensor(x, "x", ndim=2, floating=True)
    check_tensor(fold, "fold", shape=(len(x),), integer=True)
    values = []
    for k in fold.unique():
        train, test = x[fold != k].double(), x[fold == k].double()
        mean, std = train.mean(0), train.std(0, correction=0)
        model = MultivariateNormal.fit((train - mean) / std)
        values.append(float(model.log_prob((test - mean) / std).mean()))
    mean_value, stderr = mean_and_stderr(torch.tensor(values, dtype=torch.float64))
    return Metric("mean test log-likelihood", mean_value, stderr, "nats", values)


def _gaussian_red_wine(job: Job) -> Outcome:
    if job.smoke:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(60, 3, generator=generator) @ torch.randn(3, 3, generator=generator)
        fold = torch.arange(60) % 3
        name = "stand-in: 60 draws of a Gaussian"
    else:
        from gdmlib.data import red_wine

        wine = red_wine()
        x, fold, name = wine.x, wine.attributes["fold"], wine.name
    return Outcome(
        metric=_gaussian_folds(x, fold),
        data=Data(name, sha256_of(x, fold)),
        config={
            "model": "MultivariateNormal, full covariance, maximum likelihood",
            "standardise": "mean and standard deviation of the training folds",
            "folds": len(fold.unique()),
            "examples": len(x),
            "dimensions": x.shape[1],
        },
        seeds=[],
    )


EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            name="gaussian_red_wine",
            title="Gaussian, maximum likelihood, 10-fold cross-validation",
            dataset="UCI Wine Quality, red (1599 × 11)",
            run=_gaussian_red_wine,
            published=Published(
                value=-13.18,
                unit="nats",
                source="Uria, Murray and Larochelle (2013), RNADE, arXiv:1306.0186",
                verified=False,
            ),
            protocol=(
                "The ten folds that the authors distribute with their later deep NADE code. All "
                "examples outside the test fold are used to fit: there is nothing to choose, so "
                "none is held out for validation. Nothing is added to the covariance. The value is "
                "the mean over the folds; the folds share training data, so its standard error is "
                "only a guide."
            ),
        ),
    )
}


def run(
    name: str, out: str | Path | None = None, *, smoke: bool = False, device: str = "cpu"
) -> Record:
    """Run an experiment and, if ``out`` is given, write ``out/NAME.json``.

    Parameters
    ----------
    name
        A key of `EXPERIMENTS`.
    out
        Folder for the record. A new record takes the old one's place only when it is complete.
    smoke
        A trial of a second on stand-in data. Its record never takes the place of a full one.
    device
        Where the experiment runs, if it uses a device at all.

    Raises
    ------
    ValueError
        If there is no such experiment.
    RecordError
        If the result is no number, or a trial would replace a full record.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"no experiment {name!r}; there are {', '.join(sorted(EXPERIMENTS))}")
    experiment = EXPERIMENTS[name]
    path = None if out is None else Path(out) / f"{name}.json"
    if smoke and path is not None and path.exists() and not load_record(path).smoke:
        raise RecordError(f"{path}: a full record is there; write the trial to another folder")
    started = time.perf_counter()
    outcome = experiment.run(Job(smoke=smoke, device=device))
    published = experiment.published
    record = Record(
        name=name,
        title=experiment.title,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        smoke=smoke,
        config=outcome.config,
        seeds=outcome.seeds,
        device=device,
        threads=torch.get_num_threads(),
        versions={
            "gdmlib": gdmlib.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        seconds=round(time.perf_counter() - started, 3),
        metric=outcome.metric,
        published=published,
        gap=None if smoke or published is None else outcome.metric.value - published.value,
        data=outcome.data,
        protocol=experiment.protocol,
    )
    content = asdict(record)
    _parse(content, f"{name}.json")
    if path is not None:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
    return record


# ------------------------------------------------------------------------------------------ reading

_NUMBER = (int, float)
_PARTS: dict[type, dict[str, Any]] = {
    Metric: {"name": str, "value": _NUMBER, "stderr": _NUMBER, "unit": str, "per_fold": list},
    Published: {"value": _NUMBER, "unit": str, "source": str, "verified": bool},
    Data: {"name": str, "sha256": str},
    Record: {
        "name": str, "title": str, "date": str, "smoke": bool, "config": dict, "seeds": list,
        "device": str, "threads": int, "versions": dict, "seconds": _NUMBER, "metric": dict,
        "published": (dict, type(None)), "gap": (*_NUMBER, type(None)), "data": dict,
        "protocol": str,
    },
}  # fmt: skip


def _part(kind: type, content: object, where: str) -> Any:
    """Make a `Metric`, `Published`, `Data` or `Record` of a dict, or say what is wrong."""
    schema = _PARTS[kind]
    if not isinstance(content, dict):
        raise RecordError(f"{where}: expected an object, got {type(content).__name__}")
    for problem, keys in (
        ("misses", schema.keys() - content.keys()),
        ("has unknown", content.keys() - schema.keys()),
    ):
        if keys:
            raise RecordError(f"{where}: {problem} {', '.join(sorted(map(str, keys)))}")
    for key, types in schema.items():
        value = content[key]
        right = isinstance(value, types) and (types is bool or not isinstance(value, bool))
        if not right or (isinstance(value, float) and not math.isfinite(value)):
            allowed = types if isinstance(types, tuple) else (types,)
            names = " or ".join({"NoneType": "null"}.get(t.__name__, t.__name__) for t in allowed)
            raise RecordError(f"{where}.{key}: expected a finite {names}, got {value!r}")
    return kind(**content)


def _parse(content: object, where: str) -> Record:
    record: Record = _part(Record, content, where)
    metric: Metric = _part(Metric, record.metric, f"{where}.metric")
    data: Data = _part(Data, record.data, f"{where}.data")
    published: Published | None = None
    if record.published is not None:
        published = _part(Published, record.published, f"{where}.published")
    numbers = [x for x in metric.per_fold if type(x) in _NUMBER and math.isfinite(x)]
    if not numbers or len(numbers) != len(metric.per_fold):
        raise RecordError(f"{where}.metric.per_fold: expected finite numbers, {metric.per_fold!r}")
    if not math.isclose(math.fsum(numbers) / len(numbers), metric.value, abs_tol=1e-6):
        raise RecordError(f"{where}.metric.value: {metric.value} is not the mean of per_fold")
    if metric.stderr < 0 or record.seconds < 0:
        raise RecordError(f"{where}: a standard error or a time is negative")
    if len(data.sha256) != 64 or set(data.sha256) - set("0123456789abcdef"):
        raise RecordError(f"{where}.data.sha256: expected 64 hexadecimal digits")
    try:
        datetime.fromisoformat(record.date)
    except ValueError as error:
        raise RecordError(f"{where}.date: {error}") from error
    expected = None if record.smoke or published is None else metric.value - published.value
    if (record.gap is None) != (expected is None) or (
        record.gap is not None and not math.isclose(record.gap, expected or 0.0, abs_tol=1e-9)
    ):
        raise RecordError(f"{where}.gap: expected {expected}, got {record.gap}")
    parts: Mapping[str, Any] = {"metric": metric, "data": data, "published": published}
    return Record(**{**vars(record), **parts})


def load_record(path: str | Path) -> Record:
    """Read one record.

    Raises
    ------
    RecordError
        If the file is not JSON or not a record, or is not called after the experiment.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordError(f"{path}: is not JSON ({error}); run the experiment again") from error
    record = _parse(content, str(path))
    if record.name != path.stem:
        raise RecordError(f"{path}: holds the record of {record.name!r}; rename the file")
    return record


def load_records(folder: str | Path) -> list[Record]:
    """Read all records, ``*.json``, of a folder, sorted by name.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    RecordError
        If a record is malformed; the message names the file and the entry.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of records")
    return [load_record(path) for path in sorted(folder.glob("*.json"))]


class Row(NamedTuple):
    """One line of the table of results, all of it text."""

    experiment: str
    data: str
    ours: str
    published: str
    gap: str
    source: str
    note: str


def results_table(folder: str | Path) -> list[Row]:
    """Return one row an experiment; one without a full record is shown as missing.

    ``ours`` is the mean ± its standard error over folds or seeds, ``gap`` ours minus published.
    """
    records = {record.name: record for record in load_records(folder) if not record.smoke}
    return [_row(name, records.get(name)) for name in sorted(EXPERIMENTS.keys() | records.keys())]


def _row(name: str, record: Record | None) -> Row:
    experiment = EXPERIMENTS.get(name)
    digits = 2 if experiment is None else experiment.digits
    published = record.published if record else experiment.published if experiment else None
    notes = []
    if experiment is None:
        notes.append("No longer registered.")
    if record is None:
        notes.append(f"Not yet run: python -m gdmlib.reproduce run {name}")
    if published is not None and not published.verified:
        notes.append("The published value is quoted; it was not checked against the paper.")
    if record is not None:
        notes.append(record.protocol)
    ours, gap = "missing", ""
    if record is not None:
        metric = record.metric
        ours = f"{metric.value:.{digits}f} ± {metric.stderr:.{digits}f} {metric.unit}"
        gap = "" if record.gap is None else f"{record.gap:+.{digits + 1}f}"
    return Row(
        experiment=experiment.title if experiment else record.title if record else name,
        data=experiment.dataset if experiment else record.data.name if record else "",
        ours=ours,
        published="" if published is None else f"{published.value:.{digits}f} {published.unit}",
        gap=gap,
        source="" if published is None else published.source,
        note=" ".join(notes),
    )


# ------------------------------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gdmlib.reproduce", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show the experiments")
    runner = commands.add_parser("run", help="run one experiment and write its record")
    runner.add_argument("name", choices=sorted(EXPERIMENTS))
    runner.add_argument("--out", type=Path, help="folder of the record (default: results)")
    runner.add_argument("--device", default="cpu", help="cpu (default), cuda, ...")
    runner.add_argument(
        "--smoke", action="store_true", help="a trial on stand-in data; no record unless --out"
    )
    options = parser.parse_args(arguments)
    if options.command == "list":
        for name, experiment in sorted(EXPERIMENTS.items()):
            goal = experiment.published
            target = "" if goal is None else f" | published {goal.value} {goal.unit}"
            print(f"{name}: {experiment.title} | {experiment.dataset}{target}")
        return 0
    out = options.out or (None if options.smoke else Path("results"))
    try:
        record = run(options.name, out, smoke=options.smoke, device=options.device)
    except (OSError, RecordError) as error:
        print(f"{options.name}: {error}", file=sys.stderr)
        return 1
    metric = record.metric
    print(f"{record.name}: {metric.name} {metric.value:.4f} ± {metric.stderr:.4f} {metric.unit}")
    if record.published is not None and record.gap is not None:
        print(
            f"published {record.published.value} ({record.published.source}), gap {record.gap:+.4f}"
        )
    if out is not None:
        print(f"record: {out / record.name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
