"""Weights that a lesson's models were trained to: fetched from the repository, once, and checked.

``weights.txt`` has the size, the sha256 and, where it was kept, the processor seconds of each
training; ``python -m tools.weights`` writes it. What is fetched lies in the cache folder of
`gdmlib.data`, and a file whose checksum is wrong is never used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path

from gdmlib import __version__
from gdmlib.data.checksums import Checksum, wrong_checksum
from gdmlib.data.download import download_one, in_short
from gdmlib.data.files import cache_folder, folder_beside, tidy

PLACEHOLDER = "/OWNER/"
_failed: list[str] = []  # why the repository could not be reached: it is asked only once


@dataclass(frozen=True)
class Known:
    """What is known about weights: their content, and the seconds of their training, if any."""

    content: Checksum
    seconds: float | None


@lru_cache(maxsize=1)
def known() -> dict[str, Known]:
    """Return what the library knows of all weights, by name."""
    text = (resources.files("gdmlib") / "weights.txt").read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {
        name: Known(Checksum((digest,), int(size)), None if seconds == "-" else float(seconds))
        for name, size, digest, seconds in rows
    }


def repository() -> str | None:
    """Return the address of the course's repository; None while it has none."""
    for entry in metadata.metadata("gdmlib").get_all("Project-URL") or []:
        label, _, address = entry.partition(", ")
        if label == "Repository" and PLACEHOLDER not in address:
            return address
    return None


def fetch(name: str) -> tuple[Path | None, str]:
    """Return where weights are, from the cache or the repository; or None, and why not.

    Args:
        name: Of the weights, such as ``"13_dcgan_glyphs"``.
    """
    one = known().get(name)
    if one is None:
        return None, "this version of gdmlib knows of none"
    target = cache_folder() / "checkpoints" / f"{name}.safetensors"
    tidy(target.parent)
    if target.is_file() and wrong_checksum(target, one.content) is None:
        return target, ""
    address = repository()
    if address is None:
        return None, "the repository of the course has no address yet"
    if _failed:
        return None, _failed[0]
    url = f"{address}/raw/v{__version__}/checkpoints/{name}.safetensors"
    why = _download(url, target, one.content)
    return (target, "") if why is None else (None, why)


def _download(url: str, target: Path, content: Checksum) -> str | None:
    """Download a file to its place if its content is right; return what went wrong, if anything."""
    import requests

    with folder_beside(target) as folder:
        part = folder / target.name
        try:
            download_one(url, part)
        except requests.exceptions.RequestException as error:
            why = f"{url}: {in_short(error)}"
            if getattr(error, "response", None) is None:  # nobody answers: nor will they next time
                _failed.append(why)
            return why
        wrong = wrong_checksum(part, content)
        if wrong is None:
            part.replace(target)
        return None if wrong is None else f"{url}: {wrong}"


def sentence(name: str, why: str) -> str:
    """Return what to tell readers whose lesson goes on without weights."""
    one = known().get(name)
    first = f"The trained weights {name} are not at hand: {why}."
    if one is None or one.seconds is None:
        return f"{first} What can be trained here is trained now; it may look worse."
    return (
        f"{first} What can be trained here is trained now; it may look worse. Their own training "
        f"took {one.seconds:.0f} seconds of one processor."
    )
