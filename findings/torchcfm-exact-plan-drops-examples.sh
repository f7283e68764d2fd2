#!/usr/bin/env bash
# torchcfm 1.0.7. One would expect: ExactOptimalTransportConditionalFlowMatcher pairs a batch of noise with a batch of data by their exact
# plan, which for equal sizes is a permutation: every example once. What happens: it draws as many pairs from the plan with replacement, so
# that a share near 1/e of every batch is not trained on and others come two or more times. The docstring of OTPlanSampler.sample_plan names
# its argument replace, but the matcher passes none and offers none; the project's issue tracker confirms that pairs repeat.
# What to do: pairs = matcher.ot_sampler.sample_plan(x0, x1, replace=False), then a plain ConditionalFlowMatcher on the pairs.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6 scipy==1.17.1 POT==0.9.7.post1
"$dir/venv/bin/pip" install -q --disable-pip-version-check --no-deps torchcfm==1.0.7
cat > "$dir/demo.py" <<'PY'
from importlib.metadata import version

import numpy
import torch
from torchcfm import ConditionalFlowMatcher, ExactOptimalTransportConditionalFlowMatcher


def used(t, x, velocity):
    """Which data points a batch was trained on: the end of each straight line."""
    return torch.unique((x + (1 - t[:, None]) * velocity)[:, 0].round()).numel()


numpy.random.seed(0)
torch.manual_seed(0)
n = 500
noise = torch.randn(n, 1, dtype=torch.double)
data = torch.arange(n, dtype=torch.double)[:, None]  # each example tells its number
matcher = ExactOptimalTransportConditionalFlowMatcher(sigma=0.0)
plan = matcher.ot_sampler.get_map(noise, data) * n
permutation = bool(numpy.allclose(plan.max(0), 1) and numpy.allclose(plan.max(1), 1) and numpy.allclose(plan.sum(), n))
batches = [used(*matcher.sample_location_and_conditional_flow(noise, data)) for _ in range(5)]
pairs = matcher.ot_sampler.sample_plan(noise, data, replace=False)
whole = used(*ConditionalFlowMatcher(sigma=0.0).sample_location_and_conditional_flow(*pairs))
print("torchcfm", version("torchcfm"), "POT", version("POT"))
print("the exact plan is a permutation:", permutation)
print(f"different examples in five batches of {n}:", batches)
print("with pairs drawn without replacement:", whole)
assert permutation
assert all(0.55 * n < count < 0.71 * n for count in batches), batches
assert whole == n
PY
OMP_NUM_THREADS=1 "$dir/venv/bin/python" "$dir/demo.py"
