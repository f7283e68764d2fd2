r"""Any density by the chain rule compresses: it says how probable each symbol is, given the past.

.. math:: \text{bits} = \sum_i -\log_2 p(x_i \mid x_{<i}) = -\log_2 p(x)

The receiver has the same model. It asks it for p(x_1), finds x_1 in the stream, asks for
p(x_2 | x_1), and so on: decoding is sampling, only that the stream, and not chance, picks the
symbol. Both sides must compute the *same* probabilities to the last digit, or they cut the interval
differently and all that follows is garbage. So the sender, who knows all symbols, does not use
them: at each place it gives the model what the receiver will have, with zeros for the rest.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gdmlib._checks import check_count
from gdmlib.autoregressive._binary import BinaryAutoregressive
from gdmlib.autoregressive.chain_rule import WholePass
from gdmlib.autoregressive.made import MADE
from gdmlib.autoregressive.pixels.model import PixelModel
from gdmlib.compression.arithmetic import ArithmeticDecoder, ArithmeticEncoder
from gdmlib.compression.cells import DiscretisedImage
from gdmlib.compression.container import (
    CorruptStreamError,
    Stream,
    checksum,
    fingerprint,
    pack,
    unpack,
    verify,
)
from gdmlib.compression.slots import BITS, slots
from gdmlib.training.loop import evaluating

KIND = b"RULE"


def num_levels(model: WholePass) -> int:
    """Return how many values a symbol of a model has."""
    if isinstance(model, BinaryAutoregressive | MADE):
        if isinstance(model, MADE) and model.num_masks > 1:
            raise ValueError(
                f"model: this MADE has {model.num_masks} masks and so {model.num_masks} chain "
                "rules; use one with a single mask"
            )
        return 2
    if not isinstance(model, PixelModel | DiscretisedImage):
        raise ValueError(
            f"model: expected a density of finitely many levels by the chain rule, got "
            f"{type(model).__name__}; a density of real numbers has no symbols to write, see "
            "DiscretisedImage"
        )
    return model.levels


def level_probabilities(model: WholePass, x: Tensor, place: int) -> Tensor:
    """Return p(level | what is visited before) at a place of the flat event, (B, L), float64."""
    if isinstance(model, BinaryAutoregressive | MADE):
        p = model.logits(x)[:, place].double().sigmoid()
        return torch.stack([1 - p, p], dim=1)
    assert isinstance(model, PixelModel | DiscretisedImage)
    p = model.pixel_distribution(x).flatten(1, -2)[:, place].double()
    return p / p.sum(dim=1, keepdim=True)


@torch.no_grad()
def compress(model: WholePass, x: Tensor, bits: int = BITS) -> bytes:
    """Write events with as many bits as the model finds them improbable.

    Args:
        model: FVSBN, NADE, MADE, a PixelCNN without classes, `DiscretisedImage`: a density of
            finitely many levels by the chain rule.
        x: Events, shape (B, *event_shape).
        bits: Symbols share 2^bits slots.
    """
    levels, bits = num_levels(model), check_count(bits, "bits")
    with evaluating(model):
        x = model.check(x)
        symbols = (x * (levels - 1)).round().long().flatten(1)
        known = torch.zeros_like(x).contiguous()
        encoder = ArithmeticEncoder()
        for place in _visits(model, symbols.shape[1]):
            cut = slots(level_probabilities(model, known, place).numpy(), bits)
            for row, symbol in zip(cut, symbols[:, place].tolist(), strict=True):
                encoder.encode(int(row[symbol]), int(row[symbol + 1] - row[symbol]), bits)
            known.view(len(x), -1)[:, place] = x.flatten(1)[:, place]
    stream = Stream(
        KIND, _fingerprint(model, bits), tuple(x.shape), checksum(symbols.numpy()), encoder.finish()
    )
    return pack(stream)


@torch.no_grad()
def decompress(model: WholePass, data: bytes, bits: int = BITS) -> Tensor:
    """Return the events that `compress` wrote with the same model and the same ``bits``.

    Raises:
        CorruptStreamError: If the stream is damaged or not this model's.
    """
    levels, bits = num_levels(model), check_count(bits, "bits")
    stream = unpack(data, KIND, _fingerprint(model, bits))
    shape = torch.Size(stream.shape)
    own = tuple(model.event_shape)
    any_size = isinstance(model, DiscretisedImage)
    if len(shape) != 1 + len(own) or (tuple(shape[1:]) != own and not any_size):
        raise CorruptStreamError(f"expected events of shape {own}, the stream has {shape[1:]}")
    with evaluating(model):
        known = torch.zeros(shape, dtype=model._like().dtype)
        flat = known.view(len(known), -1)
        decoder = ArithmeticDecoder(stream.payload)
        for place in _visits(model, flat.shape[1]):
            cut = slots(level_probabilities(model, known, place).numpy(), bits)
            found = []
            for row in cut:
                symbol = int(np.searchsorted(row, decoder.peek(bits), side="right")) - 1
                decoder.pop(int(row[symbol]), int(row[symbol + 1] - row[symbol]), bits)
                found.append(symbol)
            flat[:, place] = torch.tensor(found, dtype=known.dtype) / (levels - 1)
    verify((flat * (levels - 1)).round().long().numpy(), stream.content)
    return known


def _visits(model: WholePass, count: int) -> list[int]:
    """Return the places of a flat event of so many numbers, in the order of their visits."""
    if isinstance(model, DiscretisedImage):  # of any size, row by row
        return list(range(count))
    return model._visits().tolist()


def _fingerprint(model: WholePass, bits: int) -> bytes:
    return fingerprint(model, words=f"{type(model).__name__} {num_levels(model)} {bits}")
