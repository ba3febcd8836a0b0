"""The kernels, one by one, against PyTorch's (and NumPy's where it is strong)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

import fastnn
from bench.harness import Comparison, Contest, Effort, Entry, check_close, compare
from bench.rivals import CHANNELS_LAST, NCHW, Array, draw, images, passes, tensor
from fastnn import functional as F
from fastnn import nets, nn, optim

torch_F = torch.nn.functional


# ---- matrix products ---------------------------------------------------------------------------------------


def _gemm(m: int, k: int, n: int, transposed: str = "", *, numpy: bool = False) -> Contest:
    """Compare ``a @ b``; ``transposed`` operands lie in memory as the passes of a linear layer find them."""
    a = draw(k, m).T if "a" in transposed else draw(m, k)
    b = draw(n, k, seed=1).T if "b" in transposed else draw(k, n, seed=1)
    left, right = torch.from_numpy(a), torch.from_numpy(b)
    error = check_close("gemm", F.gemm(a, b), left @ right)
    rivals: dict[str, Callable[[], object]] = {"torch": lambda: torch.mm(left, right)}
    if numpy:
        rivals["numpy"] = lambda: np.matmul(a, b)
    flops, moved = 2.0 * m * n * k, 4.0 * (m * k + k * n + m * n)
    return Contest(lambda: F.gemm(a, b), rivals, flops=flops, bytes=moved, error=error)


def gemm_entries() -> Iterator[Entry]:
    """Squares, the three products of a linear layer of the MLP, and products that are skinny on a side."""
    for size in (128, 256, 512, 1024):
        yield Entry(f"gemm {size}x{size}x{size}", "gemm", partial(_gemm, size, size, size))
    for n, inputs, outputs in ((128, 784, 512), (128, 512, 512), (64, 400, 120), (50, 8192, 100)):
        name, quick = f"linear {n}x{inputs}-{outputs}", n == 128
        yield Entry(f"{name} forward", "gemm", partial(_gemm, n, inputs, outputs, "b"), quick)
        yield Entry(f"{name} dx", "gemm", partial(_gemm, n, outputs, inputs), quick)
        yield Entry(f"{name} dw", "gemm", partial(_gemm, outputs, n, inputs, "a"), quick)
    skinny = ((1, 512, 512), (4, 512, 512), (16, 512, 512), (1, 784, 512), (1, 64, 64), (16, 64, 64))
    for m, k, n in (*skinny, (128, 512, 10), (64, 84, 10), (128, 64, 10)):
        build = partial(_gemm, m, k, n, "b", numpy=True)
        yield Entry(f"gemm {m}x{k}x{n}", "gemm skinny", build, m != 4)


# ---- convolution -------------------------------------------------------------------------------------------


class Conv(NamedTuple):
    """One convolutional layer of one net."""

    net: str
    batch: int
    channels: int
    filters: int
    size: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    padding: int | None = None
    quick: bool = False

    @property
    def pad(self) -> int:
        """Padding: by default such that stride 1 keeps the size."""
        return self.kernel // 2 if self.padding is None else self.padding

    def __str__(self) -> str:
        kind = f" g{self.groups}" if self.groups > 1 else ""
        stride = f" /{self.stride}" if self.stride > 1 else ""
        shape = f"{self.channels}-{self.filters} {self.kernel}x{self.kernel}{stride}{kind} @{self.size}"
        return f"{self.net}-{self.batch} {shape}"

    def group(self, direction: str) -> str:
        """Row of the table of targets."""
        if self.channels <= 3:
            return "conv first layer"
        if self.groups > 1:
            return "conv depthwise"
        if self.stride > 1 and direction == "dx":
            return "conv strided dx"
        winograd = self.kernel == 3 and self.stride == 1 and min(self.channels, self.filters) >= 32
        return "conv 3x3" if winograd else "conv other"


CONVS = (
    Conv("resnet20", 128, 3, 16, 32, quick=True),
    Conv("resnet20", 128, 16, 16, 32, quick=True),
    Conv("resnet20", 128, 16, 32, 32, stride=2, quick=True),
    Conv("resnet20", 128, 16, 32, 32, kernel=1, stride=2),
    Conv("resnet20", 128, 32, 32, 16, quick=True),
    Conv("resnet20", 128, 32, 64, 16, stride=2),
    Conv("resnet20", 128, 32, 64, 16, kernel=1, stride=2),
    Conv("resnet20", 128, 64, 64, 8, quick=True),
    Conv("vgg", 64, 3, 64, 32),
    Conv("vgg", 64, 64, 64, 32),
    Conv("vgg", 64, 64, 128, 16),
    Conv("vgg", 64, 128, 128, 16, quick=True),
    Conv("vgg", 64, 128, 256, 8),
    Conv("vgg", 64, 256, 256, 8),
    Conv("lenet", 64, 1, 6, 28, kernel=5, quick=True),
    Conv("lenet", 64, 6, 16, 14, kernel=5, padding=0, quick=True),
    Conv("course", 50, 3, 32, 32, kernel=7, quick=True),
    Conv("resnet18", 32, 64, 64, 32),
    Conv("resnet18", 32, 64, 128, 32, stride=2),
    Conv("resnet18", 32, 128, 128, 16),
    Conv("resnet18", 32, 256, 256, 8),
    Conv("resnet18", 32, 512, 512, 4),
    Conv("mobilenet", 64, 32, 32, 32, groups=32, quick=True),
    Conv("mobilenet", 64, 64, 64, 32, stride=2, groups=64),
    Conv("mobilenet", 64, 128, 128, 16, groups=128),
    Conv("mobilenet", 64, 128, 128, 16, stride=2, groups=128),
    Conv("mobilenet", 64, 256, 256, 8, groups=256, quick=True),
    Conv("mobilenet", 64, 256, 256, 8, stride=2, groups=256),
    Conv("mobilenet", 64, 512, 512, 4, groups=512),
    Conv("mobilenet", 32, 96, 96, 28, kernel=5, groups=96),
    Conv("resnext", 64, 64, 64, 16, groups=32),
    Conv("resnext", 64, 128, 128, 16, groups=32),
    Conv("resnext", 64, 128, 128, 16, groups=16),
    Conv("mobilenet", 64, 32, 64, 32, kernel=1, quick=True),
    Conv("mobilenet", 64, 128, 128, 16, kernel=1),
    Conv("mobilenet", 64, 256, 512, 4, kernel=1),
)


def _conv(conv: Conv, direction: str, algo: str = "auto") -> Contest:
    """Compare one pass. Our dx alone is the whole backward pass less that of the weights."""
    x = images(conv.batch, conv.channels, conv.size, conv.size)
    w = draw(conv.filters, conv.channels // conv.groups, conv.kernel, conv.kernel, seed=1)
    options: dict[str, Any] = {
        "stride": conv.stride,
        "padding": conv.pad,
        "groups": conv.groups,
        "algo": algo,
    }
    y, cache = F.conv2d_forward(x, w, **options)
    dy = images(*y.shape, seed=2)
    geometry = ([conv.stride] * 2, [conv.pad] * 2, [1, 1], False, [0, 0], conv.groups)
    mask = [direction == "dx", direction == "dw", False]

    def pass_of(memory: str) -> Callable[[], Any]:
        xt, wt, dyt = (tensor(a, memory) for a in (x, w, dy))
        if direction == "forward":
            return lambda: torch_F.conv2d(xt, wt, None, conv.stride, conv.pad, 1, conv.groups)
        return lambda: torch.ops.aten.convolution_backward(dyt, xt, wt, None, *geometry, mask)

    rivals = {memory: pass_of(memory) for memory in (NCHW, CHANNELS_LAST)}
    expected = rivals[CHANNELS_LAST]()
    baseline = None
    if direction == "forward":
        ours: Callable[[], Any] = lambda: F.conv2d_forward(x, w, **options)  # noqa: E731
        error = check_close(str(conv), y, expected)
    else:
        weights_only = partial(F.conv2d_backward, dy, cache, need_dx=False)
        dx, dw, _ = F.conv2d_backward(dy, cache)
        if direction == "dw":
            # Long sums: PyTorch's own are up to 7e-6 away from float64 in these shapes.
            ours, error = weights_only, check_close(f"{conv} dw", dw, expected[1], 3e-5)
        else:
            ours, baseline = partial(F.conv2d_backward, dy, cache), weights_only
            error = check_close(f"{conv} dx", dx, expected[0])
    return Contest(
        ours,
        rivals,
        baseline,
        flops=2.0 * w[0].size * y.size,
        bytes=4.0 * (x.size + w.size + y.size),
        error=error,
    )


def conv_entries() -> Iterator[Entry]:
    """Three passes of every layer; where Winograd is allowed, the exact direct algorithm too."""
    for conv in CONVS:
        for direction in ("forward", "dx", "dw"):
            group = conv.group(direction)
            build = partial(_conv, conv, direction)
            yield Entry(f"conv {conv} {direction}", group, build, conv.quick)
            if group == "conv 3x3":
                build = partial(_conv, conv, direction, algo="direct")
                yield Entry(f"conv {conv} {direction} direct", "conv 3x3 direct", build, conv.quick)


# ---- what stands between the products ----------------------------------------------------------------------


def _pair(
    what: str,
    ours: Callable[[], tuple[Array, ...]],
    theirs: Callable[..., torch.Tensor],
    arrays: list[Array],
    dy: Array,
    *,
    compile: bool,
    tensors: float,
    compared: bool = True,
) -> Contest:
    """Compare forward + backward of an operation; ours returns (y, gradient of every array).

    Args:
        what: name of the operation.
        ours: both passes.
        theirs: forward, differentiable.
        arrays: what ``theirs`` is called with.
        dy: gradient of the output.
        compile: whether torch.compile competes.
        tensors: how many times the size of the input both passes must move at the least.
        compared: whether results are comparable (random masks are not).
    """
    rivals = dict(passes(theirs, arrays, dy, compile=compile))
    error = 0.0
    if compared:
        for i, (a, b) in enumerate(zip(ours(), rivals[NCHW](), strict=True)):
            error = max(error, check_close(f"{what}, result {i}", a, b.detach()))
    return Contest(ours, rivals, bytes=tensors * arrays[0].nbytes, error=error)


def _batchnorm(shape: tuple[int, ...], relu: bool, compile: bool) -> Contest:
    x, dy = (
        (images if len(shape) == 4 else draw)(*shape),
        (images if len(shape) == 4 else draw)(*shape, seed=1),
    )
    gamma, beta = 1 + 0.1 * draw(shape[1], seed=2), draw(shape[1], seed=3)

    def ours() -> tuple[Array, ...]:
        y, cache = F.batchnorm_forward(x, gamma, beta, activation="relu" if relu else None)
        return (y, *F.batchnorm_backward(dy, cache))

    mean, var = torch.zeros(shape[1]), torch.ones(shape[1])

    def theirs(x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        y = torch_F.batch_norm(x, mean, var, gamma, beta, training=True)
        return torch.relu(y) if relu else y

    # Forward reads x (statistics) and again with y written; backward reads x, dy twice and writes dx.
    return _pair("batchnorm", ours, theirs, [x, gamma, beta], dy, compile=compile, tensors=8)


def _pool(
    kind: str, shape: tuple[int, ...], kernel: int, stride: int, padding: int, compile: bool
) -> Contest:
    x = images(*shape)
    forward, backward = getattr(F, f"{kind}pool2d_forward"), getattr(F, f"{kind}pool2d_backward")
    dy = images(*forward(x, kernel, stride=stride, padding=padding)[0].shape, seed=1)

    def ours() -> tuple[Array, ...]:
        y, cache = forward(x, kernel, stride=stride, padding=padding)
        return y, backward(dy, cache)

    op = torch_F.max_pool2d if kind == "max" else torch_F.avg_pool2d
    theirs = partial(op, kernel_size=kernel, stride=stride, padding=padding)
    return _pair(
        f"{kind} pooling", ours, theirs, [x], dy, compile=compile, tensors=2 * (1 + dy.size / x.size)
    )


def _relu(shape: tuple[int, ...], compile: bool) -> Contest:
    x, dy = images(*shape), images(*shape, seed=1)

    def ours() -> tuple[Array, ...]:
        y, cache = F.relu_forward(x)
        return y, F.relu_backward(dy, cache)

    return _pair("relu", ours, torch.relu, [x], dy, compile=compile, tensors=5)


def _dropout(shape: tuple[int, ...], compile: bool) -> Contest:
    draw_any = images if len(shape) == 4 else draw
    x, dy = draw_any(*shape), draw_any(*shape, seed=1)
    key = fastnn.Key.from_seed(0)

    def ours() -> tuple[Array, ...]:
        y, cache = F.dropout_forward(x, 0.5, key=key)
        return y, F.dropout_backward(dy, cache)

    y, dx = ours()
    check_close("dropout, kept", np.mean(y != 0), 0.5, 0.02)
    check_close("dropout, values", y[y != 0], 2 * x[y != 0])
    check_close("dropout, gradient", dx, np.where(y != 0, 2 * dy, 0))
    theirs = partial(torch_F.dropout, p=0.5)
    return _pair("dropout", ours, theirs, [x], dy, compile=compile, tensors=4, compared=False)


def _softmax(n: int, classes: int, compile: bool) -> Contest:
    scores = draw(n, classes)
    labels = np.random.default_rng(0).integers(0, classes, n)
    target = torch.from_numpy(labels)

    def ours() -> tuple[Array, ...]:
        value, cache = F.softmax_cross_entropy_forward(scores, labels)
        return np.asarray(value), F.softmax_cross_entropy_backward(1.0, cache)

    theirs = partial(torch_F.cross_entropy, target=target)
    return _pair(
        "softmax loss", ours, theirs, [scores], np.asarray(1.0, np.float32), compile=compile, tensors=3
    )


def _fused_norm(shape: tuple[int, int, int, int], effort: Effort) -> Comparison:
    """Measure what batch norm and ReLU add to a convolution in training, in nanoseconds an element."""
    x, dy = images(*shape), images(*shape, seed=1)
    conv = nn.Conv2d(shape[1], shape[1], 3, padding=1, bias=False)
    conv.params["weight"] = draw(*conv.params["weight"].shape, seed=2)
    conv.grads["weight"] = np.zeros_like(conv.params["weight"])

    def pass_of(net: Any) -> Callable[[], object]:
        return lambda: net.backward(dy, net.forward(x, train=True)[1])

    fused = nn.Sequential(conv, nn.BatchNorm2d(shape[1]), nn.ReLU())
    contest = Contest(pass_of(fused), {}, baseline=pass_of(nn.Sequential(conv)))
    timed = compare(
        Entry(f"conv-batchnorm-relu {'x'.join(map(str, shape))}", "", lambda: contest), contest, effort
    )
    increments = list(1e6 * timed.net() / x.size)
    return Comparison(timed.name, "fused batch norm", increments, {}, unit="ns")


def pointwise_entries(effort: Effort) -> Iterator[Entry]:
    """Batch norm, pooling, activation, dropout and loss: forward and backward together."""
    c = effort.compiled
    for shape, quick in (
        ((128, 16, 32, 32), True),
        ((128, 32, 16, 16), False),
        ((128, 64, 8, 8), True),
        ((64, 64, 32, 32), False),
        ((64, 256, 8, 8), True),
        ((128, 512), True),
    ):
        name = "x".join(map(str, shape))
        group = "batch norm" if len(shape) == 4 else "batch norm of vectors"
        yield Entry(f"batchnorm+relu {name}", group, partial(_batchnorm, shape, True, c), quick)
        yield Entry(
            f"batchnorm {name}", group, partial(_batchnorm, shape, False, c), quick and len(shape) == 4
        )
    for shape in ((128, 16, 32, 32), (128, 64, 8, 8)):
        name = f"conv-batchnorm-relu {'x'.join(map(str, shape))}"
        yield Entry(name, "fused batch norm", partial(_fused_norm, shape, effort))
    for kind, shape, kernel, stride, padding, quick in (
        ("max", (64, 6, 28, 28), 2, 2, 0, True),
        ("max", (64, 16, 10, 10), 2, 2, 0, False),
        ("max", (50, 32, 32, 32), 2, 2, 0, True),
        ("max", (64, 64, 32, 32), 2, 2, 0, True),
        ("max", (64, 64, 32, 32), 3, 2, 1, True),
        ("avg", (64, 64, 32, 32), 2, 2, 0, True),
        ("avg", (64, 64, 32, 32), 3, 2, 1, False),
    ):
        name = f"{kind}pool {'x'.join(map(str, shape))} {kernel}/{stride}"
        yield Entry(name, f"{kind} pooling", partial(_pool, kind, shape, kernel, stride, padding, c), quick)
    for shape in ((64, 6, 28, 28), (128, 16, 32, 32), (64, 64, 32, 32)):
        yield Entry(f"relu {'x'.join(map(str, shape))}", "relu", partial(_relu, shape, c), shape[1] == 16)
    for shape in ((128, 512), (64, 64, 16, 16), (64, 256, 4, 4)):
        yield Entry(
            f"dropout {'x'.join(map(str, shape))}", "dropout", partial(_dropout, shape, c), shape[1] != 256
        )
    for n, classes in ((128, 10), (64, 1000)):
        yield Entry(f"softmax loss {n}x{classes}", "softmax loss", partial(_softmax, n, classes, c))


# ---- optimizers --------------------------------------------------------------------------------------------


def _optimizer(kind: str, net: str) -> Contest:
    """Compare a step over all parameters of a net: theirs over a list of tensors, ours over one buffer."""
    model = getattr(nets, net)()
    model.grads.flat[:] = draw(model.grads.flat.size)
    start = [tensor(p) for p in model.params.values()]
    settings: dict[str, Any] = {"lr": 0.01, "weight_decay": 5e-4}
    settings |= {"momentum": 0.9} if kind == "SGD" else {}

    def stepper(options: dict[str, Any]) -> tuple[list[torch.Tensor], Callable[[], object]]:
        params = [p.clone().requires_grad_() for p in start]
        for p, g in zip(params, model.grads.values(), strict=True):
            p.grad = tensor(g)
        return params, getattr(torch.optim, kind)(params, **settings, **options).step

    modes: dict[str, dict[str, Any]] = {
        "torch default": {},
        "torch foreach": {"foreach": True},
        "torch fused": {"fused": True},
    }
    steps = {mode: stepper(options) for mode, options in modes.items()}
    optimizer = getattr(optim, kind)(**settings)
    optimizer.step(model.params, model.grads)
    theirs, first = steps["torch default"]
    first()
    expected = np.concatenate([p.detach().numpy().ravel() for p in theirs])
    ours = np.concatenate([p.ravel() for p in model.params.values()])
    slots = 1 if kind == "SGD" else 2
    return Contest(
        lambda: optimizer.step(model.params, model.grads),
        {mode: run for mode, (_, run) in steps.items()},
        bytes=4.0 * ours.size * (3 + 2 * slots),
        error=check_close(f"{kind} step", ours, expected),
    )


def optimizer_entries() -> Iterator[Entry]:
    """SGD and Adam over whole models."""
    for kind in ("SGD", "Adam"):
        for net in ("lenet", "resnet20", "vgg_small"):
            yield Entry(f"{kind} {net}", "optimizer", partial(_optimizer, kind, net))


def entries(effort: Effort) -> Iterator[Entry]:
    """All lines of the kernel level."""
    yield from gemm_entries()
    yield from conv_entries()
    yield from pointwise_entries(effort)
    yield from optimizer_entries()
