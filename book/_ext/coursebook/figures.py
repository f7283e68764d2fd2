"""Show a picture of twice the pixels at its own size, as a notebook does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

SCREEN_DPI = 110  # gdmlib.plotting draws at this resolution


def shown_width(path: Path) -> int | None:
    """Return the width in CSS pixels of a picture with more pixels than that, else None."""
    with Image.open(path) as picture:
        dpi = picture.info.get("dpi", (SCREEN_DPI, SCREEN_DPI))[0]
        return round(picture.width * SCREEN_DPI / dpi) if dpi > 1.2 * SCREEN_DPI else None


class ShowAtOwnSize(SphinxPostTransform):
    """Give the pictures of notebooks the width that their resolution asks for."""

    default_priority = 10

    def run(self, **kwargs: Any) -> None:
        """Set the width of each PNG that has none."""
        for image in self.document.findall(nodes.image):
            path = Path(self.app.srcdir, image["uri"])
            if path.suffix == ".png" and "width" not in image and path.is_file():
                width = shown_width(path)
                if width is not None:
                    image["width"] = f"{width}px"


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_post_transform(ShowAtOwnSize)
