"""The page on speed: its record is complete, and every number on it comes from the record."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from coursebook import speed
from coursebook import speed_apart as apart
from PIL import Image

from benchmarks import figure, memory, peer
from benchmarks.cases import CASES
from benchmarks.timing import SIDES


@pytest.fixture(scope="module")
def record(root: Path) -> dict[str, Any]:
    return speed.read_record(root)


# --- the record


def test_the_record_holds_every_case_and_both_sides(record: dict[str, Any]):
    assert [row["case"] for row in record["speed"]] == [case.name for case in CASES]
    assert record["failures"] == []
    for row in record["speed"]:
        for side in SIDES:
            assert row[side]["rounds"] >= 1, row["case"]
            assert 0 < row[side]["least"] <= row[side]["seconds"] <= row[side]["most"]
        assert row["ratio"] == pytest.approx(
            row["theirs"]["seconds"] / row["ours"]["seconds"], rel=1e-2
        )


def test_the_record_holds_every_size(record: dict[str, Any]):
    curves = {curve["case"]: curve["points"] for curve in record["growth"]}
    wanted = {case.name: case.growth for case in CASES if case.panel}
    assert {name: tuple(p["pixels"] for p in points) for name, points in curves.items()} == {
        name: tuple(size**2 for size in sizes) for name, sizes in wanted.items()
    }
    assert all(p["ours"] and p["theirs"] for points in curves.values() for p in points)


def test_the_record_says_on_what_it_was_made(record: dict[str, Any]):
    assert record["machine"]["threads"] == 1
    assert record["machine"]["cores"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
    assert {"python", "torch", "gdmlib", speed.PEER} <= set(record["versions"])
    assert record["versions"][speed.PEER] != "not installed"


def test_the_record_names_the_files_of_the_peer(record: dict[str, Any]):
    files = {row["file"]: row for row in record["peer"]}
    models = {"fvbn", "nade", "made", "pixel_cnn", "gated_pixel_cnn"}
    timed = {f"models/autoregressive/{name}.py" for name in models}
    timed |= {"models/base.py", "nn/convolution.py"}
    assert timed <= set(files)
    for name, row in files.items():
        assert row["commit"] == peer.KNOWN.get(row["git"])
        assert row["commit"] or name.endswith("__init__.py")
    text = speed.setup_markdown(record)
    for name in timed:
        assert f"`{name}`" in text
        assert f"[{files[name]['commit'][:7]}](" in text


def test_whole_images_cost_little_memory_if_states_are_recomputed(record: dict[str, Any]):
    rows = {(row["pixels"], row["recompute"]): row for row in record["memory"]}
    sizes = [size**2 for size in memory.SIZES]
    assert sorted(rows) == [(n, again) for n in sizes for again in (False, True)]
    assert rows[sizes[-1], True]["megabytes"] < 0.5 * rows[sizes[-1], False]["megabytes"]
    for again in (False, True):  # linear: four times the pixels, about four times the time
        first, last = (rows[n, again]["seconds"] / n for n in (sizes[0], sizes[-1]))
        assert 0.3 < last / first < 3


def test_networks_of_the_library_see_the_past_and_stay_in_scale(record: dict[str, Any]):
    rows = record["properties"]["blind_spot"]
    default = [row for row in rows if "default" in row["network"]]
    assert [row["unseen"] for row in default] == [0]
    assert all(row["future"] == 0 for row in rows)
    scale = next(r["scale"] for r in record["properties"]["scale"] if r["side"] == "ours")
    assert max(scale) < 2 * scale[0]


# --- what the page shows


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (123.4, "123 s"),
        (12.34, "12.3 s"),
        (1.0, "1.00 s"),
        (0.9996, "1,000 ms"),
        (0.0853, "85.3 ms"),
        (0.00123, "1.23 ms"),
        (0.00046, "460 µs"),
    ],
)
def test_times_have_three_digits(seconds: float, text: str):
    assert speed.duration(seconds) == text.replace(" ", speed.GAP)


def test_factors_have_two_digits():
    found = [speed.factor(v).replace(speed.GAP, " ") for v in (7.94, 9.96, 123.4, None)]
    assert found == ["7.9 ×", "10 ×", "123 ×", "–"]


def test_the_table_is_made_from_the_record(record: dict[str, Any]):
    changed = copy.deepcopy(record)
    changed["speed"][0]["ours"]["seconds"] = 0.123456
    changed["speed"][0]["ratio"] = 77.4
    line = speed.speed_markdown(changed).splitlines()[2].replace(speed.GAP, " ")
    assert "| 123 ms |" in line
    assert "**77 ×**" in line
    assert len(speed.speed_markdown(record).splitlines()) >= 2 + len(CASES)


def test_a_missing_peer_is_shown_as_missing(record: dict[str, Any]):
    alone = copy.deepcopy(record)
    for row in alone["speed"]:
        row["theirs"] = row["ratio"] = None
    for curve in alone["growth"]:
        for point in curve["points"]:
            point["theirs"] = None
    properties = alone["properties"]
    for name in ("blind_spot", "scale"):
        properties[name] = [row for row in properties[name] if row["side"] == "ours"]
    properties["residual_weight"] = None
    alone["memory"] = alone["peer"] = []
    for _, write in speed.DIRECTIVES:
        assert write(alone)
    assert "–" in speed.speed_markdown(alone).splitlines()[2]
    assert "for the other" not in speed.growth_alt(alone)


def test_a_failure_is_shown_with_its_reason_in_the_place_of_the_ratio(record: dict[str, Any]):
    broken = copy.deepcopy(record)
    name, size = broken["speed"][0]["case"], broken["speed"][0]["size"]
    broken["speed"][0].update(theirs=None, ratio=None)
    failed = {"case": name, "side": "theirs", "size": size, "reason": "RuntimeError: a | `b`"}
    elsewhere = {**failed, "size": 7, "side": "ours", "reason": "TimeoutError: not done"}
    other = {**failed, "case": "memory", "size": 512}
    broken["failures"] = [failed, elsewhere, other]
    broken["memory"] = [row for row in broken["memory"] if row["pixels"] != 512**2][:-1]
    lines = speed.speed_markdown(broken).replace(speed.GAP, " ").splitlines()
    cells = lines[2].split(" | ")
    assert cells[3:5] == ["–", r"failed (other): `RuntimeError: a \| 'b'`"]
    title = broken["speed"][0]["title"]
    assert f"**{title}**, 7 × 7: failed (gdmlib): `TimeoutError: not done`." in lines
    assert "**memory**, 512 × 512: failed (other): `RuntimeError: a | 'b'`." in lines
    assert speed.memory_markdown(broken).splitlines()[-1].count("–") == 2
    assert "failed" not in speed.speed_markdown(record)


def test_slopes_of_power_laws_are_found():
    points = [
        {"pixels": n, "ours": {"seconds": 1e-6 * n**2}, "theirs": None} for n in (196, 784, 3136)
    ]
    assert speed.slope({"points": points}, "ours") == pytest.approx(2)
    assert speed.slope({"points": points}, "theirs") is None


def test_a_part_that_was_scaled_up_is_said_so(record: dict[str, Any]):
    text = speed.speed_markdown(record)
    parts = [row for row in record["speed"] if row["theirs"]["share"] < 1]
    assert text.count("scaled up") == len(parts)


def test_the_page_uses_every_table_and_types_no_measurement(root: Path):
    page = (root / "book" / "speed.md").read_text(encoding="utf-8")
    assert all(page.count(f"```{{{name}}}\n```") == 1 for name, _ in speed.DIRECTIVES)
    assert not re.search(r"\d\s*(?:(?:ms|µs|s)\b|×(?!\s*\d))|\d+\.\d", page)


@pytest.mark.parametrize(
    ("path", "write", "peer"),
    [
        (apart.FLOWS, apart.flows_markdown, "normflows"),
        (apart.LATENT, apart.sized_markdown, "denoising-diffusion-pytorch"),
        (apart.ADVERSARIAL, apart.sized_markdown, "PyTorch-GAN"),
        (apart.INVERSE, apart.sized_markdown, "deepinv"),
    ],
    ids=["flows", "latent", "adversarial", "inverse"],
)
def test_what_has_a_peer_of_its_own_is_shown_at_every_size(
    root: Path, path: Path, write: Any, peer: str
):
    record = speed.read_record(root, path)
    lines = write(record).replace(speed.GAP, " ").splitlines()
    points = [point for curve in record["growth"] for point in curve["points"]]
    assert len(lines) == 2 + len(points) + 2
    for line, point in zip(lines[2:], points, strict=False):
        ratio = point["theirs"]["seconds"] / point["ours"]["seconds"]
        assert f"**{speed.factor(ratio)}**".replace(speed.GAP, " ") in line
    assert lines[-1].endswith(f"{peer} {record['versions'][peer]}.")
    points[0]["theirs"] = None
    assert "**–**" in write(record).splitlines()[2]


def test_the_table_of_latent_models_says_beside_what_and_at_which_size(root: Path):
    record = speed.read_record(root, apart.LATENT)
    lines = apart.sized_markdown(record).replace(speed.GAP, " ").splitlines()
    assert "other: plain PyTorch | 8 × 8 |" in lines[2]
    last = record["growth"][-1]["points"][-1]["steps"]
    assert f"| {last} steps |" in lines[-3]


def test_the_table_of_adversaries_says_beside_what(root: Path):
    record = speed.read_record(root, apart.ADVERSARIAL)
    lines = apart.sized_markdown(record).replace(speed.GAP, " ").splitlines()
    assert "other: one after the other | batch of 64 |" in lines[2]
    assert "other: plain PyTorch | 64 × 64 |" in lines[-3]


def test_the_page_uses_every_table_of_the_records_apart(root: Path):
    page = (root / "book" / "speed.md").read_text(encoding="utf-8")
    assert all(page.count(f"```{{{name}}}\n```") == 1 for name, *_ in apart.DIRECTIVES)


def test_the_figure_of_latent_models_is_drawn_from_the_records_and_described(root: Path):
    records = [speed.read_record(root, path) for path in (apart.LATENT, apart.FLOWS)]
    with Image.open(root / "book" / apart.FIGURE) as picture:
        # Otherwise: python -m benchmarks.figure
        assert picture.info["Data"] == figure.digest(apart.shown(*records))
    alt = apart.growth_alt(*records)
    assert 100 < len(alt) < 1000
    assert '"' not in alt
    assert all(text in alt for text in apart.SHORT.values())
    assert f':alt: "{alt}"' in apart.growth_markdown(*records)


def test_slopes_of_curves_are_found_between_their_ends():
    points = [{"steps": n, "ours": {"seconds": 3.0 * n**2}, "theirs": None} for n in (10, 25, 100)]
    assert apart.slope({"points": points}, "ours") == pytest.approx(2)
    assert apart.slope({"points": points}, "theirs") is None


def test_samples_are_judged_beside_real_glyphs(root: Path):
    record = speed.read_record(root, apart.LATENT)
    trial = {
        "side": "ours",
        "parameters": 1000,
        "minutes": 5.0,
        "steps": 4321,
        "samples": 200,
        "sampling": 100.0,
        "right": 0.1234,
        "spread": 9.876,
    }
    real = {"samples": 200, "right": 0.5678, "spread": 1.0}
    about = {"glyphs": 10_000, "size": 32, "steps": 50, "real": real}
    trials = [trial, {**trial, "side": "theirs"}]
    text = apart.quality_markdown({**record, "quality": {**about, "trials": trials}})
    lines = text.replace(speed.GAP, " ").splitlines()
    assert "| gdmlib | 1,000 | 5 min | 4,321 | 12.3 % | 9.88 | 500 ms |" in lines[2]
    assert lines[3].startswith("| denoising-diffusion-pytorch |")
    assert lines[4] == "| real glyphs | – | – | – | 56.8 % | 1.00 | – |"
    assert "200 pictures judged" in lines[-1]
    assert "not been measured" in apart.quality_markdown({**record, "quality": None})


def test_what_answers_are_worth_comes_from_the_record(root: Path):
    record = speed.read_record(root, apart.INVERSE)
    rows = {(row["side"], row["method"]): row for row in record["quality"]["rows"]}
    lines = apart.restored_markdown(record).replace(speed.GAP, " ").splitlines()
    assert len(lines) == 2 + len(rows) + 2
    for (side, method), row in rows.items():
        mean = sum(row["decibels"]) / len(record["quality"]["seeds"])
        name = {"ours": "gdmlib", "theirs": "deepinv"}[side]
        (line,) = [x for x in lines if x.startswith(f"| {method} | {name} ")]
        assert f"| {mean:.2f} |" in line and f"{min(row['decibels']):.2f} to" in line
    assert "not been measured" in apart.restored_markdown({**record, "quality": None})


def test_the_learned_prior_is_ahead_of_the_peer_with_every_set_of_patterns(root: Path):
    rows = speed.read_record(root, apart.INVERSE)["quality"]["rows"]
    ours = {row["method"]: row["decibels"] for row in rows if row["side"] == "ours"}
    theirs = [row["decibels"] for row in rows if row["side"] == "theirs"]
    for name in ("network, message passing", "network, eight views"):
        assert all(a > max(b) for a, *b in zip(ours[name], *theirs, strict=True))


def test_the_figure_is_drawn_from_the_record(root: Path, record: dict[str, Any]):
    with Image.open(root / "book" / speed.FIGURE) as picture:
        assert picture.info["Data"] == figure.digest(record["growth"])  # else: make bench


def test_the_figure_is_described(record: dict[str, Any]):
    alt = speed.growth_alt(record)
    assert 100 < len(alt) < 1000
    assert '"' not in alt
    assert all(speed.SHORT[curve["case"]] in alt for curve in record["growth"])


def test_lines_that_were_measured_apart_say_on_what(record: dict[str, Any]):
    changed = json.loads(json.dumps(record))
    rows = changed["speed"]
    for row in rows:
        row.pop("measured", None)
    assert "apart" not in speed.speed_markdown(changed)
    about = {"date": "2030-01-02", "processor": "A", "torch": "9.9", "load": [0.4, 2.6]}
    rows[0]["measured"] = rows[2]["measured"] = about
    note = speed.speed_markdown(changed).splitlines()[-1]
    assert note == (
        f"**{rows[0]['title']}; {rows[2]['title']}:** measured apart from the others, on "
        "2030-01-02, on “A” (torch 9.9), while up to 3 processes wanted to run."
    )
