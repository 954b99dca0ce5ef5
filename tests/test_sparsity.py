from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import drawn

from jnmf.sparsity import hoyer_sparsity, project_sparsity
from proofs.strategies import real

LENGTHS = (2, 3, 6)  # one compilation each
vectors = st.sampled_from(LENGTHS).flatmap(lambda n: real((n,)))
nonzero = vectors.filter(np.any)
sparsities = st.integers(0, 16).map(lambda k: k / 16)


def norms(x):
    return np.abs(x).sum(), np.sqrt((x**2).sum())


@drawn
@given(nonzero)
def test_sparsity_is_the_formula_of_hoyer(x):
    n, (l1, l2) = len(x), norms(x)
    assert hoyer_sparsity(x) == pytest.approx((np.sqrt(n) - l1 / l2) / (np.sqrt(n) - 1), abs=1e-14)


@drawn
@given(nonzero)
def test_one_for_a_single_entry_zero_for_equal_magnitudes_between_otherwise(x):
    s = float(hoyer_sparsity(x))
    assert -1e-14 <= s <= 1 + 1e-14
    assert (s > 1 - 1e-9) == (np.count_nonzero(x) == 1)
    assert (s < 1e-9) == (len(set(np.abs(x))) == 1)


@pytest.mark.parametrize("n", [2, 5, 100])
def test_the_two_ends_of_the_scale(n):
    single, equal = np.zeros(n), np.full(n, 0.1)
    single[n // 2], equal[0] = -3, -0.1
    assert hoyer_sparsity(single) == pytest.approx(1, abs=1e-14)
    assert hoyer_sparsity(equal) == pytest.approx(0, abs=1e-14)


def test_zero_vectors_and_single_entries_are_not_sparse():
    assert hoyer_sparsity(np.zeros(4)) == 0
    assert hoyer_sparsity(np.array([3.0])) == 0
    np.testing.assert_array_equal(hoyer_sparsity(np.array([[0.0, 1.0], [0.0, 0.0]]), axis=0), [0, 1])
    assert np.isfinite(jax.grad(hoyer_sparsity)(jnp.zeros(3))).all()


def test_axis_is_that_of_numpy():
    A = np.arange(24.0).reshape(2, 3, 4)
    columns = [[float(hoyer_sparsity(A[:, i, j])) for j in range(4)] for i in range(3)]
    np.testing.assert_allclose(hoyer_sparsity(A, axis=0), columns, atol=1e-15)
    np.testing.assert_allclose(hoyer_sparsity(A, axis=(1, -1)), [float(hoyer_sparsity(a)) for a in A], atol=1e-15)
    assert hoyer_sparsity(A) == pytest.approx(float(hoyer_sparsity(A.ravel())))
    np.testing.assert_allclose(jax.jit(jax.vmap(hoyer_sparsity))(A), hoyer_sparsity(A, axis=(1, 2)), atol=1e-15)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_scale_and_dtype(dtype):
    x = np.array([0, 1, 2, 5], dtype)
    expected = float(hoyer_sparsity(x.astype(float)))
    tiny, huge = {"float16": (2**-10, 2**10), "float32": (1e-30, 1e30), "float64": (1e-300, 1e300)}[dtype]
    for c in (1, tiny, huge):
        scaled = (x * c).astype(dtype)
        s, projection = hoyer_sparsity(scaled), project_sparsity(scaled, 0.7)
        assert s.dtype == projection.dtype == dtype
        assert s == pytest.approx(expected, abs=10 * float(np.finfo(dtype).eps))
        np.testing.assert_allclose(
            projection.astype(float) / c, project_sparsity(x.astype(float), 0.7), atol=50 * float(np.finfo(dtype).eps)
        )


@drawn
@given(nonzero, sparsities)
def test_projection_is_nonnegative_and_has_the_length_and_the_sparsity_asked_for(x, sparsity):
    s = np.asarray(project_sparsity(x, sparsity))
    assert (s >= 0).all()
    assert np.linalg.norm(s) == pytest.approx(np.linalg.norm(x), rel=1e-13)
    assert hoyer_sparsity(s) == pytest.approx(sparsity, abs=1e-13)


@drawn
@given(nonzero, sparsities)
def test_projecting_twice_is_projecting_once(x, sparsity):
    once = project_sparsity(x, sparsity)
    np.testing.assert_allclose(project_sparsity(once, sparsity), once, atol=1e-12)


def candidates(x, sparsity):
    """On every support, the point of plane and sphere nearest to x, if it is nonnegative.

    A support on which x is constant has many nearest points, all at one distance; one nonnegative one is taken.
    """
    n, l2 = len(x), np.linalg.norm(x)
    l1 = l2 * (np.sqrt(n) - sparsity * (np.sqrt(n) - 1))
    for size in range(1, n + 1):
        square = l2**2 - l1**2 / size
        if square < -1e-12 * l2**2:
            continue
        for F in map(list, combinations(range(n), size)):
            d = x[F] - x[F].mean()
            if np.abs(d).max() < 1e-12:
                d = np.eye(size)[0] - 1 / size
            length = np.linalg.norm(d)
            s = np.zeros(n)
            s[F] = l1 / size + d * (np.sqrt(max(square, 0)) / length if length else 0)
            if (s >= -1e-12 * l2).all():
                yield s


@drawn
@given(nonzero, sparsities)
def test_projection_is_the_nearest_of_the_candidates_on_all_supports(x, sparsity):
    s = np.asarray(project_sparsity(x, sparsity))
    nearest = min(np.linalg.norm(x - other) for other in candidates(x, sparsity))
    assert np.linalg.norm(x - s) == pytest.approx(nearest, abs=1e-7 * float(np.linalg.norm(x)))


@settings(drawn, max_examples=10)
@given(real((6,)).filter(np.any), st.integers(1, 15).map(lambda k: k / 16))
def test_no_random_feasible_point_is_nearer(x, sparsity):
    distance = np.linalg.norm(x - project_sparsity(x, sparsity))
    rng = np.random.default_rng(0)
    # A random support F, and on it the mean plus a random direction of sum 0, with the two norms asked for.
    F = rng.random((2000, 6)) < rng.random((2000, 1))
    F[:, 0] |= ~F.any(axis=1)
    size = F.sum(axis=1, keepdims=True)
    d = np.where(F, rng.standard_normal(F.shape), 0)
    d = np.where(F, d - d.sum(axis=1, keepdims=True) / size, 0)
    l2 = np.linalg.norm(x)
    l1 = l2 * (np.sqrt(6) - sparsity * (np.sqrt(6) - 1))
    length = np.linalg.norm(d, axis=1, keepdims=True)
    square = l2**2 - l1**2 / size
    s = np.where(F, l1 / size, 0) + d * np.sqrt(np.maximum(square, 0)) / np.where(length > 0, length, 1)
    feasible = s[((s >= 0).all(axis=1, keepdims=True) & (square >= 0) & (length > 0))[:, 0]]
    assert len(feasible) > 10
    assert (np.linalg.norm(x - feasible, axis=1) >= distance - 1e-12).all()


def test_projection_in_the_plane_by_hand():
    # n = 2, sparsity s: the entries are l1/2 ± sqrt(2·l2² − l1²)/2, the larger where x is larger.
    x, sparsity = np.array([3.0, 4.0]), 0.5
    l1 = 5 * (np.sqrt(2) - 0.5 * (np.sqrt(2) - 1))
    gap = np.sqrt(2 * 25 - l1**2)
    np.testing.assert_allclose(project_sparsity(x, sparsity), [(l1 - gap) / 2, (l1 + gap) / 2], rtol=1e-14)


def test_projection_where_it_is_not_unique_or_nothing_is_left_to_choose():
    for x in (np.full(3, 0.1), np.array([1.0, 1.0, 0.0]), np.full(3, -1.0)):
        s = np.asarray(project_sparsity(x, 0.9))
        assert hoyer_sparsity(s) == pytest.approx(0.9)
        assert s.argmax() == 0
    np.testing.assert_array_equal(project_sparsity(np.zeros(3), 0.5), np.zeros(3))
    np.testing.assert_array_equal(project_sparsity(np.array([-2.0]), 0.5), [2.0])


def test_projection_jit_and_vmap():
    X = np.random.default_rng(1).standard_normal((5, 3))
    levels = np.linspace(0, 1, 5)
    expected = np.stack([project_sparsity(x, s) for x, s in zip(X, levels, strict=True)])
    np.testing.assert_allclose(jax.jit(jax.vmap(project_sparsity))(X, levels), expected, atol=1e-14)
    columns = jax.vmap(project_sparsity, (1, None), 1)(X.T, 0.5)
    np.testing.assert_allclose(columns, np.stack([project_sparsity(x, 0.5) for x in X], axis=1), atol=1e-14)
    assert np.isnan(jax.jit(project_sparsity)(np.array([np.nan, 1.0, 2.0]), 0.5)).all()


def test_what_does_not_fit_is_an_error_that_says_so():
    with pytest.raises(ValueError, match=r"expected a vector, got shape \(2, 2\); use jax.vmap"):
        project_sparsity(np.eye(2), 0.5)
    with pytest.raises(ValueError, match=r"sparsity: expected a number in \[0, 1\], got 1.5"):
        project_sparsity(np.ones(2), 1.5)
    with pytest.raises(ValueError, match=r"sparsity: expected a finite number of at least 0, got -0\.5"):
        project_sparsity(np.ones(2), -0.5)
    with pytest.raises(ValueError, match=r"at least one entry, got shape \(0,\)"):
        hoyer_sparsity(np.zeros(0))
    with pytest.raises(TypeError, match="expected real numbers, got dtype complex"):
        hoyer_sparsity(np.ones(2, complex))
