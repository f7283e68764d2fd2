"""Files: looked for, verified, downloaded, converted; and every way in which that goes wrong."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests

from gdmlib.data import CacheError, ChecksumError, DataNotFoundError, download
from gdmlib.data import files as data_files
from gdmlib.data.checksums import Checksum, arrays_digest, read_arrays, registry, wrong_checksum
from gdmlib.data.declare import files, remote
from gdmlib.data.download import Remote, fetch, find, is_here
from gdmlib.data.files import cache_folder, data_folder, folder_beside, keep

GOOD = b"good content " * 1000
PLACE = "letters/a.bin"

pytestmark = pytest.mark.usefixtures("no_data")


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Checksum]:
    """A registry of test files."""
    entries = {PLACE: Checksum((sha(GOOD),), len(GOOD))}
    monkeypatch.setattr(download, "registry", lambda: entries)
    return entries


def left_over(folder: Path) -> list[str]:
    """What stands in the cache, temporary files included."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def leftover_folders(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_dir() and p.name.startswith(".")]


def test_download_then_cache(server, cache):
    server.content["a.bin"] = GOOD
    one = Remote(PLACE, urls=(f"{server.address}/a.bin",))
    assert not is_here(PLACE)
    path = fetch(one)
    assert path == cache / PLACE and path.read_bytes() == GOOD
    assert is_here(PLACE)
    server.stop()
    assert fetch(one) == path, "the second time needs no network"
    assert left_over(cache) == [PLACE] and not leftover_folders(cache)


def test_data_folder_comes_first(tmp_path, monkeypatch, cache):
    (tmp_path / "data/letters").mkdir(parents=True)
    (tmp_path / "data" / PLACE).write_bytes(GOOD)
    monkeypatch.setenv("GDMLIB_DATA", str(tmp_path / "data"))
    assert data_folder() == tmp_path / "data"
    assert fetch(Remote(PLACE)) == tmp_path / "data" / PLACE
    assert is_here(PLACE)
    assert not cache.exists()


def test_damaged_file_in_data_folder_is_named_and_kept(tmp_path, monkeypatch, server):
    server.content["a.bin"] = GOOD
    (tmp_path / "data/letters").mkdir(parents=True)
    damaged = tmp_path / "data" / PLACE
    damaged.write_bytes(GOOD[:100])
    monkeypatch.setenv("GDMLIB_DATA", str(tmp_path / "data"))
    with pytest.raises(ChecksumError, match="GDMLIB_DATA") as caught:
        fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    assert str(damaged) in str(caught.value)
    assert "100 bytes of 13000" in str(caught.value)
    assert damaged.exists() and not server.asked


def test_half_written_cache_is_replaced(server, cache):
    server.content["a.bin"] = GOOD
    (cache / "letters").mkdir(parents=True)
    (cache / PLACE).write_bytes(GOOD[:6000])
    path = fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    assert path.read_bytes() == GOOD


def test_half_written_cache_without_network_is_thrown_away(server, cache):
    server.stop()
    (cache / "letters").mkdir(parents=True)
    (cache / PLACE).write_bytes(GOOD[:6000])
    with pytest.raises(DataNotFoundError):
        fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    assert left_over(cache) == []


def test_a_file_that_changes_is_verified_again(cache):
    (cache / "letters").mkdir(parents=True)
    (cache / PLACE).write_bytes(GOOD)
    assert find(PLACE) == cache / PLACE
    (cache / PLACE).write_bytes(GOOD[:-1])
    assert find(PLACE) is None


def test_wrong_checksum(server, cache):
    server.content["a.bin"] = b"bad" + GOOD
    with pytest.raises(ChecksumError, match="not the expected file") as caught:
        fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    for part in (PLACE, server.address, str(cache), "Way out"):
        assert part in str(caught.value)
    assert left_over(cache) == [] and not leftover_folders(cache)


def test_next_mirror_is_tried(server, cache):
    server.content.update({"bad": b"bad", "cut": GOOD, "good": GOOD})
    server.cut.add("cut")
    urls = tuple(f"{server.address}/{name}" for name in ("none", "bad", "cut", "good"))
    assert fetch(Remote(PLACE, urls=urls)).read_bytes() == GOOD
    assert server.asked == ["none", "bad", "cut", "good"]
    assert left_over(cache) == [PLACE]


def test_connection_drops_half_way(server, cache):
    server.content["a.bin"] = GOOD
    server.cut.add("a.bin")
    with pytest.raises((DataNotFoundError, ChecksumError)) as caught:
        fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    assert f"{server.address}/a.bin" in str(caught.value)
    assert left_over(cache) == [] and not leftover_folders(cache)
    server.cut.clear()
    assert fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",))).read_bytes() == GOOD


def test_not_on_the_server(server, cache):
    with pytest.raises(DataNotFoundError, match="404") as caught:
        fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    assert isinstance(caught.value, FileNotFoundError)
    assert "GDMLIB_DATA (not set)" in str(caught.value)
    assert left_over(cache) == []


def test_no_network(server, cache, tmp_path, monkeypatch):
    server.stop()
    monkeypatch.setenv("GDMLIB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataNotFoundError) as caught:
        fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    for part in (PLACE, "no such folder", str(cache / PLACE), "connect to the network", "GDMLIB"):
        assert part in str(caught.value)


def test_interrupted_download_leaves_nothing(cache, monkeypatch):
    def interrupted(url: str, target: Path) -> None:
        target.write_bytes(GOOD[:10])
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "download_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(Remote(PLACE, urls=("http://127.0.0.1:9/a.bin",)))
    assert left_over(cache) == [] and not leftover_folders(cache)


def test_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    # A file in place of the folder: refused even to an administrator.
    server.content["a.bin"] = GOOD
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GDMLIB_CACHE", str(tmp_path / "file/cache"))
    with pytest.raises(CacheError, match="GDMLIB_CACHE") as caught:
        fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    assert str(tmp_path / "file/cache" / PLACE) in str(caught.value)
    assert not server.asked


def test_disk_full(cache, monkeypatch):
    def full(url: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "download_one", full)
    with pytest.raises(CacheError, match="No space left"):
        fetch(Remote(PLACE, urls=("http://127.0.0.1:9/a.bin",)))
    assert left_over(cache) == []


def test_damaged_cache_that_cannot_be_removed(cache, monkeypatch):
    (cache / "letters").mkdir(parents=True)
    (cache / PLACE).write_bytes(b"bad")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(CacheError, match="Permission denied"):
        find(PLACE)


def test_md5_and_no_checksum(server, known, cache):
    server.content["a.bin"] = GOOD
    known["md5.bin"] = Checksum((f"md5:{hashlib.md5(GOOD).hexdigest()}",))
    assert fetch(Remote("md5.bin", urls=(f"{server.address}/a.bin",))).exists()
    assert fetch(Remote("unknown.bin", urls=(f"{server.address}/a.bin",))).exists()
    known["md5.bin"] = Checksum(("md5:0123",))
    with pytest.raises(ChecksumError, match=r"md5 is .* \(13000 bytes\)"):
        fetch(Remote("md5.bin", urls=(f"{server.address}/a.bin",)))


# --- files made out of others


def double(originals):
    return {"data": 2 * np.loadtxt(originals["all"], dtype=np.int64)}


def converted(server, convert=double) -> Remote:
    server.content["a.txt"] = b"1\n2\n3\n"
    return Remote("numbers/a.npz", originals={"all": (f"{server.address}/a.txt",)}, convert=convert)


def test_conversion(server, known, cache):
    good = {"data": np.array([2, 4, 6])}
    known["numbers/a.npz"] = Checksum((sha(b"the file elsewhere"), f"arrays:{arrays_digest(good)}"))
    path = fetch(converted(server))
    assert np.array_equal(read_arrays(path)["data"], good["data"])
    assert left_over(cache) == ["numbers/a.npz"], "the original is not kept"
    server.stop()
    assert fetch(converted(server)) == path, "its arrays are verified, and are right"


def test_conversion_to_a_picture(server, known, cache):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    known["numbers/a.png"] = Checksum((f"arrays:{arrays_digest({'image': pixels})}",))
    server.content["a.txt"] = b"anything"
    urls = (f"{server.address}/a.txt",)
    made = Remote("numbers/a.png", originals={"all": urls}, convert=lambda _: {"image": pixels})
    assert np.array_equal(read_arrays(fetch(made))["image"], pixels)


def test_conversion_to_something_else(server, known, cache):
    known["numbers/a.npz"] = Checksum(("arrays:0123",))
    with pytest.raises(ChecksumError, match=r"a\.txt.*expected 0123"):
        fetch(converted(server))
    assert left_over(cache) == []


def test_conversion_that_stumbles(server, cache):
    remote = converted(server)
    server.content["a.txt"] = b"<html>sorry</html>"
    with pytest.raises(ChecksumError, match=r"numbers/a\.npz could not be made .* ValueError"):
        fetch(remote)
    assert left_over(cache) == []


def test_an_original_is_checked_before_it_is_read(server, known, cache):
    good = {"data": np.array([2, 4, 6])}
    remote = converted(server, lambda originals: 1 / 0)
    digests = (f"arrays:{arrays_digest(good)}",)
    known["numbers/a.npz"] = Checksum(digests, originals={"all": "0123"})
    with pytest.raises(ChecksumError, match=r"a\.txt: sha256 is .*, expected 0123"):
        fetch(remote)
    assert left_over(cache) == []
    right = hashlib.sha256(server.content["a.txt"]).hexdigest()
    known["numbers/a.npz"] = Checksum(digests, originals={"all": right})
    assert np.array_equal(read_arrays(fetch(converted(server)))["data"], good["data"])


def test_original_that_is_not_there(server, cache):
    remote = converted(server)
    server.content.clear()
    with pytest.raises(DataNotFoundError, match=r"a\.txt: the server answers 404"):
        fetch(remote)
    assert left_over(cache) == []


def test_damaged_npz_and_png_are_noticed(known, cache):
    for name in ("a.npz", "a.png"):
        known[name] = Checksum(("arrays:0123",))
        cache.mkdir(exist_ok=True)
        (cache / name).write_bytes(b"\x89PNG\r\n\x1a\n half a picture")
        assert "unreadable" in wrong_checksum(cache / name, known[name])


def test_arrays_digest_is_of_content():
    a = {"x": np.array([[1, 2], [3, 4]]), "y": np.array([1])}
    same = {"y": np.array([1]), "x": np.asfortranarray(a["x"])}
    assert arrays_digest(a) == arrays_digest(same)
    swapped = {**a, "x": a["x"][::-1]}
    assert arrays_digest(a) != arrays_digest(swapped)
    assert arrays_digest(a, unordered=["x"]) == arrays_digest(swapped, unordered=["x"])
    assert arrays_digest(a) != arrays_digest({**a, "x": a["x"].astype(np.int32)})


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(tmp_path / "a.npz")


# --- files


def test_folders(monkeypatch, tmp_path):
    assert data_folder() is None
    monkeypatch.setenv("GDMLIB_CACHE", "~/somewhere")
    assert cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("GDMLIB_CACHE")
    assert cache_folder().name == "gdmlib"


def test_kept_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a/b.txt"

    def break_off(part: Path) -> None:
        part.write_text("half of")
        raise RuntimeError

    keep(target, lambda part: part.write_text("first"))
    with pytest.raises(RuntimeError):
        keep(target, break_off)
    assert target.read_text() == "first", "the last good state stays"
    with pytest.raises(DataNotFoundError), folder_beside(target):
        raise DataNotFoundError("as it is")
    assert left_over(tmp_path) == ["a/b.txt"]


KILLED = """
import os, signal, sys
from pathlib import Path
from gdmlib.data.files import folder_beside, keep

def write(part):
    part.write_text("half")
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print("begun", flush=True)
    sys.stdin.read()

keep(Path(sys.argv[1]), write)
"""


def writer(target: Path, how: str) -> subprocess.Popen:
    """Start a process that is killed while it writes, or writes until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, target, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.parametrize("place", ["letters/x.bin", "numbers/x.bin"])
@pytest.mark.parametrize("locks", [True, False])
def test_what_a_killed_process_left_is_removed_at_the_next_use(
    server, cache, known, monkeypatch, place, locks
):
    known["numbers/b.bin"] = Checksum()
    server.content["a.bin"] = GOOD
    folder = (cache / place).parent
    assert writer(cache / place, "killed").wait() == -signal.SIGKILL
    (left,) = folder.iterdir()
    now = time.time()
    (folder / ".others").mkdir()
    os.utime(folder / ".others", (now - 25 * 3600,) * 2)
    if not locks:  # as on some file systems
        monkeypatch.setattr(data_files, "fcntl", None)
    for age, goes in ((0, False), (60, locks), (25 * 3600, True)):
        if left.exists():
            os.utime(left, (now - age,) * 2)
        data_files.tidy.cache_clear()
        fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
        assert left.exists() != goes, age
    assert (folder / ".others").exists()


def test_what_another_process_is_writing_is_left_alone(server, cache):
    server.content["a.bin"] = GOOD
    child = writer(cache / "letters/x.bin", "slowly")
    assert child.stdout.readline() == b"begun\n"
    (left,) = (cache / "letters").iterdir()
    os.utime(left, (time.time() - 3600,) * 2)
    fetch(Remote(PLACE, urls=(f"{server.address}/a.bin",)))
    assert left.exists()
    child.communicate(b"")
    assert child.returncode == 0
    assert sorted(p.name for p in (cache / "letters").iterdir()) == ["a.bin", "x.bin"]


# --- the real registry and addresses (nothing is downloaded)


def test_every_registered_file_has_a_source():
    for path in registry():
        known_remote = remote(path)
        assert known_remote.path == path
        if known_remote.convert is None:
            addresses = list(known_remote.urls)
        else:
            assert not known_remote.urls
            addresses = [url for urls in known_remote.originals.values() for url in urls]
        assert addresses
        assert all(url.startswith(("https://", "http://")) for url in addresses)


def test_registry_is_of_good_form():
    for path, checksum in registry().items():
        assert checksum.size > 0
        assert not path.startswith(("/", "."))
        kinds = [digest.partition(":")[0] for digest in checksum.digests]
        if path.startswith("fashion_mnist/"):
            assert kinds == ["md5"]
        else:
            assert kinds[0] == "sha256" and len(checksum.digests[0]) == 7 + 64
        if remote(path).convert is not None:
            assert kinds == ["sha256", "arrays"], f"{path} is converted: its arrays must be known"


def test_the_originals_are_known():
    unknown = {"frey_faces", "noto_emoji", "red_wine"}  # seen by nobody, or packed anew each time
    for path, checksum in registry().items():
        names = set(remote(path).originals)
        assert set(checksum.originals) == (set() if path.split("/")[0] in unknown else names)
        assert all(len(digest) == 64 for digest in checksum.originals.values())


def open_to_all(urls, digests) -> bool:
    """Whether somebody on the way may put another file in the place of one."""
    return any(url.startswith("http://") for url in urls) and not any(
        digest.startswith(("sha256:", "arrays:")) for digest in digests
    )


def test_no_plain_address_without_a_strong_checksum():
    for path, checksum in registry().items():
        known_remote = remote(path)
        assert not open_to_all(known_remote.urls, checksum.digests), path
        for name, urls in known_remote.originals.items():
            assert not open_to_all(urls, checksum.of_original(name).digests), path
    assert open_to_all(["https://a", "http://b"], ["md5:0"]) and open_to_all(["http://b"], [])


def test_registry_counts():
    assert len(files("bsds500/images/")) == len(files("bsds500/boundaries/")) == 500
    assert len(files("restoration_sets/")) == 5 + 12 + 14 + 68
    assert len(files("mnist/")) == len(files("fashion_mnist/")) == 4


def test_source_of_nothing():
    with pytest.raises(ValueError, match="no set"):
        remote("nothing/a.bin")


def test_short_reasons():
    text = download.in_short(requests.exceptions.ConnectionError("x" * 1000))
    assert text.startswith("ConnectionError: xxx") and len(text) < 200
    wrapping = requests.exceptions.ConnectionError(SimpleNamespace(reason=OSError("a): the cause")))
    assert download.in_short(wrapping) == "OSError: the cause"
    assert download.in_short(requests.exceptions.Timeout()) == "Timeout: "
