"""Take the still pictures of the moving figures: ``python -m tools.stills [NAME ...]``.

Paper, and readers without JavaScript, get a picture of what a figure shows at first. Chromium draws
it with the very scripts of the book; the picture remembers a checksum of them, and a test says when
it is out of date.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngInfo

STATIC = Path(__file__).resolve().parents[1] / "book" / "_static"
SHARED = ("demo", "panel")
WIDTH, HEIGHT, SCALE = 740, 1000, 2
DPI = 110 * SCALE  # what the book takes for pictures of twice the pixels
COLOURS = 192

# The colours of the theme, which the book's own style sheets refer to.
LIGHT = """:root { --pst-color-text-base: #222832; --pst-color-text-muted: #48566b;
--pst-color-border: #d1d5da; --pst-color-surface: #f3f4f5; --pst-color-background: #ffffff }"""
PLAIN = (
    "body { margin: 0; font: 16px 'DejaVu Sans', sans-serif } .gdm-demo { border: 0; margin: 0 }"
)
ONLY_SEEN = ".gdm-sliders, .gdm-buttons { display: none }"


def names() -> list[str]:
    """Return the moving figures."""
    found = sorted(path.stem for path in (STATIC / "demos").glob("*.js"))
    return [name for name in found if name not in SHARED]


def sources(name: str) -> list[Path]:
    """Return the files that draw a moving figure."""
    return [STATIC / "demos" / f"{part}.js" for part in (*SHARED, name)] + [STATIC / "demos.css"]


def checksum(name: str) -> str:
    """Return what changes when a file does that draws the figure."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources(name))).hexdigest()


def page(name: str, more_style: str = "") -> str:
    """Return a page with one moving figure and nothing else."""
    *scripts, style = (path.read_text(encoding="utf-8") for path in sources(name))
    parts = "".join(f"<script>{script}</script>" for script in scripts)
    return (
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f'<title>{name}</title><meta name="viewport" content="width=device-width">'
        f"<style>* {{ box-sizing: border-box }} {LIGHT} {style} {PLAIN} {more_style}</style>{parts}"
        f'</head><body><main><div class="gdm-demo" data-demo="{name}"></div></main></body></html>'
    )


def find_chromium() -> str:
    """Return the path of Chromium or Chrome.

    Raises:
        FileNotFoundError: If there is none.
    """
    known = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    for path in (os.environ.get("CHROME"), *map(shutil.which, known)):
        if path and Path(path).is_file():
            return path
    raise FileNotFoundError(
        "no Chromium was found; install it (Debian: apt-get install chromium), or set CHROME to "
        "the path of Chromium or Chrome"
    )


def trim(picture: Image.Image) -> Image.Image:
    """Return a picture without the white round it."""
    box = ImageChops.difference(picture, Image.new("RGB", picture.size, "white")).getbbox()
    if box is None:
        raise ValueError("the picture is empty: the figure's script has drawn nothing")
    return picture.crop(box)


def take(name: str, target: Path) -> None:
    """Draw one figure and write its picture.

    Raises:
        FileNotFoundError: If there is no Chromium.
        ValueError: If nothing was drawn.
    """
    with tempfile.TemporaryDirectory() as folder:
        html, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        html.write_text(page(name, ONLY_SEEN), encoding="utf-8")
        command = [find_chromium(), "--headless=new", "--no-sandbox", "--disable-gpu"]
        command += ["--hide-scrollbars", "--disable-background-networking"]
        command += [f"--force-device-scale-factor={SCALE}", f"--window-size={WIDTH},{HEIGHT}"]
        command += ["--virtual-time-budget=2000", f"--screenshot={shot}", html.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        with Image.open(shot) as picture:
            small = trim(picture.convert("RGB")).quantize(COLOURS, dither=Image.Dither.NONE)
    notes = PngInfo()
    notes.add_text("sources", checksum(name))
    small.save(target, optimize=True, pnginfo=notes, dpi=(DPI, DPI))


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Take the still pictures of the moving figures.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="all, if none is named")
    wanted = parser.parse_args(arguments).names or names()
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"expected names among {', '.join(names())}, got {unknown[0]}", file=sys.stderr)
        return 1
    for name in wanted:
        target = STATIC / "demos" / f"{name}.png"
        take(name, target)
        with Image.open(target) as picture:
            print(target.name, picture.size, target.stat().st_size, "bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
