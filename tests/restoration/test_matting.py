"""Opacity: the compositing equation and its inverse, trimaps, and errors that see hairs."""

from __future__ import annotations

import pytest
import torch

from gdmlib.restoration import (
    MattingNet,
    composite,
    estimate_colours,
    matting_errors,
    soft_shapes,
    solve_alpha,
    spread_colours,
    trimap,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(n: int = 3, size: int = 24) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    front, behind = torch.rand(2, n, 3, size, size, generator=seeded())
    return soft_shapes(n, size, hairs=30, generator=seeded(1)), front, behind


def test_composites_are_undone_where_both_colours_are_known():
    alpha, front, behind = scene()
    found = solve_alpha(composite(alpha, front, behind), front, behind)
    assert (found - alpha).abs().max() < 1e-4
    assert torch.equal(composite(torch.ones_like(alpha), front, behind), front)
    assert torch.equal(composite(torch.zeros_like(alpha), front, behind), behind)
    assert (solve_alpha(front, front, front) == 0.5).all()  # any opacity fits


def test_shapes_are_soft_and_repeat():
    alpha = soft_shapes(4, 32, generator=seeded())
    assert alpha.shape == (4, 1, 32, 32) and alpha.min() == 0 and alpha.max() == 1
    assert torch.equal(alpha, soft_shapes(4, 32, generator=seeded()))
    mixed = ((alpha > 0) & (alpha < 1)).float().mean()
    bald = soft_shapes(4, 32, hairs=0, generator=seeded())
    assert mixed > 2 * ((bald > 0) & (bald < 1)).float().mean() > 0


def test_a_trimap_is_never_wrong():
    alpha, *_ = scene()
    for width in (0, 2):
        regions = trimap(alpha, width)
        assert set(regions.unique().tolist()) <= {0.0, 0.5, 1.0}
        assert (alpha[regions == 1] > 0.99).all() and (alpha[regions == 0] < 0.01).all()
    assert (trimap(alpha, 3) == 0.5).sum() > (trimap(alpha, 1) == 0.5).sum()


def test_colours_spread_from_where_they_are_known():
    x = torch.zeros(1, 3, 16, 16)
    x[:, :, :, 8:] = 1
    known = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    known[..., 0] = known[..., 15] = True
    found = spread_colours(x, known)
    assert torch.equal(found[..., [0, 15]], x[..., [0, 15]])
    rising = found[0, 0, 8].diff()
    assert (rising >= 0).all() and (rising[:-1] < 0.5).all()
    assert found[..., 2].max() < 0.3 and found[..., 13].min() > 0.7
    with pytest.raises(ValueError, match="no known pixel"):
        spread_colours(x, torch.zeros_like(known))


def test_the_network_starts_as_the_solution_and_keeps_what_is_sure():
    alpha, front, behind = scene()
    image, regions = composite(alpha, front, behind), trimap(alpha)
    found = MattingNet(features=4, generator=seeded())(image, regions)
    band = regions == 0.5
    solved = solve_alpha(image, *estimate_colours(image, regions))
    assert torch.allclose(found[band], solved[band], atol=1e-6)
    assert torch.equal(found[~band], regions[~band])


def test_errors():
    alpha, *_ = scene()
    same = matting_errors(alpha, alpha)
    assert all(value.abs().max() == 0 for value in same.values())
    off = matting_errors((alpha + 0.1).clamp(max=1), alpha)
    assert (off["SAD"] > 0).all() and (off["MSE"] <= 0.0101).all()
    smeared = torch.nn.functional.avg_pool2d(alpha, 5, stride=1, padding=2)
    assert (matting_errors(smeared, alpha)["gradient"] > off["gradient"]).all()


def test_score_counts_the_band_alone():
    alpha, front, behind = scene()
    image, regions = composite(alpha, front, behind), trimap(alpha)
    model = MattingNet(features=4, generator=seeded())
    other = torch.where(regions == 0.5, alpha, 1 - alpha)
    assert torch.allclose(model.score(image, regions, alpha), model.score(image, regions, other))


def test_bad_input_is_refused():
    alpha, front, behind = scene(1, 16)
    with pytest.raises(
        ValueError, match=r"alpha: expected opacities in .0, 1., got values from 0 to 255"
    ):
        composite(255 * alpha, front, behind)
    with pytest.raises(ValueError, match="alpha: expected shape"):
        composite(alpha[..., :8], front, behind)
    with pytest.raises(ValueError, match="behind: expected shape"):
        composite(alpha, front, behind[:, :1])
    with pytest.raises(ValueError, match=r"front: .* NaN"):
        composite(alpha, front * float("nan"), behind)
    with pytest.raises(ValueError, match="image: expected shape"):
        solve_alpha(front[..., :8], front, behind)
    with pytest.raises(ValueError, match="made: expected opacities"):
        matting_errors(alpha - 0.5, alpha)
    with pytest.raises(ValueError, match="regions: expected shape"):
        estimate_colours(front, alpha[..., :8])
    with pytest.raises(ValueError, match="size: expected at least 8"):
        soft_shapes(1, 4)
