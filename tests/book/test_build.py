"""The book builds without a warning, and a fault in a page stops the build."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

PAGE = """# A page

See {doc}`nowhere`.
"""


def pages_of(toc: object) -> list[str]:
    """Return every document that a table of contents names."""
    if isinstance(toc, list):
        return [page for part in toc for page in pages_of(part)]
    if not isinstance(toc, dict):
        return []
    own = [toc[key] for key in ("root", "file") if key in toc]
    return own + [
        page for key in ("parts", "chapters", "sections") for page in pages_of(toc.get(key))
    ]


def test_strict_build_has_no_warning(build):
    found = [line for line in build.log.splitlines() if re.search(r"WARNING|ERROR|CRITICAL", line)]
    assert found == []
    assert build.returncode == 0, build.log[-2000:]


def test_every_page_of_the_contents_is_built(html: Path, root: Path):
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = pages_of(toc)
    assert len(pages) > 20
    assert [page for page in pages if not (html / f"{page}.html").is_file()] == []


def test_index_opens_the_course(html: Path):
    assert "url=book/index.html" in (html / "index.html").read_text(encoding="utf-8")


def test_mathjax_is_small_and_complete(html: Path):
    folder = html / "_static" / "mathjax"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert (folder / "tex-chtml-full.js").is_file()
    assert len(list((folder / "output/chtml/fonts/woff-v2").glob("*.woff"))) > 20
    assert sum(path.stat().st_size for path in files) < 2_500_000


def test_a_fault_stops_the_build(tmp_path: Path, small_book):
    bad = small_book(tmp_path, {"book/index.md": PAGE})
    assert bad.returncode != 0
    assert "unknown document" in bad.log
