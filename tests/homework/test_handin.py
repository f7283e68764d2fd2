"""The check before handing in: every planted fault is found, and a clean copy gives no finding."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from gdmlib import handin
from gdmlib.handin import checking, fresh, here
from gdmlib.handin.__main__ import main
from gdmlib.handin.checking import check_source
from gdmlib.handin.compare import Compared
from gdmlib.handin.manifest import KEY, Entry, ManifestError, digest, find, loads
from gdmlib.handin.notebook import StudentCell, read_cells
from tests.homework import editors, faults
from tests.homework.courses import DOUBLE, HALF, TINY, answers, solutions
from tools import homework

LESSONS = [path.stem for path in homework.lessons()]


def solved(course: Path, stem: str) -> dict:
    """Return the JSON of a release with the lesson's own answers in it."""
    notebook = nbformat.read(course / "release" / stem / f"{stem}.ipynb", as_version=4)
    answers(solutions(course / "source" / stem / f"{stem}.ipynb"))(notebook)
    return json.loads(nbformat.writes(notebook))


def source(notebook: dict, folder: Path | None = None) -> here.Source:
    return here.Source("mine.ipynb", json.dumps(notebook).encode(), folder or Path.cwd())


def kinds(report: handin.Report) -> list[str]:
    return [finding.kind for finding in report.findings]


@pytest.fixture
def tiny(tiny_course: Path) -> dict:
    return solved(tiny_course, TINY)


# --- every lesson ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", LESSONS)
def test_no_editor_makes_a_finding(lessons_course: Path, stem: str) -> None:
    path = lessons_course / "release" / stem / f"{stem}.ipynb"
    for notebook in (json.loads(path.read_text(encoding="utf-8")), solved(lessons_course, stem)):
        for editor in editors.ALL:
            report = check_source(source(editor(notebook)), run=False)
            assert report.findings == (), (editor.__name__, str(report))
            assert report.lesson == stem and report.exercises


@pytest.mark.parametrize("stem", LESSONS)
def test_every_planted_fault_is_found_in_every_lesson(lessons_course: Path, stem: str) -> None:
    for fault in faults.STATIC:
        for editor in (editors.untouched, editors.colab, editors.vscode_old):
            notebook = editor(solved(lessons_course, stem))
            fault.plant(notebook)
            report = check_source(source(notebook), run=False)
            assert kinds(report) == [fault.kind], (fault.name, editor.__name__, str(report))
            assert all(finding.do for finding in report.findings)


def test_there_are_a_dozen_faults_and_more() -> None:
    assert len({fault.name for fault in faults.STATIC}) >= 12
    assert len({fault.kind for fault in (*faults.STATIC, *faults.RUNNING)}) >= 12


@pytest.mark.parametrize("stem", LESSONS)
def test_looking_takes_well_under_a_second(lessons_course: Path, stem: str) -> None:
    notebook = source(editors.jupyterlab(solved(lessons_course, stem)))
    begin = time.process_time()
    check_source(notebook, run=False)
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize("stem", LESSONS)
def test_a_release_counts_what_is_open_and_finds_nothing(lessons_course: Path, stem: str) -> None:
    path = lessons_course / "release" / stem / f"{stem}.ipynb"
    report = handin.check_file(path, run=False)
    assert report.findings == () and set(report.open) == set(report.exercises)
    with_answers = check_source(source(solved(lessons_course, stem)), run=False)
    assert with_answers.open == () and with_answers.exercises == report.exercises


@pytest.mark.parametrize("stem", LESSONS)
def test_a_release_says_the_same_of_itself_twice(lessons_course: Path, stem: str) -> None:
    path = lessons_course / "release" / stem / f"{stem}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    manifest = find(read_cells(path.read_bytes()), {})
    assert manifest == loads(notebook.metadata[KEY]) and manifest.lesson == stem
    graded = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert [e.digest for e in manifest.tests] == [digest(cell.source) for cell in graded]
    assert all(entry.names and entry.exercise != "-" for entry in manifest.answers)
    last = notebook.cells[-1].source
    assert last.startswith("from gdmlib import handin") and "BEGIN" not in last


# --- running --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", faults.RUNNING, ids=lambda fault: fault.name)
def test_what_shows_in_a_run_is_found(tiny: dict, tmp_path: Path, fault: faults.Fault) -> None:
    fault.plant(tiny)
    assert check_source(source(tiny), run=False).findings == ()
    limit = 2.0 if fault.kind == "timeout" else 60.0
    report = check_source(source(tiny, tmp_path), cell_seconds=limit)
    assert set(kinds(report)) == {fault.kind}, str(report)


def test_a_clean_copy_runs_and_says_how_long(tiny: dict, tmp_path: Path) -> None:
    for editor in (editors.jupyterlab, editors.colab, editors.vscode):
        report = check_source(source(editor(tiny), tmp_path))
        assert report.findings == () and report.run is not None
        assert [ran.outcome for ran in report.run.cells] == ["passed"] * 5
        assert "Ran from top to bottom in a fresh process: 0." in str(report)
        assert str(report).endswith("Nothing to mend: hand it in.")


@pytest.mark.parametrize("stem", LESSONS[1:3])
def test_a_lesson_with_answers_runs(
    lessons_course: Path, tmp_path: Path, stem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDMLIB_BUDGET", "grade")
    report = check_source(source(solved(lessons_course, stem), tmp_path))
    assert report.findings == (), str(report)
    assert report.checking < 1


def test_a_test_that_grading_would_stop_is_told() -> None:
    entry = Entry("1.1", "test", "x-test", "0" * 12, 1.0)
    done = fresh.Run((fresh.Ran(3, 61.0, "passed"), fresh.Ran(4, 99.0, "passed")), 160.0)
    (found,) = checking._of_run(done, Compared((), (), {3: entry}), {}, 300, 1200)
    assert found.kind == "slow" and "took 61 seconds" in found.what


def test_what_follows_from_an_error_is_left_out(tiny: dict, tmp_path: Path) -> None:
    tiny["cells"].insert(-2, faults.own("scale = 1 / 0"))
    tiny["cells"].insert(-2, faults.own("print(scale)"))
    report = check_source(source(tiny, tmp_path))
    assert kinds(report) == ["error"] and "ZeroDivisionError: division by zero" in str(report)


def run(folder: Path, *sources: str, **limits: float) -> fresh.Run:
    """Run some cells."""
    return fresh.run([StudentCell("code", text) for text in sources], folder, **limits)


def test_all_of_a_notebook_has_a_limit(tmp_path: Path) -> None:
    done = run(tmp_path, *["import time\ntime.sleep(1)"] * 5, total_seconds=2.5)
    assert done.cells[-1].outcome == "total" and done.skipped == 5 - len(done.cells) > 0
    found = list(checking._of_run(done, Compared((), (), {}), {}, 60, 2.5))
    assert [finding.kind for finding in found] == ["total"] and "2.5 seconds" in found[0].what


def test_a_run_has_magics_and_await_and_room_for_output(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "%timeit -n1 -r1 1 + 1",
        "import asyncio\nawait asyncio.sleep(0)",
        "!echo {1 + 1}",
        "import os\nos.write(1, b'noise\\n' * 10000)",
        "print('x' * 10**6)",
        "1 + 1",
    )
    assert [ran.outcome for ran in done.cells] == ["passed"] * 6, done


def test_names_of_files_get_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("value = 7")
    done = run(tmp_path, "import mine\nassert mine.value == 7", "import code\ncode.compile_command")
    assert [ran.outcome for ran in done.cells] == ["passed"] * 2, done


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_cell_started_ends_with_the_run(tmp_path: Path) -> None:
    start = "import subprocess\nchild = subprocess.Popen(['sleep', '100'])\n"
    keep = "from pathlib import Path\nwritten = Path('pid').write_text(str(child.pid))"
    assert run(tmp_path, start + keep).cells[0].outcome == "passed"
    state = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_run_ends_with_whoever_started_it(tmp_path: Path) -> None:
    text = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(100)"
    code = (
        "from pathlib import Path\nfrom gdmlib.handin import fresh\n"
        "from gdmlib.handin.notebook import StudentCell\n"
        f"fresh.run([StudentCell('code', {text!r})], Path.cwd())"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    assert waited_for(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
    starter.kill()
    starter.wait()
    state = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    assert waited_for(lambda: not state.exists() or state.read_text().split()[2] == "Z")


def waited_for(true: Callable[[], object], seconds: float = 60.0) -> bool:
    """Return whether something comes true in time."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_an_error_that_cannot_be_said_is_an_error(tmp_path: Path) -> None:
    text = "class Odd(Exception):\n    def __str__(self):\n        raise KeyError\nraise Odd"
    (ran,) = run(tmp_path, text).cells
    assert (ran.outcome, ran.error, ran.message) == ("error", "Odd", "")


def test_without_ipython_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "IPython").mkdir()
    (tmp_path / "IPython" / "__init__.py").write_text("raise ImportError('No module IPython')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(fresh.NoShellError, match=r"No module IPython: .*pip install ipykernel"):
        run(tmp_path, "1")


# --- answers and tests ----------------------------------------------------------------------------


def change(notebook: dict, grade_id: str, text: str) -> None:
    """Give the cell of a grade_id another text."""
    cells = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id")]
    next(c for c in cells if c["metadata"]["nbgrader"]["grade_id"] == grade_id)["source"] = text


def test_an_answer_below_the_open_one_is_sent_home(tiny_course: Path) -> None:
    path = tiny_course / "release" / TINY / f"{TINY}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"].insert(2, faults.own(DOUBLE))
    report = check_source(source(notebook), run=False)
    assert kinds(report) == ["answer-elsewhere"] and report.open == ("Exercise 1.2",)
    assert "cell 3" in str(report) and "Move its code to cell 2" in str(report)


def test_a_helper_of_the_students_is_no_fault(tiny: dict) -> None:
    change(
        tiny,
        "double-solution",
        "def twice(x):\n    return x + x\n\ndef double(x):\n    return twice(x)",
    )
    tiny["cells"].insert(2, faults.own("def double_check(x):\n    return double(x)"))
    assert check_source(source(tiny), run=False).findings == ()


def test_faults_add_up(tiny: dict) -> None:
    faults.test_emptied(tiny)
    faults.answer_renamed(tiny)
    report = check_source(source(tiny), run=False)
    assert kinds(report) == ["answer-renamed", "test-emptied"]
    assert "does not define `double`" in str(report) and "2 things to mend" in str(report)


def test_what_ran_last_must_be_in_the_file(tiny: dict) -> None:
    newer = "def double(x):\n    return x + x"
    for ran, found in (
        ((DOUBLE, HALF), []),
        ((newer, DOUBLE), []),
        ((DOUBLE, newer, "print(double(2))"), ["unsaved"]),
    ):
        data = json.dumps(tiny).encode()
        report = check_source(here.Source("x.ipynb", data, Path.cwd(), ran=ran), run=False)
        assert kinds(report) == found
    assert "Exercise 1.1 is not in the saved file" in str(report) and "Save" in str(report)


# --- the list of tests ----------------------------------------------------------------------------


def test_without_its_last_cell_a_notebook_is_checked_by_its_metadata(tiny: dict) -> None:
    del tiny["cells"][-2:]
    faults.test_deleted(tiny)
    assert kinds(check_source(source(tiny), run=False)) == ["test-missing"]


def test_a_changed_list_is_not_believed(tiny: dict) -> None:
    text = "".join(tiny["cells"][-1]["source"])
    tiny["cells"][-1]["source"] = re.sub(r".*half-test.*\n", "", text)
    assert check_source(source(tiny), run=False).findings == ()  # by the metadata
    del tiny["metadata"][KEY]
    report = check_source(source(tiny), run=False)
    assert kinds(report) == ["manifest"] and "was changed" in str(report)


def test_without_any_list_a_fresh_copy_tells(tiny_course: Path, tiny: dict, tmp_path: Path) -> None:
    del tiny["cells"][-2:], tiny["metadata"][KEY]
    faults.assertion_taken_out(tiny)
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps(tiny), encoding="utf-8")
    assert kinds(handin.check_file(path, run=False)) == ["manifest"]
    release = tiny_course / "release" / TINY / f"{TINY}.ipynb"
    assert kinds(handin.check_file(path, release, run=False)) == ["test-edited"]


@pytest.mark.parametrize(
    "text", ["", "01_tiny", "01_tiny\nsum 0", "a b\nsum {}", "x\nother y\nsum {}"]
)
def test_a_list_that_is_none_is_refused(text: str) -> None:
    lines = [line for line in text.splitlines() if not line.startswith("sum")]
    with pytest.raises(ManifestError):
        loads(text.format(digest(" ".join(lines))))


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_what_to_do(
    tiny: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps(tiny), encoding="utf-8")
    assert main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "Answered: 2 of 2 exercises\n" in said and "Ran from top to bottom" in said
    faults.test_deleted(tiny)
    path.write_text(json.dumps(tiny), encoding="utf-8")
    assert main(["--no-run", str(path)]) == 1
    said = capsys.readouterr().out
    assert "The test double-test of Exercise 1.1 is missing. Copy its cell from a fresh" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "name the notebook's file"),
        (b"", "the file is empty"),
        (b"%PDF-1.7", "a PDF"),
        (b'{"cells": [], "metadata": {}', "cut off"),
        (b'{"cells": [], "metadata": {}}', "its last cell is gone"),
        (b"[1]", "no notebook"),
    ],
)
def test_what_is_no_notebook_of_ours_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, content: bytes | None, said: str
) -> None:
    path = tmp_path / "mine.ipynb"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 1
    out = capsys.readouterr()
    assert said in out.out + out.err and "Traceback" not in out.err


def test_a_limit_must_be_a_number(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--cell", "0", "mine.ipynb"])
    assert left.value.code == 2 and "--cell" in capsys.readouterr().err


def test_it_loads_no_torch() -> None:
    code = "import sys, gdmlib.handin.__main__ as m; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- the last cell --------------------------------------------------------------------------------


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Return the names of a running session, in a folder of its own."""
    names: dict[str, Any] = {"In": [""]}
    monkeypatch.setattr(here, "_names", lambda: names)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.delenv("GDMLIB_BUDGET", raising=False)
    monkeypatch.delenv(fresh.RUNNING, raising=False)
    monkeypatch.chdir(tmp_path)
    return names


def call(notebook: dict) -> handin.Report | None:
    """Run the last cell of a notebook, without a run of the notebook."""
    text = "".join(notebook["cells"][-1]["source"])
    return handin.check(re.findall(r'"""\n(.*)"""', text, flags=re.DOTALL)[0], run=False)


def test_each_editor_is_asked_in_its_way(
    tiny: dict, session: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "mine.ipynb"
    path.write_text(json.dumps(tiny), encoding="utf-8")
    session["__vsc_ipynb_file__"] = str(path)
    report = call(tiny)
    assert report is not None and report.name == "mine.ipynb" and report.saved
    del session["__vsc_ipynb_file__"]
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    report = call(tiny)
    assert report is not None and report.name == "mine.ipynb"


def test_colab_hands_over_what_it_shows(
    tiny: dict, session: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    shown = editors.colab(tiny)
    message = types.SimpleNamespace(blocking_request=lambda what, timeout_sec: {"ipynb": shown})
    colab = types.ModuleType("google.colab")
    colab._message = message  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    report = call(tiny)
    assert report is not None and report.findings == () and not report.saved
    message.blocking_request = lambda what, timeout_sec: None
    assert call(tiny) is None
    assert "download it" in capsys.readouterr().out


def test_elsewhere_the_folder_is_searched(
    tiny: dict, session: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert call(tiny) is None
    assert "of this lesson: none" in capsys.readouterr().out
    (tmp_path / "other.ipynb").write_text("no notebook")
    (tmp_path / "mine.ipynb").write_text(json.dumps(tiny), encoding="utf-8")
    report = call(tiny)
    assert report is not None and report.name == "mine.ipynb"
    shutil.copy(tmp_path / "mine.ipynb", tmp_path / "copy.ipynb")
    assert call(tiny) is None
    assert "copy.ipynb, mine.ipynb" in capsys.readouterr().out


@pytest.mark.parametrize(("asked", "budget"), [(None, "grade"), ("cpu", "cpu")])
def test_the_check_runs_on_the_budget_of_grading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str | None, budget: str
) -> None:
    monkeypatch.delenv("GDMLIB_BUDGET", raising=False)
    if asked:
        monkeypatch.setenv("GDMLIB_BUDGET", asked)
    code = f"from gdmlib import lesson\nassert lesson.start('01_tiny').budget == {budget!r}"
    done = fresh.run([StudentCell("code", code)], tmp_path)
    assert [ran.outcome for ran in done.cells] == ["passed"], done


def test_a_changed_last_cell_says_so(session: dict, capsys: pytest.CaptureFixture) -> None:
    assert handin.check("01_tiny\nsum 0") is None
    assert "was changed" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "value"), [("GDMLIB_BUDGET", "grade"), (fresh.RUNNING, "1")])
def test_while_grading_or_checking_the_last_cell_does_nothing(
    tiny: dict, session: dict, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(checking, "check_source", None)
    assert call(tiny) is None


def test_in_a_real_session_what_ran_is_known(tiny: dict, tmp_path: Path) -> None:
    path = tmp_path / f"{TINY}.ipynb"
    path.write_text(json.dumps(tiny), encoding="utf-8")
    last = "".join(tiny["cells"][-1]["source"])
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_cell('def double(x):\\n    return 3 * x', store_history=True)\n"
        f"shell.run_cell({last!r}, store_history=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k not in ("JPY_SESSION_NAME", "GDMLIB_BUDGET")},
        capture_output=True,
        text=True,
    )
    assert "What you ran last for Exercise 1.1 is not in the saved file" in done.stdout, done.stderr
    assert "Ran from top to bottom" in done.stdout


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ('run.train_or_load("24_direct", direct, train)', "checkpoints/ beside the notebook"),
        ("while True:\n    pass", "a loop without an end"),
    ],
)
def test_the_lesson_s_own_training_is_no_loop_of_the_student(code: str, advice: str):
    done = fresh.Run((fresh.Ran(1, 300.0, "timeout"),), 300.0, 2)
    (finding,) = checking._of_run(done, Compared((), (), {}), {1: code}, 300.0, 1800.0)
    assert finding.kind == "timeout" and advice in finding.do
