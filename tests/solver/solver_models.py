"""Models written by hand, as a course has them: arrays in ``params``, and ``loss(X, y=None)``."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def blobs(count: int, seed: int = 0, dtype: Any = np.float64) -> tuple[Array, Array]:
    """Three overlapping clouds in six dimensions."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((3, 6)) * 1.5
    y = rng.integers(0, 3, count)
    return (centres[y] + rng.standard_normal((count, 6))).astype(dtype), y


class TwoLayer:
    """affine - relu - affine - softmax with an L2 penalty; weights stand as (in, out)."""

    def __init__(self, hidden: int = 16, reg: float = 1e-3, dtype: Any = np.float64, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.reg = reg
        self.params = {
            "W1": (0.3 * rng.standard_normal((6, hidden))).astype(dtype),
            "b1": np.zeros(hidden, dtype),
            "W2": (0.3 * rng.standard_normal((hidden, 3))).astype(dtype),
            "b2": np.zeros(3, dtype),
        }

    def loss(self, X: Array, y: Array | None = None) -> Any:
        return self.weighted_loss(X, y, None)

    def weighted_loss(self, X: Array, y: Array | None, weights: Array | None) -> Any:
        p = self.params
        hidden = np.maximum(0, X @ p["W1"] + p["b1"])
        scores = hidden @ p["W2"] + p["b2"]
        if y is None:
            return scores
        share = (np.ones(len(X), X.dtype) if weights is None else weights)[:, None]
        share = share / share.sum()
        shifted = scores - scores.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(X))
        value = -float((share[:, 0] * log_p[rows, y]).sum())
        value += 0.5 * self.reg * float((p["W1"] ** 2).sum() + (p["W2"] ** 2).sum())
        dscores = np.exp(log_p)
        dscores[rows, y] -= 1
        dscores *= share
        dhidden = dscores @ p["W2"].T
        dhidden[hidden <= 0] = 0
        return value, {
            "W1": X.T @ dhidden + self.reg * p["W1"],
            "b1": dhidden.sum(axis=0),
            "W2": hidden.T @ dscores + self.reg * p["W2"],
            "b2": dscores.sum(axis=0),
        }


class WeightedTwoLayer(TwoLayer):
    """The same with per-example weights."""

    def loss(self, X: Array, y: Array | None = None, weights: Array | None = None) -> Any:
        return self.weighted_loss(X, y, weights)


class NoisyTwoLayer(TwoLayer):
    """With dropout on the input from NumPy's global generator, and a running mean of the inputs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.running_mean = np.zeros(6)

    def loss(self, X: Array, y: Array | None = None) -> Any:
        if y is None:
            return super().loss(X - self.running_mean)
        self.running_mean = 0.9 * self.running_mean + 0.1 * X.mean(axis=0)
        mask = np.random.rand(*X.shape) > 0.2  # noqa: NPY002 (as the course does it)
        return super().loss((X - self.running_mean) * mask, y)

    def state_dict(self) -> dict[str, Array]:
        return {**self.params, "running_mean": self.running_mean}

    def load_state_dict(self, state: dict[str, Array]) -> None:
        for name, value in self.params.items():
            value[...] = state[name]
        self.running_mean = np.array(state["running_mean"])


class Line:
    """Least squares."""

    def __init__(self, inputs: int = 3, dtype: Any = np.float64) -> None:
        self.params = {"w": np.zeros((inputs, 1), dtype)}
        self.seen: list[Array] = []

    def loss(self, X: Array, y: Array | None = None) -> Any:
        self.seen.append(X)
        scores = X @ self.params["w"]
        if y is None:
            return scores
        error = scores - y
        return np.mean(error**2), {"w": 2 * X.T @ error / len(X)}


class Counter:
    """One number that a `CountingOptimizer` raises by one a step; labels are right only at ``best``."""

    def __init__(self, best: float) -> None:
        self.params = {"n": np.zeros(1)}
        self.statistic = np.zeros(1)
        self.best = best

    def loss(self, X: Array, y: Array | None = None) -> Any:
        if y is None:
            right = max(0.0, 1 - abs(self.params["n"][0] - self.best) / 20)
            labels = (np.arange(len(X)) >= right * len(X)).astype(int)
            return np.eye(2)[labels]
        self.statistic = self.statistic + 1
        return 1.0, {"n": -np.ones(1)}

    def state_dict(self) -> dict[str, Array]:
        return {**self.params, "statistic": self.statistic}

    def load_state_dict(self, state: dict[str, Array]) -> None:
        self.params["n"][...] = state["n"]
        self.statistic = np.array(state["statistic"])
