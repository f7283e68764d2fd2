"""Training a model of pixels: the same few lines for a minute on a laptop and for a full run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Generator, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gdmlib._checks import check_count
from gdmlib.autoregressive.pixels.model import PixelModel
from gdmlib.training import History, cosine, fit, gradient_step

Images = Tensor | tuple[Tensor, Tensor]


@torch.no_grad()
def mean_nats(model: PixelModel, data: Images, batch_size: int = 250) -> float:
    """Return the mean negative log-likelihood in nats an image.

    Args:
        model: Used as it is; call ``model.eval()`` first if it has dropout.
        data: Images, shape (N, C, H, W), or a pair of images and labels.
        batch_size: Images in one pass.
    """
    x, labels = _unpack(data)
    parts = range(0, len(x), check_count(batch_size, "batch_size"))
    total = 0.0
    for start in parts:
        part = slice(start, start + batch_size)
        chosen = None if labels is None else labels[part]
        total -= float(model.log_prob(x[part], chosen).double().sum())
    return total / len(x)


def train_pixels(
    model: PixelModel,
    data: Images,
    *,
    epochs: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    average: float | None = None,
    valid: Images | None = None,
    generator: Generator | None = None,
    clip: float | None = None,
    mixed_precision: bool = False,
    **options: Any,
) -> History:
    """Fit a model by maximum likelihood: Adam, with a learning rate that falls to 0 like a cosine.

    Args:
        model: Changed in place.
        data: Images, shape (N, C, H, W), or a pair of images and labels.
        epochs, batch_size, generator: As for `gdmlib.training.fit`.
        lr: Of the first step.
        average: If given, validate and end with an exponential moving average of the weights that
            keeps this share at each step, 0.999 for instance.
        valid: Images to validate with, in nats an image, or a pair of images and labels.
        clip, mixed_precision: As for `gdmlib.training.gradient_step`.
        options: Passed on to `gdmlib.training.fit`: ``keep_best``, ``checkpoint``, ``resume``, ...

    Returns:
        Its loss is in nats an image.

    Raises:
        FloatingPointError: If the loss became NaN or infinite.
    """
    if average is not None and not 0 <= average < 1:
        raise ValueError(f"average: expected a share of at least 0 and below 1, got {average}")
    x, _ = _unpack(data)
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=fused)
    schedule = cosine(optimizer, epochs, len(x), batch_size)
    descend = gradient_step(
        model,
        optimizer,
        lambda batch: -_log_prob(model, batch),
        clip=clip,
        schedule=schedule,
        mixed_precision=mixed_precision,
    )
    state: dict[str, Any] = {"model": model, "optimizer": optimizer, "schedule": schedule}
    smooth: AveragedModel | None = None
    if average is not None:
        smooth = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average))
        state["average"] = smooth

    def step(batch: Images) -> Mapping[str, Tensor | float]:
        metrics = descend(batch)
        if smooth is not None and bool(torch.as_tensor(metrics["loss"]).isfinite()):
            smooth.update_parameters(model)  # with a loss that is not finite, `fit` complains
        return metrics

    def validate() -> float:
        assert valid is not None
        judged = model if smooth is None else cast(PixelModel, smooth.module)
        return mean_nats(judged, valid)

    history = fit(
        step,
        data,
        epochs=epochs,
        batch_size=batch_size,
        generator=generator,
        state=state,
        validate=None if valid is None else validate,
        **options,
    )
    if smooth is not None:
        model.load_state_dict(smooth.module.state_dict())
    model.eval()
    return history


def _unpack(data: Images) -> tuple[Tensor, Tensor | None]:
    return data if isinstance(data, tuple) else (data, None)


def _log_prob(model: PixelModel, batch: Images) -> Tensor:
    """Return the mean log-likelihood of a batch, ()."""
    x, labels = _unpack(batch)
    return model.log_prob(x, labels).mean()
