"""Weights for entries: in fit, run and transform; held-out values change nothing, and the objective still falls."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ALGORITHMS, PENALTIES, R, drawn, penalised, problem

from jnmf import ANLS, HALS, MU, Factors, fit, kkt_residual, losses, objective, run, transform
from jnmf.matrix import product
from jnmf.matrix.masked import Masked
from proofs.strategies import nonnegative, positive

X, START = problem()
RNG = np.random.default_rng(0)
HALF = RNG.random(X.shape) < 0.6
WEIGHTS = RNG.random(X.shape) * HALF


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "name", ["MU", "MU KL", "MU 0.5", "Extrapolated HALS", "Momentum MU KL", "PGD", "ANLS pivoting"]
)
def test_values_without_weight_change_nothing_nan_included(name):
    spoiled = np.where(HALF, X, np.nan)
    spoiled[~HALF & (RNG.random(X.shape) < 0.5)] = -1e30
    plain, trace = run(X, START, ALGORITHMS[name], num_iters=4, mask=WEIGHTS)
    other, other_trace = run(spoiled, START, ALGORITHMS[name], num_iters=4, mask=WEIGHTS)
    assert np.isfinite(plain.W).all()
    np.testing.assert_array_equal(plain.W, other.W)
    np.testing.assert_array_equal(trace.loss, other_trace.loss)


@drawn
@given(
    args=st.tuples(nonnegative((6, 5)), positive((6, 3)), positive((3, 5)), nonnegative((6, 5))),
    penalties=st.sampled_from(({}, PENALTIES)),
)
def test_the_weighted_objective_of_extrapolated_never_rises(args, penalties):
    algorithm = penalised(ALGORITHMS["Extrapolated HALS"], **penalties)
    A, W, H, M = map(jnp.asarray, args)
    M = (M / 2).at[0, 0].set(0.5)
    _, trace = run(A, Factors(W, H), algorithm, num_iters=4, mask=M)
    values = np.concatenate([[objective(A, Factors(W, H), algorithm, mask=M)], trace.loss])
    assert np.isfinite(values).all()
    assert (np.diff(values) <= 1e-12 * (values[0] + float(jnp.sum(A * A)))).all()


@pytest.mark.parametrize("name", ["MU KL", "HALS", "Extrapolated HALS"])
def test_a_mask_of_ones_is_no_mask_exactly(name):
    plain = fit(X, algorithm=ALGORITHMS[name], init=START, max_iters=4)
    for ones in (np.ones(X.shape, bool), jnp.ones(X.shape)):
        masked = fit(X, algorithm=ALGORITHMS[name], init=START, max_iters=4, mask=ones)
        np.testing.assert_array_equal(masked.W, plain.W)
        np.testing.assert_array_equal(masked.trace.loss, plain.trace.loss)


@pytest.mark.quick(1)
@pytest.mark.parametrize("beta", [2.0, 1.0, 0.5])
def test_the_loss_counts_each_entry_with_its_weight(beta):
    D = losses.BetaDivergence(beta=beta)
    expected = np.sum(WEIGHTS * np.asarray(D.divergence(X, START.W @ START.H)))
    np.testing.assert_allclose(D(Masked(X, jnp.asarray(WEIGHTS)), *START), expected)
    fitted = fit(X, algorithm=MU(beta=beta), init=START, max_iters=5, mask=WEIGHTS)
    expected = np.sum(WEIGHTS * np.asarray(D.divergence(X, fitted.W @ fitted.H)))
    np.testing.assert_allclose(fitted.loss, expected)
    np.testing.assert_allclose(fitted.trace.loss[4], expected)


def test_imputation_is_a_majoriser_that_touches():
    W, H = START
    M, bars, most = jnp.asarray(3 * WEIGHTS), Factors(W + 0.3, H + 0.2), 3 * WEIGHTS.max()
    imputed = (M * X + (most - M) * (bars.W @ bars.H)) / most
    constant = losses.frobenius(Masked(X, M), *bars) - most * losses.frobenius(imputed, *bars)
    assert most * losses.frobenius(imputed, W, H) + constant >= losses.frobenius(Masked(X, M), W, H)
    np.testing.assert_allclose(
        most * losses.frobenius.grad_H(imputed, *bars), losses.frobenius.grad_H(Masked(X, M), *bars), rtol=1e-10
    )
    np.testing.assert_allclose(product(Masked(X, M), *bars), most * bars.W.T @ imputed)


@pytest.mark.quick(2)
@pytest.mark.parametrize("algorithm", [HALS(), MU(), MU(beta=1.0), ANLS()])
def test_rows_and_columns_without_weight_become_zero(algorithm):
    M = HALF.copy()
    M[3], M[:, 5] = False, False
    fitted = fit(X, R, algorithm, max_iters=30, mask=M, kkt=True)
    assert (fitted.W[3] == 0).all()
    assert (fitted.H[:, 5] == 0).all()
    assert np.isfinite(fitted.loss)
    assert np.isfinite(fitted.trace.kkt[: fitted.num_iters]).all()


def test_missing_entries_of_a_low_rank_matrix_are_recovered():
    A, _ = problem(noise=0.0)
    M = np.random.default_rng(1).random(A.shape) < 0.85
    fitted = fit(np.where(M, A, np.nan), R, HALS(inner=3), mask=M, tol=1e-9, max_iters=20000)
    np.testing.assert_allclose((fitted.W @ fitted.H)[~M], A[~M], rtol=0.05)
    assert kkt_residual(A, fitted.factors, mask=M) < 1e-3


@pytest.mark.parametrize("algorithm", [HALS(l1_W=0.1), MU(beta=1.0, l2_W=0.1)])
def test_transform_minimises_the_weighted_loss(algorithm):
    W = transform(np.where(HALF, X, np.nan), START.H, algorithm, mask=WEIGHTS)
    D = algorithm.loss
    g = D.grad_W(Masked(X, jnp.asarray(WEIGHTS)), W, START.H) + algorithm.l1_W + algorithm.l2_W * W
    np.testing.assert_allclose(jnp.where(W > 0, g, jnp.minimum(g, 0)), 0, atol=1e-7)
    nothing = np.array(WEIGHTS)
    nothing[2] = 0
    assert (transform(X, START.H, algorithm, mask=nothing)[2] == 0).all()
