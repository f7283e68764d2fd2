"""What is timed. Each case is one piece of work, done by the library and by another.

All images are binary, and square; a size is a height. Both sides get the same images, the same
numbers of layers and units, the same optimiser with the same settings, and one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from benchmarks import peer
from gdmlib.autoregressive import FVSBN, MADE, NADE
from gdmlib.autoregressive.pixelcnn import GatedPixelCNN, PixelCNN
from gdmlib.autoregressive.ride import SpatialLSTM

SIDES = ("ours", "theirs")
GROWTH = (7, 14, 28, 56)
BATCH = 128
SAMPLES = 100
HIDDEN = 500  # units of NADE and MADE
BLOCKS, HALF = 15, 16  # residual blocks of the PixelCNN, and their features inside
LAYERS, FEATURES = 10, 32  # of the gated PixelCNN
IMAGES = 16  # that a PixelCNN draws, and that a spatial LSTM reads
UNITS, INPUTS = 32, 12  # of the spatial LSTM


@dataclass(frozen=True)
class Work:
    """Something to be timed.

    Attributes:
        run: Does the work.
        share: The part of the whole work that ``run`` does, above 0 and at most 1.
        parameters: The numbers of the model that count.
        trial: Does a small part of the work, to warm up and to see how long all of it will take.
    """

    run: Callable[[], object]
    share: float = 1.0
    parameters: int = 0
    trial: Work | None = None


@dataclass(frozen=True)
class Case:
    """One piece of work, and who does it.

    Attributes:
        name, title: For programs and for people.
        ours, theirs: From the size of an image, the work; the peer may have none.
        other: Whom ``theirs`` belongs to.
        same_as: The case that has timed the other's work already; it is not timed again.
        goal: How many times as fast the library should be, if a goal is set.
        size: Of the images in the table.
        growth: All sizes that are timed.
        panel: Of the figure: a training step, samples, or a spatial LSTM; None keeps the case out
            of it.
    """

    name: str
    title: str
    ours: Callable[[int], Work]
    theirs: Callable[[int], Work]
    other: str = peer.NAME
    same_as: str | None = None
    goal: float | None = None
    size: int = 28
    growth: tuple[int, ...] = (28,)
    panel: str | None = None

    def build(self, side: str, size: int) -> Work:
        """Return the work of one side, the same at every call."""
        torch.manual_seed(0)
        return self.ours(size) if side == "ours" else self.theirs(size)


def images(n: int, size: int) -> Tensor:
    """Return random binary images, three pixels in ten white, (n, 1, size, size)."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(n, 1, size, size, generator=generator) < 0.3).float()


# --- Steps of training ---------------------------------------------------------------------------


def step(model: nn.Module, loss: Callable[[Tensor], Tensor], x: Tensor) -> Work:
    """Return one step of Adam on a batch: loss, gradient, update."""
    optimiser = torch.optim.Adam(model.parameters())

    def run() -> None:
        optimiser.zero_grad()
        loss(x).backward()
        optimiser.step()

    return Work(run, parameters=_count(model))


def _count(model: nn.Module) -> int:
    """Return the number of parameters, without those of convolutions that a mask forbids."""
    own = getattr(model, "num_parameters", None)
    if isinstance(own, int):
        return own
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    masks = [mask for m in convolutions for name, mask in m.named_buffers() if name == "mask"]
    forbidden = sum(int((mask == 0).sum()) for mask in masks)
    return sum(p.numel() for p in model.parameters()) - forbidden


def _our_step(model: Any, size: int) -> Work:
    return step(model, lambda x: -model.log_prob(x).mean(), images(BATCH, size))


def _their_step(model: Any, size: int) -> Work:
    """The peer's FVSBN and PixelCNNs return logits."""
    return step(
        model,
        lambda x: binary_cross_entropy_with_logits(model(x), x, reduction="sum") / len(x),
        images(BATCH, size),
    )


def _their_step_on_probabilities(model: Any, size: int) -> Work:
    """The peer's NADE and MADE return probabilities."""
    return step(
        model,
        lambda x: binary_cross_entropy(model(x), x, reduction="sum") / len(x),
        images(BATCH, size),
    )


# --- Samples -------------------------------------------------------------------------------------


def _our_samples(model: Any, n: int) -> Work:
    return Work(lambda: model.sample(n), parameters=_count(model))


def _their_samples(model: Any, n: int, size: int, pixels: int | None = None) -> Work:
    """Draw n images, or their first pixels only."""

    def part(count: int) -> Work:
        return Work(peer.sampling(model, n, size, count), count / size**2, _count(model))

    if pixels is not None:
        return part(pixels)
    return Work(peer.sampling(model, n, size), 1.0, _count(model), trial=part(4))


def _their_samples_at_once(model: Any, n: int, size: int) -> Work:
    """Draw n images from a model whose sampler cannot be stopped early."""
    return Work(peer.sampling(model, n, size), 1.0, _count(model))


# --- The models, of equal sizes on both sides ----------------------------------------------------


def _peer() -> Any:
    found = peer.models()
    if found is None:
        raise ModuleNotFoundError(f"{peer.NAME} cannot be imported, see book/speed.md")
    return found


def our_fvsbn(size: int) -> Any:
    """Return the library's FVSBN."""
    return FVSBN((1, size, size))


def their_fvsbn(size: int) -> Any:
    """Return the peer's FVSBN."""
    return _peer().FullyVisibleBeliefNetwork(size**2)


def our_nade(size: int) -> Any:
    """Return the library's NADE."""
    return NADE((1, size, size), hidden=HIDDEN)


def their_nade(size: int) -> Any:
    """Return the peer's NADE."""
    return _peer().NADE(size**2, HIDDEN)


def our_made(size: int) -> Any:
    """Return the library's MADE, without direct connections, which the peer's has not."""
    return MADE((1, size, size), hidden=HIDDEN, direct=False)


def their_made(size: int) -> Any:
    """Return the peer's MADE."""
    return _peer().MADE(size**2, [HIDDEN])


def our_pixelcnn(size: int) -> PixelCNN:
    """Return the library's plain PixelCNN."""
    return PixelCNN((1, size, size), features=HALF, layers=BLOCKS)


def their_pixelcnn(size: int) -> Any:
    """Return the peer's plain PixelCNN; its network does not depend on the size."""
    return _peer().PixelCNN(n_residual=BLOCKS, residual_channels=HALF, head_channels=2 * HALF)


def our_gated(size: int, layers: int = LAYERS, kernel_size: int = 3) -> GatedPixelCNN:
    """Return the library's gated PixelCNN, with the peer's width of kernels."""
    shape = (1, size, size)
    return GatedPixelCNN(shape, features=FEATURES, layers=layers, kernel_size=kernel_size)


def their_gated(size: int, layers: int = LAYERS) -> Any:
    """Return the peer's gated PixelCNN; its network does not depend on the size."""
    return _peer().GatedPixelCNN(n_gated=layers, gated_channels=FEATURES, head_channels=FEATURES)


def _lstm(size: int, loop: bool) -> Work:
    """Return hidden states and gradients of a spatial LSTM, in diagonals or cell by cell."""
    layer = SpatialLSTM(INPUTS, UNITS)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(IMAGES, size, size, INPUTS, generator=generator)
    slope = torch.randn(IMAGES, size, size, UNITS, generator=generator)  # of a loss by the states

    def run() -> None:
        layer.zero_grad()
        (layer.forward_loop(x) if loop else layer(x)).backward(slope)

    return Work(run, parameters=_count(layer))


def _few_pixels(size: int) -> int | None:
    """Return how many pixels the peer's PixelCNNs draw beyond the size of the table."""
    return None if size <= 28 else 28


CASES = (
    Case(
        "fvsbn_step",
        f"FVSBN, training step, batch of {BATCH}",
        lambda size: _our_step(our_fvsbn(size), size),
        lambda size: _their_step(their_fvsbn(size), size),
        goal=8,
        growth=GROWTH,
        panel="step",
    ),
    Case(
        "nade_step",
        f"NADE, {HIDDEN} units, training step, batch of {BATCH}",
        lambda size: _our_step(our_nade(size), size),
        lambda size: _their_step_on_probabilities(their_nade(size), size),
        goal=3,
        growth=GROWTH,
        panel="step",
    ),
    Case(
        "made_step",
        f"MADE, {HIDDEN} units, training step, batch of {BATCH}",
        lambda size: _our_step(our_made(size), size),
        lambda size: _their_step_on_probabilities(their_made(size), size),
        growth=GROWTH,
        panel="step",
    ),
    Case(
        "pixelcnn_step",
        f"PixelCNN, {BLOCKS} blocks, training step, batch of {BATCH}",
        lambda size: _our_step(our_pixelcnn(size), size),
        lambda size: _their_step(their_pixelcnn(size), size),
    ),
    Case(
        "gated_step",
        f"Gated PixelCNN, {LAYERS} layers, training step, batch of {BATCH}",
        lambda size: _our_step(our_gated(size), size),
        lambda size: _their_step(their_gated(size), size),
    ),
    Case(
        "fvsbn_sample",
        f"FVSBN, {SAMPLES} samples",
        lambda size: _our_samples(our_fvsbn(size), SAMPLES),
        lambda size: _their_samples(their_fvsbn(size), SAMPLES, size, _few_pixels(size)),
        goal=100,
        growth=GROWTH,
        panel="sample",
    ),
    Case(
        "nade_sample",
        f"NADE, {HIDDEN} units, {SAMPLES} samples",
        lambda size: _our_samples(our_nade(size), SAMPLES),
        lambda size: _their_samples_at_once(their_nade(size), SAMPLES, size),
    ),
    Case(
        "made_sample",
        f"MADE, {HIDDEN} units, {SAMPLES} samples",
        lambda size: _our_samples(our_made(size), SAMPLES),
        lambda size: _their_samples_at_once(their_made(size), SAMPLES, size),
    ),
    Case(
        "pixelcnn_sample",
        f"PixelCNN, {BLOCKS} blocks, {IMAGES} samples",
        lambda size: _our_samples(our_pixelcnn(size), IMAGES),
        lambda size: _their_samples(their_pixelcnn(size), IMAGES, size, _few_pixels(size)),
        goal=20,
        growth=GROWTH,
        panel="sample",
    ),
    Case(
        "gated_sample",
        f"Gated PixelCNN, {LAYERS} layers, {IMAGES} samples",
        lambda size: _our_samples(our_gated(size), IMAGES),
        lambda size: _their_samples(their_gated(size), IMAGES, size, _few_pixels(size)),
        goal=20,
        growth=GROWTH,
        panel="sample",
    ),
    Case(
        "gated_wide_sample",
        f"Gated PixelCNN, ours 5 wide, which sees all of the past, theirs 3, {IMAGES} samples",
        lambda size: _our_samples(our_gated(size, kernel_size=5), IMAGES),
        lambda size: _their_samples(their_gated(size), IMAGES, size),
        same_as="gated_sample",
    ),
    Case(
        "spatial_lstm",
        f"Spatial LSTM, {UNITS} units, {IMAGES} images, forward and backward",
        lambda size: _lstm(size, loop=False),
        lambda size: _lstm(size, loop=True),
        other="our double loop",
        goal=10,
        size=64,
        growth=(7, 14, 28, 56, 64),
        panel="lstm",
    ),
)


def find(name: str) -> Case:
    """Return the case of this name."""
    return next(case for case in CASES if case.name == name)
