"""Mixup, cutout, jitter, colours (T72, T73, T82, T83): what they do depends on key and place alone."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.augment import (
    ColourOffset,
    Cutout,
    Jitter,
    Mixup,
    RandomCrop,
    RandomHorizontalFlip,
    cutout,
    jitter,
    mixup,
)
from fastnn.callbacks import Callback
from fastnn.data import Loader
from fastnn.keys import Key
from fastnn.model import Model
from fastnn.solver import Solver

Array = np.ndarray[Any, Any]
KEY = Key.from_seed(3)


def images(count: int = 23, dtype: Any = np.float32) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    memory = rng.random((count, 6, 5, 3)).astype(dtype) + dtype(1)
    return memory.transpose(0, 3, 1, 2), rng.integers(0, 4, count)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 50])
def test_t73_cutout_blanks_one_square_and_nothing_else(size: int) -> None:
    X, _ = images(400)
    before = X.copy()
    out = cutout(X, size, KEY)
    np.testing.assert_array_equal(X, before)
    assert out.strides == X.strides
    blank = (out == 0).all(axis=1)
    np.testing.assert_array_equal(out, np.where(blank[:, None], 0, X))
    for square in blank:
        rows, columns = np.flatnonzero(square.any(axis=1)), np.flatnonzero(square.any(axis=0))
        assert square[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        for extent, places in ((6, rows), (5, columns)):
            inside = places[0] > 0 and places[-1] < extent - 1
            assert len(places) == size if inside else 1 <= len(places) <= size


def test_t73_any_pixel_is_the_centre_equally_often() -> None:
    blank = cutout(np.ones((30000, 1, 6, 5)), 1, KEY)[:, 0] == 0
    counts = blank.sum(axis=0)
    assert counts.sum() == 30000
    # 30 cells of 1000 expected: chi-square with 29 degrees of freedom exceeds 58.3 once in a thousand seeds.
    assert ((counts - 1000) ** 2 / 1000).sum() < 58.3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_t72_mixup_mixes_inputs_and_targets_alike(dtype: Any) -> None:
    X, y = images(200, dtype)
    before = X.copy()
    mixed, targets = mixup(X, y, 0.7, KEY, classes=4)
    np.testing.assert_array_equal(X, before)
    assert mixed.dtype == targets.dtype == dtype
    assert mixed.strides == X.strides
    assert targets.shape == (200, 4)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    # Numbered as regression targets, examples tell their partner; as one more input, their share.
    numbers = np.arange(200.0)
    shares = mixup(X, np.eye(200), 0.7, KEY)[1]
    partners = (shares - np.diag(shares.diagonal())).argmax(axis=1)
    own = shares.diagonal()
    assert len(set(partners[own < 0.999])) == (own < 0.999).sum()
    other = (1 - own)[:, None, None, None].astype(dtype)
    np.testing.assert_allclose(mixed, (1 - other) * X + other * X[partners], rtol=2e-6)
    expected = own * numbers + (1 - own) * partners
    np.testing.assert_allclose(mixup(X, numbers, 0.7, KEY)[1], expected, rtol=1e-9)
    expected = own[:, None] * np.eye(4)[y] + (1 - own)[:, None] * np.eye(4)[y[partners]]
    np.testing.assert_allclose(targets, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_t72_shares_follow_the_beta_distribution(alpha: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    count = 4000
    X = np.zeros((count, 1))
    X[::2] = 1  # in a pair of unlike examples the mixed input is the share of the one, or 1 - share
    mixed = mixup(X, X, alpha, KEY)[0][:, 0]
    shares = np.where(X[:, 0] == 1, mixed, 1 - mixed)
    shares = shares[shares < 1]  # of alike ones it is 1
    assert 1500 < len(shares) <= 2200
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_t82_jitter_changes_brightness_and_contrast_within_bounds() -> None:
    X, _ = images(2000, np.float64)
    before = X.copy()
    out = jitter(X, 0.3, 0.4, KEY)
    np.testing.assert_array_equal(X, before)
    assert out.strides == X.strides
    shift = out.mean(axis=(1, 2, 3)) - X.mean(axis=(1, 2, 3))
    factor = out.std(axis=(1, 2, 3)) / X.std(axis=(1, 2, 3))
    for values, middle, width in ((shift, 0, 0.3), (factor, 1, 0.4)):
        assert np.abs(values - middle).max() <= width + 1e-9
        # A uniform number deviates by width / sqrt(3), and its mean over 2000 by that over sqrt(2000).
        assert abs(values.mean() - middle) < 4 * width / np.sqrt(3 * 2000)
        assert values.std() == pytest.approx(width / np.sqrt(3), rel=0.05)
    assert abs(np.corrcoef(shift, factor)[0, 1]) < 0.1
    mean = X.mean(axis=(1, 2, 3))
    expected = [m + c * (x - m) + b for x, m, c, b in zip(X, mean, factor, shift, strict=True)]
    np.testing.assert_allclose(out, expected, rtol=1e-9)
    np.testing.assert_allclose(jitter(X, 0, 0, KEY), X, rtol=1e-12)


def test_t83_colour_offsets_vary_as_the_pixels_do() -> None:
    rng = np.random.default_rng(0)
    mixing = np.array([[1.0, 0.5, 0.2], [0.8, -0.3, 0.1], [0.9, 0.1, -0.4]])
    train = np.einsum("ck,nkhw->nchw", mixing, rng.normal(size=(200, 3, 6, 5)))
    X = np.zeros((20000, 3, 1, 1))
    out, y = ColourOffset(0.1).fit(train)(X, np.arange(20000), KEY)
    np.testing.assert_array_equal(y, np.arange(20000))
    pixels = np.cov(train.transpose(1, 0, 2, 3).reshape(3, -1))
    np.testing.assert_allclose(np.cov(out[:, :, 0, 0].T), 0.01 * pixels, atol=0.01 * 0.04 * pixels.max())
    assert np.abs(out.mean(axis=0)).max() < 0.005
    wide, _ = ColourOffset(0.1).fit(train)(*images(5), KEY)
    np.testing.assert_allclose(wide - images(5)[0], np.broadcast_to(out[:5], wide.shape), atol=1e-6)
    assert wide.dtype == np.float32


def test_a_place_decides_not_the_split() -> None:
    X, y = images()
    for change in (Cutout(3), Jitter(), ColourOffset().fit(X)):
        whole = change(X, y, KEY)[0]
        parts = [
            change(X[start : start + 4], y[start : start + 4], KEY.at(start))[0] for start in range(0, 23, 4)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
        assert not np.array_equal(change(X, y, Key.from_seed(4))[0], whole)
    assert not np.array_equal(
        mixup(X, y, 1.0, Key.from_seed(4), classes=4)[0], mixup(X, y, 1.0, KEY, classes=4)[0]
    )


def test_the_random_numbers_are_frozen() -> None:
    """They do not change with NumPy's version, nor may they with ours: runs are resumed from files."""
    blank = cutout(np.ones((3, 1, 4, 5)), 2, Key.from_seed(0, 7))[:, 0] == 0
    assert [np.argwhere(square)[0].tolist() for square in blank] == [[1, 0], [2, 2], [0, 1]]
    shares = mixup(np.eye(5), np.eye(5), 1.0, Key.from_seed(0, 7))[1]
    expected = np.eye(5)
    expected[2, 2:], expected[4, 2:] = (0.290408, 0, 0.709592), (0.980942, 0, 0.019058)
    np.testing.assert_allclose(shares, expected, atol=1e-6)


AUGMENT = [RandomCrop(1), Cutout(3), RandomHorizontalFlip(), Mixup(0.5, classes=4), Cutout(2)]


@pytest.mark.parametrize("prefetch", [False, True])
def test_the_loader_applies_changes_in_order_after_moves(prefetch: bool) -> None:
    X, y = images()
    moved = Loader((X, y), 8, seed=5, augment=[AUGMENT[0], AUGMENT[2]])
    changed = Loader((X, y), 8, seed=5, augment=AUGMENT, prefetch=prefetch)
    key = Key.from_seed(5, 2).fold("augment")
    for start, before, after in zip((0, 8, 16), moved.batches(2), changed.batches(2), strict=True):
        inputs, targets = before.X, before.y
        for number in (1, 3, 4):
            inputs, targets = AUGMENT[number](inputs, targets, key.fold(number).at(start))  # type: ignore[operator]
        np.testing.assert_array_equal(after.X, inputs)
        np.testing.assert_array_equal(after.y, targets)
        np.testing.assert_array_equal(after.indices, before.indices)
        assert after.X.dtype == after.y.dtype == np.float32
    for start in range(4):
        again = Loader((X, y), 8, seed=5, augment=AUGMENT).batches(2, start)
        for one, other in zip(list(changed.batches(2))[start:], again, strict=True):
            np.testing.assert_array_equal(one.X, other.X)
            np.testing.assert_array_equal(one.y, other.y)


def test_cutout_in_the_loader_does_not_depend_on_the_batch_size() -> None:
    whole = next(Loader(images(), 23, augment=[RandomCrop(1), Cutout(3)]).batches(5))
    parts = list(Loader(images(), 4, augment=[RandomCrop(1), Cutout(3)]).batches(5))
    np.testing.assert_array_equal(np.concatenate([part.X for part in parts]), whole.X)


def test_any_callable_is_a_change() -> None:
    def halve(X: Array, y: Array, key: Key) -> tuple[Array, Array]:
        return X / 2, y

    X, y = images()
    batch = next(Loader((X, y), 23, shuffle=False, augment=[halve]).batches())
    np.testing.assert_array_equal(batch.X, X / 2)


class Interrupt(Callback):
    def on_step_end(self, run: Any) -> None:
        if run.step == 7:
            signal.raise_signal(signal.SIGINT)


def solver(folder: Path | None, *callbacks: Callback, threads: int = 1, accumulate: int = 1) -> Solver:
    model = Model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)), seed=1)
    options: dict[str, Any] = {} if folder is None else {"checkpoint_dir": folder, "resume": True}
    return Solver(
        model, images(40), validation_data=images(20), epochs=3, batch_size=8 // accumulate,
        accumulate=accumulate, augment=AUGMENT, callbacks=callbacks or [Callback()], **options,
    )  # fmt: skip


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    straight = solver(None)
    history = straight.train()
    with pytest.raises(KeyboardInterrupt):
        solver(tmp_path, Interrupt()).train()
    resumed = solver(tmp_path)
    assert resumed.train().step_loss.tolist() == history.step_loss.tolist()
    assert resumed.model.params.flat.tobytes() == straight.model.params.flat.tobytes()
    with fastnn.threads(2):
        threaded = solver(None)
        assert threaded.train().step_loss.tolist() == history.step_loss.tolist()


def test_an_update_in_pieces_mixes_the_whole() -> None:
    one, two = solver(None).train(), solver(None, accumulate=2).train()
    np.testing.assert_allclose(one.step_loss, two.step_loss, rtol=1e-4)


def test_the_metrics_are_of_examples_as_they_are() -> None:
    run = solver(None)
    history = run.train()
    X, y = images(40)
    last = len(history.epochs) - 1
    if np.argmax(history.val_accuracy) == last:
        assert history.train_accuracy[-1] == np.mean(run.model.predict(X) == y)
    assert set(np.round(history.train_accuracy * 40, 9) % 1) == {0.0}
    assert history.train_loss[-1] > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Cutout(0), r"\[Cutout\] size: expected an integer >= 1, got 0"),
        (
            lambda: cutout(np.zeros((2, 3)), 2, KEY),
            r"\[cutout\] X: expected images \(n, C, H, W\), got shape",
        ),
        (lambda: cutout(np.zeros((2, 1, 4, 4)), 1.5, KEY), r"\[cutout\] size"),
        (lambda: Jitter(-1), r"\[Jitter\] brightness: expected a finite number >= 0, got -1"),
        (lambda: Jitter(0, 2), r"\[Jitter\] contrast"),
        (lambda: jitter(np.zeros((2, 3)), 0, 0, KEY), r"\[jitter\] X: expected floats of shape"),
        (lambda: ColourOffset(-1), r"\[ColourOffset\] std"),
        (lambda: ColourOffset()(*images(), KEY), r"\[ColourOffset\] expected a call of fit"),
        (
            lambda: ColourOffset().fit(np.zeros((2, 5, 4, 4))),
            r"\[ColourOffset\] X: expected images of 1 to 4",
        ),
        (
            lambda: ColourOffset().fit(images()[0])(np.zeros((2, 1, 4, 4)), np.zeros(2), KEY),
            r"\[ColourOffset\] X: expected 3 channels, got 1",
        ),
        (lambda: Mixup(0), r"\[Mixup\] alpha: expected a finite number > 0, got 0"),
        (lambda: Mixup(1, classes=0), r"\[Mixup\] classes"),
        (lambda: mixup(np.eye(2), np.arange(2), float("nan"), KEY), r"\[mixup\] alpha"),
        (lambda: mixup(np.eye(2), np.arange(2), 1, KEY), r"\[mixup\] classes: expected their number"),
        (
            lambda: mixup(np.eye(2), np.arange(2), 1, KEY, classes=1),
            r"\[mixup\] y: expected labels \(n,\) in 0 to 0",
        ),
        (lambda: mixup(np.eye(2), np.eye(2, dtype=int), 1, KEY, classes=2), r"\[mixup\] y: expected labels"),
        (lambda: mixup(np.eye(2), np.arange(3), 1, KEY, classes=3), r"\[mixup\] y: expected 2 targets"),
        (
            lambda: mixup(np.eye(2, dtype=int), np.arange(2), 1, KEY, classes=3),
            r"\[mixup\] X: expected floats",
        ),
        (
            lambda: Solver(
                Model(nn.Linear(2, 2)),
                (np.eye(2), np.arange(2)),
                augment=[Mixup(1, 2)],
                sample_weights=[1, 1],
            ),
            r"\[Solver\] sample_weights: expected None beside Mixup",
        ),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
