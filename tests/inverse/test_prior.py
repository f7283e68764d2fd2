"""Any density as a prior of pictures of any size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib.autoregressive import (
    MCGSM,
    RIDE,
    GatedPixelCNN,
    MCGSMImage,
    Neighbourhood,
    RowLSTM,
)
from gdmlib.densities import GaussianMixture, MultivariateNormal
from gdmlib.inverse import (
    BoundPrior,
    CausalPrior,
    PatchPrior,
    PixelPrior,
    ScorePrior,
    gradient,
)
from gdmlib.inverse.prior import dequantised
from gdmlib.latent import VAE, NoisedMixture, cosine_schedule


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=seeded(seed)).double()


def normal(d=4):
    a = torch.randn(d, d, generator=seeded()).double()
    return MultivariateNormal(torch.full((d,), 0.5).double(), a @ a.T + torch.eye(d).double())


AROUND = Neighbourhood.half_plane(1, 1)


def mcgsm():
    model = MCGSM(len(AROUND), components=2, scales=2, features=2, generator=seeded())
    with torch.no_grad():
        for p in model.parameters():
            p += 0.2 * torch.randn(p.shape, generator=seeded(1))
    return MCGSMImage(model.double(), AROUND)


def test_the_gradient_of_a_normal_is_known():
    density, x = normal(), rand(3, 4)
    expected = torch.linalg.solve(density.covariance, (density.mean - x).T).T
    torch.testing.assert_close(gradient(density, x), expected)


def test_a_patch_prior_adds_up_all_patches():
    density, x = normal(), rand(2, 1, 3, 4)
    total = sum(
        density.log_prob(x[:, 0, i : i + 2, j : j + 2].flatten(1))
        for i in range(2)
        for j in range(3)
    )
    torch.testing.assert_close(PatchPrior(density).log_prob(x), total / 4)


def test_the_last_patches_touch_the_edge():
    x = rand(1, 1, 5, 4)
    prior = PatchPrior(normal(), stride=2)
    corners = [(i, j) for i in (0, 2, 3) for j in (0, 2)]
    expected = torch.stack([x[:, :, i : i + 2, j : j + 2] for i, j in corners], dim=1)
    assert torch.equal(prior.patches(x), expected)
    assert prior.weight == 1.0


def test_patches_without_overlap_are_an_independent_density():
    x = rand(2, 1, 4, 4)
    prior = PatchPrior(normal(), stride=2)
    parts = prior.patches(x)
    torch.testing.assert_close(
        prior.log_prob(x), normal().log_prob(parts.flatten(0, 1).flatten(1)).view(2, 4).sum(1)
    )


def test_a_patch_may_have_colours():
    density, x = normal(8), rand(2, 2, 3, 3)
    prior = PatchPrior(density, shape=(2, 2, 2))
    assert prior.patches(x).shape == (2, 4, 2, 2, 2)
    assert prior.log_prob(x).shape == (2,)


def test_a_causal_prior_adds_up_the_interior_seen_from_all_corners():
    model, x = mcgsm(), rand(2, 1, 5, 6)
    seen = (x * 255 + 0.5) / 256
    one = model.interior_log_prob(seen).sum(dim=(1, 2, 3))
    torch.testing.assert_close(CausalPrior(model).log_prob(x), one)
    flips = [seen.flip(dims) for dims in ((), (-1,), (-2,), (-1, -2))]
    four = sum(model.interior_log_prob(f).sum(dim=(1, 2, 3)) for f in flips) / 4
    torch.testing.assert_close(CausalPrior(model, orientations=4).log_prob(x), four)


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_blocks_change_nothing_for_a_model_without_memory(block):
    model, x = mcgsm(), rand(2, 1, 6, 7)
    whole, parts = CausalPrior(model), CausalPrior(model, block=block)
    torch.testing.assert_close(parts.log_prob(x), whole.log_prob(x))
    torch.testing.assert_close(gradient(parts, x), gradient(whole, x))


def test_blocks_bound_the_memory_of_a_large_picture():
    """The paper's cell may double its memory from cell to cell; in blocks it begins anew."""
    ride = RIDE(AROUND, units=2, components=2, scales=1, features=2, generator=seeded())
    with torch.no_grad():
        ride.layers[0].bias.fill_(8.0)  # both forget gates next to 1
    x = rand(1, 1, 80, 80).float()
    with pytest.raises(FloatingPointError, match="may double"):
        gradient(CausalPrior(ride), x)
    assert bool(gradient(CausalPrior(ride, block=32), x).isfinite().all())


def test_colours_are_pictures_of_their_own():
    prior, x = CausalPrior(mcgsm()), rand(2, 3, 4, 4)
    expected = sum(prior.log_prob(x[:, c : c + 1]) for c in range(3))
    torch.testing.assert_close(prior.log_prob(x), expected)


def test_a_pixel_prior_is_the_model_at_the_levels():
    options = {"layers": 1, "features": 2, "kernel_size": 3, "first_kernel": 3}
    for components in (None, 2):
        model = GatedPixelCNN((1, 3, 3), 4, components=components, **options, generator=seeded())
        x = (rand(2, 1, 3, 3) * 3).round().float() / 3
        torch.testing.assert_close(PixelPrior(model).log_prob(x), model.log_prob(x))
    step = torch.tensor([0.0, 0.25, 1.0])[:, None, None, None] / 3 * torch.tensor([[0.0] * 8 + [1]])
    flat = step.view(3, 1, 3, 3)  # the last pixel alone moves: a straight line between levels
    model = GatedPixelCNN((1, 3, 3), 4, **options, generator=seeded())
    a, b, c = PixelPrior(model).log_prob(flat).tolist()
    assert b == pytest.approx(0.75 * a + 0.25 * c, abs=1e-5)


@pytest.mark.parametrize("kind", [GatedPixelCNN, RowLSTM])
def test_a_pixel_prior_of_any_size_is_the_same_network_swept_over_more(kind: type):
    options = {"layers": 1, "features": 2, "kernel_size": 3, "first_kernel": 3, "components": 2}
    large = kind((1, 5, 6), 4, **options, generator=seeded())
    small = kind((1, 3, 3), 4, **options, generator=seeded())
    x = (rand(2, 1, 5, 6) * 3).round().float() / 3
    prior = PixelPrior(small, any_size=True)
    torch.testing.assert_close(prior.log_prob(x), large.log_prob(x))
    with pytest.raises(ValueError, match=r"x: expected shape \(B, 1, 3, 3\)"):
        PixelPrior(small).log_prob(x)
    with pytest.raises(ValueError, match="any_size: expected a model without position"):
        PixelPrior(kind((1, 3, 3), 4, position=True, **options), any_size=True)


def test_outside_of_the_levels_a_pixel_prior_falls():
    model = GatedPixelCNN(
        (1, 2, 2), 4, layers=1, features=2, kernel_size=3, first_kernel=3, generator=seeded()
    )
    x = torch.tensor([1.0, 1.1, 1.2]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    values = PixelPrior(model).log_prob(x).detach()
    assert float(values[0]) > float(values[1]) > float(values[2])


def test_a_bound_is_below_and_the_same_each_time():
    model = VAE((1, 2, 2), latent=2, hidden=(4,), likelihood="gaussian", generator=seeded())
    with torch.no_grad():
        for p in model.parameters():
            p += 0.5 * torch.randn(p.shape, generator=seeded(1))
    x = rand(3, 1, 2, 2).float()
    one, many = BoundPrior(model), BoundPrior(model, k=2000)
    assert torch.equal(one.log_prob(x), one.log_prob(x))
    assert torch.equal(one.log_prob(x)[1:2], one.log_prob(x[1:2]))
    each = [BoundPrior(model, seed=seed).log_prob(x).detach() for seed in range(50)]
    assert bool((torch.stack(each).mean(dim=0) < many.log_prob(x)).all())


def test_a_score_is_the_gradient_of_the_blurred_density():
    mixture = GaussianMixture(
        torch.tensor([0.3, 0.7]).double(),
        torch.tensor([[0.5, 0.0], [-0.5, 0.2]]).double(),
        0.1 * torch.eye(2).double().repeat(2, 1, 1),
    )
    model = NoisedMixture(mixture, cosine_schedule(50))
    prior, x = ScorePrior(model, 3), rand(4, 2)
    signal = float(model.schedule.alpha_bar[3]) ** 0.5

    class Blurred:
        def log_prob(self, x):
            return model.log_prob(signal * (2 * x - 1), 3)

    torch.testing.assert_close(gradient(prior, x), gradient(Blurred(), x), atol=1e-6, rtol=1e-6)


def test_levels_lie_in_the_middle_of_their_bins():
    assert dequantised(torch.tensor([0.0, 1.0]), 256).tolist() == [0.5 / 256, 255.5 / 256]
    x = rand(3)
    assert dequantised(x, None) is x


# --- errors ---


def test_pictures_smaller_than_what_the_prior_looks_at_are_refused():
    with pytest.raises(ValueError, match="at least 2 x 2 pixels, so that a patch fits in, got 1 x"):
        PatchPrior(normal()).log_prob(rand(1, 1, 1, 5))
    with pytest.raises(ValueError, match=r"2 x 3 pixels, so that the prior's context fits in, got"):
        CausalPrior(mcgsm()).log_prob(rand(1, 1, 5, 2))


class Flat:
    def log_prob(self, x):
        return torch.zeros(len(x))


class Many:
    def log_prob(self, x):
        return x.square()


class Broken:
    def log_prob(self, x):
        return (x.flatten(1).sum(dim=1) - 1e9).sqrt()


@pytest.mark.parametrize(
    ("prior", "error", "match"),
    [
        (nn.Linear(2, 2), ValueError, "expected something with log_prob"),
        (Flat(), ValueError, "does not depend on x for autograd"),
        (Many(), ValueError, r"one number a picture, \(2,\), got"),
        (Broken(), FloatingPointError, "its gradient is NaN or infinite"),
    ],
)
def test_what_is_no_prior_is_refused(prior, error, match):
    with pytest.raises(error, match=match):
        gradient(prior, rand(2, 1, 2, 2))


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: PatchPrior(normal(5)), "square number of pixels"),
        (lambda: PatchPrior(normal(), shape=(1, 2, 3)), "density: expected events"),
        (lambda: PatchPrior(normal(), stride=3), "stride: expected at most 2"),
        (lambda: PatchPrior(normal(), stride=0), "stride: expected at least 1"),
        (lambda: PatchPrior(normal(), levels=1), "levels: expected at least 2"),
        (lambda: CausalPrior(normal()), "model: expected an MCGSMImage or RIDE, got Multi"),
        (
            lambda: CausalPrior(mcgsm(), orientations=3),
            "orientations: expected one of 1, 2, 4, got 3",
        ),
        (lambda: CausalPrior(mcgsm(), block=0), "block: expected at least 1"),
        (lambda: PixelPrior(mcgsm()), "model: expected a PixelCNN"),
        (lambda: BoundPrior(normal()), "model: expected a VAE, got Multi"),
        (lambda: ScorePrior(normal(), 1), "model: expected a Diffusion, got Multi"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(build, match):
    with pytest.raises(ValueError, match=match):
        build()
