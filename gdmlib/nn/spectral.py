r"""Spectral normalisation: a layer is divided by its largest singular value.

The value is followed by one step of the power method in each training pass (Miyato et al. 2018,
https://arxiv.org/abs/1802.05957, algorithm 1), so that a discriminator made of such layers cannot
be arbitrarily steep. Of a convolution the paper normalises the matrix of its reshaped kernel,
which is not that of the map: `layer_norm` measures the map itself, and finds up to 1.6 where the
kernel's is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from gdmlib._checks import check_count, check_event_shape
from gdmlib._random import draw, standard_normal

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)


def spectral(network: nn.Module, generator: Generator | None = None) -> nn.Module:
    """Normalise all dense and convolutional layers of a network, in place; return it.

    The first guess of each singular vector is refined at once, so that a network which has not
    trained yet may be evaluated.

    Args:
        network: Whose layers are parametrised anew; its weights become ``...original``. Those that
            already are stay as they are.
        generator: Draws the first guesses.
    """
    layers = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, _LAYERS) and not is_parametrized(layer, "weight")
    }
    for name, layer in layers.items():
        if not layer.weight.is_meta and not bool(layer.weight.any()):
            raise ValueError(
                f"network: all weights of its layer {name!r} are 0, and cannot be divided by their "
                "largest singular value; start that layer with other numbers"
            )
    seed = int(draw(torch.rand, 1, generator=generator) * 2**31)
    with torch.random.fork_rng(devices=[]):  # the guesses are drawn from torch's own generator
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` moves those of GPUs, too
        for layer in layers.values():
            spectral_norm(layer)
    return network


def layer_norm(
    layer: nn.Module,
    input_shape: int | Sequence[int],
    *,
    steps: int = 100,
    generator: Generator | None = None,
) -> float:
    """Return the largest singular value of a layer as a map, without its bias.

    By the power method with Jacobian products, which asks nothing of how the layer is written.

    Args:
        layer: An affine map of events, in the mode in which it is to be measured.
        input_shape: The shape of an input, such as (channels, height, width).
        steps: Of the power method.
        generator: Draws the first guess.
    """
    shape = check_event_shape(input_shape)
    like = next((p for p in layer.parameters() if p.is_floating_point()), torch.empty(0))

    def plain(x: Tensor) -> Tensor:
        return layer(x[None])[0]

    x = standard_normal(shape, like, generator)
    value = x.new_zeros(())
    with torch.no_grad():
        for _ in range(check_count(steps, "steps")):
            x = x / x.norm()
            found = torch.func.vjp(plain, torch.zeros_like(x))
            y = plain(x) - found[0]  # the bias cancels
            value = y.norm()
            (x,) = found[1](y)
            if not bool(x.any()):  # nothing comes back: a map to 0
                return 0.0
    return float(value)
