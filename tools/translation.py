"""Translations of the book: ``python -m tools.translation`` says what is missing or wrong.

    python -m tools.translation                           count, for each page, what is left to do
    python -m tools.translation update de notebooks/02_gaussian_mle    take over a changed source
    python -m tools.translation build de                  the book in German, _build/html-de

Texts stand in ``locale/LANGUAGE/LC_MESSAGES/PAGE.po``, by paragraphs. A page without a file is
shown in English, and says so at its top. ``locale/LANGUAGE/complete.txt`` names the pages that are
said to be complete: the command fails where one of them lacks a text, or has a fuzzy one. It fails
everywhere where a translation has lost a formula, a link, a role, code or an equation's number.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po

from tools.addresses import ROOT
from tools.texts import Page, compare, read


def jupyter_book(target: Path, *options: str, root: Path = ROOT) -> None:
    """Run Jupyter Book; its log is shown if it fails.

    Raises:
        ValueError: If it fails.
    """
    program = "from jupyter_book.cli.main import main; main(prog_name='jupyter-book')"
    command = [sys.executable, "-c", program, "build", str(root), "--path-output", str(target)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=root)
    if done.returncode:
        raise ValueError(f"Jupyter Book ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def contents_of(pages: list[str], target: Path, root: Path = ROOT) -> Path:
    """Write the contents of a book of the first page and these; captions of parts stay."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    # A part needs a chapter: an address in its place, whose title has no words.
    place = {"url": "https://example.org", "title": "–"}
    for part in toc.get("parts", []):
        names = {*pages} & {*_names(part["chapters"])}
        part["chapters"] = [{"file": name} for name in sorted(names)] or [place]
    target.write_text(yaml.safe_dump(toc), encoding="utf-8")
    return target


def _names(chapters: list[dict]) -> Iterator[str]:
    for chapter in chapters:
        yield chapter.get("file", "")
        yield from _names(chapter.get("sections", []))


def catalogue(pages: list[str], folder: Path, root: Path = ROOT) -> Path:
    """Return the folder of the English texts of some pages; it takes some seconds."""
    toc = contents_of(pages, folder / "toc.yml", root)
    jupyter_book(
        folder, "--toc", str(toc), "--builder=custom", "--custom-builder=gettext", root=root
    )
    return folder / "_build" / "gettext"


def languages(root: Path = ROOT) -> dict[str, list[str]]:
    """Return the pages that each language has a file for."""
    found = sorted(path for path in (root / "locale").glob("*/LC_MESSAGES") if path.is_dir())
    return {
        folder.parent.name: [
            path.relative_to(folder).with_suffix("").as_posix()
            for path in sorted(folder.rglob("*.po"))
        ]
        for folder in found
    }


def complete(language: str, root: Path = ROOT) -> list[str]:
    """Return the pages whose translation is said to be complete."""
    path = root / "locale" / language / "complete.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def place(language: str, page: str, root: Path = ROOT) -> Path:
    """Return where the texts of a page stand in a language."""
    return root / "locale" / language / "LC_MESSAGES" / f"{page}.po"


def check(language: str, pages: list[str], texts: Path, root: Path = ROOT) -> list[Page]:
    """Return what is left to do on each page.

    Args:
        language: Such as ``"de"``.
        pages: Those that have a file.
        texts: The folder that `catalogue` returned.

    Raises:
        ValueError: If a page of the list of complete ones has no file, or a file is none.
    """
    homeless = sorted({*complete(language, root)} - {*pages})
    if homeless:
        raise ValueError(f"locale/{language}/complete.txt: {homeless[0]} has no file of texts")
    found = []
    for page in pages:
        source = texts / f"{page}.pot"
        if not source.is_file():
            raise ValueError(f"{place(language, page, root)}: the book has no page {page}")
        found.append(compare(page, read(source), read(place(language, page, root))))
    return found


def report(language: str, found: list[Page], done: list[str]) -> tuple[list[str], bool]:
    """Return the lines of a table, and whether all is well.

    Args:
        language: Such as ``"de"``.
        found: What is left to do on each page.
        done: The pages that are said to be complete.
    """
    lines = [f"{language:32} texts  missing  fuzzy    new  broken"]
    well = True
    for page in found:
        counts = [page.total, *map(len, (page.missing, page.fuzzy, page.new, page.broken))]
        marks = "complete" if page.name in done else ""
        lines.append(f"  {page.name:30}" + "".join(f"{count:7}" for count in counts) + f"  {marks}")
        lines += [f"    broken: {text}" for text in page.broken]
        if page.name in done:
            well = well and not page.left
            for kind in ("missing", "fuzzy", "new"):
                lines += [f"    {kind}: {text[:90]!r}" for text in getattr(page, kind)]
        well = well and not page.broken
    if any(page.new for page in found):
        lines.append(
            f"  new: changed in English; python -m tools.translation update {language} PAGE"
        )
    return lines, well


def update(language: str, page: str, root: Path = ROOT) -> Path:
    """Take over the present English texts of a page; what changed a little becomes fuzzy.

    Raises:
        ValueError: If the book has no such page.
    """
    with tempfile.TemporaryDirectory() as folder:
        texts = catalogue([page], Path(folder), root) / f"{page}.pot"
        if not texts.is_file():
            raise ValueError(f"the book has no page {page}; expected one such as book/index")
        source, target = read(texts), place(language, page, root)
    merged = read(target) if target.is_file() else Catalog(locale=language, fuzzy=False)
    merged.update(source)
    merged.obsolete.clear()
    for message in merged:
        message.locations = []  # lines change with every edit of a page
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        write_po(file, merged, width=0, omit_header=False, ignore_obsolete=True)
    return target


def build(language: str, *options: str, root: Path = ROOT, target: Path | None = None) -> Path:
    """Build the book in a language; return the folder of its pages.

    Raises:
        ValueError: If there is no such language, or Jupyter Book fails.
    """
    pages = languages(root).get(language)
    if pages is None:
        raise ValueError(f"{language}: expected one of {', '.join(languages(root)) or 'none yet'}")
    work = target or root / "_build" / f".html-{language}"
    shutil.rmtree(work, ignore_errors=True)
    for page in pages:
        compiled = work / "locale" / language / "LC_MESSAGES" / f"{page}.mo"
        compiled.parent.mkdir(parents=True, exist_ok=True)
        with compiled.open("wb") as file:
            write_mo(file, read(place(language, page, root)))
    settings = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["config"] |= {"language": language, "locale_dirs": [str(work / "locale")]}
    # The settings lie elsewhere, and these are looked for beside them.
    own = settings["sphinx"]["local_extensions"]
    settings["sphinx"]["local_extensions"] = {name: str(root / own[name]) for name in own}
    config = work / "config.yml"
    config.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    jupyter_book(work, "--config", str(config), *options, root=root)
    return work / "_build" / "html"


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.translation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("action", nargs="?", choices=["check", "update", "build"], default="check")
    parser.add_argument("language", nargs="?", help="such as de; `check` takes all")
    parser.add_argument("pages", nargs="*", help="such as notebooks/02_gaussian_mle")
    options = parser.parse_args(arguments)
    try:
        if options.action == "update":
            for page in options.pages or languages().get(options.language, []):
                print(update(options.language, page).relative_to(ROOT))
            return 0
        if options.action == "build":
            book = ROOT / "_build" / f"html-{options.language}"
            made = build(options.language, "-W", "-n", "--keep-going")
            shutil.rmtree(book, ignore_errors=True)
            shutil.move(made, book)
            print(f"The course is at {(book / 'index.html').relative_to(ROOT)}")
            return 0
        return _check_all(options.language)
    except ValueError as error:
        print(f"python -m tools.translation: {error}", file=sys.stderr)
        return 1


def _check_all(language: str | None) -> int:
    every = languages()
    chosen = {language: every.get(language, [])} if language else every
    with tempfile.TemporaryDirectory() as folder:
        pages = sorted({page for pages in chosen.values() for page in pages})
        texts = catalogue(pages, Path(folder))
        results = [
            report(name, check(name, pages, texts), complete(name))
            for name, pages in chosen.items()
        ]
    for lines, _ in results:
        print("\n".join(lines))
    return 0 if all(well for _, well in results) else 1


if __name__ == "__main__":
    sys.exit(main())
