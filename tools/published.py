"""Keep the list of every address that the book has had: ``python -m tools.published``.

It adds the pages of the present contents to ``book/addresses.txt``; nothing is ever taken out. With
``--check`` it says which are missing, and changes nothing: the pages workflow asks before it
publishes. A listed page that is gone stops the build of the book (``coursebook/moved.py``).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from tools.addresses import ROOT
from tools.notebooks import write_text

LIST = Path("book/addresses.txt")
# What Sphinx makes beside the pages of the contents.
MADE = ("genindex.html", "index.html", "py-modindex.html", "search.html")


def contents(toc: object) -> list[str]:
    """Return the address of every page that a table of contents names."""
    if isinstance(toc, list):
        return [page for part in toc for page in contents(part)]
    if not isinstance(toc, dict):
        return []
    own = [f"{toc[key]}.html" for key in ("root", "file") if key in toc]
    return own + [
        page for key in ("parts", "chapters", "sections") for page in contents(toc.get(key))
    ]


def missing(root: Path = ROOT) -> list[str]:
    """Return the pages of the contents that are not in the list yet."""
    listed = (root / LIST).read_text(encoding="utf-8").splitlines()
    known = {line.partition("->")[0].strip() for line in listed}
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return sorted({*contents(toc), *MADE} - known)


def add(pages: list[str], root: Path = ROOT) -> None:
    """Put addresses into the list, in order; comments stay on top."""
    lines = (root / LIST).read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    addresses = sorted({*pages, *(line for line in lines if line and not line.startswith("#"))})
    write_text(root / LIST, "\n".join([*comments, *addresses]) + "\n")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.published", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if any is new")
    options = parser.parse_args(arguments)
    pages = missing(root)
    for page in pages:
        print(page)
    if options.check and pages:
        print(
            f"{len(pages)} pages are not in {LIST}: run python -m tools.published and commit it",
            file=sys.stderr,
        )
        return 1
    if pages:
        add(pages, root)
    print(f"{len(pages)} pages {'are new' if options.check else 'were added'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
