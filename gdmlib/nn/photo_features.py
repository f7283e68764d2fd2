r"""Features of photographs: what a small classifier sees on its way to an answer.

Features of a network that was trained to tell pictures apart are a space in which distances mean
more than between pixels (Gatys, Ecker and Bethge 2016, https://doi.org/10.1109/CVPR.2016.265;
Johnson, Alahi and Fei-Fei 2016, https://arxiv.org/abs/1603.08155). Those papers take VGG-19, with
twenty million weights from a million labelled photographs. Ours has some ten thousand weights, from
the photographs that come with scikit-image and scikit-learn, and needs no label: it learned to say
from which of many places a patch was cut, however that was turned, lit and coloured (Dosovitskiy et
al. 2014, https://arxiv.org/abs/1406.6909).

There are three, with other sizes, gates and random numbers: ``"content"`` is for losses,
``"metric"`` for measurements alone, ``"style"`` for Gram matrices. ``python -m
gdmlib.metrics.perceptual_training`` makes the weights anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_labels, check_sizes, check_tensor
from gdmlib.nn.residual import convolution

SIZES: dict[str, tuple[tuple[tuple[int, ...], ...], str]] = {
    "content": (((16,), (32,), (64, 64)), "elu"),
    "metric": (((16,), (32,), (48,), (64,)), "relu"),
    "style": (((32,), (48,), (64,), (64,)), "relu"),
}
"""Features of the convolutions of each stage, and the gate between them, by name."""

CLASSES = 133
"""How many places there are to tell apart."""

GATES: dict[str, type[nn.Module]] = {"elu": nn.ELU, "relu": nn.ReLU}


class PhotoFeatures(nn.Module):
    """A convolutional classifier of patches of photographs, of any size.

    Attributes:
        record: Data, training and scores of the stored weights, text for text.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[int]],
        *,
        gate: str = "relu",
        classes: int = CLASSES,
        generator: Generator | None = None,
    ) -> None:
        """Make one with random weights.

        Args:
            stages: Features of the convolutions of each stage; between two stages the picture is
                halved by averages.
            gate: ``"relu"`` or ``"elu"``.
            classes: How many there are.
            generator: Draws the weights.
        """
        super().__init__()
        if gate not in GATES:
            raise ValueError(f"gate: expected one of {', '.join(GATES)}, got {gate!r}")
        self.stages, before = nn.ModuleList(), 3
        for sizes in stages:
            stage = nn.Sequential()
            for size in check_sizes(sizes, "stages", none=False):
                layer = convolution(
                    before, size, border="zeros", gain=2.4 if gate == "relu" else 1.7,
                    generator=generator,
                )  # fmt: skip
                stage.extend([layer, GATES[gate]()])
                before = size
            self.stages.append(stage)
        if not len(self.stages):
            raise ValueError("stages: expected at least one, got none")
        self.head = convolution(before, check_count(classes, "classes", 2), 1, generator=generator)
        self.smallest = 2 ** (len(self.stages) - 1)
        self.record: dict[str, str] = {}

    @classmethod
    def load(cls, name: str) -> PhotoFeatures:
        """Return the trained one of a name in `SIZES`, in evaluation mode."""
        from gdmlib.training import load_weights

        if name not in SIZES:
            raise ValueError(f"name: expected one of {', '.join(SIZES)}, got {name!r}")
        stages, gate = SIZES[name]
        model = cls(stages, gate=gate)
        try:
            model.record = load_weights(model, weights_of(name))
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{weights_of(name)}: the weights of the features are not here; install gdmlib "
                f"anew, or make them: python -m gdmlib.metrics.perceptual_training {name}"
            ) from error
        return model.eval().requires_grad_(False)

    def each(self, x: Tensor) -> list[Tensor]:
        """Return the features after each stage, (B, features, H / 2^i, W / 2^i).

        Args:
            x: Pictures in [0, 1], shape (B, 3, H, W) or, for grey ones, (B, 1, H, W).
        """
        x = check_tensor(x, "x", ndim=4, floating=True, finite=False, like=self.head.weight)
        if x.shape[1] not in (1, 3):
            raise ValueError(f"x: expected 1 or 3 channels, got shape {tuple(x.shape)}")
        if min(x.shape[-2:]) < self.smallest:
            raise ValueError(
                f"x: expected at least {self.smallest} pixels a side, got {tuple(x.shape[-2:])}"
            )
        h, found = 4 * x.expand(-1, 3, -1, -1) - 2, []
        for i, stage in enumerate(self.stages):
            h = stage(nn.functional.avg_pool2d(h, 2) if i else h)
            found.append(h)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of the last stage."""
        return self.each(x)[-1]

    def logits(self, x: Tensor) -> Tensor:
        """Return the logarithms of the probabilities up to a constant, (B, classes)."""
        return self.head(self(x).mean((2, 3), keepdim=True)).flatten(1)

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Return minus the log-probability of the right class in nats, (B,)."""
        logits = self.logits(x)
        y = check_labels(y, "y", num_classes=logits.shape[1], length=len(x))
        return nn.functional.cross_entropy(logits, y, reduction="none")


def weights_of(name: str) -> Path:
    """Return the file with the weights of one of them."""
    return Path(__file__).with_name(f"photo_features_{name}.safetensors")
