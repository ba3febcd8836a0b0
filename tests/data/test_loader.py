"""Minibatches depend on seed, epoch and place alone, and the thread that makes them ends with its use."""

from __future__ import annotations

import gc
import os
import threading
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

from fastnn.augment import RandomCrop, RandomHorizontalFlip
from fastnn.data import ArrayDataset, Batch, Loader
from fastnn.preprocess import Scale, Standardise, ZeroCentre

Array = np.ndarray[Any, Any]
AUGMENT = (RandomCrop(2), RandomHorizontalFlip())


def images(count: int = 23, dtype: Any = np.uint8) -> tuple[Array, Array]:
    X = np.random.default_rng(0).integers(0, 256, (count, 3, 6, 5)).astype(dtype)
    return X, np.arange(count)


def assert_same(a: list[Batch], b: list[Batch]) -> None:
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        for x, y in zip(one, other, strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fastnn-loader")]


class OneByOne:
    """A data set that is no pair of arrays."""

    def __init__(self, X: Array, y: Array, fail_at: int = -1) -> None:
        self.X, self.y, self.fail_at = X, y, fail_at

    def __len__(self) -> int:
        return len(self.X)

    def batch(self, indices: Array) -> tuple[Array, Array]:
        if self.fail_at in indices:
            raise RuntimeError("unreadable row")
        return self.X[indices], self.y[indices]


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_every_row_comes_once(prefetch: bool, drop_last: bool) -> None:
    X, y = images()
    loader = Loader((X, y), 5, drop_last=drop_last, prefetch=prefetch)
    batches = list(loader.batches(3))
    assert len(batches) == len(loader) == (4 if drop_last else 5)
    rows = np.concatenate([batch.indices for batch in batches])
    assert len(set(rows.tolist())) == len(rows) == (20 if drop_last else 23)
    for batch in batches:
        np.testing.assert_array_equal(batch.X, X[batch.indices])
        np.testing.assert_array_equal(batch.y, batch.indices)
        assert batch.X.dtype == np.float32
        assert batch.X.transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_order_of_a_seed_is_frozen() -> None:
    loader = Loader(images(10), 4, seed=7)
    assert loader.order(0).tolist() == [8, 4, 1, 6, 3, 2, 7, 5, 9, 0]
    assert loader.order(1).tolist() == [3, 9, 1, 6, 2, 5, 4, 8, 0, 7]
    assert Loader(images(10), 4, seed=-1).order(0).tolist() != loader.order(0).tolist()


def test_without_shuffle_the_order_is_the_data_sets() -> None:
    assert Loader(images(), 5, shuffle=False).order(4).tolist() == list(range(23))


@pytest.mark.parametrize("preprocess", [None, Scale(), ZeroCentre(), Standardise()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prefetch_and_kind_of_data_set_change_nothing(preprocess: Any, dtype: Any) -> None:
    X, y = images()
    preprocess = preprocess and preprocess.fit(X)
    options: Any = {"preprocess": preprocess, "augment": AUGMENT, "dtype": dtype, "seed": 3}
    plain = list(Loader((X, y), 5, prefetch=False, **options).batches(2))
    assert_same(plain, list(Loader((X, y), 5, **options).batches(2)))
    assert_same(plain, list(Loader(OneByOne(X, y), 5, **options).batches(2)))
    channels_last = X.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    assert_same(plain, list(Loader((channels_last, y), 5, **options).batches(2)))


@pytest.mark.parametrize("start", range(6))
def test_resuming_at_any_step(start: int) -> None:
    loader = Loader(images(), 5, augment=AUGMENT, seed=11)
    assert_same(list(loader.batches(1))[start:], list(loader.batches(1, start_step=start)))


def test_augmentation_does_not_depend_on_the_batch_size() -> None:
    whole = next(Loader(images(), 23, augment=AUGMENT).batches(5))
    parts = list(Loader(images(), 4, augment=AUGMENT).batches(5))
    np.testing.assert_array_equal(np.concatenate([part.X for part in parts]), whole.X)
    other = next(Loader(images(), 23, augment=AUGMENT, shuffle=False).batches(6))
    again = next(Loader(images(), 23, augment=AUGMENT, shuffle=False).batches(7))
    assert not np.array_equal(other.X, again.X)


@pytest.mark.parametrize("preprocess", [Scale(), ZeroCentre(), Standardise()])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_fused_preprocessing_has_the_bits_of_transform(preprocess: Any, dtype: Any) -> None:
    X, y = images(dtype=dtype)
    preprocess.fit(X)
    target = np.float64 if dtype == np.float64 else np.float32
    batch = next(Loader((X, y), 23, shuffle=False, preprocess=preprocess, dtype=target).batches())
    np.testing.assert_array_equal(batch.X, preprocess.transform(X))


@pytest.mark.parametrize("shape", [(9, 4), (9, 2, 3), (9, 2, 3, 2, 2)])
def test_examples_of_any_rank(shape: tuple[int, ...]) -> None:
    X = np.random.default_rng(0).random(shape)
    batch = next(Loader((X, np.zeros((9, 2))), 9, shuffle=False, dtype=np.float64).batches())
    np.testing.assert_array_equal(batch.X, X)
    assert next(Loader((X, np.zeros((9, 2))), 9).batches()).y.dtype == np.float32


def test_batches_own_their_memory() -> None:
    loader = Loader(images(), 5)
    batches = list(loader.batches())
    again = [batch.X.copy() for batch in batches]
    batches[0].X[:] = -1
    for batch, copy in zip(batches[1:], again[1:], strict=True):
        np.testing.assert_array_equal(batch.X, copy)
    assert next(loader.batches()).X.min() >= 0


@pytest.mark.parametrize("end", ["break", "close", "interrupt", "exhaust"])
def test_no_thread_is_left(end: str) -> None:
    iterator: Any = Loader(images(), 5).batches()
    next(iterator)
    assert workers()
    if end == "close":
        iterator.close()
    elif end == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            iterator.throw(KeyboardInterrupt)
    elif end == "exhaust":
        list(iterator)
    del iterator
    assert not workers()


def test_nothing_is_held_after_an_early_end() -> None:
    dataset = ArrayDataset(*images())
    reference = weakref.ref(dataset)
    for _ in Loader(dataset, 5).batches():
        break
    del dataset
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("prefetch", [False, True])
def test_an_error_of_the_data_set_arrives_at_its_batch(prefetch: bool) -> None:
    iterator = Loader(OneByOne(*images(), fail_at=12), 5, shuffle=False, prefetch=prefetch).batches()
    assert next(iterator).indices.tolist() == [0, 1, 2, 3, 4]
    assert next(iterator).indices.tolist() == [5, 6, 7, 8, 9]
    with pytest.raises(RuntimeError, match="unreadable row"):
        next(iterator)
    del iterator
    assert not workers()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on_by_itself() -> None:
    loader = Loader(images(), 5, augment=AUGMENT)
    expected = list(loader.batches())
    iterator = loader.batches()
    next(iterator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            assert_same(list(iterator), expected[1:])
            assert_same(list(loader.batches()), expected)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert_same(list(iterator), expected[1:])


def test_iterators_are_independent() -> None:
    loader = Loader(images(), 5)
    for a, b in zip(loader.batches(), loader.batches(), strict=True):
        np.testing.assert_array_equal(a.X, b.X)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -1}, "batch_size"),
        ({"batch_size": 2.0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"batch_size": 24, "drop_last": True}, "batch_size"),
        ({"dtype": np.float16}, "dtype"),
        ({"dtype": np.int64}, "dtype"),
        ({"dataset": (np.zeros((0, 2)), np.zeros(0))}, "dataset"),
        ({"dataset": (np.zeros((3, 2)), np.zeros(2))}, "y: expected 3 rows"),
        ({"dataset": (np.zeros((3, 2), int), np.zeros(3))}, "X: expected uint8"),
        ({"dataset": (np.zeros((3, 2)), np.array(list("abc")))}, "y: expected integer labels"),
    ],
)
def test_bad_arguments(options: dict[str, Any], text: str) -> None:
    arguments = {"dataset": images(), "batch_size": 5, **options}
    with pytest.raises(ValueError, match=text) as error:
        Loader(**arguments)
    assert "\n" not in str(error.value)


def test_bad_calls() -> None:
    loader = Loader(images(), 5)
    for arguments in ({"start_step": 6}, {"start_step": -1}, {"epoch": -1}):
        with pytest.raises(ValueError, match="expected"):
            loader.batches(**arguments)
    with pytest.raises(ValueError, match="augment: expected images"):
        next(Loader((np.zeros((3, 2)), np.zeros(3)), 2, augment=AUGMENT).batches())
    with pytest.raises(ValueError, match="expected a call of fit"):
        next(Loader(images(), 2, preprocess=Standardise()).batches())
    with pytest.raises(ValueError, match="shifts within the image"):
        list(Loader(images(), 2, augment=[RandomCrop(20)]).batches())
