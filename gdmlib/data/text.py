"""Text that comes with the library, so it is there with the network off."""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gdmlib.data import declare
from gdmlib.data.dataset import check_name

CHAPTERS: dict[str, tuple[int, int]] = {"train": (1, 10), "valid": (11, 11), "test": (12, 12)}
"""First and last chapter of each split of :func:`alice`."""

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


@dataclass(frozen=True)
class Text:
    """A text and where it comes from.

    Attributes:
        name: Name of the text, with its split.
        text: The characters.
        source, licence: Who wrote it, and on what terms it may be used.
    """

    name: str
    text: str
    source: str
    licence: str

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        return f"Text {self.name}: {len(self.text)} characters, {len(set(self.text))} different"


@declare.embedded(content="a novel of 148 thousand characters", licence="public domain")
def alice(split: str = "all") -> Text:
    """Load *Alice's Adventures in Wonderland* by Lewis Carroll (1865), in twelve chapters.

    Args:
        split: ``"train"`` (chapters I to X), ``"valid"`` (XI), ``"test"`` (XII) or ``"all"``.

    Returns:
        The text as it was typed, with its line breaks; only spaces at line ends, repeated empty
        lines and the title page are left out.
    """
    check_name(split, (*CHAPTERS, "all"), "split of alice")
    text = _read()
    if split != "all":
        first, last = CHAPTERS[split]
        text = text[_begins(text, first) : _begins(text, last + 1)]
    return Text(
        name=f"alice ({split})",
        text=text,
        source="Lewis Carroll, 'Alice's Adventures in Wonderland', 1865, the edition typed for "
        "Project Gutenberg that is known as alice29.txt of the Canterbury corpus; taken from the "
        "test data of the source package of Brotli 1.2.1",
        licence="public domain (the author died in 1898)",
    )


def _begins(text: str, chapter: int) -> int:
    """Return where a chapter begins; the one after the last begins at the end."""
    if chapter > len(_ROMAN):
        return len(text)
    return text.index(f"CHAPTER {_ROMAN[chapter - 1]}\n")


@lru_cache(maxsize=1)
def _read() -> str:
    packed = (Path(__file__).parent / "alice.txt.xz").read_bytes()
    return lzma.decompress(packed).decode("ascii")
