"""Frames between frames: warps go the right way, and motion that is known is found."""

from __future__ import annotations

import pytest
import torch

from gdmlib import metrics
from gdmlib.restoration import FrameBetween, flows_from, moving_scenes, optical_flow, warp


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(height: int = 32, width: int = 40) -> torch.Tensor:
    row, column = torch.arange(height)[:, None] / 5.0, torch.arange(width) / 4.0
    return (0.5 + 0.2 * row.sin() + 0.2 * (column + row).cos())[None, None]


def constant(row: float, column: float, like: torch.Tensor) -> torch.Tensor:
    flow = torch.tensor([row, column])[None, :, None, None]
    return flow.expand(len(like), 2, *like.shape[2:]).to(like)


def test_a_warp_by_whole_pixels_is_a_shift():
    x = torch.rand(2, 3, 9, 12, generator=seeded())
    found = warp(x, constant(2, -1, x))
    assert torch.allclose(found[:, :, :-2, 1:], x[:, :, 2:, :-1], atol=1e-5)
    assert torch.allclose(warp(x, constant(0, 0, x)), x, atol=1e-6)
    half = warp(x, constant(0, 0.5, x))
    assert torch.allclose(half[..., :-1], (x[..., :-1] + x[..., 1:]) / 2, atol=1e-5)


def test_outside_is_the_border():
    x = torch.rand(1, 1, 6, 6, generator=seeded())
    assert torch.allclose(warp(x, constant(-9, 0, x)), x[:, :, :1].expand(-1, -1, 6, -1))


def test_the_flow_leads_from_the_first_frame_into_the_second():
    x = smooth()
    second = warp(x, constant(-2, 1, x))  # what was at p in x is now at p + (2, -1)
    flow = optical_flow(x, second)
    middle = flow[:, :, 8:-8, 8:-8].mean((0, 2, 3))
    assert torch.allclose(middle, torch.tensor([2.0, -1.0]), atol=0.1)
    assert (warp(second, flow) - x)[..., 8:-8, 8:-8].abs().max() < 0.02


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0])
def test_flows_from_any_time_of_a_steady_motion(t):
    forward = constant(4, -2, torch.zeros(1, 1, 5, 5))
    first, second = flows_from(t, forward, -forward)
    assert torch.allclose(first, -t * forward, atol=1e-6)
    assert torch.allclose(second, (1 - t) * forward, atol=1e-6)


def test_scenes_move_steadily_and_repeat():
    pictures = [torch.rand(3, 70, 80, generator=seeded(5))]
    scenes = moving_scenes(pictures, 3, 32, generator=seeded(1))
    assert scenes.shape == (3, 3, 3, 32, 32)
    assert torch.equal(scenes, moving_scenes(pictures, 3, 32, generator=seeded(1)))
    still = moving_scenes(pictures, 2, 32, most=0.0, generator=seeded(1))
    assert (still[:, 0] - still[:, 2]).abs().mean() < (scenes[:, 0] - scenes[:, 2]).abs().mean()


def test_flow_beats_blending_where_things_move():
    rough = torch.rand(1, 3, 18, 18, generator=seeded(2))
    fine = torch.nn.functional.interpolate(rough, size=(140, 140), mode="bicubic")
    pictures = [fine[0].clamp(0, 1)]
    first, middle, second = moving_scenes(pictures, 4, 64, generator=seeded(3)).unbind(1)
    forward, backward = optical_flow(first, second), optical_flow(second, first)
    to_first, to_second = flows_from(0.5, forward, backward)
    warped = (warp(first, to_first) + warp(second, to_second)) / 2
    blended = metrics.psnr((first + second) / 2, middle).mean()
    assert metrics.psnr(warped, middle).mean() > blended + 2
    twice = (warp(first, 2 * to_first) + warp(second, 2 * to_second)) / 2
    assert metrics.psnr(twice, middle).mean() < blended  # a law that a wrong scale breaks


def test_the_network_starts_as_the_mean_of_two_warps():
    first, second = torch.rand(2, 2, 3, 16, 20, generator=seeded())
    flows = torch.randn(2, 4, 16, 20, generator=seeded())
    model = FrameBetween(features=4, generator=seeded())
    to_first, to_second = flows_from(0.5, flows[:, :2], flows[:, 2:])
    expected = (warp(first, to_first) + warp(second, to_second)) / 2
    assert torch.allclose(model(first, second, flows), expected, atol=1e-6)
    assert model.score(first, second, flows, expected).max() < 1e-6


def test_bad_input_is_refused():
    x = torch.rand(1, 3, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    model = FrameBetween(features=4)
    with pytest.raises(ValueError, match=r"second: expected shape .*8, 8.*got .*9"):
        optical_flow(x, torch.rand(1, 3, 8, 9))
    with pytest.raises(ValueError, match=r"first: expected values in .0, 1."):
        optical_flow(255 * x, x)
    with pytest.raises(ValueError, match="flow: expected shape"):
        warp(x, torch.zeros(1, 2, 8, 9))
    broken = flow.clone()
    broken[0, 0, 3, 3] = float("nan")
    with pytest.raises(ValueError, match="flow: 1 of 128 values are NaN"):
        warp(x, broken)
    with pytest.raises(ValueError, match="t: expected a time from 0"):
        flows_from(1.5, flow, flow)
    with pytest.raises(ValueError, match="flows: expected shape"):
        model(x, x, flow)
    with pytest.raises(ValueError, match="multiples of 4"):
        model(x[..., :6], x[..., :6], torch.zeros(1, 4, 8, 6))
    with pytest.raises(ValueError, match="need sides of 64"):
        moving_scenes([torch.rand(3, 40, 90)], 1, 32)
