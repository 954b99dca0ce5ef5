"""W for new rows: the minimiser of its half-problem, and its derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import R, problem

from jnmf import ALS, HALS, MU, fit, nnls, transform
from jnmf.factors import Factors
from jnmf.objective import gradient

PENALISED = {"l1_W": 0.3, "l2_W": 0.2}
ALGORITHMS = [HALS(), ALS(**PENALISED), MU(beta=1.0), MU(beta=1.0, **PENALISED), MU(beta=1.5), MU(beta=0.0)]
X, (W_START, H) = problem()
X = X * jax.random.uniform(jax.random.key(1), X.shape, X.dtype, 0.1, 2.0)  # far from rank 3: some loadings end at zero


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


def test_shapes_dtypes_and_empty_rows(dtype):
    A = np.array(X[:4], dtype)
    A[1] = 0
    for algorithm in (HALS(), MU(beta=1.0)):
        W = transform(A, H.astype(dtype), algorithm)
        assert W.shape == (4, R)
        assert W.dtype == dtype
        assert (W[1] == 0).all()
