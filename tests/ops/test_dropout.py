"""Dropout: the mask bit for bit, in any memory order, batch split, instruction set and number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn import _runtime, channels_last, reference, threads
from fastnn import functional as F
from fastnn.keys import Key

KEY = Key.from_seed(3, step=5).at(2**40 + 7)
SHAPES = [
    (9,),
    (3, 1),
    (2, 9),
    (3, 300),
    (2, 2055),
    (2, 5, 6, 7),
    (2, 3, 50, 41),
    (2, 3, 7),
    (0, 4),
    (1, 4500),
]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_reference(shape: Any, dtype: Any, isa: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=shape).astype(dtype)
    with _runtime.isa_override(isa):
        for drop_prob, inverted in ((0.5, True), (0.3, False), (0.0, True), (1 - 1e-9, True)):
            y, cache = F.dropout_forward(x, drop_prob, key=KEY, inverted=inverted)
            expected, _ = reference.dropout_forward(x, drop_prob, key=KEY, inverted=inverted)
            np.testing.assert_array_equal(y, expected)
            np.testing.assert_array_equal(F.dropout_backward(x, cache), expected)


def test_layouts_and_batch_splits(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 6, 8, 9)).astype(np.float32)
    y, _ = F.dropout_forward(x, key=KEY)
    assert y.flags.c_contiguous
    for view in (channels_last(x), np.asfortranarray(x), x[::-1].copy()[::-1]):
        again, _ = F.dropout_forward(view, key=KEY)
        np.testing.assert_array_equal(again, y)
        assert again.strides == channels_last(again).strides
    halves = [F.dropout_forward(x[i : i + 2], key=KEY.at(KEY.example + i))[0] for i in (0, 2)]
    np.testing.assert_array_equal(np.concatenate(halves), y)


def test_share_of_zeros() -> None:
    y, _ = F.dropout_forward(np.ones((64, 4096), np.float32), 0.3, key=Key(1))
    assert abs((y == 0).mean() - 0.3) < 0.004  # four standard deviations
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}


def test_same_bits_for_any_number_of_threads(rng: np.random.Generator) -> None:
    x = rng.normal(size=(64, 4096)).astype(np.float32)
    results = []
    for n in (1, 2, 3):
        with threads(n), _runtime.rendezvous():
            results.append(F.dropout_forward(x, key=KEY)[0].tobytes())
            assert _runtime.last_worker_count() == n
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("drop_prob", [1.0, -0.1, np.nan, "0.5"])
def test_bad_chances_are_refused(drop_prob: Any) -> None:
    with pytest.raises(ValueError, match=r"^\[dropout_forward\] drop_prob: expected "):
        F.dropout_forward(np.ones((2, 2)), drop_prob, key=KEY)
