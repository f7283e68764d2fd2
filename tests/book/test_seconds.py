"""The page on quality against seconds: made from its record, and honest about what is missing."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from coursebook import seconds
from PIL import Image

from benchmarks import families, figure, seconds_figure
from benchmarks import seconds as runs
from tools import strips


@pytest.fixture(scope="module")
def record(root: Path) -> dict[str, Any]:
    return json.loads((root / seconds.RESULTS).read_text(encoding="utf-8"))


def holes(record: dict[str, Any], root: Path) -> list[str]:
    """Return what a run lacks, and runs that did not keep to their time."""
    problems = []
    for run in record["runs"]:
        name, budget, seed = runs.key(run)
        who = f"{name} {runs.word(budget)} {seed}"
        if name not in families.FAMILIES or runs.key(run) not in runs.planned():
            problems.append(f"{who}: not planned")
            continue
        if budget > 0 and not budget <= run["seconds"] <= 1.02 * budget + 0.5:
            problems.append(f"{who}: {run['seconds']} seconds")
        wanted = families.FAMILIES[name].log_prob is not None and budget >= 0
        if ("bits" in run) != wanted:
            problems.append(f"{who}: bits")
        if not 0.5 * run["floor"] < run["frechet"] < 1000:
            problems.append(f"{who}: distance")
        if ("right" in run) != families.FAMILIES[name].told:
            problems.append(f"{who}: class")
        if not seed and not strips.kept(name, budget).is_file() and budget > 0:
            problems.append(f"{who}: no samples")
    return problems


def test_each_run_kept_to_its_time_and_was_judged(record: dict[str, Any], root: Path):
    assert holes(record, root) == []
    assert len({runs.key(run) for run in record["runs"]}) == len(record["runs"])


@pytest.mark.parametrize(
    ("what", "value", "problem"),
    [
        ("seconds", 9.0, "seconds"),
        ("budget", 7.0, "not planned"),
        ("frechet", 0.1, "distance"),
        ("right", 0.5, "class"),
    ],
)
def test_a_run_that_did_not_is_noticed(
    what: str, value: float, problem: str, record: dict[str, Any], root: Path
):
    broken = copy.deepcopy(record)
    run = next(r for r in broken["runs"] if (r["family"], r["budget"]) == ("fvsbn", 5))
    run[what] = value
    assert any(problem in found for found in holes(broken, root))


def test_every_family_has_the_short_runs(record: dict[str, Any]):
    for family in seconds.FAMILIES:
        for budget in (5, 15):
            assert len(seconds.found(record, family, budget)) == 2, (family, budget)
        assert seconds.found(record, family, 60), family


def test_the_page_and_the_runner_know_the_same_families_and_budgets():
    named = {name: (f.title, f.lesson) for name, f in families.FAMILIES.items()}
    assert {"gaussian": named["gaussian"], **seconds.FAMILIES} == named
    assert {b: len(seeds) for b, seeds in runs.BUDGETS.items()} == seconds.WANTED
    assert list(seconds.BUDGETS) == list(runs.BUDGETS) == list(seconds_figure.TIMES)


def means(record: dict[str, Any], budget: float, what: str) -> dict[str, float]:
    """Return the mean over seeds of each family that has this number."""
    runs_of = {family: seconds.found(record, family, budget) for family in seconds.FAMILIES}
    return {
        family: sum(run[what] for run in found) / len(found)
        for family, found in runs_of.items()
        if found and what in found[0]
    }


BUDGETS = (5, 15, 60, 600)
FORGETFUL = ("fvsbn", "vae")
TWINS = ("diffusion", "flow_matching")


def claims(record: dict[str, Any]) -> list[str]:
    """Return which sentences of "What to learn from it" the record contradicts."""
    wrong = []
    (gauss,) = seconds.found(record, "gaussian", 0)
    far = {budget: means(record, budget, "frechet") for budget in BUDGETS}
    bits = {budget: means(record, budget, "bits") for budget in BUDGETS}
    if min(far[5].values()) < gauss["frechet"]:
        wrong.append("no network has overtaken the Gaussian after five seconds")
    if max(far[15][k] for k in ("flow", "diffusion", "gan")) > gauss["frechet"]:
        wrong.append("three have after fifteen")
    best = sorted(far[60], key=far[60].get)
    if best[0] != "diffusion" or set(best[1:3]) != {"flow_matching", "gan"}:
        wrong.append("diffusion draws best after a minute, then flow matching and GAN")
    best = sorted(far[600], key=far[600].get)
    if {*best[:2]} != {"diffusion", "flow_matching"} or {*best[2:4]} != {"gan", "pixelcnn"}:
        wrong.append("after ten minutes these two draw best, then these")
    for run in (seconds.found(record, family, 600)[0] for family in best[:2]):
        if run["frechet"] > run["floor"] + run["floor_spread"]:
            wrong.append("their distance is that of real glyphs")
    if any(min(found, key=found.get) != "pixelcnn" for found in bits.values()):
        wrong.append("the PixelCNN has the fewest bits at every time")
    if {*sorted(bits[5], key=bits[5].get)[-2:]} != {"diffusion", "flow_matching"}:
        wrong.append("diffusion and flow matching have the most bits after five seconds")
    if sorted(bits[600], key=bits[600].get)[1] != "flow_matching":
        wrong.append("flow matching has the second fewest bits after ten minutes")
    if any(max(bits[budget], key=bits[budget].get) != "diffusion" for budget in (60, 600)):
        wrong.append("diffusion needs the most bits after a minute and later")
    if max(far[5], key=far[5].get) != "vae" or bits[5]["vae"] != sorted(bits[5].values())[1]:
        wrong.append("the VAE is last by looks and second by bits after five seconds")
    steps = {k: seconds.mean(seconds.found(record, k, 60), "steps", 0) for k in TWINS}
    if not 0.6 < float(steps["flow_matching"]) / float(steps["diffusion"]) < 0.7:
        wrong.append("flow matching had two thirds of diffusion's steps in a minute")
    for family, values in far[600].items():
        first = all(run["kept"] < 61 for run in seconds.found(record, family, 600))
        if first != (family in FORGETFUL):
            wrong.append(f"the first look was the best, for two families: {family}")
        if (values > far[60][family]) != (family in FORGETFUL):
            wrong.append(f"ten minutes help all but two by the distance: {family}")
        if family in bits[600] and (bits[600][family] > bits[60][family]) != (family in FORGETFUL):
            wrong.append(f"ten minutes help all but two by bits: {family}")
    for family in seconds.FAMILIES:
        if not far[60][family] < far[15][family] < far[5][family]:
            wrong.append(f"more seconds help by the distance: {family}")
        if family in bits[60] and not bits[60][family] < bits[15][family] < bits[5][family]:
            wrong.append(f"more seconds help by bits: {family}")
    return wrong


def test_the_record_bears_the_words_out(record: dict[str, Any]):
    assert claims(record) == []


@pytest.mark.parametrize(
    ("family", "budget", "what", "value", "claim"),
    [
        ("flow", 5, "frechet", 2.0, "after five seconds"),
        ("gan", 15, "frechet", 12.0, "after fifteen"),
        ("vae", 60, "bits", 0.1, "fewest bits at every time"),
        ("ride", 5, "bits", 9.0, "the most bits after five seconds"),
        ("flow", 600, "bits", 0.6, "second fewest bits"),
        ("gan", 600, "frechet", 0.1, "these two draw best"),
        ("diffusion", 600, "frechet", 1.1, "that of real glyphs"),
        ("flow_matching", 60, "steps", 700, "two thirds"),
        ("flow", 600, "kept", 60.0, "the first look was the best, for two families: flow"),
        ("vae", 600, "bits", 0.7, "ten minutes help all but two by bits: vae"),
        ("ride", 600, "frechet", 99.0, "ten minutes help all but two by the distance: ride"),
        ("fvsbn", 60, "bits", 9.0, "most bits"),
        ("gan", 60, "frechet", 0.9, "diffusion draws best"),
        ("vae", 5, "bits", 0.95, "more seconds help by bits"),
        ("ride", 15, "frechet", 99.0, "more seconds help by the distance: ride"),
    ],
)
def test_words_that_it_does_not_bear_out_are_noticed(
    family: str, budget: float, what: str, value: float, claim: str, record: dict[str, Any]
):
    changed = copy.deepcopy(record)
    for run in seconds.found(changed, family, budget):
        run[what] = value
    assert any(claim in found for found in claims(changed))


def test_nothing_was_copied(record: dict[str, Any]):
    for run in record["runs"]:
        assert run["near_training"] < run["by_chance"] + 0.1, runs.key(run)


# --- what the page shows


def test_the_table_is_made_from_the_record(record: dict[str, Any]):
    changed = copy.deepcopy(record)
    for run, bits in zip(seconds.found(changed, "fvsbn", 5), (1.11, 1.33), strict=True):
        run["bits"] = bits
    table = seconds.table_markdown(changed).replace(seconds.GAP, " ")
    line = next(row for row in table.splitlines() if "[FVSBN]" in row)
    assert "| 1.22 ± 0.11 |" in line
    assert len(table.splitlines()) == 2 + 2 + len(
        {(r["family"], r["budget"]) for r in record["runs"] if r["family"] != "gaussian"}
    )


def test_one_seed_has_no_spread_and_no_likelihood_no_bits(record: dict[str, Any]):
    assert seconds.spread([{"a": 1.5}], "a", 2) == "1.50"
    assert seconds.spread([{"b": 1.5}], "a", 2) == seconds.MISSING
    gan = seconds.found(record, "gan", 5)
    assert seconds.spread(gan, "bits", 2) == seconds.MISSING


def test_missing_runs_are_named(record: dict[str, Any]):
    whole = {**record, "runs": [{"family": f, "budget": b, "seed": s, **_ANY} for f, b, s in _ALL]}
    assert seconds.missing(whole) == []
    assert "No run is missing" in seconds.setup_markdown(whole)
    lacking = {**whole, "runs": [r for r in whole["runs"] if r["budget"] != 600]}
    (line,) = seconds.missing(lacking)
    assert line == f"10{seconds.GAP}min: all families"
    one = [r for r in whole["runs"] if (r["family"], r["budget"], r["seed"]) != ("gan", 60, 1)]
    assert seconds.missing({**whole, "runs": one}) == []
    assert seconds.missing({**whole, "runs": one}, 1) == [f"60{seconds.GAP}s: GAN"]
    assert "one seed only**, where" in seconds.setup_markdown({**whole, "runs": one})
    assert "Not run yet" in seconds.setup_markdown(lacking)
    assert "one seed" not in seconds.setup_markdown(lacking)
    assert f"10{seconds.GAP}min" not in seconds.samples_markdown(lacking)


def test_the_pace_of_long_runs_is_told(record: dict[str, Any]):
    made = [
        {**_ANY, "family": "vae", "budget": b, "seed": 0, "steps": n, "seconds": b}
        for b, n in ((60, 600), (600, 4500))
    ]
    assert "took 0.75 to 0.75 times as many steps" in seconds.pace({**record, "runs": made})
    assert seconds.pace({**record, "runs": made[:1]}) == ""
    days = {**record, "runs": made, "date": "2026-01-02", "until": "2026-01-03"}
    assert "between 2026-01-02 and 2026-01-03" in seconds.setup_markdown(days)


_ALL = runs.planned()
_ANY = {"frechet": 2.0, "seconds": 1.0}


def test_the_figure_is_drawn_from_the_record_and_described(record: dict[str, Any], root: Path):
    with Image.open(root / "book" / seconds.FIGURE) as picture:
        # Otherwise: python -m benchmarks.seconds_figure
        assert picture.info["Data"] == figure.digest(seconds_figure.shown(record))
    alt = seconds.alt(record)
    assert 100 < len(alt) < 1000
    assert '"' not in alt
    assert all(title in alt for title, _ in seconds.FAMILIES.values())
    changed = copy.deepcopy(record)
    changed["runs"][-1]["frechet"] += 1
    assert figure.digest(seconds_figure.shown(changed)) != figure.digest(
        seconds_figure.shown(record)
    )


def test_the_page_uses_every_directive_and_types_no_measurement(root: Path):
    page = (root / "book" / "seconds.md").read_text(encoding="utf-8")
    assert all(page.count(f"```{{{name}}}\n```") == 1 for name, _ in seconds.DIRECTIVES)
    prose = page.replace("about 5.5", "")
    assert not re.search(r"\d+\.\d", prose)


# --- the runner


def test_levels_go_into_each_form_and_back(generator):
    x = families.torch.randint(0, 16, (5, *families.SHAPE), generator=generator).float()
    assert families.from_bits(families.to_bits(x)).equal(x)
    assert families.rounded(families.filled(x, generator)).equal(x)
    half = families.LEVELS / 2
    assert families.rounded(families._half(x, generator), half, half).equal(x)
    assert families.nearest(families.centred(x)).equal(x)
    assert not families.rounded(families.filled(x, generator) + 0.2).equal(x)


def test_short_runs_come_first_and_no_run_twice():
    budgets = [budget for _, budget, _ in runs.planned()]
    assert budgets == sorted(budgets, key=lambda b: max(b, 0))
    assert len(set(runs.planned())) == len(runs.planned())


@pytest.mark.parametrize("name", families.FAMILIES)
def test_every_family_learns_and_draws(name: str):
    family, known = families.FAMILIES[name], runs.glyphs(600, "train")
    model, about = runs.learn(family, 0.05 if name != "gaussian" else 0, 0, known, known)
    assert about["steps"] >= (name != "gaussian")
    assert about["parameters"] > 1000
    y, g = families.torch.arange(2), families.torch.Generator().manual_seed(0)
    with families.torch.no_grad():
        drawn = family.sample(model, y, g)
        assert drawn.shape == (2, *families.SHAPE)
        assert drawn.equal(drawn.round().clamp(0, 15))
        if family.log_prob is not None and name != "diffusion":  # whose chain has a hundred steps
            found = family.log_prob(model, known[0][:2], known[1][:2], g)
            assert found.shape == (2,)
            assert found.isfinite().all()


def test_a_run_in_the_record_is_not_made_again(tmp_path: Path, monkeypatch, record: dict[str, Any]):
    output = tmp_path / "seconds.json"
    done = {"family": "gaussian", "budget": 0.0, "seed": 0}
    output.write_text(json.dumps({**record, "runs": [done]}), encoding="utf-8")
    made = []
    monkeypatch.setattr(runs, "glyphs", lambda n, split: (n, split))

    def learn(family, *args):
        made.append(args[:2])
        return None, {"seconds": 1.0}

    monkeypatch.setattr(runs, "learn", learn)
    monkeypatch.setattr(runs, "judge", lambda *args, **kwargs: ({"frechet": 1.0}, None))
    monkeypatch.setattr(runs, "store", lambda *args: None)
    arguments = ["--output", str(output), "--only", "gaussian", "fvsbn", "--most", "15"]
    assert runs.main(arguments) == 0
    assert made == [(5.0, 0), (5.0, 1), (15.0, 0), (15.0, 1)]
    found = json.loads(output.read_text(encoding="utf-8"))["runs"]
    assert [r["family"] for r in found] == ["gaussian"] + ["fvsbn"] * 4
    assert runs.main(arguments) == 0
    assert len(made) == 4


def test_the_table_of_full_size_says_what_the_records_say(root: Path):
    records = [
        json.loads((root / "results" / f"{n}.json").read_text()) for n in seconds.FULL.values()
    ]
    assert list(seconds.FULL) == list(seconds.FAMILIES)
    _, _, *lines = seconds.full_markdown(*records).replace(seconds.GAP, " ").splitlines()
    for line, (title, _), record in zip(lines, seconds.FAMILIES.values(), records, strict=True):
        assert f"{record['title']} |" in line and title.lower() in line.lower()
        assert f"| {record['metric']['value']:.2f}" in line
        if record["published"]:
            assert f"| {record['published']['value']:.2f}" in line
