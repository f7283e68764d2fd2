"""Law 10: wrong arguments are refused in words, wrong sizes of networks and of pictures, too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gdmlib import adversarial
from gdmlib._checks import check_count, check_tensor

from . import misuse
from .builders import normal
from .calls import call
from .functions import COUNTS, FAMILIES

FOREIGN = ("CycleGAN", "CycleGAN.inverse", "CycleGAN.map_loss", "CycleGAN.judge_loss",
           "Stacked.forward", "ddim", "FlowMatching.sample")  # fmt: skip
"""Here networks of dense layers say themselves which shapes they take; the last two lines of the
laws count what they are given."""
UNEQUAL = ("PatchDiscriminator.both",)
"""Takes as many made events as one likes."""
EVERY = [
    call
    for family in FAMILIES
    if "functions_inverse" not in family.__name__  # see test_refusals
    for call in [*family.FUNCTIONS, *getattr(family, "CONSTRUCTORS", [])]
    if call.name not in FOREIGN
]


@pytest.mark.filterwarnings("ignore:.*discards the imaginary part")
@pytest.mark.parametrize("call", EVERY, ids=str)
def test_wrong_arguments(call):
    misuse.check_wrong_arguments(call, equal=call.name not in UNEQUAL)


@pytest.mark.parametrize("name", COUNTS)
def test_wrong_counts(name):
    misuse.check_wrong_counts(name, *COUNTS[name])


@pytest.mark.parametrize("name", misuse.NETWORKS)
def test_sizes_of_pictures(name):
    misuse.check_sizes(name, *misuse.NETWORKS[name])


# --- nothing is left out --------------------------------------------------------------------------

WITHOUT = {
    "AdversarialLoss", "CollapseError", "DivergenceError", "Enlarger", "Inversion", "Stacked",
    "adversaries", "averaged", "blend", "content_features", "games", "loss_named",
}  # fmt: skip
"""These take no tensors, or are what others are made of, return or inherit from."""


def unlisted(names: list[str], sources: list[Path]) -> set[str]:
    """Return the names that no line of the laws has."""
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {node.id for node in nodes if isinstance(node, ast.Name)}
    return set(names) - used


def test_every_public_name_has_a_line():
    here = Path(__file__).parent
    sources = [*here.glob("functions_adversarial_*.py"), here / "adversaries.py"]
    assert unlisted(adversarial.__all__, sources) - WITHOUT == set()
    assert unlisted(adversarial.games.__all__, sources) - {"ExactGame", "theory"} == set()
    assert unlisted(["GAN", "Nothing"], sources) == {"Nothing"}


# --- broken ones ---------------------------------------------------------------------------------

LAYER = nn.Linear(2, 2).double()


def unnamed(x: Tensor) -> Tensor:
    if x.ndim != 2 or x.dtype != torch.float64:
        raise ValueError("something about this call is not as it should be")
    return x + 1


def of_pairs(x: Tensor, y: Tensor) -> Tensor:
    for part, name in ((x, "x"), (y, "y")):
        check_tensor(part, name, shape=("B", 2), floating=True, like=torch.empty(0).double())
    return x - y


def empty_mean(x: Tensor) -> Tensor:
    check_tensor(x, "x", floating=True, nonempty=False)
    return x.mean()


@pytest.mark.parametrize(
    ("function", "arguments", "what"),
    [
        (lambda x: LAYER(x), 1, "RuntimeError, not ValueError"),
        (unnamed, 1, "the error says"),
        (of_pairs, 2, "one example alone: accepted"),
        (empty_mean, 1, "the result is not finite"),
    ],
)
def test_a_broken_function_is_rejected(function, arguments, what):
    with pytest.raises(AssertionError, match=f"law 10, misuse: broken: .*{what}"):
        misuse.check_wrong_arguments(call("broken", function, *[normal(3, 2)] * arguments))


@pytest.mark.parametrize(
    ("function", "value", "what"),
    [
        (lambda sizes: [sizes[k] for k in range(2)], (2, 3), r"\(\): IndexError"),
        (lambda n: torch.zeros(max(n, 0) if n else 0), 2, "the error says"),
        (lambda n: [1, 2, 3][: n if isinstance(n, int) else 1], 2, "'two': accepted"),
        (lambda n: torch.zeros(3).reshape(check_count(n, "n", least=-3), -1), 2, "RuntimeError"),
    ],
)
def test_a_broken_count_is_rejected(function, value, what):
    with pytest.raises(AssertionError, match=f"law 10, misuse: broken: .*({what})"):
        misuse.check_wrong_counts("broken", function, value)


def in_a_mirror() -> nn.Module:
    return nn.Conv2d(1, 1, 7, padding=3, padding_mode="reflect")


def smaller() -> nn.Module:
    return nn.AvgPool2d(2, ceil_mode=True)


@pytest.mark.parametrize(
    ("build", "what"), [(in_a_mirror, "RuntimeError, not"), (smaller, "gives")]
)
def test_a_broken_network_is_rejected(build, what):
    with pytest.raises(AssertionError, match=f"law 10, misuse: broken: .*{what}"):
        misuse.check_sizes("broken", build, 1, lambda h, w: (1, h, w))
