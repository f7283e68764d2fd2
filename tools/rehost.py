"""Set the repository's address everywhere: ``make rehost URL=https://host/owner/name``.

The address stands in one place, ``[project.urls] Repository`` of ``pyproject.toml``. From there
this tool carries it to every other: the notebooks' Colab cells and links, the book's configuration
and pages, README, CITATION, workflows. Without an address it repairs what has drifted from the one
place, and sets the library's version where an address carries a tag: do so before a release.

All files are written, or none. No lesson has to run again: what a notebook says about its own
address does not count in the hash of its source.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tools.addresses import BADGE, ROOT, badge, colab_cell, is_setup, repository, version
from tools.notebooks import dumps, is_fresh, read, source_hash, write_text

SUFFIXES = {
    ".bib",
    ".cff",
    ".cfg",
    ".html",
    ".ipynb",
    ".md",
    ".py",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
}
NAMES = {"Dockerfile", "Makefile", "run"}
# Tests read the address from its one place; the rest is built, or not ours.
SKIPPED = {"_build", "build", "data", "dist", "mutants", "node_modules", "tests"}


def normalise(url: str) -> str:
    """Return an address as it stands in pyproject.toml.

    Raises:
        ValueError: If it is not ``https://host/owner/name``; a final slash or ``.git`` is dropped.
    """
    address = url.strip().rstrip("/").removesuffix(".git")
    badge(address, "00_check")  # raises if it is none
    return address


def _files(root: Path) -> Iterator[Path]:
    """Yield the text files that may hold the address."""
    for path in sorted(root.iterdir()):
        hidden = path.name.startswith(".") and path.name not in {".binder", ".ci", ".github"}
        if path.name in SKIPPED or hidden or path.name.endswith(".egg-info") or path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.suffix in SUFFIXES or path.name in NAMES:
            yield path


def _places(address: str) -> list[str]:
    """Return all forms in which an address is written, in a fixed order."""
    parts = urlsplit(address)
    owner, name = parts.path.strip("/").split("/")
    if parts.netloc != "github.com":
        return [address]
    return [
        address,
        f"https://colab.research.google.com/github/{owner}/{name}",
        f"https://mybinder.org/v2/gh/{owner}/{name}",
        f"https://raw.githubusercontent.com/{owner}/{name}",
        f"https://{owner}.github.io/{name}",
        f"https://{owner.lower()}.github.io/{name}",
    ]


def _moved(text: str, old: str, new: str, tag: str) -> str:
    """Return a text in which the old address, in all its forms, is the new one."""
    # An address ends where no letter of a longer name follows; ".git" may.
    end = r"(?![\w-]|\.(?!git\b)\w)"
    for before, after in zip(_places(old), _places(new), strict=False):
        text = re.sub(re.escape(before) + end, after, text)  # no address holds a backslash
    return re.sub(rf"(git\+{re.escape(new)}@v)[0-9][\w.]*\w", lambda m: m.group(1) + tag, text)


def _moved_notebook(path: Path, old: str, new: str, tag: str) -> str:
    notebook = read(path)
    fresh = is_fresh(notebook)
    for cell in notebook.cells:
        if is_setup(cell):
            cell["source"] = colab_cell(new, tag)
        else:
            cell["source"] = _moved(cell["source"], old, new, tag)
        if cell["cell_type"] == "markdown":
            cell["source"] = BADGE.sub(lambda _: badge(new, path.stem), cell["source"])
    if fresh:
        notebook.record["source_hash"] = source_hash(notebook)
    if read(path).data == notebook.data:
        return path.read_text(encoding="utf-8")  # leave the layout alone
    return dumps(notebook.data)


def rehost(url: str | None = None, root: Path = ROOT) -> list[Path]:
    """Set the address in every file below ``root``; return the files that changed.

    Raises:
        ValueError: If the address is none, or a notebook cannot be read. Nothing is changed then.
        OSError: If a file cannot be written. The files that were are put back.
    """
    old = repository(root)
    new, tag = normalise(old if url is None else url), version(root)
    before, after = {}, {}
    for path in _files(root):
        before[path] = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            after[path] = _moved_notebook(path, old, new, tag)
        else:
            after[path] = _moved(before[path], old, new, tag)
    changed = [path for path in before if before[path] != after[path]]
    # The one place comes last: a run that was killed can be repeated with the same address.
    changed.sort(key=lambda path: path == root / "pyproject.toml")
    done: list[Path] = []
    try:
        for path in changed:
            write_text(path, after[path])
            done.append(path)
    except BaseException:
        for path in done:
            write_text(path, before[path])
        raise
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Set the address; return 0 if all is well and 1 if nothing was changed for an error."""
    parser = argparse.ArgumentParser(prog="python -m tools.rehost", description=__doc__)
    parser.add_argument(
        "url", nargs="?", help="https://host/owner/name; by default the present one"
    )
    options = parser.parse_args(arguments)
    try:
        changed = rehost(options.url)
    except (OSError, ValueError) as error:
        print(f"nothing was changed: {error}", file=sys.stderr)
        return 1
    for path in changed:
        print(path.relative_to(ROOT))
    print(f"{len(changed)} files changed; the address is {repository()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
