"""The MCGSM from coarse to fine: a rotation, a chain of planes, and a density."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gdmlib.autoregressive import MCGSM, MCGSMImage, MultiscaleMCGSM, Neighbourhood
from gdmlib.autoregressive.haar import Plane, chain, haar, inverse_haar, windows
from tests.laws import laws
from tests.laws.causality import check_causal
from tests.laws.image_laws import check_sweep
from tests.laws.registry import BY_NAME
from tests.laws.registry_images import CAUSAL, CORNER, LEFT, multiscale, sizes

CASE = BY_NAME["MultiscaleMCGSM, 2 x 2 pixels"]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


# --- the transform


def test_haar_of_one_block():
    block = torch.tensor([[1.0, 2.0], [3.0, 5.0]])[None, None]
    assert haar(block).flatten().tolist() == [5.5, -1.5, -2.5, 0.5]
    # A change of columns, of rows, and of neither alone.
    assert haar(torch.tensor([[1.0, 0.0], [1.0, 0.0]])[None, None]).flatten().tolist() == [
        1,
        1,
        0,
        0,
    ]


def test_inverse_haar_is_the_inverse():
    images = normal(3, 1, 6, 10)
    torch.testing.assert_close(inverse_haar(haar(images)), images)


@pytest.mark.parametrize("levels", [1, 2])
def test_the_whole_transform_is_a_rotation(levels):
    def coefficients(flat):
        planes = chain(flat.reshape(1, 1, 4, 8), levels)
        return torch.cat([plane.flatten() for plane, _ in planes])

    jacobian = torch.autograd.functional.jacobian(coefficients, normal(32))
    torch.testing.assert_close(jacobian @ jacobian.T, torch.eye(32).double())
    assert abs(float(torch.linalg.slogdet(jacobian)[1])) < 1e-12


def test_planes_come_coarse_first_with_what_is_known():
    images = normal(2, 1, 8, 12)
    planes = list(chain(images, 2))
    shapes = [(tuple(plane.shape), known.shape[1]) for plane, known in planes]
    assert shapes == [
        ((2, 2, 3), 0),
        *[((2, 2, 3), k) for k in (1, 2, 3)],
        *[((2, 4, 6), k) for k in (1, 2, 3)],
    ]
    torch.testing.assert_close(planes[0][0], 4 * torch.nn.functional.avg_pool2d(images, 4)[:, 0])
    torch.testing.assert_close(planes[4][1], 2 * torch.nn.functional.avg_pool2d(images, 2))
    assert torch.equal(planes[6][1][:, 1], planes[4][0])


def test_windows_repeat_the_border():
    known = normal(2, 3, 4, 5)
    found = windows(known, 1)
    assert found.shape == (2, 4, 5, 27)
    for i, j in ((0, 0), (1, 2), (3, 4)):
        rows = [min(max(i + a, 0), 3) for a in (-1, 0, 1)]
        columns = [min(max(j + b, 0), 4) for b in (-1, 0, 1)]
        expected = [known[1, k, a, b] for k in range(3) for a in rows for b in columns]
        assert found[1, i, j].tolist() == [float(value) for value in expected]


# --- the density


def plain_log_prob(model, image):
    """Take one image apart block by block, and go through the coefficients one by one."""
    levels, levels_left = [], model.levels
    coarse = image.tolist()
    while levels_left:
        h, w = len(coarse) // 2, len(coarse[0]) // 2
        bands = [[[0.0] * w for _ in range(h)] for _ in range(4)]
        for i in range(h):
            for j in range(w):
                a, b = coarse[2 * i][2 * j : 2 * j + 2]
                c, d = coarse[2 * i + 1][2 * j : 2 * j + 2]
                values = (a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d)
                for band, value in zip(bands, values, strict=True):
                    band[i][j] = value / 2
        levels.insert(0, bands)
        coarse, levels_left = bands[0], levels_left - 1
    todo = [(coarse, [], model.padding * 2**model.levels)]
    todo += [(bands[k], bands[:k], 0.0) for bands in levels for k in (1, 2, 3)]
    total = 0.0
    for inner, (plane, known, outside) in zip(model.conditionals, todo, strict=True):
        h, w = len(plane), len(plane[0])
        for i in range(h):
            for j in range(w):
                seen = []
                for dy, dx in model.neighbourhood.offsets:
                    inside = 0 <= i + dy < h and 0 <= j + dx < w
                    seen.append(plane[i + dy][j + dx] if inside else outside)
                for other in known:
                    for dy in range(-model.radius, model.radius + 1):
                        for dx in range(-model.radius, model.radius + 1):
                            seen.append(
                                other[min(max(i + dy, 0), h - 1)][min(max(j + dx, 0), w - 1)]
                            )
                value = torch.tensor([plane[i][j]]).double()
                total += float(inner.log_prob(value, torch.tensor([seen]).double()))
    return total


@pytest.mark.parametrize(("levels", "radius"), [(1, 0), (1, 2), (2, 1)])
def test_log_prob_is_the_plain_loop(levels, radius):
    model = multiscale((1, 8, 4), levels=levels, radius=radius)
    images = normal(2, 1, 8, 4)
    with torch.no_grad():
        slow = [plain_log_prob(model, image) for image in images[:, 0]]
        torch.testing.assert_close(model.log_prob(images), torch.tensor(slow).double())


def test_planes_add_up():
    model = multiscale((1, 8, 8), levels=2, radius=1)
    images = normal(3, 1, 8, 12)
    planes = model.plane_log_prob(images)
    assert [tuple(plane.shape) for plane in planes] == [(3, 1, 2, 3)] * 4 + [(3, 1, 4, 6)] * 3
    total = sum(plane.flatten(1).sum(dim=1) for plane in planes)
    torch.testing.assert_close(model.log_prob(images), total)


def test_conditionals_are_pictures_of_the_planes():
    model = multiscale((1, 8, 8), levels=2, radius=1)
    images = normal(3, 1, 8, 12)
    picture, planes = model.conditional_log_prob(images), model.plane_log_prob(images)
    assert picture.shape == (3, 1, 8, 12)
    torch.testing.assert_close(picture.sum(dim=(1, 2, 3)), model.log_prob(images))
    assert torch.equal(picture[..., :2, :3], planes[0])
    assert torch.equal(picture[..., :2, 3:6], planes[1])
    assert torch.equal(picture[..., 2:4, :3], planes[2])
    assert torch.equal(picture[..., 2:4, 3:6], planes[3])
    assert torch.equal(picture[..., :4, 6:], planes[4])
    assert torch.equal(picture[..., 4:, 6:], planes[6])


class ForgetsTheJacobian(MultiscaleMCGSM):
    """Takes means of blocks for sums, and does not say so."""

    def plane_log_prob(self, images):
        return super().plane_log_prob(images / 2)


class PaysForIt(ForgetsTheJacobian):
    """Divides by two and accounts for it."""

    def log_prob(self, images):
        return super().log_prob(images) - images[0].numel() * math.log(2)


def test_a_scaled_transform_needs_its_jacobian():
    broken = replace(CASE, build=lambda: multiscale(context=LEFT, kind=ForgetsTheJacobian))
    with pytest.raises(AssertionError, match="law 1, normalisation"):
        laws.check_normalised(broken)
    x = normal(1, 1, 2, 2)
    expected = multiscale().log_prob(x / 2) - 4 * math.log(2)
    torch.testing.assert_close(multiscale(kind=PaysForIt).log_prob(x), expected)


class SwapsTheDetails(MultiscaleMCGSM):
    """Puts what it draws together in another order than it takes images apart."""

    def refine(self, coarse, generator=None):
        return super().refine(coarse, generator).transpose(2, 3)


def test_a_sampler_that_turns_its_images_is_rejected():
    broken = replace(CASE, build=lambda: multiscale(context=LEFT, kind=SwapsTheDetails))
    with pytest.raises(AssertionError, match="law 2, sampling"):
        laws.check_samples(broken)


class Leaky(Neighbourhood):
    """Looks at the next coefficient, and is not asked whether it may."""

    def __init__(self):
        super().__init__(CORNER.offsets)
        self.offsets = ((-1, 0), (0, 1), (-1, 1), (0, -1))
        self.right = 1


@pytest.mark.parametrize(
    ("neighbourhood", "message"),
    [
        (Leaky(), "comes later"),
        (Neighbourhood([(-1, -1), (-1, 0), (0, -1), (0, -2)]), "is blind to"),
    ],
)
def test_another_neighbourhood_is_seen(neighbourhood, message):
    case = CAUSAL[0]

    def build():
        model = case.build()
        model.neighbourhood = neighbourhood
        return model

    with pytest.raises(AssertionError, match=f"law 3, causality: .*{message}"):
        check_causal(replace(case, build=build))


def test_a_plane_is_drawn_in_wavefronts():
    inner = multiscale((1, 8, 8), radius=1).conditionals[2]
    plane = Plane(inner, CORNER, normal(3, 2, 6, 7), 1, 0.0)

    def draw(seen, i, j, u, z):
        return inner.draw(torch.cat([seen, plane.windows], dim=3)[:, i, j], u, z)

    check_sweep(plane, draw)


def test_refine_keeps_the_coarse_image(generator):
    model = multiscale((1, 8, 12), levels=2, radius=1)
    coarse = normal(3, 1, 2, 3)
    images = model.refine(coarse, generator)
    assert images.shape == (3, 1, 8, 12)
    torch.testing.assert_close(4 * torch.nn.functional.avg_pool2d(images, 4), coarse)
    again = model.refine(coarse, generator)
    assert not torch.allclose(again, images)


def test_images_of_another_size_than_the_samples(generator):
    model = multiscale((1, 4, 12), levels=2)
    assert model.sample(2, generator).shape == (2, 1, 4, 12)
    assert model.log_prob(normal(2, 1, 8, 4)).shape == (2,)


# --- fitting


def test_fit_finds_white_noise(generator):
    train, held = normal(20, 1, 16, 16), normal(20, 1, 16, 16, seed=2)
    model = MultiscaleMCGSM.fit(train, 2, components=1, scales=1, n_iter=5, generator=generator)
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    loss = -float(model.log_prob(held).mean().detach()) / 256
    assert entropy - 0.03 < loss < entropy + 0.05
    spread = model.sample(200, generator)
    assert float(spread.std()) == pytest.approx(1, abs=0.05)


def stripes(n, seed):
    """Return images of stripes eight pixels wide, begun anywhere, with a little noise."""
    phase = torch.randint(16, (n, 1, 1, 1), generator=torch.Generator().manual_seed(seed))
    wave = ((torch.arange(32) + phase) // 8 % 2).double().expand(n, 1, 32, 32)
    return wave + 0.1 * normal(n, 1, 32, 32, seed=seed)


def test_fit_sees_further_than_one_scale(generator):
    # A stripe is eight wide: two pixels to the left say nothing about where it ends.
    train, held = stripes(12, 1), stripes(12, 2)
    nb = Neighbourhood([(0, -1), (0, -2)])
    single = MCGSMImage(
        MCGSM.fit(*nb.pairs(train, 0.5), **sizes(2, 2), n_iter=20, generator=generator), nb
    )
    many = MultiscaleMCGSM.fit(
        train, 3, nb, **sizes(2, 2, 8), n_iter=12, n_pairs=800, generator=generator
    )
    gain = (many.log_prob(held) - single.log_prob(held)).mean().detach() / 1024
    assert float(gain) > 0.05


def test_fit_takes_images_of_different_sizes(generator):
    images = [normal(1, 24, 24), normal(1, 32, 16)]
    options = {"components": 2, "scales": 1, "features": 5, "n_iter": 2}
    model = MultiscaleMCGSM.fit(images, 1, valid=images, generator=generator, **options)
    assert [inner.features.shape[1] for inner in model.conditionals] == [5] * 4
    assert model.conditionals[0].eta.dtype == torch.float64
    assert len(model.conditionals[3].history) <= 3


def test_pairs_are_few_and_from_every_image(generator):
    model = multiscale((1, 8, 8), radius=1)
    images = [torch.full((1, 8, 8), float(k)).double() for k in range(4)]
    x, y = model.pairs(images, 0, 8, generator)
    assert (x.shape, y.shape) == ((8, 4), (8,))
    assert y.tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    x, y = model.pairs(images, 3)
    assert (x.shape, y.shape) == ((64, 4 + 27), (64,))


def test_pairs_are_at_random_places(generator):
    model = multiscale((1, 8, 8), radius=1)
    image = [torch.arange(64.0).reshape(1, 8, 8).double()]
    found = [model.pairs(image, 0, 5, torch.Generator().manual_seed(s))[1] for s in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert set(found[0].tolist()) != set(found[2].tolist())


def test_fit_passes_on_what_it_is_given(generator):
    images = normal(3, 1, 16, 16)
    model = MultiscaleMCGSM.fit(
        images,
        1,
        CORNER,
        radius=2,
        components=3,
        scales=2,
        n_iter=2,
        event_shape=(1, 4, 6),
        padding=0.2,
        generator=generator,
    )
    assert model.neighbourhood == CORNER
    assert [inner.dim_context for inner in model.conditionals] == [4, 29, 54, 79]
    assert [len(inner.history) for inner in model.conditionals] == [3] * 4
    assert model.conditionals[0].eta.shape == (3, 2)
    assert model.sample(1, generator).shape == (1, 1, 4, 6)
    assert model.padding == 0.2


def test_each_plane_has_a_model_of_the_sizes_that_are_given():
    model = MultiscaleMCGSM(1, CORNER, radius=0, components=3, scales=2, features=6)
    assert [inner.eta.shape for inner in model.conditionals] == [(3, 2)] * 4
    assert [inner.beta.shape[1] for inner in model.conditionals] == [4, 5, 6, 6]


def test_held_out_pairs_are_as_few_and_as_random(monkeypatch, generator):
    asked, pairs = [], MultiscaleMCGSM.pairs

    def spy(model, images, index, n=None, generator=None):
        asked.append((len(images), index, n, generator))
        return pairs(model, images, index, n, generator)

    monkeypatch.setattr(MultiscaleMCGSM, "pairs", spy)
    images, held = normal(3, 1, 8, 8), normal(2, 1, 8, 8, seed=2)
    options = {**sizes(1, 1), "radius": 0, "n_iter": 1, "n_pairs": 20, "generator": generator}
    MultiscaleMCGSM.fit(images, 1, CORNER, valid=held, **options)
    assert asked == [(n, index, 20, generator) for index in range(4) for n in (3, 2)]


def test_fit_stops_where_held_out_images_are_worse():
    images, held = normal(1, 1, 16, 16), normal(4, 1, 16, 16, seed=2)
    options = {**sizes(4, 4), "radius": 0, "n_iter": 100}
    models = [
        MultiscaleMCGSM.fit(images, 1, CORNER, valid=v, generator=torch.Generator(), **options)
        for v in (held, None)
    ]
    careful, greedy = (float(m.log_prob(held).mean().detach()) for m in models)
    assert careful > greedy + 1


def test_fit_needs_no_gradients_around_it():
    with torch.no_grad():
        model = MultiscaleMCGSM.fit(normal(2, 1, 16, 16), 1, CORNER, **sizes(1, 1), n_iter=2)
    assert len(model.conditionals[3].history) == 3


@torch.no_grad()
def test_mixed_precision_changes_nothing():
    model, x = multiscale((1, 8, 8), radius=1).float(), normal(2, 1, 8, 8).float()
    calls = [
        lambda: model.log_prob(x),
        lambda: model.conditional_log_prob(x),
        lambda: model.sample(2, torch.Generator().manual_seed(0)),
        lambda: model.refine(x, torch.Generator().manual_seed(0)),
        lambda: model.pairs(x, 2)[0],
    ]
    for call in calls:
        expected = call()
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(call(), expected)


def test_same_generator_same_fit():
    images = normal(4, 1, 16, 16)
    before = torch.random.get_rng_state()
    models = [
        MultiscaleMCGSM.fit(
            images,
            1,
            components=2,
            n_iter=2,
            n_pairs=200,
            generator=torch.Generator().manual_seed(s),
        )
        for s in (0, 0, 1)
    ]
    first, same, other = (m.log_prob(images) for m in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_outside_of_an_image_is_as_bright_as_the_padding_says(levels):
    model = MultiscaleMCGSM(levels, padding=0.25, **sizes(2, 2, 2)).double()
    flat = torch.full((1, 1, 24, 24), 0.25).double()
    coarsest = model.plane_log_prob(flat)[0]
    torch.testing.assert_close(coarsest, coarsest[:, :, :1, :1].expand(coarsest.shape))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MultiscaleMCGSM(0), "levels: expected at least 1"),
        (lambda: MultiscaleMCGSM(radius=-1), "radius: expected at least 0, got -1"),
        (lambda: MultiscaleMCGSM(radius=1.5), "radius: expected an integer, got 1.5"),
        (lambda: MultiscaleMCGSM(event_shape=(32, 32)), r"event_shape: expected \(1, height"),
        (
            lambda: MultiscaleMCGSM(3, event_shape=(1, 32, 20)),
            "event_shape: 32 x 20 pixels cannot be halved 3 times; expected multiples of 8; "
            "crop to 32 x 16, or use fewer levels",
        ),
        (
            lambda: multiscale(levels=2, shape=(1, 4, 4)).log_prob(normal(1, 1, 8, 2)),
            "images: 8 x 2 pixels cannot be halved 2 times; expected multiples of 4; use fewer",
        ),
        (lambda: multiscale().log_prob(normal(1, 3, 4, 4)), r"expected shape \(B, 1, H, W\)"),
        (
            lambda: multiscale().log_prob(normal(1, 1, 4, 4).float()),
            "^images: expected torch.float64",
        ),
        (lambda: multiscale().refine(normal(1, 4, 4)), r"coarse: expected shape \(B, 1, h, w\)"),
        (lambda: multiscale().refine(normal(1, 1, 4, 4).float()), "expected torch.float64"),
        (lambda: haar(normal(1, 1, 3, 4)), "3 x 4 pixels cannot be halved 1 times"),
        (lambda: inverse_haar(normal(1, 1, 3, 4)), r"coefficients: expected shape \(B, 4, H, W\)"),
        (lambda: MultiscaleMCGSM.fit([]), "images: expected at least one"),
        (lambda: MultiscaleMCGSM.fit([normal(1, 1, 8, 8)]), r"images: expected shape \(1, H, W\)"),
        (lambda: MultiscaleMCGSM.fit([normal(1, 8, 9)]), "8 x 9 pixels cannot be halved 2 times"),
        (lambda: MultiscaleMCGSM.fit([normal(1, 8, 8)], n_pairs=0), "n_pairs: expected at least 1"),
        (
            lambda: MultiscaleMCGSM.fit([normal(1, 16, 16)], 3),
            "images: 4 coefficients of plane 0 are too few for contexts of 12 numbers",
        ),
        (lambda: MultiscaleMCGSM.fit([normal(1, 2, 26)], 1), "13 coefficients of plane 0 are"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
