"""The tasks of restoring: how pictures are measured, and what counts."""

from __future__ import annotations

import pytest
import torch

from gdmlib.inverse import Matrix, Restored
from gdmlib.metrics import psnr
from gdmlib.reproduce import inverse, run
from gdmlib.reproduce.inverse import INPAINTING, SINGLE_PIXEL
from gdmlib.reproduce.plug_and_play import SPC_MESSAGE_PASSING
from gdmlib.reproduce.settings import STAND_IN, SettingError


def clean() -> torch.Tensor:
    return inverse.pictures(STAND_IN)


def test_the_camera_sees_upper_left_squares_and_its_rows_are_nested() -> None:
    cases = list(inverse.single_pixel(clean(), [0.5, 0.25], 2, 12, 0.0, 0))
    assert [case.label for case in cases] == ["rate 0.50"] * 2 + ["rate 0.25"] * 2
    for case, picture in zip(cases, [0, 1, 0, 1], strict=True):
        assert torch.equal(case.clean, clean()[picture, :, :12, :12])
        assert torch.equal(case.y, case.operator(case.clean))
    more, fewer = cases[0].operator, cases[2].operator
    assert isinstance(more, Matrix)
    assert isinstance(fewer, Matrix)
    assert torch.equal(more.a[:36], fewer.a)
    torch.testing.assert_close(more.a @ more.a.mT, torch.eye(72), atol=1e-5, rtol=0)


def test_each_picture_loses_other_pixels_and_exactly_so_many() -> None:
    cases = list(inverse.inpainting(clean(), [0.7], 0.0, 0))
    assert {case.label for case in cases} == {"70% missing"}
    kept = [case.operator.kept for case in cases]
    assert all(len(k) == 1024 - round(0.7 * 1024) for k in kept)
    assert not torch.equal(kept[0], kept[1])


def test_the_border_does_not_count() -> None:
    case = next(inverse.single_pixel(clean(), [0.5], 1, 32, 0.0, 0))
    wrong = case.clean.clone()
    wrong[..., :2, :] = 5
    wrong[..., :, -2:] = 5
    wrong[..., 2:-2, 2:-2] += 0.1
    for made in (wrong, Restored(wrong)):
        found = inverse._restored(lambda operator, y, made=made: made, case, 2, torch.device("cpu"))
        expected = psnr(torch.zeros(1, 1), torch.full((1, 1), 0.1))
        torch.testing.assert_close(found["values"][0], expected[0], rtol=1e-5, atol=0)


def test_metrics_are_named_after_the_cases_and_details_have_each_picture() -> None:
    record = run("spc_message_passing", smoke=True)
    names = [record.metric.name, *(other.metric.name for other in record.others)]
    assert names == [f"{m}, rate {r}" for r in ("0.40", "0.30") for m in ("PSNR", "SSIM")]
    assert len(record.details["PSNR of each, rate 0.30"]) == 2
    assert record.details["processor seconds a picture, rate 0.30"] > 0


def test_it_goes_on_where_it_stopped(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("spc_plug_and_play", smoke=True)
    calls, restored = [], inverse._restored

    def failing(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return restored(*args)

    monkeypatch.setattr(inverse, "_restored", failing)
    with pytest.raises(KeyboardInterrupt):
        run("spc_plug_and_play", smoke=True, work=tmp_path)
    again = run("spc_plug_and_play", smoke=True, work=tmp_path, resume=True)
    assert len(calls) == 5  # two, one that failed, two
    assert again.metric.value == whole.metric.value


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("spc_plug_and_play", {"rates": [0.4, 1.5]}, "a share above 0 and below 1"),
        ("spc_plug_and_play", {"side": 100}, "side"),
        ("spc_plug_and_play", {"count": 9}, "count"),
        ("inpainting_plug_and_play", {"missing": [1.0]}, "a share above 0 and below 1"),
    ],
)
def test_settings_that_cannot_be(name: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        run(name, smoke=True, changes=changes)


def test_protocols_are_those_of_the_paper() -> None:
    assert SINGLE_PIXEL.border == 2
    assert SINGLE_PIXEL.config["rates"] == [0.4, 0.3, 0.25, 0.15, 0.1]
    assert (SINGLE_PIXEL.config["count"], SINGLE_PIXEL.config["side"]) == (5, 160)
    assert INPAINTING.config["missing"] == [0.7, 0.8]
    assert SPC_MESSAGE_PASSING.published is not None
    assert SPC_MESSAGE_PASSING.published.value == 33.66


def test_real_pictures(real_data: object) -> None:
    x = inverse.pictures("spc15")
    assert x.shape == (15, 1, 256, 256)


def test_noise_is_added_and_the_method_is_told() -> None:
    quiet = inverse.single_pixel(clean(), [0.5], 1, 16, 0.0, 0)
    loud = inverse.single_pixel(clean(), [0.5], 1, 16, 0.1, 0)
    difference = next(loud).y - next(quiet).y
    assert abs(float(difference.std()) - 0.1) < 0.02
    for name in ("spc_message_passing", "spc_plug_and_play"):
        told = run(name, smoke=True, changes={"noise": 0.05})
        assert told.metric.value < run(name, smoke=True).metric.value
