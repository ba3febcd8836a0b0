"""The NumPy specification itself: its equations against torch, its corner cases."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from fastnn import reference as ref
from fastnn.keys import Key
from fastnn.reference.dropout import _philox4x32_7

RNG = np.random.default_rng(0)


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", [n for n, f in inspect.getmembers(ref, inspect.isfunction)])
def test_every_function_shows_an_example(name: str) -> None:
    doc = inspect.getdoc(getattr(ref, name)) or ""
    assert "Example:" in doc


CONV_SETTINGS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)},
    {"groups": 2, "padding": 1},
    {"groups": 4, "stride": (1, 3)},
]


@pytest.mark.parametrize("settings", CONV_SETTINGS)
def test_conv2d_is_torch(settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    x, b = RNG.normal(size=(2, 4, 7, 9)), RNG.normal(size=8)
    w = RNG.normal(size=(8, 4 // settings.get("groups", 1), 3, 2))
    tx, tw, tb = (torch.tensor(a, requires_grad=True) for a in (x, w, b))
    ty = torch.nn.functional.conv2d(tx, tw, tb, **settings)
    dy = RNG.normal(size=ty.shape)
    ty.backward(torch.tensor(dy))
    y, cache = ref.conv2d_forward(x, w, b, **settings)
    close(y, ty.detach())
    for mine, theirs in zip(ref.conv2d_backward(dy, cache), (tx, tw, tb), strict=True):
        close(mine, theirs.grad)


@pytest.mark.parametrize("settings", CONV_SETTINGS[:3])
def test_im2col_and_col2im_are_torch(settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    x = RNG.normal(size=(2, 3, 7, 9))
    cols = ref.im2col(x, (3, 2), **settings)
    close(cols, torch.nn.functional.unfold(torch.tensor(x), (3, 2), **settings))
    folded = torch.nn.functional.fold(torch.tensor(cols), (7, 9), (3, 2), **settings)
    close(ref.col2im(cols, x.shape, (3, 2), **settings), folded)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 5)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_batchnorm_is_torch(shape: tuple[int, ...], training: bool, activation: Any) -> None:
    torch = pytest.importorskip("torch")
    x, gamma, beta = RNG.normal(size=shape), RNG.normal(size=3), RNG.normal(size=3)
    mean, var = RNG.normal(size=3), RNG.uniform(0.5, 2, size=3)
    tx, tgamma, tbeta = (torch.tensor(a, requires_grad=True) for a in (x, gamma, beta))
    tmean, tvar = torch.tensor(mean), torch.tensor(var)
    ty = torch.nn.functional.batch_norm(tx, tmean, tvar, tgamma, tbeta, training)
    ty = torch.relu(ty) if activation else ty
    dy = RNG.normal(size=shape)
    ty.backward(torch.tensor(dy))
    given = {} if training else {"mean": mean, "var": var}
    y, cache = ref.batchnorm_forward(x, gamma, beta, activation=activation, **given)
    close(y, ty.detach())
    for mine, theirs in zip(ref.batchnorm_backward(dy, cache), (tx, tgamma, tbeta), strict=True):
        close(mine, theirs.grad)


@pytest.mark.parametrize(("mean", "sigma"), [(1e3, 1.0), (1e4, 0.1)])
def test_batchnorm_survives_a_large_mean(mean: float, sigma: float) -> None:
    x = RNG.normal(mean, sigma, size=(64, 2, 8, 8)).astype(np.float32)
    y, _ = ref.batchnorm_forward(x, np.ones(2, np.float32), np.zeros(2, np.float32))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), 1, atol=2e-3)


POOL_SETTINGS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)},
]


@pytest.mark.parametrize("settings", POOL_SETTINGS)
@pytest.mark.parametrize("kind", ["max", "avg", "avg of pixels"])
def test_pooling_is_torch(settings: dict[str, Any], kind: str) -> None:
    torch = pytest.importorskip("torch")
    x = RNG.integers(-3, 4, size=(2, 3, 7, 8)).astype(np.float64)  # many ties
    tx = torch.tensor(x, requires_grad=True)
    if kind == "max":
        ty = torch.nn.functional.max_pool2d(tx, **settings)
        y, max_cache = ref.maxpool2d_forward(x, **settings)
        dy = RNG.normal(size=y.shape)
        dx = ref.maxpool2d_backward(dy, max_cache)
    else:
        counted = {"count_include_pad": kind == "avg"}
        ty = torch.nn.functional.avg_pool2d(tx, **settings, **counted)
        y, avg_cache = ref.avgpool2d_forward(x, **settings, **counted)
        dy = RNG.normal(size=y.shape)
        dx = ref.avgpool2d_backward(dy, avg_cache)
    ty.backward(torch.tensor(dy))
    close(y, ty.detach())
    close(dx, tx.grad)


def test_maxpool_sends_all_minus_infinity_and_nan_to_pixels() -> None:
    x = np.full((1, 1, 2, 2), -np.inf)
    y, cache = ref.maxpool2d_forward(x, 2, padding=1)
    close(ref.maxpool2d_backward(np.ones_like(y), cache), np.ones_like(x))
    x[0, 0] = [[1, np.nan], [np.nan, 9]]
    y, cache = ref.maxpool2d_forward(x, 2)
    assert np.isnan(y).all()
    assert ref.maxpool2d_backward(np.ones_like(y), cache)[0, 0].tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_cross_entropy_is_torch(weighted: bool) -> None:
    torch = pytest.importorskip("torch")
    scores, labels = RNG.normal(size=(6, 5)) * 3, RNG.integers(0, 5, size=6)
    weights = RNG.uniform(size=6) if weighted else None
    ts = torch.tensor(scores, requires_grad=True)
    losses = torch.nn.functional.cross_entropy(ts, torch.tensor(labels), reduction="none")
    tw = torch.ones(6, dtype=torch.float64) if weights is None else torch.tensor(weights)
    tvalue = (losses * tw).sum() / tw.sum()
    (tvalue * 3).backward()
    value, cache = ref.softmax_cross_entropy_forward(scores, labels, weights=weights)
    close(value, tvalue.item())
    close(ref.softmax_cross_entropy_backward(3.0, cache), ts.grad)


def test_softmax_cross_entropy_at_extreme_scores() -> None:
    scores = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    value, cache = ref.softmax_cross_entropy_forward(scores, np.array([0, 0]))
    assert value == 1e4
    assert ref.softmax_cross_entropy_backward(1.0, cache).tolist() == [[0, 0], [-0.5, 0.5]]


@pytest.mark.parametrize("settings", [
    {}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"weight_decay": 0.1},
])  # fmt: skip
def test_sgd_is_torch(settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    w = RNG.normal(size=(3, 4))
    tw = torch.tensor(w, requires_grad=True)
    optimizer = torch.optim.SGD([tw], lr=0.1, **settings)
    velocity = np.zeros_like(w) if "momentum" in settings else None
    for _ in range(4):
        g = RNG.normal(size=w.shape)
        tw.grad = torch.tensor(g)
        optimizer.step()
        ref.sgd_update(w, g, velocity, lr=0.1, **settings)
        close(w, tw.detach())


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam_is_torch(decoupled: bool, weight_decay: float) -> None:
    torch = pytest.importorskip("torch")
    w = RNG.normal(size=(3, 4))
    tw = torch.tensor(w, requires_grad=True)
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimizer = kind([tw], lr=0.1, weight_decay=weight_decay)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for step in range(1, 5):
        g = RNG.normal(size=w.shape)
        tw.grad = torch.tensor(g)
        optimizer.step()
        ref.adam_update(w, g, m, v, step=step, lr=0.1, weight_decay=weight_decay, decoupled=decoupled)
        close(w, tw.detach())


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "5f6fb709 0d893f64 4f121f81 4f730a48"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "5207ddc2 45165e59 4d8ee751 8c52f662"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "4dfccaba 190a87f0 c47362ba b6b5242a"),
    ],
)
def test_philox_known_answers(counter: str, key: str, expected: str) -> None:
    words = [np.array([int(c, 16)], np.uint64) for c in counter.split()]
    k0, k1 = (int(k, 16) for k in key.split())
    out = _philox4x32_7((words[0], words[1], words[2], words[3]), (k0, k1))
    assert " ".join(f"{int(o[0]):08x}" for o in out) == expected


def test_dropout_mask_knows_neither_memory_nor_batch_split() -> None:
    x, key = np.ones((6, 5, 3, 4)), Key.from_seed(7).at(10)
    whole, _ = ref.dropout_forward(x, 0.3, key=key)
    split = [ref.dropout_forward(x[i : i + 2], 0.3, key=key.at(10 + i))[0] for i in (0, 2, 4)]
    close(np.concatenate(split), whole)
    rows, _ = ref.dropout_forward(x.transpose(0, 2, 3, 1).reshape(6, -1), 0.3, key=key)
    close(rows.reshape(6, 3, 4, 5).transpose(0, 3, 1, 2), whole)


def test_dropout_keeps_the_expected_share() -> None:
    y, _ = ref.dropout_forward(np.ones((50, 4000)), 0.3, key=Key.from_seed(1), inverted=False)
    assert abs(y.mean() - 0.7) < 4 * np.sqrt(0.21 / y.size)
    assert np.abs(y.mean(axis=0) - 0.7).max() < 0.35  # no element is always kept or always dropped


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ref.conv2d_forward(x, np.ones((2, 3, 9, 3))),
        lambda x: ref.conv2d_forward(x, np.ones((2, 2, 3, 3))),
        lambda x: ref.conv2d_forward(x, np.ones((2, 3, 3, 3)), stride=0),
        lambda x: ref.conv2d_forward(x, np.ones((2, 3, 3, 3)), padding=(0, -1)),
        lambda x: ref.conv2d_forward(x, np.ones((2, 1, 3, 3)), groups=3),
        lambda x: ref.im2col(x, 3, dilation=3),
        lambda x: ref.col2im(np.ones((2, 27, 8)), x.shape, 3),
        lambda x: ref.maxpool2d_forward(x, 6),
        lambda x: ref.avgpool2d_forward(x, 2, padding=2),
        lambda x: ref.batchnorm_forward(x[:1, :, :1, :1], np.ones(3), np.ones(3)),
        lambda x: ref.batchnorm_forward(x, np.ones(3), np.ones(3), mean=np.ones(3)),
        lambda x: ref.dropout_forward(x, 1.0, key=Key(0)),
        lambda x: ref.gemm(np.ones((2, 3)), np.ones((2, 3))),
        lambda x: ref.linear_forward(np.ones((2, 3)), np.ones((3, 2))),
        lambda x: ref.softmax_cross_entropy_forward(np.ones((2, 3)), np.array([0, 3])),
        lambda x: ref.softmax_cross_entropy_forward(np.ones((0, 3)), np.array([], int)),
        lambda x: ref.sgd_update(x, x, None, lr=0.1, momentum=0.9),
        lambda x: ref.conv2d_output_size(3, 5),
        lambda x: ref.pool2d_output_size(3, 2, padding=-1),
    ],
)
def test_impossible_calls_are_refused(call: Any) -> None:
    with pytest.raises(ValueError, match=r"^\[\w+\] .+: expected .+, got .+$"):
        call(np.ones((2, 3, 5, 5)))


def test_empty_batches() -> None:
    x = np.ones((0, 4, 5, 5), np.float32)
    y, conv_cache = ref.conv2d_forward(x, np.ones((6, 2, 3, 3), np.float32), np.ones(6, np.float32), groups=2)
    dx, dw, db = ref.conv2d_backward(y, conv_cache)
    assert y.shape == (0, 6, 3, 3)
    assert dx.shape == x.shape
    assert not dw.any()
    assert db is not None
    assert not db.any()
    y, pool_cache = ref.maxpool2d_forward(x, 2)
    assert ref.maxpool2d_backward(y, pool_cache).shape == x.shape
    y, _ = ref.dropout_forward(x, key=Key(0))
    assert y.shape == x.shape
    one = np.ones(4, np.float32)
    y, norm_cache = ref.batchnorm_forward(x, one, one, mean=one, var=one)
    assert ref.batchnorm_backward(y, norm_cache)[0].shape == x.shape
