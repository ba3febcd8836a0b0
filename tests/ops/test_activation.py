"""ReLU: values that comparisons get wrong, memory layouts, instruction sets, threads."""

from __future__ import annotations

import numpy as np
import pytest

from fastnn import _runtime, channels_last, reference, threads
from fastnn import functional as F


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("isa", _runtime.available_isas())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_and_tails(isa: str, dtype: type) -> None:
    special = np.array([np.nan, -np.inf, np.inf, -0.0, 0.0, -1.0, 1.0, 1e-40], dtype)
    with _runtime.isa_override(isa):
        for n in range(1, 36):
            x = np.resize(special, n)
            y, cache = F.relu_forward(x)
            np.testing.assert_array_equal(y, np.maximum(x, 0))
            dy = np.arange(1, n + 1, dtype=dtype)
            np.testing.assert_array_equal(F.relu_backward(dy, cache), np.where(x > 0, dy, 0))


@pytest.mark.parametrize("layout", ["c", "channels_last", "reversed", "broadcast", "transposed"])
def test_layouts(layout: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 5, 6, 7)).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)
    x = {
        "c": x,
        "channels_last": channels_last(x),
        "reversed": x[::-1, ::-1, :, ::-2],
        "broadcast": np.broadcast_to(x[:1], x.shape),
        "transposed": x.transpose(3, 2, 1, 0),
    }[layout]
    dy = np.resize(dy, x.shape)
    y, cache = F.relu_forward(x)
    expected, reference_cache = reference.relu_forward(x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(F.relu_backward(dy, cache), reference.relu_backward(dy, reference_cache))
    assert y.strides == (x if layout == "c" else channels_last(y)).strides


def test_same_bits_for_any_number_of_threads(rng: np.random.Generator) -> None:
    x = rng.normal(size=(8, 16, 32, 32)).astype(np.float32)
    results = []
    for n in (1, 2, 3):
        with threads(n), _runtime.rendezvous():
            y, cache = F.relu_forward(x)
            dx = F.relu_backward(y, cache)
            assert _runtime.last_worker_count() == n
        results.append(y.tobytes() + dx.tobytes())
    assert results[0] == results[1] == results[2]


def test_gradient_of_another_shape_is_refused() -> None:
    _, cache = F.relu_forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^\[relu_backward\] dy: expected shape \(2, 3\), got \(3, 2\)$"):
        F.relu_backward(np.ones((3, 2)), cache)
