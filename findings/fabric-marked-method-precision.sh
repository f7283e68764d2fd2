#!/usr/bin/env bash
# lightning-fabric 2.6.6. One would expect: a method marked with mark_forward_method computes in Fabric's precision, as forward does, on any
# number of processes ("Models wrapped by Fabric": converted for what passes through forward; it does not say that the count matters).
# What happens: on one process the mark does nothing: with bf16-mixed the method silently computes in float32, while the same program on
# two computes in bfloat16, and with bf16-true it stops at float32 input that forward takes. What to do: put losses through forward (a
# module that holds the model and calls the method), or call the method under fabric.autocast() and convert the input yourself.
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


class Density(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def log_prob(self, x):
        return -(self.layer(x) ** 2).sum(-1) / 2

    def forward(self, x):
        return self.log_prob(x)


def ask(fabric):
    """What forward and the marked method compute in, and whether their values agree."""
    torch.manual_seed(0)
    model = fabric.setup(Density())
    model.mark_forward_method("log_prob")
    computed = []
    model.module.layer.register_forward_hook(lambda layer, inputs, output: computed.append(str(output.dtype)))
    x = torch.randn(4, 8)
    by_forward = model(x)
    try:
        by_method = model.log_prob(x)
    except RuntimeError as error:
        return computed[0], f"RuntimeError: {error}", None
    with fabric.autocast():
        model.log_prob(x)
    return computed[0], computed[1], computed[2], torch.equal(by_forward, by_method)


if __name__ == "__main__":
    print("lightning-fabric", lightning_fabric.__version__, "torch", torch.__version__)
    found = {}
    for precision in ("bf16-mixed", "bf16-true"):
        for processes in (1, 2):
            strategy = "ddp_spawn" if processes > 1 else "auto"
            fabric = lightning_fabric.Fabric(accelerator="cpu", devices=processes, strategy=strategy, precision=precision)
            found[precision, processes] = fabric.launch(ask)
            print(f"{precision}, {processes} process(es): forward {found[precision, processes][0]}, marked method {found[precision, processes][1]}")
    single, double = "torch.float32", "torch.bfloat16"
    assert found["bf16-mixed", 1] == (double, single, double, False), found
    assert found["bf16-mixed", 2] == (double, double, double, True), found
    assert found["bf16-true", 1][0] == double and "same dtype" in found["bf16-true", 1][1], found
    assert found["bf16-true", 2][:2] == (double, double), found
    print("under fabric.autocast() the method on one process computes in", found["bf16-mixed", 1][2])
PY
OMP_NUM_THREADS=1 "$dir/venv/bin/python" "$dir/demo.py"
