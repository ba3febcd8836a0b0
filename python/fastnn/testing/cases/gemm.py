"""Rows of the matrix product and of the fully connected layer."""

from __future__ import annotations

from typing import Any

from fastnn.testing.cases._case import BadCall, Function, OpCase, Pair, Problem


def _gemm(m: int, k: int, n: int, *, finish: bool = False) -> Problem:
    """Return a (m, k) by (k, n) product, with everything that the epilogue can do if ``finish``."""
    shapes = {"a": (m, k), "b": (k, n)}
    if not finish:
        return Problem(shapes)
    return Problem({**shapes, "bias": (n,), "residual": (m, n)}, {"activation": "relu"})


def _gemm_flops(problem: Problem) -> int:
    (m, k), (_, n) = problem.shapes["a"], problem.shapes["b"]
    return 2 * m * k * n


def _gemm_torch(
    torch: Any, a: Any, b: Any, bias: Any = None, residual: Any = None, activation: str | None = None
) -> Any:
    y = a @ b
    y = y if bias is None else y + bias
    y = y if residual is None else y + residual
    return torch.relu(y) if activation else y


def _linear(n: int, features: int, out: int, *, bias: bool = True) -> Problem:
    shapes = {"x": (n, features), "w": (out, features)}
    return Problem({**shapes, "b": (out,)} if bias else shapes)


def _linear_flops(problem: Problem) -> int:
    (n, features), (out, _) = problem.shapes["x"], problem.shapes["w"]
    return 3 * 2 * n * features * out


def _linear_reduction(problem: Problem) -> dict[str, int]:
    (n, features), (out, _) = problem.shapes["x"], problem.shapes["w"]
    return {"y": features, "dx": out, "dw": n, "db": n}


ROWS: tuple[OpCase, ...] = (
    Function(
        name="gemm",
        problems=[
            _gemm(7, 5, 9),
            _gemm(6, 4, 35, finish=True),
            _gemm(1, 3, 1),
            _gemm(5, 700, 9),  # longer than one run of the sum
            _gemm(61, 17, 67, finish=True),  # several register tiles each way
        ],
        wide=_gemm(512, 64, 512),
        tails=[
            lambda n: _gemm(5, 7, n, finish=True),
            lambda n: _gemm(n, 7, 5, finish=True),
            lambda n: _gemm(3, n, 4),
            lambda n: _gemm(n % 7 + 1, 9, 8 * n + 1, finish=True),  # few rows: wide tiles
        ],
        bench=[_gemm(128, 784, 512), _gemm(512, 512, 512), _gemm(1, 512, 512), _gemm(131072, 27, 64)],
        reduction=lambda problem: {"y": problem.shapes["a"][1]},
        flops=_gemm_flops,
        batched=("a", "residual"),
        bad_calls=[
            BadCall("b", r"\(4, 9\)", b=lambda good: good["b"][1:]),
            BadCall("bias", bias=lambda good: good["a"][0, :1]),
            BadCall("residual", residual=lambda good: good["a"]),
            BadCall("activation", "'tanh'", activation="tanh"),
            BadCall("out", out=lambda good: good["a"]),
            BadCall(
                "out",
                a=lambda good: good["b"][:5, :5],
                b=lambda good: good["b"][:, :5],
                out=lambda good: good["b"][:, :5],
            ),
            BadCall("a", a=lambda good: good["a"][:, :0], b=lambda good: good["b"][:0]),
        ],
        torch=_gemm_torch,
    ),
    Pair(
        name="linear",
        problems=[_linear(5, 7, 4), _linear(3, 18, 35, bias=False), _linear(1, 3, 1), _linear(40, 33, 10)],
        wide=_linear(512, 64, 512),
        tails=[
            lambda n: _linear(3, 5, n),
            lambda n: _linear(3, n, 5),
            lambda n: _linear(n, 3, 5),
            lambda n: _linear(2, n + 64, 7),  # few rows and a long sum: dot products
            lambda n: _linear(n % 5 + 1, 200, n),
            lambda n: _linear(n + 30, 70, 10),  # many rows and part of a register: dot products too
            lambda n: _linear(n % 13 + 1, n + 256, n % 5 + 3),  # longer sums: higher blocks of them
        ],
        bench=[_linear(128, 784, 512), _linear(128, 512, 10), _linear(50, 8192, 100)],
        output=lambda problem: (problem.shapes["x"][0], problem.shapes["w"][0]),
        gradients=("dx", "dw", "db"),
        reduction=_linear_reduction,
        flops=_linear_flops,
        batched=("x",),
        bad_calls=[
            BadCall("w", r"\(4, 6\)", w=lambda good: good["w"][:, 1:]),
            BadCall("b", r"\(3,\)", b=lambda good: good["b"][1:]),
            BadCall("dy", r"\(4, 4\)", dy=lambda good: good["dy"][1:]),
            BadCall("w", w=lambda good: good["w"][:0]),
        ],
        torch=lambda torch, x, w, b=None: torch.nn.functional.linear(x, w, b),
    ),
)
