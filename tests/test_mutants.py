"""The verdict on a run of mutation testing; the run itself, ``make mutants``, takes a while."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tools import mutants


def statuses(module="gdmlib.nn.a", **counts):
    """Return so many mutants of a module of each status."""
    kinds = [name.replace("_", " ") for name, count in counts.items() for _ in range(count)]
    return {f"{module}.x_f__mutmut_{i}": kind for i, kind in enumerate(kinds)}


def test_enough_kills_pass():
    line, passed = mutants.verdict(statuses(killed=170, survived=28, no_tests=2), 85)
    assert line == "170 of 200 mutants killed (85.0 %); 28 survived, 2 no tests"
    assert passed


def test_mutants_that_were_not_tried_do_not_count():
    line, passed = mutants.verdict(statuses(killed=18, suspicious=2, not_checked=880), 90)
    assert line == "18 of 20 mutants killed (90.0 %); 2 suspicious" and passed


@pytest.mark.parametrize(
    "counts",
    [{"killed": 169, "survived": 31}, {"killed": 199, "timeout": 1}, {"not_checked": 9}, {}],
)
def test_too_few_kills_a_time_out_or_nothing_at_all_fail(counts):
    assert not mutants.verdict(statuses(**counts), 85)[1]


def test_each_module_has_its_line_and_a_sample_its_interval():
    found = statuses("gdmlib.nn.b", killed=3, survived=1)
    found |= statuses("gdmlib.nn.a", killed=54, survived=6, not_checked=40)
    found |= statuses("gdmlib.nn.c", not_checked=7)
    first, second = mutants.table(found).splitlines()
    assert first.split()[0] == "gdmlib.nn.a" and second.split()[0] == "gdmlib.nn.b"
    assert first.endswith("54 of   60 killed   90.0 %  [79.9, 95.3], a sample of 100")
    assert second.endswith("3 of    4 killed   75.0 %")


def test_the_interval_covers_as_often_as_it_says():
    draw = random.Random(0)
    held = 0
    for _ in range(2000):
        low, high = mutants.interval(sum(draw.random() < 0.9 for _ in range(60)), 60)
        held += low <= 90 <= high
    assert 0.93 < held / 2000 < 0.98


def test_a_sample_is_of_each_module_and_repeats():
    names = [f"gdmlib.{m}.x_f__mutmut_{i}" for m in "abc" for i in range(9)]
    drawn = mutants.sample(names, 4, 0)
    assert Counter(map(mutants.module_of, drawn)) == {"gdmlib.a": 4, "gdmlib.b": 4, "gdmlib.c": 4}
    assert drawn == mutants.sample(names, 4, 0) != mutants.sample(names, 4, 1)
    assert mutants.sample(names[9:], 4, 0) == drawn[4:]  # another module changes nothing
    assert sorted(mutants.sample(names, 99, 0)) == sorted(names)


def test_the_candidates_are_those_of_the_patterns():
    everything = mutants.candidates(["gdmlib.training.history.*"], mutants.ROOT)
    assert len(everything) > 1
    assert {mutants.module_of(name) for name in everything} == {"gdmlib.training.history"}
    assert mutants.candidates([everything[1]], mutants.ROOT) == [everything[1]]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Return what mutmut is called with, and what it reports."""
    calls, reported = [], {}

    def run(*arguments, root, quiet=False):
        calls.append(arguments)
        (root / "mutants").mkdir(exist_ok=True)
        return "".join(f"    {name}: {status}\n" for name, status in reported.items())

    monkeypatch.setattr(mutants, "mutmut", run)
    monkeypatch.setattr(mutants, "candidates", lambda patterns, root: list(reported))
    return calls, reported


@pytest.mark.parametrize(("killed", "code"), [(185, 0), (170, 1)])
def test_the_exit_code_says_it(killed, code, fake, tmp_path, capsys):
    calls, reported = fake
    reported |= statuses(survived=200 - killed, killed=killed)
    assert mutants.main(["--max-children", "1"], root=tmp_path) == code
    assert calls == [("run", "--max-children", "1"), ("results", "--all", "True")]
    printed = capsys.readouterr().out
    assert "gdmlib.nn.a.x_f__mutmut_0: survived" in printed and ": killed" not in printed
    assert ("Wanted: at least 90 %" in printed) == bool(code)


def test_what_was_killed_is_not_tried_again(fake, tmp_path):
    calls, reported = fake
    reported |= statuses(killed=2, survived=1, not_checked=1)
    (tmp_path / "mutants" / "kept").mkdir(parents=True)
    mutants.main(["gdmlib.nn.*", "--keep"], root=tmp_path)
    assert calls[1] == ("run", "--max-children", "2", *list(reported)[2:])
    assert (tmp_path / "mutants" / "kept").exists()
    mutants.main(["gdmlib.nn.*", "--sample", "3"], root=tmp_path)
    assert not (tmp_path / "mutants" / "kept").exists()
    assert len(calls[-2][3:]) == 3
