"""The spatial LSTM: diagonals against the double loop, its two cells, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gdmlib.nn import spatial_lstm as module
from gdmlib.nn.spatial_lstm import SpatialLSTM, lstm_step, spatial_lstm_step
from tests.laws.laws import fail_unless

SIZES = [(1, 1), (1, 6), (6, 1), (3, 5), (5, 3), (7, 7)]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def layer(dim_input: int = 3, units: int = 4) -> SpatialLSTM:
    made = SpatialLSTM(dim_input, units, generator=torch.Generator().manual_seed(1)).double()
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
    worst = max(float((a - b).abs().max() / (1 + b.abs().max())) for a, b in pairs)
    fail_unless(worst < 1e-12, "4, fast = slow", "SpatialLSTM", f"they differ by {worst:.3g}")


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_diagonals_are_the_double_loop(size, recompute):
    check_diagonals(layer(), inputs(*size), recompute)


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
    backward = module._Sweep.backward

    def forgetful(ctx, *grads):
        found = list(backward(ctx, *grads))
        found[2] = found[2] * 1.001
        return tuple(found)

    monkeypatch.setattr(module._Sweep, "backward", staticmethod(forgetful))
    with pytest.raises(AssertionError, match="law 4, fast = slow"):
        check_diagonals(layer(), inputs(3, 5))


def test_gradcheck_of_the_sweep():
    lstm, x = layer(), inputs(3, 4)
    leaves = [x.requires_grad_(), *(p.detach().clone().requires_grad_() for p in lstm.parameters())]
    names = [name for name, _ in lstm.named_parameters()]

    def states(x, *parameters):
        values = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(lstm, values, (x,))

    torch.autograd.gradcheck(states, leaves)


def test_inference_mode_leaves_no_trace():
    module._diagonals.cache_clear()
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


def test_a_fresh_layer_neither_explodes_nor_forgets(generator):
    lstm = SpatialLSTM(12, 32, generator=generator)
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
