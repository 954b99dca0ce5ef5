"""Choosing the rank by held-out entries: what is held out, what is scored, what is chosen, and in how much memory."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import kl_div
from support import problem

from jnmf import HALS, MU, PGD, Factors, batches, cross_validate, fit
from jnmf import holdout as holdouts
from jnmf.cross_validation import choose
from jnmf.matrix import entries
from jnmf.matrix.masked import Masked

X, _ = problem()


def hold_outs(A, M=None, *, holdout, num_restarts, key=0):
    """(S, m, n): the weights of what is held out, as `cross_validate` with this key holds it out."""
    A = jnp.asarray(A)
    A = Masked(A, jnp.ones_like(A) if M is None else jnp.asarray(M, A.dtype))
    keys = jax.random.split(jax.random.split(jax.random.key(key))[0], num_restarts)
    own = holdouts.drawn(A, keys, holdout)
    return np.asarray(jax.vmap(lambda own: entries(holdouts.split(A, own)[1])[1])(own))


def planted(seed):
    """Rank 5 and noise."""
    rng = np.random.default_rng(seed)
    A = rng.random((40, 5)) @ rng.random((5, 30))
    return np.maximum(A + 0.05 * A.mean() * rng.standard_normal(A.shape), 0)


# What is held out


def counts_of(shape, seed=0, rate=0.3):
    """Sparse counts, with an empty row, an empty column and a row of a single entry."""
    A = np.random.default_rng(seed).poisson(rate, shape).astype(float)
    A[0], A[:, 0], A[1] = 0, 0, 0
    A[1, 1] = 2
    return A


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    ("A", "holdout"),
    [(np.ones((200, 4)), 0.5), (np.ones((4, 200)), 0.74), (np.ones((3, 3)), 0.4), (counts_of((30, 20)), 0.6)],
    ids=["tall", "wide", "tiny", "counts"],
)
def test_every_row_and_column_keeps_a_nonzero_entry(A, holdout):
    held = hold_outs(A, holdout=holdout, num_restarts=30) > 0
    assert (held.sum(axis=(1, 2)) == round(holdout * A.size)).all()
    kept = ~held & (A != 0)
    for axis in (1, 2):
        np.testing.assert_array_equal(
            kept.any(axis=axis), np.broadcast_to((A != 0).any(axis=axis - 1), (30, A.shape[2 - axis]))
        )


def test_the_set_is_that_of_the_smallest_draws_but_where_a_row_or_column_would_be_emptied():
    """Against sorting, which holds out one by one and passes over the last nonzero entry of a row, then of a column."""
    A = counts_of((12, 7))
    M = np.random.default_rng(1).random(A.shape) < 0.8
    keys = jax.random.split(jax.random.split(jax.random.key(3))[0], 20)
    for held, key in zip(hold_outs(A, M, holdout=0.5, num_restarts=20, key=3) > 0, keys, strict=True):
        draw = np.where(M, np.asarray(jax.random.bits(key, A.shape, jnp.uint32), float), np.inf)
        nonzero = M & (A != 0)
        stays = np.zeros_like(M)
        for i in np.flatnonzero(nonzero.any(axis=1)):
            stays[i, np.argmax(np.where(nonzero[i], draw[i], -1))] = True
        for j in np.flatnonzero(nonzero.any(axis=0) & ~stays.any(axis=0)):
            stays[np.argmax(np.where(nonzero[:, j], draw[:, j], -1)), j] = True
        order = [k for k in np.argsort(draw, axis=None) if M.ravel()[k] and not stays.ravel()[k]]
        np.testing.assert_array_equal(np.flatnonzero(held), np.sort(order[: round(0.5 * M.sum())]))


def test_without_zeros_every_entry_is_as_likely_to_be_held_out():
    """Half of 6 × 3, where about every second draw empties a row: a binomial bound of 4.5 sd on each frequency."""
    S = 4000
    frequency = (hold_outs(np.ones((6, 3)), holdout=0.5, num_restarts=S) > 0).mean(axis=0)
    assert np.abs(frequency - 0.5).max() < 4.5 * np.sqrt(0.25 / S)


def test_hold_outs_do_not_depend_on_the_dtype():
    both = [hold_outs(np.asarray(X, dtype), holdout=0.2, num_restarts=2) for dtype in ("float32", "float64")]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("holdout", [0.0, 1.0, 1, -0.1, True, "0.1", np.nan, None])
def test_bad_holdouts(holdout):
    with pytest.raises(ValueError, match="holdout: expected a fraction between 0 and 1, got"):
        cross_validate(X, [2], num_restarts=2, holdout=holdout)


def test_a_holdout_that_is_empty_or_too_large():
    with pytest.raises(ValueError, match=r"holdout: expected to hold out some of 108 entries, got 0\.001"):
        cross_validate(X, [2], num_restarts=2, holdout=0.001)
    for A in (X, np.ones((1, 5)), np.eye(4)):
        with pytest.raises(ValueError, match=r"expected to leave a nonzero entry of each row and column, got 0\.95"):
            cross_validate(A, [1], num_restarts=2, holdout=0.95)


# What is scored


def scored(held, A, Z, d):
    return np.sum(held * d(A, Z)) / np.sum(held)


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    ("algorithm", "score", "d", "M"),
    [
        (None, "rmse", lambda x, z: (x - z) ** 2, None),
        (HALS(l1_H=0.1), "loss", lambda x, z: (x - z) ** 2 / 2, "weights"),
        (MU(beta=1.0, l2_W=0.1), None, kl_div, "weights"),
        (MU(beta=1.0), "rmse", lambda x, z: (x - z) ** 2, "mask"),
    ],
    ids=["default", "HALS loss", "KL", "KL rmse"],
)
def test_scores_are_those_of_single_fits(algorithm, score, d, M):
    weights = np.random.default_rng(0).random(X.shape)
    M = {"weights": weights, "mask": (weights < 0.9).astype(float), None: np.ones(X.shape)}[M]
    options = {"num_restarts": 3, "holdout": 0.2, "algorithm": algorithm, "max_iters": 30, "key": 5}
    found = cross_validate(X, [3, 2], score=score, mask=M, **options)
    assert found.score == score or (score is None and found.score == "loss")
    held = hold_outs(X, M, holdout=0.2, num_restarts=3, key=5)
    starts = jax.random.split(jax.random.split(jax.random.key(5))[1], 3)
    root = np.sqrt if found.score == "rmse" else np.asarray
    for i, rank in enumerate((3, 2)):
        for s in (0, 2):
            single = fit(X, rank, algorithm, key=starts[s], mask=M - held[s], max_iters=30)
            Z = np.asarray(single.W @ single.H)
            assert found.test[i, s] == pytest.approx(root(scored(held[s], X, Z, d)), rel=1e-7)
            assert found.train[i, s] == pytest.approx(root(scored(M - held[s], X, Z, d)), rel=1e-7)
    np.testing.assert_array_equal(found.diverged, 0)


def test_scores_by_default_and_by_name():
    assert cross_validate(X, [1], num_restarts=1, algorithm=HALS(), max_iters=1).score == "rmse"
    with pytest.raises(ValueError, match="score: expected one of 'rmse', 'loss', got 'mae'"):
        cross_validate(X, [1], num_restarts=1, score="mae")


def test_the_held_out_entries_are_really_held_out():
    """Whatever stands there, the training error is the same; only the test error sees it."""
    spoiled = np.array(X)
    spoiled[hold_outs(X, holdout=0.2, num_restarts=1)[0] > 0] *= 100
    plain, other = (
        cross_validate(A, [2], num_restarts=1, holdout=0.2, algorithm=HALS(), max_iters=20) for A in (X, spoiled)
    )
    assert not np.allclose(plain.test, other.test)
    np.testing.assert_array_equal(plain.train, other.train)


@pytest.mark.slow
def test_half_precision_and_a_holdout_of_numpy():
    options = {"algorithm": HALS(), "max_iters": 20}
    narrow = cross_validate(X.astype("float16"), [2], num_restarts=2, holdout=np.float32(0.2), **options)
    wide = cross_validate(X.astype("float16").astype("float32"), [2], num_restarts=2, holdout=0.2, **options)
    np.testing.assert_allclose(narrow.test, wide.test, rtol=1e-5)


def test_sparse_counts_have_a_finite_divergence():
    found = cross_validate(
        counts_of((30, 20)), [1, 2], num_restarts=4, holdout=0.3, algorithm=MU(beta=1.0), max_iters=20
    )
    assert np.isfinite(found.test).all()


def test_an_infinite_divergence_is_told_and_its_rank_not_chosen(monkeypatch):
    """Factors with zeros, which multiplicative updates keep, so that entry (0, 0) is predicted as 0 at rank 2.

    Where it is held out, the test loss is infinite; where it is fitted, the training loss is, and the fit is no fit.
    """
    uniform = batches.inits.uniform

    def blocked(*arguments):
        W, H = uniform(*arguments)
        return Factors(W.at[0, 1].set(0), H.at[0, 0].set(0))

    monkeypatch.setattr(batches.inits, "uniform", blocked)
    options = {"num_restarts": 6, "algorithm": MU(beta=1.0), "max_iters": 5, "holdout": 0.4}
    held = hold_outs(X, holdout=0.4, num_restarts=6)[:, 0, 0] > 0
    assert 0 < held.sum() < 6
    with pytest.warns(UserWarning, match=rf"infinite for some of 6 restarts \({held.sum()} at rank 2\): a positive"):
        found = cross_validate(X, [2, 3], **options)
    np.testing.assert_array_equal(np.isinf(found.test), [held, [False] * 6])
    np.testing.assert_array_equal(found.diverged, [6 - held.sum(), 0])
    assert np.isfinite(found.train[0, held]).all()
    assert found.rank == 3


# What is chosen


def test_choosing_by_one_standard_error():
    errors = np.array([[3.0, 3.2], [2.0, 2.2], [1.9, 2.3], [1.8, 2.2]])
    assert choose([1, 2, 3, 4], errors) == (4, 2)
    assert choose([4, 1], np.array([[1.0], [2.0]])) == (4, 4)
    # s / √S of 1.8, 2.2, 2.0 is 0.1155: 2.11 is within it, 2.12 is not; without √S 2.15 would be.
    errors = np.array([[2.12] * 3, [2.11] * 3, [1.8, 2.2, 2.0]])
    assert choose([1, 2, 3], errors) == (3, 2)


def test_choosing_among_restarts_that_diverged():
    nan, inf = np.nan, np.inf
    assert choose([1, 2, 3], np.array([[nan, nan], [nan, 2.0], [3.0, nan]])) == (2, 2)
    assert choose([1, 2, 3], np.array([[1.0, inf], [2.0, 2.2], [1.9, nan]])) == (3, 3)
    assert choose([1, 2], np.array([[2.15, 2.05, nan], [1.8, 2.2, nan]])) == (2, 1)  # s / √2, of the two
    with pytest.raises(ValueError, match="expected a rank with a finite mean test score, got none; try another"):
        choose([1, 2], np.array([[nan, nan], [1.0, inf]]))


def test_a_restart_that_diverged_does_not_count():
    A = np.random.default_rng(0).random((12, 9)).astype("float32")
    options = {"num_restarts": 6, "max_iters": 60}
    found = cross_validate(A, [1, 2, 3], algorithm=PGD(step_size=0.4), **options)
    np.testing.assert_array_equal(found.diverged, np.isnan(found.test).sum(axis=1))
    np.testing.assert_array_equal(np.isnan(found.test), np.isnan(found.train))
    assert 0 < found.diverged.sum() < 18
    assert found.rank == 1 + np.argmin(np.nanmean(found.test, axis=1))
    with pytest.raises(ValueError, match="expected a rank with a finite mean test score, got none"):
        cross_validate(A, [1, 2, 3], algorithm=PGD(step_size=100.0), **options)


@pytest.mark.slow
def test_cross_validation_finds_the_planted_rank_over_ten_data_seeds():
    for seed in range(10):
        result = cross_validate(planted(seed), [3, 4, 5, 6, 7], num_restarts=4, key=seed, max_iters=300)
        assert result.rank == 5, seed
        assert result.rank_1se <= result.rank
        assert result.test.shape == result.train.shape == (5, 4)
        assert (np.diff(result.train.mean(axis=1)) < 0).all()
        assert (result.test[2] > result.train[2]).all()


@pytest.mark.slow
def test_cross_validation_finds_three_in_the_exercise_data(nmfdata):
    result = cross_validate(nmfdata, [2, 3, 4], num_restarts=8)
    assert (result.rank, result.rank_1se) == (3, 3)


# In how much time and memory


def test_batches_and_devices_do_not_matter(monkeypatch):
    assert jax.local_device_count() == 2
    options = {"num_restarts": 3, "algorithm": HALS(), "max_iters": 20}
    both = cross_validate(X, [2, 3], **options)
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    one = cross_validate(X, [2, 3], batch_size=1, **options)
    np.testing.assert_allclose(both.test, one.test, rtol=1e-9)


@pytest.mark.slow
def test_a_second_call_compiles_nothing(caplog):
    call = lambda key: cross_validate(X, [2], num_restarts=2, algorithm=HALS(), max_iters=3, key=key)
    call(0)
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        call(1)
    assert not [record.message for record in caplog.records if "ompil" in record.message]


@pytest.mark.slow
def test_memory_is_that_of_a_batch_whatever_the_number_of_restarts(monkeypatch):
    """Bytes that the programs work in, in units of X; and no array of the restarts of the size of X beside them."""
    A = Masked(*2 * (jnp.ones((100, 80)),))
    keys = jax.random.split(jax.random.key(0), 20)
    work = lambda program: program.compile().memory_analysis().temp_size_in_bytes / A.X.nbytes
    assert work(holdouts.last_draws.lower(keys, A, 800)) < 8

    batch, seen = batches._batch, []

    def recorded(*arguments):
        seen.append(sum(leaf.nbytes for leaf in jax.tree.leaves(arguments[:-3]) if hasattr(leaf, "nbytes")))
        seen.append(batch.lower(*arguments).compile().memory_analysis().temp_size_in_bytes)
        return batch(*arguments)

    monkeypatch.setattr(batches, "_batch", recorded)
    cross_validate(A.X, [2], num_restarts=20, algorithm=HALS(), max_iters=2, batch_size=2)
    assert len(seen) == 20
    assert max(seen) < 20 * A.X.nbytes  # two members, one on each device
