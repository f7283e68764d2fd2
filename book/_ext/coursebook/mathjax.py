"""Serve MathJax from the book itself: formulas need no network, and work over file:// too."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

# The full component: the small one loads extensions (\boldsymbol is one) lazily, and one missing
# file leaves every formula of the page untypeset.
SCRIPT = Path("tex-chtml-full.js")
FONTS = Path("output/chtml/fonts/woff-v2")
TARGET = "mathjax"


def source_folder() -> Path:
    """Return the folder of the MathJax copy that the package sphinx-mathjax-offline carries."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ExtensionError("pip install sphinx-mathjax-offline: it carries the book's MathJax")
    return Path(spec.origin).parent / "static" / "mathjax"


def copy_mathjax(source: Path, target: Path) -> list[Path]:
    """Copy the script and its fonts, about 1.7 MB, and return the files written."""
    written = []
    for file in [source / SCRIPT, *sorted((source / FONTS).glob("*.woff"))]:
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        written.append(copy)
    return written


def _set_path(app: Sphinx, config: Config) -> None:
    config.mathjax_path = f"{TARGET}/{SCRIPT.name}"


def _copy(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        copy_mathjax(source_folder(), Path(app.outdir) / "_static" / TARGET)


def setup(app: Sphinx) -> None:
    """Register the handlers."""
    app.connect("config-inited", _set_path)
    app.connect("build-finished", _copy)
