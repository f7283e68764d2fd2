"""Records of full-size runs: what one says, how it is written, and how it is read again.

A record is a JSON file. It is checked when it is written and whenever it is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gdmlib._files import write_atomically
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
    """Return what will stand in the file.

    Raises:
        RecordError: If a number is not finite, or the entries do not agree.
    """
    content = asdict(record)
    _parse(content, f"{record.name}.json")
    return content


def write_record(record: Record, folder: str | Path) -> Path:
    """Write ``folder/NAME.json``; it takes the old one's place only when it is complete."""
    text = json.dumps(check_record(record), indent=2, ensure_ascii=False) + "\n"
    path = Path(folder) / f"{record.name}.json"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path


_NUMBER = (int, float)
_PARTS: dict[type, dict[str, Any]] = {
    Metric: {
        "name": str, "value": _NUMBER, "stderr": _NUMBER, "unit": str, "over": str, "count": int,
        "values": list, "better": str,
    },
    Published: {"value": _NUMBER, "unit": str, "source": str, "verified": bool},
    Data: {"name": str, "sha256": str},
    Record: {
        "name": str, "title": str, "date": str, "smoke": bool, "config": dict, "seeds": list,
        "details": dict, "device": str, "threads": int, "processes": int, "versions": dict,
        "seconds": _NUMBER, "cpu_seconds": _NUMBER, "metric": dict,
        "published": (dict, type(None)), "gap": (*_NUMBER, type(None)), "data": dict,
        "protocol": str, "others": list,
    },
    Other: {
        "metric": dict, "published": (dict, type(None)), "gap": (*_NUMBER, type(None)),
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
    if isinstance(content, dict):
        content = {"others": [], **content}
    record: Record = _part(Record, content, where)
    data: Data = _part(Data, record.data, f"{where}.data")
    if min(record.seconds, record.cpu_seconds) < 0:
        raise RecordError(f"{where}: a time is negative")
    if min(record.threads, record.processes) < 1:
        raise RecordError(f"{where}: expected at least one thread and one process")
    if len(data.sha256) != 64 or set(data.sha256) - set("0123456789abcdef"):
        raise RecordError(f"{where}.data.sha256: expected 64 hexadecimal digits")
    try:
        json.dumps([record.config, record.seeds, record.details], allow_nan=False)
    except ValueError as error:
        raise RecordError(f"{where}: a setting or a detail is no finite number") from error
    try:
        datetime.fromisoformat(record.date)
    except ValueError as error:
        raise RecordError(f"{where}.date: {error}") from error
    measured: dict[str, Any] = vars(_parse_metric(record, record.smoke, where))
    others = []
    for number, other in enumerate(record.others):
        place = f"{where}.others[{number}]"
        others.append(_parse_metric(_part(Other, other, place), record.smoke, place))
    return Record(**{**vars(record), **measured, "data": data, "others": others})


def _parse_metric(found: Record | Other, smoke: bool, where: str) -> Other:
    """Return a metric, what was published, and the gap between them, if they agree."""
    metric: Metric = _part(Metric, found.metric, f"{where}.metric")
    _check_metric(metric, f"{where}.metric")
    published: Published | None = None
    if found.published is not None:
        published = _part(Published, found.published, f"{where}.published")
    expected = gap_of(metric, published, smoke)
    if (found.gap is None) != (expected is None) or (
        found.gap is not None and not math.isclose(found.gap, expected or 0.0, abs_tol=1e-9)
    ):
        raise RecordError(f"{where}.gap: expected {expected}, got {found.gap}")
    if published is not None and published.unit != metric.unit:
        raise RecordError(f"{where}: {metric.unit} is compared with {published.unit}")
    return Other(metric, published, found.gap)


def gap_of(metric: Metric, published: Published | None, smoke: bool) -> float | None:
    """Return ours minus the published value; None for a trial."""
    return None if smoke or published is None else metric.value - published.value


def _check_metric(metric: Metric, where: str) -> None:
    for key, allowed in (("over", OVER), ("better", BETTER)):
        if getattr(metric, key) not in allowed:
            raise RecordError(
                f"{where}.{key}: expected one of {allowed}, got {getattr(metric, key)!r}"
            )
    if metric.stderr < 0:
        raise RecordError(f"{where}.stderr: a standard error is negative")
    numbers = [x for x in metric.values if type(x) in _NUMBER and math.isfinite(x)]
    if len(numbers) != len(metric.values):
        raise RecordError(f"{where}.values: expected finite numbers, got {metric.values!r}")
    expected = 0 if metric.over == "test examples" else metric.count
    if metric.count < 2 or len(numbers) != expected:
        raise RecordError(f"{where}.values: got {len(numbers)} for {metric.count} {metric.over}")
    if numbers and not math.isclose(math.fsum(numbers) / len(numbers), metric.value, abs_tol=1e-6):
        raise RecordError(f"{where}.value: {metric.value} is not the mean of the values")


# ------------------------------------------------------------------------------------------ reading


def load_record(path: str | Path) -> Record:
    """Read one record.

    Raises:
        RecordError: If the file is not JSON or not a record, or is not called after the experiment.
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

    Raises:
        FileNotFoundError: If there is no such folder.
        RecordError: If a record is malformed; the message names the file and the entry.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of records")
    return [load_record(path) for path in sorted(folder.glob("*.json"))]
