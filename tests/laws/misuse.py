"""Law 10 for wrong arguments: an error that names the argument, or a sound result.

Which shapes and dtypes a function takes is its own affair; that what it does not take is refused in
words, and not by PyTorch somewhere inside, is a law for all of them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from gdmlib import adversarial
from gdmlib.compression import TextureDecoder
from gdmlib.nn.photo_features import PhotoFeatures
from gdmlib.nn.residual import Residual
from gdmlib.nn.upsample import KINDS, upsampler

from .builders import seeded
from .calls import Call, copied, leaves
from .laws import fail_unless

LAW = "10, misuse"


def check_wrong_arguments(call: Call, equal: bool = True) -> None:
    """A wrong argument is refused by its name, or taken for what it is: no nonsense comes out.

    Args:
        call: The call.
        equal: Whether all arguments have as many examples.
    """
    names = [call.parameter(i) for i in range(len(call.arguments))]
    names = [*names, "x", "z"]  # what a network or a flow calls it, that it is handed on to
    for i, argument in enumerate(call.arguments):
        for what, wrong in _wrong(argument):
            arguments: list[Any] = [*copied(call.arguments)]
            arguments[i] = wrong
            _refused_or_sound(call, names, f"{names[i]}, {what}", arguments)
        listed: list[Any] = [*copied(call.arguments)]
        listed[i] = argument.tolist()
        _refused_or_sound(call, names, f"{names[i]}, a list", listed)
    if equal and call.single and len(call.arguments) > 1 and len(call.arguments[0]) > 1:
        for i, argument in enumerate(call.arguments):
            arguments = [*copied(call.arguments)]
            arguments[i] = argument[:1].clone()
            _refused(call, names, f"{names[i]}, one example alone", arguments)


def _wrong(a: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield ways to be wrong, and tensors that are."""
    yield "no example", a[:0]
    yield "one dimension more", a[..., None]
    yield "one dimension less", a[0]
    yield "a single number", a.flatten()[0]
    yield "complex numbers", a.to(torch.complex128)
    if a.is_floating_point():
        yield "integers", (3 * a).long()
        yield "bytes", (3 * a).abs().to(torch.uint8)
        yield "Booleans", a > 0
        yield "float32", a.float()
        yield "float16", a.half()
    elif a.dtype == torch.bool:
        yield "zeros and ones", a.long()
        yield "shares", a.double()
    else:
        yield "real numbers", a.double()
        yield "negative", a - 1 - a.max()
        yield "too large", a + 1000
    if a.ndim > 1:
        yield "one coordinate more", torch.cat([a, a[:, :1]], dim=1)
        yield "one column more", torch.cat([a, a[..., :1]], dim=-1)
        yield "one coordinate less", a[:, 1:]


def _refused_or_sound(call: Call, names: list[str], what: str, arguments: list[Any]) -> None:
    try:
        found = leaves(call(*arguments))
    except (ValueError, TypeError) as error:
        _clear(call, names, what, error)
    except Exception as error:
        _unclear(call, what, error)
    else:
        finite = all(bool(x.isfinite().all()) for x in found if not x.is_meta)
        fail_unless(finite, LAW, call, f"{what}: accepted, and the result is not finite")


def _refused(call: Call, names: list[str], what: str, arguments: list[Any]) -> None:
    try:
        call(*arguments)
    except (ValueError, TypeError) as error:
        _clear(call, names, what, error)
    except Exception as error:
        _unclear(call, what, error)
    else:
        fail_unless(False, LAW, call, f"{what}: accepted")


def _clear(call: Call, names: list[str], what: str, error: Exception) -> None:
    says = str(error)
    named = any(re.search(rf"\b{name}\b", says) for name in names)
    fail_unless(named and len(says) > 15, LAW, call, f"{what}: the error says {says!r}")


def _unclear(call: Call, what: str, error: Exception) -> None:
    says = str(error).split("\n")[0]
    fail_unless(False, LAW, call, f"{what}: {type(error).__name__}, not ValueError: {says}")


# --- numbers -------------------------------------------------------------------------------------


def check_wrong_counts(name: str, function: Callable[[Any], Any], value: Any) -> None:
    """No size is negative, a fraction or a word, and a list of none is refused or means something.

    A function may take 0, or None.
    """
    (parameter,) = inspect.signature(function).parameters
    listed = isinstance(value, tuple)
    wrong: list[Any] = [(), "two"] if listed else [0, "two", None]
    for bad in (-1, 2.5):
        wrong.append((bad, *value[1:]) if listed else bad)
    for bad in wrong:
        try:
            function(bad)
        except (ValueError, TypeError) as error:
            says = str(error)
            named = re.search(rf"\b{parameter}\b", says) is not None
            clear = named and len(says) > 15
            fail_unless(clear, LAW, name, f"{parameter} {bad!r}: the error says {says!r}")
        except Exception as error:
            kind, says = type(error).__name__, str(error).split("\n")[0]
            fail_unless(False, LAW, name, f"{parameter} {bad!r}: {kind}, not ValueError: {says}")
        else:
            allowed = bad in (0, None, ())
            fail_unless(allowed, LAW, name, f"{parameter} {bad!r}: accepted")


# --- networks of pictures ------------------------------------------------------------------------

Size = Callable[[int, int], tuple[int, ...] | None]


def check_sizes(name: str, build: Callable[[], nn.Module], channels: int, size: Size) -> None:
    """Of each size one picture in training is taken, or refused with the number that is missing.

    Args:
        name: Of the network.
        build: Makes it.
        channels: Of its pictures.
        size: From height and width to the shape of the result, without the batch; None for any.
    """
    for count, height, width in product((1, 2), SIDES, SIDES):
        if height > 4 and width > 4 and height != width:
            continue  # of two large sides nothing new is learnt
        x = torch.rand(count, channels, height, width, generator=seeded())
        what = f"{count} of {height} × {width}"
        try:
            found = build()(x)
        except ValueError as error:
            says = str(error)
            clear = re.search(r"\bx\b", says) and "input size" not in says
            fail_unless(bool(clear), LAW, name, f"{what}: the error says {says!r}")
        except Exception as error:
            kind, says = type(error).__name__, str(error).split("\n")[0]
            fail_unless(False, LAW, name, f"{what}: {kind}, not ValueError: {says}")
        else:
            shape, expected = tuple(found.shape[1:]), size(height, width)
            fits = expected in (None, shape) and bool(found.isfinite().all())
            fail_unless(fits, LAW, name, f"{what} gives {shape}, not {expected}")


SIDES = (1, 2, 3, 4, 6, 8, 12, 16)


def _same(channels: int, factor: int = 1) -> Size:
    return lambda height, width: (channels, factor * height, factor * width)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, Size]] = {
    **{
        f"Residual, {border}, {norm}": (
            partial(Residual, 2, border=border, norm=norm, generator=seeded()), 2, _same(2)
        )
        for border, norm in (("reflect", "instance"), ("replicate", "batch"), ("zeros", "none"))
    },
    **{
        f"ResNetGenerator, {n} halvings": (
            partial(adversarial.ResNetGenerator, 1, channels=2, blocks=1, halvings=n,
                    generator=seeded()), 1, _same(1),
        )
        for n in (0, 1, 2)
    },
    **{
        f"UNetGenerator, {norm}": (
            partial(adversarial.UNetGenerator, (1, 8, 8), 2, channels=(2, 2), norm=norm,
                    generator=seeded()), 1, _same(2),
        )
        for norm in ("batch", "instance", "none")
    },
    **{
        f"PatchDiscriminator, {norm}, {layers} and {plain}": (
            partial(adversarial.PatchDiscriminator, 1, channels=2, layers=layers, plain=plain,
                    norm=norm, generator=seeded()), 1, lambda height, width: None,
        )
        for norm in ("batch", "instance", "none")
        for layers, plain in ((0, 0), (0, 1), (1, 1), (2, 2), (2, 0), (3, 1))
    },
    **{
        f"SRDiscriminator, {norm}": (
            partial(adversarial.SRDiscriminator, channels=1, features=(2, 3), hidden=2, norm=norm,
                    generator=seeded()), 1, lambda height, width: (),
        )
        for norm in ("batch", "instance", "none")
    },
    **{
        f"SRResNet, {norm}, {kind}": (
            partial(adversarial.SRResNet, channels=1, features=2, blocks=1, kernel=3, norm=norm,
                    upsample=kind, steps=(3,), generator=seeded()), 1, _same(1, 3),
        )
        for norm, kind in (("batch", "resize"), ("none", "transposed"), ("none", "pixel_shuffle"))
    },
    **{
        f"upsampler, {kind}": (
            partial(upsampler, 2, 3, 3, kind=kind, border="reflect", generator=seeded()), 2,
            _same(3, 3),
        )
        for kind in KINDS
    },
    "RRDBNet": (
        partial(adversarial.RRDBNet, channels=1, features=2, blocks=1, growth=2,
                generator=seeded()), 1, _same(1, 4),
    ),
    "TextureDecoder": (
        partial(TextureDecoder, features=2, blocks=1, noise=0, generator=seeded()), 1, _same(1),
    ),
    "PhotoFeatures": (
        partial(PhotoFeatures, ((2,), (2,)), generator=seeded()), 3,
        lambda height, width: (2, height // 2, width // 2),
    ),
    "DCDiscriminator": (
        partial(adversarial.DCDiscriminator, (1, 4, 4), channels=(2, 2), generator=seeded()), 1,
        lambda height, width: (),
    ),
}  # fmt: skip
"""Networks from pictures, how many channels those have, and what comes out."""
