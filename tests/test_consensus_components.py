"""Consensus components against what the restarts were made of, brute force and SciPy."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from scipy.spatial.distance import cdist

import jnmf
from jnmf import MU, Factors, Status
from jnmf.consensus_components import consensus_components, local_density

S, R, N = 6, 3, 8
TRUE = np.random.default_rng(0).dirichlet(np.full(N, 0.3), R)
X = np.random.default_rng(1).random((10, R)) @ TRUE


def a_sweep(noise=0.01, outliers=2, axis=0, status=None):
    """Restarts with the true components in any order and scale; the last of the first ones is something else."""
    rng = np.random.default_rng(2)
    H = np.stack([TRUE[rng.permutation(R)] * rng.uniform(0.1, 10, (R, 1)) for _ in range(S)])
    H *= 1 + noise * rng.standard_normal(H.shape)
    for s in range(outliers):
        H[s, -1] = np.eye(N)[np.argsort(unit(TRUE).max(axis=0))[s]] * 5  # far from all
    W = np.ones((S, 10, R))
    members = (Factors(W, H) if axis == 0 else Factors(np.swapaxes(H, 1, 2), np.swapaxes(W, 1, 2)),)
    status = np.zeros((1, S), int) if status is None else status
    return SimpleNamespace(ranks=np.array([R]), loss=np.ones((1, S)), status=status, members=members)


def unit(A):
    return A / np.linalg.norm(A, axis=-1, keepdims=True)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_components_that_restarts_share_come_back_without_the_outliers(axis):
    sweep = a_sweep(axis=axis)
    found = consensus_components(X if axis == 0 else X.T, sweep, R, axis=axis)
    W, H = found.factors if axis == 0 else (found.factors.H.T, found.factors.W.T)
    np.testing.assert_array_equal(np.argwhere(~found.kept), [[0, R - 1], [1, R - 1]])
    order = (unit(H) @ unit(TRUE).T).argmax(axis=1)
    assert sorted(order) == list(range(R))
    np.testing.assert_allclose(H, TRUE[order], atol=0.01)
    np.testing.assert_allclose(H.sum(axis=1), 1, rtol=1e-12)
    counts = np.bincount(found.labels[found.kept], minlength=R)
    assert counts.sum() == S * R - 2
    assert (np.diff(counts) <= 0).all()  # the largest first
    assert found.silhouette > 0.9
    # Medians of the unit components of each cluster, and the exposures by SciPy.
    of_all = unit(sweep.members[0].H if axis == 0 else np.swapaxes(sweep.members[0].W, 1, 2))
    medians = np.stack([np.median(of_all[found.labels == k], axis=0) for k in range(R)])
    np.testing.assert_allclose(H, medians / medians.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(W, [scipy.optimize.nnls(H.T, x)[0] for x in X], atol=1e-10)


def test_the_density_is_the_mean_distance_to_the_nearest_others():
    units = unit(np.random.default_rng(3).random((9, 4)))
    distances = np.sort(cdist(units, units), axis=1)[:, 1:]
    for number in (1, 3, 8, 20):
        np.testing.assert_allclose(local_density(units, number), distances[:, :number].mean(axis=1), atol=1e-7)
    assert local_density(units[:1], 1) == [np.inf]
    of_all = unit(a_sweep().members[0].H).reshape(-1, N)
    wanted = np.sort(cdist(of_all, of_all), axis=1)[:, 1 : 1 + round(0.5 * S)].mean(axis=1)
    found = consensus_components(X, a_sweep(), R, neighbours=0.5, threshold=2)
    np.testing.assert_allclose(found.density.ravel(), wanted, atol=1e-7)
    assert found.kept.all()


def test_what_diverged_or_is_dead_does_not_count():
    status = np.zeros((1, S), int)
    status[0, 2] = Status.NONFINITE
    sweep = a_sweep(outliers=0, status=status)
    sweep.members[0].H[3, 1] = 0
    sweep.members[0].H[2] = np.nan
    found = consensus_components(X, sweep, R)
    lost = np.zeros((S, R), bool)
    lost[2] = lost[3, 1] = True
    np.testing.assert_array_equal(found.labels == -1, lost)
    np.testing.assert_array_equal(np.isnan(found.density), lost)
    assert np.isfinite(found.factors.H).all()


@pytest.mark.slow
def test_of_a_real_sweep_by_its_loss_and_of_a_sparse_x(tmp_path):
    counts = scipy.sparse.csr_array(np.round(50 * X))
    algorithm = MU(beta=1.0)
    sweep = jnmf.sweep(counts, [1, R], num_restarts=4, algorithm=algorithm, max_iters=60)
    found = consensus_components(counts, sweep, R, algorithm)
    np.testing.assert_allclose(found.factors.W.sum(axis=1), counts.sum(axis=1), rtol=1e-6)  # of KL
    np.testing.assert_allclose(found.factors.W, jnmf.transform(counts, found.factors.H, algorithm), rtol=1e-9)
    one = consensus_components(counts, sweep, 1, algorithm)
    assert one.silhouette == 0
    np.testing.assert_allclose(one.factors.H[0], counts.sum(axis=0) / counts.sum(), rtol=1e-6)
    jnmf.save(tmp_path / "found", found)
    np.testing.assert_array_equal(jnmf.load(tmp_path / "found").kept, found.kept)


def test_what_cannot_be_agreed_on_is_an_error_that_says_so():
    for sweep, rank, options, message in (
        (a_sweep(), 2, {}, "rank: expected one of 3, got 2"),
        (a_sweep(), R, {"threshold": 1e-9}, "at least 3 components that are no outliers, got 0 of 18 with a density"),
        (a_sweep(), R, {"axis": 3}, "axis: expected 0"),
        (a_sweep(), R, {"neighbours": -1}, "neighbours: expected a finite number of at least 0"),
        (
            a_sweep(axis=1),
            R,
            {"axis": 0},
            r"expected one of X \(10, 8\), whose components along axis 0 have 8 entries, got 10",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            consensus_components(X, sweep, rank, **options)
    alike = a_sweep()
    alike.members[0].H[:] = 1.0
    with pytest.raises(ValueError, match="at least 3 different components, got 1; take a lower rank"):
        consensus_components(X, alike, R)
