from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gdmlib import data
from gdmlib.data import UnknownDatasetError, catalogue
from gdmlib.data.__main__ import main
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


def test_a_reader_that_leaves_early_is_no_error():
    read, write = os.pipe()
    os.close(read)
    run = subprocess.run(
        [sys.executable, "-m", "gdmlib.data"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert run.returncode == 0 and run.stderr == ""
