r"""The frame between two frames, by optical flow.

A flow :math:`V_{0\to1}` says where each pixel of frame 0 has gone by frame 1, in pixels (row,
column). A picture that a flow leads into is *pulled* back,

.. math:: (x \leftarrow V)(p) = x\bigl(p + V(p)\bigr),

so that each pixel of the result asks where it is from, and none stays empty. The frame at time t
needs the flows that begin *there*, and nobody has seen it. With motion that is steady and smooth
they follow from the two that can be measured (Jiang et al. 2018, arXiv:1712.00080, equation 4),

.. math::
    V_{t\to0} &= -(1-t)\,t\,V_{0\to1} + t^2 V_{1\to0}, \\
    V_{t\to1} &= (1-t)^2 V_{0\to1} - t\,(1-t) V_{1\to0}.
"""

from __future__ import annotations

import torch
from skimage.registration import optical_flow_ilk
from torch import Generator, Tensor, nn
from torch.nn.functional import grid_sample

from gdmlib._checks import check_count, check_tensor
from gdmlib.data.crops import luminance
from gdmlib.restoration.damage import check_pictures
from gdmlib.restoration.network import SmallUNet


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Pull pictures back along a flow, linearly between pixels; beyond the border is the border.

    Args:
        x: Pictures, shape (B, C, H, W).
        flow: Rows and columns to go from each pixel of the result, shape (B, 2, H, W).
    """
    x = check_tensor(x, "x", shape=("B", "C", "H", "W"), floating=True)
    height, width = x.shape[-2:]
    shape = (len(x), 2, height, width)
    flow = check_tensor(flow, "flow", shape=shape, what="(rows, columns) of each pixel", like=x)
    rows = torch.arange(height).to(x)[:, None] + flow[:, 0]
    columns = torch.arange(width).to(x) + flow[:, 1]
    # grid_sample has columns first, and -1 and 1 at the outer edges of the outer pixels.
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def optical_flow(first: Tensor, second: Tensor, radius: int = 5) -> Tensor:
    """Return where each pixel of ``first`` is found in ``second``, by scikit-image.

    Args:
        first, second: Frames in [0, 1] of one size, shape (B, C, H, W) with C 1 or 3.
        radius: Of the window that moves as one (Le Besnerais and Champagnat 2005, iterative
            Lucas-Kanade).

    Returns:
        Rows and columns, shape (B, 2, H, W).
    """
    first, second = _check_frames(first, second)
    radius = check_count(radius, "radius")
    pairs = zip(_grey(first).numpy(), _grey(second).numpy(), strict=True)
    flows = [torch.from_numpy(optical_flow_ilk(a, b, radius=radius)) for a, b in pairs]
    return torch.stack(flows).to(first)


def flows_from(t: float, forward: Tensor, backward: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flows from time t to frame 0 and to frame 1, (B, 2, H, W) each.

    Args:
        t: From 0 to 1.
        forward, backward: The flows from frame 0 to frame 1 and from 1 to 0.
    """
    if not 0 <= t <= 1:
        raise ValueError(f"t: expected a time from 0 (first frame) to 1 (second), got {t}")
    forward = check_tensor(forward, "forward", shape=("B", 2, "H", "W"), floating=True)
    backward = check_tensor(backward, "backward", shape=tuple(forward.shape), like=forward)
    to_first = -(1 - t) * t * forward + t**2 * backward
    to_second = (1 - t) ** 2 * forward - t * (1 - t) * backward
    return to_first, to_second


class FrameBetween(nn.Module):
    """The frame in the middle: two warped frames, a mask that chooses, and a correction.

    It starts as the mean of the two, and learns where one of them is wrong: behind what has moved,
    a background is seen in one frame only.

    Args:
        features: Of the network.
        generator: Draws its weights.
    """

    def __init__(self, *, features: int = 24, generator: Generator | None = None) -> None:
        super().__init__()
        self.network = SmallUNet(11, 4, features=features, generator=generator)

    def forward(self, first: Tensor, second: Tensor, flows: Tensor) -> Tensor:
        """Return the frame at t = 1/2, (B, 3, H, W).

        Args:
            first, second: Frames in [0, 1], shape (B, 3, H, W).
            flows: From 0 to 1 and from 1 to 0 as `optical_flow` has them, shape (B, 4, H, W).
        """
        first, second = _check_frames(first, second)
        shape = (len(first), 4, *first.shape[2:])
        flows = check_tensor(flows, "flows", shape=shape, what="flow forth, flow back", like=first)
        to_first, to_second = flows_from(0.5, flows[:, :2], flows[:, 2:])
        a, b = warp(first, to_first), warp(second, to_second)
        gap = (a - b).abs().mean(1, keepdim=True)
        found = self.network(torch.cat([a - 0.5, b - 0.5, to_first / 8, to_second / 8, gap], 1))
        share = found[:, :1].sigmoid()
        return share * a + (1 - share) * b + found[:, 1:]

    def score(self, first: Tensor, second: Tensor, flows: Tensor, middle: Tensor) -> Tensor:
        """Return the mean absolute error of each frame, (B,)."""
        made = self(first, second, flows)
        middle = check_tensor(middle, "middle", shape=tuple(made.shape), like=made)
        return (made - middle).abs().flatten(1).mean(1)


def _check_frames(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    first, shape = check_pictures(first, "first"), tuple(first.shape)
    second = check_tensor(second, "second", shape=shape, what="as the first frame", like=first)
    return first, check_pictures(second, "second")


def _grey(x: Tensor) -> Tensor:
    """Return luminance, (B, 3, H, W) or (B, 1, H, W) -> (B, H, W), on the CPU."""
    return (luminance(x) if x.shape[1] == 3 else x.mean(1)).detach().cpu()
