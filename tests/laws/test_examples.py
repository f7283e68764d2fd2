"""Law 10: an example does not look at its neighbours, and single precision stays single."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from . import examples
from .builders import normal
from .calls import Call, call
from .functions import FUNCTIONS

DRAWN = {
    "Dequantised.bound", "Dequantised.importance_bound", "GatedPixelCNN of classes.sample",
    "MCGSMImage.sample_interior", "MultiscaleMCGSM.refine", "RIDE.sample_interior",
    "UniformDequantiser", "VariationalDequantiser", "disturb",
}  # fmt: skip
"""Examples that draw from one generator, one after the other."""
WHOLE = {"reliability_curve", "reliability_curve of classes", "windows of no plane", "chain"}
"""These speak of bins, or of planes, of which there may happen to be as many; or there are none."""
WIDE = {
    "Dataset.take", "Diffusion.bound of levels", "EnlargingPairs", "on_luma",
    "perceptual_distance", "psnr", "psnr of levels", "reliability_curve",
    "reliability_curve of classes", "ssim", "ssim of levels", "ssim, uniform",
}  # fmt: skip
"""Measures, in which every digit counts, and data that keep the dtype that they had."""
ROUNDED = {"perceptual_distance": 1e-7}  # its network is in single precision

EACH = [c for c in FUNCTIONS if c.name not in DRAWN | WHOLE and examples.speaks_of_examples(c)]


@pytest.mark.parametrize("call", EACH, ids=str)
def test_examples_do_not_look_at_their_neighbours(call):
    examples.check_one_by_one(call, ROUNDED.get(call.name, 1e-11))


@pytest.mark.parametrize("call", [c for c in FUNCTIONS if c.name not in WIDE], ids=str)
def test_single_precision_stays_single(call):
    examples.check_single_precision(call)


def test_exceptions_are_there():
    assert {c.name for c in FUNCTIONS} >= DRAWN | WHOLE | WIDE
    assert len(EACH) > 200


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_what_is_drawn_does_look_at_its_neighbours(name):
    (drawn,) = [c for c in FUNCTIONS if c.name == name]
    with pytest.raises(AssertionError, match="alone: off by"):
        examples.check_one_by_one(drawn)


# --- broken ones ---------------------------------------------------------------------------------


def centred(x):
    return x - x.mean(dim=0)


def one_more(x):
    return [x] * len(x)


@pytest.mark.parametrize(
    ("function", "what"),
    [(centred, "example 0 alone: off by"), (one_more, "alone: another number of results")],
)
def test_a_broken_function_is_rejected(function, what):
    broken = call("broken", function, normal(3, 2))
    assert examples.speaks_of_examples(broken)
    with pytest.raises(AssertionError, match=f"law 10, engineering: broken: {what}"):
        examples.check_one_by_one(broken)


def test_a_batch_of_one_proves_nothing():
    with pytest.raises(AssertionError, match="one example is no batch"):
        examples.check_one_by_one(call("broken", centred, normal(1, 2)))


class Widens(nn.Module):
    """Has numbers that do not follow its dtype."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(2).double())
        self.shift = normal(2)

    def forward(self, x):
        return self.scale * x + self.shift


WIDENS = Widens()


def silent(x):
    if x.dtype != torch.float64:
        raise ValueError("this is not how it is done")
    return x


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (call("broken", lambda x: x.double() + 1, normal(3, 2)), "the result is float64"),
        (call("broken", silent, normal(3, 2)), "the error says"),
        (
            Call("broken", WIDENS.forward, (normal(3, 2),), WIDENS),
            "the result is float64",
        ),
    ],
)
def test_broken_precision_is_rejected(broken, what):
    with pytest.raises(AssertionError, match=f"law 10, engineering: broken: float32: {what}"):
        examples.check_single_precision(broken)


def test_a_sound_function_passes():
    sound = call("sound", lambda x: x.exp() * x.new_tensor([1.0, 2.0]), normal(3, 2))
    examples.check_one_by_one(sound)
    examples.check_single_precision(sound)
