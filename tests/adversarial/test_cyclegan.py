"""CycleGAN: its losses by hand, its game, the pool, the generator, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gdmlib.adversarial import CycleGAN, ImagePool, PatchDiscriminator, ResNetGenerator, averaged
from gdmlib.training import fit


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Scale(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return self.factor * x


def dense(seed: int, outputs: int = 2) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, outputs))


def small(**options) -> CycleGAN:
    return CycleGAN(dense(0), dense(1), dense(2, 1), dense(3, 1), **options)


X = torch.randn(40, 2, generator=seeded(1))
Y = 3 * torch.randn(30, 2, generator=seeded(2)) + 1
BATCH = X[:6], Y[:6]


def test_the_loss_of_the_maps_by_hand():
    x, y = torch.tensor([[1.0], [3.0]]), torch.tensor([[4.0], [8.0]])
    model = CycleGAN(Scale(3.0), Scale(0.5), Scale(0.1), Scale(0.2), cycle=(10.0, 4.0))
    parts = {k: v.item() for k, v in model.map_loss((x, y)).items()}
    # G(x) = 3, 9 and F(y) = 2, 4; the judges' logits are 0.6, 1.8 and 0.2, 0.4.
    adversarial = (0.4**2 + 0.8**2) / 4 + (0.8**2 + 0.6**2) / 4
    assert parts["adversarial"] == pytest.approx(adversarial, rel=1e-5)
    assert parts["forward cycle"] == pytest.approx((0.5 + 1.5) / 2)  # F(G(x)) = 1.5, 4.5
    assert parts["backward cycle"] == pytest.approx((2 + 4) / 2)  # G(F(y)) = 6, 12
    assert parts["identity"] == pytest.approx((8 + 16) / 2 + (0.5 + 1.5) / 2)
    total = adversarial + 10 * 1 + 4 * 3 + 0.5 * 10 * 13
    assert parts["loss"] == pytest.approx(total, rel=1e-5)


def test_the_loss_of_the_judges_by_hand():
    x, y = torch.tensor([[1.0], [3.0]]), torch.tensor([[4.0], [8.0]])
    model = CycleGAN(Scale(3.0), Scale(0.5), Scale(0.1), Scale(0.2))
    of_x = ((0.9**2 + 0.7**2) / 2 + (0.2**2 + 0.4**2) / 2) / 2
    of_y = ((0.2**2 + 0.6**2) / 2 + (0.6**2 + 1.8**2) / 2) / 2
    assert model.judge_loss((x, y)).item() == pytest.approx((of_x + of_y) / 2, rel=1e-5)
    shown = torch.zeros(2, 1), torch.zeros(2, 1)
    of_x, of_y = (0.9**2 + 0.7**2) / 4, (0.2**2 + 0.6**2) / 4
    assert model.judge_loss((x, y), shown).item() == pytest.approx((of_x + of_y) / 2, rel=1e-5)
    assert torch.equal(model(x), 3 * x) and torch.equal(model.inverse(y), y / 2)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"identity": 0.0}, {"adversarial", "forward cycle", "backward cycle"}),
        ({"cycle": 0.0}, {"adversarial"}),
        ({"cycle": (3.0, 0.0), "identity": 0.0}, {"adversarial", "forward cycle"}),
        ({"adversarial": 0.0, "identity": 0.0}, {"forward cycle", "backward cycle"}),
    ],
)
def test_terms_can_be_left_out(options, names):
    parts = small(**options).map_loss(BATCH)
    assert set(parts) == {"loss", *names}


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_one_call_for_two_sets_is_the_same_as_two(norm):
    x = torch.rand(2, 1, 16, 16, generator=seeded())
    judges = [
        PatchDiscriminator(1, channels=4, layers=2, norm=norm, generator=seeded(s)) for s in (2, 3)
    ]
    maps = [ResNetGenerator(1, channels=4, blocks=1, generator=seeded(s)) for s in (0, 1)]
    model = CycleGAN(*maps, *judges)
    fakes = x.flip(0), x.flip(2)
    expected = sum(
        ((judge(x) - 1).square().mean() + judge(fake).square().mean()) / 4
        for judge, fake in zip(judges, fakes, strict=True)
    )
    assert model.judge_loss((x, x), fakes).item() == pytest.approx(expected.item(), rel=1e-5)


def test_it_finds_a_shift_and_its_inverse_without_a_pair():
    # A lopsided density: only y = x + 1 carries it over.
    x, y = (2 * torch.rand(n, 1, generator=seeded(n)) ** 2 for n in (1000, 900))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judges = [
            nn.Sequential(nn.Linear(1, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)) for _ in "xy"
        ]
        model = CycleGAN(nn.Linear(1, 1), nn.Linear(1, 1), *judges, cycle=1.0, identity=0.0)
    turns = model.turns(y + 1, lr=1e-2, betas=(0.5, 0.9), noise=seeded(4))
    fit(turns, x, epochs=10, batch_size=25, generator=seeded(5), progress=False)
    with torch.no_grad():
        assert float((model(x) - (x + 1)).abs().mean()) < 0.2
        assert float((model.inverse(x + 1) - x).abs().mean()) < 0.2
        assert float((model.inverse(model(x)) - x).abs().mean()) < 0.1


def game(checkpoint=None, epochs=4, resume=False):
    model, noise = small(), seeded(3)
    turns = model.turns(Y, lr=1e-2, pool=5, average=0.9, noise=noise)
    fit(turns, X, epochs=epochs, batch_size=7, generator=seeded(4), progress=False,
        checkpoint=checkpoint, resume=resume)  # fmt: skip
    return model, turns


def test_an_interrupted_game_goes_on_as_if_it_had_not_been(tmp_path):
    whole, whole_turns = game()
    game(tmp_path / "run.pt", epochs=2)
    resumed, turns = game(tmp_path / "run.pt", epochs=4, resume=True)
    for a, b in ((whole, resumed), (averaged(whole_turns), averaged(turns))):
        for p, q in zip(a.parameters(), b.parameters(), strict=True):
            assert torch.equal(p, q)
    other = small()
    assert not torch.equal(next(whole.parameters()), next(other.parameters()))


def test_the_judges_see_what_the_maps_made_last():
    model = small()
    seen = []
    judge = model.judge_loss
    model.judge_loss = lambda batch, fakes=None: seen.append(fakes) or judge(batch, fakes)
    turns = model.turns(Y, pool=0, noise=seeded())
    turns(X[:3])
    assert seen[0] is None, "at first there is nothing"
    before = model.forward_map[0].weight.clone()
    turns(X[3:6])
    fake_x, fake_y = seen[1]
    assert fake_x.shape == fake_y.shape == (3, 2)
    assert not fake_x.requires_grad
    assert not torch.equal(before, model.forward_map[0].weight)


def test_domains_of_different_numbers_of_events():
    model = small()
    fit(model.turns(Y[:3], noise=seeded()), X, epochs=1, batch_size=8, progress=False)
    fit(model.turns(Y, noise=seeded()), X[:5], epochs=1, batch_size=8, progress=False)


def test_a_game_that_diverges_is_stopped_and_the_last_good_state_kept(tmp_path):
    model, path, good = small(), tmp_path / "run.pt", {}
    turns = model.turns(Y, noise=seeded())

    def break_after_two(epoch, history):
        if epoch == 2:
            good.update({k: v.clone() for k, v in model.state_dict().items()})
            for group in turns.players["generator"].optimizer.param_groups:
                group["lr"] = float("inf")

    run = {"batch_size": 10, "generator": seeded(), "progress": False, "checkpoint": path}
    with pytest.raises(FloatingPointError, match=r"epoch 3, step \d: .* is (nan|inf); the last ch"):
        fit(turns, X, epochs=9, on_epoch=break_after_two, **run)
    again = small()
    fit(again.turns(Y, noise=seeded()), X, epochs=2, resume=True, **run)
    assert all(torch.equal(v, good[k]) for k, v in again.state_dict().items())


# --- the pool


def test_the_pool_shows_new_events_until_it_is_full():
    pool = ImagePool(4)
    first = torch.arange(3.0)[:, None]
    assert torch.equal(pool(first, seeded()), first)
    assert torch.equal(pool.images, first)
    second = torch.arange(10.0, 12.0)[:, None]
    shown = pool(second, seeded(1))
    assert len(pool.images) == 4 and float(shown[0]) == 10
    assert float(pool.images[3]) in (10, 11)


def test_the_pool_exchanges_about_half():
    pool = ImagePool(200)
    pool(torch.zeros(200, 1), seeded())
    shown = torch.cat([pool(torch.full((20, 1), 1.0 + i), seeded(i)) for i in range(10)])
    new = torch.arange(1.0, 11).repeat_interleave(20)
    share = float((shown[:, 0] == new).float().mean())
    assert 0.38 < share < 0.62
    # Nothing is lost or doubled: what came is shown or kept.
    total = float(shown.sum() + pool.images.sum())
    assert total == float(new.sum())


def test_a_pool_of_none_shows_each_new_event():
    pool = ImagePool(0)
    for i in range(3):
        x = torch.full((4, 1), float(i))
        assert torch.equal(pool(x, seeded()), x)
    assert pool.images.numel() == 0
    assert torch.equal(pool.shown, x)


def test_the_pool_keeps_no_graph_and_copies():
    pool = ImagePool(4)
    x = torch.ones(2, 1, requires_grad=True)
    shown = pool(2 * x, seeded())
    assert not shown.requires_grad and not pool.images.requires_grad
    shown += 5
    assert float(pool.images.max()) == 2


def test_the_state_of_a_pool():
    pool = ImagePool(3)
    pool(torch.randn(5, 2, generator=seeded()), seeded())
    other = ImagePool(3)
    other.load_state_dict(pool.state_dict())
    assert torch.equal(other.images, pool.images) and torch.equal(other.shown, pool.shown)
    x = torch.randn(2, 2, generator=seeded(1))
    assert torch.equal(pool(x, seeded(2)), other(x, seeded(2)))


# --- the generator


@pytest.mark.parametrize(
    ("channels", "halvings", "size"),
    [((1, 1), 2, (16, 8)), ((3, 1), 1, (6, 10)), ((2, 3), 0, (5, 7))],
)
def test_the_generator_takes_any_size_that_divides(channels, halvings, size):
    network = ResNetGenerator(
        *channels, channels=4, blocks=2, halvings=halvings, generator=seeded()
    )
    y = network(torch.randn(2, channels[0], *size, generator=seeded(1)))
    assert y.shape == (2, channels[1], *size)
    assert float(y.detach().abs().max()) <= 1 and float(y.detach().std()) > 0.05


def test_the_generator_starts_from_its_generator_and_leaves_no_checkerboard():
    networks = [ResNetGenerator(1, channels=4, blocks=1, generator=seeded(s)) for s in (0, 0, 1)]
    first, second, other = (nn.utils.parameters_to_vector(n.parameters()) for n in networks)
    assert torch.equal(first, second) and not torch.equal(first, other)
    # A constant picture stays constant: every pixel is made by the same sum.
    y = networks[0](torch.full((1, 1, 16, 16), 0.3)).detach()
    assert float(y.std()) < 1e-4


def test_a_generator_with_a_skip_starts_as_the_identity():
    network = ResNetGenerator(2, channels=4, blocks=1, skip=True, generator=seeded())
    x = torch.randn(2, 2, 8, 8, generator=seeded(1))
    assert torch.equal(network(x), x.clamp(-1, 1))
    with torch.no_grad():
        network.layers[-1].bias += 0.25
    assert torch.allclose(network(x / 9), (x / 9 + 0.25).clamp(-1, 1))
    with pytest.raises(ValueError, match=r"skip: x is added .* got 2 and 1; give skip=False"):
        ResNetGenerator(2, 1, skip=True)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ResNetGenerator(1, channels=4)(torch.rand(1, 1, 18, 16)),
         "x: a generator that halves 2 times takes heights and widths that are multiples of 4, "
         "got 18 × 16; pad the pictures to 20 × 16"),
        (lambda: ResNetGenerator(3, channels=4)(torch.rand(1, 1, 16, 16)),
         r"x: expected shape \(B, 3"),
        (lambda: ResNetGenerator(1, blocks=-1), "blocks: expected at least 0"),
        (lambda: small(cycle=-1.0), "cycle: expected a finite number of at least 0"),
        (lambda: small(cycle=(1.0, float("nan"))), "cycle: expected a finite number"),
        (lambda: small(identity=-1.0), "identity: expected a finite number of at least 0"),
        (lambda: small(loss="l3"), "loss: expected one of minimax"),
        (lambda: small(loss="relativistic"), "loss: 'relativistic' compares made events"),
        (lambda: small().map_loss(X), r"batch: expected events of both domains, a pair \(x, y\)"),
        (lambda: small().map_loss((X, Y[:, :1])),
         r"identity: F\(x\) is compared with x, .* got \(2,\) and \(1,\); give identity=0"),
        (lambda: small().turns(Y.long()), "y: expected a floating-point tensor"),
        (lambda: small().turns(Y[:0]), "y: expected at least one element"),
        (lambda: small().turns(Y, pool=-1), "size: expected at least 0"),
        (lambda: ImagePool(1.5), "size: expected an integer"),
    ],
)  # fmt: skip
def test_what_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_domains_of_different_shapes_need_no_identity():
    x, y = torch.randn(4, 2, generator=seeded()), torch.randn(4, 3, generator=seeded())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        maps = nn.Linear(2, 3), nn.Linear(3, 2)
        judges = nn.Linear(2, 1), nn.Linear(3, 1)
    model = CycleGAN(*maps, *judges, identity=0.0)
    fit(model.turns(y, noise=seeded()), x, epochs=1, batch_size=2, progress=False)
    assert "identity" not in model.map_loss((x, y))
