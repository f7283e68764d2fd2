"""Stored outputs are small and quiet: palette PNGs, no widgets, nothing of the machine."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from tools.notebooks import KERNELSPEC, LANGUAGE_INFO, Cell, Notebook

COLOURS = 256


def tidy(notebook: Notebook) -> None:
    """Make stored outputs small and quiet, in place: nothing of the machine, no widgets."""
    metadata: dict[str, Any] = notebook.data["metadata"]
    metadata.pop("widgets", None)
    metadata["kernelspec"] = dict(KERNELSPEC)
    metadata["language_info"] = dict(LANGUAGE_INFO)
    for count, cell in enumerate(notebook.code, start=1):
        cell["metadata"].pop("execution", None)
        cell["execution_count"] = count
        cell["outputs"] = [output for output in map(_tidied, cell["outputs"]) if output is not None]
        for output in cell["outputs"]:
            if "execution_count" in output:
                output["execution_count"] = count


def _tidied(output: Cell) -> Cell | None:
    """Return an output as it is stored, or None if nothing of it is."""
    if output["output_type"] == "stream":
        return output if output["text"].strip() else None
    data = output.get("data", {})
    if any("widget" in kind for kind in data):
        return None
    if "image/png" in data:
        data["image/png"] = shrink_png(data["image/png"])
    return output


def shrink_png(encoded: str) -> str:
    """Return a PNG, in base64, with a palette of at most 256 colours, if that is smaller.

    Flat colours of a chart come out exactly, because nothing is dithered and a picture with few
    colours keeps them all.
    """
    original = base64.b64decode(encoded)
    with Image.open(io.BytesIO(original)) as image:
        dpi = image.info.get("dpi", (72, 72))  # says how large the picture is to be shown
        card = Image.new("RGBA", image.size, "white")
        card.alpha_composite(image.convert("RGBA"))
    palette = card.convert("RGB").quantize(
        COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE
    )
    with io.BytesIO() as buffer:
        palette.save(buffer, format="PNG", optimize=True, dpi=dpi)
        smaller = buffer.getvalue()
    return base64.b64encode(smaller if len(smaller) < len(original) else original).decode()
