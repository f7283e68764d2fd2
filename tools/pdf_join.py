"""Join printed chapters into one PDF: its outline, its page labels, and links that stay inside.

Chromium prints a link to another page of the book as an address of the press, and one within
the page as a name. Both become jumps to a place of the joined file; what leads to nothing in it
loses its link and keeps its words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urldefrag

from pypdf import PdfReader, PdfWriter
from pypdf.constants import PageLabelStyle
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    DictionaryObject,
    Fit,
    FloatObject,
    NameObject,
    NullObject,
    TextStringObject,
)

from tools.press import Heading

Place = tuple[int, float]  # a page of the joined file, from 0, and the height on it in points


@dataclass(frozen=True)
class Printed:
    """A printed chapter: its address below the book's, its title, its part, headings and PDF."""

    page: str
    title: str
    part: str
    headings: list[Heading]
    pdf: bytes

    @property
    def reader(self) -> PdfReader:
        """Return a reader of the PDF."""
        return PdfReader(BytesIO(self.pdf))


@dataclass
class Joined:
    """What became of the links: how many jump inside, lead outside, or were taken off."""

    inside: int = 0
    outside: int = 0
    dropped: list[str] = field(default_factory=list)


def places(reader: PdfReader, first: int) -> dict[str, Place]:
    """Return where the names of a printed chapter are, if its first page is the page `first`."""
    found = {}
    for name, destination in reader.named_destinations.items():
        number = reader.get_destination_page_number(destination)
        if number is None or number < 0:
            continue
        top = destination.top
        height = (
            float(top)
            if isinstance(top, (int, float))
            else float(reader.pages[number].mediabox.top)
        )
        found[unquote(name.lstrip("/"))] = (first + number, height)
    return found


def join(
    front: Printed, chapters: list[Printed], base: str, about: dict[str, str], target: Path
) -> Joined:
    """Write the joined file.

    Args:
        front: The title page and the contents, on pages i, ii, iii.
        chapters: In order; their pages count from 1.
        base: The address of the press, with which inner links begin.
        about: What the file says of itself: "/Title", "/Author".
        target: The file to write.
    """
    writer, first = PdfWriter(), 0
    known: dict[str, dict[str, Place]] = {}
    starts: list[int] = []
    for chapter in (front, *chapters):
        reader = chapter.reader
        known[chapter.page] = places(reader, first) | {"": (first, 842.0)}
        starts.append(first)
        for page in reader.pages:
            writer.add_page(page)
        first += len(reader.pages)
    ends = [*starts[1:], first]
    links = Joined()
    for chapter, start, end in zip((front, *chapters), starts, ends, strict=True):
        for number in range(start, end):
            _mend(writer, number, chapter.page, known, base, links)
    _outline(writer, front, chapters, known, starts)
    writer.set_page_label(0, starts[1] - 1, style=PageLabelStyle.LOWERCASE_ROMAN)
    writer.set_page_label(starts[1], first - 1, style=PageLabelStyle.DECIMAL)
    writer.add_metadata(about)
    root = writer.root_object
    root[NameObject("/Lang")] = TextStringObject("en")
    shown = DictionaryObject({NameObject("/DisplayDocTitle"): BooleanObject(True)})
    root[NameObject("/ViewerPreferences")] = shown
    writer.page_mode = "/UseOutlines"
    writer.compress_identical_objects(remove_unreferenced=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    writer.write(half)
    half.replace(target)
    return links


def _mend(
    writer: PdfWriter,
    number: int,
    page: str,
    known: dict[str, dict[str, Place]],
    base: str,
    links: Joined,
) -> None:
    """Give each link of a page its place in the joined file."""
    sheet = writer.pages[number]
    kept = ArrayObject()
    for reference in sheet.get("/Annots") or []:
        link = reference.get_object()
        named = link.get("/Dest")
        address = str(link.get("/A", {}).get("/URI", ""))
        if named is not None:
            wanted, name = page, unquote(str(named).lstrip("/"))
        elif address.startswith(base):
            path, fragment = urldefrag(address)
            wanted, name = path.removeprefix(base).lstrip("/"), unquote(fragment)
        else:
            links.outside += 1
            kept.append(reference)
            continue
        goal = known.get(wanted, {}).get(name)
        if goal is None:
            links.dropped.append(f"{wanted}#{name}")
            continue
        for key in ("/A", "/Dest"):
            link.pop(key, None)
        link[NameObject("/Dest")] = _jump(writer, goal)
        links.inside += 1
        kept.append(reference)
    if kept:
        sheet[NameObject("/Annots")] = kept
    else:
        sheet.pop("/Annots", None)


def _jump(writer: PdfWriter, goal: Place) -> ArrayObject:
    """Return a destination: a page, and the height at the top of the window."""
    number, height = goal
    page = writer.pages[number].indirect_reference
    assert page is not None
    return ArrayObject([page, NameObject("/XYZ"), NullObject(), FloatObject(height), NullObject()])


def _outline(
    writer: PdfWriter,
    front: Printed,
    chapters: list[Printed],
    known: dict[str, dict[str, Place]],
    starts: list[int],
) -> None:
    """Write the bookmarks: parts, their chapters, the headings of these."""
    writer.add_outline_item(title=front.title, page_number=0)
    part, parent = "", None
    for chapter, start in zip(chapters, starts[1:], strict=True):
        if chapter.part != part:
            part = chapter.part
            parent = (
                writer.add_outline_item(title=part, page_number=start, bold=True) if part else None
            )
        top = writer.add_outline_item(
            title=chapter.title, page_number=start, parent=parent, is_open=False
        )
        above = top
        for heading in chapter.headings:
            goal = known[chapter.page].get(heading.place)
            if heading.level == 1 or goal is None:
                continue
            fit = Fit.xyz(top=goal[1])
            under = top if heading.level == 2 else above
            item = writer.add_outline_item(
                title=heading.text, page_number=goal[0], parent=under, fit=fit, is_open=False
            )
            above = item if heading.level == 2 else above
