"""Padding and upsampling: what the table of operations does not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn import channels_last, threads
from fastnn import functional as F

RNG = np.random.default_rng(0)
PAIRS: list[tuple[Any, Any, dict[str, Any]]] = [
    (F.pad2d_forward, F.pad2d_backward, {"padding": (2, 1, 0, 3)}),
    (F.pad2d_forward, F.pad2d_backward, {"padding": (2, 1, 0, 3), "mode": "reflect"}),
    (F.upsample2d_forward, F.upsample2d_backward, {"scale_factor": (2, 3)}),
]


@pytest.mark.parametrize(("forward", "backward", "settings"), PAIRS)
def test_some_channels_of_wider_images(forward: Any, backward: Any, settings: dict[str, Any]) -> None:
    """Their pixels do not lie together, so that rows cannot be moved in one piece."""
    wide = channels_last(RNG.normal(size=(2, 9, 4, 5)))
    y, cache = forward(wide[:, 2:7], **settings)
    expected, expected_cache = forward(wide[:, 2:7].copy(), **settings)
    np.testing.assert_array_equal(y, expected)
    dy = channels_last(RNG.normal(size=(2, 9, *y.shape[2:])))[:, 1:6]
    np.testing.assert_array_equal(backward(dy, cache), backward(dy.copy(), expected_cache))


@pytest.mark.parametrize(("forward", "backward", "settings"), PAIRS)
def test_backward_is_the_transpose(forward: Any, backward: Any, settings: dict[str, Any]) -> None:
    x = RNG.normal(size=(2, 3, 4, 5))
    y, cache = forward(x, **settings)
    dy = RNG.normal(size=y.shape)
    np.testing.assert_allclose((y * dy).sum(), (x * backward(dy, cache)).sum(), rtol=1e-12)


def test_zeros_keep_their_sign() -> None:
    x = np.array([[[[-0.0, 0.0]]]])
    for y in (F.pad2d_forward(x, 1)[0][:, :, 1:2, 1:3], F.upsample2d_forward(x, (2, 1))[0]):
        np.testing.assert_array_equal(np.signbit(y), np.broadcast_to(np.signbit(x), y.shape))


def test_large_margins_take_all_threads_and_change_nothing() -> None:
    x = RNG.normal(size=(2, 3, 40, 50)).astype(np.float32)
    with threads(1):
        alone, cache = F.pad2d_forward(x, 300)
        dx = F.pad2d_backward(alone, cache)
    with threads(3):
        np.testing.assert_array_equal(F.pad2d_forward(x, 300)[0], alone)
        np.testing.assert_array_equal(F.pad2d_backward(alone, cache), dx)
    np.testing.assert_array_equal(dx, x)
    assert np.count_nonzero(alone) == np.count_nonzero(x)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda x: F.pad2d_forward(x, (0, 5, 0, 0), mode="reflect"),
            "[pad2d_forward] padding: expected integers from 0 to 4 left and right, 3 top and bottom, "
            "got (0, 5, 0, 0)",
        ),
        (
            lambda x: F.pad2d_forward(x, 1, mode="edge"),  # type: ignore[arg-type]
            '[pad2d_forward] mode: expected "zeros" or "reflect", got \'edge\'',
        ),
        (
            lambda x: F.pad2d_forward(x, 1 << 30),
            "[pad2d_forward] padding: expected integers from 0 to 16777216 left and right, 16777216 top and "
            "bottom, got (1073741824, 1073741824, 1073741824, 1073741824)",
        ),
        (
            lambda x: F.upsample2d_forward(x, (2, 0)),
            "[upsample2d_forward] scale_factor: expected integers >= 1 that make at most 2^24 rows and "
            "columns, got (2, 0)",
        ),
    ],
)
def test_refusals_are_one_line(call: Any, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        call(np.ones((1, 2, 4, 5), np.float32))
    assert str(caught.value) == line
