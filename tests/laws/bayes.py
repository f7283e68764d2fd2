"""Law 9, Bayes' rule: what is seen and what is hidden have one law, whichever is drawn first."""

from __future__ import annotations

import torch

from .laws import Case, fail_unless

LAW = "9, Bayes' rule"


@torch.no_grad()
def check_both_ways(case: Case) -> None:
    """p(k) p(x | k) is p(x) p(k | x), for all k and points x, and both have the same p(k)."""
    model, points = case.model, case.domain.points
    joint = model.log_joint(points)
    other = model.log_prob(points)[:, None] + model.responsibilities(points).log()
    heavy = joint > joint.max() - 25
    gap = float((joint - other)[heavy].abs().max())
    fail_unless(gap < 1e-8, LAW, case, f"the two factorizations are {gap:.3g} nats apart")
    totals = [case.domain.weights @ way.exp() for way in (joint, other)]
    gap = float((totals[0] - totals[1]).abs().max())
    fail_unless(gap < 1e-8, LAW, case, f"the probabilities of the hidden are {gap:.3g} apart")
