from __future__ import annotations

import pytest
import torch

from gdmlib.adversarial import (
    GAN,
    ConcatenatedDiscriminator,
    ConditionalBatchNorm2d,
    ConditionalGenerator,
    DCDiscriminator,
    ProjectionDiscriminator,
    count_classes,
)
from gdmlib.training import fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


LABELS = torch.tensor([0, 2, 1, 2, 0, 1, 2, 1])


def conditional_norm():
    layer = ConditionalBatchNorm2d(4, 3)
    with torch.no_grad():
        layer.scale.copy_(1 + 0.3 * normal(3, 4, seed=1))
        layer.shift.copy_(normal(3, 4, seed=2))
    return layer


def test_conditional_batch_norm_is_batch_norm_and_then_a_line_for_each_class():
    layer, x = conditional_norm(), 3 * normal(8, 4, 5, 5) + 1
    found = layer(x, LABELS)
    mean, spread = x.mean((0, 2, 3)), x.std((0, 2, 3), unbiased=False)
    for i, c in enumerate(LABELS.tolist()):
        plain = (x[i] - mean[:, None, None]) / spread[:, None, None]
        wanted = layer.scale[c][:, None, None] * plain + layer.shift[c][:, None, None]
        assert torch.allclose(found[i], wanted, atol=1e-4)


def test_it_starts_as_batch_norm_and_remembers_what_it_saw():
    layer, plain = ConditionalBatchNorm2d(4, 3), torch.nn.BatchNorm2d(4)
    x = 3 * normal(8, 4, 5, 5) + 1
    assert torch.allclose(layer(x, LABELS), plain(x), atol=1e-6)
    layer.eval(), plain.eval()
    assert torch.allclose(layer(x[:1], LABELS[:1]), plain(x[:1]), atol=1e-6), "one alone"


@pytest.mark.parametrize("way", ["norm", "concatenation"])
def test_the_class_reaches_the_picture(way):
    model = ConditionalGenerator(
        (1, 8, 8), latent=3, channels=(6, 4), classes=3, way=way, generator=seeded()
    )
    if way == "norm":
        with torch.no_grad():
            for norm in model.norms:
                norm.shift += normal(*norm.shift.shape, seed=3)
    z = normal(2, 3)
    first, second = (model.eval()(z, torch.tensor(c)) for c in ([0, 1], [2, 1]))
    assert first.shape == (2, 1, 8, 8) and first.abs().max() <= 1
    assert not torch.allclose(first[0], second[0]) and torch.equal(first[1], second[1])


def test_the_published_ways_have_the_published_parameters():
    """Norm: a γ and a β for each class and feature. Concatenation: rows of one matrix."""
    sizes = {"latent": 3, "channels": (6, 4), "classes": 3}
    a, b = (ConditionalGenerator((1, 8, 8), **sizes, way=w) for w in ("norm", "concatenation"))
    assert a.first.weight.shape[1] == 3 and b.first.weight.shape[1] == 6
    extra = sum(p.numel() for p in a.norms.parameters())
    assert extra == 3 * sum(p.numel() for p in b.norms.parameters())


def test_projection_is_the_formula():
    body = DCDiscriminator((1, 8, 8), channels=(4, 6), norm=None, generator=seeded())
    judge = ProjectionDiscriminator(body, classes=3, generator=seeded(1))
    x = normal(8, 1, 8, 8)
    features = body.features(x)
    wanted = body(x) + torch.stack(
        [features[i] @ judge.vectors[c] for i, c in enumerate(LABELS.tolist())]
    )
    assert torch.allclose(judge(x, LABELS), wanted, atol=1e-6)


def test_concatenation_writes_the_class_as_planes():
    seen = []

    class Body(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.mean((1, 2, 3))

    x = normal(8, 1, 4, 4)
    ConcatenatedDiscriminator(Body(), classes=3)(x, LABELS)
    assert torch.equal(seen[0][:, :1], x)
    for i, c in enumerate(LABELS.tolist()):
        assert torch.equal(seen[0][i, 1:].mean((1, 2)), torch.eye(3)[c])


@pytest.mark.parametrize("way", ["norm", "concatenation"])
@pytest.mark.parametrize("kind", ["projection", "concatenation"])
def test_a_game_of_classes_learns_them(way, kind):
    """Classes are three levels of grey; after some steps each is drawn as it should be."""
    levels = torch.tensor([-0.8, 0.0, 0.8])
    y = torch.arange(240) % 3
    x = levels[y][:, None, None, None] + 0.05 * normal(240, 1, 8, 8)
    maker = ConditionalGenerator(
        (1, 8, 8), latent=4, channels=(8, 8), classes=3, way=way, generator=seeded()
    )
    sizes = {"channels": (8, 8), "norm": None}
    if kind == "projection":
        body = DCDiscriminator((1, 8, 8), **sizes, generator=seeded(1))
        judge = ProjectionDiscriminator(body, classes=3, generator=seeded(2))
    else:
        body = DCDiscriminator((4, 8, 8), **sizes, generator=seeded(1))
        judge = ConcatenatedDiscriminator(body, classes=3)
    gan = GAN(maker, judge, latent=4, classes=3)
    turns = gan.turns(lr=4e-3, noise=seeded(3))
    fit(turns, (x, y), epochs=20, batch_size=40, generator=seeded(4), progress=False)
    drawn = gan.sample(60, seeded(5), labels=torch.arange(60) % 3).mean((1, 2, 3)).reshape(20, 3)
    order = drawn.mean(0)
    assert order[0] + 0.3 < order[1] < order[2] - 0.3, f"greys of the classes are {order.tolist()}"


# --- bad input


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.uint16, torch.uint32])
def test_labels_that_would_be_a_mask_or_wrap_around(dtype):
    labels = torch.tensor([0, 1, 1]).to(dtype)
    body = DCDiscriminator((1, 8, 8), channels=(4, 6), norm=None)
    both = DCDiscriminator((4, 8, 8), channels=(4, 6), norm=None)
    for call in (
        lambda: ConditionalBatchNorm2d(4, 3)(normal(3, 4, 2, 2), labels),
        lambda: ConditionalGenerator((1, 8, 8), latent=2, classes=3)(normal(3, 2), labels),
        lambda: ProjectionDiscriminator(body, classes=3)(normal(3, 1, 8, 8), labels),
        lambda: ConcatenatedDiscriminator(both, classes=3)(normal(3, 1, 8, 8), labels),
        lambda: count_classes(labels, 3),
    ):
        with pytest.raises(
            ValueError, match=rf"labels: expected signed integers, got {dtype}; use"
        ):
            call()


def test_labels_out_of_range_and_empty_classes():
    layer = ConditionalBatchNorm2d(4, 3)
    for wrong in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match="labels: expected labels 0 to 2"):
            layer(normal(2, 4, 2, 2), torch.tensor(wrong))
    with pytest.raises(ValueError, match="labels: expected 2 labels"):
        layer(normal(2, 4, 2, 2), torch.tensor([0]))
    with pytest.raises(ValueError, match="labels: expected integers"):
        layer(normal(2, 4, 2, 2), torch.tensor([0.0, 1.0]))
    assert count_classes(LABELS, 3).tolist() == [2, 3, 3]
    with pytest.raises(ValueError, match="labels: no example of class 3, 4 of 5; add some"):
        count_classes(LABELS, 5)
    with pytest.raises(ValueError, match="classes: expected at least 2"):
        ConditionalBatchNorm2d(4, 0)
    with pytest.raises(ValueError, match="labels: expected at least one element"):
        layer(normal(2, 4, 2, 2), torch.tensor([], dtype=torch.int64))


def test_sizes_and_ways():
    with pytest.raises(ValueError, match=r"multiples of 4, .*got 10 × 8"):
        ConditionalGenerator((1, 10, 8), latent=2, channels=(4, 4), classes=3)
    with pytest.raises(ValueError, match="way: expected one of norm, concatenation"):
        ConditionalGenerator((1, 8, 8), latent=2, classes=3, way="film")
