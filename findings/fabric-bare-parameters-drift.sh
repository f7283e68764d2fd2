#!/usr/bin/env bash
# lightning-fabric 2.6.6. One would expect: on several processes a method other than forward is either synchronised or refused (the page "Models
# wrapped by Fabric", Using methods other than forward for computation, promises an error). What happens: only a method that calls a
# submodule is refused. A density that computes log_prob from its own parameters, without layers, trains with no error and no average of
# gradients: every process follows its own data. What to do: put the loss through forward, or mark_forward_method("log_prob") after setup
# (both shown to keep the copies equal); compare the parameters of all processes after one step.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 lightning-fabric==2.6.6
cat > "$dir/demo.py" <<'PY'
import logging

import lightning_fabric
import torch

logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
logging.getLogger("lightning.fabric").setLevel(logging.WARNING)


class Bare(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(1))

    def log_prob(self, x):
        return -((x - self.mean) ** 2) / 2

    def forward(self, x):
        return self.log_prob(x)


class Layered(Bare):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def log_prob(self, x):
        return super().log_prob(self.layer(x))


def step(fabric, kind, way):
    torch.manual_seed(0)
    model = kind()
    model, descent = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.5))
    if way == "marked":
        model.mark_forward_method("log_prob")
    x = torch.tensor([[1.0]]) if fabric.global_rank == 0 else torch.tensor([[3.0]])
    try:
        loss = -(model(x) if way == "forward" else model.log_prob(x)).mean()
    except RuntimeError as error:
        return f"{type(error).__name__}: {str(error)[:60]}..."
    fabric.backward(loss)
    descent.step()
    return fabric.all_gather(model.mean.detach()).flatten().tolist()


def steps(fabric):
    return {(kind.__name__, way): step(fabric, kind, way) for kind in (Bare, Layered) for way in ("forward", "log_prob", "marked")}


if __name__ == "__main__":
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn")
    found = fabric.launch(steps)
    print("lightning-fabric", lightning_fabric.__version__, "torch", torch.__version__)
    print("the mean on process 0 and on process 1 after one step; their data are 1 and 3")
    for (kind, way), means in found.items():
        print(f"    {kind:8s} {way:9s} {means}")
    for way in ("forward", "marked"):
        assert found["Bare", way] == [1.0, 1.0], found
        first, second = found["Layered", way]
        assert first == second, found
    assert found["Bare", "log_prob"] == [0.5, 1.5], found
    assert "RuntimeError" in found["Layered", "log_prob"], found
PY
OMP_NUM_THREADS=1 "$dir/venv/bin/python" "$dir/demo.py"
