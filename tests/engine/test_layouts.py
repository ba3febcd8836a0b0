"""Copies from one memory order to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _runtime
from fastnn.testing.layouts import LAYOUTS

SHAPES = [(2, 3, 5, 7), (3, 2, 4, 9), (1, 32, 16, 16), (5, 17, 3, 3), (2, 5, 1, 40), (4, 1, 6, 6), (70, 33)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_copies_keep_every_element(
    layout: Callable[[Any], Any], shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    x = layout(np.random.default_rng(0).integers(0, 255, shape).astype(dtype))
    rows = _runtime.c_order(x)
    assert rows.flags.c_contiguous
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows, x)
    if x.ndim == 4:
        images = fastnn.channels_last(x)
        assert images.transpose(0, 2, 3, 1).flags.c_contiguous
        assert images.dtype == dtype
        np.testing.assert_array_equal(images, x)
