"""Preprocessing: fitted on the training part alone, applied to any.

Each class is a map ``(x - mean) / std`` that differs in what it takes for the two, so a minibatch loader can
do it in the pass that gathers the rows. Those that make new features of the old ones multiply by a matrix
behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fastnn import functional as F
from fastnn._arguments import integer, number

__all__ = ["PCA", "Affine", "MinMax", "Scale", "Standardise", "Whiten", "ZeroCentre", "from_state_dict"]

Array = np.ndarray[Any, Any]
_BLOCK = 1024  # rows that stand in float64 at a time while statistics are taken


class Affine:
    """The map ``y = (x - mean) / std``; its subclasses say where ``mean`` and ``std`` come from.

    ``mean`` and ``std`` are float64 and broadcast against one example; None until ``fit``.
    """

    mean: Array | None = None
    std: Array | None = None
    _kinds: ClassVar[dict[str, type[Affine]]] = {}
    _arrays: ClassVar[tuple[str, ...]] = ("mean", "std")

    def __init_subclass__(cls) -> None:
        Affine._kinds[cls.__name__] = cls

    def fit(self, X: Array) -> Affine:
        """Take what is needed from the training inputs X (N, ...) and return self."""
        raise NotImplementedError

    def transform(self, X: Array) -> Array:
        """Return the map of X (N, ...): float64 for float64 X, else float32. Never writes into X."""
        mean, std = self.tables(X.shape[1:], np.float64 if X.dtype == np.float64 else np.float32)
        return self.combine((X.astype(mean.dtype) - mean) / std)

    def combine(self, scaled: Array) -> Array:
        """Return the map of examples from ``(X - mean) / std``: for most classes, these as they are."""
        return scaled

    def tables(self, shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> tuple[Array, Array]:
        """Return ``mean`` and ``std`` for examples of the given shape, spread over it, in the given dtype.

        Raises:
            ValueError: it is not fitted, or examples of that shape do not fit.
        """
        op = type(self).__name__
        if self.mean is None or self.std is None:
            raise ValueError(f"[{op}] expected a call of fit before transform, got none")
        try:
            spread = [np.broadcast_to(value.astype(dtype), shape) for value in (self.mean, self.std)]
        except ValueError as error:
            expected = np.broadcast_shapes(self.mean.shape, self.std.shape)
            raise ValueError(f"[{op}] X: expected examples fitting {expected}, got {shape}") from error
        return spread[0], spread[1]

    def state_dict(self) -> dict[str, Any]:
        """Return the name of the class and its arrays: enough for ``from_state_dict``."""
        return {"kind": type(self).__name__, **{name: getattr(self, name) for name in self._arrays}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` of the same class returned.

        Raises:
            ValueError: the state of another thing.
        """
        op = type(self).__name__
        if state.get("kind") != op:
            raise ValueError(f"[{op}] state: expected one of kind {op}, got {state.get('kind')!r}")
        for name in self._arrays:
            if state.get(name) is not None and not isinstance(state[name], np.ndarray):
                raise ValueError(f"[{op}] state: {name}: expected an array, got {type(state[name]).__name__}")
        for name in self._arrays:
            setattr(self, name, state.get(name))


def from_state_dict(state: Mapping[str, Any]) -> Affine:
    """Return the preprocessing that ``state_dict`` described.

    Raises:
        ValueError: the state of no step.

    Example:
        >>> step = Standardise().fit(np.array([[1.0], [3.0]]))
        >>> from_state_dict(step.state_dict()).transform(np.array([[5.0]])).tolist()
        [[3.0]]
    """
    kind = state.get("kind")
    if kind not in Affine._kinds:
        raise ValueError(f"[from_state_dict] kind: expected one of {sorted(Affine._kinds)}, got {kind!r}")
    result = Affine._kinds[kind]()
    result.load_state_dict(state)
    return result


class Scale(Affine):
    """Divide by a constant: ``y = x / divisor``, which takes uint8 images to 0 ... 1.

    Args:
        divisor: a finite number, not 0.

    Raises:
        ValueError: ``divisor`` is 0 or not finite.

    Example:
        >>> Scale().fit(np.empty((0, 1))).transform(np.array([[0, 51, 255]], np.uint8)).tolist()
        [[0.0, 0.20000000298023224, 1.0]]
    """

    def __init__(self, divisor: float = 255.0) -> None:
        if not np.isfinite(divisor) or divisor == 0:
            raise ValueError(f"[Scale] divisor: expected a finite number other than 0, got {divisor}")
        self.mean, self.std = np.zeros(()), np.array(float(divisor))

    def fit(self, X: Array) -> Scale:
        """Return self: nothing depends on the data."""
        return self


class ZeroCentre(Affine):
    """Subtract the mean of each feature over the training rows: ``y = x - X.mean(axis=0)``.

    For images this is the mean image (of every channel and pixel), as in AlexNet, or, as in VGG, the mean of
    each channel.

    Args:
        per_channel: of images (N, C, H, W), subtract a channel's mean over all rows and pixels.

    Example:
        >>> ZeroCentre().fit(np.array([[1.0, 10.0], [3.0, 10.0]])).transform(np.array([[2.0, 11.0]])).tolist()
        [[0.0, 1.0]]

    Reference:
        CS231n, Neural Networks Part 2, https://cs231n.github.io/neural-networks-2
    """

    def __init__(self, *, per_channel: bool = False) -> None:
        self.per_channel = bool(per_channel)

    def fit(self, X: Array) -> ZeroCentre:
        """Take the mean of each feature, or channel, of X (N, ...) and return self.

        Raises:
            ValueError: X is no batch of numbers.
        """
        _check_rows("ZeroCentre", X)
        axes = _axes(X) if self.per_channel else 0
        self.mean, self.std = X.mean(axis=axes, dtype=np.float64, keepdims=True)[0], np.ones(())
        return self


class MinMax(Affine):
    """Take the training part's range to [-1, 1]: ``y = 2 (x - min) / (max - min) - 1``.

    The extremes are per channel for images (N, C, H, W), else per feature. What lies outside them later lands
    outside [-1, 1], and a constant feature becomes 0.

    Example:
        >>> MinMax().fit(np.array([[0.0, 7.0], [4.0, 7.0]])).transform(np.array([[1.0, 7.0]])).tolist()
        [[-0.5, 0.0]]

    Reference:
        CS231n, Neural Networks Part 2, https://cs231n.github.io/neural-networks-2
    """

    def fit(self, X: Array) -> MinMax:
        """Take the least and the greatest value of X (N, ...) and return self.

        Raises:
            ValueError: X is no batch of numbers.
        """
        _check_rows("MinMax", X)
        low, high = (pick(X, axis=_axes(X), keepdims=True)[0].astype(np.float64) for pick in (np.min, np.max))
        self.mean, self.std = low / 2 + high / 2, np.where(low == high, 1.0, high / 2 - low / 2)
        return self


class Standardise(Affine):
    """Take mean 0 and standard deviation 1: ``y = (x - mean) / std``.

    The statistics are per channel for images (N, C, H, W), else per feature; the variance is biased (divided
    by the count), there is no eps, and where ``std`` is 0, a constant feature, 1 takes its place.

    Example:
        >>> Standardise().fit(np.array([[1.0, 7.0], [3.0, 7.0]])).transform(np.array([[5.0, 7.0]])).tolist()
        [[3.0, 0.0]]
    """

    def fit(self, X: Array) -> Standardise:
        """Take mean and standard deviation of X (N, ...) and return self.

        Raises:
            ValueError: X is no batch of numbers.
        """
        _check_rows("Standardise", X)
        axes = _axes(X)
        # Between the extremes, as a sum's rounding must not make a constant feature vary about its mean.
        low, high = X.min(axis=axes, keepdims=True), X.max(axis=axes, keepdims=True)
        mean = X.mean(axis=axes, dtype=np.float64, keepdims=True).clip(low, high)
        squares = np.zeros_like(mean)
        for start in range(0, len(X), _BLOCK):
            squares += np.square(X[start : start + _BLOCK] - mean).sum(axis=axes, keepdims=True)
        std = np.sqrt(squares / (X.size // mean.size))
        self.mean, self.std = mean[0], np.where(std == 0, 1.0, std)[0]
        return self


class PCA(Affine):
    """Turn examples onto the axes along which the training part varies most: ``y = (x - mean) V``.

    The columns of V (D, K) are eigenvectors of the covariance ``(X - mean)^T (X - mean) / N`` of the D
    flattened features, those of the greatest eigenvalues first; each has its greatest entry positive. The new
    features are uncorrelated, and the first of them keep as much variance as so many can. Images become rows
    (N, K), so a net behind it begins with a linear layer.

    The covariance is D x D in float64, and its decomposition takes of the order of D^3 operations: 3072
    features, those of CIFAR-10, take 75 MB and some seconds.

    Args:
        components: K, at most D; None keeps all.

    Attributes:
        matrix: V (D, K) float64, None until ``fit``.
        variances: eigenvalues (K,) float64: the variance of each new feature.

    Raises:
        ValueError: ``components`` is no integer >= 1.

    Example:
        >>> X = np.array([[1.0, 1.0], [3.0, 3.0], [5.0, 5.0]])
        >>> PCA(1).fit(X).transform(X).round(6).tolist()
        [[-2.828427], [0.0], [2.828427]]

    Reference:
        Pearson, On lines and planes of closest fit to systems of points in space, 1901,
        https://doi.org/10.1080/14786440109462720; CS231n, https://cs231n.github.io/neural-networks-2
    """

    matrix: Array | None = None
    variances: Array | None = None
    _arrays = ("mean", "std", "matrix", "variances")

    def __init__(self, components: int | None = None) -> None:
        op = type(self).__name__
        self.components = None if components is None else integer(op, "components", components)
        self._cast = (np.empty(0), np.empty(0))  # the matrix, and its transpose in the type of the data

    def fit(self, X: Array) -> PCA:
        """Take mean and principal axes of X (N, ...) and return self.

        Raises:
            ValueError: X is no batch of numbers, or has fewer features than there are to be components.
        """
        op = type(self).__name__
        _check_rows(op, X)
        features = X.size // len(X)
        kept = features if self.components is None else self.components
        if kept > features:
            raise ValueError(f"[{op}] components: expected at most the {features} features, got {kept}")
        self.mean, self.std = X.mean(axis=0, dtype=np.float64), np.ones(())
        covariance = np.zeros((features, features))
        for start in range(0, len(X), _BLOCK):
            block = (X[start : start + _BLOCK] - self.mean).reshape(-1, features)
            covariance += block.T @ block
        values, vectors = np.linalg.eigh(covariance / len(X))
        values, vectors = values[::-1][:kept].clip(min=0), vectors[:, ::-1][:, :kept]
        signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])
        self.matrix, self.variances = np.ascontiguousarray(vectors * signs), values
        return self

    def combine(self, scaled: Array) -> Array:
        """Return examples (N, ...), their mean subtracted, as new features (N, K).

        Raises:
            ValueError: it is not fitted, or the examples have another number of features.
        """
        op, rows = type(self).__name__, scaled.reshape(len(scaled), -1)
        if self.matrix is None:
            raise ValueError(f"[{op}] expected a call of fit before transform, got none")
        if rows.shape[1] != len(self.matrix):
            raise ValueError(f"[{op}] X: expected {len(self.matrix)} features, got {rows.shape[1]}")
        held, weight = self._cast
        if held is not self.matrix or weight.dtype != rows.dtype:
            weight = np.ascontiguousarray(self.matrix.T, rows.dtype)
            self._cast = self.matrix, weight
        return F.linear_forward(rows, weight, None)[0]


class Whiten(PCA):
    """Turn examples onto principal axes and scale to variance 1: ``y = (x - mean) V / sqrt(v + eps)``.

    V and the variances v are those of `PCA`. Without ``eps`` the covariance of the training part becomes the
    unit matrix. Axes along which it hardly varies, often noise, are blown up: ``eps`` bounds that, and to
    leave out the last components avoids it.

    Args:
        components: how many axes are kept; None keeps all.
        eps: added to the variance, >= 0, inside the root.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> X = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]])
        >>> Whiten(eps=0.0).fit(X).transform(X).tolist()
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]

    Reference:
        CS231n, Neural Networks Part 2, https://cs231n.github.io/neural-networks-2
    """

    def __init__(self, components: int | None = None, *, eps: float = 1e-5) -> None:
        super().__init__(components)
        self.eps = number("Whiten", "eps", eps)

    def fit(self, X: Array) -> Whiten:
        """Take mean and principal axes of X (N, ...), scale the latter and return self.

        Raises:
            ValueError: X is no batch of numbers, has fewer features than there are to be components, or does
                not vary along one of them while ``eps`` is 0.
        """
        super().fit(X)
        assert self.matrix is not None
        assert self.variances is not None
        scale = np.sqrt(self.variances + self.eps)
        if not (scale > 0).all():
            raise ValueError("[Whiten] X: expected to vary along every component, or eps > 0, got constants")
        self.matrix = self.matrix / scale
        return self


def _axes(X: Array) -> tuple[int, ...]:
    """Return the axes that a statistic per channel of images, or per feature of rows, runs over."""
    return (0, 2, 3) if X.ndim == 4 else (0,)


def _check_rows(op: str, X: Array) -> None:
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "uif" or X.ndim < 2 or len(X) == 0:
        got = f"{X.dtype} {X.shape}" if isinstance(X, np.ndarray) else type(X).__name__
        raise ValueError(f"[{op}] X: expected numbers of shape (N, ...) with N >= 1, got {got}")
