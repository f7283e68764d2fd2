"""Put the books of several versions into one site: ``python -m tools.versions SITE ARCHIVE...``.

Each archive is ``book-X.Y.Z.zip``, the pages of one version. The site has each below ``vX.Y.Z/``,
and the newest at its top as well, so that an address without a version stays good. In all of them
``versions.json`` is written: from it the pages offer a choice (``book/_static/editions.js``).

    python -m tools.versions --pack _build/html FOLDER     makes FOLDER/book-X.Y.Z.zip of a build
    python -m tools.versions --earlier FOLDER              fetches those of the published site

The archives lie on the site, too: to be read offline, and to be published again beside later ones.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import zipfile
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tools.addresses import book, repository, version

FILE = "versions.json"
_NAME = re.compile(r"book-(?P<version>\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)\.zip")


def order(name: str) -> tuple[tuple[int, ...], int, tuple[str, int]]:
    """Return by what a version is sorted: 0.10.0 after 0.9.0, and 1.0.0rc1 before 1.0.0."""
    numbers, stage, count = re.fullmatch(r"([\d.]+)(a|b|rc)?(\d*)", name).groups()  # type: ignore[union-attr]
    parts = tuple(int(part) for part in numbers.rstrip(".").split("."))
    # "1.0.0rc1": the digits after the stage are its count, those before it the version.
    return parts, int(stage is None), (stage or "", int(count or 0))


def pack(pages: Path, folder: Path, name: str) -> Path:
    """Return the archive made of a built book.

    Raises:
        ValueError: If the folder holds no book.
    """
    if not (pages / "book" / "index.html").is_file():
        raise ValueError(f"{pages}: expected a built book; run `make book` first")
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.make_archive(str(folder / f"book-{name}"), "zip", pages))


def table(here: str, names: list[str], way: str) -> str:
    """Return what the pages of one version are told of all.

    Args:
        here: The version that is told.
        names: All versions, the newest first.
        way: From its first page to the top of the site, such as ``"../"``.
    """
    versions = [{"name": name, "place": f"{way}v{name}/"} for name in names]
    return json.dumps({"here": here, "versions": versions}, indent=1) + "\n"


def assemble(site: Path, archives: list[Path]) -> list[str]:
    """Make the site; return its versions, the newest first.

    Raises:
        ValueError: If an archive is none, has another name, occurs twice or holds no book, or if
            the folder of the site is not empty. Nothing is written then.
    """
    if site.exists() and any(site.iterdir()):
        raise ValueError(f"{site}: expected an empty folder, or none")
    books: dict[str, Path] = {}
    for archive in archives:
        match = _NAME.fullmatch(archive.name)
        if match is None:
            raise ValueError(f"{archive}: expected a name such as book-1.2.3.zip")
        if match["version"] in books:
            raise ValueError(f"{archive}: version {match['version']} is there twice")
        _check(archive)
        books[match["version"]] = archive
    if not books:
        raise ValueError("expected at least one archive, book-X.Y.Z.zip")
    names = sorted(books, key=order, reverse=True)
    newest = next((name for name in names if name.replace(".", "").isdigit()), names[0])
    for name, place, way in [(newest, site, "./"), *((n, site / f"v{n}", "../") for n in names)]:
        with zipfile.ZipFile(books[name]) as opened:
            opened.extractall(place)
        (place / FILE).write_text(table(name, names, way), encoding="utf-8")
    for archive in archives:
        shutil.copyfile(archive, site / archive.name)
    return names


def earlier(site: str, folder: Path) -> list[Path]:
    """Fetch the archives of all versions that a site holds; none if nothing is published there.

    Args:
        site: Its address, ending with a slash.
        folder: Where the archives go.

    Raises:
        ValueError: If the site, or one of its archives, cannot be fetched: a version would be lost.
    """
    try:
        names = [entry["name"] for entry in json.loads(_fetch(site + FILE))["versions"]]
    except HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return []
        raise ValueError(f"{site}{FILE}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{site}{FILE}: {error}") from None
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name in names:
        archive = folder / f"book-{name}.zip"
        try:
            archive.write_bytes(_fetch(site + archive.name))
        except OSError as error:
            raise ValueError(f"{site}{archive.name}: {error}; no version may be lost") from None
        found.append(archive)
    return found


def _fetch(address: str) -> bytes:
    with urlopen(address, timeout=300) as answer:
        return answer.read()


def _check(archive: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            names, broken = opened.namelist(), opened.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{archive}: {error}") from None
    if broken or "book/index.html" not in names:
        raise ValueError(f"{archive}: expected a book, with book/index.html; pack it again")
    outside = [name for name in names if name.startswith("/") or ".." in Path(name).parts]
    if outside:
        raise ValueError(f"{archive}: {outside[0]} lies outside of the book")


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.versions", description=__doc__)
    parser.add_argument("--pack", type=Path, metavar="BOOK", help="make an archive of a built book")
    parser.add_argument("--earlier", action="store_true", help="fetch the published archives")
    parser.add_argument("--site", help="its address, by default that of the repository's pages")
    parser.add_argument("folder", type=Path, help="the site, or where archives go")
    parser.add_argument("archives", type=Path, nargs="*")
    options = parser.parse_args(arguments)
    try:
        if options.earlier:
            home = options.site or book(repository())
            if home is None:
                raise ValueError("the repository has no pages: name the site, --site ADDRESS")
            for archive in earlier(home.rstrip("/") + "/", options.folder):
                print(archive)
        elif options.pack:
            print(pack(options.pack, options.folder, version()))
        else:
            names = assemble(options.folder, options.archives)
            print(f"{options.folder}: {', '.join(names)}; the newest is at the top")
    except ValueError as error:
        print(f"python -m tools.versions: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
