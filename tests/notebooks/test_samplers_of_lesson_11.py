"""The weights of lesson 11: few steps of flow matching against many of DDIM, on more samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gdmlib.latent import Diffusion, FlowMatching, cosine_schedule, ddim
from gdmlib.metrics import Judge
from gdmlib.nn.unet import UNet

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
SHAPE, CLASSES, EACH, PARTS = (1, 16, 16), 10, 24, 6
LABELS = torch.arange(CLASSES).repeat(EACH)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def network(name: str) -> tuple[UNet, dict[str, Tensor]]:
    return UNet(SHAPE, channels=(16, 32, 64), classes=CLASSES), load_file(CHECKPOINTS / name)


def two_measures(x: Tensor) -> tuple[float, Tensor]:
    """Return the share that shows its class, and the spread within a class, a part at a time."""
    judge = Judge.load("glyphs")
    features = judge.features(((x + 1) / 2).clamp(0, 1))
    right = (judge.head(features).argmax(dim=1) == LABELS).float().mean()
    spreads = []
    for found in features.unflatten(0, (PARTS, EACH // PARTS, CLASSES)):
        far = (found - found.mean(dim=0)).square().sum(dim=-1)
        spreads.append(far.mean().sqrt() * (EACH // PARTS / (EACH // PARTS - 1)) ** 0.5)
    return float(right), torch.stack(spreads)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_ten_steps_of_flow_matching_are_no_worse_than_fifty_of_ddim(guidance):
    body, weights = network("11_glyphs_diffusion.safetensors")
    diffusion = Diffusion(body, SHAPE, cosine_schedule(1000), "v")
    diffusion.load_state_dict(weights)
    body, weights = network("11_glyphs_flow_matching.safetensors")
    matcher = FlowMatching(body, SHAPE)
    matcher.load_state_dict(weights)
    n, asked = len(LABELS), {"labels": LABELS, "guidance": guidance}
    with torch.no_grad():
        many = ddim(diffusion.eval(), n, steps=50, clip=1.0, generator=seeded(), **asked)
        few = matcher.eval().sample(n, seeded(), steps=10, method="midpoint", **asked)
        two = matcher.sample(n, seeded(), steps=2, method="euler", **asked)
    (right, spread), (right_of_few, spread_of_few) = two_measures(many), two_measures(few)
    noise = 3 * ((spread.var() + spread_of_few.var()) / PARTS).sqrt()
    assert right_of_few >= max(right - 0.01, 0.95)
    assert spread_of_few.mean() > spread.mean() - noise
    assert two_measures(two)[1].mean() < spread.mean() - noise  # the measure can tell
