import sys
from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import drawn

from jnmf import HALS, MU, Factors, Status, sweep
from jnmf.consensus import consensus

RANKS, S, N = (3, 1, 2), 4, 7  # the shapes of most tests, for one compilation


def sweep_of(*labels, ranks=RANKS, status=None, dtype=float):
    """A sweep whose restarts have the labels (S, n) given for each rank; a label of r is a column without a loading."""
    members = []
    for r, z in zip(ranks, labels, strict=True):
        z = np.asarray(z)
        H = (np.arange(r)[:, None] == z[:, None, :]) * np.arange(1, r + 1)[:, None]
        members.append(Factors(np.ones((len(z), 2, r), dtype), H.astype(dtype)))
    loss = np.ones((len(ranks), len(np.asarray(labels[0])))) if labels else np.ones((0, 3))
    status = np.zeros(loss.shape, int) if status is None else np.asarray(status)
    return SimpleNamespace(ranks=ranks, loss=loss, status=status, members=tuple(members))


def random_labels(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(r, size=(S, N)) for r in RANKS]


def connectivity(labels):
    return np.mean([[[a == b for a in z] for b in z] for z in labels], axis=0)


def joining_heights(D):
    """Average linkage from its definition: join the two clusters with the smallest mean distance; (n, n) heights."""
    clusters, heights = [[i] for i in range(len(D))], np.zeros_like(D)
    while len(clusters) > 1:
        a, b = min(combinations(clusters, 2), key=lambda pair: (round(D[np.ix_(*pair)].mean(), 12), pair))
        heights[np.ix_(a, b)] = heights[np.ix_(b, a)] = D[np.ix_(a, b)].mean()
        clusters = [c for c in clusters if c not in (a, b)] + [a + b]
    return heights


def widths(D, labels):
    """Rousseeuw's silhouette width of each sample from its definition."""
    others = lambda i, k: [j for j in range(len(D)) if labels[j] == k and j != i]
    for i, own in enumerate(labels):
        if not others(i, own):
            yield 0.0
            continue
        a = D[i, others(i, own)].mean()
        b = min(D[i, others(i, k)].mean() for k in set(labels) - {own})
        yield (b - a) / max(a, b)


def by_definition(assigned):
    """The consensus matrix and the samples that are not empty, from labels (S, n), −1 for none."""
    n = len(assigned[0])
    together = [[np.mean([i == j or z[i] == z[j] >= 0 for z in assigned]) for j in range(n)] for i in range(n)]
    used = [j for j in range(n) if any(z[j] >= 0 for z in assigned)]
    return np.array(together), used


@st.composite
def restarts(draw):
    """Labels (S, n), r for none: S restarts of r clusters, noise, duplicates and samples that are always empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    r, num_restarts, n = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 9))
    z = np.tile(rng.integers(r, size=n), (num_restarts, 1))
    moved = rng.random(z.shape) < draw(st.sampled_from([0.0, 0.2, 1.0]))
    z = np.where(moved, rng.integers(r + 1, size=z.shape), z)
    z[:, rng.random(n) < draw(st.sampled_from([0.0, 0.3]))] = r
    z = z[:, rng.integers(n, size=n)] if draw(st.booleans()) else z
    return r, z


@drawn
@given(restarts())
def test_drawn_restarts_against_the_definitions(case):
    """Empty samples, duplicates, ties, one sample, one restart. SciPy's trees are checked by what a tree must be."""
    r, z = case
    n = z.shape[1]
    found = consensus(sweep_of(z, ranks=(r,)))
    C, used = by_definition([[k if k < r else -1 for k in row] for row in z.tolist()])
    np.testing.assert_allclose(found.matrices[0], C, atol=1e-15)
    labels, order = found.labels[0], found.order[0]
    assert sorted(order) == list(range(n))
    assert set(order[: len(used)]) == set(used)
    assert {j for j in range(n) if labels[j] == -1} == set(range(n)) - set(used)
    assert all(entry.dtype.kind in "if" for entry in found)
    assert np.isfinite(found.cophenetic[0])
    if not used:
        assert (found.cophenetic[0], found.dispersion[0], found.silhouette[0]) == (1, 1, 0)
        return
    C, own = C[np.ix_(used, used)], labels[used]
    D = 1 - C
    assert found.dispersion[0] == pytest.approx(np.mean(4 * (C - 0.5) ** 2), abs=1e-14)
    expected = np.mean(list(widths(D, own))) if 1 < len(set(own)) < len(used) else 0
    assert found.silhouette[0] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(np.unique(own), np.arange(own.max() + 1))
    assert own.max() < r
    assert (np.diff(labels[order[: len(used)]]) >= 0).all()
    np.testing.assert_array_equal(own[:, None] == own, (own[:, None] == own) | (C == 1))  # duplicates stay together
    above, heights = np.triu_indices(len(D), 1), joining_heights(D)
    values = set(np.round(D[above], 12))
    if len(values) == len(D[above]) > 1:  # no ties
        assert found.cophenetic[0] == pytest.approx(np.corrcoef(D[above], heights[above])[0, 1])
    if len(values) == len(D[above]) or len(values - {0}) <= 1:  # one tree
        cut = min(H for H in {0.0, *heights.ravel()} if partition_size(heights, H + 1e-12) <= r)
        np.testing.assert_array_equal(own[:, None] == own, heights <= cut + 1e-12)


def partition_size(heights, cut):
    return len({tuple(row) for row in (heights <= cut).tolist()})


def test_empty_and_doubled_samples_leave_the_others_what_they_are():
    """The same samples with two empty ones and with one that stands three times between them."""
    z = np.array([[0, 0, 1, 1, 2, 2, 2], [0, 0, 1, 2, 2, 2, 2], [0, 0, 1, 1, 2, 2, 1], [0, 0, 0, 1, 2, 2, 2]])
    plain = consensus(sweep_of(z, ranks=(3,)))
    empty = consensus(sweep_of(np.insert(z, [0, 4], 3, axis=1), ranks=(3,)))
    kept = [1, 2, 3, 4, 6, 7, 8]
    np.testing.assert_array_equal(empty.labels[0][kept], plain.labels[0])
    np.testing.assert_array_equal(empty.labels[0][[0, 5]], [-1, -1])
    np.testing.assert_array_equal(empty.order[0], [*np.array(kept)[plain.order[0]], 0, 5])
    np.testing.assert_array_equal(empty.matrices[0][np.ix_(kept, kept)], plain.matrices[0])
    np.testing.assert_array_equal(empty.matrices[0][[0, 5]], np.eye(9)[[0, 5]])
    for name in ("cophenetic", "dispersion", "silhouette"):
        assert getattr(empty, name)[0] == getattr(plain, name)[0]
    doubled = consensus(sweep_of(z[:, [0, 1, 2, 3, 3, 3, 4, 5, 6]], ranks=(3,)))
    labels = doubled.labels[0][[0, 1, 2, 3, 6, 7, 8]]
    np.testing.assert_array_equal(labels[:, None] == labels, plain.labels[0][:, None] == plain.labels[0])
    assert len(set(doubled.labels[0][3:6])) == 1


def test_a_sample_without_a_loading_in_some_restarts_is_with_no_other_there():
    z = np.array([[0, 0, 1, 1], [0, 2, 2, 1]])
    found = consensus(sweep_of(z, ranks=(2,)))
    np.testing.assert_array_equal(found.matrices[0], [[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0.5, 1]])
    assert (found.labels[0] >= 0).all()


def test_joins_at_one_height_are_a_tie_whatever_the_rounding():
    """All distances 20/21, of which a weighted mean in floating point can be another number."""
    z = np.arange(7) + np.zeros((21, 1), int)
    for s, (i, j) in enumerate(combinations(range(7), 2)):  # each pair is together in one restart of 21
        z[s, j] = z[s, i]
    found = consensus(sweep_of(z, ranks=(7,)))
    np.testing.assert_allclose(found.matrices[0], (1 + 20 * np.eye(7)) / 21)
    for rank in (2, 3, 6):
        sweep = sweep_of(z, ranks=(7,))
        sweep.ranks = (rank,)
        np.testing.assert_array_equal(consensus(sweep).labels, [[0] * 7])
    assert found.cophenetic[0] == 1
    # The two last joins are both at 5/3 of two restarts, which rounding makes two numbers.
    z = [[0, 2, 1, 0, 0, 0, 1, 2], [0, 1, 0, 2, 1, 0, 1, 2]]
    sweep = sweep_of(z, ranks=(3,))
    sweep.ranks = (2,)
    np.testing.assert_array_equal(consensus(sweep).labels, [[0] * 8])


def test_an_empty_column_of_the_data():
    """Three clear clusters and an empty sample: three is found, with a perfect silhouette, and at four it is lower."""
    draw = np.random.default_rng(0).random
    X = np.kron(np.eye(3), np.ones((4, 5))) + 0.01 * draw((12, 15))
    X[:, 14] = 0
    found = consensus(sweep(X, [2, 3, 4], num_restarts=4, algorithm=HALS(), max_iters=100))
    assert found.silhouette[1] == found.dispersion[1] == 1
    assert found.silhouette[2] < 1
    labels = found.labels[1]
    assert labels[14] == -1
    np.testing.assert_array_equal(labels[:14, None] == labels[:14], np.kron(np.eye(3), np.ones((5, 5)))[:14, :14])


def test_the_numbers_are_those_of_their_definitions():
    # Distances without ties: with ties the joins, and so the heights, depend on which is taken first.
    labels = random_labels()
    labels[0] = np.array([[0, 0, 1, 1, 2, 2, 2], [0, 0, 1, 2, 2, 2, 2], [0, 0, 1, 1, 2, 2, 1], [0, 0, 0, 1, 2, 2, 2]])
    found = consensus(sweep_of(*labels))
    np.testing.assert_array_equal(found.ranks, RANKS)
    for i, z in enumerate(labels):
        C = connectivity(z)
        np.testing.assert_array_equal(found.matrices[i], C)
        assert found.dispersion[i] == pytest.approx(sum(4 * (c - 0.5) ** 2 for c in C.ravel()) / N**2)
        assert sorted(found.order[i]) == list(range(N))
        np.testing.assert_array_equal(np.unique(found.labels[i]), np.arange(found.labels[i].max() + 1))
        assert (np.diff(found.labels[i][found.order[i]]) >= 0).all()
    above = np.triu_indices(N, 1)
    D = 1 - found.matrices[0]
    assert found.cophenetic[0] == pytest.approx(np.corrcoef(D[above], joining_heights(D)[above])[0, 1])
    np.testing.assert_array_equal(found.labels[0] == found.labels[0][:, None], labels[0][0] == labels[0][0][:, None])
    assert found.silhouette[0] == pytest.approx(np.mean(list(widths(D, found.labels[0]))))
    assert 0 < found.silhouette[0] < 1
    assert 0 < found.cophenetic[0] < 1


def test_names_of_the_components_do_not_matter():
    labels = random_labels()
    renamed = [
        np.stack([np.random.default_rng(s).permutation(r)[z[s]] for s in range(S)])
        for r, z in zip(RANKS, labels, strict=True)
    ]
    for a, b in zip(consensus(sweep_of(*labels)), consensus(sweep_of(*renamed)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_restarts_that_agree_have_a_perfect_consensus():
    z = np.array([0, 1, 2, 0, 1, 2, 0])
    found = consensus(sweep_of(*([z % r] * S for r in RANKS)))
    for i, r in enumerate(RANKS):
        np.testing.assert_array_equal(found.matrices[i], connectivity([z % r]))
        np.testing.assert_array_equal(found.labels[i] == found.labels[i][:, None], found.matrices[i] == 1)
    np.testing.assert_allclose(found.cophenetic, 1, rtol=1e-14)
    np.testing.assert_array_equal(found.dispersion, 1)
    np.testing.assert_array_equal(found.silhouette, [1, 0, 1])  # one cluster has no width: 0 by definition


def test_rank_one_is_one_cluster_whatever_the_data():
    found = consensus(sweep_of(*random_labels()))
    one = RANKS.index(1)
    np.testing.assert_array_equal(found.matrices[one], np.ones((N, N)))
    np.testing.assert_array_equal(found.labels[one], np.zeros(N))
    assert (found.cophenetic[one], found.dispersion[one], found.silhouette[one]) == (1, 1, 0)


def test_restarts_that_diverged_do_not_count():
    labels, other = random_labels(), random_labels(1)
    status = np.zeros((3, S), int)
    status[:, 1] = Status.NONFINITE
    sweep = sweep_of(*labels, status=status)
    sweep.loss[0, 2] = np.nan
    for i in range(3):
        sweep.members[i].H[1] = np.nan
    found = consensus(sweep)
    for i in range(3):
        kept = [s for s in range(S) if s != 1 and (i, s) != (0, 2)]
        np.testing.assert_array_equal(found.matrices[i], connectivity(labels[i][kept]))
    assert all(np.isfinite(entry).all() for entry in found)
    assert (found.matrices[0] != connectivity(other[0])).any()


def test_the_scale_of_the_rows_counts_unless_they_are_scaled():
    """Two restarts with the same W H, whose rows of H have other lengths."""
    H = np.array([[3.0, 2.0, 1.0], [1.0, 2.1, 3.0]])
    members = (Factors(np.ones((2, 4, 2)), np.stack([H, H * np.array([[2.0], [1.0]])])),)
    sweep = SimpleNamespace(ranks=(2,), loss=np.zeros((1, 2)), status=np.zeros((1, 2), int), members=members)
    as_it_comes = consensus(sweep, scaled=False)
    assert as_it_comes.matrices[0][0, 1] == 0.5  # column 1 goes with column 2, then with column 0
    np.testing.assert_array_equal(np.unique(consensus(sweep).matrices), [0, 1])


def test_cases_where_the_quotients_are_zero_by_zero():
    """Constant distances, as many clusters as columns, two columns, one column: no NaN, no warning."""
    constant = consensus(sweep_of([[0, 0, 1], [0, 1, 0], [1, 0, 0]], ranks=(2,)))
    np.testing.assert_allclose(constant.matrices[0], (1 + 2 * np.eye(3)) / 3)
    assert (constant.cophenetic[0], constant.silhouette[0]) == (1, 0)
    np.testing.assert_array_equal(constant.labels, [[0, 0, 0]])  # a cut into two would have to choose

    alone = consensus(sweep_of([[0, 1, 2]] * 3, ranks=(3,)))
    np.testing.assert_array_equal(alone.matrices[0], np.eye(3))
    assert (alone.cophenetic[0], alone.dispersion[0], alone.silhouette[0]) == (1, 1, 0)
    assert sorted(alone.labels[0]) == [0, 1, 2]

    two = consensus(sweep_of([[0, 1], [1, 1], [1, 0]], ranks=(2,)))
    assert (two.cophenetic[0], two.silhouette[0]) == (1, 0)
    assert two.matrices[0][0, 1] == 1 / 3

    single = consensus(sweep_of([[0], [1], [1]], ranks=(2,)))
    for entry, expected in zip(single, ((2,), [[[1]]], [1], [1], [0], [[0]], [[0]]), strict=True):
        np.testing.assert_array_equal(entry, expected)


def test_dtypes_and_jax_arrays():
    labels = random_labels()
    sweep = sweep_of(*labels, dtype="float32")
    sweep.members = jax.tree.map(jnp.asarray, sweep.members)
    found, expected = consensus(sweep), consensus(sweep_of(*labels))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert found.matrices.dtype == found.cophenetic.dtype == found.silhouette.dtype == np.float64


def test_what_does_not_fit_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="at least one rank, got none; pass ranks such as"):
        consensus(sweep_of(ranks=()))
    with pytest.raises(ValueError, match=r"at least one restart .* got losses of shape \(1, 0\); pass num_restarts"):
        consensus(sweep_of(np.zeros((0, N), int), ranks=(2,)))
    status = np.zeros((3, S), int)
    status[2] = Status.NONFINITE
    with pytest.raises(ValueError, match="expected a finite restart of each rank, got none of 4 at rank 2; leave that"):
        consensus(sweep_of(*random_labels(), status=status))


@pytest.mark.parametrize(
    ("module", "name"), [("sklearn.metrics", "scikit-learn"), ("scipy.cluster.hierarchy", "SciPy")]
)
def test_a_missing_package_is_an_error_that_says_how_to_install_it(monkeypatch, module, name):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"{name} to be installed; run pip install 'jnmf\[experiments\]'"):
        consensus(sweep_of(*random_labels()))


@pytest.mark.slow
def test_leukemia(data_folder):
    """ALL/AML, KL by MU, 50 restarts for each of k = 2 … 5, against values computed independently.

    What differs is the seeds and the number of iterations. After 500 the labels at k = 4 have not settled: the
    dispersion there is .904, after 1000 .943 (Brunet et al. go on until 40 checks find no other labels). For k = 2 … 5

        H as it comes, as in Brunet et al., 40 checks    1.000   .972  .937  .875
        reference                                         .996   .948  .945  .875
        rows of H at unit length                         1.000  1.000  .941  .864
        the same, 2000 iterations                        1.000  1.000 1.000  .891

    At k = 3 all restarts end in one H up to scales (similarity above .999), which the start decides: unscaled, they
    have different labels nevertheless. Resampling the restarts moves the unscaled values by ± .02. At k = 5 the
    restarts end in different minima, whatever the rule.
    """
    with np.load(f"{data_folder}/all_aml.npz") as archive:
        X, samples = jnp.asarray(archive["X"].astype(float)), archive["samples"]
    study = sweep(X, (2, 3, 4, 5), num_restarts=50, algorithm=MU(beta=1.0), num_iters=1000)
    found = consensus(study, scaled=False)

    np.testing.assert_allclose(study.loss.min(axis=1), [16272282.1, 13806533.0, 12453723.2, 11338478.6], rtol=5e-5)
    np.testing.assert_allclose(found.cophenetic, [1.0000, 0.9918, 0.9882, 0.9563], atol=0.03)
    np.testing.assert_allclose(found.dispersion, [0.9960, 0.9476, 0.9452, 0.8751], atol=0.04)
    assert (consensus(study).dispersion[:2] > 0.99).all()

    kind = np.array(["B" if "B-cell" in s else "T" if "T-cell" in s else "AML" for s in samples])
    clusters = [Counter(kind[found.labels[1] == k].tolist()) for k in range(3)]
    assert sorted(clusters, key=lambda c: -c.total()) == [{"B": 17}, {"AML": 11, "B": 1}, {"T": 8, "B": 1}]
