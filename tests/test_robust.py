"""Bad input gets an error that says what was expected, what came and what to do; odd input works."""

import numpy as np
import pytest
from support import ALGORITHMS, M, R, problem, rounding

from jnmf import ALS, ANLS, HALS, PGD, Factors, Status, fit, init, run

X, START = problem()
GOOD = np.asarray(X)


def with_entry(value, at=(2, 3)):
    A = GOOD.copy()
    A[at] = value
    return A


@pytest.mark.quick(2)
@pytest.mark.parametrize("algorithm", [HALS(), ALS(), ANLS(), PGD()])
def test_negative_entries_are_allowed_by_the_others(algorithm):
    fitted = fit(with_entry(-2.0), R, algorithm, max_iters=20)
    assert np.isfinite(fitted.loss)
    assert (fitted.W >= 0).all()


def test_rank_above_both_sides():
    fitted = fit(GOOD, 15, HALS(), max_iters=20)
    assert fitted.W.shape == (M, 15)
    assert np.isfinite(fitted.loss)
    with pytest.raises(ValueError, match=r"nndsvd: expected rank ≤ min\(m, n\) = 9"):
        fit(GOOD, 15, init="nndsvd")


@pytest.mark.quick(2)
@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize("name", [n for n in ALGORITHMS if n not in ("MU -1", "MU 3", "HALS inner", "Momentum MU")])
@pytest.mark.parametrize("dtype", ["float32"])
def test_empty_rows_and_columns_and_an_empty_matrix(name, dtype):
    A = GOOD.astype(dtype)
    A[4], A[:, [0, 7]] = 0, 0
    fitted = fit(A, R, ALGORITHMS[name], max_iters=20)
    assert np.isfinite(fitted.loss)
    assert np.isfinite(fitted.W).all()
    assert (fitted.W[4] == 0).all()
    assert (fitted.H[:, [0, 7]] == 0).all()
    assert (fitted.W[5] > 0).any()

    nothing = fit(np.zeros_like(A), R, ALGORITHMS[name], max_iters=20)
    assert nothing.status is Status.CONVERGED
    assert (nothing.W == 0).all()
    assert (nothing.H == 0).all()
    assert nothing.loss == 0


@pytest.mark.parametrize("name", ["MU", "MU KL", "HALS", "ALS", "ANLS pivoting"])
def test_an_empty_row_becomes_zero_from_any_start(name):
    A = GOOD.copy()
    A[4] = 0
    factors, trace = run(A, START, ALGORITHMS[name], num_iters=4)
    np.testing.assert_allclose(factors.W[4], 0, atol=1e-14)
    assert not np.isnan(trace.loss).any()


@pytest.mark.quick(2)
@pytest.mark.parametrize("name", ["MU 0.5", "Extrapolated HALS", "Momentum MU KL", "ALS", "ANLS projected gradient"])
@pytest.mark.parametrize("dtype", ["float32"])
def test_a_dead_component_never_makes_nan(name, dtype):
    """In the precision that the check of these algorithms does not try."""
    _, (W, H) = problem(dtype)
    dead = Factors(W.at[:, 1].set(0), H.at[1].set(0))
    factors, trace = run(X.astype(dtype), dead, ALGORITHMS[name], num_iters=4)
    assert np.isfinite(trace.loss).all()
    assert (factors.W[:, 1] == 0).all()
    assert (factors.H[1] == 0).all()


def test_a_named_init_that_leaves_nothing_is_an_error():
    """All parts of the singular vectors of -1 that nndsvd could keep are zero."""
    with pytest.raises(ValueError, match="init W: expected a positive entry, got all zeros"):
        fit(-np.ones((4, 3)), 1, HALS(), init="nndsvd")


def test_dead_components_are_reported():
    with pytest.warns(UserWarning, match="3 of 3 components are dead"):
        fit(GOOD, R, HALS(l1_W=100.0), max_iters=20)


def test_hals_brings_a_component_back_whose_row_became_zero():
    start = Factors(START.W, START.H.at[1].set(0))
    factors, _ = run(X, start, HALS(), num_iters=4)
    assert (factors.H[1] > 0).any()


@pytest.mark.quick(1)
@pytest.mark.filterwarnings("ignore:.*components are dead")  # ALS and ANLS lose one in twenty iterations
@pytest.mark.parametrize("name", ["MU", "MU KL", "MU Itakura-Saito", "HALS", "ALS", "PGD", "ANLS pivoting"])
@pytest.mark.parametrize("dtype", ["float32"])
def test_scale_of_X_changes_nothing(name, dtype):
    A = GOOD.astype(dtype)
    plain = fit(A, R, ALGORITHMS[name], max_iters=20)
    for exponent in (-40, 40):  # powers of two near 1e-12 and 1e12: the scaling itself makes no rounding
        c = dtype_scale(dtype, exponent)
        scaled = fit(A * c, R, ALGORITHMS[name], max_iters=20)
        assert (scaled.num_iters, scaled.status) == (plain.num_iters, plain.status)
        root = dtype_scale(dtype, exponent // 2)
        np.testing.assert_allclose(scaled.W / root, plain.W, rtol=rounding(dtype), atol=rounding(dtype))
        np.testing.assert_allclose(scaled.H / root, plain.H, rtol=rounding(dtype), atol=rounding(dtype))


def dtype_scale(dtype, exponent):
    return np.dtype(dtype).type(2.0**exponent)


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", ["random", "nndsvd", "nndsvda", "nndsvdar", "spa"])
def test_inits_by_name(name, dtype):
    A = GOOD.astype(dtype)
    fitted = fit(A, R, init=name, max_iters=0)
    assert fitted.W.dtype == dtype
    assert (fitted.W >= 0).all()
    scaled = fit(A * dtype_scale(dtype, 40), R, init=name, max_iters=0)
    np.testing.assert_allclose(scaled.W, fitted.W * dtype_scale(dtype, 20), rtol=1e-3)


def test_nndsvd_is_the_nonnegative_part_of_the_singular_vectors():
    W, H = init.nndsvd(GOOD, 2)
    U, sigma, Vt = np.linalg.svd(GOOD)
    np.testing.assert_allclose(np.abs(W[:, 0]), np.sqrt(sigma[0]) * np.abs(U[:, 0]), rtol=1e-10)  # Perron: one sign
    u, v = U[:, 1], Vt[1]
    parts = [np.outer(np.maximum(s * u, 0), np.maximum(s * v, 0)) for s in (1, -1)]
    best = max(parts, key=np.linalg.norm)
    np.testing.assert_allclose(np.outer(W[:, 1], H[1]), sigma[1] * best, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(W[:, 1]), np.linalg.norm(H[1]))
    for fill, largest in (("mean", None), ("random", 0.01)):
        filled = init.nndsvd(GOOD, 2, fill=fill, key=1)
        level = np.sqrt(GOOD.mean() / 2)
        holes = np.asarray(filled.W)[np.asarray(W) == 0]
        assert holes.size > 0
        assert np.allclose(holes, level) if largest is None else (holes <= largest * level).all()
    with pytest.raises(ValueError, match="fill: expected one of 'zero', 'mean', 'random', got 'ones'"):
        init.nndsvd(GOOD, 2, fill="ones")


def test_nndsvd_of_a_rank_deficient_matrix_has_no_nan():
    W, H = init.nndsvd(np.outer(np.arange(5.0), np.ones(4)), 3)
    assert np.isfinite(W).all()
    assert (W[:, 1:] == 0).all()
    assert (H[1:] == 0).all()


def test_random_has_the_mean_of_X():
    A = np.random.default_rng(0).random((200, 150))
    W, H = init.random(0, A, 10)
    np.testing.assert_allclose((W @ H).mean(), A.mean(), rtol=0.1)
