"""Law 10 for every call: arguments, dtypes, layouts, precision, and fits.

A law takes a call, of a model or of any other function that takes tensors, see ``calls.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .builders import seeded
from .calls import Call, apart, calls, copied, leaves, like
from .laws import Case, fail_unless, has

LAW = "10, engineering"
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


# --- Arguments -----------------------------------------------------------------------------------


def check_arguments(call: Call) -> None:
    """No call changes its arguments or its model, nor returns memory shared with them."""
    batches = [call.arguments]
    if call.single:
        batches += [tuple(a[:1] for a in call.arguments)]
    for batch in batches:
        arguments, before = copied(batch), copied(batch)
        owned = [] if call.model is None else leaves(call.model)
        state = [tensor.detach().clone() for tensor in owned]
        result = leaves(call(*arguments))
        for i, (a, b) in enumerate(zip(arguments, before, strict=True)):
            fail_unless(torch.equal(a, b), LAW, call, f"{call.parameter(i)} is changed")
            shared = any(_share(a, r) for r in result)
            says = f"the result shares the memory of {call.parameter(i)}, {tuple(a.shape)}"
            fail_unless(not shared, LAW, call, says)
        kept = all(torch.equal(a, b) for a, b in zip(owned, state, strict=True))
        fail_unless(kept, LAW, call, "the model is changed")
        shared = any(_share(a, r) for r in result for a in owned)
        fail_unless(not shared, LAW, call, "the result shares the memory of the model")


def _share(a: Tensor, b: Tensor) -> bool:
    return a.numel() * b.numel() > 0 and (
        a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    )


# --- Integers ------------------------------------------------------------------------------------


def check_integers(call: Call) -> None:
    """Whole numbers are the same in every dtype that holds them, or are refused by name."""
    for i, argument in enumerate(call.arguments):
        real = argument.is_floating_point() and not torch.equal(argument, argument.round())
        if argument.dtype == torch.bool or real or argument.numel() == 0:
            continue
        expected = call(*copied(call.arguments))
        for dtype in (torch.bool, *WHOLE):
            typed = argument.to(dtype)
            if torch.equal(typed.to(argument.dtype), argument):
                arguments = [*copied(call.arguments)]
                arguments[i] = typed
                same_or_refused(
                    call, call.parameter(i), f"as {dtype}", lambda a=arguments: call(*a), expected
                )


def check_counts(name: str, function: Callable[[Any], Any], value: Any) -> None:
    """A count, a size or a list of them may come from numpy, or is refused by name."""
    parameter = Call(name, function, ()).parameter(0)
    expected = function(value)
    for kind in (np.int64, np.int32, np.uint8):
        typed = kind(value) if isinstance(value, int) else tuple(kind(v) for v in value)
        same_or_refused(
            name, parameter, f"as {kind.__name__}", lambda v=typed: function(v), expected
        )


def same_or_refused(
    case: object, parameter: str, what: str, call: Callable[[], Any], expected: Any
) -> None:
    """The call gives what is expected, or an error that names the argument."""
    try:
        found = call()
    except (ValueError, TypeError) as error:
        says = str(error)
        clear = len(says) > 15 and re.search(rf"\b{parameter}\b", says) is not None
        fail_unless(clear, LAW, case, f"{parameter} {what}: the error says {says!r}")
    except Exception as error:
        kind = type(error).__name__
        fail_unless(False, LAW, case, f"{parameter} {what}: {kind}, not ValueError: {error}")
    else:
        worst = apart((found, expected))
        fail_unless(worst == 0, LAW, case, f"{parameter} {what}: another result, by {worst:.3g}")


# --- Layouts -------------------------------------------------------------------------------------


def check_layouts(call: Call, tolerance: float = 1e-11) -> None:
    """However the arguments lie in memory, the result is the same."""
    expected = call(*copied(call.arguments))
    for layout, change in LAYOUTS.items():
        moved = [change(a) for a in call.arguments]
        if any(m is not a for m, a in zip(moved, call.arguments, strict=True)):
            _same_in(call, layout, moved, expected, tolerance)
    if call.single:
        firsts = [a[:1].expand_as(a) for a in call.arguments]
        expected = call(*[a.contiguous() for a in firsts])
        _same_in(call, "expanded", firsts, expected, tolerance)


def _same_in(
    call: Call, layout: str, arguments: list[Tensor], expected: Any, tolerance: float
) -> None:
    try:
        found = call(*arguments)
    except Exception as error:
        raise AssertionError(f"law {LAW}: {call}: {layout}: {error!r}") from error
    worst = apart((found, expected))
    fail_unless(worst <= tolerance, LAW, call, f"{layout}: another result, by {worst:.3g}")


def _strided(a: Tensor) -> Tensor:
    """Return the same numbers, every second of a block of memory, its dimensions turned round."""
    if a.ndim == 0:
        return a
    turned = a.permute(*reversed(range(a.ndim)))
    spread = torch.stack([turned, turned], dim=a.ndim).flatten(-2)[..., ::2]
    return spread.permute(*reversed(range(a.ndim)))


def _channels_last(a: Tensor) -> Tensor:
    return a if a.ndim != 4 else a.contiguous(memory_format=torch.channels_last)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "strided": _strided,
    "channels-last": _channels_last,
}


# --- Precision -----------------------------------------------------------------------------------


def check_autocast(case: Case) -> None:
    """Under autocast all calls, and a step back, are close to float32, or refused with advice."""
    model = case.build().float()
    for plain in calls(case, model):
        expected = plain(*plain.arguments)

        def mixed(call: Call = plain) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                result = call(*call.arguments)
                real = [r for r in leaves(result) if r.requires_grad]
                sum(r.float().sum() for r in real).backward() if real else None
            return result

        _close(plain, "autocast", mixed, expected, tolerance=0.05, total=1e-3)
    if case.inputs is None and has(model, "sample"):
        with torch.autocast("cpu", torch.bfloat16):
            found = model.sample(2, seeded()).dtype
        expected = model.sample(2, seeded()).dtype
        fail_unless(found == expected, LAW, case, f"autocast: samples are {found}")


def check_bfloat16(case: Case) -> None:
    """A model of bfloat16 is close to one of float32 with the same numbers, or refuses."""
    narrow = case.build().bfloat16()
    wide = deepcopy(narrow).float()
    for rounded, exact in zip(calls(case, narrow), calls(case, wide), strict=True):
        events = like(wide, rounded.arguments)
        try:
            expected = exact(*events)
        except ValueError:  # rounding has made it no event, a level between two levels, say
            continue
        _close(rounded, "bfloat16", lambda c=rounded: c(*c.arguments), expected, 0.1, 0.01)


def check_mixed(call: Call) -> None:
    """In mixed precision a call of a model is close to float32, in the dtypes of float32."""
    with cast_to(call, torch.float32) as arguments:
        expected = leaves(call(*arguments))
        with torch.autocast("cpu", torch.bfloat16):
            found = leaves(call(*arguments))
    for a, b in zip(found, expected, strict=True):
        fail_unless(a.dtype == b.dtype, LAW, call, f"autocast: the result is {a.dtype}")
        a, b = a.detach().double(), b.detach().double()
        worst = float((torch.where(a == b, 0.0, a - b).abs() / (1 + b.abs())).max())
        fail_unless(worst <= 0.05, LAW, call, f"autocast: off by {worst:.3g}, relatively")


def check_narrow(call: Call) -> None:
    """A model of float16 or bfloat16 works, or says that it does not and what to do."""
    for dtype in (torch.float16, torch.bfloat16):
        with cast_to(call, dtype) as arguments:
            try:
                call(*arguments)
            except (ValueError, TypeError) as error:
                helps = re.search(ADVICE, str(error)) is not None
                fail_unless(helps, LAW, call, f"{dtype}: the error does not advise: {error}")
            except Exception as error:
                kind, says = type(error).__name__, str(error).split("\n")[0]
                fail_unless(False, LAW, call, f"{dtype}: neither works nor advises: {kind}: {says}")


@contextmanager
def cast_to(call: Call, dtype: torch.dtype) -> Iterator[tuple[Tensor, ...]]:
    """Let a call's model be of another dtype for a while; return arguments of that dtype."""
    model = call.model
    assert model is not None
    before = deepcopy(model.state_dict())
    try:
        model.to(dtype)
        yield tuple(a.to(dtype) if a.is_floating_point() else a for a in copied(call.arguments))
    finally:
        model.double()
        model.load_state_dict(before)


ADVICE = r"autocast|mixed|float32|float\(\)|bfloat16"


def _close(
    call: Call,
    what: str,
    function: Callable[[], Any],
    expected: Any,
    tolerance: float,
    total: float,
) -> None:
    """A result is within a relative tolerance, and probabilities sum to 1; or advice is given.

    One step in bfloat16, with its 8 binary digits, is off by up to 0.004, and logarithms of small
    probabilities are many steps away. Under autocast the last steps are to be taken in float32.
    """
    try:
        found = function()
    except (ValueError, TypeError) as error:
        helps = re.search(ADVICE, str(error)) is not None
        fail_unless(helps, LAW, call, f"{what}: the error does not advise: {error}")
        return
    except Exception as error:
        kind, says = type(error).__name__, str(error).split("\n")[0]
        fail_unless(False, LAW, call, f"{what}: neither works nor advises: {kind}: {says}")
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        a, b = a.detach().float(), b.detach().float()
        finite = torch.equal(a.isfinite(), b.isfinite())
        fail_unless(finite, LAW, call, f"{what}: not finite")
        if call.name.endswith((".sample", ".complete", ".predict")):
            continue
        worst = float((torch.where(a == b, 0.0, a - b).abs() / (1 + b.abs())).max())
        fail_unless(worst <= tolerance, LAW, call, f"{what}: off by {worst:.3g}, relatively")
        if b.ndim > 1 and bool((b.sum(dim=-1) - 1).abs().max() < 1e-5 and (b >= 0).all()):
            gap = float((a.double().sum(dim=-1) - 1).abs().max())
            fail_unless(gap <= total, LAW, call, f"{what}: a total is off by {gap:.3g}")


# --- Fits ----------------------------------------------------------------------------------------


def check_fit(call: Call) -> None:
    """A fit is the same without autograd and on data that carry a graph, and is a plain model."""
    expected = call(*copied(call.arguments))
    with torch.no_grad():
        same_fit(call, "under no_grad", lambda: call(*copied(call.arguments)), expected)
    arguments = copied(call.arguments)
    graph = [a.requires_grad_() * 1 if a.is_floating_point() else a for a in arguments]
    found = same_fit(call, "on data with a graph", lambda: call(*graph), expected)
    free = [tensor for tensor in leaves(found) if tensor.grad_fn is not None]
    fail_unless(not free, LAW, call, "on data with a graph: the model carries the graph")
    if isinstance(found, nn.Module):
        asks = [name for name, value in found.named_buffers() if value.requires_grad]
        fail_unless(not asks, LAW, call, f"on data with a graph: {asks} require grad")
    same_fit(call, "after a deep copy", lambda: deepcopy(found), expected)


def same_fit(call: Call, what: str, fit: Callable[[], Any], expected: Any) -> Any:
    """Return what the fit returns, if it is what is expected."""
    enabled = torch.is_grad_enabled()
    try:
        found = fit()
    except Exception as error:
        says = f"{what}: {type(error).__name__}: {str(error).splitlines()[0]}"
        raise AssertionError(f"law {LAW}: {call}: {says}") from error
    fail_unless(torch.is_grad_enabled() == enabled, LAW, call, f"{what}: autograd is switched")
    worst = apart((found, expected))
    fail_unless(worst <= 1e-10, LAW, call, f"{what}: another model, by {worst:.3g}")
    return found


def check_inference(call: Call) -> None:
    """What was made in torch's inference mode is an argument like any other."""
    with torch.inference_mode():
        made = copied(call.arguments)
    expected = call(*copied(call.arguments))
    same_fit(call, "of tensors made in inference mode", lambda: call(*made), expected)


def check_inside_inference(call: Call) -> None:
    """Within torch's inference mode a call gives what it gives elsewhere."""
    expected = call(*copied(call.arguments))

    def inside() -> Any:
        with torch.inference_mode():
            return call(*copied(call.arguments))

    same_fit(call, "in inference mode", inside, expected)


# --- The chain rule ------------------------------------------------------------------------------


def check_examples_apart(case: Case) -> None:
    """`torch.vmap` over single examples gives what a batch gives, and each its own gradient."""

    class LogProb(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = deepcopy(case.model)

        def forward(self, *arguments: Tensor) -> Tensor:
            return self.model.log_prob(*[x[None] for x in arguments])[0]

    one, arguments = LogProb(), case.arguments(5)
    expected = case.model.log_prob(*arguments)
    worst = apart((torch.func.vmap(one)(*arguments), expected))
    fail_unless(worst <= 1e-12, LAW, case, f"vmap gives another log_prob, by {worst:.3g}")
    parameters = {name: p for name, p in one.named_parameters() if p.requires_grad}
    if not parameters:
        return

    def of(parameters: dict[str, Tensor], *arguments: Tensor) -> Tensor:
        return torch.func.functional_call(one, parameters, arguments)

    each = torch.func.vmap(torch.func.grad(of), (None, *[0] * len(arguments)))(
        parameters, *arguments
    )
    total = torch.autograd.grad(expected.sum(), list(case.model.parameters()), allow_unused=True)
    for (name, found), whole in zip(each.items(), total, strict=True):
        whole = torch.zeros_like(found[0]) if whole is None else whole
        worst = apart((found.sum(dim=0), whole))
        fail_unless(worst <= 1e-10, LAW, case, f"vmap: another gradient of {name}, by {worst:.3g}")


def check_conditionals(case: Case) -> None:
    """The conditionals of all coordinates, (B, *event_shape), add up to log_prob."""
    arguments = case.arguments(7)
    found = case.model.conditional_log_prob(*arguments)
    shape = arguments[0].shape
    fail_unless(found.shape == shape, LAW, case, f"conditionals of shape {tuple(found.shape)}")
    worst = apart((found.flatten(1).sum(dim=1), case.model.log_prob(*arguments)))
    fail_unless(worst <= 1e-12, LAW, case, f"conditionals add up to another sum, by {worst:.3g}")


def check_complete(case: Case) -> None:
    """Completion keeps what is known; where nothing is known, it is a sample.

    A mixture over orderings chooses among the offers of its masks, with chances of its own.
    """
    (x,) = case.arguments(6)
    known = torch.rand(x.shape, generator=seeded()) < 0.5
    for mask in (known, known[0], torch.ones_like(known), torch.zeros_like(known)):
        found = case.model.complete(x, mask, seeded())
        kept = mask.expand(x.shape)
        says = f"complete: what is known is changed, mask {tuple(mask.shape)}"
        fail_unless(torch.equal(found[kept], x[kept]), LAW, case, says)
    if getattr(case.model, "num_masks", 1) > 1:
        return
    expected = case.model.sample(len(x), seeded())
    same = torch.equal(found, expected)
    fail_unless(same, LAW, case, "complete: with nothing known it is no sample")
