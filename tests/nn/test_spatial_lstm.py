"""The spatial LSTM: diagonals against the double loop, its two cells, and what it refuses."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

from gdmlib.nn import sweep
from gdmlib.nn.spatial_lstm import Cell, SpatialLSTM, lstm_step, spatial_lstm_step
from tests.laws.laws import fail_unless

CELLS = ["paper", "stable"]
EXTREME = torch.tensor([-800.0, 0.0, 800.0]).double()
SIZES = [(1, 1), (1, 6), (6, 1), (3, 5), (5, 3), (7, 7)]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def layer(dim_input: int = 3, units: int = 4, cell: Cell = "paper") -> SpatialLSTM:
    generator = torch.Generator().manual_seed(1)
    made = SpatialLSTM(dim_input, units, cell=cell, generator=generator).double()
    with torch.no_grad():
        made.hidden_weight *= 5
        made.bias += torch.randn(made.bias.shape, generator=torch.Generator().manual_seed(2))
    return made


def inputs(height: int, width: int, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, height, width, 3, generator=generator).double()


# --- law 4: diagonals = double loop


def check_diagonals(lstm: SpatialLSTM, x: torch.Tensor, recompute: bool = False) -> None:
    """The sweep along diagonals gives the states of the double loop, and their gradients."""
    x = x.clone().requires_grad_()
    leaves = [x, *lstm.parameters()]
    fast, slow = lstm(x, recompute), lstm.forward_loop(x)
    weight = torch.randn(fast.shape, generator=torch.Generator().manual_seed(4)).double()
    pairs = [(fast.detach(), slow.detach())]
    pairs += zip(
        torch.autograd.grad((fast * weight).sum(), leaves),
        torch.autograd.grad((slow * weight).sum(), leaves),
        strict=True,
    )
    worst = float(torch.stack([(a - b).abs().max() / (1 + b.abs().max()) for a, b in pairs]).max())
    fail_unless(worst < 1e-12, "4, fast = slow", "SpatialLSTM", f"they differ by {worst:.3g}")


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_diagonals_are_the_double_loop(size, recompute, cell):
    check_diagonals(layer(cell=cell), inputs(*size), recompute)


@pytest.mark.parametrize("cell", CELLS)
def test_diagonals_are_the_double_loop_where_gates_are_shut_or_open(cell):
    lstm = layer(units=9, cell=cell)
    with torch.no_grad():  # all pairs of two gates at 0, in between, or 1
        lstm.bias[27:36] += EXTREME.repeat_interleave(3)
        lstm.bias[36:45] += EXTREME.repeat(3)
    check_diagonals(lstm, inputs(5, 4))


class Swapped(SpatialLSTM):
    """Takes the forget gate of the column for that of the row."""

    def forward_loop(self, x):
        n = self.units
        order = torch.cat(
            [torch.arange(3 * n), torch.arange(4 * n, 5 * n), torch.arange(3 * n, 4 * n)]
        )
        other = SpatialLSTM(self.dim_input, n).double()
        other.input_weight = nn.Parameter(self.input_weight[:, order])
        other.hidden_weight = nn.Parameter(self.hidden_weight[:, order])
        other.bias = nn.Parameter(self.bias[order])
        states = other.forward_loop(x)
        return states + 0 * sum(p.sum() for p in self.parameters())


def test_swapped_forget_gates_are_rejected():
    broken = Swapped(3, 4).double()
    broken.load_state_dict(layer().state_dict())
    with pytest.raises(AssertionError, match="law 4, fast = slow"):
        check_diagonals(broken, inputs(3, 5))


def test_states_differ_if_one_gradient_is_wrong(monkeypatch):
    backward = sweep.Sweep.backward

    def forgetful(ctx, *grads):
        found = list(backward(ctx, *grads))
        found[2] = found[2] * 1.001
        return tuple(found)

    monkeypatch.setattr(sweep.Sweep, "backward", staticmethod(forgetful))
    with pytest.raises(AssertionError, match="law 4, fast = slow"):
        check_diagonals(layer(), inputs(3, 5))


@pytest.mark.parametrize("cell", CELLS)
def test_gradcheck_of_the_sweep(cell):
    lstm, x = layer(cell=cell), inputs(3, 4)
    leaves = [x.requires_grad_(), *(p.detach().clone().requires_grad_() for p in lstm.parameters())]
    names = [name for name, _ in lstm.named_parameters()]

    def states(x, *parameters):
        values = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(lstm, values, (x,))

    torch.autograd.gradcheck(states, leaves)


def test_inference_mode_leaves_no_trace():
    sweep.diagonals.cache_clear()
    lstm, x = layer(), inputs(3, 4)
    with torch.inference_mode():
        first = lstm(x)
    again = lstm(x)
    again.sum().backward()
    assert torch.equal(first, again)


def test_one_row_is_a_one_dimensional_lstm():
    lstm, x = layer(), inputs(1, 6)
    n = lstm.units
    keep = torch.cat([torch.arange(3 * n), torch.arange(4 * n, 5 * n)])
    h = c = torch.zeros(2, n).double()
    states = []
    for j in range(6):
        h, c = lstm_step(
            x[:, 0, j],
            h,
            c,
            lstm.input_weight[:, keep],
            lstm.hidden_weight[:n, keep],
            lstm.bias[keep],
        )
        states.append(h)
    torch.testing.assert_close(lstm(x)[:, 0], torch.stack(states, dim=1))


def test_a_cell_by_hand():
    gates = torch.tensor([0.3, -1.0, 0.5, 2.0, -0.4]).double()
    left, top = torch.tensor([0.7]).double(), torch.tensor([-1.2]).double()
    h, c = spatial_lstm_step(gates, left, top)

    def sigmoid(a):
        return 1 / (1 + math.exp(-a))

    # f^r goes with the cell above, f^c with the one on the left.
    expected = math.tanh(0.3) * sigmoid(0.5) + 0.7 * sigmoid(-0.4) - 1.2 * sigmoid(2.0)
    assert float(c) == pytest.approx(expected)
    assert float(h) == pytest.approx(math.tanh(expected * sigmoid(-1.0)))


def test_a_stable_cell_by_hand():
    gates = torch.tensor([0.3, -1.0, 0.5, 2.0, -0.4]).double()
    left, top = torch.tensor([0.7]).double(), torch.tensor([-1.2]).double()
    h, c = spatial_lstm_step(gates, left, top, "stable")
    phi, share = 1 / (1 + math.exp(-2.0)), 1 / (1 + math.exp(0.4))
    expected = math.tanh(0.3) / (1 + math.exp(-0.5)) + phi * (share * 0.7 - (1 - share) * 1.2)
    assert float(c) == pytest.approx(expected)
    assert float(h) == pytest.approx(math.tanh(expected / (1 + math.exp(1.0))))


@pytest.mark.parametrize("cell", CELLS)
def test_a_fresh_layer_neither_explodes_nor_forgets(generator, cell):
    lstm = SpatialLSTM(12, 32, cell=cell, generator=generator)
    x = torch.randn(4, 64, 64, 12, generator=generator)
    x.requires_grad_()
    slope = torch.autograd.grad(lstm(x)[:, -1, -1].square().sum(), x)[0].square().sum(dim=(0, 3))
    assert 1e-3 < float(slope[:16, :16].mean() / slope[-4:, -4:].mean()) < 10
    with torch.no_grad():
        moved = lstm(x + 1e-4) - lstm(x)
    assert float(moved.abs().max()) < 1e-2


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 3, 4, 5), r"x: expected shape \(B, H, W, 3\)"),
        (torch.zeros(3, 4, 3), "x: expected shape"),
        (torch.zeros(2, 3, 4, 3).long(), "floating-point"),
    ],
)
def test_bad_inputs(x, message):
    with pytest.raises(ValueError, match=message):
        layer()(x)


def test_a_fresh_layer_has_small_weights():
    layer = SpatialLSTM(60, 30, generator=torch.Generator().manual_seed(0))
    found = [float(w.detach().std()) for w in (layer.input_weight, layer.hidden_weight)]
    assert found == pytest.approx([0.5 / 60**0.5, 0.1 / 60**0.5], rel=0.05)


def test_bad_sizes():
    with pytest.raises(ValueError, match="units: expected at least 1"):
        SpatialLSTM(3, 0)
    with pytest.raises(ValueError, match="dim_input: expected an integer"):
        SpatialLSTM(2.5, 3)
    with pytest.raises(ValueError, match='cell: expected "paper" or "stable", got \'other\''):
        SpatialLSTM(3, 3, cell="other")
    assert SpatialLSTM(np.int64(3), np.int64(2)).hidden_weight.shape == (4, 10)


# --- memories that grow


def greedy(cell: Cell) -> SpatialLSTM:
    """Return a layer that adds 1 in each cell, and forgets as much as the input says."""
    lstm = SpatialLSTM(2, 9, cell=cell)
    with torch.no_grad():
        lstm.hidden_weight.zero_()
        lstm.input_weight.zero_()
        lstm.input_weight[0, 27:36] = 1.0
        lstm.input_weight[1, 36:45] = 1.0
        lstm.bias[:9] = 50.0
        lstm.bias[9:18] = -10.0  # small output gates: h is nearly c times their value
        lstm.bias[18:27] = 50.0
        lstm.bias[27:36] = EXTREME.repeat_interleave(3) / 16
        lstm.bias[36:45] = EXTREME.repeat(3) / 16
    return lstm


def test_the_memory_of_the_stable_cell_is_bounded(generator):
    x = 100 * torch.randn(1, 256, 256, 2, generator=generator)
    x[:, :, 128:] = 0.0
    i, j = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    with torch.no_grad():
        memory = torch.atanh(greedy("stable")(x)) / torch.sigmoid(torch.tensor(-10.0))
    assert bool((memory[0] <= 1.001 * (i + j + 1)[..., None]).all())
    # φ and λ open: a row that never forgets comes near to the bound.
    with torch.no_grad():
        memory = torch.atanh(greedy("stable")(0 * x)) / torch.sigmoid(torch.tensor(-10.0))
    assert float(memory[0, 0, -1, 8]) == pytest.approx(256, rel=1e-3)
    with torch.no_grad(), pytest.raises(FloatingPointError):
        greedy("paper")(x)


def overflows(i: int, j: int) -> bool:
    """Say whether the sum over all ways to a cell is too large for float32."""
    return math.comb(i + j + 2, i + 1) - 1 > torch.finfo(torch.float32).max


@pytest.mark.parametrize("recompute", [False, True])
def test_a_memory_that_overflows_is_found(recompute):
    x = torch.zeros(3, 90, 100, 2)
    x[0] = -200.0  # this image forgets all
    places = [(i, j) for i in range(90) for j in range(100) if overflows(i, j)]
    message = rf"row {places[0][0]}, column {places[0][1]} of image 1 .* 90 x 100 cells.*float64"
    with pytest.raises(FloatingPointError, match=message):
        greedy("paper")(x, recompute)
    assert bool(greedy("paper").double()(x.double()).isfinite().all())
    assert bool(greedy("paper")(x[:1]).isfinite().all())
    x[2, 3, 4] = math.nan
    with pytest.raises(FloatingPointError, match=r"row 3, column 4 of image 2 .*; look for NaN"):
        greedy("stable")(x)


# --- what PyTorch may ask for


def loss_of(states: torch.Tensor, linear: bool) -> torch.Tensor:
    return states.sum() if linear else states.square().sum()


def twice(call, x):
    slope = torch.autograd.grad(call(x), x, create_graph=True)[0]
    return torch.autograd.grad(slope.sum(), x)


def backward_twice(call, x):
    call(x).backward(create_graph=True)
    x.grad.sum().backward()


SECOND = {
    "grad of grad": twice,
    "backward": backward_twice,
    "hessian": torch.autograd.functional.hessian,
    "hessian, vectorised": partial(torch.autograd.functional.hessian, vectorize=True),
    "hvp": lambda call, x: torch.autograd.functional.hvp(call, x, torch.ones_like(x)),
    "vhp": lambda call, x: torch.autograd.functional.vhp(call, x, torch.ones_like(x)),
}


@pytest.mark.filterwarnings("ignore:Using backward")
@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("recompute", [True, False])
@pytest.mark.parametrize("way", SECOND)
def test_second_derivatives_are_refused(way, recompute, linear):
    lstm, x = layer(), inputs(2, 3).requires_grad_()
    with pytest.raises(RuntimeError, match=r"forward has no second derivatives; .*forward_loop"):
        SECOND[way](lambda x: loss_of(lstm(x, recompute), linear), x)


def test_forward_mode_is_refused():
    lstm, x = layer(), inputs(2, 3)
    with forward_ad.dual_level(), pytest.raises(NotImplementedError, match="jvp"):
        lstm(forward_ad.make_dual(x, torch.ones_like(x)))


@pytest.mark.parametrize("cell", CELLS)
def test_functional_transforms_are_right(cell):
    lstm, x = layer(cell=cell), inputs(2, 3)

    def fast(x):
        return loss_of(lstm(x), False)

    def slow(x):
        return loss_of(lstm.forward_loop(x), False)

    leaf = x.clone().requires_grad_()
    expected = torch.autograd.grad(fast(leaf), leaf)[0]
    torch.testing.assert_close(torch.func.grad(fast)(x), expected)
    each = torch.func.vmap(torch.func.grad(lambda x: fast(x[None])))(x)
    torch.testing.assert_close(each, expected)
    hessian = torch.autograd.functional.hessian(slow, x)
    torch.testing.assert_close(torch.func.hessian(fast)(x), hessian)


def test_mixed_precision_changes_nothing():
    lstm, x = layer().float(), inputs(3, 4).float()
    found = []
    for enabled in (False, True):
        leaf = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            states = lstm(leaf)
            states.square().sum().backward()
        found.append((states.detach(), leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
