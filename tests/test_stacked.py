"""Several matrices with a factor in common: what `jnmf.stacked` makes is the concatenated matrix, to rounding."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as ss

import jnmf
from jnmf import HALS, MU, PGD, Factors, losses
from jnmf.matrix.sparse import Sparse

RNG = np.random.default_rng(0)
FIRST = RNG.uniform(0.1, 1, (9, 5))
SECOND = RNG.uniform(1, 9, (9, 7)) * (RNG.random((9, 7)) < 0.5)
SEEN = RNG.random((9, 5)) < 0.8
LAMBDA = (3.0, 0.25)
START = Factors(jnp.asarray(RNG.uniform(0.1, 1, (9, 2))), jnp.asarray(RNG.uniform(0.1, 1, (2, 12))))
DENSE = np.hstack([FIRST, SECOND])
M = np.hstack([np.full((9, 5), LAMBDA[0]), np.full((9, 7), LAMBDA[1])])


def near(found, wanted, rtol=1e-9):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


def plain(**kw):
    return jnmf.stacked([FIRST, ss.csr_array(SECOND)], **kw)


@pytest.mark.quick(1)
@pytest.mark.parametrize("loss", [losses.frobenius, losses.kl, losses.BetaDivergence(beta=1.5)], ids=repr)
def test_the_loss_is_the_sum_of_the_weighted_divergences(loss):
    algorithm, cut = MU(loss=loss), (START.H[:, :5], START.H[:, 5:])
    each = [np.sum(loss.divergence(X, START.W @ H)) for X, H in zip((FIRST, SECOND), cut, strict=True)]
    np.testing.assert_allclose(jnmf.objective(plain(weights=LAMBDA), START, algorithm), np.dot(LAMBDA, each))
    found, wanted = (
        jnmf.kkt_residual(X, START, algorithm, mask=m) for X, m in ((plain(weights=LAMBDA), None), (DENSE, M))
    )
    np.testing.assert_allclose(found, wanted)


@pytest.mark.quick(1)
@pytest.mark.parametrize("weights", [None, LAMBDA])
@pytest.mark.parametrize("algorithm", [HALS(), MU(beta=1.0)], ids=repr)
def test_a_fit_is_that_of_the_concatenated_matrix(algorithm, weights):
    found = jnmf.fit(plain(weights=weights), init=START, algorithm=algorithm, max_iters=3)
    wanted = jnmf.fit(DENSE, init=START, algorithm=algorithm, mask=None if weights is None else M, max_iters=3)
    near((*found.factors, found.loss), (*wanted.factors, wanted.loss))
    near(jnmf.unstacked(found.H, plain()), (wanted.H[:, :5], wanted.H[:, 5:]))


@pytest.mark.slow
def test_weights_of_the_frobenius_loss_are_roots_on_the_matrices():
    """At the optimum: W is the same, and H_i is in the units of X_i."""
    X, start = plain(weights=LAMBDA), START
    found = jnmf.fit(X, init=start, algorithm=HALS(), tol=1e-12, max_iters=3000)
    roots = np.sqrt(np.repeat(LAMBDA, (5, 7)))
    other = jnmf.fit(
        DENSE * roots[None, :], init=(found.W, np.asarray(found.H) * roots[None, :]), algorithm=HALS(), max_iters=200
    )
    near((found.loss, found.W @ found.H), (other.loss, other.W @ (np.asarray(other.H) / roots[None, :])), rtol=1e-5)


def test_kinds_are_kept_and_masks_belong_to_their_matrix():
    X = jnmf.stacked([FIRST, ss.csr_array(SECOND)], masks=[SEEN, None])
    assert isinstance(X.blocks[1], Sparse)
    mask = np.hstack([SEEN, np.ones((9, 7))])
    near(*(jnmf.fit(A, init=START, algorithm=PGD(), mask=m, max_iters=2)[:3] for A, m in ((X, None), (DENSE, mask))))
    stored = jnmf.stacked([FIRST, ss.csr_array(SECOND)], masks=[None, "stored"])
    mask = np.hstack([np.ones((9, 5)), SECOND != 0])
    near([jnmf.objective(stored, START)], [jnmf.objective(DENSE, START, mask=mask)])
    assert jnmf.stacked([FIRST.astype("float32"), SECOND.astype("float16")]).dtype == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("weights", [None, LAMBDA])
def test_the_other_functions(weights):
    X, kw = plain(weights=weights), {} if weights is None else {"mask": M}
    near([jnmf.transform(X, START.H)], [jnmf.transform(DENSE, START.H, **kw)])
    near([jnmf.transform(X, START.H, MU(beta=1.0))], [jnmf.transform(DENSE, START.H, MU(beta=1.0), **kw)], rtol=1e-6)
    study = {"num_restarts": 2, "algorithm": MU(beta=1.0), "num_iters": 2}
    near([jnmf.sweep(X, [1, 2], **study).loss], [jnmf.sweep(DENSE, [1, 2], **study, **kw).loss])
    found = jnmf.cross_validate(X, [1, 2], num_restarts=2, holdout=0.2, algorithm=MU(beta=1.0), max_iters=2)
    assert np.isfinite(found.test).all()
    for init in ("nndsvda", "spa", jnmf.warm_start.sampled(num_iters=2), jnmf.warm_start.sketched(num_iters=2)):
        near(*(jnmf.fit(A, 2, HALS(), init=init, max_iters=1, **k)[:3] for A, k in ((X, {}), (DENSE, kw))), rtol=1e-6)
    if weights is None:
        near([jnmf.svd_rmse(X, [1, 2])], [jnmf.svd_rmse(DENSE, [1, 2])])


@pytest.mark.slow
def test_a_common_h_and_a_weight_of_zero():
    X = jnmf.stacked([FIRST, SECOND], weights=(1.0, 0.0)).T
    W = jnmf.fit(X, init=(START.H.T, START.W.T), algorithm=MU(beta=1.0), max_iters=2)
    wanted = jnmf.fit(FIRST.T, init=(START.H[:, :5].T, START.W.T), algorithm=MU(beta=1.0), max_iters=2)
    near((jnmf.unstacked(W.W, X)[0], W.H), wanted.factors)


def test_what_does_not_fit_is_refused():
    for call, message in (
        (lambda: jnmf.stacked([FIRST]), "two matrices or more"),
        (lambda: jnmf.stacked([FIRST, SECOND[:4]]), "with the same rows"),
        (lambda: jnmf.stacked([FIRST, SECOND], weights=[1.0]), "weights: expected one for each"),
        (lambda: jnmf.stacked([FIRST, SECOND], weights=[1.0, -1.0]), "weights: expected finite numbers"),
        (lambda: jnmf.stacked([FIRST, SECOND], masks=[None]), "masks: expected one"),
        (lambda: jnmf.stacked([FIRST, np.full((9, 2), np.nan)]), "X2: expected finite"),
        (lambda: jnmf.unstacked(START.H[:, :4], plain()), "unstacked: expected H"),
        (lambda: jnmf.stacked([FIRST, jnmf.streamed(SECOND)]), "X2: expected a matrix in the memory"),
        (lambda: jnmf.unstacked(START.H, DENSE), "that jnmf.stacked made"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            call()
