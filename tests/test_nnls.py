"""Exact nonnegative least squares: against SciPy, on degenerate problems, and its derivative."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from support import both_derivatives, drawn

from jnmf import nnls, pivoting
from jnmf.nonnegative_least_squares import exact
from proofs.strategies import nonnegative, real, scaled

SOLVE = jax.jit(exact, static_argnames="method")


def scipy_nnls(A, B):
    return np.stack([scipy.optimize.nnls(np.asarray(A), b)[0] for b in np.asarray(B).T], axis=1)


@drawn
@given(A=scaled(real((7, 4))), B=scaled(real((7, 5))))
def test_equals_scipy(A, B):
    Z = np.asarray(nnls(A, B))
    expected = scipy_nnls(A, B)
    assert (Z >= 0).all()
    residual = np.linalg.norm(A @ Z - B, axis=0)
    np.testing.assert_allclose(residual, np.linalg.norm(A @ expected - B, axis=0), atol=1e-8 * np.linalg.norm(B))
    if np.linalg.cond(A) < 1e4:  # else the minimiser itself is not determined
        np.testing.assert_allclose(Z, expected, atol=1e-8 * max(1e-300, np.abs(expected).max()))


@drawn
@given(A=nonnegative((7, 4)), B=real((7, 5)), copies=st.booleans())
def test_degenerate_problems_reach_the_same_residual(A, B, copies):
    if copies:  # exactly repeated columns, and right-hand sides on a face: y = 0 and z = 0 together
        A[:, 2] = A[:, 1]
        B[:, 0] = A @ np.array([1.0, 0, 0, 0])
    Z = np.asarray(nnls(A, B))
    expected = scipy_nnls(A, B)
    np.testing.assert_allclose(
        np.linalg.norm(A @ Z - B, axis=0), np.linalg.norm(A @ expected - B, axis=0), atol=1e-8 * (1 + np.linalg.norm(B))
    )


@pytest.mark.quick(1)
@pytest.mark.parametrize(("eliminate_up_to", "scales"), [(16, (1e-6, 1, 1e6)), (0, (1,))])
def test_rank_deficient_problems_at_every_scale(eliminate_up_to, scales, monkeypatch):
    """A column that repeats or combines others: the minimiser is not unique, its residual is."""
    monkeypatch.setattr(pivoting, "ELIMINATE_UP_TO", eliminate_up_to)
    jax.clear_caches()
    rng = np.random.default_rng(7)
    A = rng.standard_normal((30, 20, 5))
    A[:15, :, 4], A[15:, :, 4] = A[:15, :, 1], A[15:, :, 0] + 0.5 * A[15:, :, 2]
    B = rng.standard_normal((30, 20, 6))
    expected = [np.linalg.norm(a @ scipy_nnls(a, b) - b, axis=0) for a, b in zip(A, B, strict=True)]
    for scale in scales:
        Z = np.asarray(jax.vmap(nnls)(scale * A, B))
        np.testing.assert_allclose(np.linalg.norm(scale * A @ Z - B, axis=1), expected, rtol=1e-9)


def test_the_correction_is_kept_only_where_it_lowers_the_residual():
    """Columns 3e-8 apart, and one that is a sum: along their difference it is rounding divided by rounding."""
    rng = np.random.default_rng(0)
    A = rng.random((500, 8, 4))
    A[:, :, 1] = A[:, :, 0] + 10 ** rng.uniform(-7.8, -7.2, (500, 1)) * rng.standard_normal((500, 8))
    A[:, :, 2] = A[:, :, 3] + A[:, :, 0]
    A /= np.linalg.norm(A, axis=1, keepdims=True)
    B = A @ rng.random((500, 4, 5))
    Z = np.asarray(jax.jit(jax.vmap(nnls))(A, B))
    assert np.linalg.norm(B - A @ Z, axis=1).max() < 1e-6


def test_a_column_twice():
    np.testing.assert_allclose(np.array([[3.0, 3], [1, 1]]) @ nnls([[3, 3], [1, 1]], [[3], [2]]), [[3.3], [1.1]])


def test_ill_conditioned_problems_keep_their_digits():
    rng = np.random.default_rng(0)
    U, _ = np.linalg.qr(rng.standard_normal((30, 6)))
    V, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    A = U @ np.diag(np.logspace(0, -5, 6)) @ V.T
    Z_true = np.maximum(rng.standard_normal((6, 20)), 0)
    np.testing.assert_allclose(nnls(A, A @ Z_true), Z_true, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", ["pivoting", "projected_gradient"])
def test_float32(method):
    rng = np.random.default_rng(1)
    A, B = rng.random((20, 5)).astype("float32"), rng.standard_normal((20, 7)).astype("float32")
    Z = SOLVE(jnp.zeros((5, 7), "float32"), A.T @ A, A.T @ B, method)
    assert Z.dtype == jnp.float32
    np.testing.assert_allclose(Z, scipy_nnls(A.astype(float), B.astype(float)), atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_ridge_of_the_cholesky_factor_is_taken_out_again(dtype):
    """G has the eigenvalue λ in the direction of ones, where a ridge ρ alone leaves the relative error ρ/λ."""
    r, eps = 20, float(jnp.finfo(dtype).eps)
    smallest = 100 * eps**0.5
    G = jnp.asarray(np.eye(r) - (1 - smallest) / r * np.ones((r, r)), dtype)
    C = jnp.full((r, 1), smallest, dtype)
    solution = np.linalg.solve(np.asarray(G, float), np.asarray(C, float))
    error = np.abs(pivoting.solve_passive(G, jnp.ones((r, 1), bool), C) - solution).max()
    assert error < 4 * r * eps / smallest / 100


@pytest.mark.quick(2)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("r", [4, 5])
def test_the_smaller_side_serves_every_passive_set(r, dtype):
    A, c = np.random.default_rng(0).random((9, r)), np.random.default_rng(1).random(r)
    A /= np.linalg.norm(A, axis=0)
    G = A.T @ A
    sets = np.array(list(product([False, True], repeat=r)))
    solve = jax.jit(jax.vmap(pivoting.solve_on_smaller_side, in_axes=(None, None, 0, None)))
    found = solve(*(jnp.asarray(B, dtype) for B in (G, np.linalg.inv(G))), sets, jnp.asarray(c, dtype))
    for F, h in zip(sets, found, strict=True):
        assert (h[~F] == 0).all()
        solution = np.linalg.solve(G[np.ix_(F, F)], c[F])
        np.testing.assert_allclose(h[F], solution, rtol=0, atol=50 * np.finfo(dtype).eps)


@pytest.mark.quick(1)
@pytest.mark.parametrize(("dtype", "difference"), [("float64", 0), ("float64", 1e-7), ("float32", 0)])
def test_a_singular_G_costs_no_digits_above_rank_16(dtype, difference):
    """Its inverse has none; the residual shows that, and Cholesky on the passive set takes its place."""
    rng = np.random.default_rng(0)
    r, n = 20, 60
    A = rng.random((40, r))
    A[:, ::2] = A[:, 1::2] * (1 + difference * rng.random((40, 1)))
    A /= np.linalg.norm(A, axis=0)
    B = A @ np.where(rng.random((r, n)) < 0.8, rng.random((r, n)), 0) + 1e-3 * rng.standard_normal((40, n))
    G, C = (A.T @ A).astype(dtype), (A.T @ B).astype(dtype)
    H = np.asarray(SOLVE(np.zeros_like(C), G, C))
    slope = G.astype(float) @ H - C
    rounding = np.finfo(dtype).eps * (np.abs(C).max(axis=0) + H.sum(axis=0))
    assert (H >= 0).all()
    assert (np.where(H > 0, np.abs(slope), -slope) <= 10 * rounding).all()


def test_many_columns_go_in_blocks(monkeypatch):
    rng = np.random.default_rng(2)
    A, B = rng.random((9, 4)), rng.standard_normal((9, 23))
    G, C = jnp.asarray(A.T @ A), jnp.asarray(A.T @ B)
    solve = lambda: jax.jit(lambda G, C: exact(jnp.zeros_like(C), G, C))(G, C)  # a new program each time
    whole = solve()
    monkeypatch.setattr(pivoting, "_block", lambda r: 16)  # and a remainder
    np.testing.assert_allclose(solve(), whole, atol=1e-13)


def test_a_cycle_of_full_exchanges_is_broken(monkeypatch):
    """On this problem full exchanges alone come back to the same sets for ever; the backup rule ends it."""
    A = np.random.default_rng(2499).standard_normal((5, 4))
    G, C = A[:4] @ A[:4].T + 1e-3 * np.eye(4), A[4][:, None]
    d = 1 / np.sqrt(np.diag(G))[:, None]
    G, C = jnp.asarray(d * G * d.T), jnp.asarray(d * C)

    def violation():
        search = jax.jit(lambda *problem: pivoting.search(*problem))  # a new program each time
        H, solved = search(jnp.zeros((4, 1)), G, C)
        return float(jnp.abs(jnp.minimum(H, G @ H - C)).max()), bool(solved[0])

    smallest, solved = violation()
    assert smallest < 1e-10
    assert solved
    monkeypatch.setattr(pivoting, "FULL_EXCHANGES", 10**6)
    largest, solved = violation()
    assert largest > 1e-3
    assert not solved  # so that the active set takes over
    H = jax.jit(lambda *problem: exact(*problem))(jnp.zeros((4, 1)), G, C)
    assert float(jnp.abs(jnp.minimum(H, G @ H - C)).max()) < 1e-10


@pytest.fixture(scope="module")
def smooth_problem():
    """A problem away from degenerate points, with both active and passive entries."""
    rng = np.random.default_rng(3)
    A, B = rng.random((6, 3)), rng.standard_normal((6, 4))
    Z = scipy_nnls(A, B)
    y = A.T @ (A @ Z - B)
    assert (Z > 0).any()
    assert (Z == 0).any()
    assert (np.maximum(Z, y) > 1e-3).all()  # strict complementarity
    return jnp.asarray(A), jnp.asarray(B)


def test_derivative_forward_and_reverse_equal_finite_differences(smooth_problem):
    A, B = smooth_problem
    rng = np.random.default_rng(4)
    dA, dB = jnp.asarray(rng.standard_normal(A.shape)), jnp.asarray(rng.standard_normal(B.shape))
    h = 1e-6
    above, below = jax.vmap(nnls)(jnp.stack([A + h * dA, A - h * dA]), jnp.stack([B + h * dB, B - h * dB]))
    difference = (above - below) / (2 * h)
    weights = jnp.asarray(rng.standard_normal((3, 4)))
    forward, gradient = both_derivatives(nnls, (A, B), (dA, dB), weights)
    np.testing.assert_allclose(forward, difference, rtol=1e-6, atol=1e-8)
    along = jnp.vdot(gradient[0], dA) + jnp.vdot(gradient[1], dB)
    np.testing.assert_allclose(along, jnp.vdot(weights, difference), rtol=1e-6)


def test_derivative_of_the_projected_gradient_method_is_the_same(smooth_problem):
    A, B = smooth_problem
    loss = lambda C, method: jnp.sum(exact(jnp.zeros((3, 4)), A.T @ A, C, method) ** 2)
    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    by_pivoting = gradient(A.T @ B, "pivoting")
    np.testing.assert_allclose(gradient(A.T @ B, "projected_gradient"), by_pivoting, rtol=1e-8, atol=1e-10)


def test_vmap_equals_the_loop(smooth_problem):
    A, B = smooth_problem
    stacked = jnp.stack([A, A + 0.1]), jnp.stack([B, B - 0.2])
    batched = jax.vmap(nnls)(*stacked)
    for k in range(2):
        np.testing.assert_allclose(batched[k], nnls(stacked[0][k], stacked[1][k]), atol=1e-12)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"same number of rows, got A \(3, 2\) and B \(4, 2\)"):
        nnls(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"a column is B\[:, None\]"):
        nnls(np.ones((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="finite"):
        nnls(np.full((3, 2), np.nan), np.ones((3, 1)))
