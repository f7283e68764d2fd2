r"""Sound: samples with their rate, and μ-law levels, of which quiet sounds get more than loud ones.

.. math:: f(x) = \operatorname{sign}(x)\,\frac{\ln(1 + \mu |x|)}{\ln(1 + \mu)},
    \qquad -1 \le x \le 1, \quad \mu = \text{levels} - 1 .
"""

from __future__ import annotations

import io
import math
import wave
from dataclasses import dataclass

import torch
from torch import Tensor

from gdmlib._checks import check_count, check_kind, check_tensor, check_values


@dataclass(frozen=True, eq=False)
class Sound:
    """Samples in [-1, 1], (T,) or (B, T), and how many make a second.

    Attributes:
        samples: Floating-point.
        rate: Samples a second.
    """

    samples: Tensor
    rate: int

    def __post_init__(self) -> None:
        x = check_tensor(self.samples, "samples", floating=True)
        if x.ndim not in (1, 2):
            raise ValueError(f"samples: expected shape (T,) or (B, T), got {tuple(x.shape)}")
        check_values(x, "samples", (x >= -1) & (x <= 1), "samples in [-1, 1]")
        check_count(self.rate, "rate")
        object.__setattr__(self, "samples", x.clone())  # nobody else changes what is heard

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.samples.shape[-1] / self.rate

    def at(self, rate: int) -> Tensor:
        """Return the samples, if they are of this rate.

        Raises:
            ValueError: If the rate is another: a sound read at a wrong rate has another pitch.
        """
        if check_count(rate, "rate") != self.rate:
            raise ValueError(
                f"rate: expected a sound of {rate} samples a second, got {self.rate}; use "
                f"sound.resample({rate})"
            )
        return self.samples

    def resample(self, rate: int) -> Sound:
        """Return the sound at another rate, by a polyphase filter."""
        from scipy.signal import resample_poly

        common = math.gcd(check_count(rate, "rate"), self.rate)
        x = self.samples.detach().cpu().numpy()
        found = resample_poly(x, rate // common, self.rate // common, axis=-1)
        return Sound(torch.as_tensor(found).to(self.samples).clamp(-1, 1), rate)

    def wav(self) -> bytes:
        """Return one sound, (T,), as a WAV file of 16 bits."""
        check_tensor(self.samples, "samples", ndim=1)
        data = (self.samples.detach().cpu().double() * 32767).round().short()
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(self.rate)
            out.writeframes(data.numpy().astype("<i2").tobytes())
        return file.getvalue()

    @classmethod
    def read(cls, data: bytes) -> Sound:
        """Return the sound of a WAV file of 16 bits and one channel.

        Raises:
            ValueError: If the file is no such one, or has been cut off.
        """
        check_kind(data, "data", bytes, "the bytes of a WAV file")
        try:
            with wave.open(io.BytesIO(data), "rb") as file:
                kind, length = (file.getnchannels(), file.getsampwidth()), file.getnframes()
                frames, rate = file.readframes(length), file.getframerate()
        except (wave.Error, EOFError) as error:
            why = str(error) or "its header ends too early"
            raise ValueError(f"data: expected a WAV file, got {len(data)} bytes: {why}") from error
        if kind != (1, 2):
            raise ValueError(
                f"data: expected one channel of 16 bits, got {kind[0]} of {8 * kind[1]} bits"
            )
        if len(frames) != 2 * length:
            raise ValueError(
                f"data: expected {length} samples, as the header says, got {len(frames) // 2}: "
                "the file is cut off"
            )
        samples = torch.frombuffer(bytearray(frames), dtype=torch.int16)
        return cls(samples.float() / 32768, rate)


def mu_law(x: Tensor, levels: int = 256) -> Tensor:
    """Return the level of each sample, from [-1, 1] to integers 0 to levels - 1."""
    check_tensor(x, "x", floating=True)
    check_values(x, "x", (x >= -1) & (x <= 1), "samples in [-1, 1]")
    mu = check_count(levels, "levels", least=2) - 1
    squeezed = x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return ((squeezed + 1) / 2 * mu).round().long()


def inverse_mu_law(level: Tensor, levels: int = 256) -> Tensor:
    """Return the sample of each level, float32 in [-1, 1]."""
    mu = check_count(levels, "levels", least=2) - 1
    level = check_tensor(level, "level", integer=True).long()
    check_values(level, "level", (level >= 0) & (level <= mu), f"levels 0 to {mu}")
    squeezed = 2 * level.float() / mu - 1
    return squeezed.sign() * torch.expm1(squeezed.abs() * math.log1p(mu)) / mu
