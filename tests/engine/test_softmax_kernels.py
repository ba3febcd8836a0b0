"""softmax and its loss beyond what the table of cases asks: extreme scores, labels, weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fastnn import _runtime
from fastnn import functional as F
from fastnn import reference as ref
from fastnn.testing.gradcheck import numerical_gradient, relative_error

RNG = np.random.default_rng(0)
DTYPES = [np.float32, np.float64]


@pytest.fixture(params=_runtime.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    with _runtime.isa_override(request.param):
        yield request.param


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_to_the_reference(dtype: Any, isa: str) -> None:
    for n, c in [(1, 1), (3, 2), (5, 10), (7, 31), (4, 33), (2, 1000)]:
        scores = (RNG.normal(size=(n, c)) * 5).astype(dtype)
        labels, weights = RNG.integers(0, c, n), RNG.uniform(0.5, 2, n).astype(dtype)
        eps = float(np.finfo(dtype).eps)
        wide = scores.astype(np.float64)
        # x - max is rounded at the size of the range, about 35 here.
        np.testing.assert_allclose(F.softmax(scores), ref.softmax(wide), rtol=48 * eps)
        value, cache = F.softmax_cross_entropy_forward(scores, labels, weights=weights)
        truth, truth_cache = ref.softmax_cross_entropy_forward(wide, labels, weights=weights)
        assert math.isclose(value, truth, rel_tol=16 * eps, abs_tol=4 * eps)
        dscores = F.softmax_cross_entropy_backward(3.0, cache)
        assert dscores.dtype == dtype
        expected = ref.softmax_cross_entropy_backward(3.0, truth_cache)
        np.testing.assert_allclose(dscores, expected, atol=16 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_scores_are_exact(dtype: Any, isa: str) -> None:
    scores = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype)
    value, cache = F.softmax_cross_entropy_forward(scores, np.array([0, 0]))
    assert value == 1e4
    assert F.softmax_cross_entropy_backward(1.0, cache).tolist() == [[0, 0], [-0.5, 0.5]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_small_loss_keeps_its_digits_beside_large_scores(dtype: Any) -> None:
    scores = np.array([[10_000.0, 10_000.0 - 12]], dtype)
    value, _ = F.softmax_cross_entropy_forward(scores, np.array([0]))
    assert math.isclose(value, math.log1p(math.exp(-12)), rel_tol=0.02 if dtype is np.float32 else 1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity_propagate(dtype: Any, isa: str) -> None:
    inf, nan = np.inf, np.nan
    rows = np.zeros((5, 35), dtype)
    rows[0, 3] = rows[1, 34] = nan
    rows[2, 1] = inf
    rows[3] = -inf
    rows[4, 7] = -inf
    y = F.softmax(rows)
    assert np.isnan(y[:4]).all()
    np.testing.assert_allclose(y[4], np.where(np.arange(35) == 7, 0, 1 / 34), rtol=1e-6)
    labels = np.full(5, 7)
    for i in range(4):
        value, cache = F.softmax_cross_entropy_forward(rows[i : i + 1], labels[:1])
        assert math.isnan(value)
        assert np.isnan(F.softmax_cross_entropy_backward(1.0, cache)).all()
    assert F.softmax_cross_entropy_forward(rows[4:], labels[:1])[0] == inf


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "i4", ">i4", "i8", "u8"])
def test_labels_of_every_integer_type(kind: str) -> None:
    scores, labels = RNG.normal(size=(6, 5)), np.array([0, 4, 1, 2, 3, 3])
    expected = F.softmax_cross_entropy_forward(scores, labels)[0]
    assert F.softmax_cross_entropy_forward(scores, labels.astype(kind))[0] == expected
    assert F.softmax_cross_entropy_forward(scores, labels.astype(kind)[::-1][::-1])[0] == expected


@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        ([0, 1, 5], None, "labels: expected integers from 0 to 4, got 5 in row 2"),
        ([0, -1, 2], None, "labels: expected integers from 0 to 4, got -1 in row 1"),
        ([0.0, np.nan, 2.0], None, "labels: expected integers, got dtype float64"),
        ([True, False, True], None, "labels: expected integers, got dtype bool"),
        ([0, 1], None, r"labels: expected shape \(3,\), got \(2,\)"),
        ([[0], [1], [2]], None, r"labels: expected shape \(3,\), got \(3, 1\)"),
        ([0, 1, 2], [1.0, -1.0, 1.0], "weights: expected finite numbers >= 0, got -1 in row 1"),
        ([0, 1, 2], [1.0, 1.0, np.nan], "weights: expected finite numbers >= 0, got nan in row 2"),
        ([0, 1, 2], [np.inf, 1.0, 1.0], "weights: expected finite numbers >= 0, got inf in row 0"),
        ([0, 1, 2], [0.0, 0.0, 0.0], "weights: expected a positive sum, got 0"),
        ([0, 1, 2], [1.0, 1.0], r"weights: expected shape \(3,\), got \(2,\)"),
    ],
)
def test_bad_targets_are_refused(labels: Any, weights: Any, message: str) -> None:
    given = None if weights is None else np.array(weights)
    with pytest.raises(ValueError, match=rf"^\[softmax_cross_entropy_forward\] {message}$"):
        F.softmax_cross_entropy_forward(np.zeros((3, 5)), np.array(labels), weights=given)


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [((0, 5), "at least one"), ((3, 0), "no zero"), ((3,), "shape"), ((3, 2, 2), "shape")],
)
def test_bad_scores_are_refused(shape: tuple[int, ...], complaint: str) -> None:
    labels = np.zeros(shape[0], int)
    pattern = rf"^\[softmax_cross_entropy_forward\] scores: expected .*{complaint}"
    with pytest.raises(ValueError, match=pattern):
        F.softmax_cross_entropy_forward(np.zeros(shape), labels)


def test_a_cache_that_was_written_into_cannot_reach_foreign_memory() -> None:
    labels = np.array([0, 1])
    _, cache = F.softmax_cross_entropy_forward(np.zeros((2, 3)), labels)
    labels[1] = 1 << 40
    with pytest.raises(ValueError, match="labels: expected integers from 0 to 2"):
        F.softmax_cross_entropy_backward(1.0, cache)


def test_softmax_of_no_rows() -> None:
    assert F.softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_no_bit(dtype: Any) -> None:
    scores, labels = RNG.normal(size=(4096, 40)).astype(dtype), RNG.integers(0, 40, 4096)
    results = []
    for n in (1, 2, 3):
        with _runtime.threads(n), _runtime.rendezvous():
            value, cache = F.softmax_cross_entropy_forward(scores, labels)
            dscores = F.softmax_cross_entropy_backward(1.0, cache)
            assert _runtime.last_worker_count() == n
        results.append((value, cache.probs.tobytes(), dscores.tobytes()))
    assert results[0] == results[1] == results[2]


def test_gradient() -> None:
    scores, labels, weights = RNG.normal(size=(4, 5)), np.array([0, 4, 2, 2]), RNG.uniform(0.5, 2, 4)
    _, cache = F.softmax_cross_entropy_forward(scores, labels, weights=weights)

    def value(s: Any) -> float:
        return F.softmax_cross_entropy_forward(s, labels, weights=weights)[0]

    dscores = F.softmax_cross_entropy_backward(1.0, cache)
    assert relative_error(dscores, numerical_gradient(value, scores)) < 1e-8
