"""The benchmarks: each piece of work runs, and what the book says of the networks holds."""

from __future__ import annotations

import json
import mmap
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch

from benchmarks import builds, cases, memory, peer, properties, record, timing
from benchmarks.cases import CASES
from benchmarks.timing import Case, Work


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_piece_of_work_runs(case: Case) -> None:
    if case.name.endswith("step") and "pixel" in case.name:
        pytest.skip("a step of the large networks takes seconds")
    work = case.build("ours", 7)
    work.check(work.run())
    assert work.parameters > 0
    assert work.share == 1


# --- what fails

MODELS = "pytorch_generative/models/autoregressive"
#: A peer of whose models one works, one cannot be imported, and the others fail in their own ways.
FAKE = {
    "pytorch_generative/__init__.py": "import package_that_only_data_sets_need",
    "pytorch_generative/models/__init__.py": "import package_that_only_other_models_need",
    "pytorch_generative/nn.py": "",
    f"{MODELS}/fvbn.py": """
        import torch
        from pytorch_generative import nn

        class FullyVisibleBeliefNetwork(torch.nn.Linear):
            def __init__(self, d):
                super().__init__(d, d)

            def forward(self, x):
                return super().forward(x.flatten(1)).view(x.shape)
        """,
    f"{MODELS}/nade.py": """
        import torch

        class NADE(torch.nn.Linear):
            def forward(self, x):
                return 2 + super().forward(x.new_zeros(len(x), 16)[:, :16])[:, :1, None, None] * x

            def sample(self, n_samples, conditioned_on):
                return conditioned_on / 2
        """,
    f"{MODELS}/made.py": "raise RuntimeError('first line\\nsecond | line')",
    f"{MODELS}/pixel_cnn.py": "",
}


@pytest.fixture
def fake_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, text in FAKE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] == peer.PACKAGE:
            del sys.modules[name]


@pytest.mark.usefixtures("fake_peer")
def test_the_peer_needs_nothing_that_its_models_do_not_need() -> None:
    assert peer.installed()
    assert peer.model("FullyVisibleBeliefNetwork", 4).in_features == 4
    files = [row["file"] for row in peer.sources()]
    assert files == ["models/autoregressive/fvbn.py", "nn.py"]


@pytest.mark.usefixtures("fake_peer")
def test_what_fails_is_recorded_and_the_rest_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("fvsbn_step", "nade_step", "made_step", "nade_sample", "pixelcnn_sample")
    small = [replace(case, size=4, growth=(4,)) for case in CASES if case.name in names]
    broken = replace(small[0], name="ours_fails", ours=lambda size: Work(lambda: 1 / 0, 1))
    monkeypatch.setattr(record, "CASES", [*small, broken])
    monkeypatch.setattr(memory, "table", lambda failed: [])
    monkeypatch.setattr(properties, "blind_spots", lambda failed: [])
    target = tmp_path / "record.json"
    assert record.main(["--turns", "2", "--output", str(target)]) == 1

    made = json.loads(target.read_text())
    reasons = {(row["case"], row["side"]): row["reason"] for row in made["failures"]}
    assert reasons["ours_fails", "ours"] == "ZeroDivisionError: division by zero"
    assert "between 0 and 1" in reasons["nade_step", "theirs"]  # not probabilities
    assert reasons["made_step", "theirs"] == "RuntimeError: first line second | line"
    assert "expected zeros and ones" in reasons["nade_sample", "theirs"]
    assert reasons["pixelcnn_sample", "theirs"].startswith("AttributeError: module")
    assert reasons["scale of activations", "theirs"] == reasons["pixelcnn_sample", "theirs"]
    assert set(reasons) >= {("weight of a block's input", "theirs")}
    assert len(reasons) == 7

    rows = {row["case"]: row for row in made["speed"]}
    assert rows["fvsbn_step"]["ratio"] > 0
    assert rows["ours_fails"]["theirs"]["rounds"] > 1
    assert rows["ours_fails"]["ours"] is None
    for name in set(names) - {"fvsbn_step"}:
        assert rows[name]["ours"]["rounds"] > 1
        assert rows[name]["theirs"] is rows[name]["ratio"] is None
    assert "failed: made_step, 4, theirs: RuntimeError" in capsys.readouterr().err


def test_without_a_peer_the_library_is_timed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "installed", lambda: False)
    found, failed = timing.measure([replace(CASES[0], size=4, growth=(4,))], turns=1)
    assert [side for _, side, _ in found] == ["ours"]
    assert failed == {}
    with pytest.raises(SystemExit):
        record.main(["--turns", "1"])  # would write over the record of the book


# --- some cases anew


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a record of two cases."""
    monkeypatch.setattr(record, "CASES", [replace(c, size=4, growth=(4,)) for c in CASES[-3:]])
    monkeypatch.setattr(timing, "BUDGET", 0.0)
    row = {"title": "kept"}
    failed = {"size": 4, "side": "ours", "reason": "why"}
    speed = [{"case": case.name, **row} for case in CASES[-3:-1]] + [{"case": "gone", **row}]
    text = {
        "date": "2000-01-01",
        "machine": {**record.machine(), "load": [1.0, 1.0]},
        "versions": {**record.versions(), peer.NAME: "a copy"},
        "speed": speed,
        "growth": [],
        "failures": [{**failed, "case": "gone"}, {**failed, "case": "vae_step"}],
    }
    target = tmp_path / "record.json"
    target.write_text(json.dumps(text))
    return target


def test_some_cases_are_timed_anew_and_the_rest_is_kept(kept: Path) -> None:
    command = ["--turns", "1", "--output", str(kept), "--only", "iwae_bound_20", "vae_step"]
    assert record.main(command) == 1  # one failed long ago
    made = json.loads(kept.read_text())
    assert [row["case"] for row in made["speed"]] == ["vae_step", "iwae_bound_4", "iwae_bound_20"]
    new, old, newer = made["speed"]
    assert new["ratio"] > 0 and newer["ratio"] > 0
    assert new["measured"]["date"] > "2000-01-01" and "cores" not in new["measured"]
    assert old == {"case": "iwae_bound_4", "title": "kept"}
    assert [row["case"] for row in made["failures"]] == ["gone"]
    assert made["date"] == "2000-01-01" and made["machine"]["load"] == [1.0, 1.0]


def test_a_line_says_on_which_other_machine_it_was_measured(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "processor", lambda: "another one")
    assert record.main(["--turns", "1", "--output", str(kept), "--only", "vae_step"]) == 1
    line = json.loads(kept.read_text())["speed"][0]
    assert line["measured"]["processor"] == "another one"
    assert set(line["measured"]) == {"date", "load", "processor"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vae_stop", "no such case; there are vae_step, iwae_bound_4"),
        ("vae_step", "its curve .* another processor"),
    ],
)
def test_what_does_not_fit_a_record_leaves_it_alone(
    kept: Path, name: str, text: str, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    before = json.loads(kept.read_text())
    monkeypatch.setattr(record, "processor", lambda: "another one")
    if "curve" in text:
        monkeypatch.setattr(record, "CASES", [replace(record.CASES[0], panel="step")])
    with pytest.raises(SystemExit):
        record.main(["--output", str(kept), "--only", name])
    assert re.search(text, " ".join(capsys.readouterr().err.split()))
    assert json.loads(kept.read_text()) == before


def test_both_autoencoders_cost_the_same_for_the_same_weights() -> None:
    ours, theirs = cases.our_vae(4), cases.plain_vae(4)
    x, k = cases.images(300, 4), 200
    with torch.no_grad():
        hidden, both = ours.encoder[0], ours.encoder[2]
        both.weight.normal_(0, 0.02), ours.decoder[2].weight.normal_(0, 0.1)
        for layer, weight, bias in (
            (theirs.hidden, hidden.weight, hidden.bias),
            (theirs.mean, both.weight[:20], both.bias[:20]),
            (theirs.log_variance, both.weight[20:], both.bias[20:]),
            (theirs.back, ours.decoder[0].weight, ours.decoder[0].bias),
            (theirs.out, ours.decoder[2].weight, ours.decoder[2].bias),
        ):
            layer.weight.copy_(weight), layer.bias.copy_(bias)
        assert cases.num_parameters(ours) == cases.num_parameters(theirs)
        assert float(theirs.loss(x)) / 300 == pytest.approx(float(ours.loss(x)), rel=0.02)
        one, other = ours.importance_bound(x, k).mean(), theirs.bound(x, k).mean()
        assert float(other) == pytest.approx(float(one), rel=0.005)


def test_what_takes_too_long_has_failed() -> None:
    long = Work(lambda: time.sleep(300), 1)
    case = Case("a", "A", lambda size: Work(lambda: None, 1), lambda size: long, other="b")
    found, failed = timing.measure([case], turns=1, limit=5)
    assert list(found) == [("a", "ours", 28)]
    assert failed == {("a", "theirs", 28): "TimeoutError: not done after 5 s"}


def test_a_failure_is_shown_with_each_case_that_uses_its_time() -> None:
    rows = record.failures({("gated_sample", "theirs", 28): "why"})
    assert [row["case"] for row in rows] == ["gated_sample", "gated_wide_sample"]


def test_rounds_of_all_turns_are_pooled_and_parts_scaled_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 1.0, 10.0, 10.5, 20.0, 21.5, 30.0, 31.0])
    monkeypatch.setattr(timing.time, "process_time", lambda: next(clock))
    half = Work(lambda: None, 3, share=0.5)
    case = Case("a", "A", lambda size: half, lambda size: half, same_as="b")
    found, failed = timing.measure([case], turns=3)
    assert failed == {}
    row = found["a", "ours", 28]
    assert (row["seconds"], row["least"], row["most"]) == (2.0, 1.0, 3.0)
    assert (row["rounds"], row["share"], row["parameters"]) == (3, 0.5, 3)


# --- builds


def test_two_builds_are_timed_side_by_side(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"  # one whose NADE is slow, and whose FVSBN fails
    (other / "gdmlib" / "autoregressive").mkdir(parents=True)
    (other / "gdmlib" / "__init__.py").touch()
    (other / "gdmlib" / "autoregressive" / "__init__.py").write_text(
        dedent("""
        import time

        class NADE:
            def __init__(self, shape, n_hidden):
                assert (shape, n_hidden) == ((1, 28, 28), 500)

            def sample(self, n, generator):
                start = time.process_time()
                while time.process_time() < start + 0.5:
                    pass
        """)
    )
    out = tmp_path / "folder" / "table"
    command = [str(other), str(root), "--only", "100 samples", "--budget", "0", "--out", str(out)]
    assert builds.main(command) == 1
    fvsbn, nade = json.loads(out.with_name("table.json").read_text())["rows"]
    assert list(fvsbn["failed"]) == ["old"]
    assert fvsbn["failed"]["old"].startswith("RuntimeError: ImportError: FVSBN is in none of")
    assert nade["old"] == pytest.approx(0.5, abs=0.1)
    assert nade["ratio"] < 1
    assert nade["pairs"] == builds.LEAST
    text = out.with_name("table.md").read_text().splitlines()
    assert text[2].startswith("| FVSBN, 100 samples | | | failed: old: RuntimeError")
    assert text[3].startswith("| NADE, 100 samples | 5")


def test_a_folder_without_the_library_is_no_build(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a checkout of the library"):
        builds.Build(tmp_path)
    with pytest.raises(SystemExit):  # in a line, not by a traceback
        builds.main([str(tmp_path), str(tmp_path)])


# --- what is measured


def test_git_names_are_those_of_git() -> None:
    assert peer.git_name(b"what is up, doc?") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_a_sampler_can_be_stopped_early() -> None:
    class Slow:
        """Draws pixel after pixel, as the peer does, and counts."""

        pixels = 0

        def _sample_fn(self, logits: torch.Tensor) -> torch.Tensor:
            return torch.bernoulli(torch.sigmoid(logits))

        def sample(self, n_samples: None, conditioned_on: torch.Tensor) -> torch.Tensor:
            for _ in range(conditioned_on[0].numel()):
                self.pixels += 1
                self._sample_fn(torch.zeros(len(conditioned_on), 1))
            return conditioned_on

    model = Slow()
    peer.sampling(model, n=2, size=5, pixels=3)()
    assert model.pixels == 3
    peer.sampling(model, n=2, size=5)()
    assert model.pixels == 3 + 25


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from Linux")
def test_the_memory_of_a_large_block_is_seen() -> None:
    # Fresh pages: a tensor may get memory that the process has had before.
    block = mmap.mmap(-1, 20_000_000)
    before = memory.resident("VmRSS")
    np.frombuffer(block, dtype=np.uint8)[:] = 1
    assert memory.resident("VmRSS") - before == pytest.approx(20, abs=5)
    now = memory.resident("VmRSS")
    assert memory.resident("VmHWM") > now - 1 > 20  # the kernel counts in lots
    assert memory.measure(16, recompute=True)["seconds"] > 0


@pytest.mark.parametrize("kernel_size, complete", [(5, True), (3, False)])
def test_the_future_is_unseen_and_the_past_seen(kernel_size: int, complete: bool) -> None:
    model = cases.our_gated(properties.SIZE, kernel_size=kernel_size).double()
    found = properties.unseen(lambda x: model._outputs(2 * x - 1, None))
    assert found["past"] == 14 * 28 + 5
    assert found["future"] == 0
    assert (found["unseen"] == 0) == complete


def test_activations_stay_in_scale() -> None:
    scale = properties.scales({})[0]["scale"]
    assert len(scale) == 16
    assert max(scale) < 2 * scale[0]
    assert min(scale) > 0.5 * scale[0]
