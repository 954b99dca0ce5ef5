"""Exact means exact: whatever the problem, the result is a minimiser, or NaN and a warning.

The oracle is the best true residual, column by column, of SciPy's `nnls`, of its `lsq_linear` and of zero. SciPy 1.17's
`nnls` claims wrong residuals for rank-deficient matrices; the residuals of feasible points are computed here.
"""

import contextlib
import importlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from support import both_derivatives

from jnmf import ANLS, HALS, active_set, init, nnls, objective, run, transform
from jnmf import nonnegative_least_squares as nnls_module

M, R, N = 10, 12, 6  # one shape, and the first rows or columns of it: few compilations


def square(A, B, Z):
    residual = A.astype(np.longdouble) @ Z - B
    return np.sum(residual**2, axis=0)


def oracle(A, B):
    unit = np.where(np.any(A, axis=0), np.linalg.norm(A, axis=0), 1)
    best = square(A, B, np.zeros((A.shape[1], B.shape[1])))
    for j, b in enumerate(B.T):
        found = [scipy.optimize.lsq_linear(A / unit, b, (0, np.inf), method="bvls", tol=1e-14, max_iter=500).x]
        with contextlib.suppress(RuntimeError):  # it does not always end
            found.append(scipy.optimize.nnls(A / unit, b, maxiter=2000)[0])
        for z in found:
            best[j] = min(best[j], square(A, b[:, None], (np.maximum(z, 0) / unit)[:, None])[0])
    return best


def orthonormal(rng, *shape):
    return np.linalg.qr(rng.standard_normal(shape))[0]


def conditioned(condition):
    return lambda rng, m, r: (
        orthonormal(rng, m, min(m, r)) * np.geomspace(1, 1 / condition, min(m, r)) @ orthonormal(rng, r, min(m, r)).T
    )


def repeated(rng, m, r):
    return rng.standard_normal((m, r))[:, np.where(rng.random(r) < 0.5, rng.integers(0, r, r), np.arange(r))]


def with_zeros(rng, m, r):
    return rng.standard_normal((m, r)) * (rng.random(r) < 0.7)


def smooth(rng, m, r):
    return np.exp(-(((np.linspace(0, 1, m)[:, None] - np.linspace(0, 1, r)) / rng.uniform(0.1, 1)) ** 2))


def nearly_parallel(rng, m, r):
    A = rng.random((m, r))
    return A[:, rng.integers(0, r // 2, r)] + 10 ** -rng.uniform(3, 12) * rng.random((m, r))


NONNEGATIVE = {
    "uniform": lambda rng, m, r: rng.random((m, r)),
    "counts": lambda rng, m, r: rng.integers(0, 3, (m, r)).astype(float),
    "smooth": smooth,
    "nearly parallel": nearly_parallel,
}
KINDS = NONNEGATIVE | {
    "normal": lambda rng, m, r: rng.standard_normal((m, r)),
    "integer": lambda rng, m, r: rng.integers(-2, 3, (m, r)).astype(float),
    "repeated": repeated,
    "zeros": with_zeros,
    "condition 1e3": conditioned(1e3),
    "condition 1e6": conditioned(1e6),
    "condition 1e8": conditioned(1e8),
}


def right_sides(rng, A, n=N):
    """Random, integer, on the cone, near it, zero."""
    cone = A @ np.where(rng.random((A.shape[1], n)) < 0.4, rng.random((A.shape[1], n)), 0)
    others = rng.random(cone.shape), rng.standard_normal(cone.shape), rng.integers(-4, 5, cone.shape).astype(float)
    kinds = (*others, cone, cone + 1e-3 * others[1], 0 * cone)
    return np.stack([kinds[j % len(kinds)][:, j] for j in range(n)], axis=1)


def transposed_transform(A, B):
    return transform(B.T, A.T).T


SOLVE = jax.jit(nnls_module.exact)


is_lowest = importlib.import_module("jnmf.nnls")._is_lowest  # jnmf.nnls is the function


def half_step(A, B):
    start = np.random.default_rng(0).random((A.shape[1], B.shape[1])).astype(A.dtype)
    return SOLVE(jnp.asarray(start), jnp.asarray(A.T @ A), jnp.asarray(A.T @ B))


CASES = [(nnls, kind) for kind in KINDS] + [(f, k) for f in (transposed_transform, half_step) for k in NONNEGATIVE]


@pytest.mark.quick(1)
@pytest.mark.parametrize(("solve", "kind"), CASES, ids=lambda x: getattr(x, "__name__", x))
@pytest.mark.parametrize("shape", [(M, R), (R, M // 2)], ids=["wide", "tall"])
def test_every_column_is_a_minimiser(solve, kind, shape):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        A = KINDS[kind](rng, *shape)
        B = right_sides(rng, A)
        Z = np.asarray(solve(A, B))
        assert (Z >= 0).all()  # and not NaN
        assert (square(A, B, Z) - oracle(A, B) <= 1e-10 * np.sum(B * B, axis=0)).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "condition 1e8"])  # 1/eps is 8e6
def test_float32_is_as_exact_as_its_rounding(kind):
    """Above the minimum by a rounding of b, or by that of A Z where the columns of A cancel."""
    eps = np.finfo("float32").eps
    for seed in range(6):
        rng = np.random.default_rng(seed)
        A = KINDS[kind](rng, M, R).astype("float32").astype(float)
        B = right_sides(rng, A).astype("float32").astype(float)
        Z = np.asarray(nnls(A.astype("float32"), B.astype("float32")), float)
        size = np.linalg.norm(B, axis=0)
        cancels = np.linalg.norm(A, axis=0) @ Z
        above = square(A, B, Z) - oracle(A, B)
        assert (Z >= 0).all()
        assert (above <= 10 * R * eps * size**2 + (10 * eps * cancels) ** 2).all()


def test_the_neighbours_change_nothing():
    """Of 500 columns 16 were wrong once, each of them right by itself."""
    rng = np.random.default_rng(1)
    A, B = rng.random((8, 16)), rng.random((8, 500))
    Z = np.asarray(nnls(A, B))
    for j in (0, 421):
        np.testing.assert_allclose(
            square(A, B, Z)[j], square(A, B[:, [j]], np.asarray(nnls(A, B[:, [j]])))[0], atol=1e-14
        )
    slope = A.T @ (A @ Z - B)
    assert (np.where(Z > 0, np.abs(slope), -slope) <= 1e-13 * np.linalg.norm(B, axis=0)).all()
    assert (square(A, B, Z)[400:440] <= oracle(A, B[:, 400:440]) + 1e-12).all()


@pytest.mark.quick(1)
def test_a_residual_of_zero_is_found(dtype):
    A = [[-2, -1, -2, 1, 2, 2, -1], [2, -2, 1, 1, -1, 2, 0], [2, -1, -2, 0, -2, 1, 0], [-1, 0, -1, -2, 0, 2, 2]]
    A, b = np.array(A, dtype), np.array([[4], [-2], [1], [-1]], dtype)
    assert (A @ np.array([23, 98, 0, 42, 0, 53, 0]) == b[:, 0]).all()
    assert np.linalg.norm(A @ np.asarray(nnls(A, b)) - b) < 1e3 * np.finfo(dtype).eps * 98


@pytest.mark.quick(1)
@pytest.mark.parametrize("solver", ["pivoting", "projected_gradient"])
def test_a_step_of_anls_never_rises(solver):
    """Rank 12 on 20 × 6: WᵀW and HHᵀ of rank 6 at most."""
    X = jnp.asarray(np.random.default_rng(0).uniform(size=(20, 6)))
    for key in range(6):
        start = init.random(key, X, 12)
        losses = [float(objective(X, start, HALS())), *run(X, start, ANLS(solver=solver), num_iters=5)[1].loss]
        assert (np.diff(losses) <= 1e-14 * float(jnp.vdot(X, X))).all()


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("dtype", "scale"), [("float32", 1e-19), ("float32", 1e20), ("float64", 1e-150), ("float64", 1e150)]
)
def test_squares_may_leave_the_range_of_the_dtype(dtype, scale):
    rng = np.random.default_rng(0)
    A, B, l1 = rng.random((M, R)).astype(dtype), rng.random((M, N)).astype(dtype), 0.1
    tolerance = 100 * np.finfo(dtype).eps
    expected = square(A, B, np.asarray(nnls(A, B)))
    s = np.asarray(scale, dtype)
    np.testing.assert_allclose(square(A, B, np.asarray(nnls(A * s, B * s))), expected, atol=tolerance)
    np.testing.assert_allclose(square(A, B, np.asarray(nnls(A * s, B)) * scale), expected, atol=tolerance)
    np.testing.assert_allclose(square(A, B, np.asarray(transform((B * s).T, (A * s).T)).T), expected, atol=tolerance)
    penalised = transform(B.T, A.T, HALS(l1_W=l1, l2_W=l1))
    np.testing.assert_allclose(
        transform((B * s).T, A.T, HALS(l1_W=l1 * scale, l2_W=l1)) / s, penalised, atol=1e3 * tolerance
    )


def test_what_is_not_solved_is_nan_and_told(monkeypatch):
    """A bound on the rounds that is reached: no number is better than a wrong one."""
    monkeypatch.setattr(active_set, "MOST_ROUNDS", lambda r: 0)
    jax.clear_caches()
    A = np.random.default_rng(0).standard_normal((4, 7))
    B = np.concatenate([np.random.default_rng(1).standard_normal((4, 20)), np.zeros((4, 1))], axis=1)
    with pytest.warns(UserWarning, match=r"nnls: \d+ of 21 columns could not be solved and are NaN"):
        Z = np.asarray(nnls(A, B))
    unsolved = np.asarray(np.any(np.isnan(Z), axis=0))
    assert unsolved.any()
    assert np.isnan(Z[:, unsolved]).all()
    assert not unsolved[20]
    assert np.array_equal(np.isnan(jax.jit(nnls)(A, B)), np.isnan(Z))
    jax.clear_caches()


@pytest.mark.slow
def test_derivative_of_a_column_that_pivoting_leaves():
    """The finisher, too, is differentiated on the active set: forward, in reverse, and it runs under vmap."""
    rng = np.random.default_rng(3)
    A, B = rng.standard_normal((9, 4)), rng.standard_normal((9, 3))
    A[:, 1] -= 2 * A[:, 0]  # AᵀA has negative entries and is singular: no bound proves its solution
    A[:, 3] = A[:, 0]
    todo = ~pivoting_solves(A, B)
    assert todo.any()
    dB = rng.standard_normal(B.shape)
    weights = rng.standard_normal(B.shape)
    along, (pulled,) = both_derivatives(lambda B: A @ nnls(A, B), (B,), (dB,), weights)
    h = 1e-6
    above, below, once, twice = jax.vmap(nnls)(np.stack([A, A, A, 2 * A]), np.stack([B + h * dB, B - h * dB, B, B]))
    np.testing.assert_allclose(along, A @ (above - below) / (2 * h), atol=1e-5)
    np.testing.assert_allclose(jnp.vdot(pulled, dB), jnp.vdot(weights, along), rtol=1e-5)
    np.testing.assert_allclose(A @ once, 2 * A @ twice, rtol=1e-8, atol=1e-10)


@jax.jit
def pivoting_solves(A, B):
    A = A / jnp.linalg.norm(A, axis=0, keepdims=True)
    Z, solved = nnls_module.METHODS["pivoting"](jnp.zeros((A.shape[1], B.shape[1])), A.T @ A, A.T @ B)
    Y = A.T @ (A @ Z - B)
    return solved & is_lowest(A.T @ A, Z, Y, jnp.linalg.norm(B, axis=0))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uniform", "nearly parallel", "normal", "condition 1e6"])
def test_a_hundred_thousand_columns(kind, optimized):
    """All at once, of which sixty are tried by the oracle."""
    rng = np.random.default_rng(0)
    A = KINDS[kind](rng, 8, 12)
    B = rng.random((8, 100_000))
    Z = np.asarray(nnls(A, B))
    assert (Z >= 0).all()
    some = rng.choice(B.shape[1], 60, replace=False)
    excess = square(A, B[:, some], Z[:, some]) - oracle(A, B[:, some])
    assert (excess <= 1e-10 * np.sum(B[:, some] ** 2, axis=0)).all()


def least_of_all_passive_sets(A, x, l1):
    """min ½‖x − Aᵀh‖² + l1 Σh over h ≥ 0, by the minimiser on each set."""
    G, c = A @ A.T, A @ x - l1
    lowest = 0.0
    for size in range(1, len(A) + 1):
        for F in map(list, itertools.combinations(range(len(A)), size)):
            unit = 1 / np.linalg.norm(A[F], axis=1)
            h = unit * np.linalg.lstsq(unit[:, None] * G[np.ix_(F, F)] * unit, unit * c[F])[0]
            if (h >= 0).all():
                lowest = min(lowest, 0.5 * h @ G[np.ix_(F, F)] @ h - c[F] @ h)
    return lowest


@pytest.mark.quick(1)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_entry_far_below_zero_does_not_blur_the_others(dtype):
    """With l1 a short row of A has c_k/√G_kk as negative as you like."""
    decades, r, n = {"float32": 12, "float64": 24}[dtype], 4, 60
    for seed in range(3):
        rng = np.random.default_rng(seed)
        A = rng.uniform(0.1, 1, (r, 6)) * 10.0 ** -rng.uniform(0, decades, (r, 1))
        A[0] *= 1 / np.linalg.norm(A[0])
        A[1] = 0 if seed == 1 else A[1]  # a component that is dead, kept from 0/0 by the l2
        X, l1, l2 = rng.uniform(1, 10, (n, 6)), 1.0, 1e-9 if seed == 1 else 0.0
        A, X = (np.asarray(B, dtype).astype(float) for B in (A, X))
        wanted = [
            least_of_all_passive_sets(np.hstack([A, l2**0.5 * np.eye(r)]), np.append(x, np.zeros(r)), l1) for x in X
        ]
        G, C = (jnp.asarray(B, dtype) for B in (A @ A.T + l2 * np.eye(r), A @ X.T - l1))
        found = {method: nnls_module.exact(jnp.zeros_like(C), G, C, method) for method in nnls_module.METHODS}
        found["transform"] = transform(X.astype(dtype), A.astype(dtype), ANLS(l1_W=l1, l2_W=l2)).T
        for method, H in found.items():
            H = np.asarray(H, float)
            value = (
                0.5 * np.sum((X - H.T @ A) ** 2 - X**2, axis=1) + l1 * H.sum(axis=0) + 0.5 * l2 * np.sum(H**2, axis=0)
            )
            assert H.min() >= 0, method
            np.testing.assert_allclose(value, wanted, rtol=1e3 * np.finfo(dtype).eps, err_msg=method)


def test_a_slope_far_above_zero_does_not_hide_from_the_active_set_what_falls():
    """min ½‖h‖² − 9 h₁ + 1e9 h₂."""
    h, solved = active_set.block(
        jnp.eye(2, dtype="float32"),
        jnp.zeros((1, 2), "float32"),
        jnp.array([[9.0, -1e9]], "float32"),
        jnp.zeros((1, 2), bool),
    )
    assert solved.all()
    np.testing.assert_array_equal(h, [[9, 0]])


def state_of_the_active_set(*, h, passive, best, value, entered=0):
    """Of one problem in two unknowns: what is tried, and the lowest point so far."""
    h, since = jnp.asarray(h, float), jnp.where(jnp.asarray(passive), 0, active_set.NEVER)
    point = active_set.Point(jnp.asarray(best, float), jnp.zeros(2, int), jnp.asarray(value), jnp.ones(2))
    return active_set.State(point, h, since, jnp.array(entered), jnp.zeros(2, bool), jnp.array(False))


def test_a_move_of_the_active_set_ends_where_its_first_entry_is_zero():
    """From (1, 1) towards the minimiser (−1, 3) it is half of the way."""
    start = state_of_the_active_set(h=[1, 1], passive=[True, True], best=[0, 0], value=np.inf)
    moved = jax.jit(active_set._round)(jnp.eye(2), jnp.array([-1.0, 3.0]), jnp.zeros(2), 1, start)
    np.testing.assert_array_equal(moved.h, [0, 2])
    assert (np.asarray(moved.since) < active_set.NEVER).tolist() == [False, True]


def test_an_arrival_at_the_minimiser_promises_no_further_fall():
    """min ½⟨h, G h⟩ − ⟨p, h⟩ at (1, 0), where h₂ has the slope ½ − 0.2."""
    start = state_of_the_active_set(h=[1, 0], passive=[True, False], best=[0, 0], value=np.inf)
    M = jnp.linalg.cholesky(jnp.array([[1.0, 0.5], [0.5, 1.0]]), upper=True)
    end = jax.jit(active_set._round)(M, jnp.zeros(2), jnp.array([1.0, 0.2]), 1, start)
    np.testing.assert_allclose(end.best.h, [1, 0], atol=1e-15)
    np.testing.assert_array_equal(end.best.fall, 0)
    assert end.done


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_active_set_takes_out_the_ridge_of_its_factor(dtype, monkeypatch):
    """G has the eigenvalue λ in the direction of ones, where a ridge ρ alone leaves the relative error ρ/λ."""
    unsolved = lambda start, G, C: (start, jnp.zeros(C.shape[1], bool))
    monkeypatch.setitem(nnls_module.METHODS, "none", unsolved)
    r, eps = 20, float(jnp.finfo(dtype).eps)
    smallest = 100 * eps**0.5
    G = jnp.asarray(np.eye(r) - (1 - smallest) / r * np.ones((r, r)), dtype)
    C = jnp.full((r, 1), smallest, dtype)
    solution = np.linalg.solve(np.asarray(G, float), np.asarray(C, float))
    error = np.abs(nnls_module._exact("none", G, C, jnp.zeros_like(C)) - solution).max()
    assert error < 4 * r * eps / smallest / 100


def test_an_arrival_that_leads_no_lower_is_not_taken_and_what_entered_is_refused():
    """As rounding may have it, for ever: (0, 1) has the value −½, (1, 1) has −1."""
    start = state_of_the_active_set(h=[0, 1], passive=[False, True], best=[1, 1], value=-1.0, entered=1)
    end = jax.jit(active_set._round)(jnp.eye(2), jnp.ones(2), jnp.zeros(2), 1, start)
    assert end.best.value == -1
    assert end.refused.tolist() == [False, True]
    np.testing.assert_array_equal(end.h, [1, 1])
