import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jnmf import ANLS, Factors, init, run
from jnmf.ordering import clusters, order


def random_factors(m=20, r=3, n=30, seed=0):
    rng = np.random.default_rng(seed)
    return Factors(rng.random((m, r)), rng.random((r, n)))


def test_labels_are_the_largest_loading_after_scaling_to_unit_norm():
    W, H = random_factors()
    rows, columns = clusters(Factors(W, H))
    np.testing.assert_array_equal(rows, np.argmax(W / np.linalg.norm(W, axis=0), axis=1))
    np.testing.assert_array_equal(columns, np.argmax(H / np.linalg.norm(H, axis=1, keepdims=True), axis=0))
    # By hand: the entries of the first component are the larger ones everywhere, its unit-length ones are not.
    W[:], H[:] = 0, 1
    W[:2] = [[6.0, 0.8, 0], [8.0, 0.6, 0]]
    np.testing.assert_array_equal(clusters(Factors(W, H))[0][:2], [1, 0])


def test_the_scale_of_the_components_does_not_matter():
    W, H = random_factors()
    for d in (np.array([1e-5, 1.0, 1e7]), np.array([1e200, 1e-200, 1.0])):
        for got, expected in zip(clusters(Factors(W / d, d[:, None] * H)), clusters(Factors(W, H)), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_order_sorts_by_cluster_then_by_decreasing_loading():
    W, H = random_factors()
    labels = clusters(Factors(W, H))
    loadings = (W / np.linalg.norm(W, axis=0)).max(axis=1), (H / np.linalg.norm(H, axis=1, keepdims=True)).max(axis=0)
    for permutation, label, loading in zip(order(Factors(W, H)), labels, loadings, strict=True):
        p = np.asarray(permutation)
        assert sorted(p) == list(range(len(loading)))
        pairs = [(int(label[i]), -loading[i]) for i in p]
        assert pairs == sorted(pairs)


def test_equal_loadings_take_the_first_component_and_keep_their_order():
    factors = Factors(np.ones((20, 3)), np.ones((3, 30)))
    for got, expected in zip(clusters(factors), ([0] * 20, [0] * 30), strict=True):
        np.testing.assert_array_equal(got, expected)
    for got, expected in zip(order(factors), (range(20), range(30)), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_rows_and_columns_without_a_loading_go_last():
    W, H = random_factors()
    W[[1, 5]], H[:, 0] = 0, 0
    rows, columns = clusters(Factors(W, H))
    np.testing.assert_array_equal(np.flatnonzero(rows == 3), [1, 5])
    np.testing.assert_array_equal(np.flatnonzero(columns == 3), [0])
    by_rows, by_columns = order(Factors(W, H))
    np.testing.assert_array_equal(by_rows[-2:], [1, 5])
    assert int(by_columns[-1]) == 0
    for got, n in zip(clusters(Factors(0 * W, 0 * H)), (20, 30), strict=True):
        np.testing.assert_array_equal(got, np.full(n, 3))


def test_a_single_component():
    W, H = random_factors(m=4, r=1, n=4)
    np.testing.assert_array_equal(clusters(Factors(W, H)), np.zeros((2, 4)))
    np.testing.assert_array_equal(order(Factors(W, H)), [np.argsort(-W[:, 0]), np.argsort(-H[0])])


def test_jit_and_vmap_agree_with_a_loop():
    many = [random_factors(seed=s) for s in range(4)]
    stacked = Factors(*(jnp.stack(A) for A in zip(*many, strict=True)))
    for function in (clusters, order):
        got = jax.jit(jax.vmap(function))(stacked)
        for s, factors in enumerate(many):
            for a, b in zip(got, function(factors), strict=True):
                np.testing.assert_array_equal(a[s], b)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_labels_are_integers_whatever_the_dtype(dtype):
    W, H = (np.round(8 * A).astype(dtype) for A in random_factors())
    for got, expected in zip(clusters(Factors(W, H)), clusters(Factors(W.astype(float), H.astype(float))), strict=True):
        assert jnp.issubdtype(got.dtype, jnp.integer)
        np.testing.assert_array_equal(got, expected)


def test_blocks_of_the_exercise_data(nmfdata):
    """Rank 3 after thirty exact iterations: rows 50/50/50 and columns 5/50/50, each cluster a run of its order."""
    X = jnp.asarray(nmfdata)
    factors, _ = run(X, init.random(0, X, 3), ANLS(), num_iters=30)
    row_labels, column_labels = clusters(factors)
    assert sorted(np.bincount(row_labels)) == [50, 50, 50]
    assert sorted(np.bincount(column_labels)) == [5, 50, 50]
    rows, columns = order(factors)
    assert (np.diff(row_labels[rows]) >= 0).all()
    assert (np.diff(column_labels[columns]) >= 0).all()


@pytest.mark.parametrize("function", [clusters, order])
def test_what_does_not_fit_is_an_error_that_says_so(function):
    W, H = random_factors()
    with pytest.raises(ValueError, match=r"of one rank, got W \(20, 3\) and H \(30, 3\); did you pass Hᵀ"):
        function(Factors(W, H.T))
    with pytest.raises(ValueError, match=r"W: expected nonnegative entries, got -1 at .*; use project_nonnegative"):
        function(Factors(np.where(W == W.max(), -1, W), H))
    with pytest.raises(ValueError, match="H: expected finite entries"):
        function(Factors(W, np.where(H == H.max(), np.nan, H)))
    with pytest.raises(ValueError, match=r"expected Factors\(W, H\) or a Fit, got 3 arrays"):
        function((W, H, H))
