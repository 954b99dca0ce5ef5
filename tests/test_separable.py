"""The successive projection algorithm against one in NumPy, pivoted QR, and data of which the columns are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as ss

import jnmf
from jnmf import HALS, MU, init
from jnmf.matrix import blocks
from jnmf.matrix.low_rank import LowRank
from jnmf.matrix.masked import Masked


def spa(X, rank, normalize=True):
    """Araújo et al. 2001, step by step."""
    R = np.array(X, np.longdouble)
    if normalize:
        sums = np.abs(R).sum(axis=0)
        R /= np.where(sums > 0, sums, 1)
    chosen = []
    for _ in range(rank):
        chosen.append(int(np.argmax((R * R).sum(axis=0))))
        u = R[:, chosen[-1]].copy()
        R -= np.outer(u, u @ R) / (u @ u)
    return chosen


def separable(seed, m=8, n=15, r=4, scale=False, dtype=float):
    """X = W [I H'] Π with columns of H' of sum at most 1, and the places of the columns of W."""
    rng = np.random.default_rng(seed)
    W, H = rng.random((m, r)), np.hstack([np.eye(r), rng.dirichlet(np.ones(r), n - r).T * rng.uniform(0.5, 1, n - r)])
    order = rng.permutation(n)
    X = W @ H[:, order]
    X = X * 10.0 ** rng.uniform(-6, 6, n) if scale else X
    return X.astype(dtype), set(np.flatnonzero(order < r))


@pytest.mark.parametrize("normalize", [True, False])
def test_it_takes_the_columns_that_numpy_takes_and_pivoted_qr(normalize):
    for seed in range(20):
        X = np.random.default_rng(seed).normal(size=(8, 15))
        found = init.spa_columns(X, 6, normalize=normalize).tolist()
        assert found == spa(X, 6, normalize)
        scaled = X / np.abs(X).sum(axis=0) if normalize else X
        assert found == scipy.linalg.qr(scaled, pivoting=True)[-1][:6].tolist()


@pytest.mark.quick(1)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_separable_data_are_taken_apart(dtype):
    for seed in range(20):
        X, pure = separable(seed, dtype=dtype)
        for A, normalize in ((X, True), (X, False), (separable(seed, scale=True, dtype=dtype)[0], True)):
            assert set(init.spa_columns(A, 4, normalize=normalize).tolist()) == pure
        W, H = init.spa(None, X, 4)
        assert W.dtype == H.dtype == dtype
        np.testing.assert_allclose(W @ H, X, atol=1e3 * np.finfo(dtype).eps)
        assert np.min(W) >= 0
        assert np.min(H) >= 0
        *_, fifth, sixth = init.spa_columns(X, 6, normalize=False).tolist()  # what is left is rounding
        others = sorted(set(range(15)) - pure, key=lambda j: -np.linalg.norm(X[:, j]))
        assert [fifth, sixth] == others[:2]


@pytest.mark.parametrize("k", [900, -900, 0])
def test_another_unit_of_all_or_of_a_column_changes_nothing(k):
    X, _ = separable(3)
    X[:, 4] = 0
    wanted = init.spa_columns(X, 4).tolist()
    assert init.spa_columns(np.ldexp(X, k), 4).tolist() == wanted
    np.testing.assert_array_equal(init.spa_columns(np.ldexp(X, k), 4, normalize=False), spa(X, 4, normalize=False))
    one = X.copy()
    one[:, wanted[2]] = np.ldexp(one[:, wanted[2]], k)
    assert init.spa_columns(one, 4).tolist() == wanted
    for A, B in zip(init.spa(0, X, 4), init.spa(0, np.ldexp(X, k), 4), strict=True):
        np.testing.assert_array_equal(np.ldexp(A, k // 2), B)


def test_columns_that_are_alike_or_zero_are_taken_last():
    X = np.array([[2.0, 0, 2, 1, 0], [0, 0, 0, 1, 1]])
    assert init.spa_columns(X, 5).tolist()[:2] == [0, 4]
    assert sorted(init.spa_columns(X, 5).tolist()) == [0, 1, 2, 3, 4]
    assert init.spa_columns(X, 5).tolist()[-1] == 1
    assert init.spa_columns(np.zeros((3, 4)), 2).tolist() == [0, 1]
    with pytest.warns(UserWarning, match="dead"):
        found = jnmf.fit(X[:, :3], 2, HALS(), init="spa", max_iters=3)
    np.testing.assert_allclose(found.W @ found.H, X[:, :3], atol=1e-12)


def test_a_close_pair_is_told_apart_in_float32():
    """Squares of lengths, and what is taken from them, would lose it below √eps."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        W = np.ones((9, 3)) + 3e-4 * rng.random((9, 3))
        X = np.hstack([W, W @ rng.dirichlet(np.ones(3), 10).T]).astype("float32")
        assert set(init.spa_columns(X, 3, normalize=False).tolist()) == {0, 1, 2}


@pytest.mark.slow
def test_kinds_blocks_and_jit(monkeypatch):
    X = separable(5)[0]
    X = np.where(X < 0.1, 0, X)
    kinds = (jnp.asarray(X), ss.csr_array(X), np.ma.MaskedArray(X, np.zeros(X.shape)), LowRank(jnp.eye(8), X))
    wanted = init.spa(0, X, 4)
    for A in kinds:
        for found, like in zip(init.spa(0, A, 4), wanted, strict=True):
            np.testing.assert_allclose(found, like, rtol=1e-9, atol=1e-12)
    M = jnp.asarray(np.random.default_rng(0).random(X.shape) < 0.9)
    mean = np.where(M, X, X[np.asarray(M)].mean())
    assert init.spa_columns(Masked(X, M), 4).tolist() == spa(mean, 4)
    by_jit = jax.jit(lambda X: init.spa_columns(X, 4))(X)
    monkeypatch.setattr(blocks, "NUMBERS", 20)
    assert by_jit.tolist() == init.spa_columns(X + 0.0, 4).tolist() == spa(X, 4)


@pytest.mark.slow
def test_as_the_start_of_a_fit_and_of_a_sweep():
    X, _ = separable(1)
    for algorithm in (HALS(), MU(beta=1.0)):
        found = jnmf.fit(X, 4, algorithm, init="spa", max_iters=1)
        assert found.loss < 1e-3
        assert found.trace.loss[0] < 1e-3
    by_name, by_function = (jnmf.fit(X, 4, HALS(), init=start, max_iters=1).W for start in ("spa", init.spa))
    np.testing.assert_array_equal(by_name, by_function)
    study = jnmf.sweep(X, [3, 4], num_restarts=1, init="spa", algorithm=HALS(), num_iters=2)
    assert study.loss[1, 0] < 1e-20
    with pytest.raises(ValueError, match="spa starts every restart at the same point"):
        jnmf.sweep(X, [2], num_restarts=2, init="spa")


def test_what_it_cannot_take():
    X, _ = separable(1)
    with pytest.raises(ValueError, match="expected rank ≤ n = 15"):
        init.spa_columns(X, 16)
    with pytest.raises(ValueError, match="rank: expected"):
        init.spa_columns(X, 0)
    for call in (init.spa_columns, lambda A, rank: jnmf.fit(A, rank, init="spa")):
        with pytest.raises(TypeError, match="expected an X in the memory"):
            call(jnmf.streamed(X), 2)
