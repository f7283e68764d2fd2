#!/usr/bin/env bash
# torch 2.13.0. One would expect: a backward marked once_differentiable makes every second derivative through it an error, as the note
# "Extending PyTorch", How to use, step 3 says. What happens: only a .backward() without inputs= meets the error, and only if what follows the
# function is not linear. autograd.grad, .backward(inputs=...) and functional.hessian walk round it: beside any other path (a residual
# connection) they return a number that lacks the function's share, with no error; strict=True does not see it either.
# What to do: leave the mark out where the formula is torch operations (the same backward is then right); else compute the gradient in
# a second Function whose own backward raises, as below; run gradgradcheck, which finds it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$dir/demo.py" <<'PY'
import torch
from torch.autograd.function import once_differentiable


class Unmarked(torch.autograd.Function):  # w x^3
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return w * x**3

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return 3 * w * x**2 * g, x**3 * g


class Marked(Unmarked):
    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return 3 * w * x**2 * g, x**3 * g


class Gradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, g):
        return 3 * w * x**2 * g, x**3 * g

    @staticmethod
    def backward(ctx, *_):
        raise NotImplementedError("no second derivative")


class Guarded(Unmarked):
    @staticmethod
    def backward(ctx, g):
        return Gradient.apply(*ctx.saved_tensors, g)


def number(value):
    return torch.tensor([value], dtype=torch.double, requires_grad=True)


def plain(x, w):
    return w * x**3


def penalty(f, squared):
    """The squared slope in x of a residual block, and its derivative in the weight: what a gradient penalty asks for."""
    x, w = number(2.0), number(5.0)
    y = f(x, w) + w * x**2
    slope = torch.autograd.grad(y**2 if squared else y, x, torch.ones_like(y), create_graph=True)[0]
    return slope**2, w


def by_grad(f, squared):
    loss, w = penalty(f, squared)
    return torch.autograd.grad(loss, w)[0].item()


def by_backward(f, squared, some=False):
    loss, w = penalty(f, squared)
    loss.backward(inputs=[w] if some else None)
    return w.grad.item()


def hessian(f):
    w = number(5.0).detach()
    return torch.autograd.functional.hessian(lambda x: ((f(x, w) + x**2) ** 2).sum(), number(2.0).detach(), strict=True).item()


def outcome(ask, *arguments):
    try:
        return ask(*arguments)
    except (RuntimeError, NotImplementedError) as error:
        return f"error: {error}"


rows = {
    "grad(loss, weight), block squared": lambda f: outcome(by_grad, f, True),
    "backward(inputs=[weight]), block squared": lambda f: outcome(by_backward, f, True, True),
    "backward(), block squared": lambda f: outcome(by_backward, f, True),
    "backward(), block left linear": lambda f: outcome(by_backward, f, False),
    "functional.hessian, strict": lambda f: outcome(hessian, f),
}
print("torch", torch.__version__)
silent = 0
for name, ask in rows.items():
    right, marked, unmarked, guarded = (ask(f) for f in (plain, Marked.apply, Unmarked.apply, Guarded.apply))
    print(f"{name}\n    plain autograd {right}\n    unmarked       {unmarked}\n    marked once    {marked}\n    guarded        {guarded}")
    assert unmarked == right
    assert str(guarded).startswith("error: no second derivative")
    if str(marked).startswith("error"):
        assert name == "backward(), block squared", name
    else:
        silent += 1
        assert abs(marked - right) > 0.3 * abs(right), (marked, right)
assert silent == 4
try:
    torch.autograd.gradgradcheck(Marked.apply, (number(2.0), number(5.0)))
except RuntimeError as error:
    print("gradgradcheck finds it:", str(error).split(",")[0])
else:
    raise AssertionError("gradgradcheck passed")
PY
OMP_NUM_THREADS=1 "$dir/venv/bin/python" "$dir/demo.py"
