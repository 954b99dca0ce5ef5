"""W for new rows: the minimiser of its half-problem, and its derivative."""

import sys
from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.optimize import nnls as scipy_nnls
from support import R, problem, rounding

from jnmf import ALS, HALS, MU, fit, losses, nnls, transform
from jnmf.factors import Factors
from jnmf.objective import gradient
from jnmf.transform import _newton

PENALISED = {"l1_W": 0.3, "l2_W": 0.2}
ALGORITHMS = [HALS(), ALS(**PENALISED), MU(beta=1.0), MU(beta=1.0, **PENALISED), MU(beta=1.5), MU(beta=0.0)]
X, (W_START, H) = problem()
X = X * jax.random.uniform(jax.random.key(1), X.shape, X.dtype, 0.1, 2.0)  # far from rank 3: some loadings end at zero


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=repr)
def test_satisfies_the_optimality_condition(algorithm):
    W = transform(X, H, algorithm)
    g = gradient(X, Factors(W, H), algorithm).W
    assert (W >= 0).all()
    assert (W == 0).any()
    assert (W > 0).any()
    scale = float(jnp.abs(X).max() * H.max())
    np.testing.assert_allclose(jnp.where(W > 0, g, jnp.minimum(g, 0)), 0, atol=1e-7 * scale)


def test_frobenius_is_nnls_of_the_transposed_problem():
    np.testing.assert_allclose(transform(X, H), nnls(H.T, X.T).T, atol=1e-10)


def test_returns_the_loadings_of_the_fit():
    fitted = fit(X, R, MU(beta=1.0), tol=1e-9, max_iters=20000, check_every=100)
    again = transform(X, fitted.H, MU(beta=1.0))
    np.testing.assert_allclose(again @ fitted.H, fitted.W @ fitted.H, rtol=1e-3)


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", [HALS(), ALS(l1_W=0.3, l2_W=0.2), MU(beta=1.0, l1_W=0.3, l2_W=0.2)], ids=repr)
def test_derivative_forward_and_reverse_equal_finite_differences(algorithm):
    rng = np.random.default_rng(0)
    dX, dH = jnp.asarray(rng.standard_normal(X.shape)), jnp.asarray(rng.standard_normal(H.shape))
    of = lambda X, H: transform(X, H, algorithm)
    h = 1e-5
    difference = (of(X + h * dX, H + h * dH) - of(X - h * dX, H - h * dH)) / (2 * h)
    _, forward = jax.jvp(of, (X, H), (dX, dH))
    np.testing.assert_allclose(forward, difference, rtol=1e-4, atol=1e-6)
    weights = jnp.asarray(rng.standard_normal(W_START.shape))
    gX, gH = jax.grad(lambda X, H: jnp.vdot(weights, of(X, H)), argnums=(0, 1))(X, H)
    np.testing.assert_allclose(jnp.vdot(gX, dX) + jnp.vdot(gH, dH), jnp.vdot(weights, difference), rtol=1e-4)


def test_derivative_in_a_penalty():
    of = lambda l1: transform(X, H, MU(beta=1.0, l1_W=l1))
    h = 1e-5
    np.testing.assert_allclose(jax.jacfwd(of)(0.3), (of(0.3 + h) - of(0.3 - h)) / (2 * h), rtol=1e-4, atol=1e-6)


@pytest.mark.quick(1)
def test_shapes_dtypes_and_empty_rows(dtype):
    A = np.array(X[:4], dtype)
    A[1] = 0
    for algorithm in (HALS(), MU(beta=1.0)):
        W = transform(A, H.astype(dtype), algorithm)
        assert W.shape == (4, R)
        assert W.dtype == dtype
        assert (W[1] == 0).all()


@cache
def compiled(beta):
    loss = losses.BetaDivergence(beta=beta)
    return jax.jit(loss.divergence), jax.jit(loss.derivative)


def least(x, H, weights, algorithm):
    """The least objective of one row that SciPy's L-BFGS-B finds, from two starts."""
    (divergence, derivative), l1, l2 = compiled(algorithm.loss.degree), algorithm.l1_W, algorithm.l2_W

    def objective(w):
        value = np.sum(weights * divergence(x, w @ H)) + l1 * np.sum(w) + 0.5 * l2 * w @ w
        return float(value), np.asarray(H @ (weights * derivative(x, w @ H)) + l1 + l2 * w)

    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-12}
    found = [
        minimize(objective, np.full(len(H), start), jac=True, bounds=[(1e-14, None)] * len(H), options=options)
        for start in (0.1, 1.0)
    ]
    return objective, min(one.fun for one in found)


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("beta", "penalties", "masked"),
    [(1.0, {}, True), (1.0, {"l1_W": 0.3, "l2_W": 0.2}, False), (1.5, {}, False), (1.9, {"l2_W": 0.5}, True)],
)
def test_is_the_minimum_that_scipy_finds(beta, penalties, masked):
    rng = np.random.default_rng(0)
    H = rng.random((5, 20)) * (rng.random((5, 20)) < 0.7)
    X_new = rng.random((6, 20)) * (rng.random((6, 20)) < 0.8)
    H[3], X_new[2] = 0, 0
    H[0, H.sum(axis=0) == 0] = 0.1
    M = rng.random(X_new.shape) * (rng.random(X_new.shape) < 0.8) if masked else np.ones(X_new.shape)
    algorithm = MU(beta=beta, **penalties)
    W = transform(X_new, H, algorithm, mask=M)
    for x, w, weights in zip(X_new, np.asarray(W), M, strict=True):
        objective, lowest = least(x, H, weights, algorithm)
        assert objective(w)[0] <= lowest + 1e-9 * (1 + abs(lowest))


@pytest.mark.quick(2)
@pytest.mark.parametrize(("beta", "dtype"), [(1.0, "float32"), (1.0, "float64"), (1.5, "float64")])
def test_components_that_a_row_cannot_tell_apart_are_told_apart_by_l1(beta, dtype):
    """Of z = w₁ + 2 w₂ + w₃ the least Σw is all in w₂: 2 (z^{β−1} − x z^{β−2}) + l1 = 0. K has rank one."""
    H, X = np.array([[1], [2], [1]], dtype), np.array([[1], [5], [0.1]], dtype)
    for l1 in (1.0, 1e-1, 1e-2, 1e-3) if dtype == "float32" else (1.0, 1e-2, 1e-4, 1e-6):
        root = (-l1 + np.sqrt(l1**2 + 16 * X[:, 0])) / 4  # √z, for β = 1.5
        z = 2 * X[:, 0] / (2 + l1) if beta == 1 else root**2
        W = transform(X, H, MU(beta=beta, l1_W=l1))
        wanted = np.stack([0 * z, z / 2, 0 * z], axis=1)
        np.testing.assert_allclose(W, wanted, rtol=1e-9 if dtype == "float64" else 1e-5, atol=1e-5 * l1)


@pytest.mark.slow
def test_fewer_entries_that_count_than_components():
    """Two ratings in a row, three components, beside SciPy."""
    rng = np.random.default_rng(0)
    H, X = rng.random((3, 6)), rng.poisson(5, (16, 6)) * 1.0
    M = np.zeros(X.shape)
    for row in M:
        row[rng.choice(6, 2, replace=False)] = 1
    for l1 in (1e-1, 1e-2, 1e-3, 1e-4):
        algorithm = MU(beta=1.0, l1_W=l1)
        W = transform(X, H, algorithm, mask=M > 0)
        for x, w, weights in zip(X, np.asarray(W), M, strict=True):
            objective, lowest = least(x, H, weights, algorithm)
            assert objective(w)[0] <= lowest + 1e-9 * (1 + abs(lowest))


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    "loss",
    [
        losses.NegativeBinomial(alpha=0.05),
        losses.NegativeBinomial(alpha=30.0),
        losses.itakura_saito,
        losses.BetaDivergence(beta=-2.0),
    ],
    ids=repr,
)
def test_a_loss_that_is_not_convex_has_a_local_minimum_from_which_scipy_finds_no_way_down(loss):
    """Counts that are far from any W H: d bends down at many of them, and K is not definite on the way."""
    rng = np.random.default_rng(5)
    H, X_new = rng.gamma(0.5, 1, (4, 12)), rng.poisson(rng.gamma(0.5, 20, (30, 12))) + 0.5
    W = np.asarray(transform(X_new, H, MU(loss=loss)))
    assert np.isfinite(W).all()
    divergence, derivative = jax.jit(loss.divergence), jax.jit(loss.derivative)
    for x, w in zip(X_new, W, strict=True):
        value = lambda w, x=x: (float(np.sum(divergence(x, w @ H))), np.asarray(H @ derivative(x, w @ H)))
        bounds, options = [(0, None)] * len(H), {"ftol": 1e-15, "gtol": 1e-12}
        found = minimize(value, w, jac=True, bounds=bounds, options=options)
        assert value(w)[0] <= found.fun * (1 + 1e-10)


@pytest.mark.parametrize("alpha", [1e-9, 2.0, 1e9])
def test_the_second_derivative_of_the_negative_binomial_does_not_cancel(alpha, dtype):
    loss, z = losses.NegativeBinomial(alpha=jnp.asarray(alpha, dtype)), np.logspace(-6, 6, 25)
    for ratio in (0.0, 0.5, 1.0, 3.0):
        with mpmath.workdps(50):
            exact = [
                mpmath.mpf(ratio * b) / b**2 - (ratio * b + mpmath.mpf(alpha)) / (b + mpmath.mpf(alpha)) ** 2
                for b in map(mpmath.mpf, z)
            ]
        scale = alpha / (z * (z + alpha))  # that of the least of d, at ratio 1
        found = np.asarray(loss.second_derivative(jnp.asarray(ratio * z, dtype), jnp.asarray(z, dtype)), float)
        np.testing.assert_allclose(found / scale, np.array(exact, float) / scale, rtol=0, atol=rounding(dtype))


@pytest.mark.quick(1)
@pytest.mark.parametrize("penalties", [{}, PENALISED, {"l2_W": 5.0}], ids=repr)
@pytest.mark.parametrize("beta", [1.0, 1.5])
def test_newton_alone_finds_the_minimiser_from_afar(beta, penalties):
    algorithm = MU(beta=beta, **penalties)
    W = transform(X, H, algorithm)
    newton = jax.jit(
        jax.vmap(
            lambda w, x, l1, l2: _newton(w, x, jnp.ones_like(x), H, l1, jnp.diag(l2), algorithm.loss)[0],
            (0, 0, None, None),
        )
    )
    l1, l2 = (jnp.full(R, penalty) for penalty in (algorithm.l1_W, algorithm.l2_W))
    for start in (0.01, 10.0):
        np.testing.assert_allclose(newton(jnp.full_like(W, start), X, l1, l2), W, rtol=1e-6, atol=1e-8)


@pytest.mark.quick(1)
@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.5, 1.0, 1.5, 3.0])
def test_the_scales_of_x_and_h_only_scale_the_result(beta):
    x, components = X[:2].astype("float32"), H.astype("float32")
    plain, penalised = transform(x, components, MU(beta=beta)), transform(x, components, MU(beta=beta, **PENALISED))
    assert np.isfinite(plain).all()
    for of_x, of_H in ((1e-15, 1.0), (1e15, 1e-8), (1e-18, 1e-18)):
        x_scaled, H_scaled = (np.asarray(A * c, "float32") for A, c in ((x, of_x), (components, of_H)))
        found = transform(x_scaled, H_scaled, MU(beta=beta)) * (of_H / of_x)
        np.testing.assert_allclose(found, plain, rtol=2e-3, atol=2e-4)
    for c in (1e-8, 1e8):
        algorithm = MU(beta=beta, l1_W=0.3 * c ** (beta - 1), l2_W=0.2 * c ** (beta - 2))
        np.testing.assert_allclose(
            transform(x * np.float32(c), components, algorithm) / c, penalised, rtol=2e-3, atol=2e-4
        )


def test_weights_of_any_size_are_those_of_scipy_row_by_row(dtype):
    """A row has a Gram matrix and a right side of its own, each with the weights once."""
    draw = np.random.default_rng(0)
    X, H, M = draw.random((7, 9)), draw.random((3, 9)), 10.0 ** draw.uniform(-2, 2, (7, 9))
    M[0, :3] = 0
    found = transform(X.astype(dtype), H.astype(dtype), mask=M.astype(dtype))
    wanted = [scipy_nnls((H * np.sqrt(m)).T, np.sqrt(m) * x)[0] for x, m in zip(X, M, strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-4 if dtype == "float32" else 1e-12)


def counts(dtype="float32", m=60):
    """Sparse counts of eight topics: most entries of X and of H are zero."""
    draw = np.random.default_rng(0)
    H = draw.gamma(1.0, size=(8, 40)) * (draw.random((8, 40)) < 0.25)
    W = draw.gamma(0.5, size=(m, 8)) * (draw.random((m, 8)) < 0.5)
    return draw.poisson(3 * W @ H).astype(dtype), H.astype(dtype)


def test_where_loadings_vanish_the_derivative_does_not():
    """With KL and no penalty w(c x) = c w(x), so ∂w/∂x · x = w; updates leave loadings and z of 1e-25 beside x = 0."""
    X, H = counts()
    W, change = jax.jvp(lambda X: transform(X, H, MU(beta=1.0)), (X,), (X,))
    np.testing.assert_allclose(change, W, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("beta", [1.0, 1.5])
def test_a_count_where_no_component_is_changes_nothing(beta, dtype):
    """A word that no topic has. With KL it costs infinity, whatever w."""
    X, H = counts(dtype)
    H = np.pad(H, ((0, 0), (0, 1)))
    with_count, without = (np.pad(X, ((0, 0), (0, 1)), constant_values=x) for x in (1, 0))
    found, wanted = (transform(A, H, MU(beta=beta, l2_W=0.1)) for A in (with_count, without))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 if dtype == "float32" else 1e-9)


def test_zeros_of_a_loss_that_is_steep_at_zero():
    """β = ½: ∂d/∂z is z^{−½} at x = 0, so a loading that is zero beside such an entry stays, whatever others ask."""
    X, H = counts()
    W = np.asarray(transform(X, H, MU(beta=0.5)), float)
    assert np.isfinite(W).all()

    def objective(w, x):
        z = w @ H
        counted = np.where(z > 0, 2 * np.sqrt(z) + 2 * x / np.sqrt(np.where(z > 0, z, 1)), np.where(x > 0, 1e30, 0))
        return np.sum(np.where(H.any(axis=0), counted, 0))

    for x, w in zip(X, W, strict=True):
        live = np.flatnonzero(w > 1e-6 * w.max())
        of_live = lambda v, x=x, live=live: objective(np.bincount(live, v, 8), x)
        if live.size:
            lower = minimize(of_live, w[live], bounds=[(1e-9, None)] * live.size, method="L-BFGS-B")
            assert of_live(w[live]) <= lower.fun + 1e-4 * (1 + abs(lower.fun))


@pytest.mark.quick(1)
@pytest.mark.parametrize("seed", [4, 33, 72, 105])
def test_components_that_are_almost_one_are_solved_to_rounding(seed):
    """A ridge that helped once is taken back: with it these rows would come near the minimum by 1e-7 of a step each."""
    draw = np.random.default_rng(seed)
    H = draw.gamma(1.0, size=(5, 6))
    H[0], H[2] = H[1] * (1 + 1e-6 * draw.random(6)), H[3] + H[4]
    X = draw.poisson(3 * (draw.gamma(0.5, size=(40, 5)) * (draw.random((40, 5)) < 0.6)) @ H) * 1.0
    M = (draw.random((40, 6)) < 0.7) * draw.gamma(1, size=(40, 6))
    W = np.asarray(transform(X, H, MU(beta=1.0), mask=M))
    q = X / np.where(X > 0, W @ H, 1)
    gradient, size = (M * (1 - q)) @ H.T, (M * (1 + q)) @ H.T
    residual = np.where(W > 1e-12 * W.max(axis=1, keepdims=True), np.abs(gradient), -gradient)
    assert (residual <= 1e-9 * size).all()


def test_rows_that_are_at_no_minimum_are_told(monkeypatch):
    for name in ("STEPS", "UPDATES"):
        monkeypatch.setattr(sys.modules["jnmf.transform"], name, 1)
    jax.clear_caches()
    with pytest.warns(UserWarning, match=r"transform: \d+ of 12 rows are not at a minimum, to rounding"):
        transform(X, H, MU(beta=1.0))
    of_counts = counts("float64", 200)
    with pytest.warns(UserWarning, match="not at a minimum"):  # where ∇² has no Cholesky factor, for one
        W, change = jax.jvp(lambda X: transform(X, of_counts[1], MU(beta=3.0)), of_counts[:1], of_counts[:1])
    assert np.isfinite(W).all()
    assert np.isfinite(change).all()
    jax.clear_caches()


@pytest.mark.parametrize("seed", [3, 8, 10])
def test_entries_leave_a_zero_where_the_curvature_is_infinite(seed):
    """β = 1.5 at x = 0: ∂²d/∂z² = ½ z^{−½}; a step that takes it for 0 at z = 0 is too long at every length."""
    draw = np.random.default_rng(seed)
    H = draw.gamma(1.0, size=(5, 6)) * (draw.random((5, 6)) < 0.5) * 10.0 ** draw.uniform(-3, 3, size=(5, 1))
    loadings = draw.gamma(0.5, size=(40, 5)) * (draw.random((40, 5)) < 0.6)
    X = draw.poisson(np.minimum(3 * loadings @ H, 1e5)) * 1.0
    M = (draw.random((40, 6)) < 0.7) * draw.gamma(1, size=(40, 6))
    W = np.asarray(transform(X, H, MU(beta=1.5), mask=M))
    M, z = np.where(H.any(axis=0), M, 0), W @ H
    positive, negative = np.sqrt(z), np.where((X > 0) & (z > 0), X / np.sqrt(np.where(z > 0, z, 1)), 0)
    gradient, size = (M * (positive - negative)) @ H.T, (M * (positive + negative)) @ H.T
    in_one_unit = W * H.max(axis=1)
    is_zero = in_one_unit <= 1e-12 * in_one_unit.max(axis=1, keepdims=True)
    assert (np.where(is_zero, -gradient, np.abs(gradient)) <= 1e-6 * size).all()


def test_a_step_that_makes_no_entry_zero_where_one_counts():
    """β = 3: all lengths of Fisher's scoring make one for this row, which needs a ridge of the size of K."""
    X, H = counts("float64", 200)
    w = np.asarray(transform(X, H, MU(beta=3.0)))[48]
    z = w @ H
    assert np.sum((X[48] ** 3 + 2 * z**3 - 3 * X[48] * z**2) / 6) < 65
