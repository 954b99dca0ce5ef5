"""A sparse X gives what its dense array gives, in every function, from every format; and no array of its shape."""

import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as ss
from jax.experimental.sparse import BCOO, BCSR
from scipy import optimize
from support import ALGORITHMS, M, N, R, problem

import jnmf
from experiments.race import machine
from jnmf import (
    HALS,
    MU,
    Factors,
    consensus,
    cross_validate,
    door,
    fit,
    holdout,
    init,
    kkt_residual,
    losses,
    matrix,
    objective,
    order,
    run,
    svd_rmse,
    sweep,
    transform,
    warm_start,
    weighted,
)
from jnmf.loops import last_factors
from jnmf.matrix import blocks, csr, stored
from jnmf.matrix.stored import FewStored, Stored
from jnmf.resuming import fingerprint
from jnmf.sparse_holdout import emptied

START = problem()[1]
DRAW = np.random.default_rng(0)
DENSE = np.asarray(problem()[0]) * (DRAW.random((M, N)) < 0.4)
DENSE[2], DENSE[:, 3] = 0, 0
X = ss.csr_array(DENSE)
SEEN = (DENSE != 0) | (DRAW.random((M, N)) < 0.2)  # zeros that are stored among them
STORED = ss.csr_array((DENSE[SEEN], np.nonzero(SEEN)), shape=(M, N))


def near(found, wanted, rtol=1e-9):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.max(np.abs(b), initial=0, where=np.isfinite(b)))


# What comes in


def shuffled(A):
    """The entries of A in a random order, each in two halves: not sorted, and stored twice."""
    A = A.tocoo()
    which = np.tile(DRAW.permutation(A.nnz), 2)
    return ss.coo_array((A.data[which] / 2, (A.row[which], A.col[which])), shape=A.shape)


def unsorted(A):
    """CSR with its columns in falling order."""
    A = A.copy()
    for a, b in zip(A.indptr[:-1], A.indptr[1:], strict=True):
        A.indices[a:b], A.data[a:b] = A.indices[a:b][::-1].copy(), A.data[a:b][::-1].copy()
    return ss.csr_array((A.data, A.indices, A.indptr), shape=A.shape)


def wide_indices(A):
    A = A.copy()
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    return A


def padded(A):
    """A BCOO with room for more entries than it has."""
    return BCOO.fromdense(A.toarray(), nse=A.nnz + 3)


def frame(A, index=None):
    """Of sparse columns; `from_spmatrix` of pandas 3.0 takes what is not stored for NaN."""
    columns = dict(enumerate(A.toarray().T))
    return pd.DataFrame({j: pd.arrays.SparseArray(x, fill_value=0.0) for j, x in columns.items()}, index=index)


FORMATS = {
    **{name: lambda A, name=name: A.asformat(name) for name in ("csr", "csc", "coo", "dok", "lil", "bsr", "dia")},
    "matrix": ss.csr_matrix,
    "shuffled, twice": shuffled,
    "unsorted": unsorted,
    "int64": wide_indices,
    "explicit zeros": lambda A: ss.csr_array((DENSE[SEEN], np.nonzero(SEEN)), shape=(M, N)),
    "BCOO": lambda A: BCOO.from_scipy_sparse(A),
    "BCOO, padded": padded,
    "BCSR": lambda A: BCSR.from_scipy_sparse(A),
    "pandas": frame,
    "jnmf.sparse": jnmf.sparse,
    "jnmf.sparse of an array": lambda A: jnmf.sparse(A.toarray()),
}


@pytest.mark.quick(5)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_its_array(name):
    given = FORMATS[name](X)
    kept = given.copy() if hasattr(given, "copy") else None
    near(transform(given, START.H), transform(DENSE, START.H))
    if kept is not None:  # what was given is as it was
        assert (np.asarray(kept.todense() if hasattr(kept, "todense") else kept) == DENSE).all()
        assert type(kept) is type(given)


@pytest.mark.quick(2)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float32", "float64"])
def test_dtypes_are_those_of_the_array(dtype):
    dense = (100 * DENSE).astype(dtype)
    found, wanted = (fit(A, 2, HALS(), max_iters=3) for A in (ss.csr_array(dense), dense))
    assert found.W.dtype == wanted.W.dtype
    near(found.factors, wanted.factors, 1e-5 if dtype == "float32" else 1e-9)
    assert jnmf.sparse(ss.csr_array(dense)).dtype == wanted.W.dtype


def test_sums_of_what_is_stored_twice_stay_in_range():
    twice = ss.coo_array((np.array([100, 100, 7], "int8"), ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    assert np.asarray(jnmf.sparse(twice).by_row.values).tolist() == [200, 7]


def test_half_precision_comes_back_in_half_precision():
    A = BCOO.fromdense(jnp.asarray(DENSE, "bfloat16"))
    found, wanted = (fit(B, 2, HALS(), max_iters=3) for B in (A, A.todense()))
    assert found.W.dtype == jnp.bfloat16
    near(found.factors, wanted.factors, 1e-2)


def with_entry(value):
    A = X.copy()
    A.data = A.data.copy()
    A.data[X.indptr[4]] = value  # the first of row 4
    return A


PLACE = rf"\(4, {X.indices[X.indptr[4]]}\)"
LABELLED = frame(with_entry(np.nan), index=list("abcdefghijkl"))

REFUSED = [
    ((with_entry(np.nan), 2), rf"got 1 NaN or inf of {X.nnz} stored, the first at {PLACE}"),
    ((with_entry(-np.inf), 2), rf"finite entries, got 1 NaN or inf of {X.nnz} stored, the first at {PLACE}"),
    ((LABELLED, 2), "the first at row 'e', column"),
    ((with_entry(-2.0), 2, MU(beta=1.0)), rf"got 1 negative ones of 108, the least -2, the first at {PLACE}"),
    ((X, 2, MU(beta=0.0)), r"expected positive entries .* got \d+ zeros of 108 outside empty rows and columns"),
    ((X * 1j, 2), "real numbers, got csr_array of dtype complex128; pass its real part"),
    ((ss.csr_array((0, 3)), 2), r"at least one row and one column, got shape \(0, 3\)"),
    ((ss.coo_array(np.ones((2, 2, 2))), 2), r"two-dimensional matrix, got coo_array of shape \(2, 2, 2\)"),
    ((ss.coo_array(([1.0], ([0], [2**40])), shape=(2, 2**41)), 2), r"sides and a number .* below 2\*\*31"),
    ((BCOO.fromdense(jnp.ones((2, 3, 4)), n_batch=1), 2), "two-dimensional matrix, got BCOO"),
    ((BCOO.fromdense(jnp.ones((3, 4)), n_dense=1), 2), "without batched or dense dimensions"),
    ((pd.DataFrame({"a": pd.arrays.SparseArray([1.0, np.nan])}), 1), "fill value 0, got nan; pass X.sparse.to_dense"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_is_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fit(*arguments)


def test_masks_that_a_sparse_x_does_not_take():
    for mask in (SEEN, "seen", ss.csr_array(SEEN)):
        with pytest.raises(ValueError, match='for a sparse X expected None or "stored"'):
            fit(X, 2, mask=mask)
    with pytest.raises(ValueError, match="expected stored entries to count"):
        fit(ss.csr_array((3, 4)), 2, mask="stored")
    for call in (lambda: jnmf.shuffle_columns(X), lambda: fit(X, init=(X, X)), lambda: jnmf.similarity(X, X)):
        with pytest.raises(TypeError, match=r"expected a dense matrix, got a sparse csr_array; pass .*toarray\(\)"):
            call()
    with pytest.raises(ValueError, match="expected a matrix without weights"):
        svd_rmse(Stored(jnmf.sparse(X)), [1])


def test_without_a_nonzero():
    empty = ss.csr_array((4, 3))
    for algorithm in (HALS(), MU(beta=1.0)):
        found = fit(empty, 2, algorithm, max_iters=3)
        assert found.loss == 0
        assert not np.any(found.W)
    assert not np.any(svd_rmse(empty, [1]))


def test_what_jnmf_sparse_makes_is_told_in_a_line():
    assert repr(jnmf.sparse(X)) == f"Sparse (12, 9) of {X.nnz} stored entries, float64"
    assert jnmf.sparse(jnmf.sparse(X)).shape == (12, 9)


def test_inside_of_jit():
    A = jnmf.sparse(X)
    found = jax.jit(lambda A: fit(A, 2, HALS(), max_iters=3).factors)(A)
    near(found, fit(DENSE, 2, HALS(), max_iters=3).factors)
    constant = jax.jit(lambda start: run(X, start, MU(beta=1.0), num_iters=2)[0])  # one that has values
    near(constant(START), run(DENSE, START, MU(beta=1.0), num_iters=2)[0])
    with pytest.raises(TypeError, match=r"make jnmf.sparse\(X\) outside, and pass that"):
        jax.jit(lambda A: fit(A, 2).W)(BCOO.fromdense(DENSE))


@pytest.mark.slow
def test_without_the_float64_switch_it_is_told_of_rounding():
    code = """
import numpy as np, scipy.sparse as ss, warnings, jnmf
X = ss.csr_array(np.eye(4) * 1e-3)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert jnmf.fit(X, 2, max_iters=2).W.dtype == np.float32
assert "float64 is rounded to float32" in str(told[0].message)
for scale, what in ((1e300, "in the range of float32, got 1e+297 at (0, 0)"), (1e-300, "got only smaller ones")):
    try:
        jnmf.fit(scale * X, 2)
    except ValueError as error:
        assert what in str(error), error
    else:
        raise AssertionError(scale)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# What comes out

VIEWS = {  # a sparse X with its mask, and the dense one with its
    "plain": (X, {}, DENSE, {}),
    "stored": (STORED, {"mask": "stored"}, DENSE, {"mask": SEEN}),
}


def of_both(view, call):
    A, mask, dense, weights = VIEWS[view]
    return call(A, **mask), call(dense, **weights)


def chosen(name, view):
    """The zeros of X have no finite divergence for β ≤ 0: it is shifted there."""
    A, mask, dense, weights = VIEWS[view]
    if ALGORITHMS[name].loss.finite_for_zeros:
        return A, mask, dense, weights
    full = np.asarray(problem()[0])
    if view == "plain":
        return ss.csr_array(full), {}, full, {}
    return ss.csr_array((full[SEEN], np.nonzero(SEEN)), shape=(M, N)), mask, full, weights


# Others differ from one of these in what they do with the products, or in β.
QUICK = {
    *(("MU KL", "plain"), ("MU 0.5", "plain"), ("HALS", "plain"), ("Extrapolated HALS", "plain")),
    *(("MU", "stored"), ("MU KL", "stored"), ("MU Itakura-Saito", "stored"), ("Extrapolated HALS", "stored")),
    *(("MU negative binomial", "plain"), ("ANLS pivoting", "stored"), ("Momentum MU KL", "stored")),
}
EVERY = [
    pytest.param(name, view, marks=() if (name, view) in QUICK else pytest.mark.slow)
    for name in ALGORITHMS
    for view in VIEWS
    if "Joint" not in name or view != "stored"  # which is refused
]


@pytest.mark.quick(1)
@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize(("name", "view"), EVERY)
def test_every_algorithm(name, view):
    A, mask, dense, weights = chosen(name, view)
    found, wanted = (
        run(B, START, ALGORITHMS[name], num_iters=3, mask=m.get("mask")) for B, m in ((A, mask), (dense, weights))
    )
    near(found, wanted, 1e-7)


CALLS = {
    "fit": lambda A, **kw: fit(A, R, max_iters=5, **kw)[:4],
    "penalties": lambda A, **kw: fit(A, R, HALS(l1_H=0.01, l2_W=0.1), max_iters=5, stop="kkt", **kw)[:4],
    "KL": lambda A, **kw: fit(A, R, MU(beta=1.0), max_iters=5, kkt=True, init=START, **kw)[:4],
    "units": lambda A, **kw: fit(2.0**600 * A, R, HALS(), max_iters=5, **kw)[:4],
    "nndsvd": lambda A, **kw: fit(A, R, HALS(), init="nndsvda", max_iters=2, **kw)[:4],
    "sampled": lambda A, **kw: fit(A, R, init=warm_start.sampled(num_iters=2, size=6), max_iters=1, **kw)[:4],
    "sketched": lambda A, **kw: fit(A, R, init=warm_start.sketched(num_iters=2), max_iters=1, **kw)[:4],
    "frobenius": lambda A, **kw: fit(A, R, MU(beta=1.0), init=warm_start.frobenius(num_iters=2), max_iters=1, **kw)[:4],
    "rounded": lambda A, **kw: fit(A, R, HALS(), init=warm_start.rounded(dtype="float64", max_iters=2), **kw)[:4],
    "sweep": lambda A, **kw: sweep(A, [1, 2], num_restarts=2, max_iters=3, **kw)[:5],
    "sweep, KL": lambda A, **kw: sweep(A, [2], num_restarts=2, algorithm=MU(beta=1.0), num_iters=3, **kw)[:3],
    "consensus": lambda A, **kw: consensus(sweep(A, [2], num_restarts=3, num_iters=9, **kw))[:3],
    "order": lambda A, **kw: order(fit(A, R, HALS(), max_iters=5, **kw)),
    "transform": lambda A, **kw: transform(A, START.H, **kw),
    "transform, KL": lambda A, **kw: transform(A, START.H, MU(beta=1.0), **kw),
    "objective": lambda A, **kw: [
        objective(A, START, MU(loss=loss), **kw)
        for loss in (losses.frobenius, losses.kl, losses.BetaDivergence(beta=1.5), losses.NegativeBinomial())
    ],
    "kkt": lambda A, **kw: [kkt_residual(A, START, MU(beta=beta), **kw) for beta in (2.0, 1.0, 1.5)],
}


OF_ONE_VIEW = {  # in a quick run
    **dict.fromkeys(("units", "sampled", "sweep, KL", "transform, KL", "rounded"), "stored"),
    **dict.fromkeys(("penalties", "sketched", "frobenius", "sweep", "consensus", "order", "transform"), "plain"),
}
CELLS = [
    pytest.param(name, view, marks=() if OF_ONE_VIEW.get(name, view) == view else pytest.mark.slow)
    for name in CALLS
    for view in VIEWS
]


@pytest.mark.quick(2)
@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize(("name", "view"), CELLS)
def test_every_function(name, view):
    near(*of_both(view, CALLS[name]), rtol=1e-6)


def test_starts_and_singular_values():
    large = ss.random_array((150, 120), density=0.1, rng=np.random.default_rng(1), format="csr")
    large.data[:50] *= 30
    for A in (X, large, large.T.tocsr()):
        for ranks in ([1, 3, 8, 200], [1, 3, 8]):  # all singular values, or the first of them
            near(svd_rmse(A, ranks), svd_rmse(A.toarray(), ranks), 1e-7)
        for start in (init.nndsvd, lambda A, r: init.random(3, A, r)):
            (W, H), (V, G) = start(A, R), start(A.toarray(), R)
            near(W @ H, V @ G, 1e-9)
    repeated = ss.csr_array(np.tile(large.toarray()[:, :2], (1, 60)))  # of rank 2: the third component is zero
    assert np.count_nonzero(np.any(np.asarray(init.nndsvd(repeated, 3).W) > 0, axis=0)) == 2


@pytest.mark.slow
def test_derivatives_pass_through():
    A, loss = jnmf.sparse(X), lambda B, H: jnp.sum(run(B, Factors(START.W, H), MU(beta=1.0), num_iters=2)[0].W ** 2)
    with_it, without = (jax.grad(lambda H, B=B: loss(B, H))(START.H) for B in (A, DENSE))
    near(with_it, without, 1e-8)


# Where only what is stored counts

FEW = SEEN & (DRAW.random((M, N)) < 0.6)  # of columns with fewer entries than components, too
FEW[4], FEW[:, 5] = False, False
FEW_STORED = ss.csr_array((DENSE[FEW], np.nonzero(FEW)), shape=(M, N))


@pytest.mark.quick(1)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_half_steps_by_the_stored_entries_are_those_of_scipy_column_by_column(dtype):
    """In blocks of columns the same; each entry once, with its weight."""
    A, (W, H) = jnmf.sparse(FEW_STORED.astype(dtype)), (jnp.asarray(B, dtype) for B in START)
    weights = DRAW.uniform(0.1, 3, A.num_stored)
    m = np.zeros((M, N))
    m[FEW] = weights
    B = FewStored(A, tuple(jnp.asarray(m[at], dtype) for at in (np.nonzero(FEW), np.nonzero(FEW.T)[::-1])))
    ridge = np.sqrt(0.1) * np.eye(R)
    wanted = [
        optimize.nnls(np.vstack([np.sqrt(m)[:, None] * W, ridge]), np.append(np.sqrt(m) * x, np.zeros(R)))[0]
        for x, m in zip(DENSE.T, m.T, strict=True)
    ]
    atol = 1e-4 if dtype == "float32" else 1e-9
    for room in (stored.NUMBERS, 4 * R**2):  # of the second, four columns in a block, of nine
        with mock.patch.object(stored, "NUMBERS", room), mock.patch.object(stored, "OF_AN_ENTRY", 0):
            found = weighted.exact(B, W, H, 0.0, 0.1)
        np.testing.assert_allclose(found, np.stack(wanted, axis=1), atol=atol)
    np.testing.assert_allclose(weighted.hals(B, W, H, 0.0, 0.1, sweeps=1000), np.stack(wanted, axis=1), atol=atol)
    most = matrix.of_columns(B, lambda E, H: E.most()[None, :] + 0 * H, H)  # the unit of a column
    np.testing.assert_allclose(most, np.broadcast_to(m.max(axis=0), H.shape), rtol=1e-6)


def test_the_door_imputes_where_enough_is_stored():
    """By the rule for a dense X: no row or column with some has less than an eighth; traced, it is not known."""
    draw = np.random.default_rng(0)
    for shape, density, kind in (((30, 20), 0.5, Stored), ((30, 20), 0.1, FewStored), ((2, 40), 0.5, Stored)):
        seen = draw.random(shape) < density
        for S in (seen, seen.T):
            A = ss.csr_array(S.astype(float))
            assert type(door.enter(A, "stored").X) is kind
            assert matrix.has_own_half_steps(door.enter(np.ones(S.shape), S).X) == (kind is FewStored)
            assert type(door.enter((FewStored, Stored)[kind is FewStored](jnmf.sparse(A))).X) is kind
    lone = np.ones((30, 20))
    lone[0, 1:] = 0  # one row alone has little
    for S in (lone, lone.T):
        assert type(door.enter(ss.csr_array(S), "stored").X) is FewStored
    kinds = []
    jax.jit(lambda A: kinds.append(type(door.enter(A, "stored").X)))(jnmf.sparse(lone))
    assert kinds == [FewStored]


def test_ratings_are_fitted_where_imputation_would_crawl():
    """A tenth of a matrix of rank 3: a fit gets below half of what it reaches by imputing."""
    draw = np.random.default_rng(3)
    seen = draw.random((120, 90)) < 0.1
    A = jnmf.sparse(ss.csr_array(((draw.random((120, 3)) @ draw.random((3, 90)))[seen], np.nonzero(seen))))
    start = init.random(0, A, 3)
    few, imputed = (
        matrix.divergence(B, losses.frobenius, *jax.jit(last_factors)(B, start, HALS(), 60))
        for B in (FewStored(A), Stored(A))
    )
    assert few < 0.5 * imputed


# What is held out


@pytest.mark.quick(1)
@pytest.mark.parametrize("view", VIEWS)
def test_hold_outs_are_lists_of_the_right_entries(view):
    """As many as a fraction of the nonzeros, or of what is stored; every row and column keeps a nonzero."""
    few = ss.random_array((30, 40), density=0.06, rng=np.random.default_rng(0), format="csr")
    few.data[:5] = 0
    A = jnmf.sparse(few)
    A = A if view == "plain" else Stored(A)
    own = holdout.drawn(A, jax.random.split(jax.random.key(0), 12), 0.3)
    rest, held = (
        np.stack([matrix.entries(part)[1] for part in parts])
        for parts in zip(*(holdout.split(A, jax.tree.map(lambda a, s=s: a[s], own)) for s in range(12)), strict=True)
    )
    dense, seen = few.toarray(), np.zeros((30, 40), bool)
    seen[few.tocoo().coords] = True
    counted = np.ones((30, 40), bool) if view == "plain" else seen
    np.testing.assert_array_equal(rest + held, np.broadcast_to(counted, rest.shape))
    of = np.count_nonzero(few.data) if view == "plain" else few.nnz
    assert (held.sum(axis=(1, 2)) == round(0.3 * of)).all()
    kept = (rest > 0) & (dense != 0)
    for axis in (1, 2):
        assert (kept.any(axis=axis) == (dense != 0).any(axis=axis - 1)).all()
    assert not (held > 0)[:, (dense != 0) & ((dense != 0).sum(axis=1, keepdims=True) == 1)].any()
    if view == "plain":
        for s in range(12):  # of what is left out no value stays
            of_rest, _ = holdout.split(A, jax.tree.map(lambda a, s=s: a[s], own))
            np.testing.assert_array_equal(matrix.entries(of_rest.X)[0], np.where(rest[s] > 0, dense, 0))
        # Zeros in their proportion: of 12 sets of 21 among 1200, 0.21 times each.
        assert held.sum(axis=0)[dense == 0].mean() == pytest.approx(12 * round(0.3 * of) / 1200, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("algorithm", [None, MU(beta=1.0), MU(beta=1.5)], ids=repr)
def test_scores_are_those_of_single_fits(view, algorithm):
    """Of the dense array under the mask of the same hold-out."""
    A, mask, dense, _ = VIEWS[view]
    key = jax.random.key(4)
    found = cross_validate(A, [2], num_restarts=2, holdout=0.2, algorithm=algorithm, key=key, max_iters=5, **mask)
    for_masks, for_starts = jax.random.split(key)
    B = jnmf.sparse(A)
    B = Stored(B) if mask else B
    own = holdout.drawn(B, jax.random.split(for_masks, 2), 0.2)
    loss = losses.frobenius if algorithm is None else algorithm.loss
    for s, start in enumerate(jax.random.split(for_starts, 2)):
        parts = holdout.split(B, jax.tree.map(lambda a, s=s: a[s], own))
        rest, held = (np.asarray(matrix.entries(part)[1]) for part in parts)
        single = fit(dense, 2, algorithm, key=start, mask=rest, max_iters=5)
        d = np.asarray(loss.divergence(jnp.asarray(dense), single.W @ single.H))
        for scores, m in ((found.train, rest), (found.test, held)):
            wanted = np.sum(np.where(m > 0, d, 0)) / m.sum()
            assert scores[0, s] == pytest.approx(np.sqrt(2 * wanted) if algorithm is None else wanted, rel=1e-6)


def test_an_entry_that_its_row_and_its_column_need_is_given_back_once():
    held = np.array([0, 2])
    assert sorted(emptied(np.ones((2, 3)), held, held, np.full(2, True))) == [0, 1]


def test_hold_outs_that_cannot_be():
    for A, share, message in (
        (X, 1e-3, r"expected to hold out some of \d+ entries, got 0.001"),
        (ss.eye_array(5).tocsr(), 0.9, None),
        (ss.csr_array(np.ones((3, 3))), 0.9, "expected to leave a nonzero entry of each row and column, got 0.9"),
    ):
        call = lambda A=A, share=share: cross_validate(A, [1], num_restarts=1, holdout=share, max_iters=1)
        if message is None:  # zeros alone
            assert np.isfinite(call().test).all()
            continue
        with pytest.raises(ValueError, match=message):
            call()


# How it is computed

LARGE = ss.random_array((90, 70), density=0.05, rng=np.random.default_rng(2), format="csr")


def custom_calls(f, *arguments):
    text = jax.jit(f).lower(*arguments).compile().as_text()
    return Counter(re.findall(r'custom_call_target="([^"]+)"', text)), text


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the name of the call is that of the CPU")
def test_under_vmap_a_batch_is_one_product():
    """The batch becomes columns, for a product and its derivatives; JAX's own rule gathers and scatters."""
    A, D = jnmf.sparse(LARGE), jnp.asarray(np.random.default_rng(0).random((4, 70, 3)))
    product = lambda D: csr.times(A.by_row, D, A.by_column)
    for f, number in ((product, 1), (jax.grad(lambda D: jnp.sum(product(D) ** 2)), 2)):
        calls, text = custom_calls(jax.vmap(f), D)
        assert calls == {"cpu_csr_sparse_dense_ffi": number}
        assert not re.search(r"= \S+ (gather|scatter)\(", text)
        near(jax.vmap(f)(D), jnp.stack([f(one) for one in D]))


def shapes(text: str) -> list[tuple[int, ...]]:
    """Those of the arrays of a compiled program."""
    return [tuple(map(int, shape.split(","))) for shape in re.findall(r"\w\d+\[([\d,]+)\]", text)]


@pytest.mark.quick(2)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["default", "KL", "1.5", "exact", "transform", "transform, KL", "nndsvd", "objective"])
def test_no_array_has_the_shape_of_x(name, view):
    """The compiled programs; blocks are made smaller, since X is."""
    A = jnmf.sparse(LARGE)
    A = A if view == "plain" else Stored(A)
    H = jnp.ones((2, 70))
    call = {
        "default": lambda A: fit(A, 2, max_iters=3).factors,
        "KL": lambda A: fit(A, 2, MU(beta=1.0), max_iters=3, kkt=True)[:3],
        "1.5": lambda A: run(A, Factors(jnp.ones((90, 2)), H), MU(beta=1.5), num_iters=2),
        "exact": lambda A: fit(A, 2, jnmf.ANLS(), stop="kkt", max_iters=3).factors,
        "transform": lambda A: transform(A, H),
        "transform, KL": lambda A: transform(A, H, MU(beta=1.0)),
        "nndsvd": lambda A: fit(A, 2, HALS(), init="nndsvda", max_iters=1).factors,
        "objective": lambda A: [objective(A, (jnp.ones((90, 2)), H), MU(beta=b)) for b in (2.0, 1.0, 1.5)],
    }[name]
    with mock.patch.object(blocks, "NUMBERS", 1400), mock.patch.object(csr, "NUMBERS", 200):
        found = shapes(custom_calls(call, A)[1])
    assert not [shape for shape in found if {90, 70} <= set(shape)]
    if name != "transform, KL":  # which tries a dozen lengths of each step, for a block of rows
        assert max(map(math.prod, found)) < 90 * 70 / 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak of a process there")
@pytest.mark.slow
def test_the_peak_of_memory_is_far_below_the_dense_array():
    """In a process of its own: 40,000 × 30,000 is 4.8 GB dense in float32."""
    code = """
import re, numpy as np, scipy.sparse as ss, warnings, jnmf
warnings.simplefilter("ignore")
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) / 2**20
draw = np.random.default_rng(0)
places = draw.integers(0, 40_000, 300_000), draw.integers(0, 30_000, 300_000)
X = ss.coo_array((draw.poisson(3, 300_000).astype("float32"), places), shape=(40_000, 30_000)).tocsr()
jnmf.fit(X, 3, max_iters=3)
jnmf.fit(X, 3, jnmf.MU(beta=1.0), max_iters=3, mask="stored")
jnmf.sweep(X, [2], num_restarts=2, algorithm=jnmf.MU(beta=1.0), num_iters=2)
print(peak())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.8  # GB; 0.2 are those of Python and JAX


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the peak be reset")
@pytest.mark.slow
def test_a_fit_holds_at_most_three_times_what_is_stored_and_the_factors():
    """Beyond X, as compressed rows in int32 and float32, at its peak: in a process of its own, in a second fit.

    glibc is told to return what is freed, so that nothing that an earlier fit has left hides what this one holds.
    """
    code = """
import gc, numpy as np, scipy.sparse as ss, warnings, jax, jnmf
from experiments.race import machine
warnings.simplefilter("ignore")
X = ss.random_array((20_000, 5000), density=0.05, format="csr", dtype=np.float32, rng=0)
X = ss.csr_array((X.data, X.indices.astype("int32"), X.indptr.astype("int32")), shape=X.shape)
counted = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes + 4 * 32 * sum(X.shape)
def peak(f):
    f()
    gc.collect()
    before = machine.peak_memory(reset=True)
    f()
    return (machine.peak_memory() - before) / counted
fit = lambda *algorithm: lambda: jax.block_until_ready(jnmf.fit(X, 32, *algorithm, tol=0, max_iters=3)[:2])
print([peak(fit()), peak(fit(jnmf.HALS())), peak(fit(jnmf.MU(beta=1.0))), peak(lambda: jnmf.sparse(X))])
"""
    found = machine.child(code, {"MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_TRIM_THRESHOLD_": "1000000"})
    assert all(1.5 < times < limit for times, limit in zip(found, (3, 3, 3, 2.1), strict=True)), found


def test_what_a_program_holds_beside_a_sparse_x():
    """Of the arrays that a program makes, none has a number for each entry, but one in a half-step of KL."""
    A = jnmf.sparse(ss.random_array((700, 400), density=0.5, format="csr", rng=0))
    W, H = jnp.ones((700, 2)), jnp.ones((2, 400))
    held = lambda f: jax.jit(f).lower(A, W, H).compile().memory_analysis().temp_size_in_bytes / 8 / A.num_stored
    step = lambda A, W, H: jnmf.MU(beta=1.0).step(A, jnmf.MU(beta=1.0).init(A, Factors(W, H)))[0]
    with mock.patch.object(csr, "NUMBERS", 2**12):
        for f in (
            lambda A, W, H: matrix.occupied(A),
            lambda A, W, H: matrix.occupied(A, lambda x, z: x > z, (W, H)),
            lambda A, W, H: matrix.divergence(A, losses.kl, W, H),
            lambda A, W, H: matrix.extremes(A),
            lambda A, W, H: fingerprint(A),
        ):
            assert held(f) < 0.6
        assert held(step) < 1.6


def test_rows_of_entries_where_rows_are_empty():
    """Chunks of every width from every entry on, where several rows in a row, the first and the last are empty."""
    counts = np.array([0, 0, 3, 1, 0, 0, 0, 2, 4, 0, 1, 0])
    A = csr.Csr(jnp.ones(11), jnp.arange(11), jnp.asarray(np.append(0, np.cumsum(counts)), jnp.int32))
    wanted = np.repeat(np.arange(12), counts)
    np.testing.assert_array_equal(A.rows, wanted)
    for width in (1, 4, 11):
        found = jax.jit(jax.vmap(A.rows_of(width)))(jnp.arange(12 - width))
        np.testing.assert_array_equal(found, [wanted[e : e + width] for e in range(12 - width)])


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_a_fit_goes_on_where_it_was_on_the_same_x_alone(view):
    A, mask, _, _ = VIEWS[view]
    half = fit(A, R, max_iters=3, tol=0, **mask)
    whole, rest = fit(A, R, max_iters=6, tol=0, **mask), fit(A, resume=half, max_iters=6, tol=0, **mask)
    near(rest[:4], whole[:4], 0)
    other = A.copy()
    other.indices[-1] = next(j for j in range(N) if j not in other.indices[other.indptr[-2] :])
    for changed in (2 * A, ss.csr_array((A.data, other.indices, A.indptr), shape=A.shape)):
        with pytest.raises(ValueError, match="expected the X and mask of the fit, got others"):
            fit(changed, resume=half, max_iters=6, **mask)
