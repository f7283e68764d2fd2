"""Text to symbols and back; text outside the alphabet; the novel and its chapters."""

from __future__ import annotations

import pytest
import torch

from gdmlib import data
from gdmlib.sequences import Alphabet


def test_there_and_back():
    alphabet = Alphabet.of("down the rabbit hole")
    assert alphabet.decode(alphabet.encode("the rabbit")) == "the rabbit"
    assert alphabet.encode("").shape == (0,)
    assert len(alphabet) == len(set("down the rabbit hole"))


def test_a_character_outside_is_named_with_its_place():
    alphabet = Alphabet("abc")
    with pytest.raises(ValueError, match=r"text: 'é' at place 2 .* 'abc'.*'x' 'é'"):
        alphabet.encode("abéx")
    with pytest.raises(ValueError, match="text: expected a string, got int"):
        alphabet.encode(3)


@pytest.mark.parametrize("characters", ["", "aa", ["ab", "c"], 7])
def test_what_is_no_alphabet(characters):
    with pytest.raises(ValueError, match="characters: "):
        Alphabet(characters)


def test_numbers_outside():
    with pytest.raises(ValueError, match="symbols: expected numbers 0 to 2"):
        Alphabet("abc").decode(torch.tensor([0, 3]))


def test_strings_overlap_as_asked():
    alphabet = Alphabet("abcde")
    found = alphabet.strings("abcde", 3, 1)
    assert [alphabet.decode(row) for row in found] == ["abc", "bcd", "cde"]
    assert alphabet.strings("abcde", 2).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="text: expected at least 9 characters, got 5"):
        alphabet.strings("abcde", 9)


def test_the_splits_are_the_chapters():
    whole = data.alice().text
    parts = [data.alice(split).text for split in ("train", "valid", "test")]
    assert "".join(parts) == whole
    assert parts[1].startswith("CHAPTER XI\n")
    assert parts[2].startswith("CHAPTER XII\n")
    assert len(whole) == len(data.alice()) > 140_000
    assert "different" in repr(data.alice("test"))
    with pytest.raises(ValueError, match="unknown split of alice 'trian': did you mean 'train'"):
        data.alice("trian")
