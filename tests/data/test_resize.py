"""Pictures made smaller and larger: which bicubic it is, and the protocol of the tables."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data

from gdmlib import data, metrics
from gdmlib.data import resize
from gdmlib.data.resize import (
    EnlargingPairs,
    crop_to_multiple,
    enlarge,
    luma,
    shrink,
    to_levels,
)

FOLDER = Path(os.environ.get("GDMLIB_DATA") or ".") / "restoration_sets"


def camera():
    return torch.from_numpy(skimage_data.camera()).float()[None, None] / 255


def pillow(x, side, how):
    picture = Image.fromarray(x[0, 0].numpy(), mode="F").resize((side, side), how)
    return torch.from_numpy(np.asarray(picture))[None, None]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("method", "how"), [("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR)]
)
@pytest.mark.parametrize("scale", [2, 4])
def test_with_antialiasing_it_is_pillow(method, how, scale):
    x = camera()
    small = shrink(x, scale, method=method)
    assert torch.allclose(small, pillow(x, 512 // scale, how), atol=1e-4)
    assert torch.allclose(enlarge(small, scale, method=method), pillow(small, 512, how), atol=1e-4)


def test_there_and_back_by_either_bicubic():
    x, found = camera(), []
    for antialias in (True, False):
        back = enlarge(shrink(x, 4, antialias=antialias), 4, antialias=antialias)
        found.append(float(metrics.psnr(x, back)))
    assert found == [pytest.approx(26.205, abs=0.01), pytest.approx(25.253, abs=0.01)]


def test_without_antialiasing_fine_stripes_become_coarse_ones():
    stripes = (torch.arange(48) % 5 < 2).float().expand(1, 1, 48, 48)
    smooth, aliased = (shrink(stripes, 4, antialias=a)[0, 0, 6] for a in (True, False))
    assert float(smooth[2:-2].std()) < 0.1 < 0.4 < float(aliased.std())


@pytest.mark.parametrize("method", resize.METHODS)
@pytest.mark.parametrize("antialias", [True, False])
def test_a_constant_stays_and_a_ramp_stays_straight(method, antialias):
    options = {"method": method, "antialias": antialias}
    flat = torch.full((1, 2, 8, 12), 0.3, dtype=torch.float64)
    for x in (shrink(flat, 2, **options), enlarge(flat, 3, **options)):
        assert torch.allclose(x, torch.full_like(x, 0.3), atol=1e-12)
    ramp = torch.arange(24, dtype=torch.float64).expand(1, 1, 24, 24)
    for factor, x in ((3.0, shrink(ramp, 3, **options)), (1.0, enlarge(ramp, 3, **options))):
        line = x[0, 0, x.shape[2] // 2]
        if factor == 1:  # each pixel has become three; the nearest one makes stairs
            line = line.reshape(-1, 3).mean(1)
        steps = line.diff()[2:-2]
        assert torch.allclose(steps, torch.full_like(steps, factor), atol=1e-9)
        # No shift either: the middle of the picture is where it was.
        assert float(line.mean()) == pytest.approx(11.5, abs=1e-9)


def test_pictures_are_cropped_first():
    x = torch.rand(1, 3, 451, 322)
    cropped = crop_to_multiple(x, 4)
    assert cropped.shape == (1, 3, 448, 320) and torch.equal(cropped, x[..., :448, :320])
    assert shrink(cropped, 4).shape == (1, 3, 112, 80)
    with pytest.raises(ValueError, match=r"multiples of 4, got 451 × 322; use crop_to_multiple"):
        shrink(x, 4)
    with pytest.raises(ValueError, match="expected at least 500 rows and columns"):
        crop_to_multiple(x, 500)
    with pytest.raises(ValueError, match="method: expected one of nearest, bilinear, bicubic"):
        enlarge(x, 2, method="lanczos")


def test_luma_is_that_of_the_recommendation():
    pure = torch.eye(3)[:, :, None, None]
    assert torch.allclose(
        255 * luma(pure).flatten(), torch.tensor([81.481, 144.553, 40.966]), atol=1e-3
    )
    ends = torch.tensor([0.0, 1.0])[:, None, None, None].expand(-1, 3, 1, 1)
    assert torch.allclose(255 * luma(ends).flatten(), torch.tensor([16.0, 235.0]), atol=1e-3)
    grey = torch.rand(2, 1, 3, 3)
    assert torch.equal(luma(grey), grey)
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 3, H, W\)"):
        luma(torch.rand(1, 2, 4, 4))


def test_a_step_edge_is_cut_and_does_not_wrap():
    edge = torch.zeros(1, 1, 16, 16)
    edge[..., 8:] = 1
    x = enlarge(edge, 4)
    assert float(x.min()) < -0.01 and float(x.max()) > 1.01
    levels = to_levels(x)
    assert levels.dtype == torch.uint8
    assert torch.equal(levels, (255 * x.clamp(0, 1)).round().to(torch.uint8))
    wrapped = (255 * x).to(torch.int32).to(torch.uint8)  # what a plain conversion does
    assert int((wrapped.int() - levels.int()).abs().max()) > 200


def test_pairs_belong_together_and_change_from_batch_to_batch(generator):
    pictures = list(data.photographs().values())[:2]
    pairs = EnlargingPairs(pictures, size=32, generator=generator)
    numbers = torch.rand(40, 4, generator=generator)
    low, high = pairs(numbers)
    assert low.shape == (40, 3, 8, 8) and high.shape == (40, 3, 32, 32)
    # The small crop was cut out of a small picture, so only its border knows what is outside.
    assert float((shrink(high, 4) - low)[..., 2:-2, 2:-2].abs().max()) < 0.02
    assert not torch.equal(pairs(numbers)[1], high)
    again = EnlargingPairs(pictures, size=32, generator=torch.Generator().manual_seed(5))
    same = EnlargingPairs(pictures, size=32, generator=torch.Generator().manual_seed(5))
    assert torch.equal(again(numbers)[1], same(numbers)[1])


def test_pairs_come_from_all_places_and_turns():
    picture = torch.arange(64.0).reshape(1, 8, 8)
    pairs = EnlargingPairs([picture], size=4, scale=4, generator=torch.Generator().manual_seed(0))
    _, high = pairs(torch.rand(400, 4, generator=torch.Generator().manual_seed(1)))
    corners = {tuple(sorted(x[0, [0, 0, -1, -1], [0, -1, 0, -1]].tolist())) for x in high}
    assert len(corners) == 4  # the small picture has 2 × 2 pixels, of which each crop has one
    first = high[high.amin((1, 2, 3)) == 0]
    assert len({tuple(x.flatten().tolist()) for x in first}) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 30}, "size: expected a multiple of the scale 4, got 30"),
        ({"size": 64}, "the smallest picture has 32 pixels a side, got 64"),
        ({"size": 8, "pictures": []}, "pictures: expected at least one"),
    ],
)
def test_pairs_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        EnlargingPairs(**{"pictures": [torch.rand(3, 40, 32)]} | options)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs the test sets in GDMLIB_DATA")
@pytest.mark.parametrize(("name", "published"), [("set5", 28.43), ("set14", 25.99)])
def test_the_protocol_is_that_of_the_tables(name, published):
    values, squeezed = [], []
    for picture in data.restoration(name).values():
        x = crop_to_multiple(picture[None], 4)
        back = enlarge(shrink(x, 4), 4)
        values.append(float(metrics.on_luma(metrics.psnr, back, x, border=4)))
        both = (y.expand(-1, 3, -1, -1) for y in (back, x))
        squeezed.append(float(metrics.on_luma(metrics.psnr, *both, border=4)))
    assert sum(values) / len(values) == pytest.approx(published, abs=0.05)
    if name == "set14":  # with grey turned into colours it would be another table
        assert sum(squeezed) / len(squeezed) == pytest.approx(26.09, abs=0.02)


@pytest.mark.parametrize("shape", [(16, 4), (16, 8), (4, 16), (8, 16), (4, 4), (16, 12)])
@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_a_single_column_is_that_of_pillow(shape, method):
    x = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    got = resize.shrink(x, 4, method=method)
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    size = (shape[1] // 4, shape[0] // 4)
    expected = [
        torch.tensor(np.asarray(Image.fromarray(part.numpy()).resize(size, filters[method])))
        for part in x.flatten(0, 1)
    ]
    torch.testing.assert_close(got.flatten(0, 1), torch.stack(expected), atol=1e-5, rtol=0)
