"""Every check says what came, what was expected and what to do."""

from __future__ import annotations

import pytest
import torch

from gdmlib._checks import check_labels, check_tensor


def test_a_good_tensor_is_returned_as_it_is() -> None:
    x = torch.zeros(3, 2)
    assert check_tensor(x, "x", ndim=2, shape=("N", 2), floating=True) is x
    y = torch.tensor([0, 1, 2])
    assert check_labels(y, "y", num_classes=3, length=3) is y


@pytest.mark.parametrize(
    ("x", "wanted", "message"),
    [
        (torch.zeros(3), {"ndim": 2}, r"x: expected 2 dimensions, got shape \(3,\)"),
        (torch.zeros(3, 1), {"ndim": 1}, r"x: expected 1 dimension, got shape \(3, 1\)"),
        (torch.zeros(3, 1), {"shape": ("N", 2)}, r"x: expected shape \(N, 2\), got \(3, 1\)"),
        (torch.zeros(3, 1), {"shape": (3,)}, r"x: expected shape \(3,\), got \(3, 1\)"),
        (torch.zeros(2), {"shape": (None, 2)}, r"expected shape \(\*, 2\), got \(2,\)"),
        (torch.zeros(2).long(), {"floating": True}, r"expected a floating-point.*int64.*x\.float"),
        (torch.zeros(2), {"integer": True}, r"expected integers, got torch\.float32.*x\.long"),
        (torch.zeros(2) * 1j, {"integer": True}, "expected integers"),
        (torch.zeros(0, 2), {}, r"at least one element, got shape \(0, 2\)"),
        (torch.tensor([0.0, float("nan"), float("inf")]), {}, "2 of 3 values are NaN or infinite"),
    ],
)
def test_a_bad_tensor_is_refused(x: torch.Tensor, wanted: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_tensor(x, "x", **wanted)


def test_what_is_allowed_is_not_refused() -> None:
    check_tensor(torch.zeros(0), "x", nonempty=False)
    check_tensor(torch.tensor([float("nan")]), "x", finite=False)
    check_tensor(torch.tensor([True]), "x", integer=True)


def test_no_tensor_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"x: expected a torch\.Tensor, got list.*as_tensor"):
        check_tensor([1.0], "x")  # type: ignore[arg-type]


def test_bad_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="expected labels 0 to 2, got values from 0 to 3"):
        check_labels(torch.tensor([0, 3]), "y", num_classes=3)
    with pytest.raises(ValueError, match="got values from -1 to 1"):
        check_labels(torch.tensor([-1, 1]), "y", num_classes=3)
    with pytest.raises(ValueError, match="expected 3 labels, one an example, got 2"):
        check_labels(torch.tensor([0, 1]), "y", num_classes=2, length=3)
