"""Minibatches: in an order that the seed decides, one ahead of the consumer, each made in a single pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

import fastnn
from fastnn._batch import assemble
from fastnn.data.container import Array, ArrayDataset, Dataset
from fastnn.keys import Key

__all__ = ["Batch", "Loader"]

_ORDER, _AUGMENT = 0, 1  # streams of random words of one epoch
_MASK64 = (1 << 64) - 1
T = TypeVar("T")


class Batch(NamedTuple):
    """A minibatch: X (n, ...) in the loader's dtype, y (n, ...), the rows' numbers in the data set (n,)."""

    X: Array
    y: Array
    indices: Array


class Loader:
    """Cut a data set into minibatches.

    Which row stands at which place of an epoch, and how it is augmented, depends on (seed, epoch, place)
    and on nothing else: not on the batch size, on where a run was resumed, on threads, or on NumPy's version.
    Mixup's partners alone depend on the batch size, as they come from the same batch. Rows are gathered,
    converted, preprocessed and moved in one pass into channels-last memory, on another thread while the last
    batch is being used.

    Args:
        dataset: a ``Dataset``, or a pair ``(X, y)`` of arrays.
        batch_size: rows in a batch; the last one of an epoch may have fewer.
        shuffle: draw a new order for each epoch; else the data set's.
        drop_last: leave out a last batch of fewer rows.
        seed: any integer.
        preprocess: a fitted ``fastnn.preprocess`` step; None converts only.
        augment: ``fastnn.augment`` steps, applied after preprocessing (before ``PCA`` takes centred images
            apart): first those that move images (N, C, H, W), then the others, in the order given.
        dtype: float32 or float64, of X and of float targets.
        prefetch: make the next batch while this one is in use.

    Raises:
        ValueError: an argument out of range, an empty data set, augmentation of what are no images.

    Example:
        >>> loader = Loader((np.eye(4), np.arange(4)), batch_size=3, shuffle=False)
        >>> [batch.y.tolist() for batch in loader.batches()]
        [[0, 1, 2], [3]]
        >>> [batch.y.tolist() for batch in loader.batches(start_step=1)]
        [[3]]
    """

    def __init__(
        self,
        dataset: Dataset | tuple[Array, Array],
        batch_size: int,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
        seed: int = 0,
        preprocess: fastnn.preprocess.Affine | None = None,
        augment: Sequence[fastnn.augment.Augmentation] = (),
        dtype: np.typing.DTypeLike = np.float32,
        prefetch: bool = True,
    ) -> None:
        self.dataset: Dataset = ArrayDataset(*dataset) if isinstance(dataset, tuple) else dataset
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"[Loader] batch_size: expected an integer of at least 1, got {batch_size!r}")
        if len(self.dataset) == 0:
            raise ValueError("[Loader] dataset: expected examples, got none")
        if drop_last and len(self.dataset) < batch_size:
            raise ValueError(
                f"[Loader] batch_size: expected at most the {len(self.dataset)} examples with drop_last, "
                f"got {batch_size}"
            )
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"[Loader] dtype: expected float32 or float64, got {np.dtype(dtype)}")
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = int(seed)
        self.preprocess = preprocess
        self.augment = tuple(augment)
        self.dtype = np.dtype(dtype)
        self.prefetch = prefetch

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def order(self, epoch: int) -> Array:
        """Return the rows' numbers (N,) int64 in the order of an epoch."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        # Sorting random words, not Generator.permutation, whose stream may change from one NumPy to the next.
        return np.argsort(self._words(epoch, _ORDER, 0, len(self.dataset)), kind="stable")

    def batches(self, epoch: int = 0, start_step: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch from number ``start_step`` on.

        The iterator may be left at any time; the thread behind it ends with it.

        Raises:
            ValueError: no such epoch or step, or the data set returns another number of rows than asked for.
        """
        if not 0 <= start_step <= len(self):
            raise ValueError(f"[Loader] start_step: expected 0 to {len(self)}, got {start_step}")
        if epoch < 0:
            raise ValueError(f"[Loader] epoch: expected at least 0, got {epoch}")
        order = self.order(epoch)

        def make(step: int) -> Batch:
            return self._make(epoch, step * self.batch_size, order)

        steps = range(start_step, len(self))
        return _ahead(make, steps) if self.prefetch else map(make, steps)

    def _make(self, epoch: int, start: int, order: Array) -> Batch:
        indices = order[start : start + self.batch_size]
        if isinstance(self.dataset, ArrayDataset):
            X, rows, y = self.dataset.X, indices, self.dataset.y[indices]
        else:
            X, y = self.dataset.batch(indices)
            rows = np.arange(len(indices))
            if len(X) != len(indices) or len(y) != len(indices):
                raise ValueError(f"[Loader] dataset: expected {len(indices)} rows, got {len(X)} and {len(y)}")
        moves = self._moves(epoch, start, len(indices), X.shape)
        if y.dtype.kind == "f":
            y = y.astype(self.dtype, copy=False)
        X = _make_inputs(X, rows, self.preprocess, moves, self.dtype)
        for number, step in enumerate(self.augment):
            if not hasattr(step, "draw"):
                X, y = step(X, y, Key.from_seed(self.seed, epoch).fold("augment").fold(number).at(start))
        return Batch(X, y, indices)

    def _moves(self, epoch: int, start: int, count: int, shape: tuple[int, ...]) -> Array:
        moves = [cast("fastnn.augment.Move", step) for step in self.augment if hasattr(step, "draw")]
        if not moves:
            return np.zeros((count, 3), np.int64)
        if len(shape) != 4:
            raise ValueError(f"[Loader] augment: expected images (N, C, H, W), got examples of {shape[1:]}")
        from fastnn.augment import WORDS, draw_moves

        words = self._words(epoch, _AUGMENT, start, WORDS * count)
        return draw_moves(moves, words.reshape(count, WORDS))

    def _words(self, epoch: int, stream: int, block: int, count: int) -> Array:
        """Return random words; a block of four stands at each position of a stream."""
        key = np.array([self.seed & _MASK64, epoch], np.uint64)
        counter = np.array([block, 0, 0, stream], np.uint64)
        words: Array = np.random.Philox(key=key, counter=counter).random_raw(count)
        return words


def _make_inputs(
    X: Array, rows: Array, preprocess: fastnn.preprocess.Affine | None, moves: Array, dtype: np.dtype[Any]
) -> Array:
    """Return the rows of X, preprocessed and moved; images in channels-last memory."""
    shape = X.shape[1:]
    mean, std = (
        preprocess.tables(shape, dtype) if preprocess else (np.zeros(shape, dtype), np.ones(shape, dtype))
    )
    if X.ndim == 4:
        source, mean, std = X.transpose(0, 2, 3, 1), mean.transpose(1, 2, 0), std.transpose(1, 2, 0)
    else:
        source, mean, std = X.reshape(len(X), 1, 1, -1), mean.reshape(1, 1, -1), std.reshape(1, 1, -1)
    out = np.empty((len(rows), *source.shape[1:]), dtype)
    assemble(source, rows, np.ascontiguousarray(mean), np.ascontiguousarray(std), moves, out)
    made = out.transpose(0, 3, 1, 2) if X.ndim == 4 else out.reshape(len(rows), *shape)
    return made if preprocess is None else preprocess.combine(made)


def _ahead(make: Callable[[int], T], steps: range) -> Iterator[T]:
    """Yield make(step) for each step, with the next one under way on another thread.

    A forked child has no such thread, so there the rest is made on the spot.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    owner = os.getpid()
    pool = ThreadPoolExecutor(1, thread_name_prefix="fastnn-loader")
    pending: Future[T] | None = None
    try:
        for step in steps:
            if os.getpid() != owner:
                yield make(step)
                continue
            result = (pending or pool.submit(make, step)).result()
            pending = pool.submit(make, step + 1) if step + 1 < steps.stop else None
            yield result
    finally:
        if os.getpid() == owner:
            pool.shutdown(cancel_futures=True)
