"""Operators: wrong input is refused in words, and some values known by other ways."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from scipy.fft import dctn
from scipy.linalg import hadamard

from gdmlib import inverse
from gdmlib.data import resize
from gdmlib.inverse import camera as cameras


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


A = torch.randn(3, 8, generator=rng())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: inverse.Matrix(A)(torch.zeros(2, 7)), r"x: expected shape \(\.\.\., 8\)"),
        (lambda: inverse.Matrix(A).adjoint(torch.zeros(8)), r"y: expected shape \(\.\.\., 3\)"),
        (
            lambda: inverse.Matrix(A).project(torch.zeros(8), torch.zeros(4)),
            r"y: expected shape \(\.\.\., 3\), what the operator measures",
        ),
        (lambda: inverse.Matrix(A).solve_gram(torch.zeros(2)), "the operator measures"),
        (
            lambda: inverse.Matrix(A).proximal(torch.zeros(8), torch.zeros(2), 1.0),
            "the operator measures",
        ),
        (lambda: inverse.Matrix(A)(torch.full((8,), torch.nan)), "x: .*finite"),
        (lambda: inverse.Matrix(A).pseudo_inverse(torch.full((3,), torch.nan)), "y: .*finite"),
        (lambda: inverse.Matrix(A)(torch.zeros(8, dtype=torch.float64)), "expected torch.float32"),
        (lambda: inverse.Matrix(A)(torch.zeros(8, dtype=torch.int64)), "floating"),
        (lambda: inverse.Matrix(A, (2, 3)), "expected 6 columns"),
        (lambda: inverse.Matrix(A[0]), "2 dimensions"),
        (lambda: inverse.Matrix(A, orthonormal=True), "orthonormal rows, but"),
        (lambda: inverse.Matrix(torch.eye(4)[:, :3], orthonormal=True), "4 rows of 3"),
        (lambda: inverse.Matrix(A).solve_gram(torch.zeros(3), ridge=-1.0), "ridge"),
        (lambda: inverse.Matrix(A).proximal(torch.zeros(8), torch.zeros(3), 0.0), "weight"),
        (lambda: inverse.Matrix(A).measure(torch.zeros(8), noise=-0.1), "noise"),
        (lambda: inverse.Masking(torch.zeros(4, 4, dtype=torch.bool)), "no pixel is known"),
        (lambda: inverse.Masking(torch.ones(4, 4)), "Boolean"),
        (lambda: inverse.Masking(torch.ones(4, dtype=torch.bool)), "3 dimensions"),
        (lambda: inverse.Masking.random((1, 4, 4), missing=1.0), "missing"),
        (
            lambda: inverse.Crop((1, 4, 4), top=2, left=0, height=3, width=2),
            "inside of a side of 4",
        ),
        (lambda: inverse.Crop((1, 4, 4), top=-1, left=0, height=3, width=2), "at least 0"),
        (lambda: inverse.Grey((1, 4, 4)), r"\(3, height, width\)"),
        (lambda: inverse.Blur((1, 8, 8), torch.ones(2, 3)), "odd sides"),
        (lambda: inverse.Blur((1, 3, 8), torch.ones(5, 3)), "odd sides"),
        (lambda: inverse.Blur.gaussian((1, 8, 8), 0.0), "sigma"),
        (lambda: inverse.Downsampling((1, 9, 8), 2), "multiples of 2"),
        (lambda: inverse.LiSens((1, 4, 8), 5), "at most 4"),
        (lambda: inverse.FlatCam((1, 4, 8), torch.ones(2, 5), torch.ones(2, 8)), "left"),
        (lambda: inverse.single_pixel((1, 4, 4), 17), "17 patterns of 16 pixels"),
        (lambda: inverse.single_pixel((1, 4, 4), rate=0.0), "more than 0 and at most 1"),
        (lambda: inverse.single_pixel((1, 4, 4), rate=1.5), "more than 0 and at most 1"),
        (lambda: inverse.single_pixel((1, 4, 4)), "one of the two"),
        (lambda: inverse.single_pixel((1, 4, 4), 2, rate=0.5), "one of the two"),
        (lambda: inverse.single_pixel((1, 4, 4), 2, rows="random"), "'gaussian', 'hadamard'"),
        (lambda: inverse.single_pixel((1, 4, 6), 2, rows="hadamard"), "powers of two, got 6"),
        (lambda: inverse.single_pixel((1, 4, 4), 17, rows="dct"), "17 patterns"),
        (lambda: inverse.Scrambled((1, 4, 4), 17), "17 coefficients"),
    ],
)
def test_wrong_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_transforms_are_those_of_scipy():
    torch.testing.assert_close(cameras.hadamard(8) * 8**0.5, torch.tensor(hadamard(8)).float())
    x = torch.randn(5, 6, generator=rng())
    found = cameras.cosine(5) @ x @ cameras.cosine(6).mT
    torch.testing.assert_close(found, torch.tensor(dctn(x.numpy(), norm="ortho")))


@pytest.mark.parametrize("method", ["bicubic", "bilinear", "nearest"])
@pytest.mark.parametrize("antialias", [True, False])
def test_downsampling_is_that_of_the_data(method, antialias):
    x = torch.rand(2, 3, 16, 24, generator=rng())
    operator = inverse.Downsampling((3, 16, 24), 4, method=method, antialias=antialias)
    torch.testing.assert_close(operator(x), resize.shrink(x, 4, method=method, antialias=antialias))


def test_a_kernel_is_centred():
    x = torch.zeros(1, 7, 7)
    x[0, 3, 2] = 1
    kernel = torch.arange(9.0).reshape(3, 3)
    torch.testing.assert_close(inverse.Blur((1, 7, 7), kernel)(x)[0, 2:5, 1:4], kernel)


def test_a_camera_has_the_patterns_of_its_rate():
    camera = inverse.single_pixel((1, 10, 10), rate=0.4, generator=rng())
    assert camera.measurement_shape == (40,)
    fewer = camera.first(25)
    torch.testing.assert_close(fewer.a, camera.a[:25])
    assert fewer.orthonormal
    assert fewer.a.data_ptr() == camera.a.data_ptr()  # a view
    with pytest.raises(ValueError, match="at most 40"):
        camera.first(41)


def test_rows_without_full_rank_are_made_orthonormal_by_reflections():
    a = torch.cat([A, A[:1]])
    rows = inverse.orthonormal_rows(a.double())
    torch.testing.assert_close(rows @ rows.mT, torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("rows", ["hadamard", "dct"])
def test_scrambled_cameras_store_no_matrix(rows):
    camera = inverse.single_pixel((1, 256, 256), rate=0.4, rows=rows, generator=rng())
    pixels = 256 * 256
    stored = sum(buffer.numel() for buffer in camera.buffers())
    assert stored < 4 * pixels  # the matrix would have 26,214 numbers for each pixel
    x = torch.rand(1, 256, 256, generator=rng())
    torch.testing.assert_close(
        camera(camera.project(x, camera(x.flip(1)))), camera(x.flip(1)), atol=1e-5, rtol=0
    )


@pytest.mark.skipif(sys.platform == "win32", reason="counts memory by resource, which is POSIX's")
@pytest.mark.parametrize("rows", ["hadamard", "dct"])
def test_scrambled_cameras_need_little_memory_at_work(rows):
    code = f"""
import resource, sys, torch
from gdmlib import inverse
x = torch.rand(1, 256, 256)
small = inverse.single_pixel((1, 16, 16), rate=0.4, rows={rows!r})  # loads what is needed once
small.project(x[:, :16, :16], small(x[:, :16, :16]))
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = most()
camera = inverse.single_pixel((1, 256, 256), rate=0.4, rows={rows!r})
y = camera(x)
camera.project(camera.adjoint(y), y)
print((most() - before) / (1 if sys.platform == "darwin" else 1 / 1024))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 64e6  # bytes; the matrix would take 6.9e9


def test_gradients_pass_through_an_operator():
    x = torch.rand(1, 4, 4, generator=rng(), dtype=torch.float64, requires_grad=True)
    camera = inverse.single_pixel((1, 4, 4), 6, rows="dct", generator=rng()).double()
    y = camera(torch.rand(1, 4, 4, generator=rng(1), dtype=torch.float64))
    torch.autograd.gradcheck(lambda x: camera.project(x, y), x)
