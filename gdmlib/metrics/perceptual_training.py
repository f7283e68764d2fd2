"""How `PhotoFeatures` were trained: ``python -m gdmlib.metrics.perceptual_training`` does it again.

Some minutes on one core. Embedded photographs and textures only, none of those that lessons test
on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Generator, Tensor

import gdmlib
from gdmlib import data
from gdmlib._checks import check_count
from gdmlib._random import draw
from gdmlib.data.crops import crop
from gdmlib.nn.photo_features import CLASSES, SIZES, PhotoFeatures, weights_of
from gdmlib.training import save_weights, train

PLACES = {"china": 107, "flower": 107, "rocket": 107, "motorcycle": 124, "hubble": 124,
          "brick": 171, "grass": 171, "gravel": 171}  # fmt: skip
"""Pictures, and the side of the squares into which each is divided: every square is a class."""

SIZE = 32
"""Side of a patch."""

SEEDS = {"content": 0, "metric": 1, "style": 2}
SEEN = {"content": 90_000, "metric": 150_000, "style": 120_000}


def squares() -> list[Tensor]:
    """Return the squares, (3, side, side) each, one a class."""
    pictures = {**data.photographs(), **data.textures()}
    found = []
    for name, side in PLACES.items():
        x = pictures[name].expand(3, -1, -1)
        rows = x[:, : x.shape[1] // side * side].split(side, dim=1)
        found += [s for row in rows for s in row.split(side, dim=2) if s.shape[2] == side]
    return found


def patches(n: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
    """Cut n patches out of squares at random, and say out of which."""
    places = squares()
    which = draw(torch.randint, len(places), (n,), generator=generator)
    room = torch.tensor([x.shape[1] for x in places])[which] - SIZE + 1
    corner = (draw(torch.rand, n, 2, generator=generator) * room[:, None]).long()
    x = x_of(places, which, corner)
    return x, which


def x_of(places: list[Tensor], which: Tensor, corner: Tensor) -> Tensor:
    """Cut a patch out of each square of ``which``."""
    found = torch.empty(len(which), 3, SIZE, SIZE)
    for k in which.unique().tolist():
        chosen = which == k
        zeros = torch.zeros(int(chosen.sum()), dtype=torch.int64)
        found[chosen] = crop([places[k]], zeros, corner[chosen], SIZE)
    return found


def disguise(x: Tensor, generator: Generator | None = None) -> Tensor:
    """Return patches turned, mirrored, and with other light, contrast and colours."""
    turns = draw(torch.randint, 8, (len(x),), generator=generator).to(x.device)
    turned = torch.empty_like(x)
    for k in range(8):
        part = torch.rot90(x[turns == k], k % 4, (2, 3))
        turned[turns == k] = part.flip(3) if k >= 4 else part
    amounts = draw(torch.rand, 4, len(x), 3, 1, 1, generator=generator).to(x)
    grey = turned.mean(1, keepdim=True)
    turned = turned + (amounts[0, :, :1] < 0.3).to(x) * (grey - turned)
    gain, shift = 0.6 + 0.8 * amounts[1, :, :1], 0.3 * (amounts[2, :, :1] - 0.5)
    tint = 0.85 + 0.3 * amounts[3]
    mean = turned.mean((1, 2, 3), keepdim=True)
    return ((gain * (turned - mean) + mean + shift) * tint).clamp(0, 1)


def train_features(
    name: str, *, patches_seen: int | None = None, progress: bool = True
) -> PhotoFeatures:
    """Train the features of a name in `SIZES` and return them with their record.

    Args:
        name: Which.
        patches_seen: How many patches go by, each anew; None is the number that made the weights.
        progress: Whether to show the progress.
    """
    if name not in SIZES:
        raise ValueError(f"name: expected one of {', '.join(SIZES)}, got {name!r}")
    generator = Generator().manual_seed(SEEDS[name])
    stages, gate = SIZES[name]
    model = PhotoFeatures(stages, gate=gate, generator=generator)
    patches_seen = SEEN[name] if patches_seen is None else check_count(patches_seen, "patches_seen")
    n = min(patches_seen, 30_000)
    pairs = patches(n, generator)
    test = patches(2_000, Generator().manual_seed(100))
    epochs = max(patches_seen // n, 1)
    train(
        model, pairs, epochs=epochs, batch_size=100, lr=3e-3, weight_decay=0.01,
        prepare=lambda batch: (disguise(batch[0], generator), batch[1]), generator=generator,
        progress=progress,
    )  # fmt: skip
    model.requires_grad_(False)
    right = model.logits(disguise(test[0], Generator().manual_seed(101))).argmax(1) == test[1]
    model.record = {
        "name": f"photo_features_{name}",
        "made_by": f"gdmlib.metrics.perceptual_training.train_features('{name}')",
        "data": f"{CLASSES} squares of gdmlib.data.photographs and textures: {', '.join(PLACES)}",
        "training": f"{epochs} epochs of {n} patches of {SIZE} x {SIZE}, each time turned, "
        "mirrored, lit and coloured anew; batches of 100, learning rate 0.003 falling to 0",
        "seed": str(SEEDS[name]),
        "parameters": str(sum(p.numel() for p in model.parameters())),
        "accuracy": f"{float(right.double().mean()):.4f}",
        "measured_on": f"2000 other patches of the same {CLASSES} squares, disguised",
        "gdmlib": gdmlib.__version__,
        "torch": torch.__version__.split("+")[0],
    }
    return model


def main(arguments: list[str] | None = None) -> None:
    """Train the features that are named, and write their weights."""
    parser = argparse.ArgumentParser(description="Train the features anew, and write them.")
    parser.add_argument(
        "names", nargs="*", default=list(SIZES), help="some of content, metric, style"
    )
    parser.add_argument("--folder", type=Path, help="where to write; the library's own otherwise")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the sum of several threads depends on their number
    for name in options.names:
        model = train_features(name)
        path = weights_of(name)
        path = path if options.folder is None else options.folder / path.name
        save_weights(model, path, model.record)
        print(f"{path}: accuracy {model.record['accuracy']}")


if __name__ == "__main__":
    main()
