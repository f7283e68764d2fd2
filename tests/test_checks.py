"""Checks of numbers and events."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gdmlib import _checks as checks


def test_check_count():
    assert checks.check_count(1) == 1
    with pytest.raises(ValueError, match=r"^n: expected at least 1, got 0$"):
        checks.check_count(0)
    with pytest.raises(ValueError, match=r"^k: expected an integer, got True$"):
        checks.check_count(True, "k")
    with pytest.raises(ValueError, match=r"^k: expected an integer, got 2.0$"):
        checks.check_count(2.0, "k")


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64, torch.tensor])
def test_a_count_may_be_any_integer(kind):
    found = checks.check_count(kind(3))
    assert found == 3 and type(found) is int


def test_check_share():
    assert checks.check_share(0.0, "dropout") == 0.0
    for bad in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"^dropout: expected a share of at least 0 and below"):
            checks.check_share(bad, "dropout")


def test_check_event_shape():
    assert checks.check_event_shape(3) == checks.check_event_shape((np.int32(3),)) == (3,)
    assert checks.check_event_shape([1, 2, 3], image=True, channels=1) == (1, 2, 3)
    for array in (np.array([2, 3]), torch.tensor([2, 3])):
        assert checks.check_event_shape(array) == (2, 3)
    assert checks.check_event_shape(np.array(2)) == (2,)
    for bad in ((), (0,), (2, True), 2.5, "ab"):
        with pytest.raises(ValueError, match=r"^event_shape: expected a positive whole number"):
            checks.check_event_shape(bad)
    with pytest.raises(ValueError, match=r"expected \(channels, height, width\).*got \(2, 2\)$"):
        checks.check_event_shape((2, 2), image=True)
    with pytest.raises(ValueError, match=r"expected \(1, height, width\).*got \(3, 2, 2\)$"):
        checks.check_event_shape((3, 2, 2), image=True, channels=1)


def test_check_mask():
    mask = torch.ones(2, 3, dtype=torch.bool)
    assert checks.check_mask(mask, "known", (2, 3), (5, 2, 3)) is mask
    with pytest.raises(ValueError, match=r"^known: expected a Boolean mask, got torch.int64; use"):
        checks.check_mask(mask.long(), "known", (2, 3))
    with pytest.raises(ValueError, match=r"^known: expected shape \(3,\), or \(2,\) for a mask"):
        checks.check_mask(mask, "known", (3,), (2,))


def test_labels_of_any_integer_dtype_come_back_as_int64():
    for dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        found = checks.check_labels(torch.tensor([1, 0, 1]).to(dtype), "y", num_classes=2)
        assert found.dtype == torch.int64 and found.tolist() == [1, 0, 1]


@pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
def test_check_not_negative(value):
    assert checks.check_not_negative(0.0, "l2") == 0.0
    assert checks.check_not_negative(3, "l2") == 3
    with pytest.raises(
        ValueError, match=rf"^l2: expected a finite number of at least 0, got {value}$"
    ):
        checks.check_not_negative(value, "l2")


def test_check_probabilities():
    probs = torch.tensor([0.0, 0.3, 0.70005])
    assert checks.check_probabilities(probs, "prior") is probs
    with pytest.raises(
        ValueError, match=r"^prior: expected probabilities of at least 0, got values from -0.1 to"
    ):
        checks.check_probabilities(torch.tensor([-0.1, 1.1]), "prior")
    for total, values in [("0.9", [0.4, 0.5]), ("1.0002", [0.5, 0.5002])]:
        with pytest.raises(
            ValueError,
            match=rf"^prior: expected a sum of 1, got {total}; use prior / prior.sum\(\)$",
        ):
            checks.check_probabilities(torch.tensor(values), "prior")
    for bad in (torch.tensor([[1.0]]), torch.tensor([1]), torch.tensor([math.nan])):
        with pytest.raises(ValueError, match=r"^prior: "):
            checks.check_probabilities(bad, "prior")


def test_check_events():
    like = torch.zeros(()).double()
    x = torch.zeros(4, 2).double()
    assert checks.check_events(x, "x", (2,), like) is x
    with pytest.raises(ValueError, match=r"^x: expected shape \(B, 3\), got \(4, 2\)$"):
        checks.check_events(x, "x", (3,), like)
    with pytest.raises(
        ValueError,
        match=r"^x: expected torch.float64 like the model, got torch.float32; "
        r"use x.to\(torch.float64\), or model.to\(torch.float32\)$",
    ):
        checks.check_events(x.float(), "x", (2,), like)
    with pytest.raises(ValueError, match=r"^x: expected a floating-point tensor"):
        checks.check_events(x.long(), "x", (2,), like)


def test_check_shapes():
    weights, means = torch.ones(2).double(), torch.zeros(2, 3).double()
    square = torch.eye(3).double()
    good = {"w": (weights, "K"), "m": (means, "K d"), "s": (square, "d d"), "b": (weights[0], "")}
    checks.check_shapes(**good)
    for name, x, message in [
        ("m", means[:1], r"^m: expected shape \(2, d\), got \(1, 3\)$"),
        ("m", means[0], r"^m: expected shape \(2, d\), got \(3,\)$"),
        ("s", square[:2], r"^s: expected shape \(3, 3\), got \(2, 3\)$"),
        ("b", weights, r"^b: expected shape \(\), got \(2,\)$"),
        ("m", means.float(), r"^m: expected torch.float64 like the model, got torch.float32"),
        ("m", means.long(), r"^m: expected a floating-point tensor"),
        ("w", weights * math.nan, r"^w: 2 of 2 values are NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            checks.check_shapes(**good | {name: (x, good[name][1])})
    with pytest.raises(ValueError, match=r"^s: expected shape \(2, 2\), got \(2, 3\)$"):
        checks.check_shapes(s=(square[:2], "d d"))


def test_check_positive():
    x = torch.tensor([1e-30, 2.0])
    assert checks.check_positive(x, "scales") is x
    with pytest.raises(ValueError, match=r"^scales: expected positive numbers, got -1$"):
        checks.check_positive(x - 1, "scales")
    with pytest.raises(ValueError, match=r"^std: expected a positive number, got 0$"):
        checks.check_positive(torch.tensor(0.0), "std")


def test_a_good_tensor_is_returned_as_it_is() -> None:
    x = torch.zeros(3, 2)
    assert checks.check_tensor(x, "x", ndim=2, shape=("N", 2), floating=True) is x
    y = torch.tensor([0, 1, 2])
    assert checks.check_labels(y, "y", num_classes=3, length=3) is y


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
        checks.check_tensor(x, "x", **wanted)


def test_what_is_allowed_is_not_refused() -> None:
    checks.check_tensor(torch.zeros(0), "x", nonempty=False)
    checks.check_tensor(torch.tensor([float("nan")]), "x", finite=False)
    checks.check_tensor(torch.tensor([True]), "x", integer=True)


def test_no_tensor_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"x: expected a torch\.Tensor, got list.*as_tensor"):
        checks.check_tensor([1.0], "x")  # type: ignore[arg-type]


def test_bad_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="expected labels 0 to 2, got values from 0 to 3"):
        checks.check_labels(torch.tensor([0, 3]), "y", num_classes=3)
    with pytest.raises(ValueError, match="got values from -1 to 1"):
        checks.check_labels(torch.tensor([-1, 1]), "y", num_classes=3)
    with pytest.raises(ValueError, match="expected 3 labels, one an example, got 2"):
        checks.check_labels(torch.tensor([0, 1]), "y", num_classes=2, length=3)


def test_a_shape_may_begin_with_any_dimensions():
    for size in ((2, 3), (1, 2, 3), (5, 1, 2, 3)):
        assert checks.check_tensor(torch.zeros(size), "x", shape=(..., 2, "w")).shape == size
    for size in ((3,), (2,), (2, 3, 1), ()):
        with pytest.raises(ValueError, match=r"^x: expected shape \(\.\.\., 2, w\), a pair, got "):
            checks.check_tensor(torch.zeros(size), "x", shape=(..., 2, "w"), what="a pair")
    assert checks.check_tensor(torch.zeros(()), "x", shape=(...,)).ndim == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_few_digits_are_refused_where_equations_are_solved(dtype):
    x = torch.ones(2, dtype=dtype)
    assert checks.check_tensor(x, "x").dtype == dtype
    with pytest.raises(ValueError, match=r"^a: torch.* too few digits .* use a\.float\(\)"):
        checks.check_tensor(x, "a", digits=True)


def test_check_above_zero():
    for value in (2, 0.5, np.float32(0.5), torch.tensor(0.5)):
        assert checks.check_above_zero(value, "weight") is value
    assert checks.check_above_zero(math.inf, "weight", infinite=True) == math.inf
    for bad in (0, -1.0, math.nan, math.inf, None, "1", [1.0], torch.ones(2)):
        with pytest.raises(ValueError, match=r"^weight: expected a positive number, got .*; go$"):
            checks.check_above_zero(bad, "weight", advice="; go")


def test_check_finite_and_range():
    assert checks.check_finite(-1.5, "mean") == -1.5
    for bad in (math.nan, -math.inf, None, "1", torch.ones(2)):
        with pytest.raises(ValueError, match=r"^mean: expected a finite number, got "):
            checks.check_finite(bad, "mean")
    assert checks.check_range(-1, 1) == (-1, 1)
    with pytest.raises(ValueError, match=r"^low, high: expected low < high, got 1 and 1$"):
        checks.check_range(1, 1)


def test_check_numbers():
    for values in ((1, 0.5), [1, 0.5], np.array([1, 0.5]), torch.tensor([1, 0.5])):
        assert checks.check_numbers(values, "sigmas", positive=True) == [1.0, 0.5]
    assert checks.check_numbers((-1, 0), "weights") == [-1.0, 0.0]
    for bad in ((), None, "12", 3.0, (1, math.nan), (1, "2")):
        with pytest.raises(
            ValueError, match=r"^sigmas: expected finite numbers, one or more, got "
        ):
            checks.check_numbers(bad, "sigmas")
    with pytest.raises(ValueError, match=r"^sigmas: expected positive numbers, got \(1, 0\)$"):
        checks.check_numbers((1, 0), "sigmas", positive=True)


def test_check_choice_and_kind():
    found = checks.check_choice(np.int64(2), "stages", (1, 2))
    assert found == 2 and type(found) is int
    for bad in (3, "2", None, [2], torch.tensor([1, 2]), np.array([1, 2])):
        with pytest.raises(ValueError, match=r"^stages: expected one of 1, 2, got "):
            checks.check_choice(bad, "stages", (1, 2))
    assert checks.check_kind("a", "word", str, "a word") == "a"
    with pytest.raises(ValueError, match=r"^word: expected a word, got int$"):
        checks.check_kind(1, "word", str, "a word")


def test_what_came_is_said_briefly():
    assert checks.said(torch.tensor(0.25)) == "0.25"
    assert checks.said(torch.zeros(2, 3)) == "a tensor of (2, 3)"
    assert checks.said("word") == "'word'" and checks.said("w" * 99) == "str"
