import jax
import numpy as np
import pytest

from jnmf.spectrum import shuffle_columns, svd_rmse


def random_matrix(m=6, n=4, seed=0):
    return np.random.default_rng(seed).standard_normal((m, n))


def test_error_is_that_of_the_truncated_svd():
    for X in (random_matrix(), random_matrix().T):
        U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
        errors = [np.sqrt(np.mean((X - (U[:, :r] * sigma[:r]) @ Vt[:r]) ** 2)) for r in (1, 2, 3)]
        np.testing.assert_allclose(svd_rmse(X, (1, 2, 3)), errors, rtol=1e-13)
        np.testing.assert_array_equal(svd_rmse(X, (4, 5, 100)), 0)
        np.testing.assert_array_equal(svd_rmse(X, np.array([3, 1, 2])), np.asarray(svd_rmse(X, (1, 2, 3)))[[2, 0, 1]])


def test_exact_values_of_the_exercise_data(nmfdata):
    expected = [0.463080, 0.234986, 0.195683, 0.192657, 0.189676, 0.186749]
    np.testing.assert_allclose(svd_rmse(nmfdata, range(1, 7)), expected, atol=5e-7)


def test_a_small_tail_is_not_lost_beside_the_large_values():
    X = np.zeros((6, 4))
    np.fill_diagonal(X, [1, 1, 1e-9, 1e-9])
    np.testing.assert_allclose(svd_rmse(X, (2, 3, 4)), np.sqrt(np.array([2, 1, 0]) * 1e-18 / 24), rtol=1e-5)


def test_scale_and_dtype(dtype):
    X = random_matrix().astype(dtype)
    expected = svd_rmse(X, (1, 2, 3))
    assert expected.dtype == dtype
    tiny, huge = (1e-30, 1e30) if dtype == "float32" else (1e-200, 1e200)
    for c in (tiny, huge):
        np.testing.assert_allclose(svd_rmse((c * X).astype(dtype), (1, 2, 3)) / c, expected, rtol=1e-5)
    np.testing.assert_array_equal(svd_rmse(np.zeros((6, 4), dtype), (1, 2, 3)), 0)
    assert svd_rmse(X.astype("float16"), (1, 2, 3)).dtype == "float16"


def test_shuffling_keeps_the_entries_of_each_column_and_moves_each_column_differently():
    X = np.arange(40.0)[:, None] + 100 * np.arange(5)
    Y = np.asarray(shuffle_columns(X, 3))
    assert Y.dtype == X.dtype
    np.testing.assert_array_equal(np.sort(Y, axis=0), X)
    moves = Y - 100 * np.arange(5)
    assert len(np.unique(moves, axis=1).T) == 5


def test_shuffling_is_uniform():
    """Each of three entries comes to each of three places a third of the time, by a binomial bound of 5 sd."""
    X = np.tile(np.arange(3.0)[:, None], (1, 3000))
    Y = np.asarray(shuffle_columns(X))
    counts = (Y[:, None, :] == np.arange(3)[:, None]).sum(axis=2)
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(3000 * 2 / 9)


def test_shuffling_destroys_structure_and_a_constant_column_stays():
    X = np.outer(np.arange(1.0, 41.0), np.ones(5))
    X[:, 0] = 7
    Y = np.asarray(shuffle_columns(X))
    np.testing.assert_array_equal(Y[:, 0], 7)
    assert np.linalg.matrix_rank(X) == 2
    assert np.linalg.matrix_rank(Y) == 5


def test_keys_of_shuffling():
    X = random_matrix()
    np.testing.assert_array_equal(shuffle_columns(X, 5), shuffle_columns(X, jax.random.key(5)))
    np.testing.assert_array_equal(shuffle_columns(X), shuffle_columns(X, 0))
    assert (np.asarray(shuffle_columns(X, 5)) != np.asarray(shuffle_columns(X, 6))).any()


def test_jit_and_vmap_agree_with_a_loop():
    X = random_matrix()
    band = jax.jit(jax.vmap(lambda key: svd_rmse(shuffle_columns(X, key), (1, 2))))(np.arange(3))
    np.testing.assert_allclose(band, [svd_rmse(shuffle_columns(X, s), (1, 2)) for s in range(3)], rtol=1e-13)


def test_what_does_not_fit_is_an_error_that_says_so():
    X = random_matrix()
    with pytest.raises(ValueError, match="ranks: expected at least one, got none"):
        svd_rmse(X, ())
    with pytest.raises(ValueError, match="ranks: expected different integers"):
        svd_rmse(X, (2, 2))
    with pytest.raises(ValueError, match="rank: expected an integer of at least 1, got 0"):
        svd_rmse(X, (1, 0))
    with pytest.raises(ValueError, match=r"rank: expected an integer of at least 1, got 1\.5"):
        svd_rmse(X, (1.5,))
    for function in (lambda A: svd_rmse(A, (1,)), shuffle_columns):
        with pytest.raises(ValueError, match="X: expected finite entries"):
            function(np.full((2, 2), np.nan))
        with pytest.raises(ValueError, match=r"X: expected a two-dimensional matrix, got shape \(3,\)"):
            function(np.ones(3))
