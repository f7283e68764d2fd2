"""Whatever a submission's code does, it costs its own points at most, and earns none of others."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from grading import canary
from grading.place import imports
from grading.sandbox import DISABLED, Limits, Run, Warm

from gdmlib.handin.code import binds
from tests.homework.running import (
    bare_course,
    became,
    check,
    given,
    lesson_steps,
    outcomes,
    own,
)
from tools import homework

LESSON = "02_gaussian_mle"
LIMITS = Limits(seconds=5, memory=800 << 20, output=1 << 20, files=4 << 20, processes=10)
LESSONS = homework.lessons()


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    return bare_course(tmp_path_factory.mktemp("course"), root, LESSON)


@pytest.fixture(scope="module")
def warm(course: Path) -> Iterator[Warm]:
    with Warm(course, LIMITS) as warm:
        yield warm


def peak(pid: int) -> int:
    """Return the most bytes that a process ever had in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) << 10


# What a test sees


def test_a_lesson_solved_earns_all_its_points(warm: Warm, root: Path) -> None:
    steps = lesson_steps(root / "notebooks" / f"{LESSON}.ipynb")
    run = replace_limits(warm, Limits()).run(steps)
    assert run.reason == ""
    bad = [result for result in run.results if result.outcome not in ("passed", "not-run")]
    assert not bad
    assert all(outcomes(run)[step.key] == "passed" for step in steps if step.kind != "given")


def replace_limits(warm: Warm, limits: Limits) -> Warm:
    """Return the same process, with other limits."""
    other = Warm(warm.course, limits)
    vars(other).update({**vars(warm), "limits": limits})
    return other


def test_results_say_what_was_raised_and_printed(warm: Warm) -> None:
    steps = [
        given("print('hello')", "g"),
        own("print('mine')\n1 + 1", "a"),
        own("def f(:", "b"),
        check("assert 1 == 2, 'law of one'", "t"),
        check("1 / 0", "u"),
        given("print('never')", "last"),
    ]
    got = became(warm.run(steps))
    assert (got["g"].outcome, got["g"].output) == ("passed", "hello\n")
    assert got["a"].output.startswith("mine\n") and "2" in got["a"].output
    assert (got["b"].outcome, got["b"].error) == ("error", "SyntaxError")
    assert (got["t"].outcome, got["t"].message) == ("failed", "law of one")
    assert (got["u"].outcome, got["u"].error) == ("error", "ZeroDivisionError")
    assert got["last"].outcome == "not-run", "nothing that is scored can depend on it"


@pytest.mark.parametrize("noise", ["warnings.warn('w')", "print('x', file=sys.stderr)"])
def test_warnings_cost_nothing(warm: Warm, noise: str) -> None:
    code = f"import sys, warnings\ndef f():\n    {noise}\n    return 1"
    assert outcomes(warm.run([own(code), check("assert f() == 1")]))["test"] == "passed"


def test_notebook_syntax_works(warm: Warm) -> None:
    cells = ["%matplotlib agg", "!true", "await __import__('asyncio').sleep(0)", "%%time\nz = 1"]
    run = warm.run([own(c, f"own-{i}") for i, c in enumerate(cells)] + [check("assert z == 1")])
    assert set(outcomes(run).values()) == {"passed"}


def test_assets_lie_beside_the_code(warm: Warm, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("1,2")
    (tmp_path / "lesson.ipynb").write_text("{}")
    look = "import os\nfound = (sorted(os.listdir()), open('table.csv').read())"
    test = "assert found == (['table.csv'], '1,2'), found"
    assert outcomes(warm.run([own(look), check(test)], tmp_path))["test"] == "passed"


# What the student rebinds, changes or replaces

SETUP = (
    "import math, numpy as np, torch\nfrom gdmlib import metrics\n"
    "class Law:\n    def holds(self): return False\n"
    "x, table, law = torch.ones(3), {'a': [1.0]}, Law()\n"
    "net = torch.nn.Linear(1, 1)\ngenerator = torch.Generator().manual_seed(0)\n"
    "weight = float(net.weight)\n"
)
UNTOUCHED = (
    "import random, os\n"
    "assert x.tolist() == [1, 1, 1] and table == {'a': [1.0]} and not law.holds()\n"
    "assert float(net.weight) == weight and net.training\n"
    "assert torch.rand(1, generator=generator) == "
    "torch.rand(1, generator=torch.Generator().manual_seed(0))\n"
    "assert torch.zeros(1).dtype == torch.float32 and torch.is_grad_enabled()\n"
    "assert not torch.allclose(torch.zeros(1), torch.ones(1)) and len([1, 2]) == 2\n"
    "assert not (torch.zeros(1) > 1).any() and not np.allclose(0, 1)\n"
    "assert np.geterr()['divide'] == 'warn' and os.environ['GDMLIB_BUDGET'] == 'grade'\n"
    "assert metrics.mean_and_stderr(torch.ones(4)).mean == 1 and math.pi > 3\n"
)
CHANGES = [
    "x = torch.zeros(3)",
    "x.mul_(0)",
    "x.data = torch.zeros(2)",
    "x.numpy()[:] = 7",
    "table['a'].append(2)",
    "table.clear()",
    "net.weight.data.zero_()",
    "net.eval()",
    "Law.holds = lambda self: True",
    "law.holds = lambda: True",
    "Law.holds.__code__ = (lambda self: True).__code__",
    "torch.rand(5, generator=generator)",
    "torch.set_default_dtype(torch.float64)",
    "torch.set_grad_enabled(False)",
    "torch.inference_mode().__enter__()",
    "np.seterr(all='raise')",
    "import warnings; warnings.simplefilter('error')",
    "import os; os.environ.clear()",
    "import os; os.mkdir('d'); os.chdir('d')",
    "math = None",
    "torch = math",
    "math.pi = 1",
    "torch.allclose = lambda *a, **k: True",
    "np.allclose = lambda *a, **k: True",
    "torch.Tensor.__gt__ = lambda *a: torch.ones(1)",
    "torch.Tensor.any = lambda *a: True",
    "import builtins; builtins.len = lambda x: 0",
    "metrics.mean_and_stderr = None",
    "metrics.mean_and_stderr.__defaults__ = (1, 2, 3)",
    "import sys; sys.modules['torch'] = math",
    "import sys; sys.settrace(lambda *a: None)",
    "get_ipython().ast_transformers.append(None)",
    "get_ipython().events.register('pre_run_cell', lambda info: None)",
]


@pytest.fixture(scope="module")
def after_changes(warm: Warm) -> dict[str, str]:
    """Return what became of a test that follows each change, and of one before any."""
    steps = [given(SETUP), check(UNTOUCHED, "nothing")]
    for number, change in enumerate(CHANGES):
        steps += [own(change, f"own-{number}"), check(UNTOUCHED, change)]
    run = warm.run(steps)
    assert run.reason == ""
    return {r.key: r.outcome + r.error + r.message for r in run.results}


@pytest.mark.parametrize("change", ["nothing", *CHANGES])
def test_tests_see_the_lesson_and_the_libraries_as_they_were(
    after_changes: dict[str, str], change: str
) -> None:
    assert after_changes[change] == "passed"


@pytest.mark.parametrize("change", ["x.mul_(0)", "torch.allclose = lambda *a, **k: True"])
def test_without_protection_the_change_would_be_seen(warm: Warm, change: str) -> None:
    # In one step with the change, nothing can be put back in between.
    run = warm.run([given(SETUP), check(f"{change}\n{UNTOUCHED}")])
    assert outcomes(run)["test"] == "failed"


def test_who_rebinds_a_name_of_the_lesson_loses_nothing(warm: Warm) -> None:
    steps = [
        given("scale = 2"),
        own("scale = 10\ndef f(x): return scale * x"),
        check("assert f(1) == 10 and scale == 2"),
        given("import math\ndouble = scale * 2", "later"),
        own("assert double == 4 and scale == 10 and math", "use"),
        check("assert True", "end"),
    ]
    assert set(outcomes(warm.run(steps)).values()) == {"passed"}


def test_later_tests_see_what_tests_bound(warm: Warm) -> None:
    steps = [check("def helper(): return 3", "a"), own("helper = 4"), check("assert helper() == 3")]
    assert set(outcomes(warm.run(steps)).values()) == {"passed"}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_lesson_binds_an_answer_outside_its_exercise(path: Path) -> None:
    # A test sees the lesson's own binding of a name, where there is one.
    steps = lesson_steps(path)
    answers = {name for s in steps if s.kind == "own" for name in binds(s.source)}
    others = {name for s in steps if s.kind != "own" for name in binds(s.source)}
    assert answers and not answers & others


def test_an_override_in_the_students_cell_does_not_turn_a_wrong_answer_right(warm: Warm) -> None:
    cheat = "import torch\ntorch.allclose = lambda *a, **k: True\ndef f(): return torch.zeros(2)"
    test = "import torch\nassert torch.allclose(f(), torch.ones(2)), 'law of ones'"
    run = warm.run([own(cheat), check(test)])
    assert became(run)["test"].message == "law of ones" and run.reason == ""


def test_an_override_while_the_test_runs_is_noticed(warm: Warm) -> None:
    cheat = "import torch\ndef f():\n    torch.allclose = lambda *a, **k: True\n"
    cheat += "    return torch.zeros(2)"
    test = "import torch\nx = f()\nassert torch.allclose(x, torch.ones(2)), 'law of ones'"
    assert warm.run([own(cheat), check(test)]).reason == DISABLED


def test_a_check_that_does_not_fail_is_the_reason(
    warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grading import attempt

    monkeypatch.setattr(attempt, "CANARIES", (*canary.CANARIES, "assert True"))
    assert warm.run([check("assert True")]).reason == DISABLED
    assert warm.run([check("assert False")]).reason == "", "a test that failed needs no proof"


def test_every_check_fails_where_nothing_is_disabled(warm: Warm) -> None:
    run = warm.run([check(source, source) for source in canary.CANARIES])
    assert set(outcomes(run).values()) == {"failed"}


def test_forged_results_count_for_nothing(warm: Warm) -> None:
    forged = json.dumps({"ticket": "", "outcome": "passed", "error": "", "message": ""}) + "\n"
    code = (
        f"import os\nfor handle in range(3, 40):\n    try: os.write(handle, {forged.encode()!r})\n"
        "    except OSError: pass"
    )
    assert outcomes(warm.run([own(code), check("assert False")]))["test"] == "failed"


# What never ends, ends everything, or is too much

GOOD = [own("def good(): return 1", "good"), check("assert good() == 1", "good-test")]
TROUBLE = {
    "loop": ("while True: pass", "timeout"),
    "stubborn loop": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "timeout",
    ),
    "sleep": ("import time\ntime.sleep(1000)", "timeout"),
    "exit at once": ("import os\nos._exit(0)", "died"),
    "abort": ("import os\nos.abort()", "died"),
    "fault": ("import ctypes\nctypes.string_at(0)", "died"),
    "exit": ("import sys\nsys.exit()", "error"),
    "quit": ("quit()", "passed"),
    "input": ("input()", "error"),
    "interrupt": ("raise KeyboardInterrupt", "error"),
    "endless print": ("while True: print('x' * 99)", "output"),
    "endless line": ("while True: print('x' * 99, end='')", "output"),
    "long line": ("print('x' * 200_000_000)", "output"),
    "long message": ("raise ValueError('x' * 30_000_000)", "error"),
    "bad message": (
        "class E(Exception):\n    def __str__(self): raise E\nraise E",
        "error",
    ),
    "hog": ("x = []\nwhile True: x.append(bytearray(10**7))", "memory"),
    "hog in torch": ("import torch\ntorch.ones(10**12)", "memory"),
    "disk": ("with open('f', 'wb') as f:\n    f.write(bytes(10**7))", "error"),
    "deep": ("def d(): return d()\nd()", "error"),
    "no streams": ("import os, sys\nsys.stdout = None\nos.close(1)\nos.close(2)", "passed"),
}


# While a test runs, the step that ends is another.
IN_A_TEST = ("stubborn loop", "exit at once", "exit", "endless line", "long message", "hog", "quit")


@pytest.mark.parametrize(
    ("place", "name"),
    [*(("cell", name) for name in TROUBLE), *(("test", name) for name in IN_A_TEST)],
)
def test_trouble_costs_its_own_points_only(warm: Warm, name: str, place: str) -> None:
    code, outcome = TROUBLE[name]
    inside = "\n".join(f"    {line}" for line in code.splitlines())
    bad = own(code, "bad") if place == "cell" else own(f"def bad():\n{inside}", "bad")
    steps = [*GOOD, bad, check("bad()\nassert False", "bad-test"), own("def late(): return 2")]
    got = outcomes(warm.run([*steps, check("assert late() == 2")]))
    if place == "cell":
        assert got.pop("bad") == outcome
        assert got.pop("bad-test") in ("error", "failed")
    else:
        assert got.pop("bad-test") == ("failed" if outcome == "passed" else outcome)
        assert got.pop("bad") == "passed"
    assert set(got.values()) == {"passed"}, got


def test_memory_of_the_grader_and_of_the_libraries_process_is_bounded(warm: Warm) -> None:
    assert warm.host.server is not None
    grader, libraries = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10, 0
    if sys.platform == "linux":
        libraries = peak(warm.host.server.pid)
    names = ("long line", "endless line", "long message", "hog")
    run = warm.run([own(TROUBLE[name][0], name) for name in names])
    assert "passed" not in outcomes(run).values()
    kept = max(len(result.output) + len(result.message) for result in run.results)
    assert kept <= 10_300
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - grader < 20 << 20
    if sys.platform == "linux":
        assert peak(warm.host.server.pid) - libraries < 20 << 20


def test_memory_that_an_answer_keeps_is_not_held_against_others(warm: Warm) -> None:
    keep = own("kept = [bytearray(10**7) for _ in range(70)]\ndef f(): return 1", "keeps")
    need = "import torch\nassert torch.ones(50_000_000).sum() > 0"
    got = outcomes(warm.run([*GOOD, keep, check(need), check("f()", "f")]))
    assert got["test"] == "passed" and got["good-test"] == "passed"
    assert (got["keeps"], got["f"]) == ("memory", "error")


def test_after_too_many_restarts_the_rest_is_not_run(warm: Warm) -> None:
    few = replace_limits(warm, replace(LIMITS, restarts=1))
    bad = [own("import os\nos._exit(1)", f"bad-{n}") for n in range(3)]
    got = outcomes(few.run([*GOOD, *bad, check("assert True")]))
    assert (got["bad-1"], got["bad-2"], got["test"]) == ("died", "not-run", "not-run")
    assert got["good-test"] == "passed", "what was found out counts"


def test_a_cell_of_the_lesson_is_not_blamed_for_code_that_ends_it(warm: Warm) -> None:
    bomb = "import os, threading\nthreading.Timer(0.5, os._exit, [1]).start()"
    slow = given("import time\ntime.sleep(1)\ny = 1")
    got = outcomes(warm.run([*GOOD, own(bomb, "bomb"), slow, check("assert y == 1")]))
    assert got == {"good": "passed", "good-test": "passed", "bomb": "died", "given": "passed"} | {
        "test": "passed"
    }


def test_a_slow_cell_of_the_lesson_costs_no_answer(warm: Warm) -> None:
    got = outcomes(warm.run([*GOOD, given("while True: pass"), own("z = 1"), check("assert z")]))
    assert got["given"] == "timeout"
    assert (got["good-test"], got["test"]) == ("passed", "passed")


def test_nothing_is_left_behind(warm: Warm) -> None:
    seconds = 86_399.5
    start = "import subprocess, sys\nfor new in (True, False):\n    subprocess.Popen("
    start += f"['sleep', '{seconds}'], start_new_session=new)"
    before = set(warm.work.iterdir())
    begin = time.monotonic()
    got = outcomes(warm.run([own(start), check("assert True")]))
    assert set(got.values()) == {"passed"} and time.monotonic() - begin < 60
    left = [
        p for p in psutil.process_iter(["cmdline"]) if str(seconds) in (p.info["cmdline"] or [])
    ]
    assert left == []
    assert set(warm.work.iterdir()) == before


def test_many_processes_are_ended(warm: Warm) -> None:
    many = f"import subprocess, time\nfor _ in range({3 * LIMITS.processes}):\n"
    many += "    subprocess.Popen(['sleep', '77777.5'])\ntime.sleep(60)"
    assert outcomes(warm.run([own(many, "many"), *GOOD])) == {
        "many": "died",
        "good": "passed",
        "good-test": "passed",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's memory as Linux shows it")
def test_a_test_is_in_no_memory_before_it_runs(warm: Warm) -> None:
    # The pattern does not match itself.
    look = r"""
import re
def find():
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            place, rights, *rest = line.split()
            if rights.startswith("rw") and "[v" not in line:
                begin, end = (int(part, 16) for part in place.split("-"))
                memory.seek(begin)
                try:
                    found = re.search(rb"hidden[-]mark", memory.read(end - begin))
                except OSError:
                    continue
                if found:
                    return True
    return False
"""
    hidden = check("'''hidden-mark'''\nassert True", "hidden")
    run = warm.run([own(look, "look"), own("find()", "before"), hidden])
    assert "False" in became(run)["before"].output
    run = warm.run([own(look, "look"), own("m = 'hidden' + '-mark'\nfind()", "with"), hidden])
    assert "True" in became(run)["with"].output, "the search would find it"


# The process that holds the libraries


def test_a_submission_knows_nothing_of_the_course(warm: Warm) -> None:
    look = "import os, sys\nprint(dict(os.environ), sys.path, sys.argv, os.getcwd())\n"
    look += "print([getattr(m, '__file__', '') for m in list(sys.modules.values())])"
    output = became(warm.run([own(look), check("pass")]))["own"].output
    assert "GDMLIB_BUDGET" in output and str(warm.course) not in output


def test_the_weights_are_at_hand(warm: Warm, root: Path) -> None:
    name = next((root / "checkpoints").glob("*.safetensors")).stem
    look = f"from gdmlib import lesson\nassert lesson.find_checkpoint({name!r}).read_bytes()"
    assert outcomes(warm.run([check(look)])) == {"test": "passed"}


def test_it_is_started_again_where_it_ended(warm: Warm) -> None:
    assert outcomes(warm.run(GOOD))["good-test"] == "passed"
    assert warm.host.server is not None
    warm.host.server.kill()
    warm.host.server.wait()
    assert outcomes(warm.run(GOOD))["good-test"] == "passed"


def test_it_imports_what_the_lessons_import(tmp_path: Path) -> None:
    lesson = tmp_path / "source" / "01_a"
    lesson.mkdir(parents=True)
    cells = [
        {"cell_type": "code", "source": ["import a.b as c\n", "from d.e import f, g as h\n"]},
        {"cell_type": "markdown", "source": "import nothing"},
    ]
    (lesson / "01_a.ipynb").write_text(json.dumps({"cells": cells}))
    assert imports(tmp_path) == ["a.b", "d.e", "d.e.f", "d.e.g"]


def test_its_folder_is_removed(course: Path) -> None:
    with Warm(course, LIMITS) as other:
        work, server = other.work, other.host.server
        assert work.is_dir() and server is not None
    assert not work.exists() and server.poll() is not None


def test_where_processes_cannot_be_copied_each_submission_gets_a_new_one(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("host", "process"):
        monkeypatch.setattr(f"grading.{module}.CAN_FORK", False)
    with Warm(course, replace(LIMITS, seconds=15)) as other:
        assert other.host.server is None
        bad = own("import os\nos._exit(1)", "bad")
        loop = own("while True: pass", "loop")
        hog = own(TROUBLE["hog"][0], "hog")
        run: Run = other.run([*GOOD, bad, loop, hog, own("def f(): return 3"), check("f()")])
    expected = {"bad": "died", "loop": "timeout", "hog": "memory", "own": "passed"}
    assert outcomes(run) == expected | dict.fromkeys(("good", "good-test", "test"), "passed")
