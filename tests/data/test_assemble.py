"""The one pass of the loader has the bits of the same expression in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn._batch import assemble

Array = np.ndarray[Any, Any]
N, H, W, C = 7, 5, 6, 3
LAYOUTS = {
    "channels last": lambda x: x,
    "planes": lambda x: x.transpose(0, 3, 1, 2).copy().transpose(0, 2, 3, 1),
    "mirrored": lambda x: x[:, :, ::-1].copy()[:, :, ::-1],
    "upside down": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "every other": lambda x: np.repeat(x, 2, axis=3)[..., ::2],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "unaligned": lambda x: unaligned(x),
}


def unaligned(x: Array) -> Array:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def expected(x: Array, rows: Array, mean: Array, std: Array, moves: Array) -> Array:
    values = (x.astype(mean.dtype) - mean) / std
    h, w = x.shape[1:3]
    padded = np.pad(values, ((0, 0), (h, h), (w, w), (0, 0)))
    result = []
    for row, (dy, dx, mirrored) in zip(rows, moves, strict=True):
        window = padded[row, h + dy : 2 * h + dy, w + dx : 2 * w + dx]
        result.append(window[:, ::-1] if mirrored else window)
    return np.array(result).reshape(len(rows), *x.shape[1:])


def inputs(dtype: Any, target: Any, shape: tuple[int, ...] = (N, H, W, C)) -> list[Array]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, shape).astype(dtype)
    if x.dtype.kind == "f":
        x += rng.random(shape).astype(dtype)
    mean, std = rng.random((2, *shape[1:])).astype(target)
    return [x, rng.integers(0, len(x), 40), mean, std + target(0.5)]


@pytest.mark.parametrize("target", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bits(layout: str, dtype: Any, target: Any) -> None:
    x, rows, mean, std = inputs(dtype, target)
    x = LAYOUTS[layout](x)
    x.flags.writeable = False
    rng = np.random.default_rng(1)
    moves = np.stack(
        [rng.integers(-s, s + 1, len(rows)) for s in (H, W)] + [np.arange(len(rows)) % 2], axis=1
    )
    out = np.full((len(rows), H, W, C), np.nan, target)
    assemble(x, rows, mean, std, moves, out)
    np.testing.assert_array_equal(out, expected(x, rows, mean, std, moves))


@pytest.mark.parametrize(
    "shape", [(4, 1, 1, 1), (4, 1, 1, 37), (4, 1, 9, 1), (4, 9, 1, 1), (4, 3, 3, 1), (4, 1, 2, 33)]
)
def test_small_and_odd_shapes(shape: tuple[int, ...]) -> None:
    x, rows, mean, std = inputs(np.uint8, np.float32, shape)
    moves = np.zeros((len(rows), 3), np.int64)
    moves[:, 2] = np.arange(len(rows)) % 2
    out = np.full((len(rows), *shape[1:]), np.nan, np.float32)
    assemble(x, rows, mean, std, moves, out)
    np.testing.assert_array_equal(out, expected(x, rows, mean, std, moves))


def test_every_shift() -> None:
    x, _, mean, std = inputs(np.uint8, np.float32)
    shifts = [(dy, dx, m) for dy in range(-H, H + 1) for dx in range(-W, W + 1) for m in (0, 1)]
    moves = np.array(shifts)
    rows = np.arange(len(moves)) % N
    out = np.full((len(rows), H, W, C), np.nan, np.float32)
    assemble(x, rows, mean, std, moves, out)
    np.testing.assert_array_equal(out, expected(x, rows, mean, std, moves))


def test_no_rows() -> None:
    x, _, mean, std = inputs(np.uint8, np.float32)
    assemble(
        x, np.zeros(0, np.int64), mean, std, np.zeros((0, 3), np.int64), np.empty((0, H, W, C), np.float32)
    )


def test_nothing_round_the_output_is_touched() -> None:
    x, rows, mean, std = inputs(np.uint8, np.float32)
    memory = np.full((len(rows) + 2, H, W, C), 7, np.float32)
    moves = np.tile([H, -W, 0], (len(rows), 1))
    moves[::3] = 1
    assemble(x, rows, mean, std, moves, memory[1:-1])
    assert (memory[[0, -1]] == 7).all()


def test_nan_and_infinity_go_through() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32).reshape(1, 1, 4, 1)
    out = np.empty_like(x)
    zeros, ones = np.zeros((1, 4, 1), np.float32), np.ones((1, 4, 1), np.float32)
    assemble(x, np.zeros(1, np.int64), zeros, ones, np.zeros((1, 3), np.int64), out)
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize(
    ("name", "change", "error"),
    [
        ("rows", lambda a: np.full_like(a, N), IndexError),
        ("rows", lambda a: np.full_like(a, -1), IndexError),
        ("rows", lambda a: a.astype(np.int32), ValueError),
        ("rows", lambda a: a[:-1], ValueError),
        ("x", lambda a: a[..., 0], TypeError),
        ("x", lambda a: a.astype(np.int16), TypeError),
        ("x", lambda a: a[:, :0], ValueError),
        ("mean", lambda a: a[:-1], ValueError),
        ("mean", lambda a: a.astype(np.float64), ValueError),
        ("std", lambda a: a[:, :-1], ValueError),
        ("moves", lambda a: a[:, :2], ValueError),
        ("moves", lambda a: a[:-1], ValueError),
        ("moves", lambda a: np.full_like(a, 2**62), ValueError),
        ("moves", lambda a: np.full_like(a, -H - 1), ValueError),
        ("out", lambda a: a[:-1], ValueError),
        ("out", lambda a: a[:, :-1], ValueError),
        ("out", lambda a: a[..., ::-1], ValueError),
    ],
)
def test_what_does_not_fit_is_refused(name: str, change: Any, error: type[Exception]) -> None:
    x, rows, mean, std = inputs(np.uint8, np.float32)
    arguments = {"x": x, "rows": rows, "mean": mean, "std": std}
    arguments |= {
        "moves": np.zeros((len(rows), 3), np.int64),
        "out": np.zeros((len(rows), H, W, C), np.float32),
    }
    arguments[name] = change(arguments[name])
    with pytest.raises(error):
        assemble(**arguments)
