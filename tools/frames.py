"""Make the sheets of the sliders over frames: ``python -m tools.frames [NAME ...]``.

Where a model is too large for a moving figure in the page, its frames are made here, once, from the
weights of ``checkpoints/`` or from the samples that `benchmarks.seconds` kept. A sheet holds all
frames below each other, as lossless WebP; beside it stands what the page says of each, and a
checksum of what it was made from, so that a test can tell when it is out of date.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tools import strips
from tools.strips import ROOT, STRIPS, Strip

FOLDER = ROOT / "book" / "_static" / "frames"
MOST_BYTES = 15_000  # of a sheet


def checksum(strip: Strip) -> str:
    """Return what changes when a file does from which a strip is made."""
    parts = [Path(strips.__file__).read_bytes(), *(path.read_bytes() for path in strip.sources())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def sheet(frames: Sequence[np.ndarray]) -> Image.Image:
    """Return all frames below each other.

    Raises:
        ValueError: If there are fewer than two, or they differ in size.
    """
    if len({frame.shape for frame in frames}) != 1 or len(frames) < 2:
        shapes = [frame.shape for frame in frames]
        raise ValueError(f"frames: expected at least two of one shape, got {shapes}")
    return Image.fromarray(np.concatenate(list(frames)))


def take(name: str, folder: Path = FOLDER) -> Path:
    """Make one sheet and what is said of it; return the path of the sheet.

    Raises:
        ValueError: If it is larger than a page should have to load.
    """
    strip = STRIPS[name]
    frames, words = strip.make()
    if len(frames) != len(words):
        raise ValueError(f"{name}: {len(frames)} frames, but words for {len(words)}")
    picture, target = sheet(frames), folder / f"{name}.webp"
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(target, lossless=True, quality=100, method=6)
    if target.stat().st_size > MOST_BYTES:
        raise ValueError(
            f"{name}: {target.stat().st_size} bytes, more than {MOST_BYTES}; make fewer frames, or "
            "frames of fewer pixels or grey levels"
        )
    height, width = frames[0].shape[:2]
    about = {
        "title": strip.title,
        "alt": strip.alt,
        "slider": strip.slider,
        "words": words,
        "width": width,
        "height": height,
        "sources": checksum(strip),
    }
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    target.with_suffix(".json").write_text(text, encoding="utf-8")
    return target


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make the sheets of the sliders over frames.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="all, if none is named")
    wanted = parser.parse_args(arguments).names or list(STRIPS)
    unknown = sorted(set(wanted) - set(STRIPS))
    if unknown:
        print(f"expected names among {', '.join(STRIPS)}, got {unknown[0]}", file=sys.stderr)
        return 1
    for name in wanted:
        target = take(name)
        with Image.open(target) as picture:
            print(target.name, picture.size, target.stat().st_size, "bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
