"""Latent models beside others: ``python -m benchmarks.latent`` writes ``latent.json``.

- The training step of a variational autoencoder, beside one in plain PyTorch (`benchmarks.plain`).
- Pictures by DDIM from a diffusion that is told a class, beside denoising-diffusion-pytorch
  (`benchmarks.diffusion_peer`), at several sizes and with several numbers of steps. Both have
  1000 levels of noise on a cosine schedule, say v, keep their guesses within the range of the
  pictures, and use no guidance. The library's network is smaller: 0.3 against 2.6 million weights.

So ``python -m benchmarks.latent --train`` trains both, each for ``--minutes`` of processor time,
and judges their samples (`benchmarks.quality`); ``--train theirs`` trains one of them. What it
finds stands in the same record.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks import apart, diffusion_peer, figure, quality, record
from benchmarks.cases import CASES as OTHERS
from benchmarks.cases import num_parameters, our_vae_step, plain_vae_step
from benchmarks.timing import SIDES, Case, Work
from gdmlib.latent import Diffusion, cosine_schedule, ddim
from gdmlib.nn.unet import UNet

NAME = diffusion_peer.NAME
RESULTS = record.FOLDER / "latent.json"
SAMPLES, STEPS, SIZE = 4, 50, 32
CHANNELS, CLASSES, DROP = (16, 32, 64), 10, 0.1
RATES = {"ours": 2e-3, "theirs": 1e-3}
MINUTES, EACH = 10.0, 20  # of training, and samples of each class


def our_diffusion(size: int) -> Diffusion:
    """Return the library's diffusion, laid out in memory as in lesson 11."""
    network = UNet((1, size, size), channels=CHANNELS, classes=CLASSES)
    model = Diffusion(network, (1, size, size), cosine_schedule(1000), "v", drop=DROP)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def their_diffusion(size: int, steps: int = STEPS) -> Any:
    """Return the peer's diffusion."""
    return diffusion_peer.diffusion(size, steps=steps, classes=CLASSES, drop=DROP)


def our_sample(model: Diffusion, labels: Tensor, steps: int = STEPS) -> Tensor:
    """Draw a picture from 0 to 1 for each label."""
    x = ddim(model, len(labels), steps=steps, labels=labels, clip=1.0)
    return (x + 1) / 2


def check_pictures(x: Tensor, size: int) -> None:
    """Raise a ValueError if these are not pictures from 0 to 1."""
    inside = bool(((x >= -1e-5) & (x <= 1 + 1e-5)).all())  # a NaN is not inside
    if x.shape != (SAMPLES, 1, size, size) or not inside:
        raise ValueError(
            f"expected numbers from 0 to 1, shape {(SAMPLES, 1, size, size)}, got numbers from "
            f"{float(x.min()):.4g} to {float(x.max()):.4g}, shape {tuple(x.shape)}"
        )


def our_work(size: int, steps: int) -> Work:
    """Return the drawing of four pictures by the library."""
    model, labels = our_diffusion(size).eval(), torch.arange(SAMPLES)
    run = partial(our_sample, model, labels, steps)
    return Work(run, num_parameters(model), partial(check_pictures, size=size))


def their_work(size: int, steps: int) -> Work:
    """Return the drawing of four pictures by the peer; two steps tell how long it will take."""

    def drawing(steps: int) -> tuple[Any, Callable[[], Tensor]]:
        model = their_diffusion(size, steps).eval()
        return model, partial(diffusion_peer.sample, model, torch.arange(SAMPLES))

    (model, run), (_, few) = drawing(steps), drawing(2)
    count = num_parameters(model)
    trial = Work(few, count, share=2 / steps)
    return Work(run, count, partial(check_pictures, size=size), trial=trial)


DDIM = f"DDIM, {SAMPLES} pictures"

CASES = (
    Case(
        "vae_step",
        next(case.title for case in OTHERS if case.name == "vae_step"),
        our_vae_step,
        plain_vae_step,
        other="plain PyTorch",
        goal=1.3,
        growth=(8, 14, 28, 56),
        panel="step",
    ),
    Case(
        "ddim_sample",
        f"{DDIM}, {STEPS} steps",
        lambda size: our_work(size, STEPS),
        lambda size: their_work(size, STEPS),
        other=NAME,
        goal=5,
        size=SIZE,
        growth=(16, 32, 64),
        panel="sample",
    ),
    Case(
        "ddim_steps",
        f"{DDIM} of {SIZE} × {SIZE}",
        lambda steps: our_work(SIZE, steps),
        lambda steps: their_work(SIZE, steps),
        other=NAME,
        size=STEPS,
        growth=(10, 25, 50, 100),
        panel="steps",
        axis="steps",
    ),
)


def trial(side: str, minutes: float, each: int) -> dict[str, Any]:
    """Train the network of one side and judge its samples."""
    torch.manual_seed(0)
    if side == "ours":
        found = quality.trial(
            our_diffusion(SIZE),
            lambda m, x, y: m.loss(x, y),
            our_sample,
            seconds=60 * minutes,
            lr=RATES[side],
            each=each,
        )
    else:
        found = quality.trial(
            their_diffusion(SIZE),
            lambda m, x, y: m((x + 1) / 2, classes=y),
            diffusion_peer.sample,
            seconds=60 * minutes,
            lr=RATES[side],
            each=each,
        )
    return {"side": side, "minutes": minutes, "date": record.today(), **found}


def judged(kept: dict[str, Any], rows: list[dict[str, Any]], each: int) -> dict[str, Any]:
    """Return a record in which trials take the place of those with the same side and time."""
    new = {(row["side"], row["minutes"]): row for row in rows}
    old = kept.get("quality", {}).get("trials", [])
    both = {(row["side"], row["minutes"]): row for row in old} | new
    about = {"glyphs": quality.GLYPHS, "size": SIZE, "steps": STEPS, "real": quality.real(each)}
    return kept | {"quality": {**about, "trials": [both[key] for key in sorted(both)]}}


def main(arguments: list[str] | None = None) -> int:
    """Time, or train and judge; write and draw; return 1 if anything failed."""
    parser = apart.parser(__doc__, RESULTS)
    parser.add_argument("--train", nargs="*", choices=SIDES, metavar="SIDE", help="train and judge")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of training, each")
    parser.add_argument("--each", type=int, default=EACH, help="samples of each class")
    options = parser.parse_args(arguments)
    apart.check_installed(parser, NAME, diffusion_peer.PACKAGE)
    if options.train is None:
        failed = apart.run(parser, options, CASES, NAME)
        if options.output == RESULTS:
            figure.draw_latent()
        return failed
    torch.set_num_threads(1)
    rows = [trial(side, options.minutes, options.each) for side in options.train or SIDES]
    apart.write(options.output, judged(apart.read(options.output), rows, options.each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
