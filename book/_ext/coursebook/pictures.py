"""Pictures open at full size; an animation stands still until it is played.

A figure's picture is a link to its file, which a script shows in a window of the page. Of an
animation the page shows the last frame; the script plays it, once, from a sheet of all frames. On
paper stand four moments of it.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from PIL import Image, ImageOps
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxTranslator

MOMENTS = 4
EDGE = 4  # pixels of white round each moment on paper


def frames_of(path: Path) -> tuple[list[Image.Image], int]:
    """Return the frames of an animation, and how long the first is shown, in milliseconds."""
    with Image.open(path) as animation:
        duration = int(animation.info.get("duration", 0)) or 100
        frames = []
        for number in range(getattr(animation, "n_frames", 1)):
            animation.seek(number)
            frames.append(animation.convert("RGB"))
        return frames, duration


def sheet(frames: list[Image.Image], columns: int) -> Image.Image:
    """Return all frames on one picture, row by row."""
    width, height = frames[0].size
    rows = -(-len(frames) // columns)
    picture = Image.new("RGB", (columns * width, rows * height), "white")
    for number, frame in enumerate(frames):
        picture.paste(frame, (number % columns * width, number // columns * height))
    return picture


def moments(frames: list[Image.Image]) -> Image.Image:
    """Return a few frames from the first to the last: side by side, or below each other if wide."""
    last = len(frames) - 1
    chosen = [frames[round(last * k / (MOMENTS - 1))] for k in range(MOMENTS)]
    wide = frames[0].width > 2 * frames[0].height
    return sheet([ImageOps.expand(f, EDGE, "white") for f in chosen], 1 if wide else MOMENTS)


def derived(path: Path) -> dict[str, Path]:
    """Return the places of the pictures that are made from an animation."""
    return {name: path.with_suffix(f".{name}.png") for name in ("last", "sheet", "moments")}


def write_derived(path: Path) -> None:
    """Write the last frame, the sheet of all frames and the moments for paper beside a file."""
    frames, _ = frames_of(path)
    places = derived(path)
    pictures = {"last": frames[-1], "sheet": sheet(frames, 1), "moments": moments(frames)}
    for name, picture in pictures.items():
        picture.quantize(128).save(places[name], optimize=True)


def animation_html(source: str, alt: str, path: Path) -> str:
    """Return the animation as a page shows it: a still picture that links to the moving one."""
    frames, duration = frames_of(path)
    width, height = frames[0].size
    last, every, paper = (place.name for place in derived(Path(source)).values())
    folder = source.rpartition("/")[0]
    return (
        f'<span class="gdm-animation" data-sheet="{folder}/{every}" data-frames="{len(frames)}" '
        f'data-duration="{duration}"><a href="{source}"><img src="{folder}/{last}" alt="{alt}" '
        f'width="{width}" height="{height}"/></a></span>'
        f'<img class="gdm-moments" src="{folder}/{paper}" alt="Four moments of it."/>'
    )


def _visit_image(self: SphinxTranslator, node: nodes.image) -> None:
    """Write a picture; one in a figure becomes a link to its file."""
    images = self.builder.images
    linked = isinstance(node.parent, nodes.reference)
    if not isinstance(node.parent, nodes.figure) or linked or node["uri"] not in images:
        type(self).visit_image(self, node)  # type: ignore[attr-defined]
        return
    source = f"{self.builder.imgpath}/{quote(images[node['uri']])}"
    path = Path(self.builder.srcdir, node["uri"])
    if path.suffix == ".gif" and len(frames_of(path)[0]) > 1:
        self.body.append(animation_html(source, self.attval(node.get("alt", "")), path))
        return
    self.body.append(f'<a class="gdm-full-size" href="{source}" title="Open at full size">')
    type(self).visit_image(self, node)  # type: ignore[attr-defined]
    self.body.append("</a>")


def _depart_image(self: SphinxTranslator, node: nodes.image) -> None:
    pass


def _write_all(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        for path in Path(app.outdir, app.builder.imagedir).glob("*.gif"):
            write_derived(path)


def _own_links(app: Sphinx, config: Config) -> None:
    config.html_scaled_image_link = False


def setup(app: Sphinx) -> None:
    """Register how pictures are written, and what is made when they have been copied."""
    app.connect("config-inited", _own_links)
    app.add_node(nodes.image, override=True, html=(_visit_image, _depart_image))
    app.connect("build-finished", _write_all)
