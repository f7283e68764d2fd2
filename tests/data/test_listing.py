from __future__ import annotations

import subprocess
import sys

import pytest

from gdmlib import data
from gdmlib.data import UnknownDatasetError, catalogue
from gdmlib.data.__main__ import main
from gdmlib.data.sources import files


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
    main()
    out = capsys.readouterr().out
    assert "red_wine()" in out and "GDMLIB_DATA: /nowhere" in out and "GDMLIB_CACHE: " in out


def test_module_runs():
    run = subprocess.run(
        [sys.executable, "-m", "gdmlib.data"], capture_output=True, text=True, check=True
    )
    assert "glyphs(n)" in run.stdout and run.stderr == ""
