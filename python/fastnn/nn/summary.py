"""What a net is made of: shapes, parameters, multiply-adds and memory, layer by layer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .container import Container
from .layer import Layer


class SummaryRow(NamedTuple):
    """One layer; shapes and multiply-adds are those of one example."""

    path: str
    layer: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    params: int
    multiply_adds: int


class Summary(NamedTuple):
    """A net's layers and totals; ``str`` makes a table.

    Attributes:
        rows: layers in the order in which they run.
        params: number of parameters, those of a layer that stands in two places once.
        multiply_adds: of one example, forward.
        parameter_bytes: memory of the parameters.
        activation_bytes: memory of all layers' outputs for one example.
    """

    rows: tuple[SummaryRow, ...]
    params: int
    multiply_adds: int
    parameter_bytes: int
    activation_bytes: int

    def __str__(self) -> str:
        heads = ("path", "layer", "input", "output", "parameters", "multiply-adds")
        lines: list[tuple[str, ...]] = [heads]
        for row in self.rows:
            shapes = ("x".join(map(str, shape)) for shape in (row.in_shape, row.out_shape))
            lines.append((row.path, row.layer, *shapes, f"{row.params:,}", f"{row.multiply_adds:,}"))
        widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
        table = ["  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)) for line in lines]
        total = (
            f"{self.params:,} parameters ({_memory(self.parameter_bytes)}), {self.multiply_adds:,} "
            f"multiply-adds and {_memory(self.activation_bytes)} of activations an example"
        )
        return "\n".join([*(line.rstrip() for line in table), total])


def _memory(size: int) -> str:
    return f"{size / 2**20:.2f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


def summarize(net: Layer, input_shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> Summary:
    """Run ``net`` on one example of zeros and report what every layer did.

    Args:
        net: layer or container.
        input_shape: of one example, without the batch axis.
        dtype: of the net's parameters.

    Example:
        >>> from fastnn import nn
        >>> summary = summarize(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), (4,))
        >>> summary.params, summary.multiply_adds
        (67, 56)
    """
    x = np.zeros((1, *input_shape), dtype)
    visits = net.walk(x) if isinstance(net, Container) else [("", net, x, net.forward(x)[0])]
    rows = []
    seen: set[int] = set()
    activation_bytes = parameter_bytes = 0
    for path, layer, a, b in visits:
        if isinstance(layer, Container):
            continue
        params = [] if id(layer) in seen else list(layer.params.values())
        seen.add(id(layer))
        shapes = a.shape[1:], b.shape[1:]
        # A layer written by hand need not count its multiply-adds.
        cost = layer.multiply_adds(*shapes) if isinstance(layer, Layer) else 0
        rows.append(SummaryRow(path, type(layer).__name__, *shapes, sum(p.size for p in params), cost))
        activation_bytes += math.prod(b.shape) * b.itemsize
        parameter_bytes += sum(p.nbytes for p in params)
    totals = (sum(row.params for row in rows), sum(row.multiply_adds for row in rows))
    return Summary(tuple(rows), *totals, parameter_bytes, activation_bytes)
