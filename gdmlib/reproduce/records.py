"""Records of full-size runs: what one says, how it is written, and how it is read again.

A record is a JSON file. It is checked when it is written and whenever it is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor

from gdmlib._files import path_of, write_atomically
from gdmlib.metrics import mean_and_stderr

OVER = ("folds", "seeds", "test examples")
BETTER = ("lower", "higher")


class RecordError(ValueError):
    """A record that is broken or says something impossible; the message names the file."""


@dataclass(frozen=True)
class Metric:
    """What was measured: a mean and its standard error.

    Attributes:
        name, unit: For people.
        value, stderr: The mean, and its standard error.
        over, count: What the mean is over, one of ``"folds"``, ``"seeds"`` and ``"test examples"``,
            and how many of them. Over seeds, the standard error says how much another run would
            differ; over test examples, how much another test set would.
        values: The value of each fold or seed; empty for test examples, which are too many.
        better: ``"lower"`` or ``"higher"``.
    """

    name: str
    value: float
    stderr: float
    unit: str
    over: str
    count: int
    values: list[float] = field(default_factory=list)
    better: str = "lower"

    @classmethod
    def of_examples(cls, name: str, values: Tensor, unit: str, better: str = "lower") -> Metric:
        """Take the mean over test examples, shape (N,)."""
        mean, stderr = mean_and_stderr(values)
        return cls(name, mean, stderr, unit, "test examples", len(values), better=better)

    @classmethod
    def of_runs(
        cls, name: str, values: list[float], unit: str, over: str, better: str = "lower"
    ) -> Metric:
        """Take the mean over folds or seeds, at least two."""
        mean, stderr = mean_and_stderr(torch.tensor(values, dtype=torch.float64))
        return cls(name, mean, stderr, unit, over, len(values), values, better)


@dataclass(frozen=True)
class Published:
    """What a paper reports. ``verified`` says whether the number was seen in the paper itself."""

    value: float
    unit: str
    source: str
    verified: bool = False


@dataclass(frozen=True)
class Data:
    """Which data: the sha256 is that of the values as loaded, see `sha256_of`."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Other:
    """A further metric of a run, beside the number of its own that was published."""

    metric: Metric
    published: Published | None
    gap: float | None


@dataclass(frozen=True)
class Record:
    """One run of one experiment.

    Attributes:
        config, seeds: All that the run was told.
        details: What it found beside the metric: epochs, strengths chosen, numbers of parameters,
            ...
        device, threads, processes: Where it ran, and with how many threads each of how many
            processes.
        seconds, cpu_seconds: How long it took, interrupted parts included, by the clock and in
            processor time of the first process. On a busy machine the first is much longer than the
            second.
        gap: Ours minus the published value; None for a trial.
        protocol: How the number is made, and in what that differs from the paper.
        others: Further metrics; a record that was written before there were any has none.
    """

    name: str
    title: str
    date: str
    smoke: bool
    config: dict[str, Any]
    seeds: list[int]
    details: dict[str, Any]
    device: str
    threads: int
    processes: int
    versions: dict[str, str]
    seconds: float
    cpu_seconds: float
    metric: Metric
    published: Published | None
    gap: float | None
    data: Data
    protocol: str
    others: list[Other] = field(default_factory=list)


def sha256_of(*tensors: Tensor) -> str:
    """Return the sha256 of the values (little-endian, row by row), dtypes and shapes of tensors."""
    digest = hashlib.sha256()
    for x in tensors:
        array = np.ascontiguousarray(x.detach().cpu().numpy())
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


# ----------------------------------------------------------------------------- writing and checking


def check_record(record: Record) -> dict[str, Any]:
    """Return what will stand in the file."""
    content = asdict(record)
    _parse(content, f"{record.name}.json")
    return content


def write_record(record: Record, folder: str | Path) -> Path:
    """Write ``folder/NAME.json``; it takes the old one's place only when it is complete."""
    text = json.dumps(check_record(record), indent=2, ensure_ascii=False) + "\n"
    path = path_of(folder) / f"{record.name}.json"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path


def _part(kind: type, content: object, where: str) -> Any:
    """Make one of the dataclasses above of what JSON gave, or say what is wrong."""
    hints = get_type_hints(kind)
    if not isinstance(content, dict):
        raise RecordError(f"{where}: expected an object, got {type(content).__name__}")
    for problem, keys in (
        ("misses", hints.keys() - content.keys()),
        ("has unknown", content.keys() - hints.keys()),
    ):
        if keys:
            raise RecordError(f"{where}: {problem} {', '.join(sorted(map(str, keys)))}")
    return kind(**{key: _entry(hints[key], content[key], f"{where}.{key}") for key in hints})


def _entry(hint: Any, value: object, where: str) -> Any:
    """Make of what JSON gave what a type hint asks for: a number, text, a list, a dataclass, ..."""
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kinds: list[type] = []
    for option in options:
        plain = dict if is_dataclass(option) else get_origin(option) or option
        kinds += (int, float) if plain is float else (plain,)
    right = isinstance(value, tuple(kinds)) and (bool in kinds or not isinstance(value, bool))
    if not right or (isinstance(value, float) and not math.isfinite(value)):
        names = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
        raise RecordError(f"{where}: expected a finite {names}, got {value!r}")
    if isinstance(value, list):
        (kind,) = get_args(hint)
        return [_entry(kind, entry, f"{where}[{number}]") for number, entry in enumerate(value)]
    if isinstance(value, dict) and is_dataclass(options[0]):
        return _part(options[0], value, where)  # type: ignore[arg-type]
    return value


def _parse(content: object, where: str) -> Record:
    if isinstance(content, dict):
        content = {"others": [], **content}
    record: Record = _part(Record, content, where)
    if min(record.seconds, record.cpu_seconds) < 0:
        raise RecordError(f"{where}: a time is negative")
    if min(record.threads, record.processes) < 1:
        raise RecordError(f"{where}: expected at least one thread and one process")
    if len(record.data.sha256) != 64 or set(record.data.sha256) - set("0123456789abcdef"):
        raise RecordError(f"{where}.data.sha256: expected 64 hexadecimal digits")
    try:
        json.dumps([record.config, record.seeds, record.details], allow_nan=False)
    except ValueError as error:
        raise RecordError(f"{where}: a setting or a detail is no finite number") from error
    try:
        datetime.fromisoformat(record.date)
    except ValueError as error:
        raise RecordError(f"{where}.date: {error}") from error
    _check_measured(record, record.smoke, where)
    for number, other in enumerate(record.others):
        _check_measured(other, record.smoke, f"{where}.others[{number}]")
    return record


def _check_measured(found: Record | Other, smoke: bool, where: str) -> None:
    """Check that a metric, what was published, and the gap between them agree."""
    metric, published = found.metric, found.published
    _check_metric(metric, f"{where}.metric")
    expected = gap_of(metric, published, smoke)
    if (found.gap is None) != (expected is None) or (
        found.gap is not None and not math.isclose(found.gap, expected or 0.0, abs_tol=1e-9)
    ):
        raise RecordError(f"{where}.gap: expected {expected}, got {found.gap}")
    if published is not None and published.unit != metric.unit:
        raise RecordError(f"{where}: {metric.unit} is compared with {published.unit}")


def gap_of(metric: Metric, published: Published | None, smoke: bool) -> float | None:
    """Return ours minus the published value; None for a trial."""
    return None if smoke or published is None else metric.value - published.value


def _check_metric(metric: Metric, where: str) -> None:
    for key, got, allowed in (("over", metric.over, OVER), ("better", metric.better, BETTER)):
        if got not in allowed:
            raise RecordError(f"{where}.{key}: expected one of {allowed}, got {got!r}")
    if metric.stderr < 0:
        raise RecordError(f"{where}.stderr: a standard error is negative")
    expected = 0 if metric.over == "test examples" else metric.count
    if metric.count < 2 or len(metric.values) != expected:
        raise RecordError(
            f"{where}.values: got {len(metric.values)} for {metric.count} {metric.over}"
        )
    if metric.values and not math.isclose(fmean(metric.values), metric.value, abs_tol=1e-6):
        raise RecordError(f"{where}.value: {metric.value} is not the mean of the values")


# ------------------------------------------------------------------------------------------ reading


def load_record(path: str | Path) -> Record:
    """Read one record, which is called after the experiment."""
    path = path_of(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordError(f"{path}: is not JSON ({error}); run the experiment again") from error
    record = _parse(content, str(path))
    if record.name != path.stem:
        raise RecordError(f"{path}: holds the record of {record.name!r}; rename the file")
    return record


def load_records(folder: str | Path) -> list[Record]:
    """Read all records, ``*.json``, of a folder, sorted by name."""
    folder = path_of(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of records")
    return [load_record(path) for path in sorted(folder.glob("*.json"))]
