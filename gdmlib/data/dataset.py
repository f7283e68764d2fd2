"""What every loader returns, and the errors that loaders raise."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gdmlib._checks import check_count


class UnknownDatasetError(ValueError):
    """No data set (or part of one) has this name."""


class DataNotFoundError(FileNotFoundError):
    """A data file is not on this machine and could not be fetched."""


class ChecksumError(OSError):
    """A file is there, but its content is not what its checksum says."""


class CacheError(OSError):
    """The folder for downloads and renderings cannot be written."""


def check_name(name: str, known: Iterable[str], what: str) -> str:
    """Return ``name`` if it is one of ``known``, or raise an error that suggests the nearest."""
    names = list(known)
    if name in names:
        return name
    close = difflib.get_close_matches(str(name), names, n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    raise UnknownDatasetError(f"unknown {what} {name!r}: {hint}known are {', '.join(names)}")


def check_seed(seed: int) -> int:
    """Return ``seed`` as an int if numpy's ``RandomState`` takes it."""
    number = check_count(seed, "seed", least=0)
    if number >= 2**32:
        raise ValueError(f"seed: expected a whole number from 0 to 2**32 - 1, got {seed}")
    return number


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples, labels if there are any, and where they come from.

    Attributes:
        name: Name of the set, with its split.
        x: The examples, ``float32``: images ``(N, C, H, W)`` in [0, 1], tables ``(N, d)``.
        y: Labels ``(N,)``, ``int64``, which index ``classes``; None where there are none.
        classes: What the labels mean.
        source, licence: Who made the data, and on what terms they may be used.
        attributes: More that is known, mostly with one row an example.
        columns: What the columns of a table mean, with units.
        shared: Names of those attributes that describe the set as a whole, not one row an example.
    """

    name: str
    x: Tensor
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    attributes: dict[str, Tensor] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Tensor | tuple[Tensor, Tensor]:
        """Return an example, with its label if there are any, for a DataLoader of torch."""
        return self.x[index] if self.y is None else (self.x[index], self.y[index])

    def __repr__(self) -> str:
        parts = [f"x {tuple(self.x.shape)}"]
        if self.y is not None:
            count = len(self.classes)
            parts.append(f"y {tuple(self.y.shape)}" + (f" in {count} classes" if count else ""))
        if self.attributes:
            parts.append("attributes " + ", ".join(self.attributes))
        return f"Dataset {self.name}: " + ", ".join(parts)

    def take(self, index: Tensor | Sequence[int]) -> Dataset:
        """Return the examples at ``index`` (integers, or one Boolean an example) as a data set."""
        chosen = torch.as_tensor(index)
        if chosen.dtype != torch.bool and (chosen.numel() == 0 or not chosen.is_floating_point()):
            chosen = chosen.long()  # torch takes bytes for a mask, and nothing for floats
        return replace(
            self,
            x=self.x[chosen],
            y=None if self.y is None else self.y[chosen],
            attributes={
                key: value if key in self.shared else value[chosen]
                for key, value in self.attributes.items()
            },
        )


class Pictures(dict[str, Tensor]):
    """Pictures of different sizes: from name to a tensor ``(C, H, W)``, mostly in [0, 1].

    Attributes:
        name: Name of the set, with its split.
        source, licence: Who made the pictures, and on what terms they may be used.
    """

    def __init__(
        self, pictures: Mapping[str, Tensor], *, name: str, source: str, licence: str
    ) -> None:
        super().__init__(pictures)
        self.name = name
        self.source = source
        self.licence = licence

    def __repr__(self) -> str:
        sizes = [f"{key} {tuple(value.shape)}" for key, value in self.items()]
        shown = ", ".join(sizes[:8]) + (f", ... ({len(sizes)} in all)" if len(sizes) > 8 else "")
        return f"Pictures {self.name}: {shown}"
