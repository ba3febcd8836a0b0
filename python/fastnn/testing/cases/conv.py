"""Rows of the convolution and of its unfolded form."""

from __future__ import annotations

import math
import warnings
from typing import Any

from fastnn import reference
from fastnn.testing.cases._case import BadCall, Function, OpCase, Pair, Problem, Shape


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _places(image: Shape, kernel: Shape, settings: dict[str, Any]) -> Shape:
    """Return (OH, OW) for an image (H, W) and a kernel (KH, KW)."""
    if settings.get("padding") == "same":
        return image
    s, p, d = (_pair(settings.get(k, v)) for k, v in (("stride", 1), ("padding", 0), ("dilation", 1)))
    return tuple(
        reference.conv2d_output_size(image[i], kernel[i], stride=s[i], padding=p[i], dilation=d[i])
        for i in range(2)
    )


def _conv(x: Shape, w: Shape, *, bias: bool = True, **settings: Any) -> Problem:
    shapes = {"x": x, "w": w}
    return Problem({**shapes, "b": (w[0],)} if bias else shapes, settings)


def _sums_of_products(problem: Problem) -> bool:
    """Whether integers stay exact: Winograd's transforms multiply by fractions, and "auto" may choose it."""
    return problem.settings.get("algo") in ("direct", "im2col") or problem.shapes["w"][2:] != (3, 3)


def _conv_output(problem: Problem) -> Shape:
    x, w = problem.shapes["x"], problem.shapes["w"]
    return (x[0], w[0], *_places(x[2:], w[2:], dict(problem.settings)))


def _conv_reduction(problem: Problem) -> dict[str, int]:
    f, cg, kh, kw = problem.shapes["w"]
    n, _, oh, ow = _conv_output(problem)
    groups = problem.settings.get("groups", 1)
    return {"y": cg * kh * kw, "dx": f // groups * kh * kw, "dw": n * oh * ow, "db": n * oh * ow}


def _conv_flops(problem: Problem) -> int:
    f, cg, kh, kw = problem.shapes["w"]
    n, _, oh, ow = _conv_output(problem)
    return 3 * 2 * n * oh * ow * f * cg * kh * kw


def _as_image(problem: Problem) -> Problem:
    """Return the problem of signals as one of images with one row."""
    shapes = {n: s if n == "b" else (*s[:2], 1, s[2]) for n, s in problem.shapes.items()}
    settings = dict(problem.settings)
    for name, least in (("stride", 1), ("padding", 0), ("dilation", 1)):
        if isinstance(settings.get(name), int):
            settings[name] = (least, settings[name])
    return Problem(shapes, settings)


def _conv1d_output(problem: Problem) -> Shape:
    n, f, _, length = _conv_output(_as_image(problem))
    return n, f, length


def _conv1d_reduction(problem: Problem) -> dict[str, int]:
    return _conv_reduction(_as_image(problem))


def _direct(x: Shape, w: Shape, **settings: Any) -> Problem:
    return _conv(x, w, algo="direct", **settings)


def _conv_torch(torch: Any, x: Any, w: Any, b: Any = None, *, algo: str = "auto", **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")  # that it copies
        return torch.nn.functional.conv2d(x, w, b, **settings)


def _conv1d_torch(torch: Any, x: Any, w: Any, b: Any = None, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")
        return torch.nn.functional.conv1d(x, w, b, **settings)


def _im2col(x: Shape, kernel_size: Any, **settings: Any) -> Problem:
    return Problem({"x": x}, {"kernel_size": kernel_size, **settings})


def _col2im(x: Shape, kernel_size: Any, **settings: Any) -> Problem:
    kernel = _pair(kernel_size)
    oh, ow = _places(x[2:], kernel, settings)
    shape = (x[0], x[1] * kernel[0] * kernel[1], oh * ow)
    return Problem({"cols": shape}, {"x_shape": x, "kernel_size": kernel_size, **settings})


def _col2im_torch(torch: Any, cols: Any, *, x_shape: Shape, **settings: Any) -> Any:
    return torch.nn.functional.fold(cols, x_shape[2:], **settings)


def _resnet20(n: int) -> list[Problem]:
    """Return the 3x3 convolutions of ResNet-20's three stages."""
    stages = ((3, 16, 32), (16, 16, 32), (32, 32, 16), (64, 64, 8))
    return [_conv((n, c, size, size), (f, c, 3, 3), bias=False, padding=1) for c, f, size in stages]


ROWS: tuple[OpCase, ...] = (
    Pair(
        name="conv2d",
        problems=[
            _direct((3, 4, 6, 5), (6, 4, 3, 3), padding=1),
            _direct((2, 3, 7, 9), (5, 3, 3, 2), bias=False, stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
            _direct((2, 6, 5, 6), (4, 3, 3, 3), groups=2, padding=1, stride=2),
            _direct((2, 5, 6, 7), (5, 1, 3, 3), groups=5, padding=1),  # depthwise
            _direct((2, 3, 6, 5), (6, 1, 2, 3), groups=3, stride=(1, 2)),  # depthwise, two filters a channel
            _direct((2, 6, 7, 6), (3, 2, 3, 3), groups=3, padding=1, stride=2),  # two channels a filter
            _direct((2, 12, 6, 7), (9, 4, 3, 3), groups=3, padding=1),  # a few of both
            _direct((2, 30, 5, 33), (35, 6, 3, 3), groups=5, padding=1, stride=(2, 1)),  # too many for that
            _direct((2, 100, 5, 7), (35, 20, 3, 3), groups=5, padding=(0, 2), dilation=(1, 2)),
            _direct((2, 19, 9, 19), (19, 1, 3, 3), groups=19, padding=1, stride=2),
            _direct((3, 21, 3, 6), (21, 1, 2, 3), groups=21, padding=(3, 1)),  # rows with nothing but padding
            _direct((2, 5, 8, 20), (5, 1, 3, 5), groups=5, padding=(0, 3), bias=False),
            _direct((1, 4, 11, 12), (4, 1, 4, 7), groups=4, padding=(2, 1), stride=(3, 2), dilation=(2, 1)),
            _direct((2, 3, 6, 23), (3, 1, 2, 3), groups=3, padding=(0, 4), stride=(1, 2), dilation=(1, 3)),
            _direct((3, 18, 4, 4), (35, 18, 1, 1), bias=False, stride=2),  # shortcut of a residual block
            _direct((2, 20, 5, 7), (40, 20, 1, 1)),
            _direct((2, 130, 3, 3), (70, 130, 1, 1), bias=False),
            _direct((2, 6, 5, 6), (4, 3, 1, 1), groups=2),
            _direct((2, 1, 9, 9), (6, 1, 5, 5), padding=2),
            _direct((2, 4, 3, 3), (3, 4, 3, 3), padding=2, dilation=2),
            _conv((2, 6, 5, 6), (4, 3, 3, 3), groups=2, padding=1, stride=2, algo="im2col"),
            _direct((2, 3, 5, 6), (4, 3, 3, 3), padding="same"),
            _direct((2, 4, 6, 5), (3, 4, 2, 4), padding="same", dilation=(3, 1)),  # more zeros behind
            _conv((2, 3, 4, 5), (4, 3, 2, 3), padding="same", algo="im2col"),
            _direct((2, 5, 3, 6), (5, 1, 4, 2), padding="same", groups=5),
        ],
        wide=_conv((6, 16, 24, 24), (32, 16, 3, 3), padding=1),
        tails=[
            lambda n: _direct((2, 3, 5, 4), (n, 3, 3, 3), padding=1),
            lambda n: _direct((2, n, 5, 4), (3, n, 3, 3), padding=1),
            lambda n: _direct((1, 2, 3, n), (3, 2, 3, 1), padding=(1, 0)),
            lambda n: _direct((2, n, 4, 3), (n, 1, 3, 3), padding=1, groups=n),
            lambda n: _direct((2, 3 * n, 4, 5), (21, n, 3, 2), padding=1, groups=3, stride=2),
            lambda n: _conv((2, 3, 4, n + 4), (5, 3, 2, 5)),  # few filters: several pixels at a time
            lambda n: _conv((2, 2, 4, 24), (n, 2, 3, 5), padding=(1, 2)),
            lambda n: _conv((2, 3, 5, n + 4), (16, 3, 3, 5), padding=(1, 2), stride=(2, 3)),  # few channels
            lambda n: _direct((2, n, 7, 9), (16, n, 4, 3), padding=(2, 3), stride=(1, 2), dilation=(1, 2)),
            lambda n: _direct((1, 17, 3, n), (17, 1, 3, 3), padding=1, stride=(1, 2), groups=17),
        ],
        bench=[*_resnet20(128), _conv((128, 64, 32, 32), (64, 64, 3, 3), bias=False, padding=1)],
        output=_conv_output,
        gradients=("dx", "dw", "db"),
        exact=_sums_of_products,
        units=8,  # Winograd's transforms double the error of a plain sum
        reduction=_conv_reduction,
        flops=_conv_flops,
        batched=("x",),
        bad_calls=[
            BadCall("w", r"\(6, 3, 3, 3\)", w=lambda good: good["w"][:, 1:]),
            BadCall("b", r"\(5,\)", b=lambda good: good["b"][1:]),
            BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
            BadCall("stride", "0", stride=0),
            BadCall("stride", "-1", stride=-1),
            BadCall("padding", "-1", padding=-1),
            BadCall("padding", "'valid'", padding="valid"),
            BadCall("stride", r"\(2, 2\)", padding="same", stride=2),
            BadCall("dilation", "0", dilation=0),
            BadCall("groups", "0", groups=0),
            BadCall("groups|w", groups=3),
            BadCall("algo", "'magic'", algo="magic"),
            BadCall("w|kernel_size", w=lambda good: good["w"].repeat(4, axis=2)),
            BadCall("x", x=lambda good: good["x"][:, :, :0]),
        ],
        torch=_conv_torch,
    ),
    Pair(
        name="conv1d",
        problems=[
            _conv((3, 4, 7), (6, 4, 3), padding=1),
            _conv((2, 3, 11), (5, 3, 4), bias=False, stride=2, padding=2, dilation=2),
            _conv((2, 6, 9), (4, 3, 3), groups=2, stride=3),
            _conv((2, 5, 8), (5, 1, 3), groups=5, padding=1),
            _conv((2, 3, 6), (4, 3, 4), padding="same"),
            _conv((2, 18, 5), (7, 18, 1)),
        ],
        wide=_conv((32, 16, 200), (32, 16, 5), padding=2),
        tails=[lambda n: _conv((2, 3, 6), (n, 3, 3)), lambda n: _conv((2, n, 5), (3, n, 3), padding="same")],
        bench=[_conv((64, 64, 512), (64, 64, 5), bias=False, padding=2)],
        output=_conv1d_output,
        gradients=("dx", "dw", "db"),
        reduction=_conv1d_reduction,
        flops=lambda problem: 6 * math.prod(_conv1d_output(problem)) * math.prod(problem.shapes["w"][1:]),
        batched=("x",),
        bad_calls=[
            BadCall("w", r"\(6, 3, 3\)", w=lambda good: good["w"][:, 1:]),
            BadCall("b", r"\(5,\)", b=lambda good: good["b"][1:]),
            BadCall("dy", dy=lambda good: good["dy"][:, :, 1:]),
            BadCall("stride", "0", stride=0),
            BadCall("padding", "-1", padding=-1),
            BadCall("padding", "'valid'", padding="valid"),
            BadCall("stride", r"\(1, 2\)", padding="same", stride=2),
            BadCall("dilation", "0", dilation=0),
            BadCall("groups", "0", groups=0),
            BadCall("kernel_size", w=lambda good: good["w"].repeat(4, axis=2)),
        ],
        torch=_conv1d_torch,
    ),
    Function(
        name="im2col",
        result="cols",
        problems=[
            _im2col((2, 3, 6, 5), 3, padding=1),
            _im2col((2, 3, 7, 9), (3, 2), stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
        ],
        wide=_im2col((6, 16, 24, 24), 3, padding=1),
        tails=[lambda n: _im2col((2, n, 4, 3), 2), lambda n: _im2col((1, 2, 3, n), (2, 1))],
        bench=[_im2col((128, 16, 32, 32), 3, padding=1)],
        batched=("x",),
        bad_calls=[
            BadCall("kernel_size", kernel_size=9),
            BadCall("kernel_size", "0", kernel_size=0),
            BadCall("stride", "0", stride=0),
            BadCall("padding", "-1", padding=-1),
        ],
        torch=lambda torch, x, **settings: torch.nn.functional.unfold(x, **settings),
    ),
    Function(
        name="col2im",
        result="x",
        problems=[
            _col2im((2, 3, 6, 5), 3, padding=1),
            _col2im((2, 3, 7, 9), (3, 2), stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
        ],
        wide=_col2im((6, 16, 24, 24), 3, padding=1),
        tails=[lambda n: _col2im((2, n, 4, 3), 2), lambda n: _col2im((1, 2, 3, n), (2, 1))],
        bench=[_col2im((128, 16, 32, 32), 3, padding=1)],
        reduction=lambda problem: {"x": 9},
        bad_calls=[
            BadCall("cols", cols=lambda good: good["cols"][:, 1:]),
            BadCall("kernel_size", kernel_size=9),
            BadCall("stride", "0", stride=0),
        ],
        torch=_col2im_torch,
    ),
)
