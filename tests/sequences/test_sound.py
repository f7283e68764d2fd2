"""Sound: levels, rates, files, and the synthesised voice."""

from __future__ import annotations

import math

import pytest
import torch

from gdmlib import data
from gdmlib.sequences import Sound, inverse_mu_law, mu_law
from tests.laws.builders import seeded, uniform


def test_levels_and_back():
    level = torch.arange(256)
    assert torch.equal(mu_law(inverse_mu_law(level)), level)
    x = 2 * uniform(1000) - 1
    gap = (inverse_mu_law(mu_law(x)).double() - x).abs()
    assert float(gap.max()) < 0.025
    quiet = 0.01 * x
    assert float((inverse_mu_law(mu_law(quiet)).double() - quiet).abs().max()) < 5e-4


def test_the_formula():
    x = torch.tensor([0.3]).double()
    squeezed = math.log(1 + 255 * 0.3) / math.log(256)
    assert int(mu_law(x)) == round((squeezed + 1) / 2 * 255)
    assert mu_law(torch.tensor([-1.0, 1.0])).tolist() == [0, 255]


def test_too_loud():
    for call in (mu_law, lambda x: Sound(x, 8000)):
        with pytest.raises(ValueError, match=r"expected samples in \[-1, 1\], .* to 1.5"):
            call(torch.tensor([0.0, 1.5]))


def test_another_rate():
    sound = Sound(torch.zeros(16000), 16000)
    assert sound.seconds == 1
    with pytest.raises(ValueError, match=r"rate: expected .* 8000 .* got 16000; .*resample\(8000"):
        sound.at(8000)
    half = sound.resample(8000)
    assert half.at(8000).shape == (8000,)
    assert half.seconds == 1


def test_resampling_keeps_the_pitch():
    t = torch.arange(16000) / 16000
    sound = Sound(0.5 * torch.sin(2 * math.pi * 440 * t), 16000).resample(8000)
    spectrum = torch.fft.rfft(sound.samples).abs()
    assert int(spectrum.argmax()) == 440  # one second: bins of 1 Hz


def test_a_file_and_back():
    sound = Sound(2 * uniform(200).float() - 1, 8000)
    again = Sound.read(sound.wav())
    assert again.rate == 8000
    assert float((again.samples - sound.samples).abs().max()) < 1e-4
    with pytest.raises(ValueError, match="samples: expected 1 dimension"):
        Sound(torch.zeros(2, 5), 8000).wav()
    eight = bytearray(sound.wav())
    eight[34] = 8  # bits a sample
    with pytest.raises(ValueError, match="expected one channel of 16 bits, got 1 of 8 bits"):
        Sound.read(bytes(eight))


@pytest.mark.parametrize("length", [0, 3, 12, 30, 44, 45, 100, 443])
def test_a_file_that_was_cut_off_is_refused(length):
    whole = Sound(2 * uniform(200).float() - 1, 8000).wav()
    assert len(whole) == 444
    with pytest.raises(ValueError, match="data: expected"):
        Sound.read(whole[:length])


@pytest.mark.parametrize("data", [None, "RIFF", b"ID3" + bytes(500)], ids=["None", "text", "MP3"])
def test_what_is_no_file_of_sound_is_refused(data):
    with pytest.raises(ValueError, match="data: expected"):
        Sound.read(data)


# --- the voice ---


def test_what_is_said_is_where_it_is_said():
    voice = data.speech(2, 0.6, "_a_", generator=seeded())
    sounds = voice.attributes["sounds"]
    assert voice.x.shape == sounds.shape == (2, 4800)
    assert [voice.classes[i] for i in sounds[0].unique_consecutive()] == ["_", "a", "_"]
    vowel = voice.x[sounds == data.SPEECH_SOUNDS.index("a")].square().mean()
    assert float(vowel) > 20 * float(voice.x[0, -1000:].square().mean())
    assert float(voice.x.abs().max()) <= 1


def test_the_pitch_is_the_pitch():
    voice = data.speech(1, 0.5, "aaaa", generator=seeded())
    x, pitch = voice.x[0, 800:2848], voice.attributes["pitch"][0, 800:2848]
    power = torch.fft.rfft(x, n=16 * 2048).abs()
    low = slice(int(80 * 16 * 2048 / 8000), int(160 * 16 * 2048 / 8000))
    found = (low.start + int(power[low].argmax())) * 8000 / (16 * 2048)
    assert abs(found - float(pitch.mean())) < 6


def test_vowels_differ_in_their_formants():
    def centre(vowel):
        x = data.speech(1, 0.4, 3 * vowel, generator=seeded()).x[0, 400:2448]
        power = torch.fft.rfft(x).abs().square()
        return float((power * torch.arange(len(power))).sum() / power.sum()) * 8000 / 2048

    assert centre("u") < centre("o") < centre("a")


def test_random_syllables_and_wrong_ones():
    one, two = (data.speech(1, 0.5, generator=seeded(s)) for s in (0, 1))
    assert not torch.equal(one.attributes["sounds"], two.attributes["sounds"])
    with pytest.raises(ValueError, match=r"text: expected the letters _aei.*got 'n' 'é'"):
        data.speech(1, 1.0, "né")
    with pytest.raises(ValueError, match="seconds: "):
        data.speech(1, 1e-9)
