"""Consensus clustering: how often the restarts of a rank put two samples, columns of X, into one cluster."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf.ordering import strongest
from jnmf.results import saved
from jnmf.similarity import stack
from jnmf.types import HasMembers

INSTALL = "run pip install 'jnmf[experiments]'"


@saved
class Consensus(NamedTuple):
    """One entry per rank, NumPy arrays: see `consensus`."""

    ranks: np.ndarray
    matrices: np.ndarray
    cophenetic: np.ndarray
    dispersion: np.ndarray
    silhouette: np.ndarray
    order: np.ndarray
    labels: np.ndarray


def consensus(sweep: HasMembers, *, scaled: bool = True) -> Consensus:
    r"""Consensus matrices of a sweep and what they say about each rank (Brunet, Tamayo, Golub and Mesirov 2004).

    sweep: `ranks` (R,), `loss` (R, S), `status` (R, S) and `members`, one Factors a rank, W (S, m, r) and H (S, r, n),
    nonnegative. Each restart puts column j of X into the cluster of its largest loading, the largest entry of column j
    of H. A column with no loading belongs to no cluster of that restart; one that has none in any restart, as an empty
    column of X, is *empty* and takes no part in what is said of the others.
    scaled: True takes the rows of H at unit length, as `clusters` does, which does not depend on the start. False takes
    H as it comes, as Brunet et al. do: the scale of its rows is then whatever the start made of it, restarts with the
    same W H can disagree, and the consensus is the lower for it.

    Returned, in float64 and integers:

    matrices (R, n, n): C_ij, the fraction of the restarts in which columns i and j belong to one cluster, and C_ii = 1.
        Restarts that diverged do not count. An empty column has 0 with every other.
    cophenetic (R,): the correlation of the distances 1 − C_ij and the heights at which average linkage on them joins
        i and j; 1 if C is 0 or 1 everywhere. Where all distances are equal (0/0) the dendrogram gives them exactly,
        and it is 1: at r = 1, and for fewer than three columns. Brunet et al. choose the rank where it begins to fall.
    dispersion (R,): the mean of 4 (C_ij − ½)² over all i and j, between 0 and 1; 1 if and only if C is 0 or 1
        everywhere. H. Kim and Park 2007, "Sparse non-negative matrix factorizations via alternating
        non-negativity-constrained least squares".
    silhouette (R,): the mean silhouette width (Rousseeuw 1987) of `labels` under the distances 1 − C_ij; a cluster of
        one column counts 0, and it is 0 where there is one cluster only (undefined), as at r = 1.
    order (R, n): the leaves of the dendrogram from left to right, then the empty columns: C[order][:, order] shows the
        clusters as blocks.
    labels (R, n): the clusters that cutting the dendrogram leaves, at most r, numbered from 0 in this order; −1 for an
        empty column. They are fewer than r where the cut would have to choose between joins at one height, and
        columns at distance 0 are never parted.

    The three measures are those of the columns that are not empty; where none is left, they are 1, 1 and 0. At r = 1
    these are one cluster, and cophenetic and dispersion are 1 whatever the data, if each restart gives each a loading.

    Raises ValueError for a sweep without ranks or restarts and where all restarts of a rank diverged, and ImportError
    where SciPy or scikit-learn are missing.

    >>> found = jnmf.consensus(jnmf.sweep(X, [1, 2], num_restarts=3, max_iters=50))
    >>> found.labels[1].tolist()
    [0, 0, 1, 1]
    """
    ranks, finite, factors = stack(sweep)
    assigned = np.asarray((_strongest if scaled else _largest)(factors.H))
    none = factors.H.shape[2]  # the label of a column with no loading
    of_ranks = [_of_rank(z[ok], none, int(rank)) for z, ok, rank in zip(assigned, finite, ranks, strict=True)]
    return Consensus(ranks, *(np.stack(column) for column in zip(*of_ranks, strict=True)))


@jax.jit
def _strongest(H):
    """H (R, S, r_max, n), padded with zero rows, which are never the largest -> labels (R, S, n)."""
    return jax.vmap(jax.vmap(lambda h: strongest(h.T)[0]))(H)


@jax.jit
def _largest(H):
    """The same with H as it comes."""
    return jnp.where(jnp.any(H > 0, axis=2), jnp.argmax(H, axis=2), H.shape[2])


def _of_rank(assigned, none, rank):
    """All fields of `Consensus` but the rank, from the labels (S, n) of its S restarts."""
    S, n = assigned.shape
    together = _times_together(assigned, none)
    used = np.flatnonzero((assigned != none).any(axis=0))
    apart = (S - together)[np.ix_(used, used)]
    cophenetic, leaves, cut = _dendrogram(apart, rank)
    labels = np.full(n, -1)
    labels[used] = cut
    order = np.concatenate([used[leaves], np.setdiff1d(np.arange(n), used)])
    dispersion = np.mean((1 - 2 * apart / S) ** 2) if used.size else 1.0
    return together / S, cophenetic, dispersion, _silhouette(apart, cut), order, labels


def _times_together(assigned, none):
    """Labels (S, n) -> (n, n) whole numbers: in how many of the S restarts i and j have the same label, not `none`."""
    S, n = assigned.shape
    indicators = assigned[:, :, None] == np.setdiff1d(assigned, none)
    indicators = indicators.swapaxes(0, 1).reshape(n, -1).astype(float)
    together = indicators @ indicators.T
    np.fill_diagonal(together, S)
    return together


def _dendrogram(apart, rank):
    """Average linkage: the cophenetic correlation, the leaves in order, and the labels from a cut into at most r.

    The cut is at the least height, 0 included, that leaves no more than r clusters. The distances are whole numbers of
    restarts, whose mean is the same number where all are equal; heights as near as rounding are one height.
    """
    try:
        from scipy.cluster.hierarchy import cophenet, fcluster, leaves_list, linkage
        from scipy.spatial.distance import squareform
    except ImportError as error:
        raise ImportError(f"consensus: expected SciPy to be installed; {INSTALL}") from error
    if len(apart) < 2:
        return 1.0, np.zeros(len(apart), int), np.zeros(len(apart), int)
    distances = squareform(apart)
    tree = linkage(distances, "average")
    cophenetic = cophenet(tree, distances)[0] if np.ptp(distances) > 0 else 1.0
    order = leaves_list(tree)
    n, heights = len(apart), np.sort(tree[:, 2])
    cut = heights[n - rank - 1] * (1 + n * np.finfo(float).eps) if n > rank else 0.0
    along = fcluster(tree, cut, "distance")[order]  # every cluster is a run of leaves
    labels = np.empty_like(order)
    labels[order] = np.cumsum(np.diff(along, prepend=along[0]) != 0)
    return cophenetic, order, labels


def _silhouette(apart, labels):
    try:
        from sklearn.metrics import silhouette_score
    except ImportError as error:
        raise ImportError(f"consensus: expected scikit-learn to be installed; {INSTALL}") from error
    # With one cluster, or as many as columns, scikit-learn raises; every width is then 0 or not defined.
    if not 1 < len(np.unique(labels)) < len(apart):
        return 0.0
    return float(silhouette_score(apart, labels, metric="precomputed"))
