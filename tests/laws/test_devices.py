"""Other devices, without one: a generator that lives elsewhere, and one that has no float64."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gdmlib import _random, data, training
from gdmlib.data import crops
from gdmlib.densities import categorical

from . import (
    functions_adversarial_cyclegan,
    functions_adversarial_gan,
    functions_adversarial_pix2pix,
    functions_adversarial_superres,
)
from .registry import CASES
from .test_chance import CALLS, numbers

ELSEWHERE = torch.device("meta")


class Abroad(torch.Generator):
    """A generator that says that it lives on another device."""

    device = ELSEWHERE  # type: ignore[assignment]


class Strict(TorchFunctionMode):
    """Refuses, as torch does, to draw by such a generator here; what it draws there is brought."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if not isinstance(kwargs.get("generator"), Abroad):
            return function(*args, **kwargs)
        filled = bool(args) and isinstance(args[0], Tensor)
        home = args[0].device if filled else torch.device(kwargs.pop("device", None) or "cpu")
        if home != ELSEWHERE:
            raise RuntimeError(f"{function.__name__}: the generator lives on {ELSEWHERE}")
        if filled:
            args = (torch.empty(args[0].shape, dtype=args[0].dtype), *args[1:])
        return function(*args, **kwargs)


def by(function, generator):
    return numbers(function(generator=generator.manual_seed(3)))


def same_from_abroad(function):
    """Check that a generator on another device serves like one of the same numbers here."""
    expected = by(function, torch.Generator())
    with Strict():
        found = by(function, Abroad())
    assert len(found) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", CALLS)
def test_a_generator_may_live_on_another_device(name):
    same_from_abroad(CALLS[name])


def trained(generator):
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.fill_(0.5)
        model.bias.fill_(0.0)
    step = training.gradient_step(
        model, torch.optim.SGD(model.parameters(), lr=0.1), lambda x: model(x).square().mean()
    )
    x = torch.arange(20.0).reshape(10, 2) / 20
    training.fit(step, x, epochs=2, batch_size=3, generator=generator, progress=False)
    return model


IMAGES = [torch.arange(100.0).reshape(10, 10)] * 3


@pytest.mark.parametrize(
    "function",
    [
        trained,
        lambda generator: crops.dequantise(IMAGES[0], generator),
        lambda generator: crops.random_crops(IMAGES, 5, 3, generator),
        *[lambda generator, name=name: data.toy(name, 9, generator=generator).x
          for name in data.TOYS],
    ],
    ids=["fit", "dequantise", "random_crops", *data.TOYS],
)  # fmt: skip
def test_data_and_training_take_a_generator_from_another_device(function):
    same_from_abroad(function)


@pytest.mark.parametrize(
    "function",
    [
        lambda generator: torch.rand(3, generator=generator),
        lambda generator: torch.empty(3).uniform_(0, 1, generator=generator),
        lambda generator: torch.randperm(3, generator=generator, device="cpu"),
    ],
)
def test_what_is_drawn_here_by_a_generator_from_abroad_is_noticed(function):
    with pytest.raises(RuntimeError, match="the generator lives on meta"):
        same_from_abroad(function)


# --- the default device ---------------------------------------------------------------------------

GIVEN = ("spectral", "DCDiscriminator, spectral", "ProjectionDiscriminator")
"""These work on a network that is there already."""
FAMILIES = (
    functions_adversarial_cyclegan,
    functions_adversarial_gan,
    functions_adversarial_pix2pix,
    functions_adversarial_superres,
)
BUILDS = {
    name: build
    for family in FAMILIES
    for name, build in family.CHANCE.items()
    if name not in GIVEN and isinstance(build(generator=torch.Generator()), nn.Module)
}


def built_elsewhere(build):
    """Check that all numbers of a model are on the device that was said to be the default one."""
    with torch.device(ELSEWHERE):
        model = build(generator=None)
    here = [name for name, value in model.state_dict().items() if value.device != ELSEWHERE]
    assert not here, f"on the CPU: {', '.join(here)}"


@pytest.mark.parametrize("name", BUILDS)
def test_networks_are_built_on_the_default_device(name):
    built_elsewhere(BUILDS[name])


def test_a_network_that_is_built_on_the_cpu_is_noticed():
    assert len(BUILDS) >= 12
    with pytest.raises(AssertionError, match="on the CPU: weight, bias"):
        built_elsewhere(lambda generator: nn.utils.skip_init(nn.Linear, 2, 2))


# --- no float64 -----------------------------------------------------------------------------------


class Narrow(TorchDispatchMode):
    """Refuses float64, as Apple's GPUs do, but where it is drawn, by a generator on the CPU."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        drawn = function.overloadpacket is torch.ops.aten.rand
        for x in [] if drawn else tree_leaves(found):
            if isinstance(x, Tensor) and x.dtype == torch.float64:
                raise TypeError(f"{function}: this device has no float64")
        return found


@pytest.fixture
def narrow(monkeypatch):
    """Let this device be one without float64."""
    plain = _random.widest
    monkeypatch.setattr(_random, "widest", lambda device: plain(torch.device("mps")))
    monkeypatch.setattr(categorical, "widest", _random.widest)
    return Narrow()


@pytest.mark.parametrize("case", [c for c in CASES if hasattr(c.model, "sample")], ids=str)
def test_samples_are_drawn_where_there_is_no_float64(case, narrow):
    of = 3 if case.inputs is None else case.inputs.float()
    model, generator = deepcopy(case.model).float(), torch.Generator().manual_seed(0)
    with narrow:
        x = model.sample(of, generator)
        log_prob = model.log_prob(x) if case.inputs is None else model.log_prob(x, of)
    assert bool(log_prob.isfinite().all())


@pytest.mark.parametrize("case", [c for c in CASES if hasattr(c.model, "complete")], ids=str)
def test_completions_are_drawn_where_there_is_no_float64(case, narrow):
    model, generator = deepcopy(case.model).float(), torch.Generator().manual_seed(0)
    x = model.sample(3, generator)
    blank = torch.zeros(case.model.event_shape, dtype=torch.bool)
    with narrow:
        assert bool(model.log_prob(model.complete(x, blank, generator)).isfinite().all())


@pytest.mark.parametrize(
    "function",
    [lambda x: x.double(), lambda x: x.sum(dtype=torch.float64), lambda x: torch.rand(2).double()],
)
def test_float64_is_noticed(function, narrow):
    with narrow, pytest.raises(TypeError, match="no float64"):
        function(torch.zeros(2))


def test_narrow_numbers_are_below_one(monkeypatch):
    monkeypatch.setattr(_random, "widest", lambda device: torch.float32)
    monkeypatch.setattr(
        torch, "rand", lambda *n, **options: torch.full(n, 1 - 2.0**-53, dtype=torch.float64)
    )
    u = _random.uniform((4,), torch.zeros(()), None)
    assert u.dtype == torch.float32 and float(u.max()) == 1 - 2.0**-24
    assert _random.pick(torch.zeros(3), u).tolist() == [2] * 4


def test_only_apple_s_gpus_are_narrow():
    found = {name: _random.widest(torch.device(name)) for name in ("cpu", "cuda", "mps")}
    assert found == {"cpu": torch.float64, "cuda": torch.float64, "mps": torch.float32}
