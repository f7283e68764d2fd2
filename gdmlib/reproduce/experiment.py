"""What an experiment is: a task, a model, settings, and the number that a paper reports.

Most are declared by `held_out` in about twenty lines: a `Task` says which data and what counts on
them, a *fit* how the model comes about, and ``trained(Model)`` is the fit of every model that
`gdmlib.training.train` can train. Settings reach functions by argument name: a setting called
``hidden`` goes to whatever has an argument ``hidden``. One that nobody reads is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gdmlib._checks import check_count
from gdmlib.reproduce.job import Job, Settings
from gdmlib.reproduce.records import Data, Metric, Published
from gdmlib.reproduce.settings import STAND_IN, as_settings, check_settings
from gdmlib.training import History, scores, train


@dataclass(frozen=True)
class Outcome:
    """What the function of an experiment returns; ``others`` are metrics beside the first."""

    metric: Metric
    data: Data
    details: dict[str, Any]
    others: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """A function, and the published number that it should give.

    Attributes:
        name: The name of the record's file, without ``.json``.
        title, dataset: For people.
        run: ``run(job)`` returns an `Outcome`; all its settings are in ``job.config``.
        published: The number to reach, or None.
        protocol: How the number is made, and in what that differs from the paper.
        config, seeds: The settings of the full size.
        smoke: The settings that a trial changes: no data, a second of time.
        trains: Whether it calls `gdmlib.training.fit`, and so can run in several processes.
        digits: Decimals in the table.
        others: Published numbers for further metrics, by the name of the metric.
        needs: Called before anything is loaded or written: raises where a package is missing.
    """

    name: str
    title: str
    dataset: str
    run: Callable[[Job], Outcome]
    published: Published | None
    protocol: str
    config: Mapping[str, Any]
    smoke: Mapping[str, Any]
    seeds: tuple[int, ...] = ()
    trains: bool = False
    digits: int = 2
    others: Mapping[str, Published] = field(default_factory=dict)
    needs: Callable[[], object] | None = None

    def settings(self, smoke: bool, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a run, its seeds among them."""
        usual = {"seeds": list(self.seeds), **self.config}
        plain = {**usual, **(self.smoke if smoke else {})}
        return check_settings(self.name, plain, usual, changes)


class Splits(NamedTuple):
    """Three parts of a data set, and what a record says of it."""

    train: Any
    valid: Any
    test: Any
    data: Data


@dataclass(frozen=True)
class Task:
    """Data, and what counts on them.

    Attributes:
        dataset: For people.
        load: Returns the `Splits` from the settings that it has arguments for.
        stand_in: Does the same for a trial, without any data.
        protocol: How the parts are made.
        metric, unit, better: What the mean over the test part is called, and its direction.
        nats: How many nats are one unit.
        per_dim: Whether the nats of an example are divided by its dimensions.
        score: ``score(model, *batch)``: nats a test example, lower is better; the model's own
            unless given. Settings reach its further arguments.
    """

    dataset: str
    load: Callable[..., Splits]
    stand_in: Callable[..., Splits]
    protocol: str
    metric: str = "mean test negative log-likelihood"
    unit: str = "nats"
    better: str = "lower"
    nats: float = 1.0
    per_dim: bool = False
    score: Callable[..., Tensor] | None = None

    def parts(self, config: Settings) -> Splits:
        """Return the data that the settings name."""
        given = config.of(self.load)
        if config["data"] == STAND_IN:
            return self.stand_in(**config.of(self.stand_in))
        return self.load(**given)

    def values(self, model: nn.Module, x: Any, config: Settings | None = None) -> Tensor:
        """Return what each example counts, (N,), in the task's unit and direction."""
        unit = self.nats * (x[0].numel() if self.per_dim else 1)
        score = self.score
        if score is not None and config is not None:
            score = partial(score, **config.of(score))
        found = scores(model, x, score=score) / unit
        return -found if self.better == "higher" else found


@dataclass(frozen=True)
class Fitting:
    """One fit of an experiment: its settings, its randomness, and where its files go.

    Attributes:
        job: The run it belongs to.
        name: The beginning of the names of its files.
        number, of: Which fit of how many this is, from 0.
        generator: Seeded by the seed of the fit.
    """

    job: Job
    name: str
    number: int
    of: int
    generator: torch.Generator

    def settings(self, function: Callable[..., Any], prefix: str = "") -> dict[str, Any]:
        """Return the settings that the function has arguments for."""
        return self.job.config.of(function, prefix)

    def place(self, x: Any) -> Any:
        """Send a model or tensors, or a tuple or list of them, to the device of the run."""
        if isinstance(x, tuple | list):
            return type(x)(self.place(part) for part in x)
        return x.to(self.job.device)

    def keeping(self, part: str = "", prefix: str = "") -> dict[str, Any]:
        """Return the options that keep a training, resume it, and show its progress.

        Args:
            part: Which training of the fit; the last one has no name.
            prefix: Of the setting ``epochs``.
        """
        epochs = check_count(self.job.config[f"{prefix}epochs"], f"{prefix}epochs")
        if part:
            return self.job.training(f"{self.name}-{part}", epochs)
        return self.job.training(self.name, epochs, self.number * epochs, self.of * epochs)

    def train(self, model: nn.Module, x: Any, valid: Any = None, **options: Any) -> History:
        """Train by the settings of the run, and keep what a resumed one needs."""
        options |= {**self.settings(train), **self.keeping(), "generator": self.generator}
        return train(model, x, valid, **options)


Fitted = tuple[nn.Module, dict[str, Any]]
Fit = Callable[[Fitting, Any, Any], Fitted]


def trained(
    model: Callable[..., nn.Module],
    *,
    begin: Callable[[Fitting, Any, Tensor], None] | None = None,
    **fixed: Any,
) -> Fit:
    """Return the fit that builds a model of one event's shape and trains it by `train`.

    Args:
        model: Called with the shape of an event, the settings it has arguments for, and a
            generator.
        begin: ``begin(fitting, model, x)`` changes the model in place, before it is trained.
        fixed: Arguments of the model that are no settings.
    """

    def fit(fitting: Fitting, x: Tensor, valid: Tensor) -> Fitted:
        sizes = {**fixed, **fitting.settings(model)}
        both = sorted(sizes.keys() & fitting.settings(train).keys())
        if both:
            raise ValueError(
                f"{', '.join(both)}: an argument of both the model and its training, so that "
                "one setting would change two things; call the model's another name"
            )
        with as_settings(f"no model can be made with {sizes}: "):
            made = fitting.place(model(tuple(x.shape[1:]), **sizes, generator=fitting.generator))
        x, valid = fitting.place(x), fitting.place(valid)
        if begin is not None:
            begin(fitting, made, x)
        history = fitting.train(made, x, valid)
        return made, {
            "parameters": sum(p.numel() for p in made.parameters()),
            "epochs": len(history),
            "best epoch": history.best_epoch,
            "validation": min(history.valid["loss"]),
        }

    return fit


def held_out(
    name: str,
    title: str,
    task: Task,
    fit: Fit,
    published: Published | None,
    protocol: str,
    *,
    config: Mapping[str, Any],
    smoke: Mapping[str, Any],
    **more: Any,
) -> Experiment:
    """Declare an experiment that fits to one part of its data and counts on another.

    Args:
        name, title, published, config, smoke: As for `Experiment`.
        task: Which data, and what counts.
        fit: ``fit(fitting, train, valid)`` returns a model and details, once a seed, or once
            altogether where there are no seeds.
        protocol: What there is to say of the model; the task says the rest.
        more: Further entries of `Experiment`: seeds, trains, digits.
    """
    return Experiment(
        name=name,
        title=title,
        dataset=task.dataset,
        run=partial(_run, task, fit),
        published=published,
        protocol=f"{task.protocol} {protocol}".strip(),
        config=config,
        smoke={"data": STAND_IN, **smoke},
        **more,
    )


def _run(task: Task, fit: Fit, job: Job) -> Outcome:
    """Fit and count once a seed; what is done is kept for a run that is resumed."""
    with as_settings("no data can be made with these settings: "):
        parts = task.parts(job.config)
    job.uses(parts.data)
    seeds: list[int | None] = list(job.seeds) or [None]

    def one(number: int, seed: int | None, name: str) -> dict[str, Any]:
        torch.manual_seed(seed or 0)  # dropout draws from torch's global generator
        generator = torch.Generator().manual_seed(seed or 0)
        fitting = Fitting(job, name, number, len(seeds), generator)
        model, details = fit(fitting, parts.train, parts.valid)
        job.keep(name, model)
        values = task.values(model, fitting.place(parts.test), job.config)
        return {"values": values, "details": details}

    found = []
    for number, seed in enumerate(seeds):
        name = "model" if seed is None else f"seed-{seed}"
        found.append(job.stage(name, partial(one, number, seed, name)))
    values = [run["values"] for run in found]
    if seeds == [None]:
        details = found[0]["details"]
    else:
        details = {key: [run["details"][key] for run in found] for key in found[0]["details"]}
        details["stderr over test examples"] = [float(v.std() / len(v) ** 0.5) for v in values]
    if len(values) == 1:
        metric = Metric.of_examples(task.metric, values[0], task.unit, task.better)
    else:
        means = [float(v.mean()) for v in values]
        metric = Metric.of_runs(task.metric, means, task.unit, "seeds", task.better)
    return Outcome(metric, parts.data, details)
