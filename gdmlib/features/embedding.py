r"""A space for search: a network is trained so that what belongs together is near.

From a picture, a small network makes a point on a sphere. Draw a neighbour of picture i among the
others at random, the nearer the more probable,

.. math:: p_{ij} = \frac{\exp(z_i^\top z_j / \tau)}{\sum_{k \ne i} \exp(z_i^\top z_k / \tau)},

and ask with which probability it belongs to the same class as i; what is learned is to make
that large (neighbourhood components analysis: Goldberger, Roweis, Hinton and Salakhutdinov 2004;
with a network on a sphere: Wu, Efros and Yu 2018, https://arxiv.org/abs/1808.04699). The classes
are never told apart by name, so the space serves for classes that training did not know.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_above_zero, check_count, check_events, check_labels, check_sizes
from gdmlib._random import draw
from gdmlib.nn.dense import blank, start


class Embedding(nn.Module):
    """A convolutional network from grey pictures to points on a sphere.

    Args:
        size: Side of a picture.
        channels: Of the convolutions, each of which halves the picture.
        features: Coordinates of a point.
        temperature: τ, how much nearer a neighbour must be to be drawn.
        generator: Draws the weights.
    """

    def __init__(
        self,
        size: int = 24,
        *,
        channels: tuple[int, ...] = (32, 64, 96),
        features: int = 64,
        temperature: float = 0.1,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.size = side = check_count(size, "size")
        self.temperature = check_above_zero(temperature, "temperature")
        layers: list[nn.Module] = []
        before = 1
        for width in check_sizes(channels, "channels", none=False):
            layers += [blank(nn.Conv2d, before, width, 3, stride=2, padding=1), nn.ReLU()]
            before, side = width, (side + 1) // 2
        outputs = check_count(features, "features")
        layers += [nn.Flatten(), blank(nn.Linear, before * side * side, outputs)]
        self.body = nn.Sequential(*layers)
        start(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return points of length 1, (B, features), of pictures in [0, 1], (B, 1, size, size)."""
        check_events(x, "x", (1, self.size, self.size), like=next(self.parameters()))
        return nn.functional.normalize(self.body(x - 0.5), dim=1)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        r"""Return :math:`-\log \sum_{j: y_j = y_i} p_{ij}`, averaged over pictures with a fellow.

        Args:
            x: Pictures, (B, 1, size, size).
            y: Their classes, (B,).
        """
        points = self(x)
        y = check_labels(y, "y", num_classes=2**31, length=len(x))
        near = points @ points.mT / self.temperature
        itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
        log_p = near.masked_fill(itself, -math.inf).log_softmax(1)
        fellow = (y[:, None] == y[None, :]) & ~itself
        if not bool(fellow.any()):
            raise ValueError("y: expected at least two pictures of one class in a batch, got none")
        log_share = log_p.masked_fill(~fellow, -math.inf).logsumexp(1)
        return -log_share[fellow.any(1)].mean()


def warped(x: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Return pictures turned by up to 17°, made smaller or larger by up to an eighth, and moved.

    Args:
        x: Shape (B, C, H, W).
        generator: Draws how.
    """
    turn, scale, *move = draw(torch.rand, 4, len(x), generator=generator).to(x) - 0.5
    turn, scale = 0.6 * turn, 1 + 0.25 * scale
    rows = [
        torch.stack([turn.cos() * scale, -turn.sin() * scale, 0.25 * move[0]], 1),
        torch.stack([turn.sin() * scale, turn.cos() * scale, 0.25 * move[1]], 1),
    ]
    grid = nn.functional.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return nn.functional.grid_sample(x, grid, align_corners=False)
