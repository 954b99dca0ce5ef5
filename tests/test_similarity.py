from itertools import permutations
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st
from support import drawn

from jnmf import Factors, Status
from jnmf.factors import unit_columns
from jnmf.similarity import match, pairing, similarity, sweep_similarity
from proofs.strategies import nonnegative, positive, real

SHAPES = ((5, 1), (6, 3), (3, 5), (6, 6))  # one compilation each


@st.composite
def pairs(draw, matrices):
    shape = draw(st.sampled_from(SHAPES))
    return draw(matrices(shape)), draw(matrices(shape))


def cosines(U, V):
    """(r, r), by the textbook formula; 0 for a zero column."""
    lengths = np.outer(np.linalg.norm(U, axis=0), np.linalg.norm(V, axis=0))
    return np.where(lengths > 0, U.T @ V / np.where(lengths > 0, lengths, 1), 0)


def best_sum(C):
    return max(sum(C[k, p[k]] for k in range(len(C))) for p in permutations(range(len(C))))


def random_pair(m, r, dtype=float, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((m, r)).astype(dtype), rng.random((m, r)).astype(dtype)


@drawn
@given(st.one_of(pairs(real), pairs(nonnegative)))
def test_no_permutation_is_better(pair):
    U, V = pair
    C = cosines(U, V)
    p = np.asarray(match(U, V))
    assert sorted(p) == list(range(len(C)))
    assert C[np.arange(len(C)), p].sum() == pytest.approx(best_sum(C), abs=1e-12)
    assert similarity(U, V) == pytest.approx(best_sum(C) / len(C), abs=1e-12)


@drawn
@given(pairs(nonnegative), st.randoms(use_true_random=False))
def test_order_and_scale_of_the_columns_do_not_matter(pair, random):
    U, V = pair
    r = U.shape[1]
    p, q = (random.sample(range(r), r) for _ in range(2))
    c, d = (np.array([random.choice((1e-150, 1e-30, 0.3, 1.0, 7.0, 1e30, 1e150)) for _ in range(r)]) for _ in range(2))
    assert similarity((c * U)[:, p], (d * V)[:, q]) == pytest.approx(float(similarity(U, V)), abs=1e-12)
    assert -1e-15 <= float(similarity(U, V)) <= 1 + 1e-15


@drawn
@given(pairs(positive), st.randoms(use_true_random=False))
def test_same_columns_in_another_order_and_scale_score_one(pair, random):
    U, _ = pair
    r = U.shape[1]
    p = random.sample(range(r), r)
    V = U[:, p] * np.array([random.choice((0.5, 1.0, 8.0)) for _ in range(r)])
    assert similarity(U, V) == pytest.approx(1, abs=1e-14)
    matched = V[:, np.asarray(match(U, V))]
    np.testing.assert_allclose(cosines(U, matched).diagonal(), 1, atol=1e-14)


def best_assignment(C):
    """The largest sum of entries of C, no two of one row or column, as many as there can be."""
    if C.shape[0] > C.shape[1]:
        return best_assignment(C.T)
    return max(sum(C[k, p[k]] for k in range(len(C))) for p in permutations(range(C.shape[1]), len(C)))


@pytest.mark.quick(3)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("r", "q"), [(2, 5), (5, 2), (1, 4), (4, 4)])
def test_different_numbers_of_columns_are_paired_by_the_best_assignment(r, q, signed):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        U, V = rng.random((6, r)) - 0.5 * signed, rng.random((6, q)) ** 3 - 0.5 * signed
        C = cosines(U, V)
        of_scipy = scipy.optimize.linear_sum_assignment(C, maximize=True)
        p, cosine, unmatched = map(np.asarray, pairing(U, V))
        rows = np.flatnonzero(p >= 0)
        assert len(rows) == min(r, q) == len(set(p[rows]))
        assert sorted([*p[rows], *unmatched]) == list(range(q))
        assert list(unmatched) == sorted(unmatched)
        np.testing.assert_allclose(cosine, np.where(p >= 0, C[np.arange(r), p], 0), atol=1e-14)
        assert cosine.sum() == pytest.approx(C[of_scipy].sum(), abs=1e-12)
        assert cosine.sum() == pytest.approx(best_assignment(C), abs=1e-12)
        np.testing.assert_array_equal(match(U, V), p)
        assert similarity(U, V) == pytest.approx(cosine.sum() / max(r, q), abs=1e-12)
        if not signed:  # as if zero columns made up the number
            made_up = [np.pad(A, ((0, 0), (0, max(r, q) - A.shape[1]))) for A in (U, V)]
            assert similarity(U, V) == pytest.approx(float(similarity(*made_up)), abs=1e-12)


def test_found_among_known_under_jit_and_vmap():
    known, _ = random_pair(7, 5)
    found = known[:, [3, 0]] * [2.0, 1e-3]
    at_once = jax.jit(jax.vmap(pairing, (0, None)))(np.stack([found, found[:, ::-1]]), known)
    np.testing.assert_array_equal(at_once.match, [[3, 0], [0, 3]])
    np.testing.assert_array_equal(at_once.unmatched, [[1, 2, 4]] * 2)
    np.testing.assert_allclose(at_once.cosine, 1, atol=1e-14)
    assert similarity(found, known) == pytest.approx(2 / 5)
    assert pairing(known.astype("float32"), found.astype("float32")).cosine.dtype == jnp.float32
    assert np.isfinite(jax.grad(similarity)(jnp.asarray(known), jnp.asarray(found))).all()


def test_match_puts_the_columns_back_in_order():
    U, _ = random_pair(7, 5)
    order = np.array([3, 0, 4, 1, 2])
    V = U[:, order]
    np.testing.assert_array_equal(V[:, np.asarray(match(U, V))], U)


def test_a_zero_column_matches_nothing():
    U, V = np.eye(4)[:, :3], np.eye(4)[:, :3]
    U[:, 1] = 0
    assert similarity(U, V) == pytest.approx(2 / 3)
    V[:, 1] = 0
    assert similarity(U, V) == pytest.approx(2 / 3)  # also not another zero column
    assert similarity(0 * U, V) == 0
    assert similarity(0 * U, 0 * V) == 0
    assert np.isfinite(jax.grad(similarity)(jnp.asarray(U), jnp.asarray(V))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_of_extreme_size_keep_the_dtype_and_the_score(dtype):
    U, V = random_pair(6, 4, dtype)
    expected = best_sum(cosines(U.astype(float), V.astype(float))) / 4
    tiny, huge = (1e-30, 1e30) if dtype == "float32" else (1e-300, 1e300)
    for c in (1, tiny, huge):
        score = similarity((U * c).astype(dtype), V)
        assert score.dtype == dtype
        assert score == pytest.approx(expected, abs=10 * float(np.finfo(dtype).eps))


@pytest.mark.quick(1)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_no_score_is_above_one(dtype):
    """Multiples of the same columns, whose cosines are 1 and a few roundings more or less."""
    U = np.stack([random_pair(50, 5, dtype, seed)[0] for seed in range(40)])
    V = (U * np.asarray([2.7, 0.3, 1.1, 7.0, 0.9], dtype))[:, :, ::-1]
    unclipped = jnp.matmul(jnp.swapaxes(unit_columns(jnp.asarray(U)), 1, 2), unit_columns(jnp.asarray(V)))
    assert dtype == "float16" or (unclipped > 1).any()
    scores = jax.vmap(similarity)(U, V)
    assert (scores <= 1).all()
    np.testing.assert_allclose(scores, 1, atol=5 * float(np.finfo(dtype).eps))
    assert (jax.vmap(similarity)(U[:, :, :1], -V[:, :, 4:]) >= -1).all()
    # Of 7 and of 5 real components, beside 8: no quotient of the ranks enters.
    ranks, A = (8, 7, 5), random_pair(50, 8, dtype)[0]
    members = tuple(Factors(np.stack([A, 2.7 * A])[:, :, :r], np.stack([A.T, 0.3 * A.T])[:, :r]) for r in ranks)
    sweep = SimpleNamespace(ranks=ranks, loss=np.zeros((3, 2)), status=np.zeros((3, 2), int), members=members)
    for scores in sweep_similarity(sweep)[1:]:
        assert (scores <= 1).all()
        np.testing.assert_allclose(scores, 1, atol=5 * float(np.finfo(dtype).eps))


def test_the_derivative_at_equal_columns_is_zero():
    """At its maximum the cosine is flat; what keeps it at most 1 passes the derivative on and adds nothing."""
    U = jnp.asarray(random_pair(50, 5)[0])
    np.testing.assert_allclose(jax.grad(similarity)(U, 2.7 * U), 0, atol=1e-15)
    second = jax.grad(lambda t: jax.grad(lambda t: similarity(U + t, U))(t))(0.0)
    flat = jax.grad(lambda t: jax.grad(lambda t: cosine_sum(U + t, U) / 5)(t))(0.0)
    assert second == pytest.approx(float(flat), rel=1e-9)
    assert second < -0.01


def cosine_sum(U, V):
    return jnp.sum(jnp.sum(U * V, axis=0) / jnp.linalg.norm(U, axis=0) / jnp.linalg.norm(V, axis=0))


@pytest.mark.parametrize("size", [1, 3])
def test_a_sweep_of_one_restart_one_rank_and_one_sample(size):
    H = np.ones((1, 2, size)) * np.array([1.0, 2.0])[:, None]
    members = (Factors(np.eye(3)[None, :, :2], H),)
    sweep = SimpleNamespace(ranks=(2,), loss=np.zeros((1, 1)), status=np.zeros((1, 1), int), members=members)
    found = sweep_similarity(sweep)
    for score, shape in zip(found[1:], [(1, 1), (1, 1), (1, 1, 1), (1, 1, 1)], strict=True):
        assert score.shape == shape
        np.testing.assert_allclose(score, 1, rtol=1e-15)


def test_integers_become_floats_and_mixed_dtypes_the_wider():
    A = np.arange(6).reshape(3, 2)
    assert similarity(A, A).dtype == jnp.result_type(float)
    assert similarity(A.astype("float16"), A.astype("float32")).dtype == jnp.float32


def test_jit_and_vmap_agree_with_a_loop():
    U = np.stack([random_pair(6, 3, seed=s)[0] for s in range(4)])
    V = np.stack([random_pair(6, 3, seed=s)[1] for s in range(4)])
    scores = [float(similarity(u, v)) for u, v in zip(U, V, strict=True)]
    np.testing.assert_allclose(jax.vmap(similarity)(U, V), scores, rtol=1e-14)
    np.testing.assert_allclose(jax.jit(jax.vmap(similarity))(U, V), scores, rtol=1e-14)
    np.testing.assert_array_equal(jax.vmap(match)(U, V), [match(u, v) for u, v in zip(U, V, strict=True)])
    all_pairs = jax.vmap(jax.vmap(similarity, (None, 0)), (0, None))(U, U)
    np.testing.assert_allclose(np.diag(all_pairs), 1, rtol=1e-14)
    np.testing.assert_allclose(all_pairs, all_pairs.T, rtol=1e-14)


def test_derivative_is_that_of_the_matched_cosines():
    U, V = (jnp.asarray(A) for A in random_pair(5, 3))
    direction = jnp.asarray(random_pair(5, 3, seed=1)[0])
    t = 1e-5
    difference = (similarity(U + t * direction, V) - similarity(U - t * direction, V)) / (2 * t)
    assert jnp.vdot(jax.grad(similarity)(U, V), direction) == pytest.approx(float(difference), rel=1e-7)


@pytest.mark.parametrize("function", [match, similarity, pairing])
def test_what_does_not_fit_is_an_error_that_says_so(function):
    U, _ = random_pair(5, 3)
    with pytest.raises(ValueError, match=r"expected U \(m, r\) and V \(m, q\), got U \(5, 3\) and V \(4, 3\); comp"):
        function(U, U[:4])
    with pytest.raises(ValueError, match=r"V: expected a two-dimensional matrix, got shape \(5,\)"):
        function(U, U[:, 0])
    with pytest.raises(ValueError, match="U: expected finite entries"):
        function(np.where(U == U[0, 0], np.nan, U), U)


RESTARTS = 3


def sweep_of(ranks=(2, 4, 1), m=6, n=5, dtype=float):
    """Random members; the restart with the lowest loss is 2, 0 and 1."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.random(shape).astype(dtype) ** 3
    members = tuple(Factors(draw(RESTARTS, m, r), draw(RESTARTS, r, n)) for r in ranks)
    loss = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 1.0, 3.0]], dtype)[: len(ranks)]
    return SimpleNamespace(ranks=ranks, loss=loss, status=np.zeros(loss.shape, int), members=members)


def test_scores_of_a_sweep_are_those_of_its_pairs_at_their_own_rank():
    """Padding to the largest rank changes nothing; also for dead components and a rank of one."""
    sweep = sweep_of()
    sweep.members[1].W[0, :, 2] = 0
    sweep.members[0].H[1, 0] = 0
    found = sweep_similarity(sweep)
    np.testing.assert_array_equal(found.ranks, sweep.ranks)
    for i, (W, H) in enumerate(sweep.members):
        for s in range(RESTARTS):
            for t in range(RESTARTS):
                r = sweep.ranks[i]
                assert found.W_pairs[i, s, t] == pytest.approx(best_sum(cosines(W[s], W[t])) / r, abs=1e-14)
                assert found.H_pairs[i, s, t] == pytest.approx(best_sum(cosines(H[s].T, H[t].T)) / r, abs=1e-14)
        best = sweep.loss[i].argmin()
        np.testing.assert_array_equal(found.W_to_best[i], found.W_pairs[i, best])
        np.testing.assert_array_equal(found.H_to_best[i], found.H_pairs[i, best])
    assert found.W_pairs[1, 0, 0] == pytest.approx(3 / 4)  # a dead component does not match itself
    assert found.W_pairs[0, 0, 1] == pytest.approx(float(similarity(sweep.members[0].W[0], sweep.members[0].W[1])))


def test_restarts_that_diverged_have_no_score_and_are_not_the_best():
    sweep, clean = sweep_of(), sweep_similarity(sweep_of())
    sweep.status[0, 2] = Status.NONFINITE  # has the lowest loss
    sweep.loss[2, 0] = np.nan
    sweep.members[2].W[0] = np.nan
    found = sweep_similarity(sweep)
    kept = [(0, 1), (0, 1, 2), (1, 2)]
    for i, ok in enumerate(kept):
        inside = np.ix_(ok, ok)
        np.testing.assert_array_equal(found.W_pairs[i][inside], clean.W_pairs[i][inside])
        assert np.isnan(found.H_pairs[i]).sum() == RESTARTS**2 - len(ok) ** 2
    np.testing.assert_array_equal(found.H_to_best[0], [clean.H_pairs[0, 1, 0], clean.H_pairs[0, 1, 1], np.nan])
    np.testing.assert_array_equal(found.W_to_best[2, 1:], clean.W_to_best[2, 1:])


def test_scores_of_a_sweep_have_the_dtype_of_its_members():
    found, expected = sweep_similarity(sweep_of(dtype="float32")), sweep_similarity(sweep_of())
    for a, b in zip(found[1:], expected[1:], strict=True):
        assert a.dtype == "float32"
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_sweep_that_cannot_be_compared_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="at least one rank, got none; pass ranks such as"):
        sweep_similarity(SimpleNamespace(ranks=(), loss=np.zeros((0, 3)), status=np.zeros((0, 3)), members=()))
    none = (Factors(np.zeros((0, 6, 2)), np.zeros((0, 2, 5))),)
    with pytest.raises(ValueError, match=r"at least one restart .* got losses of shape \(1, 0\); pass num_restarts"):
        sweep_similarity(SimpleNamespace(ranks=(2,), loss=np.zeros((1, 0)), status=np.zeros((1, 0)), members=none))
    sweep = sweep_of()
    sweep.loss[1] = np.nan
    with pytest.raises(ValueError, match="expected a finite restart of each rank, got none of 3 at rank 4; leave that"):
        sweep_similarity(sweep)
