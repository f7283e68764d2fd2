"""How the judges were trained: ``python -m gdmlib.metrics.judge_training`` makes the weights anew.

A minute a judge on one core. Embedded and rendered data only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional

import gdmlib
from gdmlib import data
from gdmlib._checks import check_count, check_labels, check_tensor
from gdmlib._random import draw, permutation
from gdmlib.data.fonts import FONTS
from gdmlib.metrics.judge import SIZES, Judge, weights_of
from gdmlib.training import save_weights, train

HELD_OUT = ("DejaVuSerif-Italic", "DejaVuSansMono-Bold", "STIXGeneralBolIta", "cmti10")
"""Fonts that the training leaves out: by glyphs in them the judge's accuracy is measured."""

EPOCHS = {"glyphs": 16, "digits": 80}

Pairs = tuple[Tensor, Tensor]


def disturb(x: Tensor, generator: Generator | None = None) -> Tensor:
    """Return pictures somewhat spoilt: blurred, noisy, one in four reduced to black and white.

    Each picture has its own amounts: up to all of a 3 × 3 binomial blur, noise of standard
    deviation up to 0.15, a threshold between 0.25 and 0.6.
    """
    x = check_tensor(x, "x", ndim=4, floating=True)
    amounts = draw(torch.rand, 4, len(x), 1, 1, 1, generator=generator).to(x)
    line = x.new_tensor([0.25, 0.5, 0.25])
    weights = torch.outer(line, line).expand(x.shape[1], 1, 3, 3)
    blurred = functional.conv2d(x, weights, padding=1, groups=x.shape[1])
    seen = x + amounts[0] * (blurred - x)
    two_levels = (seen > 0.25 + 0.35 * amounts[1]).to(x.dtype)
    seen = torch.where(amounts[2] < 0.25, two_levels, seen)
    noise = draw(torch.randn, *x.shape, generator=generator).to(x)
    return (seen + 0.15 * amounts[3] * noise).clamp(0, 1)


def mix(x: Tensor, y: Tensor, classes: int, generator: Generator | None = None) -> Pairs:
    """Return pictures, one in four blended with another one, and the shares of the classes.

    The judge so learns to be unsure of what lies between two classes, where bad samples are; Zhang,
    Cisse, Dauphin and Lopez-Paz (2018), arXiv:1710.09412.
    """
    x = check_tensor(x, "x", ndim=4, floating=True)
    classes = check_count(classes, "classes")
    y = check_labels(y, "y", num_classes=classes, length=len(x))
    other = permutation(len(x), generator).to(x.device)
    share = 1 - 0.5 * draw(torch.rand, len(x), generator=generator).to(x)
    share = torch.where(torch.arange(len(x), device=x.device) % 4 > 0, 1.0, share)
    truth = functional.one_hot(y, classes).to(x)
    blend = share[:, None, None, None]
    return (
        blend * x + (1 - blend) * x[other],
        share[:, None] * truth + (1 - share[:, None]) * truth[other],
    )


def glyphs(n: int = 24_000) -> tuple[Pairs, dict[str, Pairs]]:
    """Return glyphs in the fonts of the training, and those by which the judge is measured."""
    left_out = torch.tensor([f.file in HELD_OUT for f in FONTS])
    train_set = data.glyphs(n, size=16, split="train")
    test_set = data.glyphs(n // 2, size=16, split="test")
    known = train_set.take(~left_out[train_set.attributes["font"]])
    new = left_out[test_set.attributes["font"]]
    tests = {"accuracy": test_set.take(new), "accuracy, fonts of the training": test_set.take(~new)}
    return _pairs(known), {name: _pairs(part) for name, part in tests.items()}


def digits() -> tuple[Pairs, dict[str, Pairs]]:
    """Return the digits of the training, and those by which the judge is measured."""
    return _pairs(data.digits("train")), {"accuracy": _pairs(data.digits("test"))}


def _pairs(found: data.Dataset) -> Pairs:
    assert found.y is not None
    return found.x, found.y


SETS: dict[str, Callable[[], tuple[Pairs, dict[str, Pairs]]]] = {"glyphs": glyphs, "digits": digits}
ABOUT = {
    "glyphs": "gdmlib.data.glyphs(24000, size=16): 10 digits in 17 of 21 fonts; left out: "
    + ", ".join(HELD_OUT),
    "digits": "gdmlib.data.digits('train'): 1297 handwritten digits, 8 x 8",
}
MEASURED = {
    "glyphs": "gdmlib.data.glyphs(12000, size=16, split='test'), in the fonts left out",
    "digits": "gdmlib.data.digits('test'): 500 digits",
}


def train_judge(
    name: str, *, epochs: int | None = None, seed: int = 0, progress: bool = True
) -> Judge:
    """Train the judge of ``"glyphs"`` or of ``"digits"`` and return it with its record.

    Args:
        name: Which judge.
        epochs: How many times to go through the data; None is the number that made the weights.
        seed: Of weights, order and disturbances.
        progress: Whether to show the progress.
    """
    if name not in SIZES:
        raise ValueError(f"name: expected one of {', '.join(SIZES)}, got {name!r}")
    epochs = EPOCHS[name] if epochs is None else epochs
    generator = Generator().manual_seed(seed)
    event_shape, features = SIZES[name]
    judge = Judge(event_shape, features=features, generator=generator)
    pairs, tests = SETS[name]()

    def prepare(batch: Pairs) -> Pairs:
        x, shares = mix(*batch, classes=10, generator=generator)
        return disturb(x, generator), shares

    def loss(judge: Judge, x: Tensor, shares: Tensor) -> Tensor:
        return functional.cross_entropy(judge.logits(x), shares)

    train(
        judge, pairs, epochs=epochs, batch_size=100, lr=2e-3, weight_decay=0.01, prepare=prepare,
        loss=loss, generator=generator, progress=progress,
    )  # fmt: skip
    judge.requires_grad_(False)
    scores = {about: _accuracy(judge, part) for about, part in tests.items()}
    spoilt = disturb(tests["accuracy"][0], Generator().manual_seed(1))
    scores["accuracy, disturbed"] = _accuracy(judge, (spoilt, tests["accuracy"][1]))
    judge.accuracy = scores["accuracy"]
    judge.record = {
        "name": f"judge_{name}",
        "made_by": f"gdmlib.metrics.judge_training.train_judge('{name}')",
        "data": ABOUT[name],
        "training": f"{epochs} epochs, batches of 100, learning rate 0.002 falling to 0; at "
        "random: blur, noise of at most 0.15, thresholds; one picture in four blended with another",
        "seed": str(seed),
        "parameters": str(sum(p.numel() for p in judge.parameters())),
        "measured_on": MEASURED[name],
        **{about: f"{value:.4f}" for about, value in scores.items()},
        "gdmlib": gdmlib.__version__,
        "torch": torch.__version__.split("+")[0],
    }
    return judge


def _accuracy(judge: Judge, pairs: Pairs) -> float:
    return float((judge.predict(pairs[0]) == pairs[1]).double().mean())


def main(arguments: list[str] | None = None) -> None:
    """Train the judges that are named, and write their weights."""
    parser = argparse.ArgumentParser(description="Train the judges anew, and write their weights.")
    parser.add_argument("names", nargs="*", default=list(SIZES), help="glyphs, digits, or both")
    parser.add_argument("--folder", type=Path, help="where to write; the library's own otherwise")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the sum of several threads depends on their number
    for name in options.names:
        judge = train_judge(name)
        path = weights_of(name)
        path = path if options.folder is None else options.folder / path.name
        save_weights(judge, path, judge.record)
        print(f"{path}: accuracy {judge.accuracy:.4f}")


if __name__ == "__main__":
    main()
