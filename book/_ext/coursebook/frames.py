"""Sliders over frames made beforehand: the directive ``{frames}``, and links to one in lessons.

``{frames}`` with the names of one or more sheets of ``book/_static/frames`` puts them on a page,
with one slider for all. As with moving figures, a lesson holds a paragraph that is nothing but a
link, ``[Words](../book/moving.md#frames-diffusion)``, and the book puts the frames above it.

A sheet holds all frames below each other. Style alone shows the last of them, on paper and where no
script runs; a sentence then says so. `tools.frames` makes the sheets.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective, SphinxTranslator

PAGE = "book/moving"
FOLDER = "_static/frames"  # in book
KEYS = {"title", "alt", "slider", "words", "width", "height", "sources"}

Sheet = dict[str, Any]


class frames(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes so
    """Sheets with one slider; its child says what is shown where there is no slider."""


def read_sheet(folder: Path, name: str) -> Sheet:
    """Return what is said of a sheet.

    Raises:
        ValueError: If there is none of this name, or something is missing.
    """
    known = sorted(path.stem for path in folder.glob("*.json"))
    if name not in known or not (folder / f"{name}.webp").is_file():
        raise ValueError(
            f"frames: expected one of {', '.join(known)}, got {name!r}; python -m tools.frames "
            "makes the sheets"
        )
    found: Sheet = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    if set(found) != KEYS or len(found["words"]) < 2:
        raise ValueError(
            f"frames: {name}.json has the keys {', '.join(sorted(found))}, and should have "
            f"{', '.join(sorted(KEYS))}, with words for two frames or more; make it again by "
            f"python -m tools.frames {name}"
        )
    return found


def frames_node(env: BuildEnvironment, names: list[str], words: list[str] | None = None) -> frames:
    """Return sheets with one slider.

    Args:
        env: Of the build.
        names: Of the sheets.
        words: What the slider says at each frame; left out, what the first sheet says.

    Raises:
        ValueError: If a sheet is missing or broken, or they have not equally many frames.
    """
    folder = Path(env.srcdir, "book", FOLDER)
    sheets = [read_sheet(folder, name) for name in names]
    for name in names:
        env.note_dependency(str(folder / f"{name}.json"))
    counts = {name: len(s["words"]) for name, s in zip(names, sheets, strict=True)}
    given = len(words) if words is not None else len(sheets[0]["words"])
    if set(counts.values()) != {given}:
        raise ValueError(f"frames: expected {given} frames of each sheet, got {counts}")
    last = (words or sheets[0]["words"])[-1]
    still = (
        f"This is the last of {given} frames ({last}). On a screen, and where JavaScript runs, a "
        "slider shows the others."
    )
    said = nodes.paragraph("", still, classes=["gdm-still"])
    return frames("", said, names=names, sheets=sheets, words=words)


class FramesDirective(SphinxDirective):
    """The ``frames`` directive."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"words": directives.unchanged_required}  # noqa: RUF012 - as docutils has it

    def run(self) -> list[nodes.Node]:
        """Return the sheets."""
        words = self.options.get("words")
        split = [word.strip() for word in words.split(";")] if words else None
        try:
            return [frames_node(self.env, self.arguments[0].split(), split)]
        except ValueError as error:
            raise self.error(str(error)) from None


class EmbedFrames(SphinxTransform):
    """Put frames above each paragraph of another page that is nothing but a link to them."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Look at every paragraph."""
        for paragraph in list(self.document.findall(nodes.paragraph)):
            name = linked(paragraph)
            if name and self.env.docname != PAGE:
                paragraph.parent.insert(
                    paragraph.parent.index(paragraph), frames_node(self.env, [name])
                )


def linked(paragraph: nodes.paragraph) -> str | None:
    """Return the name of the sheet that a paragraph is a link to, or None."""
    if len(paragraph) != 1 or not isinstance(paragraph[0], pending_xref):
        return None
    page, _, anchor = paragraph[0].get("reftarget", "").partition("#")
    anchor = paragraph[0].get("reftargetid") or anchor
    if page != PAGE or not anchor.startswith("frames-"):
        return None
    return anchor.removeprefix("frames-").replace("-", "_")


def strip_html(name: str, sheet: Sheet, folder: str, own_words: bool) -> str:
    """Return one sheet in a window of the size of a frame, with its title and what is said."""
    height, count = sheet["height"], len(sheet["words"])
    notes = escape(json.dumps(sheet["words"], ensure_ascii=False), quote=True)
    note = (
        f'<span class="gdm-strip-note" data-words="{notes}">{escape(sheet["words"][-1])}</span>'
        if own_words
        else ""
    )
    return (
        f'<div class="gdm-strip"><div class="gdm-strip-name"><b>{escape(sheet["title"])}</b>{note}'
        f'</div><div class="gdm-strip-frame" style="aspect-ratio: {sheet["width"]} / {height}">'
        f'<img src="{folder}/{name}.webp" alt="{escape(sheet["alt"], quote=True)}" '
        f'width="{sheet["width"]}" height="{height * count}"/></div></div>\n'
    )


def _visit(self: SphinxTranslator, node: frames) -> None:
    sheets, words = node["sheets"], node["words"]
    shown = words or sheets[0]["words"]
    folder = "../" * self.builder.current_docname.count("/") + "_static/frames"
    parts = zip(node["names"], sheets, strict=True)
    self.body.append(
        f'<div class="gdm-frames" role="group" aria-label="Frames: {escape(sheets[0]["title"])}" '
        f'style="--n: {len(shown)}" data-slider="{escape(sheets[0]["slider"], quote=True)}" '
        f'data-words="{escape(json.dumps(shown, ensure_ascii=False), quote=True)}">\n'
        '<div class="gdm-strips">\n'
        + "".join(strip_html(*part, folder, words is not None) for part in parts)
        + "</div>\n"
    )


def _depart(self: SphinxTranslator, node: frames) -> None:
    self.body.append("</div>\n")


def _pass(self: SphinxTranslator, node: frames) -> None:
    pass


def _add_script(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Let a page with frames load the script, and no other page."""
    if doctree is not None and next(iter(doctree.findall(frames)), None) is not None:
        app.add_js_file("frames.js", defer="defer")


def setup(app: Sphinx) -> None:
    """Register the directive, the transform, and what a page loads."""
    app.add_node(frames, html=(_visit, _depart), latex=(_pass, _pass), text=(_pass, _pass))
    app.add_directive("frames", FramesDirective)
    app.add_transform(EmbedFrames)
    app.connect("html-page-context", _add_script)
