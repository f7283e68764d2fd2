"""The repository's address stands in one place, and `make rehost` carries it everywhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gdmlib import __version__
from tests.notebooks.sample import STEM, cell, good
from tools import addresses, notebooks, rehost, rules
from tools.addresses import badge, colab_cell

NEW = "https://github.com/some-body/course.v2"
REPOSITORY = "https://github.com/someone/course"
ELSEWHERE = "https://git.example.org/group/course"


def test_every_lesson_agrees_with_the_one_place() -> None:
    assert addresses.version() == __version__
    for path in notebooks.lessons():
        assert not rules.check_addresses(notebooks.read(path)), path.name


def test_every_other_file_agrees_with_the_one_place(root: Path) -> None:
    """Setting the address that is already there would change nothing."""
    address = addresses.repository()
    for path in rehost._files(root):
        if path.suffix == ".ipynb":
            continue
        text = path.read_text(encoding="utf-8")
        assert rehost._moved(text, address, address, __version__) == text, f"{path}: another tag"


@pytest.mark.parametrize("name", ["_config.yml", "CITATION.cff", "README.md"])
def test_the_files_that_name_the_repository_name_this_one(root: Path, name: str) -> None:
    assert addresses.repository() in (root / name).read_text(encoding="utf-8")


@pytest.fixture
def house(tmp_path: Path, root: Path) -> Path:
    """Return a copy of all that holds the address, with one lesson more."""
    for path in rehost._files(root):
        copy = tmp_path / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    notebook = good(tmp_path)
    cell(notebook, "claim-1")["source"] += f"  # see {addresses.repository()}"
    notebook.data["metadata"]["gdm"]["source_hash"] = notebooks.source_hash(notebook)
    notebook.path.write_text(notebooks.dumps(notebook.data), encoding="utf-8")
    name = addresses.repository().removeprefix("https://github.com/")
    (tmp_path / ".github").mkdir(exist_ok=True)
    (tmp_path / ".github" / "sample.yml").write_text(
        f"a: https://mybinder.org/v2/gh/{name}/main\nb: https://github.com/{name}.git\n"
        f"c: https://github.com/{name}-fork\nd: see https://github.com/{name}.\n"
    )
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("address", [NEW, ELSEWHERE])
def test_there_and_back_again(house: Path, address: str) -> None:
    old, before = addresses.repository(house), contents(house)
    changed = rehost.rehost(address + ".git/", house)
    assert changed[-1] == house / "pyproject.toml"
    assert addresses.repository(house) == address
    for path in notebooks.lessons(house):
        found = notebooks.read(path)
        was = notebooks.Notebook(path, found.data)
        assert rules.check_addresses(found, house) == [], path.name
        assert rules.check_freshness(was) == rules.check_freshness(notebooks.read(path))
    sample = notebooks.read(house / "notebooks" / f"{STEM}.ipynb")
    assert rules.check_freshness(sample) == []
    assert address in cell(sample, "claim-1")["source"]
    left = {
        path.name
        for path, content in contents(house).items()
        if old.encode() in content.replace(f"{old}-fork".encode(), b"")
    }
    assert not left
    assert rehost.rehost(address, house) == []
    rehost.rehost(old, house)
    after = contents(house)
    changed_for_good = [path.name for path in before if before[path] != after[path]]
    # Other hosts have no Binder address of this form: what is lost on the way there stays lost.
    assert changed_for_good == []


def test_a_longer_name_and_the_end_of_a_sentence(house: Path) -> None:
    rehost.rehost(NEW, house)
    old = "https://github.com/" + addresses.repository().removeprefix("https://github.com/")
    assert (house / ".github" / "sample.yml").read_text() == (
        f"a: https://mybinder.org/v2/gh/some-body/course.v2/main\nb: {NEW}.git\n"
        f"c: {old}-fork\nd: see {NEW}.\n"
    )


def test_without_an_address_what_drifted_is_repaired(house: Path) -> None:
    init = house / "gdmlib" / "__init__.py"
    init.write_text(init.read_text().replace(f'"{__version__}"', '"7.8.9"'))
    path = house / "notebooks" / f"{STEM}.ipynb"
    assert rules.check_addresses(notebooks.read(path), house)
    rehost.rehost(None, house)
    assert rules.check_addresses(notebooks.read(path), house) == []
    assert "@v7.8.9" in cell(notebooks.read(path), "setup")["source"]
    assert rules.check_freshness(notebooks.read(path)) == []


@pytest.mark.parametrize(
    "address", ["", "course", "http://github.com/a/b", "https://github.com/a", "git@github.com:a/b"]
)
def test_nonsense_changes_nothing(house: Path, address: str) -> None:
    before = contents(house)
    with pytest.raises(ValueError, match="expected https://host/owner/name"):
        rehost.rehost(address, house)
    assert contents(house) == before


def test_a_file_that_cannot_be_written_puts_all_back(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, write = contents(house), rehost.write_text

    def fail(path: Path, text: str) -> None:
        if path.name == "pyproject.toml":
            raise OSError("read-only file system")
        write(path, text)

    monkeypatch.setattr(rehost, "write_text", fail)
    with pytest.raises(OSError, match="read-only"):
        rehost.rehost(NEW, house)
    assert contents(house) == before


def test_a_broken_notebook_changes_nothing(house: Path) -> None:
    (house / "notebooks" / "04_broken.ipynb").write_text("{")
    before = contents(house)
    with pytest.raises(ValueError, match="04_broken"):
        rehost.rehost(NEW, house)
    assert contents(house) == before


def test_the_command(house: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert rehost.main(["nonsense"]) == 1
    assert "nothing was changed" in capsys.readouterr().err
    monkeypatch.setattr(rehost, "rehost", lambda url: [addresses.ROOT / "README.md"])
    assert rehost.main([NEW]) == 0
    assert "README.md\n1 files changed" in capsys.readouterr().out


# --- the Colab cell and the badge -----------------------------------------------------------------


def run_setup(source: str, *, at: str, installed: bool, works: bool = True) -> list[str]:
    """Run the Colab cell outside of IPython and return what it would have installed."""
    asked: list[str] = []

    def install(what: str) -> None:
        asked.append(what)

    def find_spec(name: str) -> object:
        return "found" if installed or (asked and works) else None

    code = re.sub(r"%pip install --quiet \"(.*)\"", r"install('\1')", source)
    code = code.replace('importlib.util.find_spec("gdmlib")', 'find_spec("gdmlib")')
    code = code.replace("sys.modules", '{"google.colab"}' if at == "Colab" else "set()")
    code = code.replace("os.environ", str(["KAGGLE_KERNEL_RUN_TYPE"][: at == "Kaggle"]))
    exec(compile(code, "cell", "exec"), {"install": install, "find_spec": find_spec})
    return asked


@pytest.mark.parametrize("at", ["Colab", "Kaggle"])
def test_the_colab_cell_installs_the_matching_release_where_it_is_missing(at):
    source = colab_cell(REPOSITORY, "1.2.3")
    wanted = f"gdmlib @ git+{REPOSITORY}@v1.2.3"
    assert run_setup(source, at=at, installed=False) == [wanted]
    assert run_setup(source, at=at, installed=True) == []
    assert run_setup(source, at="home", installed=True) == []
    assert "--upgrade" not in source and "torch" not in source and "numpy" not in source


@pytest.mark.parametrize("at", ["Colab", "Kaggle", "home"])
def test_the_colab_cell_stops_where_the_library_is_still_missing(at):
    source = colab_cell(REPOSITORY, "1.2.3")
    with pytest.raises(ModuleNotFoundError) as stopped:
        run_setup(source, at=at, installed=False, works=False)
    says = str(stopped.value)
    assert "gdmlib, the library of this course, is not installed" in says
    assert f'python -m pip install "gdmlib @ git+{REPOSITORY}@v1.2.3"' in says


def test_the_colab_cell_is_one_that_ipython_understands():
    from IPython.core.inputtransformer2 import TransformerManager

    code = TransformerManager().transform_cell(colab_cell(REPOSITORY, "1.2.3"))
    assert "run_line_magic('pip', 'install --quiet" in code
    compile(code, "cell", "exec")


def test_the_badge_is_a_plain_link():
    assert badge(REPOSITORY, "02_gaussian_mle") == (
        "[▶ Open in Colab](https://colab.research.google.com/github/someone/course/"
        "blob/main/notebooks/02_gaussian_mle.ipynb)"
    )
    elsewhere = "https://git.example.org/someone/course"
    assert badge(elsewhere, "02_gaussian_mle") == f"[▶ Get the notebook]({elsewhere})"


@pytest.mark.parametrize(
    "address",
    [
        "http://github.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b/c",
        "https://github.com/a/b.git",
        "https://github.com/a/b/",
        "https://user:secret@github.com/a/b",
        "https://localhost/a/b",
        "https://github.com/a/b?x=1",
        "https://github.com/a b/c",
        "https://github.com/a/..",
        "git@github.com:a/b",
        "",
    ],
)
def test_nonsense_addresses_are_refused(address):
    with pytest.raises(ValueError, match="repository: expected https://host/owner/name"):
        badge(address, "02_gaussian_mle")
    with pytest.raises(ValueError, match="repository"):
        colab_cell(address, "1.2.3")
