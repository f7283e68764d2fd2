"""Coders: a density turns into the shortest files that it allows.

Bits come from `ArithmeticEncoder` (first in, first out) and from the `Stack` of asymmetric numeral
systems (last in, first out). `compress` writes events of any density by the chain rule,
`compress_photograph` photographs by an `IntegerMCGSM`, `BitsBack` events of a VAE, and
`compress_lossy` the code of a `LossyAutoencoder`, to which a `TextureDecoder`, trained by `HiFiC`,
adds texture that is not in the file. Every stream has a checksum, and one that is
damaged is refused whole, by a `CorruptStreamError`.
"""

from gdmlib.compression.adaptive import CONTEXT, Sweep
from gdmlib.compression.ans import Stack
from gdmlib.compression.arithmetic import ArithmeticDecoder, ArithmeticEncoder
from gdmlib.compression.baselines import LOSSLESS, LOSSY, lossless_bytes, lossy_file
from gdmlib.compression.bits_back import BitsBack
from gdmlib.compression.cells import DiscretisedImage
from gdmlib.compression.chain import compress, decompress
from gdmlib.compression.container import CorruptStreamError
from gdmlib.compression.integer import IntegerMCGSM
from gdmlib.compression.lossy import LossyAutoencoder
from gdmlib.compression.lossy_files import compress_lossy, decompress_lossy
from gdmlib.compression.photographs import (
    compress_photograph,
    contexts_of,
    decompress_photograph,
    fit_photograph_model,
    photograph_bits,
)
from gdmlib.compression.slots import slots
from gdmlib.compression.texture import HiFiC, TextureDecoder, TextureJudge
from gdmlib.compression.tuning import tune

__all__ = [
    "CONTEXT",
    "LOSSLESS",
    "LOSSY",
    "ArithmeticDecoder",
    "ArithmeticEncoder",
    "BitsBack",
    "CorruptStreamError",
    "DiscretisedImage",
    "HiFiC",
    "IntegerMCGSM",
    "LossyAutoencoder",
    "Stack",
    "Sweep",
    "TextureDecoder",
    "TextureJudge",
    "compress",
    "compress_lossy",
    "compress_photograph",
    "contexts_of",
    "decompress",
    "decompress_lossy",
    "decompress_photograph",
    "fit_photograph_model",
    "lossless_bytes",
    "lossy_file",
    "photograph_bits",
    "slots",
    "tune",
]
