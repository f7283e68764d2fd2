"""The verdict on a run of mutation testing; the run itself, ``make mutants``, takes a while."""

from __future__ import annotations

import json

import pytest

from tools import mutants

STATS = {"killed": 170, "survived": 28, "total": 200, "no_tests": 0, "timeout": 0, "suspicious": 2}


def test_enough_kills_pass():
    line, passed = mutants.verdict(STATS, 85)
    assert line == "170 of 200 mutants killed (85.0 %); 28 survived, 2 suspicious"
    assert passed


def test_mutants_that_were_not_tried_do_not_count():
    line, passed = mutants.verdict({**STATS, "killed": 18, "survived": 0, "total": 900}, 90)
    assert line == "18 of 20 mutants killed (90.0 %); 2 suspicious" and passed


@pytest.mark.parametrize(
    "change",
    [
        {"killed": 169, "survived": 29},
        {"survived": 27, "timeout": 1},
        {"killed": 0, "survived": 0, "suspicious": 0, "total": 0},
    ],
)
def test_too_few_kills_a_time_out_or_nothing_at_all_fail(change):
    assert not mutants.verdict(STATS | change, 85)[1]


@pytest.mark.parametrize(("killed", "code"), [(185, 0), (170, 1)])
def test_the_exit_code_says_it(killed, code, tmp_path, monkeypatch, capsys):
    calls = []

    def fake(*arguments, root, quiet=False):
        calls.append(arguments)
        (root / "mutants").mkdir(exist_ok=True)
        (root / mutants.STATS).write_text(
            json.dumps(STATS | {"killed": killed, "survived": 198 - killed}), encoding="utf-8"
        )
        return "gdmlib.densities.x__mutmut_1: survived"

    monkeypatch.setattr(mutants, "mutmut", fake)
    assert mutants.main(["--max-children", "1"], root=tmp_path) == code
    assert calls == [("run", "--max-children", "1"), ("export-cicd-stats",), ("results",)]
    printed = capsys.readouterr().out
    assert "x__mutmut_1: survived" in printed
    assert ("Wanted: at least 90 %" in printed) == bool(code)
