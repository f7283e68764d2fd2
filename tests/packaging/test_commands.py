"""make recovers from a stop at any moment, in any folder, and removes nothing of a person's."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.toy import ODD, make, make_toy, make_until
from tools import homework

# What a person types, or where the course lies: never pasted into a command's text.
FROM_OUTSIDE = "CURDIR|VENV|PORT|TORCH_INDEX|COURSE|PRIVATE|PEER|OLD|URL"


@pytest.fixture(scope="module")
def toy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project, set up and built, in a folder with an odd name."""
    folder = make_toy(root, tmp_path_factory.mktemp("toy") / ODD)
    code, said = make(folder, "book")
    assert code == 0, said
    return folder


def site(folder: Path) -> Path:
    return next((folder / ".venv").glob("lib/python*/site-packages"))


def is_whole(folder: Path) -> None:
    """Check that the environment works, holds this project, and that the book is there."""
    python = folder / ".venv" / "bin" / "python"
    code = "import gdmlib, pip; print(gdmlib.__file__)"
    for command in ([python, "-c", code], [python, "-m", "pip", "check"]):
        done = subprocess.run(command, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if "-c" in command:
            assert done.stdout.strip() == str(folder / "gdmlib" / "__init__.py")
    assert (folder / ".venv" / "bin" / "activate").is_file()
    assert all((info / "INSTALLER").is_file() for info in site(folder).glob("*.dist-info"))
    assert not list(site(folder).glob("~*"))
    pages = (folder / "_build" / "html" / "index.html").read_text().split("\n")
    assert pages == sorted(path.name for path in (folder / "notebooks").iterdir())


# What a stop leaves.
def in_venv_before_pip(folder: Path) -> None:
    for path in [*site(folder).glob("pip*"), *(folder / ".venv" / "bin").glob("[!p]*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def in_venv_amid_pip(folder: Path) -> None:
    info = next(site(folder).glob("pip-*.dist-info"))
    for name in ("INSTALLER", "RECORD"):
        (info / name).unlink()
    shutil.rmtree(site(folder) / "pip" / "_vendor")


def in_venv_at_its_start(folder: Path) -> None:
    shutil.rmtree(folder / ".venv")
    (folder / ".venv" / "lib").mkdir(parents=True)


def amid_a_package(folder: Path) -> None:
    info = next(site(folder).glob("gdmlib-*.dist-info"))
    for path in (info / "INSTALLER", info / "RECORD", site(folder) / "gdmlib_here.pth"):
        path.unlink()
    (site(folder) / "~dmlib-1.dist-info").mkdir()


def after_an_upgrade_of_python(folder: Path) -> None:
    python = folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")


def amid_the_book(folder: Path) -> None:
    for name in (".built", "index.html"):
        (folder / "_build" / "html" / name).unlink()


STOPS = [
    in_venv_at_its_start, in_venv_before_pip, in_venv_amid_pip, amid_a_package,
    after_an_upgrade_of_python, amid_the_book,
]  # fmt: skip


@pytest.mark.parametrize("stop", STOPS)
def test_what_a_stop_leaves_is_mended(toy: Path, stop: Callable[[Path], None]) -> None:
    if stop not in (amid_the_book, after_an_upgrade_of_python):
        (toy / ".venv" / ".installed").unlink()
    stop(toy)
    with pytest.raises((AssertionError, OSError, StopIteration)):
        is_whole(toy)
    code, said = make(toy, "book")
    assert code == 0, said
    is_whole(toy)


@pytest.mark.parametrize("moment", [".venv/bin/python", ".venv/bin/activate", "_build/html/h*"])
def test_make_killed_at_a_moment_goes_on_the_next_time(
    root: Path, tmp_path: Path, moment: str
) -> None:
    folder = make_toy(root, tmp_path / "toy")
    (folder / "slow").touch()
    make_until(folder, moment, "book")
    (folder / "slow").unlink()
    code, said = make(folder, "book")
    assert code == 0, said
    is_whole(folder)


def test_the_book_is_built_when_a_source_changed_came_or_went(toy: Path) -> None:
    def builds() -> int:
        code, said = make(toy, "book")
        assert code == 0, said
        is_whole(toy)
        return len((toy / "builds").read_text().splitlines())

    before = builds()
    assert builds() == before
    (toy / "notebooks" / "01.md").touch()
    assert builds() == before, "the date alone has changed"
    odd = toy / "notebooks" / "a:b c'$d [e].md"
    odd.write_text("")
    assert builds() == before + 1
    odd.write_text("more")
    assert builds() == before + 2
    odd.unlink()
    assert builds() == before + 3
    (toy / "_build" / "html" / ".built").unlink()
    assert builds() == before + 4


def test_a_moved_course_gets_an_environment_of_its_new_place(toy: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(toy, copy, symlinks=True)
    code, said = make(copy, "book")
    assert code == 0, said
    is_whole(copy)
    assert str(toy) not in (copy / ".venv" / "bin" / "pip").read_text()
    is_whole(toy)


def test_a_folder_of_somebody_else_is_refused_in_a_line(toy: Path) -> None:
    (toy / "mine").mkdir()
    (toy / "mine" / "thesis.tex").write_text("years of work")
    code, said = make(toy, "book", "VENV=mine")
    assert code != 0
    assert said.splitlines()[0].startswith("make: mine is no virtual environment and holds files")
    make(toy, "clean", "VENV=mine")
    assert (toy / "mine" / "thesis.tex").read_text() == "years of work"


def test_clean_removes_what_make_built_by_name_and_no_course(root: Path, tmp_path: Path) -> None:
    folder = make_toy(root, tmp_path / ODD)
    built = ["_build/html/index.html", "_build/.doctrees/one", "mutants/one", ".venv/pyvenv.cfg"]
    kept = ["_build/homework/submitted/ann/01.ipynb", "course/gradebook.db", "course/submitted/one"]
    for name in [*built, *kept]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    sources = [path for path in folder.rglob("*") if path.is_file()]
    code, said = make(folder, "clean")
    assert code == 0, said
    left = {str(path.relative_to(folder)) for path in sources if path.is_file()}
    assert not left.intersection(built)
    assert left == {str(path.relative_to(folder)) for path in sources} - set(built)


def test_a_file_in_the_way_is_named_in_a_line(root: Path, toy: Path, tmp_path: Path) -> None:
    folder = make_toy(root, tmp_path / "toy")
    for name in (".venv", "_build"):
        (folder / name).touch()
        code, said = make(folder, "book", *([] if name == ".venv" else [f"VENV={toy / '.venv'}"]))
        assert code != 0
        assert "Traceback" not in said
        assert [line for line in said.splitlines() if name in line]
        (folder / name).unlink()


@pytest.mark.parametrize("course", ["a file", "a file/below"])
def test_a_course_folder_that_cannot_be_written_is_named_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], course: str
) -> None:
    (tmp_path / "a file").touch()
    assert homework.main(["--course", str(tmp_path / course)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("make homework: ") and "a file" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("port", ["abc", "-1", "65536", "80 80", "²"])
def test_what_is_no_port_is_refused_in_a_line(toy: Path, port: str) -> None:
    code, said = make(toy, "serve", f"PORT={port}")
    assert code != 0
    first, *others = said.splitlines()
    assert first.startswith(f"make serve: PORT={port}: expected a number from 0 to 65535")
    assert len(others) == 1 and others[0].startswith("make: ***")


def test_a_taken_port_is_refused_in_a_line_before_the_build(toy: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = make(toy, "serve", f"PORT={port}")
    assert code != 0
    assert re.match(rf"make serve: port {port}: .*; name another", said)
    assert len(said.splitlines()) == 2


def test_an_older_python_is_refused_in_a_line(root: Path, tmp_path: Path) -> None:
    folder = make_toy(root, tmp_path / "toy")
    project = (folder / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(project.replace(">=3.11", ">=3.99"))
    code, said = make(folder, "book")
    assert code != 0
    assert said.startswith("make: Python 3.99 or newer is needed") and "make PYTHON=" in said
    assert len(said.splitlines()) == 2


def pasted(makefile: str) -> list[str]:
    """Return the recipe lines into whose text make would paste what comes from outside."""
    lines = [line for line in makefile.splitlines() if line.startswith("\t")]
    return [line for line in lines if re.search(rf"(?<!\$)\$[({{]({FROM_OUTSIDE})[)}}]", line)]


def test_no_path_is_pasted_into_a_command(root: Path) -> None:
    text = (root / "Makefile").read_text()
    assert pasted(text) == []
    assert pasted(text.replace('"$$PWD/', "$(CURDIR)/"))
    assert pasted(text.replace('"$$OLD"', '"$(OLD)"'))
    assert re.search(r'(?m)^PY := "\$\$VENV/bin/python"$', text)
