"""The judges judged: the gradient check and the tolerances must be able to fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn.testing.cases import Problem, apart
from fastnn.testing.gradcheck import check_op, numerical_gradient, relative_error
from fastnn.testing.layouts import LAYOUTS
from fastnn.testing.tolerances import assert_close, bound


def test_check_op_finds_a_wrong_gradient() -> None:
    def forward(x: Any, w: Any) -> tuple[Any, Any]:
        return x @ w, (x, w)

    def backward(dy: Any, cache: Any) -> Any:
        x, w = cache
        return dy @ w.T, 1.001 * x.T @ dy

    rng = np.random.default_rng(0)
    errors = check_op(forward, backward, {"x": rng.normal(size=(3, 4)), "w": rng.normal(size=(4, 2))})
    assert errors["x"] < 1e-9
    assert 5e-4 < errors["w"] < 2e-3


def test_check_op_wants_a_gradient_for_every_input() -> None:
    with pytest.raises(ValueError):
        check_op(lambda x, w: (x * w, None), lambda dy, _: dy, {"x": np.ones(2), "w": np.ones(2)})


def test_numerical_gradient_restores_its_input_and_wants_float64() -> None:
    x = np.arange(6.0).reshape(2, 3).T
    before = x.copy()
    df = np.array([[1.0, 2.0]] * 3)
    np.testing.assert_allclose(numerical_gradient(lambda a: a**3, x, df), 3 * x**2 * df, rtol=1e-8, atol=1e-8)
    assert x.tolist() == before.tolist()
    with pytest.raises(ValueError, match=r"^\[numerical_gradient\] x: expected dtype float64, got float32$"):
        numerical_gradient(np.sum, np.ones(2, np.float32))


def test_relative_error_of_special_arrays() -> None:
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.zeros((0, 3)), np.zeros((0, 3))) == 0
    assert np.isnan(relative_error(np.array([np.nan]), np.ones(1)))
    with pytest.raises(ValueError):
        relative_error(np.ones(3), np.ones((3, 1)))


def test_assert_close_fails_on_nan_and_beyond_the_bound() -> None:
    one = np.ones(4)
    allowed = bound(np.float32, 100)
    assert_close(one * (1 + 0.9 * allowed), one, allowed)
    for wrong in (one * (1 + 1.1 * allowed), one * np.nan):
        with pytest.raises(AssertionError, match="relative error"):
            assert_close(wrong, one, allowed)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_apart_is_distinct_and_away_from_zero(size: int) -> None:
    values = np.sort(np.abs(apart(np.random.default_rng(0), (size,))))
    assert values[0] >= 1 / (size + 1)
    assert len(set(apart(np.random.default_rng(0), (size,)).tolist())) == size


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_keep_values_and_are_what_they_say(name: str) -> None:
    a = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    b = LAYOUTS[name](a)
    assert b.shape == a.shape
    assert b.dtype == a.dtype
    expected = np.broadcast_to(a[:1], a.shape) if name == "broadcast" else a
    np.testing.assert_array_equal(b, expected)
    properties = {
        "contiguous": b.flags.c_contiguous,
        "channels_last": b.transpose(0, 2, 3, 1).flags.c_contiguous,
        "fortran": b.flags.f_contiguous,
        "reversed_axes": max(b.strides) < 0,
        "strided": not b.flags.contiguous,
        "read_only": not b.flags.writeable,
        "unaligned": not b.flags.aligned,
        "broadcast": b.strides[0] == 0,
    }
    assert properties[name]


def test_a_problem_reads_as_a_line() -> None:
    assert str(Problem({"x": (2, 3)}, {"stride": (1, 2)})) == "x=2x3 stride=(1, 2)"
