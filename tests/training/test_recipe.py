"""The one recipe: every argument that it takes is seen to matter."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from gdmlib.autoregressive import MADE, NADE, GatedPixelCNN
from gdmlib.training import CheckpointError, scores, train


def seed(n=0):
    return torch.Generator().manual_seed(n)


def coins(n=40, d=4, p=0.5):
    return (torch.rand(n, d, generator=seed()) < p).float()


def small(**options):
    return NADE(4, hidden=3, generator=seed(), **options)


class Line(nn.Module):
    """A straight line through pairs (x, y), with a score and no loss."""

    def __init__(self, size=1):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, dtype=torch.float64))
        self.dropout = nn.Dropout(0.5)

    def score(self, x, y):
        return (x @ self.weight - y).square()


X = torch.randn(30, 1, generator=seed(1), dtype=torch.float64)
Y = 3.0 * X[:, 0]
QUIET = {"progress": False}


def run(model=None, data=(X, Y), valid=None, **options):
    model = Line() if model is None else model
    options = {"epochs": 3, "batch_size": 10, "generator": seed(), **QUIET, **options}
    return model, train(model, data, valid, **options)


# --- what it minimises ----------------------------------------------------------------------------


def test_it_minimises_the_mean_score():
    model, history = run(epochs=300, lr=0.1)
    assert float(model.weight.detach()) == pytest.approx(3.0, abs=1e-3)
    assert history["loss"][0] > 1 and history["loss"][-1] < 1e-4
    _, history = run(epochs=1, lr=1e-9)
    assert history["loss"][0] == pytest.approx(float(Y.square().mean()))


def test_a_loss_of_the_model_s_own_is_taken():
    model = MADE(4, hidden=(6,), orderings=2, generator=seed())
    train(model, coins(), epochs=2, batch_size=10, **QUIET)
    assert int(model.turn) == 8  # a mask a step, in turn


def test_a_loss_and_a_score_may_be_given():
    seen = []

    def loss(model, x, y):
        seen.append(len(x))
        return (x @ model.weight - 5).square().mean()

    def score(model, x, y):
        assert not model.training
        return x[:, 0].abs() + 10

    _, history = run(loss=loss, score=score, valid=(X[:7], Y[:7]))
    assert seen == [10] * 9
    assert history.valid["loss"] == [pytest.approx(float(X[:7].abs().mean()) + 10)] * 3
    model, _ = run(score=lambda model, x, y: (model.weight - 1).square().expand(len(x)), lr=0.5,
                   epochs=100)  # fmt: skip
    assert float(model.weight.detach()) == pytest.approx(1.0, abs=1e-2)


def test_a_loss_that_is_given_takes_the_place_of_the_model_s_own():
    model, seen = MADE(4, hidden=(6,), orderings=2, generator=seed()), []

    def loss(model, x):
        seen.append(len(x))
        return -model.log_prob(x).mean()

    train(model, coins(), epochs=1, batch_size=20, loss=loss, **QUIET)
    assert seen == [20, 20] and int(model.turn) == 0


def test_prepare_makes_what_the_model_sees():
    seen = []

    def prepare(batch):
        seen.append(batch[0])
        return batch[0] * 2, batch[1]

    model, _ = run(prepare=prepare, epochs=300, lr=0.1)
    assert float(model.weight.detach()) == pytest.approx(1.5, abs=1e-3)
    assert sorted(torch.cat(seen[:3])[:, 0].tolist()) == sorted(X[:, 0].tolist())


# --- arguments ------------------------------------------------------------------------------------


def rates(**options):
    """Return the learning rate after each epoch."""
    found = []

    class Spy(torch.optim.AdamW):
        def step(self, closure=None):
            found.append(self.param_groups[0]["lr"])
            return super().step(closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", Spy)
        run(**options)
    return found


def test_the_rate_falls_along_a_cosine_to_the_final_one():
    for final in (0.0, 0.02):
        found = rates(lr=0.1, final_lr=final)
        expected = [final + (0.1 - final) * (1 + math.cos(math.pi * k / 9)) / 2 for k in range(9)]
        assert found == pytest.approx(expected)
    assert rates(lr=0.1, final_lr=0.1) == pytest.approx([0.1] * 9)


def test_weight_decay_takes_its_share_of_every_parameter():
    def nothing(model, x, y):
        return (0.0 * model.weight).sum()

    model = Line()
    nn.init.constant_(model.weight, 2.0)
    run(model, loss=nothing, lr=0.1, final_lr=0.1, weight_decay=0.5)
    assert float(model.weight.detach()) == pytest.approx(2.0 * (1 - 0.1 * 0.5) ** 9)


def test_betas_say_how_slowly_the_gradient_is_forgotten():
    slow, _ = run(lr=0.1, betas=(0.99, 0.999))
    fast, _ = run(lr=0.1, betas=(0.0, 0.999))
    plain, _ = run(lr=0.1)
    found = {round(float(model.weight.detach()), 9) for model in (slow, fast, plain)}
    assert len(found) == 3
    again, _ = run(lr=0.1, betas=(0.9, 0.999))
    assert torch.equal(again.weight, plain.weight)


def test_clip_bounds_the_gradient():
    norms = []

    class Watched(Line):
        def __init__(self):
            super().__init__(2)

    def steep(model, x, y):
        return 1e6 * model.weight.sum()

    class Spy(torch.optim.AdamW):
        def step(self, closure=None):
            norms.append(float(self.param_groups[0]["params"][0].grad.norm()))
            return super().step(closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", Spy)
        run(Watched(), loss=steep, clip=0.25)
        run(Watched(), loss=steep)
    assert norms[:9] == pytest.approx([0.25] * 9, rel=1e-4)
    assert norms[9] == pytest.approx(1e6 * 2**0.5)


def test_patience_ends_a_run_that_no_longer_improves():
    worse = iter(range(100))

    def score(model, x, y):
        return torch.full((len(x),), abs(next(worse) - 4.0))

    def loss(model, x, y):
        return model.weight.square().sum()

    _, history = run(loss=loss, score=score, valid=(X, Y), epochs=60, patience=3)
    assert history.best_epoch == 5 and len(history) == 5 + 3 and history.stopped


def test_it_ends_with_the_epoch_that_is_best_for_the_held_out_data():
    kept = []

    def on_epoch(epoch, history):
        kept.append(model.weight.detach().clone())

    model = Line()
    nn.init.constant_(model.weight, 0.0)
    options = {"epochs": 12, "lr": 0.1, "final_lr": 0.1, "on_epoch": on_epoch}
    _, history = run(model, valid=(X, 1.0 * X[:, 0]), **options)  # 1 is passed on the way to 3
    best = history.best_epoch
    assert 1 < best < 12
    assert torch.equal(model.weight, kept[best - 1])
    kept.clear()
    model = Line()
    run(model, valid=(X, 1.0 * X[:, 0]), keep_best=False, **options)
    assert torch.equal(model.weight, kept[-1])


def test_the_average_of_the_weights_is_kept_and_judged():
    plain, _ = run(lr=0.1)
    smooth, history = run(lr=0.1, average=0.9, valid=(X, Y))
    still, _ = run(lr=0.1, average=0.0)
    assert 0 < float(smooth.weight.detach()) < float(plain.weight.detach())
    torch.testing.assert_close(still.weight, plain.weight)  # nothing kept of what was
    assert min(history.valid["loss"]) == pytest.approx(float(scores(smooth, (X, Y)).mean()))


def test_mixed_precision_rounds_the_products():
    full, mixed = small(), small()
    for model, on in ((full, False), (mixed, True)):
        train(model, coins(), epochs=2, generator=seed(), mixed_precision=on, **QUIET)
    pixels = (torch.rand(20, 1, 5, 5, generator=seed()) < 0.5).float()
    a, b = (GatedPixelCNN((1, 5, 5), features=8, layers=1, generator=seed()) for _ in range(2))
    for model, on in ((a, False), (b, True)):
        train(model, pixels, epochs=2, generator=seed(), mixed_precision=on, **QUIET)
    assert not torch.equal(a.readout.last.weight, b.readout.last.weight)
    torch.testing.assert_close(a.log_prob(pixels), b.log_prob(pixels), atol=0.3, rtol=0.05)


def test_the_generator_shuffles():
    first, again, other = (run(lr=0.1, generator=seed(n))[0].weight.detach() for n in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_size_of_a_batch_and_the_number_of_epochs():
    sizes = []

    def loss(model, x, y):
        sizes.append(len(x))
        return model.weight.sum()

    run(loss=loss, batch_size=12, epochs=2)
    assert sizes == [12, 12, 6] * 2


def test_held_out_examples_count_alike():
    x = torch.arange(260, dtype=torch.float64)  # more than are judged in one pass

    def first(model, x, y):
        return y

    def loss(model, x, y):
        return model.weight.sum()

    _, history = run(loss=loss, score=first, valid=(x[:, None], x), epochs=1)
    assert history.valid["loss"] == [129.5]


def test_it_leaves_the_model_in_evaluation_mode():
    model, _ = run()
    assert not model.training and not model.dropout.training


def test_options_reach_the_loop(tmp_path):
    calls = []
    run(checkpoint=tmp_path / "run.pt", on_epoch=lambda epoch, history: calls.append(epoch))
    assert calls == [1, 2, 3] and (tmp_path / "run.pt").is_file()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"lr": 0.5}, "learning rate of optimizer was"),
        ({"betas": (0.5, 0.999)}, "betas of optimizer was"),
        ({"weight_decay": 0.3}, "weight decay of optimizer was"),
        ({"final_lr": 0.001}, "eta_min of schedule was"),
        ({"epochs": 9}, "steps of schedule was"),
        ({"clip": 2.0}, "clip of the step was None, now 2.0"),
        ({"mixed_precision": True}, "mixed_precision of the step was False, now True"),
        ({"average": 0.5}, "average of the step was None, now 0.5"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(tmp_path, changed, says):
    file = tmp_path / "run.pt"
    run(checkpoint=file, epochs=5)
    with pytest.raises(CheckpointError, match=says):
        run(checkpoint=file, resume=True, **{"epochs": 5, **changed})


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path):
    def stop(epoch, history):
        if epoch == 2:
            raise KeyboardInterrupt

    def noisy(generator):
        return lambda batch: (batch[0] + torch.randn(1, generator=generator).double(), batch[1])

    def once(**options):
        generator = seed(3)
        return run(
            epochs=4, average=0.9, weight_decay=0.1, prepare=noisy(generator),
            generator=generator, **options,
        )  # fmt: skip

    whole, history = once()
    with pytest.raises(KeyboardInterrupt):
        once(checkpoint=tmp_path / "run.pt", on_epoch=stop)
    again, resumed = once(checkpoint=tmp_path / "run.pt", resume=True)
    assert torch.equal(whole.weight, again.weight) and history["loss"] == resumed["loss"]


# --- what is judged -------------------------------------------------------------------------------


def test_scores_do_not_depend_on_the_batches():
    model, x = small(), coins(7)
    expected = -model.log_prob(x).detach().double()
    for size in (1, 3, 7, 100):
        found = scores(model, x, batch_size=size)
        assert found.dtype == torch.float64
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
        assert float(found.mean()) == pytest.approx(-float(model.log_prob(x).mean()), abs=1e-6)


def test_scores_are_made_batch_by_batch_in_evaluation_mode():
    seen = []

    def score(model, x, y):
        seen.append((len(x), model.training, model.dropout.training))
        return y

    scores(Line(), (X, Y), batch_size=20, score=score)
    assert seen == [(20, False, False), (10, False, False)]


def test_scores_take_pairs_and_leave_modes_alone():
    model = Line()
    model.dropout.eval()
    found = scores(model, (X, Y), batch_size=11)
    torch.testing.assert_close(found, Y.square())
    assert model.training and not model.dropout.training
    assert not found.requires_grad


class AnySize(nn.Module):
    """Costs of images of any size."""

    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))

    def score(self, images):
        return (images - self.level).square().flatten(1).mean(dim=1)


def test_held_out_images_may_be_whole():
    images = [torch.full((1, 4, 6), 1.0), torch.full((1, 9, 2), 3.0)]
    model = AnySize()
    assert scores(model, images).tolist() == [1.0, 9.0]
    history = train(model, torch.ones(20, 1, 2, 2), images, epochs=1, lr=1e-9, **QUIET)
    assert history.valid["loss"] == [pytest.approx(5.0)]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"lr": -1.0}, "learning rate"),
        ({"final_lr": -1.0}, "final_lr: expected a finite number of at least 0"),
        ({"final_lr": math.nan}, "final_lr: expected a finite number of at least 0"),
        ({"average": 1.0}, "average: expected a share of at least 0 and below 1, got 1"),
        ({"clip": 0.0}, "clip: expected a positive norm"),
        ({"valid": coins() / 2}, "x: expected zeros and ones"),
        ({"valid": []}, "^valid: expected at least one example, got an empty list"),
        ({"valid": coins()[:0]}, "^valid: expected at least one element"),
        (
            {"score": NADE.conditional_log_prob},
            r"score: .*\(B,\), got \(40, 4\)",
        ),
        ({"score": lambda model, x: model.log_prob(x).mean()}, r"score: .*\(B,\), got \(\)"),
        ({"loss": lambda model, x: model.log_prob(x)}, r"loss: expected one number.*\(40,\)"),
    ],
)
def test_bad_options(options, says):
    with pytest.raises(ValueError, match=says):
        train(small(), coins(), **{"epochs": 1, **QUIET, **options})


@pytest.mark.parametrize(
    ("valid", "says"),
    [
        (coins().numpy(), r"^valid: .*ndarray; use torch\.as_tensor\(valid\)"),
        (iter(coins()), "^valid: expected a torch.Tensor"),
        ([coins().numpy()], r"^valid\[0\]: expected a torch.Tensor, got ndarray"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_the_first_step(valid, says):
    with pytest.raises(TypeError, match=says):
        train(small(), coins(), valid, epochs=1, prepare=lambda x: 1 / 0, **QUIET)


def test_data_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"^x: the tensors must share"):
        run(data=(X, Y[1:]))


def test_bad_batches_of_scores():
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        scores(small(), coins(), 0)
    with pytest.raises(ValueError, match=r"^x: the tensors must share.*\(30, 1\), \(29,\)"):
        scores(Line(), (X, Y[1:]))
    assert len(scores(small(), coins(), np.int64(7))) == 40


def test_a_model_with_nothing_to_train_is_refused():
    class Fixed(nn.Module):
        def score(self, x):
            return x.sum(dim=1)

    with pytest.raises(ValueError, match=r"nothing to train.*none of the 0 parameters .* Fixed"):
        train(Fixed(), coins(), epochs=1, **QUIET)
    with pytest.raises(ValueError, match=r"nothing to train.*none of the 4 parameters .* NADE"):
        train(small().requires_grad_(False), coins(), epochs=1, **QUIET)


def test_it_turns_gradients_on_itself():
    with torch.no_grad():
        _, inside = run()
    assert inside.metrics == run()[1].metrics


def test_data_may_carry_a_graph():
    codes = nn.Linear(1, 1, dtype=torch.float64)(X)
    _, plain = run(data=(codes.detach(), Y))
    assert run(data=(codes, Y))[1].metrics == plain.metrics


def test_numbers_of_numpy_are_numbers(tmp_path):
    numbers = {"epochs": np.int64(3), "lr": np.float64(0.1), "clip": np.float32(1), "average": 0.5}
    _, history = run(checkpoint=tmp_path / "run.pt", **numbers)
    _, resumed = run(checkpoint=tmp_path / "run.pt", resume=True, **numbers)
    assert resumed.metrics == history.metrics


def test_nan_stops_the_training_and_leaves_the_last_good_checkpoint(tmp_path):
    path, options = tmp_path / "run.pt", {"batch_size": 10, "epochs": 6, **QUIET}

    def stop(epoch, history):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small(), coins(), checkpoint=path, on_epoch=stop, **options)
    model, steps = small(), []

    def spoil(gradient):
        steps.append(1)
        return gradient * (math.nan if len(steps) == 6 else 1)  # in the second step of epoch 4

    model.weight_in.register_hook(spoil)
    with pytest.raises(FloatingPointError, match=r"epoch [34], step \d: loss is nan"):
        train(model, coins(), checkpoint=path, resume=True, **options)
    again = small()
    history = train(again, coins(), checkpoint=path, resume=True, **options)
    assert history.epoch == [1, 2, 3, 4, 5, 6]
    assert all(bool(p.isfinite().all()) for p in again.parameters())


def test_what_is_trained_is_what_is_kept():
    model = small()
    twin = copy.deepcopy(model)
    train(model, coins(), epochs=1, **QUIET)
    changed = [
        not torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)
    ]
    assert all(changed)
