"""What is not speed: which pixels a network cannot see, and whether its activations stay in scale.

Both are measured on new networks, of the sizes that are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import cases, peer
from benchmarks.timing import Key, digits, noted
from gdmlib.autoregressive import past

SIZE = 28
PIXEL = (14, 5)  # row and column, far enough from the right border to have a past there
DEEP = 30  # layers whose reach is more than the image
OUR_PLAIN, THEIR_PLAIN = cases.MODELS["pixelcnn"]
WIDE, _ = cases.MODELS["gated_wide"]


def sight(logits: Callable[[Tensor], Tensor]) -> Tensor:
    """Return which pixels of the image the output at `PIXEL` depends on, Boolean (SIZE, SIZE).

    It is where the derivative by the image is not zero, for any of eight random images, in float64.
    """
    x = cases.images(8, SIZE).double().requires_grad_()
    row, column = PIXEL
    out = logits(x)[:, :, row, column]
    direction = torch.rand(out.shape, generator=torch.Generator().manual_seed(1)).to(x)
    (slope,) = torch.autograd.grad((direction * out).sum(), x)
    return slope.abs().amax(dim=(0, 1)) > 0


def unseen(logits: Callable[[Tensor], Tensor]) -> dict[str, int]:
    """Return how many pixels come before `PIXEL`, how many are unseen, and how many too many."""
    before = past((1, SIZE, SIZE), PIXEL)[0]
    seen = sight(logits)
    return {
        "past": int(before.sum()),
        "unseen": int((before & ~seen).sum()),
        "future": int((~before & seen).sum()),
    }


def _our_logits(model: Any) -> Callable[[Tensor], Tensor]:
    """Return the network of one of the library's models, as a function of an image in [0, 1]."""
    return lambda x: model._outputs(2 * x - 1, None)


def blind_spots(failed: dict[Key, str]) -> list[dict[str, Any]]:
    """Return what is unseen, for each network; the peer's only where it is installed."""
    networks: list[tuple[str, str, Callable[[], Any]]] = [
        ("ours", "plain, 15 blocks", lambda: OUR_PLAIN(SIZE)),
        ("ours", "gated, 10 layers, 3 wide", lambda: cases.our_gated(SIZE)),
        ("ours", "gated, 30 layers, 3 wide", lambda: cases.our_gated(SIZE, DEEP)),
        ("ours", "gated, 10 layers, 5 wide (the default)", lambda: WIDE(SIZE)),
    ]
    if peer.installed():
        networks += [
            ("theirs", "plain, 15 blocks", lambda: THEIR_PLAIN(SIZE)),
            ("theirs", "gated, 10 layers, 3 wide", lambda: cases.their_gated(SIZE)),
            ("theirs", "gated, 30 layers, 3 wide", lambda: cases.their_gated(SIZE, DEEP)),
        ]
    torch.manual_seed(0)
    rows = []
    for side, name, build in networks:
        with noted(failed, (f"blind spot, {name}", side, SIZE)):
            model = build().double()
            found = unseen(_our_logits(model) if side == "ours" else model)
            rows.append({"side": side, "network": name, **found})
    return rows


def _inputs(run: Callable[[Tensor], Tensor], modules: list[nn.Module]) -> list[float]:
    """Return the root mean square of what goes into each of these modules."""
    found: list[float] = []

    def note(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        found.append(float(arguments[0].square().mean().sqrt()))

    hooks = [module.register_forward_pre_hook(note) for module in modules]
    with torch.no_grad():
        run(cases.images(8, SIZE))
    for hook in hooks:
        hook.remove()
    return found


def scales(failed: dict[Key, str]) -> list[dict[str, Any]]:
    """Return the scale of the activations of the plain PixelCNN between its blocks.

    It is the root mean square of what goes into each block and into the last layers.
    """
    torch.manual_seed(0)
    ours = OUR_PLAIN(SIZE)
    rows: list[dict[str, Any]] = [
        {"side": "ours", "scale": _inputs(_our_logits(ours), [*ours.layers, ours.readout])}
    ]
    if peer.installed():
        with noted(failed, ("scale of activations", "theirs", SIZE)):
            theirs = THEIR_PLAIN(SIZE)
            modules = [*theirs._causal_layers, theirs._head]
            rows.append({"side": "theirs", "scale": _inputs(theirs, modules)})
    return [{**row, "scale": [digits(scale) for scale in row["scale"]]} for row in rows]


def residual_weight(failed: dict[Key, str]) -> float | None:
    """Return how often the peer's plain PixelCNN adds the input of a block to its output.

    A block whose own layers give zero should hand on its input once. None without the peer.
    """
    if not peer.installed():
        return None
    with noted(failed, ("weight of a block's input", "theirs", SIZE)), torch.no_grad():
        model = THEIR_PLAIN(SIZE)
        for parameter in model._causal_layers.parameters():
            parameter.zero_()
        scale = _inputs(model, list(model._causal_layers))
        return scale[1] / scale[0]
    return None
