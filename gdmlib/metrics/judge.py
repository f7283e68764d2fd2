"""The judge: a small classifier with stored weights, whose opinion of samples is a measurement.

It says which class a picture belongs to, and how sure it is; and the numbers from which it
concludes that, its *features*, are a space in which distances mean more than between pixels
(Salimans et al., 2016, arXiv:1606.03498, section 4; Heusel et al., 2017, arXiv:1706.08500). Those
papers take a large network trained on photographs. For small pictures a small one will do, which
everybody can train again in a minute: ``python -m gdmlib.metrics.judge_training``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import (
    check_count,
    check_events,
    check_labels,
    check_values,
)
from gdmlib._random import between
from gdmlib.nn.dense import blank
from gdmlib.nn.halving import halving
from gdmlib.nn.precision import full_precision

SIZES: dict[str, tuple[tuple[int, int, int], int]] = {
    "glyphs": ((1, 16, 16), 64),
    "digits": ((1, 8, 8), 32),
}
"""Shape of a picture and number of features of each judge that has weights."""

_AT_ONCE = 1000  # pictures in one pass


class Judge(nn.Module):
    """A convolutional classifier of pictures in [0, 1].

    `Judge.load` gives one that is trained: ``"glyphs"``, of digits in 21 fonts, 16 × 16, as
    `gdmlib.data.glyphs` draws them with ``size=16``; ``"digits"``, of the 8 × 8 handwritten ones of
    `gdmlib.data.digits`. Its training saw noise, blur and thresholds, so that samples that are
    nearly right are judged by what they show.

    Attributes:
        accuracy: Share that is right on held-out real pictures: for ``"glyphs"``, pictures in fonts
            that the training left out; NaN for a judge that was not loaded.
        record: Data, training and scores of the stored weights, text for text.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        classes: int = 10,
        features: int = 64,
        channels: tuple[int, int] = (16, 32),
        generator: Generator | None = None,
    ) -> None:
        """Make a judge with random weights.

        Args:
            event_shape: (channels, height, width); sides that can be halved twice.
            classes: How many there are.
            features: Numbers from which the classes are read off, linearly.
            channels: Of the first and of the next two convolutions.
            generator: Draws the weights.
        """
        super().__init__()
        self.event_shape, layers, seen = halving(event_shape, channels)
        features = check_count(features, "features")
        self.body = nn.Sequential(
            *layers,
            blank(nn.Linear, seen, features, bias=False),
            # Every feature has mean 0 and variance 1 over the training set.
            nn.BatchNorm1d(features, affine=False),
        )
        self.head = nn.Sequential(
            nn.SiLU(), blank(nn.Linear, features, check_count(classes, "classes", least=2))
        )
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                bound = layer.weight[0].numel() ** -0.5
                for parameter in layer.parameters():
                    drawn = between(-bound, bound, *parameter.shape, generator=generator)
                    parameter.data.copy_(drawn)
        self.accuracy, self.record = float("nan"), dict[str, str]()

    @classmethod
    def load(cls, name: str) -> Judge:
        """Return the trained judge of ``"glyphs"`` or of ``"digits"``, in evaluation mode."""
        from gdmlib.training import load_weights

        if name not in SIZES:
            raise ValueError(f"name: expected one of {', '.join(SIZES)}, got {name!r}")
        event_shape, features = SIZES[name]
        judge = cls(event_shape, features=features, generator=Generator())
        judge.record = load_weights(judge, weights_of(name))
        judge.accuracy = float(judge.record["accuracy"])
        return judge.eval().requires_grad_(False)

    @full_precision
    def features(self, x: Tensor) -> Tensor:
        """Return the features of pictures in [0, 1], shape (B, features)."""
        x = check_events(x, "x", self.event_shape, like=next(self.parameters()))
        check_values(
            x,
            "x",
            (x >= -1e-3) & (x <= 1 + 1e-3),
            "pictures in [0, 1]",
            "; use (x + 1) / 2 for pictures in [-1, 1], and x.clamp(0, 1) for what a sampler drew",
        )
        return torch.cat([self.body(part) for part in x.split(_AT_ONCE)])

    @full_precision
    def logits(self, x: Tensor) -> Tensor:
        """Return the logarithms of the probabilities up to a constant, shape (B, classes)."""
        return self.head(self.features(x))

    def probs(self, x: Tensor) -> Tensor:
        """Return the probability of every class, shape (B, classes)."""
        return self.logits(x).softmax(dim=1)

    def predict(self, x: Tensor) -> Tensor:
        """Return the most probable class, int64 of shape (B,)."""
        return self.logits(x).argmax(dim=1)

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Return minus the log-probability of the right class in nats, shape (B,)."""
        logits = self.logits(x)
        y = check_labels(y, "y", num_classes=logits.shape[1], length=len(x))
        return nn.functional.cross_entropy(logits, y, reduction="none")


def weights_of(name: str) -> Path:
    """Return the file with the weights of a judge."""
    return Path(__file__).with_name(f"judge_{name}.safetensors")
