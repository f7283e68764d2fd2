"""What each slider over frames shows: `STRIPS`, by the name of its sheet.

A strip is frames of one size, arrays (height, width) of grey levels or (height, width, 3) of
colours, and a few words for each. Pictures stand in rows with a white line between them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "checkpoints"
SECONDS = ROOT / "benchmarks" / "seconds.json"
UNKNOWN = (170, 205, 235)  # the colour of a pixel that is not drawn yet

Made = tuple[list[np.ndarray], list[str]]


@dataclass(frozen=True)
class Strip:
    """One slider over frames.

    Attributes:
        title: Its name on the page.
        alt: What is seen, for whoever does not see it.
        slider: What the slider goes along.
        make: Makes the frames, and the words of each.
        sources: Names the files that it is made from.
    """

    title: str
    alt: str
    slider: str
    make: Callable[[], Made]
    sources: Callable[[], Sequence[Path]]


def tiled(rows: Sequence[Tensor], gap: int = 2) -> np.ndarray:
    """Return rows of pictures in [0, 1], each (n, height, width) or with colours, as bytes."""
    lines = []
    for row in rows:
        x = (row * 255).round().clamp(0, 255).to(torch.uint8).numpy()
        edges = [(0, 0), (0, 0), (0, gap), *[(0, 0)] * (x.ndim - 3)]
        framed = np.pad(x, edges, constant_values=255)
        lines.append(np.concatenate(list(framed), axis=1)[:, :-gap])
    space = np.full_like(lines[0][:gap], 255)
    parts = [part for line in lines for part in (space, line)][1:]
    return np.concatenate(parts)


def weights(name: str, model: torch.nn.Module) -> None:
    """Load the stored weights of a lesson, and have the model ready to draw."""
    from gdmlib.training import load_weights

    load_weights(model, CHECKPOINTS / f"{name}.safetensors")
    model.eval().requires_grad_(False)


def stored(name: str) -> list[Path]:
    """Return the file of a lesson's weights."""
    return [CHECKPOINTS / f"{name}.safetensors"]


# --- lesson 11: noise becomes digits --------------------------------------------------------------


def diffusion(steps: int = 24, every: int = 3) -> Made:
    """Walk from noise to ten digits by DDIM; below each state, what the network guesses."""
    from gdmlib import latent
    from gdmlib.nn.unet import UNet

    g, shape = Generator().manual_seed(3), (1, 16, 16)
    network = UNet(shape, channels=(16, 32, 64), classes=10, generator=g)
    model = latent.Diffusion(network, shape, latent.cosine_schedule(1000), "v")
    weights("11_glyphs_diffusion", model)
    chain, labels = model.schedule.respaced(steps), torch.arange(10)
    x, frames, words = torch.randn(10, *shape, generator=g), [], []
    for t in range(steps, -1, -1):
        level, last = float(chain.alpha_bar[t]), t == 0
        if last:
            guess = x
        else:
            noise, guess = _guess(network, chain, x, t, labels)
        if t % every == 0:
            frames.append(tiled([_grey(x), _grey(guess)]))
            words.append(f"{steps - t} of {steps} steps, ᾱ = {level:.3f}")
        if not last:
            before = float(chain.alpha_bar[t - 1])
            x = before**0.5 * guess + (1 - before) ** 0.5 * noise
    return frames, words


def _guess(
    network: Callable[..., Tensor], chain: Any, x: Tensor, t: int, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the noise and the clean picture that a network of "v" sees in x."""
    level = float(chain.alpha_bar[t])
    signal, scale = level**0.5, (1 - level) ** 0.5
    v = network(x, chain.time[t].to(x).expand(len(x)), labels)
    guess = (signal * x - scale * v).clamp(-1, 1)
    return (x - signal * guess) / scale, guess


def _grey(x: Tensor, levels: int = 10) -> Tensor:
    """Return pictures from -1 to 1, (n, 1, h, w), as few grey levels, ink black, (n, h, w)."""
    return _few(((1 - x[:, 0]) / 2).clamp(0, 1), levels)


# --- lesson 07: a PixelCNN draws row by row -------------------------------------------------------


def pixelcnn(many: int = 25, every: int = 2) -> Made:
    """Draw ten digits by the network of lesson 07; below, what may follow: many completions."""
    from gdmlib.autoregressive import GatedPixelCNN

    shape = (1, 14, 12)
    sizes: dict[str, Any] = {"features": 16, "layers": 6, "kernel_size": 3, "position": True}
    model = GatedPixelCNN(shape, 2, num_classes=10, generator=Generator(), **sizes)
    weights("07_pixelcnn", model)
    labels = torch.arange(10)
    x = model.sample(10, Generator().manual_seed(1), labels=labels)
    frames, words = [], []
    seen = x.repeat_interleave(many, 0)
    for rows in range(0, shape[1] + 1, every):
        known = torch.zeros(shape, dtype=torch.bool)
        known[:, :rows] = True
        rest = model.complete(
            seen, known, Generator().manual_seed(2), labels=labels.repeat_interleave(many)
        )
        mean = rest.reshape(10, many, *shape[1:]).mean(1)
        colours = torch.tensor(UNKNOWN) / 255
        drawn = (1 - x[:, 0, ..., None]).expand(*x[:, 0].shape, 3).clone()
        drawn[:, rows:] = colours
        blurred = (1 - _few(mean))[..., None].expand_as(drawn)
        frames.append(tiled([drawn, blurred]))
        words.append(f"{rows} of {shape[1]} rows")
    return frames, words


def _few(x: Tensor, levels: int = 8) -> Tensor:
    return (x * levels).round() / levels


# --- lesson 10: noise goes through the couplings of a flow ----------------------------------------


def flow() -> Made:
    """Take ten noises through the couplings of lesson 10, one after the other."""
    from gdmlib import latent

    shape = (1, 10, 8)
    core = latent.RealNVP(shape, layers=8, hidden=(112, 112), generator=Generator())
    density = latent.Flow(shape, [latent.Logit(shape, margin=0.025), *core.transforms])
    weights("10_realnvp_digits", latent.Dequantised(density, latent.UniformDequantiser(shape, 16)))
    x = torch.randn(10, *shape, generator=Generator().manual_seed(1))
    frames, words, done = [], [], 0
    steps: list[Any] = list(density.transforms)[::-1]
    couplings = sum(isinstance(step, latent.AffineCoupling) for step in steps)
    for step in [None, *steps]:
        if step is not None:
            x, _ = step.inverse(x)
        if step is None or isinstance(step, latent.AffineCoupling):
            frames.append(tiled([1 - _few(x[:, 0].sigmoid(), 15)]))
            words.append(f"{done} of {couplings} couplings")
            done += 1
    frames[-1] = tiled([1 - _few(x[:, 0].clamp(0, 1), 15)])
    return frames, words


# --- samples after so many seconds ----------------------------------------------------------------


def budgets(record: dict[str, Any]) -> list[float]:
    """Return the budgets of a record, the shortest first."""
    return sorted({run["budget"] for run in record["runs"] if run["budget"] > 0})


def kept(family: str, budget: float) -> Path:
    """Return the picture of the samples of a run."""
    return SECONDS.with_suffix("") / f"{family}-{budget:g}.png"


def after_seconds(family: str) -> Made:
    """Show the samples that were kept of a family; where a run is missing, those before it."""
    record = json.loads(SECONDS.read_text(encoding="utf-8"))
    there = {(run["family"], run["budget"]): run for run in record["runs"] if not run["seed"]}
    frames: list[np.ndarray] = []
    words: list[str] = []
    for budget in budgets(record):
        run = there.get((family, budget))
        if run is None:
            frames.append(frames[-1])
            words.append(f"not run; {words[-1]}" if "not run" not in words[-1] else words[-1])
            continue
        with Image.open(kept(family, budget)) as picture:
            frames.append(255 - np.asarray(picture.convert("L")))
        bits = f"{run['bits']:.2f} bits per pixel, " if "bits" in run else ""
        words.append(f"{bits}distance {run['frechet']:.1f}")
    return frames, words


def recorded(family: str) -> list[Path]:
    """Return the record, and the pictures of a family that it names."""
    record = json.loads(SECONDS.read_text(encoding="utf-8"))
    made = {r["budget"] for r in record["runs"] if r["family"] == family and not r["seed"]}
    return [kept(family, budget) for budget in sorted(made) if budget > 0]


STRIPS = {
    "diffusion": Strip(
        "Noise becomes digits",
        "Two rows of ten pictures: above what DDIM holds, at first noise and at last the digits 0 "
        "to 9; below what the network takes them for, at first grey blurs of digits.",
        "Step",
        diffusion,
        partial(stored, "11_glyphs_diffusion"),
    ),
    "pixelcnn": Strip(
        "A PixelCNN draws row by row",
        "Two rows of the ten digits: above the pixels drawn so far, the others blue; below how "
        "often each of the others is ink in 25 completions, blurred shapes that get sharp.",
        "Rows drawn",
        pixelcnn,
        partial(stored, "07_pixelcnn"),
    ),
    "flow": Strip(
        "Noise goes through a flow",
        "A row of ten pictures, at first noise, which the couplings of a flow turn into digits.",
        "Couplings",
        flow,
        partial(stored, "10_realnvp_digits"),
    ),
    **{
        f"seconds_{name}": Strip(
            title,
            f"Thirty samples of the {title} after the time that the slider says, in three rows.",
            "Training",
            partial(after_seconds, name),
            partial(recorded, name),
        )
        for name, title in {
            "fvsbn": "FVSBN",
            "ride": "RIDE",
            "pixelcnn": "PixelCNN",
            "vae": "VAE",
            "flow": "flow",
            "diffusion": "diffusion",
            "flow_matching": "flow matching",
            "gan": "GAN",
        }.items()
    },
}
"""The strips by the names of their sheets."""
