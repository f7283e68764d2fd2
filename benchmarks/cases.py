"""What is timed. Each case is one piece of work, done by the library and by another.

All images are binary, and square; a size is a height. Both sides get the same images, the same
numbers of layers and units, the same optimiser with the same settings, and one thread. A step of
the variational autoencoder is that of `gdmlib.training.train`, whose Adam is one kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from benchmarks import peer
from benchmarks.plain import PlainVAE
from benchmarks.timing import TABLE, Case, Work
from gdmlib.autoregressive import FVSBN, MADE, NADE, GatedPixelCNN, PixelCNN
from gdmlib.latent import VAE
from gdmlib.nn.spatial_lstm import SpatialLSTM
from gdmlib.training import gradient_step

GROWTH = (7, 14, 28, 56)
BATCH = 128
SAMPLES = 100
HIDDEN = 500  # units of NADE and MADE
BLOCKS, HALF = 15, 16  # residual blocks of the PixelCNN, and their features inside
LAYERS, FEATURES = 10, 32  # of the gated PixelCNN
IMAGES = 16  # that a PixelCNN draws, and that a spatial LSTM reads
UNITS, INPUTS = 32, 12  # of the spatial LSTM
UNITS_OF_VAE, LATENT = 400, 20  # of the variational autoencoder
CODES = 50  # of its importance-weighted bound


def images(n: int, size: int) -> Tensor:
    """Return random binary images, three pixels in ten white, (n, 1, size, size)."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(n, 1, size, size, generator=generator) < 0.3).float()


# --- The models, of equal sizes on both sides ----------------------------------------------------


def our_gated(size: int, layers: int = LAYERS, kernel_size: int = 3) -> GatedPixelCNN:
    """Return the library's gated PixelCNN, with the peer's width of kernels."""
    shape = (1, size, size)
    return GatedPixelCNN(shape, features=FEATURES, layers=layers, kernel_size=kernel_size)


def their_gated(size: int, layers: int = LAYERS) -> Any:
    """Return the peer's gated PixelCNN; its network does not depend on the size."""
    sizes = {"n_gated": layers, "gated_channels": FEATURES, "head_channels": FEATURES}
    return peer.model("GatedPixelCNN", **sizes)


RESIDUAL = {"n_residual": BLOCKS, "residual_channels": HALF, "head_channels": 2 * HALF}
#: Both models from the size of an image. The peer's MADE has no direct connections.
MODELS: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
    "fvsbn": (
        lambda size: FVSBN((1, size, size)),
        lambda size: peer.model("FullyVisibleBeliefNetwork", size**2),
    ),
    "nade": (
        lambda size: NADE((1, size, size), hidden=HIDDEN),
        lambda size: peer.model("NADE", size**2, HIDDEN),
    ),
    "made": (
        lambda size: MADE((1, size, size), hidden=(HIDDEN,), direct=False),
        lambda size: peer.model("MADE", size**2, [HIDDEN]),
    ),
    "pixelcnn": (
        lambda size: PixelCNN((1, size, size), features=HALF, layers=BLOCKS),
        lambda size: peer.model("PixelCNN", **RESIDUAL),
    ),
    "gated": (our_gated, their_gated),
    "gated_wide": (lambda size: our_gated(size, kernel_size=5), their_gated),
}
NO_STOP = ("nade", "made")  # whose sampler, of the peer's, cannot be stopped early
PROBABILITIES = ("nade",)  # where the peer returns probabilities and not logits


def num_parameters(model: nn.Module) -> int:
    """Return how many numbers of a model count; those that a mask forbids do not."""
    own = getattr(model, "num_parameters", None)
    if own is not None:
        return int(own)
    masks = [b for name, b in model.named_buffers() if name.endswith("mask")]
    return sum(p.numel() for p in model.parameters()) - sum(int((m == 0).sum()) for m in masks)


# --- Steps of training ---------------------------------------------------------------------------


def step(model: Any, loss: Callable[[Tensor], Tensor], x: Tensor) -> Work:
    """Return one step of Adam on a batch x: loss, gradient, update."""
    optimiser = torch.optim.Adam(model.parameters())

    def run() -> Tensor:
        optimiser.zero_grad()
        value = loss(x)
        value.backward()
        optimiser.step()
        return value

    return Work(run, num_parameters(model), check=check_finite)


def check_finite(value: Tensor) -> None:
    """Raise a ValueError if a loss or a gradient is not finite."""
    if not bool(value.isfinite().all()):
        raise ValueError("a loss or a gradient is not finite")


def step_case(name: str, title: str, **more: Any) -> Case:
    """Declare a training step of one of the models."""
    our_model, their_model = MODELS[name]
    probabilities = name in PROBABILITIES
    entropy = binary_cross_entropy if probabilities else binary_cross_entropy_with_logits

    def ours(size: int) -> Work:
        model = our_model(size)
        return step(model, lambda x: -model.log_prob(x).mean(), images(BATCH, size))

    def theirs(size: int) -> Work:
        model = their_model(size)
        loss = lambda x: entropy(model(x), x, reduction="sum") / len(x)  # noqa: E731
        return step(model, loss, images(BATCH, size))

    title = f"{title}, training step, batch of {BATCH}"
    return Case(f"{name}_step", title, ours, theirs, **more)


# --- Samples -------------------------------------------------------------------------------------


def check_images(x: Tensor, n: int, size: int) -> None:
    """Raise a ValueError if these are not n binary images."""
    if x.shape != (n, 1, size, size) or not bool(((x == 0) | (x == 1)).all()):
        raise ValueError(
            f"expected zeros and ones, shape {(n, 1, size, size)}, got numbers from "
            f"{float(x.min()):.4g} to {float(x.max()):.4g}, shape {tuple(x.shape)}"
        )


def sample_case(name: str, title: str, n: int, **more: Any) -> Case:
    """Declare the drawing of n images from one of the models."""
    our_model, their_model = MODELS[name]

    def ours(size: int) -> Work:
        model = our_model(size)
        check = partial(check_images, n=n, size=size)
        return Work(lambda: model.sample(n), num_parameters(model), check)

    def theirs(size: int) -> Work:
        model = their_model(size)
        count, check = num_parameters(model), partial(check_images, n=n, size=size)

        def part(pixels: int) -> Work:
            return Work(peer.sampling(model, n, size, pixels), count, share=pixels / size**2)

        if name in NO_STOP:
            return Work(peer.sampling(model, n, size), count, check)
        if size > TABLE:  # a few pixels are enough
            return part(TABLE)
        return Work(peer.sampling(model, n, size), count, check, trial=part(4))

    return Case(f"{name}_sample", f"{title}, {n} samples", ours, theirs, **more)


# --- The spatial LSTM ----------------------------------------------------------------------------


def lstm(size: int, loop: bool) -> Work:
    """Return hidden states and gradients of a spatial LSTM, in diagonals or cell by cell."""
    layer = SpatialLSTM(INPUTS, units=UNITS)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(IMAGES, size, size, INPUTS, generator=generator)
    slope = torch.randn(IMAGES, size, size, UNITS, generator=generator)  # of a loss by the states

    def run() -> Tensor:
        layer.zero_grad()
        (layer.forward_loop(x) if loop else layer(x)).backward(slope)
        return torch.cat([p.grad.flatten() for p in layer.parameters() if p.grad is not None])

    return Work(run, num_parameters(layer), check=check_finite)


# --- The variational autoencoder -----------------------------------------------------------------


def our_vae(size: int) -> VAE:
    """Return the library's variational autoencoder."""
    return VAE((1, size, size), hidden=UNITS_OF_VAE, latent=LATENT)


def plain_vae(size: int) -> PlainVAE:
    """Return that in plain PyTorch."""
    return PlainVAE(size**2, hidden=UNITS_OF_VAE, latent=LATENT)


def our_vae_step(size: int) -> Work:
    """Return one training step as the library takes it."""
    model, x = our_vae(size), images(BATCH, size)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.0, fused=True)
    train = gradient_step(model, optimiser, model.loss)
    return Work(lambda: train(x)["loss"], num_parameters(model), check=check_finite)


def plain_vae_step(size: int) -> Work:
    """Return one training step in plain PyTorch."""
    model = plain_vae(size)
    return step(model, model.loss, images(BATCH, size))


def bound(model: nn.Module, find: Callable[[Tensor, int], Tensor], x: Tensor) -> Work:
    """Return the importance-weighted bounds of images, and their gradient."""

    def run() -> Tensor:
        model.zero_grad()
        value = find(x, CODES)
        (-value.mean()).backward()
        return value.detach()

    return Work(run, num_parameters(model), check=check_finite)


def bound_case(n: int, **more: Any) -> Case:
    """Declare the bound of n images, and its gradient: in one pass, and by a loop."""

    def ours(size: int) -> Work:
        model = our_vae(size)
        return bound(model, model.importance_bound, images(n, size))

    def theirs(size: int) -> Work:
        model = plain_vae(size)
        return bound(model, model.bound, images(n, size))

    return Case(
        f"iwae_bound_{n}",
        f"Bound of a VAE with {CODES} codes, and its gradient, {n} images",
        ours,
        theirs,
        other="our loop over the codes",
        **more,
    )


NADES, MADES = f"NADE, {HIDDEN} units", f"MADE, {HIDDEN} units"
PLAIN, GATED = f"PixelCNN, {BLOCKS} blocks", f"Gated PixelCNN, {LAYERS} layers"
WIDE = "Gated PixelCNN, ours 5 wide, which sees all of the past, theirs 3"

CASES = (
    step_case("fvsbn", "FVSBN", goal=8, growth=GROWTH, panel="step"),
    step_case("nade", NADES, goal=3, growth=GROWTH, panel="step"),
    step_case("made", MADES, growth=GROWTH, panel="step"),
    step_case("pixelcnn", PLAIN, goal=1.3),
    step_case("gated", GATED, goal=1.6),
    sample_case("fvsbn", "FVSBN", SAMPLES, goal=100, growth=GROWTH, panel="sample"),
    sample_case("nade", NADES, SAMPLES, goal=3),
    sample_case("made", MADES, SAMPLES),
    sample_case("pixelcnn", PLAIN, IMAGES, goal=20, growth=GROWTH, panel="sample"),
    sample_case("gated", GATED, IMAGES, goal=20, growth=GROWTH, panel="sample"),
    sample_case("gated_wide", WIDE, IMAGES, same_as="gated_sample"),
    Case(
        "spatial_lstm",
        f"Spatial LSTM, {UNITS} units, {IMAGES} images, forward and backward",
        lambda size: lstm(size, loop=False),
        lambda size: lstm(size, loop=True),
        other="our double loop",
        goal=10,
        size=64,
        growth=(*GROWTH, 64),
        panel="lstm",
    ),
    Case(
        "vae_step",
        f"VAE, {UNITS_OF_VAE} units, {LATENT} latent numbers, training step, batch of {BATCH}",
        our_vae_step,
        plain_vae_step,
        other="plain PyTorch",
        goal=1.3,
    ),
    bound_case(4, goal=5),
    bound_case(20),
)
