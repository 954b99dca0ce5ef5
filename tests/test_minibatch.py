"""H from a stream of rows: a whole in one batch is a step of it, a stream comes near the fit of it, nothing grows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from sklearn.decomposition import MiniBatchNMF

from jnmf import (
    ANLS,
    HALS,
    MU,
    Accelerated,
    Extrapolated,
    Factors,
    Momentum,
    fit,
    losses,
    minibatch,
    multiplicative,
    objective,
    transform,
)
from jnmf.transform import updated

RANK, ROWS = 3, 20


def rows_of(m, n=15, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    return rng.gamma(0.5, size=(m, RANK)) @ rng.gamma(0.5, size=(RANK, n)) + noise * rng.random((m, n))


X = rows_of(200)
BATCHES = [X[i : i + ROWS] for i in range(0, len(X), ROWS)]
KL = MU(beta=1.0)


def loss_of(H, algorithm=None):
    return float(objective(X, Factors(transform(X, H, algorithm), H), algorithm))


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", [None, KL], ids=["Frobenius", "KL"])
def test_one_pass_is_no_worse_than_that_of_scikit_learn_and_more_come_near_the_fit(algorithm):
    state = minibatch.fit(BATCHES, RANK, algorithm, key=1)
    assert state.num_rows == len(X)
    assert (np.asarray(state.H) >= 0).all()
    found, whole = loss_of(state.H, algorithm), float(fit(X, RANK, algorithm, max_iters=200).loss)
    beta = "frobenius" if algorithm is None else "kullback-leibler"
    peer = MiniBatchNMF(RANK, batch_size=ROWS, beta_loss=beta, random_state=0)  # pyright: ignore[reportArgumentType]
    for rows in BATCHES:
        peer.partial_fit(rows)
    assert found <= loss_of(peer.components_, algorithm)
    again = state
    for _ in range(3):
        for rows in BATCHES:
            again = minibatch.step(again, rows, algorithm)
    assert loss_of(again.H, algorithm) <= min(found, 1.1 * whole)


def test_the_sums_are_those_of_the_batches_with_their_weights():
    """By SciPy; after t batches of the same size that of batch s weighs (s/t)^forget."""
    state = minibatch.begin(BATCHES[0], RANK, HALS(), num_iters=3)
    G, C, forget = 0.0, 0.0, 2.0
    for t, rows in enumerate(BATCHES[:3], start=1):
        W = np.array([scipy.optimize.nnls(np.asarray(state.H).T, row)[0] for row in rows])
        G, C = ((1 - 1 / t) ** forget * a + b for a, b in ((G, W.T @ W), (C, W.T @ rows)))
        state = minibatch.step(state, rows, HALS(), forget=forget)
        for found, wanted in zip(state.sums, (G, C), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_nothing_is_forgotten_with_0():
    """Then the order in which the sums were made does not show in them, for the same loadings."""
    H = minibatch.begin(BATCHES[0], RANK, HALS()).H
    zero = minibatch.Batches(H, (jnp.zeros((RANK, RANK)), jnp.zeros(H.shape)), jnp.zeros(()))
    whole = minibatch.step(zero, X, HALS(), forget=0)
    sums = [minibatch.step(zero, rows, HALS(), forget=0).sums for rows in BATCHES]
    for found, wanted in zip(jax.tree.map(lambda *a: sum(a), *sums), whole.sums, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.quick(1)
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.5, 3.0])
def test_one_batch_of_all_is_a_multiplicative_update(beta):
    algorithm = MU(beta=beta, l1_H=0.1, l1_W=0.1)
    state = minibatch.begin(X, RANK, algorithm, num_iters=2)
    H = minibatch.step(state, X, algorithm).H
    W = updated(jnp.asarray(X), state.H, algorithm, minibatch.SETTLED, minibatch.UPDATES)
    wanted = multiplicative.half_step(X, W, state.H, losses.BetaDivergence(beta=beta), 0.1)
    np.testing.assert_allclose(H, wanted, rtol=1e-9)


@pytest.mark.slow
def test_penalties_stay_those_of_the_objective():
    """With all in one batch, again and again, the alternation ends where the fit with these penalties does."""
    algorithm = ANLS(l1_H=0.3, l2_H=0.2, l1_W=0.1, l2_W=0.4)
    wanted = fit(X, RANK, algorithm, tol=1e-10, max_iters=2000)
    state = minibatch.begin(X, RANK, algorithm, init=wanted, num_iters=0)
    for _ in range(3):
        state = minibatch.step(state, X, algorithm, forget=1e6)  # only the last
    np.testing.assert_allclose(state.H, wanted.H, rtol=1e-5, atol=1e-7)


@pytest.mark.quick(1)
def test_batches_of_other_kinds_and_sizes(dtype):
    rows = (X[:20] * (X[:20] > 0.3)).astype(dtype)
    state = minibatch.begin(rows, RANK, KL)
    assert state.H.dtype == dtype
    dense = minibatch.step(state, rows, KL)
    sparse = minibatch.step(state, scipy.sparse.csr_array(rows), KL)
    np.testing.assert_array_equal(sparse.H, dense.H)
    fewer = minibatch.step(dense, rows[:7], KL)
    assert (fewer.num_rows, fewer.H.dtype) == (27, dtype)
    assert np.isfinite(fewer.H).all()


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5])
def test_columns_that_are_empty_in_the_first_batch_are_learnt_later(beta):
    algorithm, levels = MU(beta=beta), np.arange(1.0, 5).repeat(5)[:, None]
    halves = np.split(np.kron(np.eye(2), np.ones((10, 4))) * levels, 2)  # exactly of rank 2
    state = minibatch.fit(halves * 10, 2, algorithm)
    whole, factors = np.concatenate(halves), Factors(transform(np.concatenate(halves), state.H, algorithm), state.H)
    assert float(objective(whole, factors, algorithm)) < 1e-3 * whole.sum()


def test_that_a_column_was_empty_is_remembered():
    """KL, nothing forgotten: B is ΣW over the rows of both batches, and H their counts by that."""
    first, later = X[:20].copy(), X[20:40]
    first[:, 4] = 0
    before = minibatch.step(minibatch.begin(first, RANK, KL), first, KL, forget=0)
    assert (before.H[:, 4] == 0).all()
    after = minibatch.step(before, later, KL, forget=0)
    np.testing.assert_allclose(after.sums[1][:, 4], after.sums[1][:, 0], rtol=1e-9)
    np.testing.assert_allclose(np.sum(after.sums[0][:, 4]), later[:, 4].sum(), rtol=1e-9)


@pytest.mark.quick(1)
@pytest.mark.parametrize("algorithm", [HALS(), KL, MU(beta=1.5)], ids=repr)
def test_rows_without_entries_say_nothing(algorithm):
    state = minibatch.begin(X[:20], RANK, algorithm)
    after = minibatch.step(state, np.zeros((4, 15)), algorithm)
    np.testing.assert_array_equal(after.H, state.H)


def test_a_component_without_rows_stays_finite():
    state = minibatch.begin(X[:20], RANK, KL)
    state = state._replace(H=state.H.at[1].set(0))
    for rows in (np.zeros((4, 15)), X[:20]):
        for algorithm in (KL, MU(beta=0.5)):
            found = minibatch.step(state, rows, algorithm)
            assert np.isfinite(found.H).all()
            assert all(np.isfinite(a).all() for a in found.sums)


@pytest.mark.quick(3)
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: minibatch.fit([], RANK), ValueError, "at least one batch of rows, got none"),
        (lambda: minibatch.begin(X, RANK, Extrapolated(HALS())), ValueError, "a method with a half-step"),
        (lambda: minibatch.begin(X, RANK, Momentum(MU())), ValueError, "a method with a half-step"),
        (lambda: minibatch.begin(X, RANK, MU(loss=losses.NegativeBinomial())), ValueError, "a β-divergence"),
        (lambda: minibatch.begin(X, RANK, MU(beta=1.0, l2_H=1.0)), ValueError, "no l2_H"),
        (lambda: minibatch.begin(-X, RANK, KL), ValueError, "rows: MU expects nonnegative entries"),
        (lambda: minibatch.begin(np.zeros((3, 3)), 1), ValueError, "an entry that is not 0"),
        (lambda: minibatch.begin(np.full((3, 3), np.nan), 1), ValueError, "rows: expected finite entries"),
        (lambda: minibatch.begin(np.ma.masked_less(X, 0.1), RANK), ValueError, "rows: expected all entries"),
        (lambda: minibatch.step(minibatch.begin(X, RANK), X[:, 1:]), ValueError, "rows: expected 15 columns"),
        (
            lambda: minibatch.step(minibatch.begin(X, RANK), X, forget=-1),
            ValueError,
            "forget: expected a finite number",
        ),
    ],
)
def test_what_it_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_step_is_pure_and_one_program_for_batches_of_one_size(caplog):
    state = minibatch.begin(BATCHES[0], RANK, Accelerated(HALS()))
    first = minibatch.step(state, BATCHES[1])
    with jax.log_compiles(), caplog.at_level("WARNING"):
        again = minibatch.step(state, BATCHES[1])
        minibatch.step(again, BATCHES[2], forget=0.5)
    assert "Compiling" not in caplog.text
    np.testing.assert_array_equal(again.H, first.H)
