"""Where the course lives: its address and version, and the cell and the link made of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
BADGE = re.compile(r"\[▶ [^\]]*\]\([^)]*\)")


def repository(root: Path = ROOT) -> str:
    """Return the repository's address from the one place where it stands."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]


def version(root: Path = ROOT) -> str:
    """Return the library's version without importing it."""
    text = (root / "gdmlib" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise ValueError(f'{root / "gdmlib" / "__init__.py"}: expected a line __version__ = "..."')
    return found.group(1)


def check_repository(address: str) -> str:
    """Return the address of a repository, ``https://host/owner/name``, if it is one."""
    name = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
    pattern = rf"https://[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?/{name}/{name}"
    if not re.fullmatch(pattern, address) or address.endswith((".git", ".")):
        raise ValueError(
            "repository: expected https://host/owner/name without a final slash or .git, "
            f"got {address!r}"
        )
    return address


def book(address: str) -> str | None:
    """Return where the pages workflow publishes the book; None for a host that is not GitHub.

    Args:
        address: Of the repository, ``https://host/owner/name``.
    """
    parts = urlsplit(check_repository(address))
    owner, name = parts.path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}" if parts.netloc == "github.com" else None


def colab_cell(address: str, version: str) -> str:
    """Return the source of the cell that installs this library in Colab and on Kaggle, only there.

    It installs the release that matches the notebook. pip's default is to leave alone what is
    already new enough, and the library asks for lower bounds only: torch and numpy stay. Where the
    library is missing after that, the cell stops and says what to do: pip's own failure is only a
    message, and what comes next would fail with another one.

    Args:
        address: Of the repository, ``https://host/owner/name``.
        version: Of the library, such as ``"0.1.0"``; the tag is ``v0.1.0``.

    Raises:
        ValueError: If the address is none.
    """
    source = f"gdmlib @ git+{check_repository(address)}@v{version}"
    return f"""\
# In Colab and on Kaggle, install the course's library; where it is at hand, do nothing.
import importlib.util
import os
import sys

online = "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ
if online and importlib.util.find_spec("gdmlib") is None:
    %pip install --quiet "{source}"
    importlib.invalidate_caches()
if importlib.util.find_spec("gdmlib") is None:
    raise ModuleNotFoundError(
        "gdmlib, the library of this course, is not installed. If pip says why just above, mend "
        "that (on Kaggle, switch the notebook's internet on in its settings) and run this cell "
        "again. On a machine of your own, run in a terminal: "
        'python -m pip install "{source}"'
    )"""


def badge(address: str, stem: str) -> str:
    """Return the link, in Markdown, that opens a lesson in Colab.

    It is a text and no picture, so that a page needs nothing from another host. Colab opens
    notebooks from GitHub only; for any other host the link leads to the repository.

    Args:
        address: Of the repository, ``https://host/owner/name``.
        stem: The notebook's file name without its ending.

    Raises:
        ValueError: If the address is none.
    """
    parts = urlsplit(check_repository(address))
    if parts.netloc != "github.com":
        return f"[▶ Get the notebook]({address})"
    place = f"github{parts.path}/blob/main/notebooks/{stem}.ipynb"
    return f"[▶ Open in Colab](https://colab.research.google.com/{place})"


def is_setup(cell: Mapping[str, Any]) -> bool:
    """Whether this is the cell that installs the library in Colab, for any address and version."""
    wanted = colab_cell("https://github.com/o/n", "0")
    source = re.sub(r"git\+[^\"\s]+@v[^\"\s]+", "git+https://github.com/o/n@v0", cell["source"])
    return cell["cell_type"] == "code" and source == wanted
