from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from gdmlib import data
from gdmlib.data import UnknownDatasetError, catalogue, declare, download, listing
from gdmlib.data.__main__ import main
from gdmlib.data.checksums import Checksum
from gdmlib.data.declare import files
from gdmlib.data.listing import _bytes


def test_every_set_is_listed_once():
    listed = catalogue()
    names = [entry.name for entry in listed]
    assert len(set(names)) == len(names) == len(listed)
    assert {entry.kind for entry in listed} == {"embedded", "rendered", "downloadable"}
    assert {*data.BINARY_DENSITIES, *data.RESTORATION_SETS, "mnist", "fashion_mnist"} <= set(names)
    for entry in listed:
        assert entry.loader is getattr(data, entry.call.partition("(")[0])
        assert entry.licence and entry.tier in data.TIERS
        assert (entry.size > 0) == (entry.kind == "downloadable")


@pytest.mark.usefixtures("no_data")
def test_here_says_what_is_here(cache):
    assert {e.kind for e in catalogue() if e.here} == {"embedded", "rendered"}
    for path in files("red_wine/"):
        (cache / path).parent.mkdir(parents=True)
        (cache / path).write_bytes(b"")
    assert catalogue()["red_wine"].here and not catalogue()["mnist"].here


def test_unverified_is_marked():
    assert not catalogue()["fashion_mnist"].verified
    assert [e.name for e in catalogue() if not e.verified] == ["fashion_mnist"]
    assert "unverified" in repr(catalogue())


def test_looks_like_a_sequence():
    listed = catalogue()
    assert listed[0].name == "iris" and listed[-1] in listed
    assert [entry.name for entry in listed[:2]] == ["iris", "digits"]
    assert listed["mnist"].content == "70,000 × 28×28 digits"
    with pytest.raises(UnknownDatasetError, match="did you mean 'mnist'"):
        listed["mnits"]


def test_table():
    listed = catalogue()
    lines = repr(listed).splitlines()
    assert lines[0].startswith("load with") and set(lines[1]) == {"-"}
    columns = lines[0].index("kind")
    assert all(line[columns - 1] == " " for line in lines[2 : 2 + len(listed)])
    assert max(map(len, lines)) <= 180 and lines[0] == lines[0].rstrip()
    page = listed._repr_html_()
    assert page.count("<tr>") == len(listed) + 1
    assert "binary_density(&quot;adult&quot;)" in page


def test_main(capsys, monkeypatch):
    monkeypatch.setenv("GDMLIB_DATA", "/nowhere")
    main([])
    out = capsys.readouterr().out
    assert "red_wine()" in out and "GDMLIB_DATA: /nowhere" in out and "GDMLIB_CACHE: " in out


def test_main_shows_one_set(capsys):
    main(["frey_faces"])
    out = capsys.readouterr().out
    for part in (
        *("frey_faces()", "997 kB", "one identifiable person's face", "frey_faces/ (1 in all)"),
        *("Tier B: no licence found", "split by time", "GDMLIB_CACHE: "),
    ):
        assert part in out
    assert "mnist" not in out
    main(["toy"])
    out = capsys.readouterr().out
    assert "toy(name, n)" in out and "files " not in out


def test_no_set_is_called_like_a_command():
    assert not {entry.name for entry in catalogue()} & {"list", "show", "fetch", "verify"}


@pytest.mark.parametrize("command", [["list"], ["show", "mnist"], ["mnist", "dna"]])
def test_list_and_show_are_commands(capsys, command):
    assert main(command) == 0
    out = capsys.readouterr().out
    assert ("red_wine()" in out) == (command == ["list"])
    assert ("180 bits" in out) == (command != ["show", "mnist"])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["list", "mnist"], "list: expected no names"),
        (["show"], "show: expected names of data sets"),
        (["fetch"], "fetch: expected names of data sets"),
        (["fetch", "mnits"], "unknown data set 'mnits': did you mean 'mnist'"),
        (["verify", "mnist", "x"], "unknown data set 'x'"),
    ],
)
def test_commands_refuse_what_they_cannot_do(capsys, command, words):
    with pytest.raises(SystemExit) as stopped:
        main(command)
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "") and words in err and err.count("\n") == 1


@pytest.fixture
def letters(monkeypatch, server, cache):
    """A set of two files that can be had, beside one without files."""
    known = {}
    declared = {}
    for module in (declare, listing):
        monkeypatch.setattr(module, "DECLARED", declared)
    for module in (declare, download):
        monkeypatch.setattr(module, "registry", lambda: known)
    declare.files.cache_clear()
    for name in ("a", "b"):
        content = name.encode() * 50
        server.content[f"{name}.txt"] = content
        digest = hashlib.sha256(content).hexdigest()
        known[f"letters/{name}.txt"] = Checksum((f"sha256:{digest}",), 50)

    @declare.downloadable(
        content="letters",
        licence="none",
        tier="A",
        files="letters/",
        remote=download.as_published(server.address + "/{rest}"),
    )
    def letters():
        """Load them."""

    @declare.embedded(content="points", licence="none")
    def points():
        """Load them."""

    yield server
    declare.files.cache_clear()


@pytest.mark.usefixtures("no_data")
def test_sets_are_fetched_and_verified_from_the_command_line(letters, cache, capsys):
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == "letters: not here\n"
    assert main(["fetch", "letters", "points", "letters"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "letters: here (100 B)", "points: here (embedded, nothing to download)",
    ]  # fmt: skip
    assert sorted(letters.asked) == ["a.txt", "b.txt"]
    (cache / "letters/b.txt").unlink()
    assert main(["verify", "letters", "points"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "letters: 1 of 2 files good, 1 not here", "points: no files to verify",
    ]  # fmt: skip
    (cache / "letters/a.txt").write_text("other")
    assert main(["verify"]) == 1
    out, err = capsys.readouterr()
    assert out == "letters: 0 of 2 files good, 1 not here\n"
    assert "letters/a.txt is damaged: " in err and "sha256 is " in err
    assert (cache / "letters/a.txt").read_text() == "other"  # looked at, not touched
    letters.content.clear()
    assert main(["fetch", "points", "letters"]) == 1
    out, err = capsys.readouterr()
    assert out == "points: here (embedded, nothing to download)\n"
    assert err.startswith("letters: data file letters/a.txt is not on this machine")


def test_main_refuses_what_is_no_set(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["mnits"])
    assert stopped.value.code == 2
    assert "did you mean 'mnist' or" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0 and "usage: python -m gdmlib.data" in capsys.readouterr().out


def test_sizes_have_the_unit_that_fits():
    for size, text in (
        *((1, "1 B"), (999, "999 B"), (28_352, "28 kB"), (999_499, "999 kB")),
        *((999_500, "1.0 MB"), (11_594_722, "11.6 MB"), (2_500_000_000, "2.5 GB")),
    ):
        assert _bytes(size) == text
    assert " 28 kB " in repr(catalogue()) and " 0.0 MB" not in repr(catalogue())


def test_module_runs():
    run = subprocess.run(
        [sys.executable, "-m", "gdmlib.data"], capture_output=True, text=True, check=True
    )
    assert "glyphs(n)" in run.stdout and run.stderr == ""
    run = subprocess.run([sys.executable, "-m", "gdmlib.data", "x"], capture_output=True)
    assert run.returncode == 2


@pytest.mark.parametrize("command", [[], ["show", "mnist"], ["verify", "iris"], ["fetch", "iris"]])
def test_a_reader_that_leaves_early_is_no_error(command):
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(
        [sys.executable, "-m", "gdmlib.data", *command],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert run.returncode == 0 and run.stderr == ""
