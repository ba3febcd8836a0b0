"""Preprocessing is fitted on the training part alone and survives being saved; augmentation is fair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn.augment import RandomCrop, RandomHorizontalFlip, draw_moves
from fastnn.data import Loader
from fastnn.io import flatten_state, unflatten_state
from fastnn.preprocess import PCA, Affine, MinMax, Scale, Standardise, Whiten, ZeroCentre, from_state_dict

KINDS = [Scale, ZeroCentre, MinMax, Standardise, PCA, Whiten]


def images(count: int = 3000) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 4, 5), np.uint8)


def test_scale_is_explicit() -> None:
    result = Scale().fit(images()).transform(images())
    np.testing.assert_array_equal(result, images().astype(np.float32) / np.float32(255))


def test_zero_centre_subtracts_the_mean_image_of_the_training_part() -> None:
    train, other = images()[:2000], images()[2000:]
    step = ZeroCentre().fit(train)
    np.testing.assert_allclose(step.transform(other), other - train.mean(axis=0), atol=1e-4)
    assert np.abs(step.transform(train.astype(np.float64)).mean(axis=0)).max() < 1e-11


def test_zero_centre_subtracts_a_mean_per_channel_if_asked() -> None:
    train, other = images()[:2000], images()[2000:]
    step = ZeroCentre(per_channel=True).fit(train)
    assert step.mean is not None
    assert step.mean.shape == (3, 1, 1)
    means = train.mean(axis=(0, 2, 3))[:, None, None]
    np.testing.assert_allclose(step.transform(other), other - means, atol=1e-4)
    rows = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_array_equal(
        ZeroCentre(per_channel=True).fit(rows).transform(rows), ZeroCentre().fit(rows).transform(rows)
    )


def test_min_max_takes_the_range_of_the_training_part_to_one() -> None:
    X = np.random.default_rng(0).normal(3, 2, (2500, 4))
    X[:, 2] = 5
    result = MinMax().fit(X[:2000]).transform(X)
    np.testing.assert_allclose(result[:2000].min(axis=0), [-1, -1, 0, -1], atol=1e-12)
    np.testing.assert_allclose(result[:2000].max(axis=0), [1, 1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(np.diff(result[:, 0]) / np.diff(X[:, 0]), 2 / np.ptp(X[:2000, 0]))
    pixels = images() // np.array([1, 2, 4], np.uint8)[:, None, None]
    step = MinMax().fit(pixels)
    assert step.std is not None
    assert step.std.ravel().tolist() == [127.5, 63.5, 31.5]  # a range per channel, and no byte that overflows


def test_standardise_is_per_channel_for_images() -> None:
    train = images() // np.array([1, 2, 4], np.uint8)[:, None, None]
    step = Standardise().fit(train)
    assert step.mean is not None
    assert step.mean.shape == (3, 1, 1)
    np.testing.assert_allclose(step.mean, train.mean(axis=(0, 2, 3), keepdims=True)[0], rtol=1e-13)
    np.testing.assert_allclose(step.std, train.std(axis=(0, 2, 3), keepdims=True)[0], rtol=1e-12)


def test_standardise_is_per_feature_otherwise_and_leaves_constants_finite() -> None:
    X = np.random.default_rng(0).normal(3, 2, (2500, 4))
    X[:, 2] = 5
    step = Standardise().fit(X)
    result = step.transform(X)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(result.std(axis=0), [1, 1, 0, 1], atol=1e-12)


@pytest.mark.parametrize("value", [0.1, 0.3, 1e6 + 0.1])
@pytest.mark.parametrize("shape", [(1000, 2), (7, 2), (50, 3, 4, 4)])
@pytest.mark.parametrize("kind", [MinMax, Standardise])
def test_a_constant_whose_sum_is_rounded_becomes_zero(
    kind: type[Affine], shape: tuple[int, ...], value: float
) -> None:
    X = np.full(shape, value)
    np.testing.assert_array_equal(kind().fit(X).transform(X), 0)


def test_statistics_survive_a_large_mean() -> None:
    X = (1e4 + 0.1 * np.random.default_rng(0).standard_normal((5000, 3))).astype(np.float32)
    step = Standardise().fit(X)
    np.testing.assert_allclose(step.std, X.astype(np.float64).std(axis=0), rtol=1e-10)


def correlated(count: int = 2500) -> Any:
    rng = np.random.default_rng(1)
    return rng.normal(size=(count, 6)) @ rng.normal(size=(6, 6)) + 10 * rng.normal(size=6)


def test_t35_pca_decorrelates_and_keeps_the_greatest_variances() -> None:
    X = correlated()
    train, other = X[:2000], X[2000:]
    step = PCA().fit(train)
    result = step.transform(train)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-10)
    covariance = result.T @ result / len(result)
    np.testing.assert_allclose(covariance, np.diag(step.variances), atol=1e-9)  # type: ignore[arg-type]
    centred = train - train.mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(step.variances, values**2 / len(train), rtol=1e-9)  # type: ignore[arg-type]
    axes *= np.sign(axes[np.arange(6), np.abs(axes).argmax(axis=1)])[:, None]
    np.testing.assert_allclose(step.transform(other), (other - train.mean(axis=0)) @ axes.T, atol=1e-8)
    few = PCA(2).fit(train)
    np.testing.assert_allclose(few.transform(other), step.transform(other)[:, :2], atol=1e-9)
    assert few.matrix is not None
    assert step.variances is not None
    lost = centred - few.transform(train) @ few.matrix.T
    np.testing.assert_allclose(np.square(lost).sum() / len(train), step.variances[2:].sum(), rtol=1e-9)


def test_t36_whitening_leaves_the_unit_covariance() -> None:
    X = correlated()
    train, other = X[:2000], X[2000:]
    result = Whiten(eps=0.0).fit(train).transform(train)
    np.testing.assert_allclose(result.T @ result / len(result), np.eye(6), atol=1e-9)
    pca, white = PCA(3).fit(train), Whiten(3, eps=0.1).fit(train)
    expected = pca.transform(other) / np.sqrt(np.add(pca.variances, 0.1))  # type: ignore[arg-type]
    np.testing.assert_allclose(white.transform(other), expected, atol=1e-9)
    train[:, 2] = 7
    assert np.isfinite(Whiten().fit(train).transform(other)).all()


@pytest.mark.parametrize("kind", [PCA, Whiten])
def test_t35_t36_batches_of_the_loader_are_decorrelated(kind: type[PCA]) -> None:
    X = images(200)
    step = kind(7).fit(X)
    for dtype, tolerance in ((np.float32, 1e-4), (np.float64, 1e-9)):
        batch = next(Loader((X, np.zeros(200)), 50, shuffle=False, preprocess=step, dtype=dtype).batches())
        assert batch.X.shape == (50, 7)
        assert batch.X.dtype == dtype
        whole = step.transform(X[:50].astype(dtype))
        np.testing.assert_allclose(batch.X, whole, atol=tolerance * np.abs(whole).max())
    moved = next(Loader((X, np.zeros(200)), 50, preprocess=step, augment=[RandomCrop(2)]).batches())
    assert moved.X.shape == (50, 7)


def test_pca_refusals() -> None:
    for arguments in ({"components": 0}, {"components": 1.5}):
        with pytest.raises(ValueError, match=r"\[PCA\] components: expected an integer >= 1"):
            PCA(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\[Whiten\] components: expected at most the 6 features, got 7"):
        Whiten(7).fit(correlated())
    with pytest.raises(ValueError, match=r"\[Whiten\] eps"):
        Whiten(eps=-1.0)
    with pytest.raises(ValueError, match=r"\[Whiten\] X: expected to vary along every component"):
        Whiten(eps=0.0).fit(np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"\[PCA\] expected a call of fit"):
        PCA().transform(correlated())
    with pytest.raises(ValueError, match=r"\[PCA\] X: expected examples fitting \(6,\), got \(5,\)"):
        PCA().fit(correlated()).transform(np.zeros((2, 5)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "result"), [(np.uint8, np.float32), (np.float32, np.float32), (np.float64, np.float64)]
)
def test_types_and_inputs_are_respected(kind: type[Affine], dtype: Any, result: Any) -> None:
    X = images(50).astype(dtype)
    before = X.copy()
    assert kind().fit(X).transform(X).dtype == result
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_step_has_the_same_bits(kind: type[Affine]) -> None:
    step = kind().fit(images())
    again = from_state_dict(unflatten_state(*flatten_state(step.state_dict())))
    assert type(again) is kind
    np.testing.assert_array_equal(again.transform(images()), step.transform(images()))


def test_refusals() -> None:
    for X in (np.zeros((0, 2)), np.zeros(3), [[1.0]], np.zeros((2, 2), complex)):
        for kind in (ZeroCentre, MinMax, Standardise, PCA, Whiten):
            with pytest.raises(ValueError, match="X: expected numbers"):
                kind().fit(X)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected a call of fit"):
        Standardise().transform(images())
    with pytest.raises(ValueError, match="X: expected examples fitting"):
        Standardise().fit(images()).transform(np.zeros((2, 4, 4, 5)))
    with pytest.raises(ValueError, match="divisor"):
        Scale(0)
    with pytest.raises(ValueError, match="kind"):
        from_state_dict({"kind": "Blacken"})
    with pytest.raises(ValueError, match="kind"):
        Scale().load_state_dict(Standardise().state_dict())
    with pytest.raises(ValueError, match="mean"):
        Scale().load_state_dict({"kind": "Scale", "mean": "x", "std": None})


def words(count: int = 40000) -> Any:
    return np.random.Philox(0).random_raw(4 * count).reshape(count, 4)


def test_crops_are_uniform_over_all_places() -> None:
    moves = draw_moves([RandomCrop(2)], words())
    assert not moves[:, 2].any()
    places = (moves[:, 0] + 2) * 5 + moves[:, 1] + 2
    counts = np.bincount(places, minlength=25)
    # 25 cells of 1600 expected: chi-square with 24 degrees of freedom exceeds 51.2 once in a thousand seeds.
    assert ((counts - 1600) ** 2 / 1600).sum() < 51.2


@pytest.mark.parametrize("prob", [0.0, 0.25, 0.5, 1.0])
def test_mirrors_have_their_probability(prob: float) -> None:
    moves = draw_moves([RandomHorizontalFlip(prob)], words())
    assert not moves[:, :2].any()
    assert abs(moves[:, 2].mean() - prob) <= 4 * np.sqrt(prob * (1 - prob) / 40000)


def test_augmentation_arguments() -> None:
    for padding in (-1, 1.5, "2"):
        with pytest.raises(ValueError, match="padding"):
            RandomCrop(padding)  # type: ignore[arg-type]
    for prob in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="prob"):
            RandomHorizontalFlip(prob)
