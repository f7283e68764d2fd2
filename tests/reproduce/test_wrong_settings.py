"""Settings that cannot be are refused by name, in a line, before anything is loaded or written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gdmlib.reproduce import EXPERIMENTS, SettingError, main, run
from gdmlib.reproduce import runner as _runner

WHOLE, NUMBER, SHARE = "a whole number from 1", "a number from 0", "a number from 0 to below 1"
ABOVE, SEED, SEEDS = "a number above 0", "a whole number from 0 to 2**32 - 1", "different seeds"
TRUTH, LIST, KERNEL = "true or false", "a list of one or more", "an odd whole number from 3"

WRONG = {
    "nade_dna": [
        *[("epochs", value, WHOLE) for value in (
            "abc", "0", "-1", "1.5", "3.0", "1e30", "10000000000", "null", "true", "[]", "[3]",
            "{}", "", "NaN",
        )],
        *[("lr", value, ABOVE) for value in (
            "x", "0", "-0.1", "nan", "NaN", "Infinity", "-Infinity", "1e300", "null", "false",
            "[0.1]", '"0.1"',
        )],
        *[("hidden", value, WHOLE) for value in ("0", "2.5", "[]", "[500]", "1000000000000")],
        *[("batch_size", value, WHOLE) for value in ("0", "-20", "20.0", "all")],
        *[("patience", value, "or null") for value in ("0", "-1", "2.5", "never")],
        *[("weight_decay", value, NUMBER) for value in ("-1", "NaN", "none", "null")],
        *[("final_lr", value, NUMBER) for value in ("-1e-9", "Infinity")],
        *[("seeds", value, SEEDS) for value in (
            "[]", "0", "[0,0]", "[1.5]", "[true]", "[-1]", "01", "null", "{}", "[0,[1]]", "[0",
            "[4294967296]",
        )],
        *[("data", value, '"dna" or "stand-in"') for value in ("mushrooms", "DNA", "3", "null")],
        ("epoch", "3", "did you mean epochs"),
        ("model", "x", "there are batch_size"),
        ("''", "3", "no setting of nade_dna"),
    ],
    "made_mnist": [
        *[("hidden", value, LIST) for value in ("[]", "500", "[0]", "[500,-1]", "[1.5]", "null")],
        *[("dropout", value, SHARE) for value in ("1", "-0.1", "NaN", "some")],
        *[("mixed_precision", value, TRUTH) for value in ("1", "True", "yes", "null")],
        *[("binarise_seed", value, SEED) for value in ("-1", "0.5", "4294967296", "null")],
        *[("orderings", value, WHOLE) for value in ("0", "[0]", "natural")],
    ],
    "fvsbn_dna": [
        *[("l2", value, LIST) for value in ("5", "[]", '["a"]', "[-1]", "[NaN]", "null")],
        *[("per_pixel", value, TRUTH) for value in ("0", "no")],
        *[("tolerance", value, NUMBER) for value in ("-1", "small")],
        ("seeds", "[0]", "[], for no seed"),
    ],
    "pixelcnn_mnist": [
        *[("kernel_size", value, KERNEL) for value in ("4", "1", "0", "5.0", "-3", "101")],
        *[("average", value, "below 1, or null") for value in ("1", "-0.1", "1.5", "none")],
        *[("clip", value, "or null") for value in ("0", "-1", "NaN")],
        *[("position", value, TRUTH) for value in ("1", "here")],
    ],
    "ride_bsds300_patches": [
        *[("size", value, WHOLE) for value in ("0", "8.0", "-8")],
        *[("last_pixel", value, ABOVE) for value in ("x", "0", "-0.1")],
        *[("test_patches", value, "a whole number from 2") for value in ("0", "1")],
        *[("mcgsm_lr", value, ABOVE) for value in ("0", "fast")],
        ("patch_seed", "-1", SEED),
    ],
    "ride_stable_bsds300_images": [
        *[("cell", value, '"stable"') for value in ("paper", "lstm", "1", "null")],
        *[("rows", value, WHOLE) for value in ("0", "1.0", "-1")],
    ],
    "gaussian_red_wine": [
        *[("data", value, '"red_wine" or "stand-in"') for value in ("white_wine", "dna", "[]")],
        ("model", "x", "there are data, seeds"),
    ],
}  # fmt: skip
CASES = [(name, *case) for name, cases in WRONG.items() for case in cases]


@pytest.fixture
def untouched(tmp_path, monkeypatch):
    """See to it that nothing is begun, and nothing written where the command runs."""

    def begun(*arguments, **options):
        raise AssertionError("the run has begun")

    for name in ("Job", "launch", "check_writable", "prepare"):
        monkeypatch.setattr(_runner, name, begun)
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []


def refused(capsys, *arguments):
    """Return the one line that a command with status 2 says."""
    try:
        status = main(["run", *arguments])
    except SystemExit as left:
        status = left.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "") and err.count("\n") == 1 and len(err) < 700, err
    return err


def test_there_are_many_of_them():
    assert len(CASES) >= 100 and len(set(CASES)) == len(CASES)


@pytest.mark.parametrize(("name", "key", "value", "words"), CASES)
@pytest.mark.parametrize("smoke", [[], ["--smoke"]], ids=["full", "trial"])
def test_a_wrong_setting(capsys, untouched, smoke, name, key, value, words):
    said = refused(capsys, name, *smoke, "--set", f"{key}={value}")
    assert said.startswith(f"{name}: {key}: ") and words in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("nade_dn", "no experiment 'nade_dn'; did you mean nade_dna"),
        ("x", "no experiment 'x'; there are bernoulli_mixture_mnist, "),
        ("nade_dna --threads 0", "threads: expected at least 1, got 0"),
        ("nade_dna --threads -1", "threads: expected at least 1, got -1"),
        ("nade_dna --threads 99999", "threads: expected 1 to 1024, of each process, got 99999"),
        ("nade_dna --threads two", "argument --threads: invalid int value: 'two'"),
        ("nade_dna --processes 0", "processes: expected at least 1, got 0"),
        ("nade_dna --processes 1.5", "argument --processes: invalid int value: '1.5'"),
        ("nade_dna --nodes 0", "nodes: expected at least 1, got 0"),
        ("nade_dna --devices 0", "processes: expected at least 1, got 0"),
        ("nade_dna --device tpu", "argument --device: invalid choice: 'tpu'"),
        ("nade_dna --device cpu --devices 2", "--devices counts GPUs"),
        ("nade_dna --devices 1 --processes 3", "contradicts it"),
        ("fvsbn_dna --processes 2", "in one process; give it more threads"),
        ("nade_dna --set lr", "expected KEY=VALUE, got 'lr'"),
        ("nade_dna --set lr=1 --set lr=2", "a setting is given twice"),
        ("nade_dna --smoke --resume", "resume needs the folder"),
        ("nade_dna --speed 3", "unrecognized arguments: --speed 3"),
        ("", "the following arguments are required: NAME"),
    ],
)
def test_a_wrong_option(capsys, untouched, options, words):
    assert words in refused(capsys, *options.split())


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    [
        ("ride_bsds300_images", "crop", 1000, r"crop: expected 3 to 28, so that it holds a con"),
        ("ride_bsds300_images", "crop", 2, "crop: expected 3 to 28"),
        ("ride_bsds300_images", "valid_crop", 29, "valid_crop: expected 3 to 28"),
        ("ride_bsds300_images", "rows", 28, "rows or columns: expected 1 to 27"),
        ("mcgsm_bsds300_images", "columns", 14, "rows or columns: expected 1 to 27"),
        ("mcgsm_bsds300_patches", "size", 29, "size: expected 2 to 28"),
        ("nade_dna", "hidden", 10**9, "no model can be made with {'hidden': 1000000000}: no room"),
        ("mcgsm_bsds300_patches", "size", 1, "size: expected 2 to 28"),
        ("pixelcnn_mnist", "shape", [1, 1, 0], "shape: expected a list of 3 entries"),
        ("pixelcnn_mnist", "shape", [6, 6], "shape: expected a list of 3 entries"),
    ],
)
def test_what_the_data_do_not_allow_is_refused_before_training(
    tmp_path, monkeypatch, name, key, value, words
):
    pytest.importorskip("lightning_fabric")
    monkeypatch.setattr(torch.optim.AdamW, "step", None)

    def full(*sizes, **options):  # there may be a machine that has that much
        raise MemoryError("no room")

    monkeypatch.setattr("gdmlib.autoregressive.nade.between", full)
    with pytest.raises(SettingError, match=words):
        run(name, smoke=True, device="cpu", work=tmp_path, changes={key: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, [object()], type, float("nan")])
def test_what_json_does_not_know_is_refused(value):
    with pytest.raises(SettingError, match="hidden: expected a whole number from 1 to"):
        EXPERIMENTS["nade_dna"].settings(False, {"hidden": value})


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_what_is_registered_is_allowed_and_null_only_where_it_turns_off(name):
    experiment, off = EXPERIMENTS[name], {"average", "clip", "patience"}
    for smoke in (False, True):
        settings = experiment.settings(smoke, {})
        assert experiment.settings(smoke, settings) == settings
        for key in settings:
            if key in off:
                assert experiment.settings(smoke, {key: None})[key] is None
            else:
                with pytest.raises(SettingError, match=f"^{key}: expected"):
                    experiment.settings(smoke, {key: None})


def test_numbers_of_numpy_and_tuples_are_settings():
    made = EXPERIMENTS["made_dna"].settings(
        False, {"hidden": (np.int64(9), 8), "lr": np.float32(0.5), "seeds": np.arange(2)}
    )
    assert (made["hidden"], made["lr"], made["seeds"]) == ([9, 8], 0.5, [0, 1])
    assert EXPERIMENTS["made_dna"].settings(True, {"data": "dna"})["data"] == "dna"


# --- a record says what was done ------------------------------------------------------------------


def test_a_stand_in_is_a_trial(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "gaussian_red_wine", "--set", "data=stand-in"]) == 0
    assert list(tmp_path.iterdir()) == []  # as of a trial
    said = capsys.readouterr().out
    record = run("gaussian_red_wine", tmp_path, changes={"data": "stand-in"})
    assert record.smoke and record.gap is None and record.data.name == "stand-in"
    assert "gap" not in said and f"{record.metric.value:.4f}" in said
