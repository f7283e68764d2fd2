"""The pages of the contents are read and no other file, whatever characters the paths hold."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.packaging.toy import ODD


def test_stray_files_in_an_odd_folder_are_no_pages(root: Path, tmp_path: Path, builder) -> None:
    source = tmp_path / ODD
    for folder in ("_ext", "_static", "_templates"):
        shutil.copytree(root / "book" / folder, source / "book" / folder)
    shutil.copy(root / "_config.yml", source)
    shutil.copy(root / "book" / "references.bib", source / "book")
    (source / "_toc.yml").write_text("format: jb-book\nroot: book/index\n", encoding="utf-8")
    (source / "book" / "index.md").write_text("# A page\n", encoding="utf-8")
    for stray in (
        "README.md",
        "book/[draft].md",
        "book/a:b c.md",
        "book/index 2.md",
        "book/index.old.md",
    ):
        (source / stray).write_text("# Stray\n", encoding="utf-8")
    built = builder(source, tmp_path / "output")
    assert built.returncode == 0, built.log[-2000:]
    assert [page.name for page in (built.html / "book").glob("*.html")] == ["index.html"]
    assert not (built.html / "README.html").exists()
