"""Densities in closed form, and mixtures."""

from __future__ import annotations

import torch
from torch import Tensor

from gdmlib._checks import check_tensor
from gdmlib.autoregressive import BernoulliMixture
from gdmlib.data import red_wine
from gdmlib.densities import MultivariateNormal
from gdmlib.reproduce.experiment import Experiment, Fitted, Fitting, Outcome, held_out
from gdmlib.reproduce.job import Job
from gdmlib.reproduce.records import Data, Metric, Published, sha256_of
from gdmlib.reproduce.settings import STAND_IN
from gdmlib.reproduce.tasks import BINARY, seeded


def gaussian_folds(x: Tensor, fold: Tensor) -> Metric:
    """Cross-validate a Gaussian: standardise and fit on the other folds, evaluate on this one."""
    check_tensor(x, "x", ndim=2, floating=True)
    check_tensor(fold, "fold", shape=(len(x),), integer=True)
    values = []
    for k in fold.unique():
        train, test = x[fold != k].double(), x[fold == k].double()
        mean, std = train.mean(0), train.std(0, correction=0)
        model = MultivariateNormal.fit((train - mean) / std)
        values.append(float(model.log_prob((test - mean) / std).mean()))
    return Metric.of_runs("mean test log-likelihood", values, "nats", "folds", "higher")


def _red_wine(job: Job) -> Outcome:
    name = job.config["data"]
    if name == STAND_IN:
        generator = seeded(0)
        x = torch.randn(60, 3, generator=generator) @ torch.randn(3, 3, generator=generator)
        fold = torch.arange(60) % 3
    else:
        wine = red_wine()
        x, fold = wine.x, wine.attributes["fold"]
    details = {"folds": len(fold.unique()), "examples": len(x), "dimensions": x.shape[1]}
    return Outcome(gaussian_folds(x, fold), Data(name, sha256_of(x, fold)), details)


def _mixture(fitting: Fitting, x: Tensor, valid: Tensor) -> Fitted:
    model = BernoulliMixture.fit(
        fitting.place(x),
        **fitting.settings(BernoulliMixture.fit),
        valid=fitting.place(valid),
        generator=fitting.generator,
    )
    fitting.job.progress("seed", fitting.number + 1, fitting.of)
    return model, {"steps": len(model.history) - 1, "validation": min(model.valid_history)}


GAUSSIAN = Experiment(
    name="gaussian_red_wine",
    title="Gaussian, maximum likelihood, 10-fold cross-validation",
    dataset="UCI Wine Quality, red (1599 × 11)",
    run=_red_wine,
    published=Published(
        -13.18, "nats", "Uria, Murray and Larochelle (2013), RNADE, arXiv:1306.0186"
    ),
    protocol=(
        "The ten folds that the authors distribute with their later deep NADE code. All "
        "examples outside the test fold are used to fit a Gaussian with full covariance, to data "
        "in units of their mean and standard deviation: there is nothing to choose, so none "
        "is held out for validation. Nothing is added to the covariance. The folds share "
        "training data, so the standard error is only a guide."
    ),
    config={"data": "red_wine"},
    smoke={"data": STAND_IN},
)

MIXTURE = held_out(
    "bernoulli_mixture_mnist",
    "Mixture of 500 Bernoullis, EM",
    BINARY["mnist"],
    _mixture,
    Published(
        137.64,
        "nats",
        "Salakhutdinov and Murray (2008), as quoted in Larochelle and Murray (2011), NADE",
    ),
    "EM from a random start, stopped by the validation part.",
    config={
        "data": "mnist", "binarise_seed": 0, "components": 500, "smoothing": 1.0, "n_iter": 200,
        "patience": 5,
    },
    smoke={"components": 3, "n_iter": 5},
    seeds=(0, 1, 2),
)  # fmt: skip
