"""The bootstrap against what is known of rank one, against copies of the samples, and against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import scipy.stats

import jnmf
from jnmf import ANLS, HALS, MU, Factors, Status, losses, terms
from jnmf import matrix as kinds
from jnmf.bootstrap import POISSON, Counts, _paired, poisson
from jnmf.matrix.masked import Masked
from jnmf.matrix.rescaled import Rescaled, rescaled
from jnmf.matrix.scaled import Scaled, in_unit
from jnmf.matrix.stored import Stored

M, N, B = 7, 5, 6
X = np.random.default_rng(0).poisson(6, (M, N)).astype(float) + 1
FEW = X * (np.random.default_rng(1).random(X.shape) < 0.6)
FEW[:, 0] += 1
FLAT = Factors(np.ones((M, 1)), np.ones((1, N)))


def rows_drawn(size=M, num=B, key=0):
    """(B, size): which samples each replicate has."""
    keys = jax.random.split(jax.random.split(jax.random.key(key), 3)[1], num)
    return np.array([jax.random.randint(k, (size,), 0, size) for k in keys])


def total(A, axis=-1):
    return A / A.sum(axis=axis, keepdims=True)


def of_rank_one(A, beta):
    """The row of H, at sum 1, of the best rank one of A > 0: closed for β = 1 and 2, else by alternation."""
    if beta == 1:
        return total(A.sum(axis=0))
    if beta == 2:
        return total(np.abs(np.linalg.svd(A)[2][0]))
    h = np.ones(A.shape[1])
    for _ in range(500):
        w = (A / h).mean(axis=1)  # Itakura–Saito
        h = (A / w[:, None]).mean(axis=0)
    return total(h)


RANK_ONE = [
    pytest.param(MU(beta=1.0), 1, id="KL"),
    pytest.param(ANLS(), 2, id="Frobenius", marks=pytest.mark.slow),
    pytest.param(MU(beta=0.0), 0, id="Itakura-Saito", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("algorithm", "beta"), RANK_ONE)
def test_the_components_are_those_of_the_samples_that_were_drawn(algorithm, beta):
    found = jnmf.bootstrap(X, 1, algorithm, num_replicates=B, init=FLAT, tol=1e-14, max_iters=100)
    wanted = np.stack([of_rank_one(X[rows], beta) for rows in rows_drawn()])
    np.testing.assert_allclose(found.replicates.H[:, 0], wanted, rtol=1e-8)
    np.testing.assert_allclose(found.replicates.H.sum(axis=2), 1, rtol=1e-14)
    if beta == 1:  # then the exposures of all samples are their sums, also of those that were not drawn
        np.testing.assert_allclose(found.replicates.W[:, :, 0], np.tile(X.sum(axis=1), (B, 1)), rtol=1e-10)
    np.testing.assert_allclose(found.factors.H, np.full((1, N), 1 / N), rtol=1e-14)
    np.testing.assert_allclose(found.factors.W, np.full((M, 1), N), rtol=1e-14)
    cosines = wanted.sum(axis=1) / np.linalg.norm(wanted, axis=1) / np.sqrt(N)
    np.testing.assert_allclose(found.cosine[:, 0], cosines, rtol=1e-8)
    low, high = found.interval(0.8)
    np.testing.assert_allclose(low.H[0], np.quantile(wanted, 0.1, axis=0), rtol=1e-8)
    np.testing.assert_allclose(high.H[0], np.quantile(wanted, 0.9, axis=0), rtol=1e-8)


def alternating_nnls(A, H, num_iters):
    solve = lambda B, Y: np.array([scipy.optimize.nnls(B, y)[0] for y in Y.T]).T
    for _ in range(num_iters):
        W = solve(H.T, A.T).T
        H = solve(W, A)
    return W, H


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1])
def test_two_components_against_copies_of_the_samples_and_scipy(axis):
    rng = np.random.default_rng(3)
    A = rng.random((20, 2)) @ rng.random((2, 6)) + 0.05 * rng.random((20, 6))
    fitted = jnmf.fit(A, 2, ANLS(), tol=1e-12, max_iters=3000)
    given = A, fitted.factors
    if axis == 1:
        given = A.T, Factors(fitted.H.T, fitted.W.T)
    found = jnmf.bootstrap(
        given[0], None, ANLS(), axis=axis, init=given[1], num_replicates=4, tol=1e-13, max_iters=5000
    )
    W, H = found.replicates if axis == 0 else (np.swapaxes(f, 1, 2) for f in found.replicates[::-1])
    for b, rows in enumerate(rows_drawn(20, 4)):
        of_copies = alternating_nnls(A[rows], np.asarray(fitted.H), 1500)
        # The factors of a positive X need not be unique; the least loss of the copies is.
        found_loss, wanted_loss = (((A[rows] - B @ C) ** 2).sum() for B, C in ((W[b][rows], H[b]), of_copies))
        assert found_loss == pytest.approx(wanted_loss, rel=1e-5)
        exposures = np.array([scipy.optimize.nnls(np.asarray(H[b]).T, a)[0] for a in A])
        np.testing.assert_allclose(W[b], exposures, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("A", "options"),
    [(scipy.sparse.csr_array(FEW), {}), (scipy.sparse.csc_array(FEW), {"mask": "stored"}), (Masked(FEW, FEW > 0), {})],
)
def test_a_sparse_or_masked_x_is_the_dense_one(A, options):
    common = {"num_replicates": 3, "init": FLAT, "max_iters": 40, "tol": 0.0}
    mask = None if not options and scipy.sparse.issparse(A) else FEW > 0
    wanted = jnmf.bootstrap(FEW, 1, MU(beta=1.0), mask=mask, **common)
    found = jnmf.bootstrap(A, 1, MU(beta=1.0), **options, **common)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_what_is_rescaled_has_the_entries_times_the_scales():
    a, b = np.linspace(0, 2, M), np.linspace(0.5, 3, N)
    dense = jnp.asarray(FEW)
    for A in (dense, jnmf.sparse(FEW), Stored(jnmf.sparse(FEW)), Masked(dense, jnp.asarray(FEW > 0) * 1.0)):
        made = rescaled(A, jnp.asarray(a), jnp.asarray(b))
        assert isinstance(made, Rescaled) == isinstance(A, jax.Array)
        for C, wanted in ((made, a[:, None] * FEW * b), (made.T, b[:, None] * FEW.T * a)):
            x, m = kinds.entries(C)
            np.testing.assert_array_equal(x, wanted)
            if m is None:
                W = np.linspace(1, 2, len(wanted))[:, None]
                np.testing.assert_allclose(kinds.product(C, W, None), W.T @ wanted, rtol=1e-13)


def test_poisson_replicates_of_rank_one_have_the_variance_of_their_counts():
    """For KL at rank one the exposure of a sample is its sum: a Poisson number with the sum of X as its mean."""
    num = 400
    counts = np.random.default_rng(2).poisson([[3], [30], [300], [0], [5], [50], [8]], (M, N)).astype(float)
    found = jnmf.bootstrap(
        counts, 1, MU(beta=1.0), resample="poisson", num_replicates=num, init=FLAT, max_iters=2, tol=0.0
    )
    W, sums = found.replicates.W[:, :, 0], counts.sum(axis=1)
    np.testing.assert_allclose(W, np.round(W), atol=1e-9)
    np.testing.assert_array_less(np.abs(W.mean(axis=0) - sums), 5 * np.sqrt((sums + 1e-30) / num))
    for i in np.flatnonzero(sums):  # the index of dispersion is χ² with num − 1 degrees of freedom
        dispersion = ((W[:, i] - W[:, i].mean()) ** 2).sum() / sums[i]
        assert 1e-5 < scipy.stats.chi2(num - 1).cdf(dispersion) < 1 - 1e-5
    assert (W[:, sums == 0] == 0).all()


def test_counts_are_drawn_before_they_are_put_into_a_unit():
    key, root = jax.random.key(3), jnp.asarray(0.5)
    drawn = np.asarray(poisson(jnp.asarray(FEW), key))
    assert (drawn == np.round(drawn)).all()
    assert (drawn[FEW == 0] == 0).all()
    A = poisson(jnmf.sparse(FEW), key)
    np.testing.assert_array_equal(kinds.entries(A)[0], kinds.entries(A.T)[0].T)
    assert np.unique(np.asarray(A.by_row.values) / FEW[FEW != 0]).size > 5
    for B_, entries in ((jnp.asarray(FEW), drawn), (jnmf.sparse(FEW), np.asarray(kinds.entries(A)[0]))):
        made = in_unit(Counts(B_), root)
        seen = POISSON.view(made, key)
        np.testing.assert_array_equal(kinds.entries(seen)[0], 0.25 * entries)
        assert isinstance(seen, Scaled) == isinstance(B_, jax.Array)


ERRORS = [
    ({"resample": "entries"}, "resample: expected one of 'samples', 'poisson', got 'entries'"),
    ({"axis": 2}, "axis: expected 0"),
    ({"num_replicates": 0}, "num_replicates: expected an integer of at least 1"),
    ({"algorithm": HALS(l1_W=0.1)}, r"l1_W: for .* expected no such penalty on the exposures"),
    ({"algorithm": MU(beta=1.0, l2_H=0.1), "axis": 1}, r"l2_H: for .* expected no such penalty"),
    ({"algorithm": MU(loss=losses.NegativeBinomial(alpha=2.0), l1_W=0.1)}, "l1_W: for NegativeBinomial"),
    ({"algorithm": HALS(on_W=terms.Lasso(0.1))}, "on_W: expected no terms on the exposures"),
    ({"init": Factors(np.ones((3, 1)), np.ones((1, N)))}, r"init: expected W \(7, 1\)"),
]


@pytest.mark.parametrize(("options", "message"), ERRORS)
def test_what_cannot_be_resampled_is_an_error_that_says_so(options, message):
    with pytest.raises(ValueError, match=message):
        jnmf.bootstrap(X, 1, **options)


def test_poisson_is_for_counts():
    for A, message in (
        (X + 0.5, r"whole numbers, got others, the first in row 0"),
        (-X, r"from 0 to 2\*\*30, got entries from -"),
        (scipy.sparse.csr_array(FEW * 2.0**30), r"from 0 to 2\*\*30"),
    ):
        with pytest.raises(ValueError, match=message):
            jnmf.bootstrap(A, 1, resample="poisson")
    with pytest.raises(TypeError, match="expected an X in the memory"):
        jnmf.bootstrap(jnmf.streamed(X), 1)
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match="level: expected a number between 0 and 1"):
            jnmf.Bootstrap(FLAT, FLAT, np.ones((1, 1)), np.zeros(1), 0).interval(level)


def test_it_goes_on_from_a_folder_and_is_saved(tmp_path):
    call = {"num_replicates": B, "init": FLAT, "max_iters": 2, "batch_size": 2, "algorithm": MU(beta=1.0)}
    seen = []
    part = jnmf.bootstrap(
        X, checkpoint=tmp_path / "folder", callback=lambda so_far: seen.append(so_far) or True, **call
    )
    assert (part.status == Status.STOPPED).sum() == B - 2
    np.testing.assert_array_equal(np.isnan(part.cosine[:, 0]), part.status == Status.STOPPED)
    np.testing.assert_array_equal(seen[0].replicates.W, part.replicates.W)
    some = part.interval(0.5)
    np.testing.assert_allclose(some.low.H, np.quantile(part.replicates.H[:2], 0.25, axis=0), rtol=1e-12)
    whole = jnmf.bootstrap(X, checkpoint=tmp_path / "folder", **call)
    np.testing.assert_array_equal(whole.replicates.H[:2], part.replicates.H[:2])
    assert np.isfinite(whole.replicates.W).all()
    with pytest.raises(ValueError, match="checkpoint: expected the study of"):
        jnmf.bootstrap(X, checkpoint=tmp_path / "folder", key=1, **call)
    jnmf.save(tmp_path / "found", whole)
    loaded = jnmf.load(tmp_path / "found")
    assert loaded.axis == 0
    np.testing.assert_array_equal(loaded.interval().low.W, whole.interval().low.W)


@pytest.mark.parametrize("axis", [0, 1])
def test_replicates_in_another_order_and_scale_are_the_fit(axis):
    rng = np.random.default_rng(0)
    fitted, order, scale = Factors(rng.random((8, 3)), rng.random((3, 6))), [2, 0, 1], np.array([2.0, 1.0, 0.3])
    replicate = Factors((fitted.W / scale)[None][:, :, order], (scale[:, None] * fitted.H)[None][:, order])
    wanted, found, cosine = _paired(fitted, replicate, axis)
    np.testing.assert_allclose(found.W[0], wanted.W, rtol=1e-12)
    np.testing.assert_allclose(found.H[0], wanted.H, rtol=1e-12)
    np.testing.assert_allclose(cosine, 1, rtol=1e-12)


@pytest.mark.slow
def test_components_are_put_in_the_order_of_the_fit():
    rng = np.random.default_rng(5)
    H = np.kron(np.eye(3), np.ones(3))
    A = rng.gamma(2, 1, (30, 3)) @ H + 0.01
    W0 = np.linalg.lstsq(H.T, A.T, rcond=None)[0].T
    order = [2, 0, 1]
    found = jnmf.bootstrap(A, init=(W0[:, order], 2 * H[order]), num_replicates=2, max_iters=20)
    assert (found.cosine > 0.99).all()
    assert (found.replicates.H.argmax(axis=2) // 3 == order).all()  # pyright: ignore[reportAttributeAccessIssue]
    assert found.replicates.W.shape == (2, 30, 3)
