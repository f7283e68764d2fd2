"""What surrounds a stream in a file: what it is, whose, how large, and two checksums.

A coder trusts every bit: one that is wrong makes garbage of all that follows. So a file is looked
at whole before anything is decoded, and what was decoded is compared with a checksum of what went
in. The second one catches what the first cannot: a machine whose arithmetic rounds otherwise.

The layout, integers little-endian::

    "GDMC"  version  kind  model  dimensions  sizes ...  content  payload ...  file
       4       1       4      8        1        4 each      4        any         4     bytes
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import NamedTuple

import numpy as np
from torch import nn

MAGIC, VERSION = b"GDMC", 1


class CorruptStreamError(ValueError):
    """A stream is damaged, cut off, of another kind, or was written with another model."""


class Stream(NamedTuple):
    """What a file says.

    Attributes:
        kind: Four letters: which coder wrote it.
        model: The `fingerprint` of the model, 8 bytes.
        shape: Of what was encoded.
        content: The `checksum` of what was encoded.
        payload: The coder's bits.
    """

    kind: bytes
    model: bytes
    shape: tuple[int, ...]
    content: int
    payload: bytes


def checksum(symbols: np.ndarray) -> int:
    """Return the CRC-32 of whole numbers, whatever their dtype."""
    return zlib.crc32(np.ascontiguousarray(symbols, dtype="<i8").tobytes())


def fingerprint(model: nn.Module, *tables: np.ndarray, words: str = "") -> bytes:
    """Return 8 bytes that differ if any number of the model's state or of any table does."""
    digest = hashlib.sha256(words.encode())
    own = (tensor.detach().cpu().numpy() for tensor in model.state_dict().values())
    for array in (*own, *tables):
        digest.update(str((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()[:8]


def pack(stream: Stream) -> bytes:
    """Return the bytes of a file."""
    if len(stream.shape) > 255 or any(not 0 <= size < 1 << 32 for size in stream.shape):
        raise ValueError(f"shape: expected at most 255 sizes below 2^32, got {stream.shape}")
    head = struct.pack("<4sB4s8sB", MAGIC, VERSION, stream.kind, stream.model, len(stream.shape))
    sizes = struct.pack(f"<{len(stream.shape)}II", *stream.shape, stream.content)
    body = head + sizes + stream.payload
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(data: bytes, kind: bytes, model: bytes) -> Stream:
    """Return what a file says, if it is whole and made by this kind of coder with this model.

    Raises:
        CorruptStreamError: If it is not.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ValueError(f"data: expected bytes, got {type(data).__name__}")
    data = bytes(data)
    fixed = struct.calcsize("<4sB4s8sB")
    if data[:4] != MAGIC[: len(data)] or not data:
        raise CorruptStreamError(
            f"expected a stream that begins with {MAGIC!r}, got {data[:4]!r}; was it written by "
            "gdmlib.compression?"
        )
    if len(data) < fixed + 8 or zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise CorruptStreamError(
            f"the checksum of these {len(data)} bytes is wrong: the stream is damaged or cut off, "
            "and nothing of it was decoded; get another copy"
        )
    _, version, found, author, dimensions = struct.unpack("<4sB4s8sB", data[:fixed])
    if version != VERSION or found != kind:
        raise CorruptStreamError(
            f"expected a stream of kind {kind!r}, version {VERSION}, got {found!r}, {version}"
        )
    if author != model:
        raise CorruptStreamError(
            "the stream was written with another model, or with other weights; load those of the "
            f"sender (fingerprint {author.hex()}, yours is {model.hex()})"
        )
    end = fixed + 4 * (dimensions + 1)
    if end + 4 > len(data):
        raise CorruptStreamError(f"{dimensions} sizes do not fit into {len(data)} bytes")
    *shape, content = struct.unpack(f"<{dimensions}II", data[fixed:end])
    return Stream(kind, model, tuple(shape), content, data[end:-4])


def verify(symbols: np.ndarray, content: int) -> None:
    """Refuse what was decoded if it is not what was encoded.

    Raises:
        CorruptStreamError: Where it is not.
    """
    if checksum(symbols) != content:
        raise CorruptStreamError(
            "what was decoded is not what was encoded, and is thrown away: the model computed "
            "other numbers than where the stream was written (another machine, other threads); "
            "an IntegerMCGSM has no rounding and cannot do this"
        )
