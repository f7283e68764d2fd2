"""What submissions are kept from, where the kernel can do it, and what is said where it cannot."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from grading import fence
from grading.sandbox import Limits, Warm

from tests.homework.running import became, check, outcomes, own


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fenced")
    (folder / "source").mkdir()
    (folder / "source" / "solution.txt").write_text("the solution")
    return folder


@pytest.fixture(scope="module")
def warm(course: Path) -> Iterator[Warm]:
    with Warm(course, Limits(seconds=10)) as warm:
        yield warm


@pytest.fixture
def fenced(warm: Warm) -> Warm:
    if warm.fence:
        pytest.skip(f"this system has no fence: {warm.fence}")
    return warm


def attempt(warm: Warm, code: str) -> str:
    """Return the name of the exception with which some code ends, or ``"passed"``."""
    result = became(warm.run([own(code, "try"), check("pass")]))["try"]
    return result.error or result.outcome


def test_its_own_folder_is_the_submissions(fenced: Warm) -> None:
    code = "import os\nopen('a', 'w').write('1')\nos.rename('a', 'b')\nos.mkdir('c')\nopen('b')"
    assert attempt(fenced, code) == "passed"
    assert attempt(fenced, "import tempfile\ntempfile.NamedTemporaryFile()") == "passed"


def test_the_courses_files_cannot_be_read(fenced: Warm, course: Path) -> None:
    path = course / "source" / "solution.txt"
    assert path.read_text()
    assert attempt(fenced, f"open({str(path)!r}).read()") == "PermissionError"
    assert attempt(fenced, f"import os\nos.listdir({str(course)!r})") == "PermissionError"
    code = f"import subprocess\nsubprocess.run(['cat', {str(path)!r}], check=True)"
    assert attempt(fenced, code) == "CalledProcessError"
    link = f"import os\nos.symlink({str(path)!r}, 'link')\nopen('link').read()"
    assert attempt(fenced, link) == "PermissionError"


def test_other_submissions_cannot_be_read(fenced: Warm) -> None:
    other = fenced.work / "submission-of-another"
    other.mkdir()
    (other / "answer").write_text("42")
    try:
        code = f"open({str(other / 'answer')!r})"
        assert attempt(fenced, code) == "PermissionError"
    finally:
        (other / "answer").unlink()
        other.rmdir()


def test_nothing_else_can_be_written(fenced: Warm, course: Path, tmp_path: Path) -> None:
    import gdmlib

    for folder in (course, tmp_path, fenced.work, Path(gdmlib.__file__).parent, Path("/tmp")):
        place = folder / "planted"
        assert attempt(fenced, f"open({str(place)!r}, 'w')") == "PermissionError"
        assert not place.exists()
    victim = tmp_path / "victim"
    victim.write_text("kept")
    for code in ("remove({})", "truncate({}, 0)", "rename({}, 'mine')", "link({}, 'mine')"):
        call = f"import os\nos.{code.format(repr(str(victim)))}"
        assert attempt(fenced, call) in ("PermissionError", "OSError"), code
    assert victim.read_text() == "kept"


def test_the_network_is_out_of_reach(fenced: Warm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=server.accept, daemon=True).start()
        call = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)"
        assert attempt(fenced, call) in ("OSError", "PermissionError", "ConnectionRefusedError")
        socket.create_connection(("127.0.0.1", port), 2).close()  # which others can reach


def test_other_processes_cannot_be_ended(fenced: Warm) -> None:
    for pid in (os.getpid(), fenced.host.server.pid if fenced.host.server else 0):
        code = f"import os\nos.kill({pid}, 0)"
        assert attempt(fenced, code) in ("ProcessLookupError", "PermissionError")
    assert outcomes(fenced.run([check("assert True")])) == {"test": "passed"}


def test_the_library_and_python_work_inside(fenced: Warm) -> None:
    code = "import sqlite3, tomllib, gdmlib.data\nfrom gdmlib import data\ndata.digits('train')"
    assert attempt(fenced, code) == "passed"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's calls are Linux's")
@pytest.mark.parametrize("call", ["unshare", "syscall"])
def test_a_system_without_fence_goes_on_and_says_so(
    fenced: Warm, course: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str
) -> None:
    # A kernel that knows no such call, as the process of a submission finds it.
    text = Path(fence.__file__).read_text()
    broken = text + (
        "\n\nclass _Refusing:\n    def __getattr__(self, name):\n"
        f"        return (lambda *a: -1) if name == {call!r} else getattr(_real(), name)\n"
        "\n\n_real, _libc = _libc, _Refusing\n"
    )
    from grading import place

    real = place.make

    def make(course: Path) -> Path:
        work = real(course)
        (work / "grading" / "fence.py").write_text(broken)
        return work

    monkeypatch.setattr(place, "make", make)
    with Warm(course, Limits(seconds=10)) as warm:
        missing = {"syscall": "read and change your files"}
        if any(name != "lo" for _, name in socket.if_nameindex()):
            missing["unshare"] = "reach the network"
        assert [c for c, words in missing.items() if words in warm.fence] == [call]
        assert "Dockerfile" in warm.fence
        assert outcomes(warm.run([own("x = 1"), check("assert x == 1")]))["test"] == "passed"


def test_the_sentence_lists_what_is_missing() -> None:
    assert fence.sentence([]) == ""
    one = fence.sentence([fence.NETWORK])
    assert "can reach the network: grade in the container" in one
    both = fence.sentence([fence.NETWORK, fence.FILES])
    assert "can read and change your files and reach the network:" in both


def test_a_course_inside_python_is_not_called_fenced(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "exec_prefix", str(course.parent))
    with Warm(course, Limits(seconds=10)) as warm:
        assert "read and change your files" in warm.fence
