"""What the laws for every call reject: one broken twin, at least, for each way to break a law."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gdmlib.autoregressive import FVSBN
from gdmlib.densities import Normal

from . import general
from .builders import randomise, seeded, tensor
from .calls import Call
from .derivatives import Smooth, check_gradients, check_second_derivatives
from .registry import BY_NAME

# Forward-mode derivatives of PyTorch compile something on their first use.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

LAW = "law 10, engineering"
X = torch.rand(3, 2, generator=seeded()).double()
WHOLE = torch.tensor([0, 1, 1])


class Holder(nn.Module):
    """Keeps what it is given."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.register_buffer("x", x)

    def forward(self, x: Tensor) -> Tensor:
        return self.x

    def count(self, x: Tensor) -> Tensor:
        self.x += 1
        return x.sum(dim=1)


def in_place(x):
    return x.mul_(2).sum(dim=1)


held = Holder(torch.ones(2).double())


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (Call("broken", in_place, (X,)), "x is changed"),
        (Call("broken", lambda x: x[1:], (X,)), "shares the memory of x"),
        (Call("broken", lambda x: (1, {"a": [x.T]}), (X,)), "shares the memory of x"),
        (Call("broken", lambda x: x.repeat(2, 1) if len(x) > 1 else x, (X,)), r"of x, \(1, 2\)"),
        (Call("broken", Holder, (X,), single=False), "shares the memory of x"),
        (Call("broken", held.count, (X,), held), "the model is changed"),
        (Call("broken", held, (X,), held), "the memory of the model"),
    ],
)
def test_a_call_that_touches_what_it_is_given_is_rejected(call, what):
    with pytest.raises(AssertionError, match=f"{LAW}: broken.*{what}"):
        general.check_arguments(call)


def refuses(error: type[Exception], says: str) -> Any:
    def function(labels):
        if labels.dtype != torch.int64:
            raise error(says)
        return labels.double()

    return function


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda labels: labels * 200, "another result"),
        (lambda labels: (labels + 255).double(), "torch.uint8: another result"),
        (lambda labels: torch.eye(3)[labels], "torch.bool"),
        (refuses(IndexError, "labels: something is wrong"), "IndexError, not ValueError"),
        (refuses(ValueError, "labels"), "the error says"),
        (refuses(ValueError, "expected an int64 tensor of classes"), "the error says"),
    ],
)
def test_a_function_of_one_integer_dtype_is_rejected(function, what):
    with pytest.raises(AssertionError, match=f"{LAW}: broken.*{what}"):
        general.check_integers(Call("broken", function, (WHOLE,)))


def test_integers_may_be_refused_by_name():
    said = "labels: expected int64; use labels.long()"
    general.check_integers(Call("strict", refuses(TypeError, said), (WHOLE,)))


def only_int(n):
    if type(n) is not int:
        raise TypeError("cannot interpret this as an integer")
    return n


@pytest.mark.parametrize(
    ("function", "what"),
    [(only_int, "the error says"), (lambda n: n if type(n) is int else 1, "another result")],
)
def test_a_count_that_must_be_python_s_is_rejected(function, what):
    with pytest.raises(AssertionError, match=f"{LAW}: broken: n as int64: {what}"):
        general.check_counts("broken", function, 3)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: torch.as_strided(x, (x.numel(),), (1,)).cumsum(0), "strided"),
        (lambda x: x.view(-1).cumsum(0), "strided"),
        (lambda x: x.sum() + x.untyped_storage().nbytes(), "strided"),
        (lambda x: x.add_(1).sum(), "expanded"),
        (lambda x: x.contiguous().sum() + (x.stride(0) == 0), "expanded"),
    ],
)
def test_a_function_of_the_layout_is_rejected(function, what):
    with pytest.raises(AssertionError, match=f"{LAW}: broken: {what}"):
        general.check_layouts(Call("broken", function, (X,)))


def test_channels_last_is_tried():
    images = torch.rand(2, 3, 4, 4, generator=seeded()).double()
    strides = Call("broken", lambda x: x.sum() + (x.stride(1) == 1), (images,))
    with pytest.raises(AssertionError, match="channels-last"):
        general.check_layouts(strides)


# --- Derivatives


class WithoutSlope(FVSBN):
    """Takes the pixels for constants."""

    def _logits(self, z):
        return super()._logits(z.detach())


def test_a_model_whose_pixels_have_no_slope_is_rejected():
    build = lambda: randomise(WithoutSlope(4), 0, 1.0)  # noqa: E731
    with pytest.raises(AssertionError, match=f"{LAW}: FVSBN: gradients"):
        check_gradients(replace(BY_NAME["FVSBN"], build=build))


class Cube(torch.autograd.Function):
    """x³ whose derivative is a constant to autograd, as the pruned graph of once_differentiable."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x.detach() ** 2


class OnceCube(Cube):
    """The same, marked."""

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return Cube.backward(ctx, grad)


@pytest.mark.parametrize("cube", [Cube, OnceCube])
def test_second_derivatives_that_are_lost_in_silence_are_rejected(cube):
    case = Smooth("broken", cube.apply, (X,))
    check_gradients(case)
    with pytest.raises(AssertionError, match=f"{LAW}: broken: .*second derivatives are off"):
        check_second_derivatives(case)


class RefusingCube(Cube):
    """The same, refusing to be differentiated where a graph is made for more."""

    @staticmethod
    def backward(ctx, grad):
        if torch.is_grad_enabled():
            raise RuntimeError("this function has first derivatives only; use create_graph=False")
        return Cube.backward(ctx, grad)


def test_second_derivatives_may_be_refused():
    check_second_derivatives(Smooth("strict", RefusingCube.apply, (X,)))


def test_a_short_refusal_is_rejected():
    class Short(Cube):
        @staticmethod
        def backward(ctx, grad):
            if torch.is_grad_enabled():
                raise RuntimeError("no")
            return Cube.backward(ctx, grad)

    with pytest.raises(AssertionError, match="the error says no"):
        check_second_derivatives(Smooth("broken", Short.apply, (X,)))


# --- Precision


class Coarse(Normal):
    """Loses its digits where they are few."""

    def log_prob(self, x):
        far = torch.full((1, 1), 300.0).to(x)
        return super().log_prob(x) + ((x[:, None] + far) @ torch.ones_like(far) - far)[:, 0]


class NoKernel(Normal):
    """Has no way to compute in bfloat16, and does not know."""

    def log_prob(self, x):
        if x.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu"):
            raise NotImplementedError('"something_cpu" not implemented for BFloat16')
        return super().log_prob(x)


class Unhelpful(NoKernel):
    """Knows, but does not say what to do."""

    def log_prob(self, x):
        try:
            return super().log_prob(x)
        except NotImplementedError:
            raise ValueError("x: this does not work here") from None


class Advising(NoKernel):
    """Says what to do."""

    def log_prob(self, x):
        try:
            return super().log_prob(x)
        except NotImplementedError:
            raise ValueError("x: bfloat16 is too coarse here; use x.float()") from None


class RoundedSamples(Normal):
    """Returns what autocast likes."""

    def sample(self, n, generator=None):
        x = super().sample(n, generator)
        return x.bfloat16() if torch.is_autocast_enabled("cpu") else x


class RoundedProbabilities(Normal):
    """Rounds probabilities and does not divide by their sum again."""

    def posterior(self, x):
        p = torch.stack([x, 2 * x, x + 3], dim=1).softmax(dim=1)
        return (p * 128).ceil() / 128 if torch.is_autocast_enabled("cpu") else p


BOTH = [general.check_autocast, general.check_bfloat16]


@pytest.mark.parametrize(
    ("law", "kind", "what"),
    [
        *[(law, Coarse, "off by") for law in BOTH],
        *[(law, NoKernel, "neither works nor advises") for law in BOTH],
        *[(law, Unhelpful, "does not advise") for law in BOTH],
        (general.check_autocast, RoundedSamples, "samples are torch.bfloat16"),
        (general.check_autocast, RoundedProbabilities, "a total is off"),
    ],
)
def test_a_model_that_is_coarse_in_silence_is_rejected(law, kind, what):
    with pytest.raises(AssertionError, match=f"{LAW}: Normal.*{what}"):
        law(replace(BY_NAME["Normal"], build=lambda: kind(*tensor(0.5, 1.5))))


@pytest.mark.parametrize("law", BOTH)
def test_bfloat16_may_be_refused_with_advice(law):
    law(replace(BY_NAME["Normal"], build=lambda: Advising(*tensor(0.5, 1.5))))


# --- Fits


def by_gradient(x):
    w = torch.zeros(2).double().requires_grad_()
    (x.detach() @ w).sum().backward()
    return Normal(w.grad[0], tensor(1.0)[0])


def asking(x):
    return Holder(x.detach().mean(dim=0).requires_grad_(x.requires_grad))


def forgetful(x):
    return Normal(x.detach().mean() + x.requires_grad, tensor(1.0)[0])


def switching(x):
    torch.set_grad_enabled(True)
    return Normal(x.detach().mean(), tensor(1.0)[0])


@pytest.mark.parametrize(
    ("fit", "what"),
    [
        (by_gradient, "under no_grad: RuntimeError"),
        (lambda x: Normal(x.mean(), x.std()), "carries the graph"),
        (asking, "require grad"),
        (forgetful, "another model"),
        (switching, "autograd is switched"),
    ],
)
def test_a_fit_that_depends_on_autograd_is_rejected(fit, what):
    with pytest.raises(AssertionError, match=f"{LAW}: broken: .*{what}"):
        general.check_fit(Call("broken", fit, (X,)))


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: (x * torch.ones(2).requires_grad_())[0], "RuntimeError: Inference tensors"),
        (lambda x: x + x.is_inference(), "another model, by 1"),
    ],
)
def test_what_stumbles_over_inference_mode_is_rejected(function, what):
    with pytest.raises(AssertionError, match=f"{LAW}: broken: of tensors made in .*{what}"):
        general.check_inference(Call("broken", function, (torch.zeros(2),)))


def test_what_does_not_work_within_inference_mode_is_rejected():
    def slope(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(x.square().sum(), x)[0]

    with pytest.raises(AssertionError, match=f"{LAW}: broken: in inference mode: RuntimeError"):
        general.check_inside_inference(Call("broken", slope, (torch.ones(2),)))


# --- Precision of models that are no case


linear = nn.Linear(2, 2).double()


@pytest.mark.parametrize(
    ("law", "function", "what"),
    [
        (general.check_mixed, linear, "autocast: the result is torch.bfloat16"),
        (general.check_mixed, lambda x: 2 * linear(x).to(x) if torch.is_autocast_enabled("cpu")
         else linear(x), "autocast: off by"),
        (general.check_narrow, lambda x: torch.linalg.inv(linear(x)[:2, :2]),
         "torch.float16: neither works nor advises: "),
        (general.check_narrow, lambda x: int("x is too narrow"), "the error does not advise"),
    ],
)  # fmt: skip
def test_models_of_few_digits_are_rejected(law, function, what):
    with pytest.raises(AssertionError, match=f"{LAW}: broken: .*{what}"):
        law(Call("broken", function, (X,), linear))
    assert linear.weight.dtype == torch.float64


# --- The chain rule


class Conditionals(FVSBN):
    """Has the conditionals of all pixels."""

    def conditional_log_prob(self, x):
        return nn.functional.logsigmoid(self.logits(x) * (2 * x - 1))


class Averaged(Conditionals):
    """Shares log p(x) among the pixels, and forgets one."""

    def conditional_log_prob(self, x):
        return super().conditional_log_prob(x).roll(1, dims=0)


class Summed(Conditionals):
    """Adds them up too early."""

    def conditional_log_prob(self, x):
        return super().conditional_log_prob(x).sum(dim=1)


class DrawsAll(FVSBN):
    """Does not look at what is known."""

    def complete(self, x, known, generator=None):
        return self.sample(len(x), generator)


class DrawsAnew(FVSBN):
    """Takes other random numbers than sample."""

    def complete(self, x, known, generator=None):
        torch.rand(1, generator=generator)
        return super().complete(x, known, generator)


@pytest.mark.parametrize(
    ("law", "kind", "what"),
    [
        (general.check_conditionals, Averaged, "add up to another sum"),
        (general.check_conditionals, Summed, "conditionals of shape"),
        (general.check_complete, DrawsAll, "what is known is changed"),
        (general.check_complete, DrawsAnew, "it is no sample"),
    ],
)
def test_a_broken_chain_is_rejected(law, kind, what):
    with pytest.raises(AssertionError, match=f"{LAW}: FVSBN: .*{what}"):
        law(replace(BY_NAME["FVSBN"], build=lambda: randomise(kind(4), 0, 1.0)))


def test_right_conditionals_add_up():
    build = lambda: randomise(Conditionals(4), 0, 1.0)  # noqa: E731
    general.check_conditionals(replace(BY_NAME["FVSBN"], build=build))
