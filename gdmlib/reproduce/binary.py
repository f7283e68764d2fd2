"""Binary events by the chain rule: FVSBN, NADE, MADE."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gdmlib.autoregressive import FVSBN, MADE, NADE, Strength, distances
from gdmlib.reproduce.experiment import Experiment, Fitted, Fitting, held_out, trained
from gdmlib.reproduce.records import Published
from gdmlib.reproduce.tasks import BINARY
from gdmlib.training import scores

MADE_PAPER = "Germain, Gregor, Murray and Larochelle (2015), MADE, arXiv:1502.03509"
SBN_PAPER = "Gan, Henao, Carlson and Carin (2015), deep sigmoid belief networks, AISTATS"


def _source(data: str) -> dict[str, Any]:
    """Return the settings that say which data."""
    return {"data": data, "binarise_seed": 0} if data == "mnist" else {"data": data}


# --- the exact fit of an FVSBN --------------------------------------------------------------------


def _convex(fitting: Fitting, x: Tensor, valid: Tensor) -> Fitted:
    config, tried = fitting.job.config, list[float]()
    # In an image, a weight between far pixels may cost more than one between neighbours.
    relative = None
    if "distance_power" in config:
        relative = distances(x.shape[1:]) ** config["distance_power"]

    def on_strength(strength: Strength) -> None:
        tried.append(strength.l2)
        note = f"l2 {strength.l2:g}, validation {strength.valid:.4f}"
        fitting.job.progress("strength", len(tried), len(config["l2"]), note)

    model = FVSBN.fit(
        fitting.place(x),
        **fitting.settings(FVSBN.fit),
        relative=relative,
        valid=fitting.place(valid),
        on_strength=on_strength,
    )
    assert model.l2 is not None
    values, counts = model.l2.unique(return_counts=True)
    taken = zip(values.tolist(), counts.tolist(), strict=True)
    return model, {
        "parameters": model.num_parameters,
        "variables that took each strength": {f"{value:.6g}": count for value, count in taken},
        "validation": float(scores(model, fitting.place(valid)).mean()),
    }


def _fvsbn(data: str, value: float) -> Experiment:
    protocol = (
        "The paper's network was trained by stochastic gradients; ours is the minimum of the "
        "convex penalised likelihood (L-BFGS), where each variable has the strength of L2 that is "
        "best for the validation part."
    )
    config = {
        **_source(data),
        "l2": [3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003],
        "per_pixel": True,
        "n_iter": 500,
        "tolerance": 1e-4,
    }
    smoke: dict[str, Any] = {"l2": [10.0, 1.0, 0.1]}
    if data in ("silhouettes", "mnist"):
        protocol += " A weight is penalised in proportion to the squared distance of its pixels."
        config |= {"l2": [3.0, 1.0, 0.3, 0.1, 0.03], "tolerance": 1e-2, "distance_power": 2.0}
        smoke |= {"shape": (1, 3, 3)}
    source = SBN_PAPER if data == "silhouettes" else MADE_PAPER
    return held_out(
        f"fvsbn_{data}",
        "FVSBN, exact convex fit",
        BINARY[data],
        _convex,
        Published(value, "nats", source),
        protocol,
        config=config,
        smoke=smoke,
    )


# --- networks -------------------------------------------------------------------------------------

EPOCHS = {"dna": 200, "mushrooms": 200, "nips": 60, "mnist": 100}
WEIGHT_DECAY = {"dna": 0.1, "mushrooms": 0.01, "nips": 1.0, "mnist": 0.0}
"""Chosen by the validation part, to a factor of about three: the small sets overfit."""

_SMOKE = {"epochs": 3, "batch_size": 32, "seeds": [0, 1]}


def _training(data: str) -> dict[str, Any]:
    """Return the settings of `gdmlib.training.train`: small batches suit small sets."""
    small = data != "mnist"
    return {
        "epochs": EPOCHS[data],
        "batch_size": 20 if small else 100,
        "lr": 5e-3 if small else 1e-3,
        "final_lr": 1e-5,
        "weight_decay": WEIGHT_DECAY[data],
        "patience": 50 if small else 20,
    }


def _nade(data: str, value: float) -> Experiment:
    return held_out(
        f"nade_{data}",
        "NADE, 500 hidden units",
        BINARY[data],
        trained(NADE),
        Published(value, "nats", MADE_PAPER),
        "One fixed order, one hidden layer. AdamW with a cosine schedule, stopped and chosen by "
        "the validation part; the paper used plain stochastic gradients.",
        config={**_source(data), "hidden": 500, **_training(data)},
        smoke={**_SMOKE, "hidden": 6},
        seeds=(0,) if data == "mnist" else (0, 1, 2),
        trains=True,
    )


def _made(data: str, value: float) -> Experiment:
    large = data == "mnist"
    return held_out(
        f"made_{data}",
        "MADE, several masks" if large else "MADE, 500 hidden units, 16 masks",
        BINARY[data],
        trained(MADE),
        Published(value, "nats", MADE_PAPER),
        "Masks are used in turn in training, and averaged (as probabilities) for the test. AdamW "
        "with a cosine schedule, stopped and chosen by the validation part. The paper gives a "
        "fixed mask and several masks; the better of the two is quoted.",
        config={
            **_source(data),
            "hidden": [8000] if large else [500],
            "orderings": 32 if large else 16,
            **({"dropout": 0.0, "mixed_precision": True} if large else {}),
            **_training(data),
        },
        smoke={**_SMOKE, "hidden": [12], "orderings": 2},
        seeds=(0,) if large else (0, 1, 2),
        trains=True,
    )


SMALL = (
    _fvsbn("dna", 83.64), _nade("dna", 84.81), _made("dna", 79.66),
    _fvsbn("mushrooms", 10.27), _nade("mushrooms", 9.81), _made("mushrooms", 9.68),
    _fvsbn("nips", 276.88), _nade("nips", 273.08), _made("nips", 277.28),
    _fvsbn("adult", 13.17), _fvsbn("connect4", 12.39), _fvsbn("silhouettes", 96.40),
)  # fmt: skip
MNIST = _fvsbn("mnist", 97.45), _nade("mnist", 88.33), _made("mnist", 88.04)
