"""A small voice, synthesised: vowels by formants, a hum, a hiss and a burst, with a melody.

A buzz, as of vocal folds, passes resonances, as of a throat and mouth: which resonances there are
makes the vowel. So what is said, when, and at which pitch is known exactly.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor

from gdmlib._checks import check_above_zero, check_count
from gdmlib._random import draw
from gdmlib.data import declare
from gdmlib.data.dataset import Dataset

SPEECH_RATE = 8000
"""Samples a second of :func:`speech`."""

FORMANTS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "a": ((750, 80, 1.0), (1150, 90, 0.6), (2500, 150, 0.2)),
    "e": ((480, 60, 1.0), (1850, 100, 0.5), (2550, 150, 0.25)),
    "i": ((280, 50, 1.0), (2250, 100, 0.4), (3000, 150, 0.3)),
    "o": ((480, 60, 1.0), (850, 80, 0.5), (2450, 150, 0.08)),
    "u": ((310, 50, 1.0), (750, 80, 0.25), (2300, 150, 0.04)),
    "m": ((250, 60, 0.5), (1050, 200, 0.05), (2200, 250, 0.02)),
    "l": ((350, 70, 0.7), (1200, 150, 0.15), (2700, 200, 0.08)),
}
"""Of each voiced sound the resonances: frequency and width in Hz, and strength; our own choice."""

SPEECH_SOUNDS = ("_", *FORMANTS, "s", "t")
"""What can be said: silence, five vowels, and four consonants."""

_SECONDS = {"_": 0.08, "m": 0.09, "l": 0.08, "s": 0.12, "t": 0.07}
_VOWEL = 0.16


@declare.rendered(content="a voice that says syllables, 8 kHz", licence="CC0", arguments="n")
def speech(
    n: int, seconds: float = 1.0, text: str | None = None, generator: Generator | None = None
) -> Dataset:
    """Synthesise n utterances of vowels and consonants.

    Args:
        seconds: Length of each.
        text: What all of them say, of the letters of `SPEECH_SOUNDS`; by default each says
            syllables of its own, drawn at random. What does not fit is cut off, and silence fills
            the rest.
        generator: Draws syllables, durations, pitch and noise.

    Returns:
        ``x`` ``(n, T)``, samples in [-1, 1], `SPEECH_RATE` a second; the attribute ``sounds``
        ``(n, T)`` says which of ``classes`` is heard at each sample, ``pitch`` ``(n, T)`` its pitch
        in Hz.
    """
    n = check_count(n)
    length = round(check_above_zero(seconds, "seconds") * SPEECH_RATE)
    if length < 1:
        raise ValueError(
            f"seconds: expected at least one sample of 1/{SPEECH_RATE} s, got {seconds}"
        )
    strange = sorted(set(text or "") - set(SPEECH_SOUNDS))
    if strange:
        raise ValueError(
            f"text: expected the letters {''.join(SPEECH_SOUNDS)}, got "
            f"{' '.join(map(repr, strange))}"
        )
    x, sounds, pitch = [], [], []
    for _ in range(n):
        said = _syllables(length, generator) if text is None else text
        timed = _timing(said, length, generator)
        melody = _melody(length, generator)
        noise = _normal(length, generator)
        x.append(_voice(timed, melody, noise))
        sounds.append(torch.from_numpy(timed))
        pitch.append(torch.from_numpy(melody).float())
    return Dataset(
        name="speech",
        x=torch.stack(x),
        classes=SPEECH_SOUNDS,
        source="formant synthesis by the course",
        licence="CC0",
        attributes={"sounds": torch.stack(sounds), "pitch": torch.stack(pitch)},
    )


def _uniform(low: float, high: float, generator: Generator | None) -> float:
    return low + (high - low) * float(draw(torch.rand, 1, generator=generator))


def _normal(length: int, generator: Generator | None) -> np.ndarray:
    return draw(torch.randn, length, generator=generator, dtype=torch.float64).cpu().numpy()


def _syllables(length: int, generator: Generator | None) -> str:
    """Draw consonants and vowels in turn, and pauses, more than fit."""
    consonants, vowels, said = ("m", "l", "s", "t", ""), "aeiou", "_"
    for _ in range(1 + round(length / SPEECH_RATE / 0.1)):
        said += consonants[int(_uniform(0, 5, generator))] + vowels[int(_uniform(0, 5, generator))]
        if _uniform(0, 1, generator) < 0.15:
            said += "_"
    return said


def _timing(said: str, length: int, generator: Generator | None) -> np.ndarray:
    """Return which sound is heard at each sample."""
    found = np.zeros(length, dtype=np.int64)
    place = 0
    for letter in said:
        seconds = _SECONDS.get(letter, _VOWEL) * _uniform(0.85, 1.15, generator)
        end = place + round(seconds * SPEECH_RATE)
        found[place:end] = SPEECH_SOUNDS.index(letter)
        place = end
    return found


def _melody(length: int, generator: Generator | None) -> np.ndarray:
    """Return the pitch in Hz: it falls slowly, and rises and falls a little on the way."""
    t = np.arange(length) / SPEECH_RATE
    base, wave = _uniform(105, 135, generator), _uniform(2, 4, generator)
    phase = _uniform(0, 2 * math.pi, generator)
    return base * (1.08 - 0.1 * t / max(t[-1], 1e-9) + 0.05 * np.sin(wave * t + phase))


def _voice(timed: np.ndarray, melody: np.ndarray, noise: np.ndarray) -> Tensor:
    """Return the sound: each voiced letter filters the same buzz, and they fade into each other."""
    from scipy.signal import lfilter

    turns = np.cumsum(melody / SPEECH_RATE)
    pulse = np.diff(np.floor(turns), prepend=0.0)
    buzz = lfilter([1.0], [1.0, -0.9], pulse) + 0.003 * noise  # softer at high frequencies
    hiss = lfilter([1.0, -1.6, 0.8], [1.0], noise)  # louder there
    sound, window = np.zeros(len(timed)), np.hanning(200)
    for i, letter in enumerate(SPEECH_SOUNDS):
        here = (timed == i).astype(np.float64)
        if letter == "_" or not here.any():
            continue
        gain = np.convolve(here, window / window.sum(), mode="same")
        if letter in FORMANTS:
            sound += gain * sum(_resonance(buzz, *formant) for formant in FORMANTS[letter])
        elif letter == "s":
            sound += 0.045 * gain * hiss
        else:  # t: silence, then a burst
            begins = np.diff(here, prepend=0.0) > 0
            burst = np.roll(begins, round(0.045 * SPEECH_RATE)) * 1.0
            fading = lfilter([1.0], [1.0, -math.exp(-1 / (0.006 * SPEECH_RATE))], burst)
            sound += 0.09 * fading * hiss * (gain > 0)
    sound = 0.22 * sound
    return torch.from_numpy(np.clip(sound, -1, 1)).float()


def _resonance(source: np.ndarray, frequency: float, width: float, strength: float) -> np.ndarray:
    """Return what a resonance, two poles, makes of a source."""
    from scipy.signal import lfilter

    r, angle = math.exp(-math.pi * width / SPEECH_RATE), 2 * math.pi * frequency / SPEECH_RATE
    gain = (1 - r) * math.sqrt(1 - 2 * r * math.cos(2 * angle) + r * r)  # 1 at the frequency
    return 6 * strength * lfilter([gain], [1.0, -2 * r * math.cos(angle), r * r], source)
