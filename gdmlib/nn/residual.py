r"""Residual blocks: a block of convolutions learns what to *add* to its input.

y = x + N₂ * g(N₁ * x), where each product is a convolution of 3 × 3 followed by a norm, and g is a
gate (He et al. 2016, https://arxiv.org/abs/1512.03385, figure 2). What a block does not change goes
through untouched, and the gradient reaches the first of many blocks as it left the last.

With instance norm and mirrored borders it is the block of image translation (Johnson, Alahi and
Fei-Fei 2016, https://arxiv.org/abs/1603.08155; Zhu et al. 2017, https://arxiv.org/abs/1703.10593),
with batch norm, a learned slope and zeros at the border that of super-resolution (Ledig et al.
2017, https://arxiv.org/abs/1609.04802).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_tensor
from gdmlib.nn.dense import blank, fresh
from gdmlib.nn.norms import BatchNorm2d, InstanceNorm2d

Maker = TypeVar("Maker")

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance": InstanceNorm2d,
    "batch": BatchNorm2d,
    "none": lambda features: nn.Identity(),
}
"""Norms of features: of each picture and feature alone, of each feature over the batch, or none."""

GATES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "prelu": nn.PReLU,
}
"""Rectifiers: of slope 0, 0.2, or a learned one, on the negative side."""

BORDERS = ("reflect", "replicate", "zeros")
"""What a convolution sees beyond the border: the picture in a mirror, its last pixels, or black."""


class Residual(nn.Module):
    """A residual block: x plus two convolutions of 3 × 3 with a gate between.

    Args:
        features: Of the input, and of the result.
        norm: After each convolution, one of `NORMS`.
        gate: Between the two, one of `GATES`.
        border: One of `BORDERS`.
        generator: Draws the weights.
    """

    def __init__(
        self,
        features: int,
        *,
        norm: str = "instance",
        gate: str = "relu",
        border: str = "reflect",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.features = check_count(features, "features")
        self.body = nn.Sequential(
            convolution(features, features, border=border, generator=generator),
            norm_named(norm, features),
            gate_named(gate),
            convolution(features, features, border=border, generator=generator),
            norm_named(norm, features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features in the shape of x, (B, features, height, width)."""
        shape = ("B", self.features, "height", "width")
        return x + self.body(check_features(x, shape, next(self.parameters())))


class Conv2d(nn.Conv2d):
    """As PyTorch's; what is too small for a mirror at its border is refused with advice."""

    def forward(self, input: Tensor) -> Tensor:
        """Return features, (B, outputs, height, width)."""
        pixels = max(int(n) for n in self.padding)
        if self.padding_mode == "reflect" and min(input.shape[-2:]) <= pixels:
            raise ValueError(
                f"x: a mirror at the border shows {pixels} pixels beside the first one, so a side "
                f"has at least {pixels + 1}, got {input.shape[-2]} × {input.shape[-1]}; take "
                "larger pictures, or another border"
            )
        return super().forward(input)


def convolution(
    inputs: int,
    outputs: int,
    size: int = 3,
    *,
    stride: int = 1,
    border: str = "reflect",
    gain: float = 1.0,
    generator: Generator | None = None,
) -> nn.Conv2d:
    """Return a convolution that keeps the size, or divides it by the stride.

    Args:
        inputs, outputs: Features.
        size: Of the kernel, odd: an even one has no middle, and moves the picture.
        border: One of `BORDERS`.
        gain: The weights are uniform in ±gain/√(inputs · size²), the biases 0.
    """
    inputs, outputs = check_count(inputs, "inputs"), check_count(outputs, "outputs")
    if check_count(size, "size") % 2 == 0:
        raise ValueError(f"size: expected an odd kernel, which has a middle, got {size}")
    if border not in BORDERS:
        raise ValueError(f"border: expected one of {', '.join(BORDERS)}, got {border!r}")
    layer = blank(
        Conv2d,
        inputs,
        outputs,
        size,
        stride=check_count(stride, "stride"),
        padding=size // 2,
        padding_mode=border,
    )
    return cast(nn.Conv2d, fresh(layer, generator, gain=gain))


def check_features(x: Tensor, shape: Sequence[int | str], like: Tensor) -> Tensor:
    """Return features between two layers; in mixed precision they come in bfloat16."""
    x = check_tensor(x, "x", shape=shape, floating=True, finite=False)
    if torch.is_autocast_enabled(x.device.type):
        return x
    return check_tensor(x, "x", finite=False, like=like)


def norm_named(norm: str, features: int) -> nn.Module:
    """Return the norm of this name, one of `NORMS`, of so many features."""
    return _named(norm, "norm", NORMS)(check_count(features, "features"))


def gate_named(gate: str) -> nn.Module:
    """Return the gate of this name, one of `GATES`."""
    return _named(gate, "gate", GATES)()


def _named(name: str, what: str, known: Mapping[str, Maker]) -> Maker:
    if name not in known:
        raise ValueError(f"{what}: expected one of {', '.join(known)}, got {name!r}")
    return known[name]


def check_halves(x: Tensor, name: str, times: int, what: str) -> Tensor:
    """Return pictures whose sides can be halved so many times, or say which sizes are taken."""
    unit = 2 ** check_count(times, "times", least=0)
    height, width = x.shape[-2:]
    if height % unit or width % unit:
        raise ValueError(
            f"{name}: {what} takes heights and widths that are multiples of {unit}, got "
            f"{height} × {width}; pad the pictures to {-(-height // unit) * unit} × "
            f"{-(-width // unit) * unit}, or crop them"
        )
    return x
