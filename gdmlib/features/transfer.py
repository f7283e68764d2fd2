r"""Style and content as losses: a picture is painted by descending in its pixels.

The *style* of a picture is what its features are like on average over all places, wherever they
are: their Gram matrices (Gatys, Ecker and Bethge 2015, https://arxiv.org/abs/1505.07376). Its
*content* is the features at their places. A picture with the style of one and the content of
another is found by gradient descent (Gatys, Ecker and Bethge 2016,
https://doi.org/10.1109/CVPR.2016.265). Those papers take VGG-19; any network with a method
``each(x)``, the features of its stages, will do: `PhotoFeatures`, trained or with random weights
(Ustyuzhaninov, Brendel, Gatys and Bethge 2016, https://arxiv.org/abs/1606.00021), or `VGG19`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from gdmlib._checks import check_choice, check_count, check_tensor, check_values


class Stages(Protocol):
    """A network that says what each of its stages sees.

    It may say in ``smallest`` how many pixels a side become a single place of its last stage.
    """

    def each(self, x: Tensor) -> list[Tensor]:
        """Return the features of pictures in [0, 1], (B, C, H, W) for each stage."""


def gram(f: Tensor) -> Tensor:
    r"""Return the mean product of each pair of features over all places.

    .. math:: G_{cd} = \frac{1}{hw} \sum_{ij} f_{cij} f_{dij}

    Args:
        f: Features, shape (B, C, h, w).

    Returns:
        Shape (B, C, C), whatever h and w are.
    """
    f = check_tensor(f, "f", ndim=4, floating=True).flatten(2)
    return f @ f.mT / f.shape[2]


class StyleLoss(nn.Module):
    r"""The squared differences of Gram matrices, averaged over their entries, summed over stages.

    .. math:: \mathcal L_\text{style}(x) = \sum_{s, l} \frac{1}{C_l^2}
        \big\| G\big(\tilde f^l(x_s)\big) - G\big(\tilde f^l(y_s)\big) \big\|^2

    with the style picture y, both pictures s times halved. The features are standardised,
    :math:`\tilde f = (f - m) / \sigma`, by mean and spread over the style picture, so that none
    of them counts more for being large; a constant 1 joins them, whose products are the means.

    Args:
        network: What sees: see `Stages`. Its weights are not trained, but the gradient goes
            through it. The pixels themselves are a stage more.
        style: One picture in [0, 1], shape (3, H, W), so large that at the last scale the last
            stage has two places a side: 64 pixels for `PhotoFeatures` and three scales.
        scales: At how many sizes the network looks, each half of the one before: a small network
            then sees large patterns, too.
    """

    def __init__(self, network: Stages, style: Tensor, *, scales: int = 3) -> None:
        super().__init__()
        self.network, self.scales = network, check_count(scales, "scales")
        self.least = int(getattr(network, "smallest", 1)) * 2**self.scales
        self.targets: list[tuple[Tensor, Tensor, Tensor]] = []
        with torch.no_grad():
            for f in self._features(check_picture(style, "style", self.least)):
                mean, spread = f.mean((2, 3), keepdim=True), f.std((2, 3), keepdim=True)
                # A feature that is nearly constant must not weigh a thousand times as much.
                spread = spread + 0.1 * spread.square().mean().sqrt() + 1e-6
                self.targets.append((mean, spread, gram(with_one((f - mean) / spread))))

    def _features(self, x: Tensor) -> Iterator[Tensor]:
        x = x[None]
        for _ in range(self.scales):
            yield x
            yield from self.network.each(x)
            x = nn.functional.avg_pool2d(x, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a picture, (3, H, W), as large as a style may be, as a scalar."""
        x = check_picture(x, "x", self.least, unit=False)
        losses = [
            (gram(with_one((f - mean) / spread)) - target).square().mean()
            for f, (mean, spread, target) in zip(self._features(x), self.targets, strict=True)
        ]
        return torch.stack(losses).sum()


class ContentLoss(nn.Module):
    r"""The mean squared difference of features at their places, in units of their variance.

    .. math:: \mathcal L_\text{content}(x) = \frac{\|f^l(x) - f^l(c)\|^2}{\|f^l(c) - m\|^2}

    Args:
        network: What sees, as for `StyleLoss`.
        content: One picture in [0, 1], shape (3, H, W).
        stage: Which stage l of the network: an early one keeps pixels, a late one keeps what is
            where, and leaves colours and strokes to the style.
    """

    def __init__(self, network: Stages, content: Tensor, *, stage: int = -1) -> None:
        super().__init__()
        content = check_picture(content, "content", 2)
        with torch.no_grad():
            found = network.each(content[None])
        self.stage = check_choice(stage, "stage", range(-len(found), len(found)))
        self.network, self.shape = network, tuple(content.shape)
        self.target = found[stage]
        centred = self.target - self.target.mean((2, 3), keepdim=True)
        self.variance = centred.square().mean() + 1e-6

    def forward(self, x: Tensor) -> Tensor:
        """Return the loss of a picture of the size of the content, (3, H, W), as a scalar."""
        x = check_picture(x, "x", 2, unit=False)
        if tuple(x.shape) != self.shape:
            raise ValueError(
                f"x: expected the shape of the content, {self.shape}, got {tuple(x.shape)}; cut or "
                "resize one of the two (only the style may have another size)"
            )
        f = self.network.each(x[None])[self.stage]
        return (f - self.target).square().mean() / self.variance


class Painting(NamedTuple):
    """A picture that was painted, (3, H, W) in [0, 1], and the loss at each evaluation."""

    picture: Tensor
    losses: list[float]


def paint(
    loss: Callable[[Tensor], Tensor], start: Tensor, *, steps: int = 150, memory: int = 20
) -> Painting:
    """Descend on a loss in the pixels of a picture, by L-BFGS.

    Args:
        loss: Of a picture, (3, H, W), to a scalar.
        start: Where to begin, shape (3, H, W): noise, or the content.
        steps: Of L-BFGS; each evaluates the loss about once.
        memory: How many past steps the curvature is read from.

    Raises:
        FloatingPointError: If the loss became NaN or infinite.
    """
    x = check_picture(start, "start", 2).clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [x], max_iter=check_count(steps, "steps"), history_size=check_count(memory, "memory"),
        line_search_fn="strong_wolfe", tolerance_grad=0, tolerance_change=0,
    )  # fmt: skip
    losses: list[float] = []

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        # Pixels may leave [0, 1] on their way, and are pulled back.
        value = loss(x) + 10 * (x - x.clamp(0, 1)).square().mean()
        if not torch.isfinite(value):
            raise FloatingPointError(f"paint: the loss became {value.item()}; start elsewhere")
        value.backward()
        losses.append(value.item())
        return value

    with torch.enable_grad():
        optimizer.step(evaluate)
    return Painting(x.detach().clamp(0, 1), losses)


def with_one(f: Tensor) -> Tensor:
    """Return features, (B, C, h, w), and one more that is 1 everywhere."""
    return torch.cat([f, torch.ones_like(f[:, :1])], 1)


def check_picture(x: Tensor, name: str, least: int, *, unit: bool = True) -> Tensor:
    """Return one colour picture, (3, H, W), of at least so many pixels a side."""
    x = check_tensor(x, name, shape=(3, "H", "W"), what="one colour picture", floating=True)
    if min(x.shape[1:]) < least:
        raise ValueError(f"{name}: expected at least {least} pixels a side, got {tuple(x.shape)}")
    if unit:
        fits = (x >= -1e-3) & (x <= 1 + 1e-3)
        check_values(x, name, fits, "a picture in [0, 1]", f"; use {name}.clamp(0, 1)")
    return x
