"""Streams of densities by the chain rule: damage, other models, other sizes."""

from __future__ import annotations

import pytest
import torch

from gdmlib.autoregressive import FVSBN, MCGSM, NADE, MCGSMImage, Neighbourhood, PixelCNN
from gdmlib.compression import CorruptStreamError, DiscretisedImage, compress, decompress
from gdmlib.densities import MultivariateNormal


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def nade(seed=0):
    return NADE((1, 3, 3), hidden=4, generator=seeded(seed))


def discretised(levels=4):
    inner = MCGSM(2, components=2, scales=2, generator=seeded())
    with torch.no_grad():
        inner.alpha.add_(3)
    around = Neighbourhood([(0, -1), (-1, 0)])
    return DiscretisedImage(MCGSMImage(inner, around, (1, 2, 2)), levels=levels)


def test_damage_is_seen_before_anything_is_decoded():
    model = nade()
    data = compress(model, model.sample(5, seeded()))
    damaged = bytearray(data)
    damaged[-6] ^= 4
    with pytest.raises(CorruptStreamError, match="nothing of it was decoded"):
        decompress(model, bytes(damaged))
    with pytest.raises(CorruptStreamError):
        decompress(model, data[: len(data) // 2])


def test_another_model_is_refused():
    data = compress(nade(), nade().sample(5, seeded()))
    with pytest.raises(CorruptStreamError, match="another model"):
        decompress(nade(1), data)
    with pytest.raises(CorruptStreamError, match="another model"):
        decompress(nade(), compress(nade(), nade().sample(2, seeded()), bits=20))


def test_images_of_any_size_by_a_causal_neighbourhood():
    model = discretised()
    for shape in ((1, 1, 1, 1), (2, 1, 1, 5), (1, 1, 4, 3)):
        x = torch.randint(4, shape, generator=seeded()) / 3
        assert torch.equal(decompress(model, compress(model, x)), x)


def test_cells_sum_to_one_and_agree_with_the_density():
    model = discretised(256)
    x = torch.randint(256, (2, 1, 3, 4), generator=seeded()) / 255
    cells = model.pixel_distribution(x)
    assert torch.allclose(cells.sum(-1), torch.ones(x.shape), atol=1e-5)
    # The density at the middle of a cell times its width, where cells are narrow.
    seen = (255 * x + 0.5) / 256
    dense = model.model.conditional_log_prob(seen) - torch.tensor(256.0).log()
    inside = (x > 0) & (x < 1)
    assert torch.allclose(model.conditional_log_prob(x)[inside], dense[inside], atol=1e-2)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (MultivariateNormal(torch.zeros(2), torch.eye(2)), "finitely many levels"),
        (PixelCNN((1, 2, 2), features=2, layers=1, num_classes=2, generator=seeded()), "labels"),
    ],
)
def test_what_cannot_be_coded_is_said(model, says):
    x = torch.zeros(1, *model.event_shape)
    with pytest.raises(ValueError, match=says):
        compress(model, x)


def test_wrong_events_are_refused():
    with pytest.raises(ValueError, match="x: expected"):
        compress(nade(), torch.full((1, 1, 3, 3), 0.5))
    with pytest.raises(ValueError, match="model: expected an MCGSMImage or a RIDE"):
        DiscretisedImage(FVSBN(4))
