"""All chance comes from the generator that is given: of models, fits, samples and completions."""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import gdmlib
from gdmlib.autoregressive import (
    FVSBN,
    MADE,
    MCGSM,
    NADE,
    RIDE,
    BernoulliMixture,
    GatedPixelCNN,
    MCGSMImage,
    MCGSMPatch,
    MultiscaleMCGSM,
    Neighbourhood,
    PixelCNN,
    RowLSTM,
    dependence_map,
    plain_sample,
)
from gdmlib.densities import GaussianMixture
from gdmlib.nn.masked_conv import MaskedConv2d, RowsAbove
from gdmlib.nn.spatial_lstm import SpatialLSTM

from .functions import CHANCE, FITS
from .registry import CASES

X = torch.randn(60, 3, generator=torch.Generator().manual_seed(5))
BITS = (X > 0).float()
PAST = Neighbourhood.half_plane(1, 1)
IMAGES = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(6))
SMALL = {"components": 2, "scales": 1, "n_iter": 1}
CLASSES = {"num_classes": 2, "features": 4, "layers": 2}


def image_of_mcgsm(**size):
    return MCGSMImage(MCGSM(len(PAST), generator=torch.Generator().manual_seed(0)), PAST, **size)


CALLS = {
    "NADE": partial(NADE, 3, hidden=2),
    "MADE": partial(MADE, 5, hidden=(7, 6), orderings=3),
    "MCGSM": partial(MCGSM, 3, scales=1),
    "MCGSM.start": partial(MCGSM.start, X, X[:, 0] + torch.linspace(-1, 1, 60), scales=2),
    "MCGSM.fit": partial(MCGSM.fit, X, X[:, 0] + torch.linspace(-1, 1, 60), **SMALL),
    "MCGSMPatch.fit": partial(MCGSMPatch.fit, X, **SMALL),
    "MultiscaleMCGSM": partial(MultiscaleMCGSM, 1, PAST, scales=1),
    "MultiscaleMCGSM.fit": partial(
        MultiscaleMCGSM.fit, IMAGES, 1, PAST, radius=0, n_pairs=20, valid=IMAGES, **SMALL
    ),
    "RIDE": partial(RIDE, PAST, units=2, layers=2, scales=1),
    "SpatialLSTM": partial(SpatialLSTM, 2, 3),
    "MaskedConv2d": partial(MaskedConv2d, 2, 2, 3),
    "RowsAbove": partial(RowsAbove, 2, 2, 3),
    "PixelCNN": partial(PixelCNN, (1, 4, 4), **CLASSES),
    "GatedPixelCNN": partial(GatedPixelCNN, (1, 4, 4), **CLASSES),
    "RowLSTM": partial(RowLSTM, (1, 4, 4), **CLASSES),
    "BernoulliMixture.fit": partial(BernoulliMixture.fit, BITS, components=2, n_iter=1),
    "GaussianMixture.fit": partial(GaussianMixture.fit, X, components=4, n_iter=1),
    "GaussianMixture.fit, random": partial(
        GaussianMixture.fit, X, components=2, n_iter=1, init="random"
    ),
    "plain_sample": partial(plain_sample, FVSBN(3), 40),
    "sample_interior": partial(image_of_mcgsm().sample_interior, IMAGES),
    "plain_sample of pixels": partial(plain_sample, PixelCNN((1, 2, 2), features=2, layers=1), 30),
    "dependence_map": partial(
        dependence_map, PixelCNN((1, 3, 3), features=4, layers=1, kernel_size=3), (1, 1)
    ),
    **CHANCE,
}
for case in CASES:
    if hasattr(case.model, "sample"):
        of = 64 if case.inputs is None else case.inputs.repeat(64, *[1] * (case.inputs.ndim - 1))
        CALLS[f"{case.name}.sample"] = partial(case.model.sample, of)
    if hasattr(case.model, "complete"):
        blank = torch.zeros(case.model.event_shape, dtype=torch.bool)

        def complete(model=case.model, blank=blank, generator=None):
            return model.complete(
                model.sample(64, torch.Generator().manual_seed(1)), blank, generator
            )

        CALLS[f"{case.name}.complete"] = complete


def numbers(found) -> list[Tensor]:
    """Return all tensors of a result."""
    if isinstance(found, nn.Module):
        return list(found.state_dict().values())
    if isinstance(found, (int, float)):
        return [torch.tensor(float(found))]
    return [found] if isinstance(found, Tensor) else [t for part in found for t in numbers(part)]


def check_chance(function):
    def once(seed):
        return numbers(function(generator=torch.Generator().manual_seed(seed)))

    state = torch.get_rng_state()
    first, again, other = once(0), once(0), once(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)), "another result"
    assert any(not torch.equal(a, b) for a, b in zip(first, other, strict=True)), "no chance"
    assert torch.equal(torch.get_rng_state(), state), "the global generator is moved"


@pytest.mark.parametrize("name", CALLS)
def test_all_chance_comes_from_the_generator(name):
    check_chance(CALLS[name])


def redrawn(generator):
    """Start a layer by a generator after PyTorch has done so by its own."""
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.rand(p.shape, generator=generator))
    return layer


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (lambda generator: torch.rand(3), "another result"),
        (lambda generator: torch.zeros(3), "no chance"),
        (redrawn, "the global generator is moved"),
    ],
)
def test_other_chance_is_noticed(broken, what):
    with pytest.raises(AssertionError, match=what):
        check_chance(broken)


@pytest.mark.parametrize("call", FITS, ids=str)
def test_fits_leave_the_global_generator_alone(call):
    state = torch.get_rng_state()
    call(*call.arguments)
    assert torch.equal(torch.get_rng_state(), state)


# --- layers that draw by PyTorch's own generator --------------------------------------------------

DRAWING = {
    name
    for name, kind in vars(nn).items()
    if isinstance(kind, type) and issubclass(kind, nn.Module) and "reset_parameters" in dir(kind)
    and not name.endswith(("Norm", "Norm1d", "Norm2d", "Norm3d"))
}  # fmt: skip
SOURCES = sorted(Path(gdmlib.__file__).parent.rglob("*.py"))


def bare(source: str) -> list[str]:
    """Return the calls of layers that draw their first weights by the global generator."""
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        f"line {f.lineno}: nn.{f.attr}"
        for f in calls
        if isinstance(f, ast.Attribute) and f.attr in DRAWING and ast.unparse(f.value) == "nn"
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_layers_are_made_blank(path):
    assert bare(path.read_text(encoding="utf-8")) == []


def test_a_layer_that_draws_by_itself_is_noticed():
    assert {"Linear", "Conv2d", "ConvTranspose2d", "Embedding", "LSTM"} < DRAWING
    assert "GroupNorm" not in DRAWING and "BatchNorm2d" not in DRAWING
    source = "a = blank(nn.Linear, 2, 3)\nb = nn.Conv2d(2, 3, 3)\n"
    assert bare(source) == ["line 2: nn.Conv2d"]
