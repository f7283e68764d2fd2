"""Law 10 for the examples of a batch, and for the dtype in which they come.

What a call makes of an example does not depend on its neighbours; and in single precision it makes
numbers of single precision.
"""

from __future__ import annotations

import torch

from .calls import Call, apart, copied, leaves
from .general import cast_to
from .laws import fail_unless

LAW = "10, engineering"


def check_one_by_one(call: Call, tolerance: float = 1e-11) -> None:
    """A batch gives what its examples give, each alone.

    Asked of results with as many entries as there are examples.
    """
    together = leaves(call(*copied(call.arguments)))
    count = len(call.arguments[0])
    fail_unless(count > 1, LAW, call, "one example is no batch")
    for i in range(count):
        alone = leaves(call(*[a[i : i + 1].clone() for a in call.arguments]))
        fail_unless(len(alone) == len(together), LAW, call, "alone: another number of results")
        for one, all_of_them in zip(alone, together, strict=True):
            worst = apart((one, all_of_them[i : i + 1]))
            fail_unless(worst <= tolerance, LAW, call, f"example {i} alone: off by {worst:.3g}")


def speaks_of_examples(call: Call) -> bool:
    """Say whether a call's results have an entry for each of its examples."""
    if not call.single:
        return False
    count = len(call.arguments[0])
    return all(x.ndim > 0 and len(x) == count for x in leaves(call(*copied(call.arguments))))


def check_single_precision(call: Call) -> None:
    """Where float32 is taken, the results are float32; else it is refused in words."""
    if call.model is None:
        arguments = [a.float() if a.is_floating_point() else a for a in copied(call.arguments)]
        try:
            found = leaves(call(*arguments))
        except (ValueError, TypeError) as error:
            says = str(error)
            named = any(call.parameter(i) in says for i in range(len(arguments)))
            fail_unless(named and "float32" in says, LAW, call, f"float32: the error says {says!r}")
            return
    else:
        with cast_to(call, torch.float32) as cast:
            found = leaves(call(*cast))
    wide = [x for x in found if x.dtype == torch.float64 and x.ndim > 0]
    fail_unless(not wide, LAW, call, "float32: the result is float64")
