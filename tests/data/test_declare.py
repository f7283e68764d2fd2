"""A data set is one decorated function: everything else is read from its declaration."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch

from gdmlib import data
from gdmlib.data import Dataset, Pictures, catalogue, checksums, convert, declare, download, reading
from gdmlib.data.checksums import Checksum, arrays_digest
from gdmlib.data.download import as_published, converted
from gdmlib.data.listing import cells

TEXT = "to be or not to be\n" * 100


@pytest.fixture
def registered(monkeypatch) -> dict[str, Checksum]:
    """An empty list of declarations, and a registry of test files."""
    monkeypatch.setattr(declare, "DECLARED", {})
    entries: dict[str, Checksum] = {}
    for module in (declare, download):
        monkeypatch.setattr(module, "registry", lambda: entries)
    declare.files.cache_clear()
    yield entries
    declare.files.cache_clear()


def entries() -> dict[str, declare.Entry]:
    return declare.DECLARED


def register(known: dict[str, Checksum], path: str, content: bytes) -> None:
    known[path] = Checksum((f"sha256:{hashlib.sha256(content).hexdigest()}",), len(content))


@pytest.mark.usefixtures("no_data")
def test_a_text_is_one_function_with_one_decorator(registered, server, cache):
    register(registered, "plays/hamlet.txt", TEXT.encode())
    server.content["plays/hamlet.txt"] = TEXT.encode()

    @declare.downloadable(
        content="one long text",
        licence="public domain",
        tier="A",
        files="plays/",
        remote=as_published(
            f"{server.address}/elsewhere/{{rest}}", server.address + "/plays/{rest}"
        ),
    )
    def plays() -> str:
        return reading.get("plays/hamlet.txt").read_text()

    entry = entries()["plays"]
    assert entry.call == "plays()" and entry.loader is plays
    assert (entry.size, entry.verified, entry.here) == (len(TEXT), True, False)
    assert plays() == TEXT and server.asked == ["elsewhere/hamlet.txt", "plays/hamlet.txt"]
    assert entry.here
    assert tuple(cells(entry).values())[3:] == ("2 kB", "yes", "sha256", "A", "public domain")
    assert declare.loaders() == {"plays": plays}
    assert declare.licence("plays") == "public domain"


@pytest.mark.usefixtures("no_data")
def test_domains_that_are_not_paired_and_pairs_made_of_them(registered, server, tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    digest = arrays_digest({"image": pixels})
    for path in ("domains/apples/1.png", "domains/oranges/1.png", "domains/oranges/2.png"):
        registered[path] = Checksum((f"arrays:{digest}",), 10)
    checksums.write_arrays(tmp_path / "bmp.png", {"image": pixels})
    server.content["1.bmp"] = server.content["2.bmp"] = (tmp_path / "bmp.png").read_bytes()

    @declare.downloadable(
        content={"apples": "one picture", "oranges": "two pictures"},
        licence="CC0",
        tier="A-",
        files="domains/{name}/",
        remote=converted(convert.picture, all=server.address + "/{stem}.bmp"),
    )
    def domain(name: str) -> Pictures:
        found = reading.pictures(f"domains/{name}/", name)
        return Pictures(found, name=name, source="", licence=declare.licence(name))

    @declare.derived("oranges", content="each orange and its negative")
    def negatives() -> Dataset:
        x = torch.stack(list(domain("oranges").values()))
        return Dataset("negatives", x, attributes={"negative": 1 - x})

    assert list(entries()) == ["apples", "oranges", "negatives"]
    assert declare.names(domain) == ("apples", "oranges")
    assert entries()["oranges"].call == 'domain("oranges")'
    assert list(domain("oranges")) == ["1", "2"]
    assert domain("apples")["1"].shape == (1, 3, 4)
    assert negatives().x.shape == (2, 1, 3, 4)
    assert entries()["negatives"].size == 20 and entries()["negatives"].licence == "CC0"


@pytest.mark.usefixtures("registered")
def test_what_is_always_here():
    @declare.rendered(content="blurs", licence="CC0", arguments="n")
    def blurs(n: int) -> list[torch.Tensor]:
        return [torch.ones(k, k) / k**2 for k in range(1, n + 1)]

    assert blurs(2)[1].sum() == 1
    entry = entries()["blurs"]
    assert (entry.call, entry.kind, entry.size, entry.here) == ("blurs(n)", "rendered", 0, True)
    assert tuple(cells(entry).values())[3:] == ("-", "yes", "-", "A", "CC0")


@pytest.mark.usefixtures("registered")
def test_two_sets_of_one_name():
    def toy() -> None: ...

    toy.__module__ = "another"
    declare.embedded(content="one", licence="CC0")(test_two_sets_of_one_name)
    declare.embedded(content="again", licence="CC0")(test_two_sets_of_one_name)
    toy.__name__ = "test_two_sets_of_one_name"
    with pytest.raises(ValueError, match="is declared twice"):
        declare.embedded(content="two", licence="CC0")(toy)


def test_decorators_leave_a_loader_as_it_is():
    for name, loader in declare.loaders().items():
        assert inspect.isfunction(loader) and getattr(data, name) is loader
        assert name in data.__all__ and inspect.getdoc(loader)
    assert len(set(data.__all__)) == len(data.__all__)


def test_every_registered_file_belongs_to_a_set():
    owners = [entry for entry in catalogue() if entry.files]
    for path in checksums.registry():
        assert any(path in entry.paths for entry in owners)
    for entry in owners:
        assert entry.paths, f"{entry.name} has no files in registry.txt"


def test_import_stays_light():
    code = (
        "import sys, torch, gdmlib.data; print(*[m for m in ('sklearn', 'skimage', 'scipy', "
        "'matplotlib', 'PIL', 'pooch', 'requests') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


# --- dtypes and numbers


@pytest.fixture
def double_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def everywhere() -> dict[str, Dataset]:
    seeded = {name: torch.Generator().manual_seed(3) for name in (*data.TOYS, "grey", "colour")}
    return {
        **{name: data.toy(name, 50, seeded[name]) for name in data.TOYS},
        "grey": data.photo_patches(20, generator=seeded["grey"]),
        "colour": data.photo_patches(20, grey=False, generator=seeded["colour"]),
        "iris": data.iris(),
        "digits": data.digits(),
        "faces": data.faces(),
        "glyphs": data.glyphs(20),
    }


def test_float32_whatever_the_default(request):
    usual = everywhere()
    request.getfixturevalue("double_by_default")
    for name, loaded in everywhere().items():
        assert loaded.x.dtype == torch.float32 and torch.equal(loaded.x, usual[name].x), name
        for key, value in loaded.attributes.items():
            assert value.dtype == usual[name].attributes[key].dtype, (name, key)
            assert torch.equal(value, usual[name].attributes[key])
    for pictures in (data.photographs(), data.textures(), data.stereo()):
        assert {picture.dtype for picture in pictures.values()} == {torch.float32}


def test_real_sets_are_float32_whatever_the_default(real_data, double_by_default):
    for loaded in (
        data.binarised_mnist("test"),
        data.mnist("test"),
        data.caltech_silhouettes("test"),
        data.cifar10_subset("test"),
        data.binary_density("dna"),
        data.red_wine(),
        data.spc15(),
        data.frey_faces(),
        data.noto_emoji(),
    ):
        assert loaded.x.dtype == torch.float32, loaded.name
    assert {picture.dtype for picture in data.restoration("set5").values()} == {torch.float32}


def test_numpy_integers_are_counts():
    n = np.int64(5)
    assert len(data.toy("blobs", n)) == len(data.glyphs(n, size=np.int32(9), seed=np.uint8(1))) == 5
    assert torch.equal(data.glyphs(n, seed=np.int64(1)).x, data.glyphs(5, seed=1).x)
    assert data.photo_patches(n, np.int16(4)).x.shape == (5, 1, 4, 4)
